//! How often a flow was opened: the distinct initial sequence numbers of its SYNs. A SYN sent
//! again carries the same number and counts once, in whichever part it was seen.

use std::collections::BTreeSet;

use hashbrown::HashMap;

use super::key::{FlowKey, Side};

/// A SYN: who sent it, with which initial sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Opening {
    side: Side,
    sequence: u32,
}

impl Opening {
    pub(super) fn new(side: Side, sequence: u32) -> Self {
        Self { side, sequence }
    }
}

/// Openings of one flow past this count as this many: enough to tell reuse of a port from a flood.
pub(super) const MAX_OPENINGS_PER_FLOW: usize = 256;

/// Openings beyond a flow's first, for the few flows that have them.
#[derive(Clone, Debug, Default)]
pub(super) struct Openings {
    further: HashMap<FlowKey, BTreeSet<Opening>, foldhash::fast::RandomState>,
}

impl Openings {
    /// Keeps an opening that differs from the one in the flow's record.
    #[cold]
    pub(super) fn insert(&mut self, key: FlowKey, opening: Opening) {
        let openings = self.further.entry(key).or_default();
        // The smallest are kept, so that the order of insertion never shows.
        openings.insert(opening);
        if openings.len() > MAX_OPENINGS_PER_FLOW {
            openings.pop_last();
        }
    }

    /// Connections of a flow whose record holds `first`.
    pub(super) fn count(&self, key: &FlowKey, first: Option<Opening>) -> u32 {
        let further = self.further.get(key).map_or(0, |further| {
            further
                .iter()
                .filter(|opening| Some(**opening) != first)
                .count()
        });
        (further + usize::from(first.is_some())).clamp(1, MAX_OPENINGS_PER_FLOW) as u32
    }

    /// Flows with as many openings as are counted.
    pub(super) fn saturated(&self) -> u64 {
        let full = |openings: &&BTreeSet<Opening>| openings.len() >= MAX_OPENINGS_PER_FLOW;
        self.further.values().filter(full).count() as u64
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (key, openings) in other.further {
            for opening in openings {
                self.insert(key, opening);
            }
        }
    }
}
