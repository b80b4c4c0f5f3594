//! Where a pcapng file may be cut: what is known before its first packet, and what looks like a
//! block.

use super::super::cut::Look;
use super::{
    Big, ByteOrder, ENHANCED_PACKET, FRAMING, Little, MAX_RECORD_BYTES, OBSOLETE_PACKET, Order,
    Pcapng, SIMPLE_PACKET, section_order,
};

impl Pcapng {
    /// Every block has a length that is a multiple of this, so that all begin at one.
    pub(in crate::capture) const ALIGNMENT: usize = 4;

    /// The state before the first packet of the file that begins with `head`; `None` where it
    /// can't be told, or is not that of the first section.
    pub(in crate::capture) fn before_packets(head: &[u8]) -> Option<Self> {
        let mut state = Self::new();
        let (mut at, mut frames) = (0, 0);
        loop {
            let rest = &head[at..];
            let length = match state.next_block(rest)? {
                (ENHANCED_PACKET | SIMPLE_PACKET | OBSOLETE_PACKET, _) => break,
                (_, length) => length,
            };
            let step = state.walk(rest.get(..length)?, &mut frames, &mut |_| {});
            if step.consumed != length || length == 0 {
                return None;
            }
            at += length;
        }
        // What its statistics say is counted by who reads them.
        state.end = None;
        for interface in &mut state.interfaces {
            interface.drops = None;
        }
        (state.sections == 1).then_some(state)
    }

    /// Whether a reader in the state of `other` reads on as one in this state: neither has left
    /// the first section, and both know the same interfaces.
    pub(in crate::capture) fn reads_on_as(&self, other: &Self) -> bool {
        let known = |state: &Self| (state.sections, state.order, state.interfaces.len());
        known(self) == known(other)
            && self
                .interfaces
                .iter()
                .zip(&other.interfaces)
                .all(|(mine, theirs)| mine.reads_as(theirs))
    }

    /// What the beginning of `bytes` looks like.
    pub(in crate::capture) fn look(&self, bytes: &[u8]) -> Look {
        match self.order {
            Order::Little => self.look_in::<Little>(bytes),
            Order::Big => self.look_in::<Big>(bytes),
        }
    }

    fn look_in<O: ByteOrder>(&self, bytes: &[u8]) -> Look {
        let Some(head) = bytes.first_chunk::<8>() else {
            return Look::Beyond;
        };
        let length = O::u32_at(head, 4) as usize;
        let is_possible = (FRAMING..=MAX_RECORD_BYTES).contains(&length);
        if !is_possible || !length.is_multiple_of(Self::ALIGNMENT) {
            return Look::Unlikely;
        }
        let Some(block) = bytes.get(..length) else {
            return Look::Beyond;
        };
        if O::u32_at(block, length - 4) as usize != length {
            return Look::Unlikely;
        }
        let body = &block[8..length - 4];
        let packet = match O::u32_at(head, 0) {
            ENHANCED_PACKET => self.packet::<O>(body, |fields| O::u32_at(fields, 0)),
            SIMPLE_PACKET => self.simple_packet::<O>(body),
            OBSOLETE_PACKET => self.packet::<O>(body, |fields| O::u16_at(fields, 0).into()),
            _ => return Look::Record { length, time: None },
        };
        match packet {
            Ok(packet) => Look::Record {
                length,
                time: Some(packet.time).filter(|time| time.is_known()),
            },
            Err(_) => Look::Unlikely,
        }
    }

    /// Type and length of the block that `rest` begins with.
    fn next_block(&self, rest: &[u8]) -> Option<(u32, usize)> {
        let head = rest.first_chunk::<12>()?;
        // The type of a section header is the same in both orders.
        let order = match Little::u32_at(head, 0) {
            super::SECTION_HEADER => section_order(head)?,
            _ => self.order,
        };
        Some(match order {
            Order::Little => (Little::u32_at(head, 0), Little::u32_at(head, 4) as usize),
            Order::Big => (Big::u32_at(head, 0), Big::u32_at(head, 4) as usize),
        })
    }
}
