//! Flows that no rule explains.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use super::super::event::{EventKind, WithdrawnEnd, WithdrawnFlow};
use super::super::ledger::Ledger;
use super::super::round::Round;
use super::super::{escaped, seconds};
use crate::net::Protocol;
use crate::report::model::Unexpected;
use crate::verdict::{Finding, Reason};

/// What explains a flow comes within milliseconds of it (a TFTP request and its answer, an RPC
/// endpoint and its use), or, from another interface, with its next slice or two of a quarter
/// second.
const SETTLES: Duration = seconds(1);

/// Tells of unexpected flows.
#[derive(Debug, Default)]
pub(in super::super) struct Flows {
    told: Ledger<Key, bool>,
}

/// A finding, as far as it takes to say that it does not stand any more.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    id: String,
    reason: Reason,
    protocol: Protocol,
    initiator: IpAddr,
    responder: Option<IpAddr>,
    port: Option<u16>,
}

/// What the flows of a folded finding share.
type Folded = (Reason, Protocol, IpAddr, Option<IpAddr>);

impl Flows {
    /// Whether a finding was told.
    pub fn has_told(&self, finding: &Finding) -> bool {
        self.told.told(&Key::new(finding))
    }

    pub fn tell(&mut self, round: &mut Round<'_>) {
        let audit = round.audit;
        self.told.begin();
        let findings = audit.unexpected.iter();
        for finding in findings.filter(|finding| finding.accepted.is_none()) {
            if self.told.stands(Key::new(finding), true, SETTLES, round) {
                let told = Box::new(Unexpected::new(finding, &round.places));
                round.tell(finding.first, EventKind::FlowUnexpected(told));
            }
        }
        let gone = self.told.gone(SETTLES, round.is_full("findings"), round);
        if gone.is_empty() {
            return;
        }
        let folded: HashSet<Folded> = audit.unexpected.iter().filter_map(folded).collect();
        let mut gone: Vec<_> = gone
            .into_iter()
            .map(|(key, _)| key)
            // What was folded into a larger finding stands; that one is told.
            .filter(|key| !key.is_in(&folded))
            .collect();
        gone.sort_by(|one, other| one.id.cmp(&other.id));
        for key in gone {
            round.tell_now(EventKind::FlowWithdrawn(key.withdrawn()));
        }
    }
}

/// What a finding holds together, where it folds several ports or addresses.
fn folded(finding: &Finding) -> Option<Folded> {
    let responder = &finding.responder;
    let is_folded = responder.address.is_none() || !responder.ports.is_empty();
    is_folded.then_some((
        finding.reason,
        finding.protocol,
        finding.initiator.address,
        responder.address,
    ))
}

impl Key {
    fn new(finding: &Finding) -> Self {
        Self {
            id: finding.id.clone(),
            reason: finding.reason,
            protocol: finding.protocol,
            initiator: finding.initiator.address,
            responder: finding.responder.address,
            port: finding.responder.port,
        }
    }

    fn is_in(&self, folded: &HashSet<Folded>) -> bool {
        let among =
            |responder| folded.contains(&(self.reason, self.protocol, self.initiator, responder));
        among(None) || among(self.responder)
    }

    fn withdrawn(self) -> WithdrawnFlow {
        let address = |address: IpAddr| address.to_string();
        WithdrawnFlow {
            id: escaped(&self.id),
            reason: self.reason.code(),
            protocol: self.protocol.to_string(),
            initiator: WithdrawnEnd {
                address: Some(address(self.initiator)),
                port: None,
            },
            responder: WithdrawnEnd {
                address: self.responder.map(address),
                port: self.port,
            },
        }
    }
}
