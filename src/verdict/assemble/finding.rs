//! An entry of unexpected flows as the report shows it.

use sha1::{Digest as _, Sha1};

use crate::flow::community_id;
use crate::net::Protocol;
use crate::verdict::finding::Entry;
use crate::verdict::{AcceptedFinding, Finding, FindingInitiator, FindingResponder, Judge};

impl Judge<'_> {
    pub(super) fn finding(&self, entry: &Entry) -> Finding {
        let (explanation, nearest) = self.entry_sentence(entry);
        let port = entry.port();
        let has_ports = matches!(entry.protocol, Protocol::Tcp | Protocol::Udp);
        let samples = entry.samples.iter();
        Finding {
            id: identity(entry),
            reason: entry.reason,
            protocol: entry.protocol,
            initiator: FindingInitiator {
                address: entry.initiator,
                name: self.host_name(entry.initiator),
                roles: self.role_ids(entry.initiator_roles),
            },
            responder: FindingResponder {
                address: entry.responder,
                name: entry.responder.and_then(|address| self.host_name(address)),
                port,
                ports: match has_ports && port.is_none() {
                    true => entry.ports.clone(),
                    false => Vec::new(),
                },
                addresses: entry.addresses,
                roles: self.role_ids(entry.responder_roles),
            },
            flows: entry.count.flows,
            packets: entry.count.packets,
            bytes: entry.count.bytes,
            first: entry.count.first,
            last: entry.count.last,
            frames: samples.clone().map(|(at, ..)| *at).collect(),
            community_ids: samples
                .filter_map(|(_, from, to)| community_id(entry.protocol, (*from)?, *to))
                .collect(),
            nearest_rules: nearest,
            explanation,
            accepted: entry.accepted.map(|index| {
                let exception = &self.site.accept[index];
                AcceptedFinding {
                    text: exception.text.clone(),
                    reason: exception.reason.clone(),
                }
            }),
        }
    }
}

/// Stable for the same site and endpoints: counts and times are no part of it.
fn identity(entry: &Entry) -> String {
    let text = |value: Option<String>| value.unwrap_or_else(|| "*".to_owned());
    let key = format!(
        "{} {} {} {} {} {}",
        entry.reason.code(),
        entry.protocol,
        entry.initiator,
        text(entry.responder.map(|address| address.to_string())),
        text(entry.port().map(|port| port.to_string())),
        match entry.accepted {
            Some(_) => "accepted",
            None => "open",
        },
    );
    let digest = Sha1::digest(key.as_bytes());
    digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
