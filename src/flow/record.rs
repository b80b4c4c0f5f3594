//! What is kept of every flow, in 48 bytes. Every field is a sum, a minimum, a maximum or a
//! union, so that merging records is associative and commutative. What few flows need beyond
//! that stands apart.

use super::apart::Apart;
use super::arrival::{Arrival, Opens};
use super::facts::{FlowFacts, Ttls};
use super::key::{Side, SidedPosition};
use super::opening::Opening;
use crate::net::{Position, Timestamp};

/// What was seen of one flow, by side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    first: Position,
    last: Timestamp,
    /// Below 2^16; what is carried over stands apart.
    packets: [u16; 2],
    ttls: [Ttls; 2],
    /// Below 2^32; what is carried over stands apart.
    bytes: [u32; 2],
    /// Of the opening kept here, where there is one.
    sequence: u32,
    /// Of the first packet; 0 where it had none.
    vlan: u16,
    /// Kinds of TCP segments, low side in the lower half; or kinds of ICMP messages.
    seen: u8,
    flags: u8,
}

const _: () = assert!(size_of::<Record>() == 48);

/// The sender of the first packet is the high side.
const FIRST_HIGH: u8 = 1;
/// An opening is kept here.
const OPENING: u8 = 2;
/// Its sender is the high side.
const OPENING_HIGH: u8 = 4;
/// The first packet that tells who opens is the first packet, and the low side opens.
const LOW_OPENS_AT_FIRST: u8 = 8;
/// The same for the high side.
const HIGH_OPENS_AT_FIRST: u8 = 16;
/// Something stands apart.
const APART: u8 = 32;

/// An ICMP error quotes the flow.
const QUOTED: u8 = 64;

const OPENS_AT_FIRST: u8 = LOW_OPENS_AT_FIRST | HIGH_OPENS_AT_FIRST;

/// Given where a record must put something apart.
pub(super) trait ApartOf {
    /// What stands apart of the flow, made where nothing does yet.
    fn apart(&mut self) -> &mut Apart;
}

impl Record {
    /// A record of one packet.
    #[inline]
    pub(super) fn new(arrival: &Arrival) -> Self {
        let side = arrival.side.index();
        let mut record = Self {
            first: arrival.at,
            last: arrival.at.time,
            packets: [0; 2],
            ttls: [Ttls::default(); 2],
            bytes: [0; 2],
            sequence: arrival.sequence,
            vlan: arrival.vlan,
            seen: arrival.seen,
            flags: match arrival.side {
                Side::Low => 0,
                Side::High => FIRST_HIGH,
            } | opens_at_first(arrival.opener())
                | arrival
                    .opening()
                    .map_or(0, |opening| opening_of(opening.side)),
        };
        record.packets[side] = 1;
        record.bytes[side] = arrival.bytes;
        record.ttls[side].add(arrival.ttl, arrival.is_reset);
        record
    }

    /// A record that nothing was counted in yet, of a flow that begins like `facts`.
    pub(super) fn blank(facts: &FlowFacts<'_>) -> Self {
        let first = facts.first;
        Self {
            first: first.at,
            last: first.at.time,
            packets: [0; 2],
            ttls: [Ttls::default(); 2],
            bytes: [0; 2],
            sequence: 0,
            vlan: facts.vlan.unwrap_or(0),
            seen: 0,
            flags: match first.side {
                Side::Low => 0,
                Side::High => FIRST_HIGH,
            },
        }
    }

    /// Adds a packet; `false` where [`Self::add_rest`] must follow.
    #[inline(always)]
    pub(super) fn add(&mut self, arrival: &Arrival) -> bool {
        let side = arrival.side.index();
        let (packets, many) = self.packets[side].overflowing_add(1);
        let (bytes, much) = self.bytes[side].overflowing_add(arrival.bytes);
        let plain = !(many | much) & (arrival.opens == Opens::No) & (arrival.at >= self.first);
        if plain {
            self.packets[side] = packets;
            self.bytes[side] = bytes;
            self.ttls[side].add(arrival.ttl, arrival.is_reset);
            self.last = self.last.max(arrival.at.time);
            self.seen |= arrival.seen;
        }
        plain
    }

    /// Adds a packet that [`Self::add`] did not: one that opens, comes before the first, or
    /// fills a counter.
    pub(super) fn add_rest(&mut self, arrival: &Arrival, apart: &mut impl ApartOf) {
        let side = arrival.side.index();
        let (packets, many) = self.packets[side].overflowing_add(1);
        let (bytes, much) = self.bytes[side].overflowing_add(arrival.bytes);
        self.packets[side] = packets;
        self.bytes[side] = bytes;
        self.ttls[side].add(arrival.ttl, arrival.is_reset);
        if many | much {
            self.flags |= APART;
            apart.apart().carry(side, many, much);
        }
        self.last = self.last.max(arrival.at.time);
        self.seen |= arrival.seen;
        let first = SidedPosition {
            at: arrival.at,
            side: arrival.side,
        };
        // A fragment's tag is not kept: it is taken for that of its flow.
        let vlan = if arrival.is_fragment {
            self.vlan
        } else {
            arrival.vlan
        };
        self.begin(first, vlan, apart);
        if let Some(opener) = arrival.opener() {
            let opened = SidedPosition {
                at: arrival.at,
                side: opener,
            };
            self.open(opened, apart);
        }
        if let Some(opening) = arrival.opening() {
            self.keep(opening, apart);
        }
    }

    /// A packet of the flow: the first one, where none was before.
    fn begin(&mut self, packet: SidedPosition, vlan: u16, apart: &mut impl ApartOf) {
        if packet >= self.first() {
            return;
        }
        if let Some(opened) = self.opened_at_first() {
            self.flags = self.flags & !OPENS_AT_FIRST | APART;
            apart.apart().opened = Some(opened);
        }
        self.first = packet.at;
        self.vlan = vlan;
        self.flags &= !FIRST_HIGH;
        if packet.side == Side::High {
            self.flags |= FIRST_HIGH;
        }
    }

    /// A packet tells who opens: the first such one counts.
    fn open(&mut self, opened: SidedPosition, apart: &mut impl ApartOf) {
        let known = self.opened_at_first();
        let known = known.or_else(|| self.has_apart().then(|| apart.apart().opened)?);
        let earliest = known.map_or(opened, |known| known.min(opened));
        self.flags &= !OPENS_AT_FIRST;
        if earliest.at == self.first {
            self.flags |= opens_at_first(Some(earliest.side));
        } else {
            self.flags |= APART;
            apart.apart().opened = Some(earliest);
        }
    }

    /// An opening: kept here where it is the only one.
    fn keep(&mut self, opening: Opening, apart: &mut impl ApartOf) {
        match self.opening() {
            None => {
                self.sequence = opening.sequence;
                self.flags |= opening_of(opening.side);
            }
            Some(kept) if kept == opening => {}
            Some(_) => {
                self.flags |= APART;
                apart.apart().further.insert(opening);
            }
        }
    }

    /// Adds what was seen of the same flow elsewhere.
    pub(super) fn merge(&mut self, facts: &FlowFacts<'_>, apart: &mut impl ApartOf) {
        for side in [0, 1] {
            let packets = u64::from(self.packets[side]) + (facts.packets[side] & PACKETS_KEPT);
            let bytes = u64::from(self.bytes[side]) + (facts.bytes[side] & BYTES_KEPT);
            self.packets[side] = packets as u16;
            self.bytes[side] = bytes as u32;
            let packets = (packets & !PACKETS_KEPT) + (facts.packets[side] & !PACKETS_KEPT);
            let bytes = (bytes & !BYTES_KEPT) + (facts.bytes[side] & !BYTES_KEPT);
            self.ttls[side].merge(facts.ttls[side]);
            if packets | bytes != 0 {
                self.flags |= APART;
                apart.apart().add(side, packets, bytes);
            }
        }
        self.last = self.last.max(facts.last);
        self.seen |= facts.seen;
        self.begin(facts.first, facts.vlan.unwrap_or(0), apart);
        if let Some(opened) = facts.opened {
            self.open(opened, apart);
        }
        for opening in facts.openings() {
            self.keep(opening, apart);
        }
    }

    /// The record in words, with what stands apart.
    pub(super) fn facts<'a>(&self, apart: Option<&'a Apart>) -> FlowFacts<'a> {
        let carried = |of: fn(&Apart) -> [u64; 2], side: usize| apart.map_or(0, |it| of(it)[side]);
        let sum = |kept: [u64; 2], of: fn(&Apart) -> [u64; 2]| {
            [0, 1].map(|side| kept[side] + carried(of, side))
        };
        FlowFacts {
            first: self.first(),
            opened: self
                .opened_at_first()
                .or_else(|| apart.and_then(|apart| apart.opened)),
            last: self.last,
            packets: sum(self.packets.map(u64::from), |apart| apart.packets),
            bytes: sum(self.bytes.map(u64::from), |apart| apart.bytes),
            ttls: self.ttls,
            opening: self.opening(),
            further: apart.map_or(&[], |apart| apart.further.as_slice()),
            vlan: Some(self.vlan).filter(|vlan| *vlan != 0),
            seen: self.seen,
        }
    }

    /// The same record with its first packet renumbered.
    pub(super) fn renumber(&mut self, new: impl Fn(Position) -> Position) {
        self.first = new(self.first);
    }

    /// Takes note that an ICMP error quotes the flow.
    pub(super) fn set_quoted(&mut self) {
        self.flags |= QUOTED;
    }

    pub(super) fn is_quoted(&self) -> bool {
        self.flags & QUOTED != 0
    }

    pub(super) fn has_apart(&self) -> bool {
        self.flags & APART != 0
    }

    /// Time of the last packet.
    pub(super) fn last(&self) -> Timestamp {
        self.last
    }

    pub(super) fn first(&self) -> SidedPosition {
        SidedPosition {
            at: self.first,
            side: side(self.flags, FIRST_HIGH),
        }
    }

    fn opened_at_first(&self) -> Option<SidedPosition> {
        (self.flags & OPENS_AT_FIRST != 0).then(|| SidedPosition {
            at: self.first,
            side: side(self.flags, HIGH_OPENS_AT_FIRST),
        })
    }

    fn opening(&self) -> Option<Opening> {
        (self.flags & OPENING != 0)
            .then(|| Opening::new(side(self.flags, OPENING_HIGH), self.sequence))
    }
}

/// The part of a count that a record keeps.
const PACKETS_KEPT: u64 = u16::MAX as u64;
const BYTES_KEPT: u64 = u32::MAX as u64;

fn side(flags: u8, high: u8) -> Side {
    if flags & high == 0 {
        Side::Low
    } else {
        Side::High
    }
}

#[inline]
fn opens_at_first(opener: Option<Side>) -> u8 {
    match opener {
        None => 0,
        Some(Side::Low) => LOW_OPENS_AT_FIRST,
        Some(Side::High) => HIGH_OPENS_AT_FIRST,
    }
}

#[inline]
fn opening_of(side: Side) -> u8 {
    match side {
        Side::Low => OPENING,
        Side::High => OPENING | OPENING_HIGH,
    }
}
