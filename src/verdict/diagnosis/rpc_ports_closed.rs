//! RPC ports closed behind an open endpoint mapper: it named them, and no flow to them succeeded.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{Case, DiagnosisKind, Find, listed};
use crate::net::{Position, Protocol};
use crate::verdict::{Audit, FailingFlow, Judge, RequirementCause};

const SERVICE: &str = "rpc";

pub(super) const KIND: DiagnosisKind = DiagnosisKind {
    code: "rpc-ports-closed",
    meaning: "the endpoint mapper answered, but no flow to the RPC ports that it named succeeded",
    advice: "open the RPC dynamic range beside TCP 135 on every firewall between the two hosts, the server's own too",
    find: Find::InAudit(find),
};

/// What the endpoint mapper of a server named, and flows went to.
struct Named {
    first: Position,
    ports: BTreeSet<u16>,
    /// The ports in words: put once, as many clients may ask.
    words: String,
}

fn find(judge: &Judge<'_>, audit: &Audit) -> Vec<Case> {
    let machine = |address| judge.facts.machine(address);
    let mut by_server: BTreeMap<(IpAddr, Protocol), Named> = BTreeMap::new();
    for rpc in audit.rpc.iter().filter(|rpc| rpc.used_by_flows > 0) {
        let endpoint = &rpc.endpoint;
        let server = (machine(endpoint.server), endpoint.protocol);
        let named = by_server.entry(server).or_insert_with(|| Named {
            first: endpoint.first,
            ports: BTreeSet::new(),
            words: String::new(),
        });
        named.ports.insert(endpoint.port);
    }
    for ((_, protocol), named) in &mut by_server {
        let ports = named.ports.iter().map(|port| format!("{protocol}/{port}"));
        named.words = listed(&ports.collect::<Vec<_>>());
    }
    let rules = judge.policy.rules.iter();
    let of_rpc = rules.filter(|rule| rule.service == SERVICE);
    let of_rpc: BTreeSet<&str> = of_rpc.map(|rule| rule.id.as_str()).collect();
    let failing = audit.failing.iter();
    failing
        .filter_map(|flow| {
            let (from, to) = (flow.initiator, flow.responder);
            let named = by_server.get(&(machine(to), flow.protocol))?;
            let is_case = of_rpc.contains(flow.rule.as_str())
                && named.ports.contains(&flow.port?)
                && judge.facts.has_reached_endpoint_mapper(from, to);
            is_case.then(|| case(flow, named))
        })
        .collect()
}

fn case(flow: &FailingFlow, named: &Named) -> Case {
    let how = match flow.cause {
        RequirementCause::Unanswered => {
            "nothing came back: a firewall on the way or on the server lets 135 through and drops \
             the rest"
        }
        RequirementCause::Refused => {
            "they were reset: the service ended since, or a firewall refuses them"
        }
        _ => "an ICMP error came back: a firewall or router refuses them",
    };
    let mut frames = vec![named.first];
    frames.extend(&flow.frames);
    Case {
        host: Some(flow.responder.to_string()),
        explanation: format!(
            "The endpoint mapper of {} named {} to its clients, but {} reached none of the ports \
             that it tried; {how}.",
            flow.responder, named.words, flow.initiator,
        ),
        frames,
    }
}
