//! Flows in a part file: some 45 bytes each.

use serde::{Deserialize, Serialize};

use super::budget::Budget;
use super::container::Records;
use super::error::PartFileError;
use super::wire::{Before, Places, WireKey, WirePosition, side};
use crate::flow::{FlowFacts, FlowKey, FlowTable, IcmpKinds, Opening, Side, SidedPosition, Ttls};
use crate::net::{Protocol, Timestamp};

/// Largest VLAN identifier, IEEE 802.1Q.
const MAX_VLAN: u16 = 0xfff;

/// A flow. What most flows lack stands in `rare`.
#[derive(Serialize, Deserialize)]
pub(super) struct WireFlow {
    key: WireKey,
    /// Bits of [`Flags`].
    flags: u8,
    /// Kinds of TCP segments (low side in the lower half), or of ICMP messages.
    seen: u8,
    first: WirePosition,
    /// Nanoseconds from the first packet to the last.
    lasts: u64,
    packets: [u64; 2],
    bytes: [u64; 2],
    /// Time to live of resets and of other packets, by side.
    ttls: [[u8; 2]; 2],
    /// Sequence number of the opening.
    opening: u32,
    /// Boxed, as it makes all records large that hardly any needs.
    rare: Option<Box<WireRare>>,
}

#[derive(Default, PartialEq, Serialize, Deserialize)]
struct WireRare {
    /// Where it was opened, if not by the first packet.
    opened: Option<RareOpening>,
    /// Openings beyond the one above: whether the high side sent it, and its number.
    further: Vec<(bool, u32)>,
    vlan: Option<u16>,
}

#[derive(PartialEq, Serialize, Deserialize)]
struct RareOpening {
    /// Nanoseconds since the first packet.
    later: u64,
    capture: u32,
    frame: u64,
}

/// Bits of a flow that are yes or no.
struct Flags;

impl Flags {
    const FIRST_IS_HIGH: u8 = 1;
    const IS_OPENED: u8 = 2;
    const OPENER_IS_HIGH: u8 = 4;
    const HAS_OPENING: u8 = 8;
    const OPENING_IS_HIGH: u8 = 16;
    const ALL: u8 = 31;
}

pub(super) fn write(before: &mut Before, key: FlowKey, flow: &FlowFacts<'_>) -> WireFlow {
    let (opening, further) = openings(flow);
    let mut flags = 0;
    let mut set = |flag, holds| flags |= if holds { flag } else { 0 };
    let high = |side| side == Side::High;
    set(Flags::FIRST_IS_HIGH, high(flow.first.side));
    set(Flags::IS_OPENED, flow.opened.is_some());
    set(
        Flags::OPENER_IS_HIGH,
        flow.opened.is_some_and(|opened| high(opened.side)),
    );
    set(Flags::HAS_OPENING, opening.is_some());
    set(
        Flags::OPENING_IS_HIGH,
        opening.is_some_and(|opening| high(opening.side)),
    );
    let since_first = |time: Timestamp| time.0.abs_diff(flow.first.at.time.0);
    let opened = flow.opened.filter(|opened| opened.at != flow.first.at);
    let further = further.into_iter();
    let rare = WireRare {
        opened: opened.map(|opened| RareOpening {
            later: since_first(opened.at.time),
            capture: opened.at.capture() as u32,
            frame: opened.at.frame(),
        }),
        further: further
            .map(|opening| (high(opening.side), opening.sequence))
            .collect(),
        vlan: flow.vlan,
    };
    WireFlow {
        key: before.write_key(key),
        flags,
        seen: flow.seen,
        first: before.write_position(flow.first.at),
        lasts: since_first(flow.last),
        packets: flow.packets,
        bytes: flow.bytes,
        ttls: flow.ttls.map(|ttls| [ttls.resets, ttls.others]),
        opening: opening.map_or(0, |opening| opening.sequence),
        rare: (rare != WireRare::default()).then(|| Box::new(rare)),
    }
}

/// The smallest distinct opening, and the others: which one the table keeps by itself is chance.
fn openings(flow: &FlowFacts<'_>) -> (Option<Opening>, Vec<Opening>) {
    if flow.further.is_empty() {
        return (flow.opening, Vec::new());
    }
    let mut all: Vec<_> = flow.further.iter().copied().chain(flow.opening).collect();
    all.sort_unstable();
    all.dedup();
    let further = all.split_off(1);
    (all.pop(), further)
}

/// The flow of a record, once all that it says is within bounds; `further` holds its openings.
pub(super) fn read<'f>(
    before: &mut Before,
    wire: &WireFlow,
    places: &Places<'_>,
    budget: &mut Budget,
    records: &Records<'_>,
    further: &'f mut Vec<Opening>,
) -> Result<(FlowKey, FlowFacts<'f>), PartFileError> {
    let key = before.read_key(wire.key, records)?;
    let at = before.read_position(wire.first, places, records)?;
    let has = |flag| wire.flags & flag != 0;
    let later = |nanoseconds| {
        let time = at.time.0.checked_add_unsigned(nanoseconds);
        time.map(Timestamp)
            .ok_or_else(|| records.invalid("a time is out of bounds"))
    };
    let rare = wire.rare.as_deref();
    let opened_at = match rare.and_then(|rare| rare.opened.as_ref()) {
        None => at,
        Some(opened) => {
            let time = later(opened.later)?;
            places.position(time, opened.capture, opened.frame, records)?
        }
    };
    let openings = rare.map_or(&[][..], |rare| &rare.further);
    further.clear();
    further.extend(
        openings
            .iter()
            .map(|(is_high, sequence)| Opening::new(side(*is_high), *sequence)),
    );
    let facts = FlowFacts {
        first: SidedPosition {
            at,
            side: side(has(Flags::FIRST_IS_HIGH)),
        },
        opened: has(Flags::IS_OPENED).then(|| SidedPosition {
            at: opened_at,
            side: side(has(Flags::OPENER_IS_HIGH)),
        }),
        last: later(wire.lasts)?,
        packets: wire.packets,
        bytes: wire.bytes,
        ttls: wire.ttls.map(|[resets, others]| Ttls { resets, others }),
        opening: has(Flags::HAS_OPENING)
            .then(|| Opening::new(side(has(Flags::OPENING_IS_HIGH)), wire.opening)),
        further,
        vlan: rare.and_then(|rare| rare.vlan),
        seen: wire.seen,
    };
    let kinds = match key.protocol() {
        Protocol::Tcp => u8::MAX,
        Protocol::IcmpOther => IcmpKinds::ALL,
        Protocol::Udp | Protocol::IcmpEcho | Protocol::Other(_) => 0,
    };
    let possible = wire.flags & !Flags::ALL == 0
        && facts.seen & !kinds == 0
        && facts.packets[facts.first.side.index()] > 0
        && facts.ttls.iter().zip(facts.packets).all(|(ttls, packets)| {
            (packets > 0 || *ttls == Ttls::default())
                && (ttls.resets == 0 || key.protocol() == Protocol::Tcp)
        })
        && facts
            .opened
            .is_none_or(|opened| opened.at >= at && opened.at.time <= facts.last)
        && facts.further.len() as u64 <= FlowTable::OPENINGS_LIMIT
        && (facts.opening.is_some() || facts.further.is_empty())
        && facts.vlan.is_none_or(|vlan| vlan <= MAX_VLAN);
    if !possible {
        return Err(records.invalid("one contradicts itself"));
    }
    for (packets, bytes) in facts.packets.into_iter().zip(facts.bytes) {
        if !budget.spend(packets, bytes) {
            return Err(records.invalid("they have more packets than there are"));
        }
    }
    Ok((key, facts))
}
