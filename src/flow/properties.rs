//! Records against the plain reading of what they pack: whatever packets come, in whatever
//! parts and order.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use proptest::collection::vec;
use proptest::prelude::*;

use super::arrival::{Arrival, Opens};
use super::compact::V4;
use super::facts::Ttls;
use super::key::{FlowKey, Side, SidedPosition};
use super::opening::Opening;
use super::table::FlowTable;
use crate::net::{Position, Timestamp};

/// What a record stands for, kept plainly.
#[derive(Debug, PartialEq)]
struct Plain {
    first: SidedPosition,
    opened: Option<SidedPosition>,
    last: Timestamp,
    packets: [u64; 2],
    bytes: [u64; 2],
    ttls: [Ttls; 2],
    openings: BTreeSet<Opening>,
    vlan: Option<u16>,
    seen: u8,
}

impl Plain {
    fn of(arrivals: &[Arrival]) -> Self {
        let sided = |arrival: &Arrival| SidedPosition {
            at: arrival.at,
            side: arrival.side,
        };
        let first = arrivals.iter().min_by_key(|it| sided(it)).expect("one");
        let opened = arrivals.iter().filter_map(|arrival| {
            let side = match arrival.opens {
                Opens::No => return None,
                Opens::BySyn | Opens::Sender => arrival.side,
                Opens::Receiver => arrival.side.other(),
            };
            let at = arrival.at;
            Some(SidedPosition { at, side })
        });
        let of = |side: Side| arrivals.iter().filter(move |arrival| arrival.side == side);
        let sides = [Side::Low, Side::High];
        Self {
            first: sided(first),
            opened: opened.min(),
            last: arrivals.iter().map(|it| it.at.time).max().expect("one"),
            packets: sides.map(|side| of(side).count() as u64),
            bytes: sides.map(|side| of(side).map(|it| u64::from(it.bytes)).sum()),
            ttls: sides.map(|side| {
                let highest = |resets| {
                    let such = of(side).filter(|it| it.is_reset == resets);
                    such.map(|it| it.ttl).max().unwrap_or(0)
                };
                Ttls {
                    resets: highest(true),
                    others: highest(false),
                }
            }),
            openings: arrivals
                .iter()
                .filter(|arrival| arrival.opens == Opens::BySyn)
                .map(|arrival| Opening::new(arrival.side, arrival.sequence))
                .collect(),
            vlan: Some(first.vlan).filter(|vlan| *vlan != 0),
            seen: arrivals.iter().fold(0, |seen, arrival| seen | arrival.seen),
        }
    }

    fn seen_in(table: &FlowTable) -> Vec<(FlowKey, Self)> {
        let partitions = 0..FlowTable::PARTITIONS;
        let all = partitions.flat_map(|partition| table.facts_of(partition));
        let plain = all.map(|(key, facts)| {
            let plain = Self {
                first: facts.first,
                opened: facts.opened,
                last: facts.last,
                packets: facts.packets,
                bytes: facts.bytes,
                ttls: facts.ttls,
                openings: facts.openings().collect(),
                vlan: facts.vlan,
                seen: facts.seen,
            };
            (key, plain)
        });
        let mut plain: Vec<_> = plain.collect();
        plain.sort_by_key(|(key, _)| *key);
        plain
    }
}

/// A packet of one of a few flows, in one of a few parts. Positions differ from packet to packet.
fn packets() -> impl Strategy<Value = Vec<(u16, usize, Arrival)>> {
    let opens = prop_oneof![
        4 => Just(Opens::No),
        2 => Just(Opens::BySyn),
        1 => Just(Opens::Sender),
        1 => Just(Opens::Receiver),
    ];
    let bytes = prop_oneof![40..1500_u32, Just(u32::MAX)];
    let packet = (
        0..3_u16,
        0..3_usize,
        0..4_i64,
        any::<bool>(),
        bytes,
        0..3_u16,
        any::<u8>(),
        opens,
        0..3_u32,
        (0..4_u8, any::<bool>()),
    );
    vec(packet, 1..60).prop_map(|packets| {
        let numbered = (1..).zip(packets);
        numbered
            .map(
                |(
                    frame,
                    (flow, part, time, high, bytes, vlan, seen, opens, sequence, (ttl, is_reset)),
                )| {
                    let arrival = Arrival {
                        at: Position::new(Timestamp(time), 0, frame),
                        side: Side::high_if(high),
                        bytes,
                        vlan,
                        ttl,
                        is_reset,
                        is_fragment: false,
                        seen,
                        opens,
                        sequence,
                    };
                    (flow, part, arrival)
                },
            )
            .collect()
    })
}

fn key(flow: u16) -> V4 {
    V4::new(([10, 0, 0, 1].into(), flow), ([10, 0, 0, 2].into(), 80), 6).0
}

proptest! {
    #[test]
    fn records_say_what_was_seen(packets in packets(), threads in 1..4_usize) {
        let mut parts = vec![FlowTable::default(), FlowTable::default(), FlowTable::default()];
        let mut expected = Vec::new();
        for flow in 0..3 {
            let of_flow: Vec<_> = packets.iter().filter(|it| it.0 == flow).map(|it| it.2).collect();
            if !of_flow.is_empty() {
                expected.push((key(flow), Plain::of(&of_flow)));
            }
        }
        for (flow, part, arrival) in &packets {
            parts[*part].add_arrival(key(*flow), *arrival);
        }
        // What is written out and read back is the same as well.
        let mut copied = FlowTable::default();
        for part in &mut parts {
            part.settle();
            for partition in 0..FlowTable::PARTITIONS {
                for (key, facts) in part.facts_of(partition) {
                    copied.insert(&key, &facts);
                }
            }
        }
        let threads = NonZeroUsize::new(threads).expect("at least one");
        let parts = parts.into_iter().map(|part| (part, None)).collect();
        let merged = FlowTable::merge(parts, threads);
        let mut expected: Vec<_> = expected
            .into_iter()
            .map(|(key, plain)| (super::compact::CompactKey::flow_key(&key), plain))
            .collect();
        expected.sort_by_key(|(key, _)| *key);
        prop_assert_eq!(Plain::seen_in(&copied), &expected[..]);
        prop_assert_eq!(Plain::seen_in(&merged), expected);
    }
}

#[test]
fn packets_are_counted_past_what_a_record_holds() {
    let arrival = |frame, side| Arrival {
        at: Position::new(Timestamp(0), 0, frame),
        side,
        bytes: 60,
        vlan: 0,
        ttl: 64,
        is_reset: false,
        is_fragment: false,
        seen: 0,
        opens: Opens::No,
        sequence: 0,
    };
    let part = |packets: u64| {
        let mut part = FlowTable::default();
        (1..=packets).for_each(|frame| part.add_arrival(key(0), arrival(frame, Side::Low)));
        part.add_arrival(key(0), arrival(packets + 1, Side::High));
        (part, None)
    };
    let parts = vec![part(0x1_0000), part(0xffff), part(0x3_0001)];
    let merged = FlowTable::merge(parts, NonZeroUsize::MIN);
    let [(_, seen)] = &Plain::seen_in(&merged)[..] else {
        panic!("one flow");
    };
    assert_eq!(seen.packets, [0x5_0000, 3]);
    assert_eq!(seen.bytes, [0x5_0000 * 60, 180]);
}
