//! What diagnoses ask of flows, noted as these pass: of the few whose transfers failed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use hashbrown::HashSet;

use super::transfers::block_size;
use crate::evidence::{Transfer, TransferOutcome};
use crate::flow::{Flow, State};
use crate::net::{Endpoint, Protocol};

const DNS: u16 = 53;

type Set<K> = HashSet<K, foldhash::fast::RandomState>;

/// Whom to watch.
#[derive(Clone, Default)]
pub(in crate::verdict) struct Watch {
    /// Servers that left a TFTP request unanswered.
    silent: Set<IpAddr>,
    /// Client and server of stalled transfers in blocks of more than the default size.
    stalled: Set<(Endpoint, Endpoint)>,
}

/// What was noted. Merges in any order.
#[derive(Clone, Default)]
pub(in crate::verdict) struct Watched {
    /// Watched servers that answered DNS.
    pub dns: BTreeSet<IpAddr>,
    /// What the server sent in a watched transfer's flow: packets, and frame bytes on the wire.
    pub sent: BTreeMap<(Endpoint, Endpoint), (u64, u64)>,
}

impl Watch {
    pub fn new(transfers: &[Transfer]) -> Self {
        let mut watch = Self::default();
        for transfer in transfers {
            match transfer.outcome {
                TransferOutcome::Unanswered => {
                    watch.silent.insert(transfer.server.address);
                }
                TransferOutcome::Stalled if block_size(transfer).is_some() => {
                    watch.stalled.insert((transfer.client, transfer.server));
                }
                _ => {}
            }
        }
        watch
    }

    pub fn observe(&self, flow: &Flow, seen: &mut Watched) {
        if flow.responder.port == DNS && !self.silent.is_empty() {
            let server = flow.responder.address;
            let answered = matches!(flow.state, State::Answered | State::Established);
            if answered && self.silent.contains(&server) {
                seen.dns.insert(server);
            }
        }
        if flow.protocol != Protocol::Udp || self.stalled.is_empty() {
            return;
        }
        let (from, to) = (flow.initiator, flow.responder);
        if self.stalled.contains(&(from, to)) {
            let sent = (flow.responder_packets, flow.responder_bytes);
            seen.sent.insert((from, to), sent);
        } else if self.stalled.contains(&(to, from)) {
            let sent = (flow.initiator_packets, flow.initiator_bytes);
            seen.sent.insert((to, from), sent);
        }
    }
}

impl Watched {
    pub fn merge(&mut self, other: Self) {
        self.dns.extend(other.dns);
        // One flow a pair of ends, so nothing is overwritten by anything else.
        self.sent.extend(other.sent);
    }
}
