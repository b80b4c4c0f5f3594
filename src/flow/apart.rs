//! What few flows need beyond their record: an opening after the first packet, more than one
//! opening, counts past 16 bits of packets and 32 of bytes.

use super::key::SidedPosition;
use super::opening::Openings;
use crate::net::Position;

/// What stands apart of one flow's record.
#[derive(Clone, Debug, Default)]
pub(super) struct Apart {
    /// Multiples of 2^16 carried over, by side.
    pub(super) packets: [u64; 2],
    /// Multiples of 2^32 carried over, by side.
    pub(super) bytes: [u64; 2],
    /// The first packet that tells who opens, where it is not the first packet.
    pub(super) opened: Option<SidedPosition>,
    pub(super) further: Openings,
}

impl Apart {
    /// Takes over what a counter of a record does not hold.
    pub(super) fn carry(&mut self, side: usize, packets: bool, bytes: bool) {
        self.add(side, u64::from(packets) << 16, u64::from(bytes) << 32);
    }

    pub(super) fn add(&mut self, side: usize, packets: u64, bytes: u64) {
        self.packets[side] += packets;
        self.bytes[side] += bytes;
    }

    pub(super) fn renumber(&mut self, new: impl Fn(Position) -> Position) {
        if let Some(opened) = &mut self.opened {
            opened.at = new(opened.at);
        }
    }
}
