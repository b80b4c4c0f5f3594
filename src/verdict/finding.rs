//! Unexpected flows → entries that a person reads. A scan of ports or hosts folds into one
//! entry; what an entry says does not depend on the order or grouping in which flows came.
//!
//! Memory: at most [`MAX_ENTRIES`] initiators per reason and protocol are followed, those that
//! would be listed first; of each, a port or an address takes a few bytes once it is folded.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use hashbrown::HashMap;

use super::Reason;
use super::folding::{Group, Pair, PairSample, Part};
use super::tally::{Count, Tally};
use crate::flow::Flow;
use crate::net::{Endpoint, Position, Protocol};
use crate::policy::RoleSet;

/// Entries in a report. What is kept out is counted as a limit.
pub const MAX_ENTRIES: usize = 10_000;

/// Folds unexpected flows.
#[derive(Debug, Default)]
pub(super) struct Findings {
    groups: HashMap<GroupKey, (Kind, Group), foldhash::fast::RandomState>,
    /// The keys of `groups`, the largest on top.
    keys: BinaryHeap<GroupKey>,
    flows: u64,
}

/// What a group of flows shares; the smallest are listed first. Flows that an exception accepts
/// stand apart from those that none does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct GroupKey {
    /// Exception, weight of the reason, protocol, in one word: this is compared for every flow.
    kind: u64,
    initiator: IpAddr,
}

impl GroupKey {
    fn new(kind: &Kind, initiator: IpAddr) -> Self {
        let accepted = kind.accepted.map_or(0, |index| index as u64 + 1);
        let weight = u64::from(u16::MAX - kind.reason.weight() as u16);
        let protocol = match kind.protocol {
            Protocol::Tcp => 0,
            Protocol::Udp => 1,
            Protocol::IcmpEcho => 2,
            Protocol::IcmpOther => 3,
            Protocol::Other(number) => 4 + u64::from(number),
        };
        Self {
            kind: accepted << 32 | weight << 16 | protocol,
            initiator,
        }
    }
}

impl Hash for GroupKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.kind);
        match self.initiator {
            IpAddr::V4(address) => state.write_u32(address.into()),
            IpAddr::V6(address) => state.write_u128(address.into()),
        }
    }
}

/// What stands in the first word of a key.
#[derive(Clone, Copy, Debug)]
struct Kind {
    accepted: Option<usize>,
    reason: Reason,
    protocol: Protocol,
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
    pub count: Count,
    /// The first packets of the first ten flows, with their ends; no initiator where several
    /// flows were folded, of which each has its own port.
    pub samples: Vec<(Position, Option<Endpoint>, Endpoint)>,
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
        self.flows += flow.flows;
        let kind = Kind {
            accepted,
            reason,
            protocol: flow.protocol,
        };
        let key = GroupKey::new(&kind, flow.initiator.address);
        if self.is_kept_out(&key) {
            return;
        }
        match self.groups.get_mut(&key) {
            Some((_, group)) => group.add(flow, responder_roles),
            None => {
                let group = Group::new(flow, initiator_roles, responder_roles);
                self.insert(key, kind, group);
            }
        }
    }

    /// Adds the flows that were folded elsewhere.
    pub fn merge(&mut self, mut other: Self) {
        if self.groups.len() < other.groups.len() {
            std::mem::swap(self, &mut other);
        }
        self.flows += other.flows;
        for (key, (kind, group)) in other.groups {
            if self.is_kept_out(&key) {
                continue;
            }
            match self.groups.get_mut(&key) {
                Some((_, known)) => known.merge(group),
                None => self.insert(key, kind, group),
            }
        }
    }

    /// Whether enough smaller keys are there. A key that is left out once stays out, since only
    /// smaller keys push it out: what remains has seen all its flows, in whatever order and
    /// grouping they came.
    fn is_kept_out(&self, key: &GroupKey) -> bool {
        self.groups.len() >= MAX_ENTRIES && self.keys.peek().is_some_and(|largest| key > largest)
    }

    fn insert(&mut self, key: GroupKey, kind: Kind, group: Group) {
        self.groups.insert(key, (kind, group));
        self.keys.push(key);
        if self.groups.len() > MAX_ENTRIES
            && let Some(largest) = self.keys.pop()
        {
            self.groups.remove(&largest);
        }
    }

    /// The entries, by weight.
    pub fn finish(self) -> Folded {
        // Only the entries that are listed are put together; on top is the one that goes first.
        let mut listed: BinaryHeap<Row<'_>> = BinaryHeap::new();
        let mut list = |row| {
            if listed.len() < MAX_ENTRIES {
                listed.push(row);
            } else if let Some(mut last) = listed.peek_mut()
                && row < *last
            {
                *last = row;
            }
        };
        for (key, (kind, group)) in &self.groups {
            group.parts(|part| list(Row::new(kind, key.initiator, group, part)));
        }
        let entries: Vec<Entry> = listed.into_sorted_vec().iter().map(Row::entry).collect();
        let kept: u64 = entries.iter().map(|entry| entry.count.flows).sum();
        Folded {
            entries,
            kept_out: self.flows - kept,
        }
    }
}

/// An entry that may be listed.
struct Row<'a> {
    rank: Rank,
    kind: &'a Kind,
    group: &'a Group,
    part: Part<'a>,
}

/// What nobody accepted first; then by weight of the reason, flows, bytes, and identity.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    is_accepted: bool,
    weight: Reverse<u32>,
    flows: Reverse<u64>,
    bytes: Reverse<u64>,
    protocol: Protocol,
    initiator: IpAddr,
    responder: Option<IpAddr>,
    first_port: Option<u16>,
    accepted: Option<usize>,
}

impl<'a> Row<'a> {
    fn new(kind: &'a Kind, initiator: IpAddr, group: &'a Group, part: Part<'a>) -> Self {
        let (responder, first_port, count) = match part {
            Part::Port(pair, port, tally) => (Some(pair.address), Some(port), tally.count),
            Part::Ports(pair, all) => (Some(pair.address), all.0.first(), all.1.count),
            Part::Responders(all) => (None, all.ports.first(), all.tally.count),
        };
        let rank = Rank {
            is_accepted: kind.accepted.is_some(),
            weight: Reverse(kind.reason.weight()),
            flows: Reverse(count.flows),
            bytes: Reverse(count.bytes),
            protocol: kind.protocol,
            initiator,
            responder,
            first_port,
            accepted: kind.accepted,
        };
        Self {
            rank,
            kind,
            group,
            part,
        }
    }

    fn entry(&self) -> Entry {
        let initiator =
            |port: Option<u16>| port.map(|port| Endpoint::new(self.rank.initiator, port));
        let of_pair = |pair: &Pair, tally: &Tally<PairSample>| {
            let samples = tally.samples().iter();
            let shown = samples
                .map(|(at, from, to)| (*at, initiator(*from), Endpoint::new(pair.address, *to)));
            shown.collect()
        };
        let (ports, count, samples) = match self.part {
            Part::Port(pair, port, tally) => {
                (vec![(port, port)], tally.count, of_pair(pair, tally))
            }
            Part::Ports(pair, all) => (all.0.ranges(), all.1.count, of_pair(pair, &all.1)),
            Part::Responders(all) => {
                let samples = all.tally.samples().iter();
                let shown = samples.map(|(at, from, address, to)| {
                    (*at, initiator(*from), Endpoint::new(*address, *to))
                });
                (all.ports.ranges(), all.tally.count, shown.collect())
            }
        };
        let (responder, responder_roles, addresses) = match self.part {
            Part::Port(pair, ..) | Part::Ports(pair, _) => (Some(pair.address), pair.roles, None),
            Part::Responders(all) => (None, all.roles, Some(all.addresses())),
        };
        Entry {
            reason: self.kind.reason,
            protocol: self.kind.protocol,
            accepted: self.kind.accepted,
            initiator: self.rank.initiator,
            initiator_roles: self.group.roles,
            responder,
            responder_roles,
            addresses,
            ports,
            count,
            samples,
        }
    }
}

impl PartialEq for Row<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Row<'_> {}

impl PartialOrd for Row<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Row<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}
