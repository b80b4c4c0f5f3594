//! How often a flow was opened: the distinct initial sequence numbers of its SYNs. A SYN sent
//! again carries the same number and counts once, in whichever part it was seen.

use super::key::Side;

/// A SYN: who sent it, with which initial sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opening {
    /// Who sent it.
    pub side: Side,
    /// Its initial sequence number.
    pub sequence: u32,
}

/// Openings of one flow past this count as this many: enough to tell reuse of a port from a flood.
pub(super) const MAX_OPENINGS_PER_FLOW: usize = 256;

impl Opening {
    /// An opening from its parts.
    pub fn new(side: Side, sequence: u32) -> Self {
        Self { side, sequence }
    }
}

/// Openings beyond a flow's first.
#[derive(Clone, Debug, Default)]
pub(super) struct Openings(Vec<Opening>);

impl Openings {
    /// Keeps an opening. The smallest are kept, so that the order of insertion never shows.
    pub(super) fn insert(&mut self, opening: Opening) {
        let Err(place) = self.0.binary_search(&opening) else {
            return;
        };
        if place < MAX_OPENINGS_PER_FLOW {
            self.0.truncate(MAX_OPENINGS_PER_FLOW - 1);
            self.0.insert(place, opening);
        }
    }

    /// In order.
    pub(super) fn as_slice(&self) -> &[Opening] {
        &self.0
    }
}
