//! Something in between says no: a reset or ICMP error whose time to live is not that of the host
//! in whose name it comes, or an ICMP error by which a packet filter names itself.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Case, DiagnosisKind, FRAMES, Find, listed, service};
use crate::verdict::{Audit, FailingFlow, Judge, Refuser};

pub(super) const KIND: DiagnosisKind = DiagnosisKind {
    code: "firewall-reset",
    meaning: "something between two hosts, not the host itself, refused a documented flow",
    advice: "ask who runs the firewall or router nearest to the capture with that TTL to let the flow through",
    find: Find::InAudit(find),
};

fn find(_: &Judge<'_>, audit: &Audit) -> Vec<Case> {
    let mut by_host: BTreeMap<(IpAddr, IpAddr), Vec<(&FailingFlow, Refuser)>> = BTreeMap::new();
    for flow in &audit.failing {
        if let Some(by) = flow.by.filter(|by| by.in_between.is_some()) {
            let ends = (flow.responder, by.refusal.address);
            by_host.entry(ends).or_default().push((flow, by));
        }
    }
    let cases = by_host
        .into_iter()
        .filter_map(|((responder, _), mut flows)| {
            // What is surest is told, with all that it is told of.
            flows.sort_by_key(|(_, by)| std::cmp::Reverse(by.in_between));
            let (surest, _) = flows.first()?;
            let mut tried: Vec<String> = flows
                .iter()
                .map(|(flow, _)| format!("{} from {}", service(flow), flow.initiator))
                .collect();
            tried.sort();
            tried.dedup();
            Some(Case {
                host: Some(responder.to_string()),
                explanation: format!("{} Refused: {}.", surest.explanation, listed(&tried)),
                frames: flows
                    .iter()
                    .flat_map(|(flow, _)| flow.frames.first().copied())
                    .take(FRAMES)
                    .collect(),
            })
        });
    cases.collect()
}
