//! Unexpected flows → entries that a person reads. A scan of ports or hosts folds into one
//! entry; what an entry says does not depend on the order in which flows came.
//!
//! Memory: at most [`MAX_ENTRIES`] initiators per reason and protocol are followed, those that
//! would be listed first; of each, a port or an address takes a few bytes once it is folded.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use hashbrown::HashSet;

use super::Reason;
use super::tally::Tally;
use crate::flow::Flow;
use crate::net::Protocol;
use crate::policy::RoleSet;

/// Past this many ports of one pair of hosts, the ports are folded into ranges.
pub(super) const MAX_PORTS: usize = 64;
/// Past this many responders of one initiator, the responders are folded into a count.
pub(super) const MAX_RESPONDERS: usize = 64;
/// Entries in a report. What is kept out is counted as a limit.
pub const MAX_ENTRIES: usize = 10_000;

/// Folds unexpected flows.
#[derive(Debug, Default)]
pub(super) struct Findings {
    groups: BTreeMap<GroupKey, Group>,
    flows: u64,
}

/// Reason, protocol and initiator; the smallest are listed first. Flows that an exception
/// accepts stand apart from those that none does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct GroupKey {
    accepted: Option<usize>,
    weight: Reverse<u32>,
    reason: Reason,
    protocol: Protocol,
    initiator: IpAddr,
}

#[derive(Debug)]
struct Group {
    initiator_roles: RoleSet,
    responders: Responders,
}

#[derive(Debug)]
enum Responders {
    Few(BTreeMap<IpAddr, Pair>),
    Many {
        addresses: HashSet<IpAddr, foldhash::fast::RandomState>,
        pair: Pair,
    },
}

/// Flows to one responder, or to many that were folded.
#[derive(Debug)]
struct Pair {
    roles: RoleSet,
    ports: Ports,
}

#[derive(Debug)]
enum Ports {
    Few(BTreeMap<u16, Tally>),
    Many {
        ports: BTreeSet<u16>,
        tally: Box<Tally>,
    },
}

/// One entry, before it is put into words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub reason: Reason,
    pub protocol: Protocol,
    pub accepted: Option<usize>,
    pub initiator: IpAddr,
    pub initiator_roles: RoleSet,
    /// `None` where many were folded.
    pub responder: Option<IpAddr>,
    pub responder_roles: RoleSet,
    /// How many addresses, where many were folded.
    pub addresses: Option<u64>,
    /// Every port.
    pub ports: Vec<(u16, u16)>,
    pub tally: Tally,
}

impl Entry {
    /// The port, where there is one and the protocol has ports.
    pub fn port(&self) -> Option<u16> {
        match (self.protocol, self.ports.as_slice()) {
            (Protocol::Tcp | Protocol::Udp, [(low, high)]) if low == high => Some(*low),
            _ => None,
        }
    }
}

/// The entries that a report lists.
pub(super) struct Folded {
    /// By weight.
    pub entries: Vec<Entry>,
    /// Flows of entries that did not fit.
    pub kept_out: u64,
}

impl Findings {
    /// Adds an unexpected flow.
    pub fn add(
        &mut self,
        flow: &Flow,
        reason: Reason,
        accepted: Option<usize>,
        (initiator_roles, responder_roles): (RoleSet, RoleSet),
    ) {
        self.flows += 1;
        let key = GroupKey {
            accepted,
            weight: Reverse(reason.weight()),
            reason,
            protocol: flow.protocol,
            initiator: flow.initiator.address,
        };
        let group = self.groups.entry(key).or_insert_with(|| Group {
            initiator_roles,
            responders: Responders::Few(BTreeMap::new()),
        });
        group.add(flow, responder_roles);
        // A key that is dropped once stays dropped, since only smaller keys push it out: what
        // remains has seen all its flows, in whatever order they came.
        if self.groups.len() > MAX_ENTRIES {
            self.groups.pop_last();
        }
    }

    /// The entries, by weight.
    pub fn finish(self) -> Folded {
        let mut entries: Vec<Entry> = self
            .groups
            .into_iter()
            .flat_map(|(key, group)| group.entries(key))
            .collect();
        entries.sort_by(|one, other| rank(one).cmp(&rank(other)));
        entries.truncate(MAX_ENTRIES);
        let kept: u64 = entries.iter().map(|entry| entry.tally.count.flows).sum();
        Folded {
            entries,
            kept_out: self.flows - kept,
        }
    }
}

/// What nobody accepted first; then by weight of the reason, flows, bytes, and identity.
fn rank(entry: &Entry) -> impl Ord {
    (
        entry.accepted.is_some(),
        Reverse(entry.reason.weight()),
        Reverse(entry.tally.count.flows),
        Reverse(entry.tally.count.bytes),
        (entry.protocol, entry.initiator, entry.responder),
        (entry.ports.first().copied(), entry.accepted),
    )
}

impl Group {
    fn add(&mut self, flow: &Flow, roles: RoleSet) {
        let address = flow.responder.address;
        match &mut self.responders {
            Responders::Few(pairs) => {
                pairs
                    .entry(address)
                    .or_insert_with(|| Pair::new(roles))
                    .add(flow);
                if pairs.len() > MAX_RESPONDERS {
                    self.responders = fold(std::mem::take(pairs));
                }
            }
            Responders::Many { addresses, pair } => {
                addresses.insert(address);
                pair.roles = pair.roles.union(roles);
                pair.add(flow);
            }
        }
    }

    fn entries(self, key: GroupKey) -> Vec<Entry> {
        let initiator_roles = self.initiator_roles;
        let entry = |responder, addresses, roles, (ports, tally)| Entry {
            reason: key.reason,
            protocol: key.protocol,
            accepted: key.accepted,
            initiator: key.initiator,
            initiator_roles,
            responder,
            responder_roles: roles,
            addresses,
            ports,
            tally,
        };
        match self.responders {
            Responders::Few(pairs) => pairs
                .into_iter()
                .flat_map(|(address, pair)| {
                    let roles = pair.roles;
                    let parts = pair.ports.parts().into_iter();
                    parts.map(move |part| entry(Some(address), None, roles, part))
                })
                .collect(),
            Responders::Many { addresses, pair } => {
                let count = addresses.len() as u64;
                let whole = pair.ports.whole();
                vec![entry(None, Some(count), pair.roles, whole)]
            }
        }
    }
}

fn fold(pairs: BTreeMap<IpAddr, Pair>) -> Responders {
    let mut addresses = HashSet::default();
    let mut all = Pair::new(RoleSet::EMPTY);
    for (address, pair) in pairs {
        addresses.insert(address);
        all.roles = all.roles.union(pair.roles);
        all.ports.merge(pair.ports);
    }
    Responders::Many {
        addresses,
        pair: all,
    }
}

impl Pair {
    fn new(roles: RoleSet) -> Self {
        Self {
            roles,
            ports: Ports::Few(BTreeMap::new()),
        }
    }

    fn add(&mut self, flow: &Flow) {
        let port = flow.responder.port;
        match &mut self.ports {
            Ports::Few(ports) => {
                ports.entry(port).or_default().add(flow);
                if ports.len() > MAX_PORTS {
                    self.ports = Ports::many(together(std::mem::take(ports)));
                }
            }
            Ports::Many { ports, tally } => {
                ports.insert(port);
                tally.add(flow);
            }
        }
    }
}

impl Ports {
    /// Adds the ports of another pair.
    fn merge(&mut self, other: Self) {
        let known = std::mem::replace(self, Self::Few(BTreeMap::new()));
        *self = match (known, other) {
            (Self::Few(mut known), Self::Few(more)) => {
                for (port, tally) in more {
                    known.entry(port).or_default().merge(tally);
                }
                match known.len() > MAX_PORTS {
                    true => Self::many(together(known)),
                    false => Self::Few(known),
                }
            }
            (one, other) => {
                let (mut ports, mut tally) = one.all();
                let (more, other) = other.all();
                ports.extend(more);
                tally.merge(other);
                Self::many((ports, tally))
            }
        };
    }

    fn many((ports, tally): (BTreeSet<u16>, Tally)) -> Self {
        Self::Many {
            ports,
            tally: Box::new(tally),
        }
    }

    fn all(self) -> (BTreeSet<u16>, Tally) {
        match self {
            Self::Few(ports) => together(ports),
            Self::Many { ports, tally } => (ports, *tally),
        }
    }

    /// An entry per port, or one for all.
    fn parts(self) -> Vec<(Vec<(u16, u16)>, Tally)> {
        match self {
            Self::Few(ports) => ports
                .into_iter()
                .map(|(port, tally)| (vec![(port, port)], tally))
                .collect(),
            Self::Many { ports, tally } => vec![(ranges(&ports), *tally)],
        }
    }

    /// One entry for all ports.
    fn whole(self) -> (Vec<(u16, u16)>, Tally) {
        let (ports, tally) = self.all();
        (ranges(&ports), tally)
    }
}

/// The ports of several tallies, and the tallies as one.
fn together(ports: BTreeMap<u16, Tally>) -> (BTreeSet<u16>, Tally) {
    let mut numbers = BTreeSet::new();
    let mut all = Tally::default();
    for (port, tally) in ports {
        numbers.insert(port);
        all.merge(tally);
    }
    (numbers, all)
}

fn ranges(ports: &BTreeSet<u16>) -> Vec<(u16, u16)> {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for port in ports {
        match ranges.last_mut() {
            Some((_, high)) if high.checked_add(1) == Some(*port) => *high = *port,
            _ => ranges.push((*port, *port)),
        }
    }
    ranges
}
