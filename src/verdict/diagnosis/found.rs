//! What diagnoses take from findings and failing flows.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::net::Position;
use crate::policy::RoleSet;
use crate::verdict::{Audit, FailingFlow, Finding, Judge};

/// Things that a sentence names.
const NAMED: usize = 5;
/// Frames that a case shows.
pub(super) const FRAMES: usize = 10;

/// Findings on one responder.
#[derive(Default)]
pub(super) struct Found {
    clients: BTreeSet<IpAddr>,
    ports: BTreeSet<u16>,
    pub(super) frames: Vec<Position>,
}

impl Found {
    /// Who opened.
    pub(super) fn clients(&self) -> String {
        let names: Vec<String> = self.clients.iter().map(IpAddr::to_string).collect();
        listed(&names)
    }

    /// What was opened.
    pub(super) fn ports(&self) -> String {
        let names: Vec<String> = self.ports.iter().map(u16::to_string).collect();
        listed(&names)
    }
}

/// Findings that nobody accepted, of initiators with a role, on a port of one responder that
/// `matches`, given its roles.
pub(super) fn found_by(
    judge: &Judge<'_>,
    audit: &Audit,
    initiator: &str,
    matches: impl Fn(&Finding, u16, RoleSet) -> bool,
) -> BTreeMap<IpAddr, Found> {
    let mut found: BTreeMap<IpAddr, Found> = BTreeMap::new();
    for finding in audit.unexpected.iter().filter(|it| it.accepted.is_none()) {
        let (Some(server), Some(port)) = (finding.responder.address, finding.responder.port) else {
            continue;
        };
        let is_initiator = finding.initiator.roles.iter().any(|role| role == initiator);
        if is_initiator && matches(finding, port, judge.ends.listed_roles(server)) {
            let found = found.entry(server).or_default();
            found.clients.insert(finding.initiator.address);
            found.ports.insert(port);
            found.frames.extend(&finding.frames);
        }
    }
    for found in found.values_mut() {
        found.frames.sort_unstable();
        found.frames.truncate(FRAMES);
    }
    found
}

/// The first few names, and how many more there are.
pub(super) fn listed(names: &[String]) -> String {
    let shown = names[..names.len().min(NAMED)].join(", ");
    match names.len() - names.len().min(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// What was opened: `tcp/443`.
pub(super) fn service(flow: &FailingFlow) -> String {
    match flow.port {
        Some(port) => format!("{}/{port}", flow.protocol),
        None => flow.protocol.to_string(),
    }
}
