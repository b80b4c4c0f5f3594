//! Folded flows in a part file: what was seen of them, as of one flow, and the sets that say how
//! many they are.

use serde::{Deserialize, Serialize};

use super::budget::Budget;
use super::container::Records;
use super::error::PartFileError;
use super::flows::{self, WireFlow};
use super::wire::{Before, Payload, Places, side};
use crate::flow::{FlowKey, FlowTable, FoldedFacts, Folding, Opening, Ports, Side, Sketch, Spread};
use crate::net::FiveTuple;

/// Ports that are listed: as many as take what a bit for each takes.
const MAX_LISTED: u64 = 4096;
const PORT_BITS: usize = 8192;

/// Folded flows of one initiator and responder, or one flow of them.
#[derive(Serialize, Deserialize)]
pub(super) struct WireFolded<'a> {
    #[serde(borrow)]
    folding: WireFolding<'a>,
    /// Whether the initiator is the high side of the key. In all else it is the low side.
    is_high: bool,
    flow: WireFlow,
}

#[derive(Serialize, Deserialize)]
enum WireFolding<'a> {
    #[serde(borrow)]
    InitiatorPorts(WireSet<'a>),
    /// Flows, and responders.
    Responders([WireSet<'a>; 2]),
    Ends([WireSet<'a>; 2]),
}

/// A set of ports, or of hashes.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum WireSet<'a> {
    /// All of them, rising: little-endian numbers.
    Listed(#[serde(borrow)] Payload<'a>),
    /// A bit for every port, or the registers of a sketch.
    Mapped(#[serde(borrow)] Payload<'a>),
}

/// The sets of folded flows, in bytes; where there is only one, the other is empty.
pub(super) struct Packed([(bool, Vec<u8>); 2]);

impl Packed {
    pub(super) fn new(folding: Folding<'_>) -> Self {
        Self(match folding {
            Folding::InitiatorPorts(ports) => [pack_ports(ports), Default::default()],
            Folding::Responders(spread) | Folding::Ends(spread) => {
                [pack_sketch(&spread.flows), pack_sketch(&spread.responders)]
            }
        })
    }

    fn sets(&self) -> [WireSet<'_>; 2] {
        self.0.each_ref().map(|(mapped, bytes)| match mapped {
            false => WireSet::Listed(Payload(bytes)),
            true => WireSet::Mapped(Payload(bytes)),
        })
    }
}

fn pack_ports(ports: &Ports) -> (bool, Vec<u8>) {
    if ports.count() <= MAX_LISTED {
        return (false, ports.iter().flat_map(u16::to_le_bytes).collect());
    }
    let mut bits = vec![0; PORT_BITS];
    for port in ports.iter() {
        bits[usize::from(port / 8)] |= 1 << (port % 8);
    }
    (true, bits)
}

fn pack_sketch(sketch: &Sketch) -> (bool, Vec<u8>) {
    match sketch {
        Sketch::Few(hashes) => {
            let bytes = hashes.iter().flat_map(|hash| hash.to_le_bytes());
            (false, bytes.collect())
        }
        Sketch::Many(registers) => (true, registers.to_vec()),
    }
}

/// Their key, and the side of the initiator. No two on one level have the same.
pub(super) fn key(folded: &FoldedFacts<'_>) -> (FlowKey, Side) {
    FlowKey::new(&FiveTuple {
        protocol: folded.protocol,
        source: folded.initiator,
        destination: folded.responder,
    })
}

/// Their place among all: level by level.
pub(super) fn order(folded: &FoldedFacts<'_>) -> (u8, FlowKey, Side) {
    let level = match folded.folding {
        Folding::InitiatorPorts(_) => 1,
        Folding::Responders(_) => 2,
        Folding::Ends(_) => 3,
    };
    let (key, initiator) = key(folded);
    (level, key, initiator)
}

pub(super) fn write<'a>(
    before: &mut Before,
    folded: &FoldedFacts<'_>,
    packed: &'a Packed,
) -> WireFolded<'a> {
    let (key, initiator) = key(folded);
    let sets = packed.sets();
    WireFolded {
        folding: match folded.folding {
            Folding::InitiatorPorts(_) => WireFolding::InitiatorPorts(sets[0]),
            Folding::Responders(_) => WireFolding::Responders(sets),
            Folding::Ends(_) => WireFolding::Ends(sets),
        },
        is_high: initiator == Side::High,
        flow: flows::write(before, key, &folded.facts),
    }
}

/// What was read, for [`Folding`] to borrow.
enum Sets {
    Ports(Ports),
    Spread(Spread),
}

/// Adds the folded flows of a record to those of its part, once all that it says is within bounds.
pub(super) fn read(
    before: &mut Before,
    wire: &WireFolded<'_>,
    places: &Places<'_>,
    budget: &mut Budget,
    records: &Records<'_>,
    part: &mut FlowTable,
) -> Result<(), PartFileError> {
    let no_set = || records.invalid("a set is none that flows can make");
    let mut openings: Vec<Opening> = Vec::new();
    let (key, facts) = flows::read(before, &wire.flow, places, budget, records, &mut openings)?;
    if facts.opening.is_some() || !facts.further.is_empty() {
        return Err(records.invalid("one says how often it was opened"));
    }
    let (sets, at_least) = match wire.folding {
        WireFolding::InitiatorPorts(set) => {
            let ports = ports(set).ok_or_else(no_set)?;
            let count = ports.count();
            (Sets::Ports(ports), count)
        }
        WireFolding::Responders([flows, responders]) | WireFolding::Ends([flows, responders]) => {
            let spread = Spread {
                flows: sketch(flows).ok_or_else(no_set)?,
                responders: sketch(responders).ok_or_else(no_set)?,
            };
            let most = spread.flows.at_least().max(spread.responders.at_least());
            (Sets::Spread(spread), most)
        }
    };
    // The sum is what the budget had: it does not overflow.
    if at_least > facts.packets.iter().sum() {
        return Err(records.invalid("they are more than they have packets"));
    }
    let initiator = side(wire.is_high);
    part.restore_folded(&FoldedFacts {
        protocol: key.protocol(),
        initiator: key.endpoint(initiator),
        responder: key.endpoint(initiator.other()),
        facts,
        folding: match (&sets, &wire.folding) {
            (Sets::Ports(ports), _) => Folding::InitiatorPorts(ports),
            (Sets::Spread(spread), WireFolding::Ends(_)) => Folding::Ends(spread),
            (Sets::Spread(spread), _) => Folding::Responders(spread),
        },
    });
    Ok(())
}

fn ports(set: WireSet<'_>) -> Option<Ports> {
    match set {
        WireSet::Listed(Payload(bytes)) => {
            let (ports, []) = bytes.as_chunks() else {
                return None;
            };
            Ports::of_list(ports.iter().map(|port| u16::from_le_bytes(*port)).collect())
        }
        WireSet::Mapped(Payload(bits)) => {
            let is_set = |port: &u16| bits[usize::from(port / 8)] >> (port % 8) & 1 == 1;
            let known = bits.len() == PORT_BITS;
            let ports = known.then(|| (0..=u16::MAX).filter(is_set).collect())?;
            Ports::of_list(ports)
        }
    }
}

fn sketch(set: WireSet<'_>) -> Option<Sketch> {
    match set {
        WireSet::Listed(Payload(bytes)) => {
            let (hashes, []) = bytes.as_chunks() else {
                return None;
            };
            Sketch::of_hashes(
                hashes
                    .iter()
                    .map(|hash| u64::from_le_bytes(*hash))
                    .collect(),
            )
        }
        WireSet::Mapped(Payload(registers)) => Sketch::of_registers(registers),
    }
}
