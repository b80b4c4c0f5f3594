//! ICMP errors, laid at the flows they quote. They may come before the flow, or from a part of
//! the input that never saw it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;

use super::key::{FlowKey, Side};
use crate::decode::IcmpError;
use crate::net::{FiveTuple, Position};

/// ICMP errors that quote a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpErrorSeen {
    /// The first one; of those that say unreachable, where any does.
    pub first: Position,
    /// Who sent it.
    pub sender: IpAddr,
    /// Its time to live or hop limit as captured.
    pub ttl: u8,
    /// Its ICMP type.
    pub kind: u8,
    /// Its ICMP code.
    pub code: u8,
    /// Whether any of them says that the destination can't be reached.
    pub unreachable: bool,
    /// How many there were.
    pub count: u64,
}

impl IcmpErrorSeen {
    /// Both counted together; who sent what is told of the earlier one, and rather of one that says
    /// unreachable than of a redirect that came before it.
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        let weight = |seen: &Self| (!seen.unreachable, seen.first);
        let told = if weight(&other) < weight(&self) {
            other
        } else {
            self
        };
        Self {
            unreachable: self.unreachable | other.unreachable,
            count: self.count.saturating_add(other.count),
            ..told
        }
    }
}

/// Quoted packets of more flows than this are counted only: whoever sends errors chooses what they quote.
const MAX_QUOTED: usize = 1 << 20;

/// ICMP errors by the packets they quote.
#[derive(Clone, Debug, Default)]
pub struct IcmpErrors {
    quoted: BTreeMap<(FlowKey, Side), IcmpErrorSeen>,
    /// Errors beyond the bound.
    dropped: u64,
}

impl IcmpErrors {
    /// The bound on quoted flows, for the report.
    pub const LIMIT: u64 = MAX_QUOTED as u64;

    /// Keeps an error sent by `sender`.
    pub fn add(&mut self, at: Position, sender: IpAddr, ttl: u8, error: &IcmpError) {
        let Some(quoted) = &error.quoted else { return };
        let (key, side) = FlowKey::new(quoted);
        let seen = IcmpErrorSeen {
            first: at,
            sender,
            ttl,
            kind: error.kind,
            code: error.code,
            unreachable: error.unreachable,
            count: 1,
        };
        self.insert((key, side), seen);
    }

    /// Every flow that is quoted with the side that sent what is quoted, in no particular order.
    pub fn seen(&self) -> impl Iterator<Item = ((FlowKey, Side), IcmpErrorSeen)> {
        self.quoted.iter().map(|(key, seen)| (*key, *seen))
    }

    /// Adds errors that quote what a side of a flow sent.
    pub fn insert(&mut self, key: (FlowKey, Side), seen: IcmpErrorSeen) {
        match self.quoted.entry(key) {
            Entry::Occupied(mut kept) => {
                let kept = kept.get_mut();
                *kept = kept.merged(seen);
            }
            Entry::Vacant(place) => {
                place.insert(seen);
            }
        }
        // The smallest keys are kept: a key that is dropped once stays dropped, so that neither
        // order nor grouping shows.
        if self.quoted.len() > MAX_QUOTED
            && let Some((_, seen)) = self.quoted.pop_last()
        {
            self.add_dropped(seen.count);
        }
    }

    /// Errors that quote packets of `five_tuple`'s direction.
    pub fn quoting(&self, five_tuple: &FiveTuple) -> Option<IcmpErrorSeen> {
        self.quoted.get(&FlowKey::new(five_tuple)).copied()
    }

    /// The flows that are quoted.
    pub(super) fn quoted(&self) -> impl Iterator<Item = &FlowKey> {
        self.quoted.keys().map(|(key, _)| key)
    }

    /// Whether no error quotes anything.
    pub(super) fn is_empty(&self) -> bool {
        self.quoted.is_empty()
    }

    /// Errors that quote either direction of a flow.
    pub(super) fn of_flow(&self, key: &FlowKey) -> Option<IcmpErrorSeen> {
        let [low, high] = [Side::Low, Side::High].map(|side| self.quoted.get(&(*key, side)));
        match (low.copied(), high.copied()) {
            (Some(low), Some(high)) => Some(low.merged(high)),
            (low, high) => low.or(high),
        }
    }

    /// Errors that were counted only.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Counts errors that another part counted only.
    pub fn add_dropped(&mut self, count: u64) {
        self.dropped = self.dropped.saturating_add(count);
    }

    /// Adds what another part saw.
    pub fn merge(&mut self, mut other: Self) {
        // Merging commutes, so the smaller table moves.
        if self.quoted.len() < other.quoted.len() {
            std::mem::swap(self, &mut other);
        }
        self.add_dropped(other.dropped);
        for (key, seen) in other.quoted {
            self.insert(key, seen);
        }
    }

    /// The same errors with their positions renumbered.
    pub fn renumber(&mut self, new: impl Fn(Position) -> Position) {
        for seen in self.quoted.values_mut() {
            seen.first = new(seen.first);
        }
    }
}
