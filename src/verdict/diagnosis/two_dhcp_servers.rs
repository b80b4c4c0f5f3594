//! Two DHCP servers that offer addresses to one machine.

use std::collections::BTreeMap;

use super::{Case, DiagnosisKind};
use crate::evidence::{BootAnswer, BootAnswerKind};
use crate::verdict::boot::hardware_address;
use crate::verdict::{Audit, Judge};

pub(super) const KIND: DiagnosisKind = DiagnosisKind {
    code: "two-dhcp-servers",
    meaning: "two DHCP servers offered addresses to one machine",
    advice: "turn one off, or split the scope between them as failover partners",
    find,
};

fn find(judge: &Judge<'_>, _: &Audit) -> Vec<Case> {
    let Some(evidence) = judge.facts.proofs().evidence else {
        return Vec::new();
    };
    let mut by_machine: BTreeMap<[u8; 6], Vec<&BootAnswer>> = BTreeMap::new();
    for boot in &evidence.pxe {
        let Some(mac) = boot.client_mac else {
            continue;
        };
        let known = by_machine.entry(mac).or_default();
        for answer in &boot.answers {
            let is_new = known.iter().all(|other| other.server != answer.server);
            if answer.kind == BootAnswerKind::AddressOffer && is_new {
                known.push(answer);
            }
        }
    }
    let several = by_machine
        .into_iter()
        .filter(|(_, offers)| offers.len() > 1);
    several
        .map(|(mac, offers)| {
            let servers: Vec<_> = offers
                .iter()
                .map(|offer| offer.server.to_string())
                .collect();
            Case {
                host: Some(hardware_address(mac)),
                explanation: format!(
                    "{} DHCP servers offered it an address: {}.",
                    servers.len(),
                    servers.join(", ")
                ),
                frames: offers.iter().map(|offer| offer.at).collect(),
            }
        })
        .collect()
}
