//! Floods, parts that disagree, and what is taken back.

use std::net::IpAddr;

use super::*;
use crate::flow::facts::Ttls;
use crate::flow::key::SidedPosition;
use crate::net::{Endpoint, FiveTuple, Timestamp};

fn small() -> Folded {
    Folded {
        bounds: Bounds {
            pairs: 100,
            port_bytes: 4096,
            initiators: 50,
        },
        ..Folded::default()
    }
}

fn word(number: u64) -> u64 {
    let mut mix = Mix::default();
    mix.write_u64(number);
    mix.finish()
}

fn key(source: (u32, u16), to: (u32, u16)) -> (FlowKey, Side) {
    let end = |(address, port)| Endpoint::new(IpAddr::from(u32::to_be_bytes(address)), port);
    FlowKey::new(&FiveTuple {
        protocol: Protocol::Udp,
        source: end(source),
        destination: end(to),
    })
}

/// A packet sent by that side.
fn packet(number: u64, side: Side) -> FlowFacts<'static> {
    let mut packets = [0; 2];
    packets[side.index()] = 1;
    let mut ttls = [Ttls::default(); 2];
    ttls[side.index()].add(60 + (number % 60) as u8, false);
    FlowFacts {
        first: SidedPosition {
            at: Position::new(Timestamp(number as i64), 0, number),
            side,
        },
        opened: None,
        last: Timestamp(number as i64),
        packets,
        bytes: packets.map(|count| count * 60),
        ttls,
        opening: None,
        further: &[],
        vlan: None,
        seen: 0,
    }
}

fn sums(folded: &Folded) -> (u64, u64) {
    folded.views().fold((0, 0), |(packets, bytes), view| {
        let sum = |both: [u64; 2]| both[0] + both[1];
        (
            packets + sum(view.facts.packets),
            bytes + sum(view.facts.bytes),
        )
    })
}

/// Sources, ports and targets at random, twice: in one go, and in parts that are merged.
#[test]
fn a_flood_is_bounded_and_counted() {
    const PACKETS: u64 = 40_000;
    let (mut whole, mut merged) = (small(), small());
    for part in 0..4 {
        let mut folded = small();
        for number in (0..PACKETS).filter(|number| number % 4 == part) {
            let random = word(number);
            let source = (random as u32, (random >> 32) as u16);
            let to = (word(random) as u32 & 0xff, (random >> 48) as u16);
            let (key, side) = key(source, to);
            whole.add(&key, &packet(number, side));
            folded.add(&key, &packet(number, side));
        }
        folded.views().for_each(|view| merged.insert(&view));
    }
    for folded in [&whole, &merged] {
        assert_eq!(sums(folded), (PACKETS, PACKETS * 60));
        assert_eq!(folded.pairs.flows.len(), 100);
        assert_eq!(folded.initiators.flows.len(), 50);
        assert_eq!(folded.rest.flows.len(), 1);
        let (flows, beyond) = folded.counts();
        assert!(flows.abs_diff(PACKETS) < PACKETS / 10 && beyond < flows);
    }
}

#[test]
fn ports_are_bounded_in_memory() {
    let mut folded = small();
    for port in 0..=u16::MAX {
        let (key, side) = key((1, port), (2, 53));
        folded.add(&key, &packet(u64::from(port), side));
    }
    assert!(folded.port_bytes <= 2 * folded.bounds.port_bytes);
    assert_eq!(sums(&folded).0, 65_536);
    let flows = folded.counts().0;
    assert!(flows.abs_diff(65_536) < 6_554, "{flows}");
    // What was folded by its port goes on there.
    let beyond = folded.counts().1;
    let (key, side) = key((1, 0), (2, 53));
    folded.add(&key, &packet(0, side));
    assert_eq!(folded.counts(), (flows, beyond));
}

#[test]
fn an_answer_belongs_to_what_was_asked() {
    let mut folded = Folded::default();
    for client in 1..=3 {
        let (there, side) = key((client, 50_000), (9, 60_000));
        folded.add(&there, &packet(1, side));
        folded.add(&there, &packet(2, side.other()));
        assert!(folded.add_existing(&there, &packet(3, side.other())));
    }
    let views: Vec<_> = folded.views().collect();
    assert_eq!(views.len(), 3);
    for view in views {
        assert_eq!(view.responder.port, 60_000);
        assert_eq!(view.facts.packets, [1, 2]);
        assert_eq!(view.facts.ttls.map(|ttls| ttls.others), [61, 63]);
    }
    let (unknown, side) = key((1, 50_001), (9, 60_000));
    assert!(!folded.add_existing(&unknown, &packet(4, side)));
}

#[test]
fn parts_that_disagree_on_the_initiator_count_flows_once() {
    let fold = |from: u32, to: u32, ports: [u16; 2], port: u16| {
        let mut folded = Folded::default();
        for (number, own) in ports.into_iter().enumerate() {
            let (key, side) = key((from, own), (to, port));
            folded.add(&key, &packet(number as u64, side));
        }
        folded
    };
    let mut one = fold(1, 2, [4000, 4001], 5000);
    let other = fold(2, 1, [5000, 5001], 4000);
    other.views().for_each(|view| one.insert(&view));
    assert_eq!((one.counts(), sums(&one).0), ((3, 0), 4));
}

#[test]
fn what_stands_by_itself_is_taken_out() {
    let mut folded = Folded::default();
    for port in [10, 11, 12] {
        let (key, side) = key((1, port), (2, 53));
        folded.add(&key, &packet(1, side));
    }
    let standing = |ports: &'static [u16]| {
        move |it: &FlowKey| ports.iter().any(|port| key((1, *port), (2, 53)).0 == *it)
    };
    assert!(folded.take_standing(standing(&[10])).is_empty());
    assert_eq!(folded.counts().0, 2);
    let taken = folded.take_standing(standing(&[10, 11, 12]));
    assert_eq!((taken.len(), folded.counts().0), (1, 0));
    assert_eq!(taken[0].facts().packets, [3, 0]);
}
