//! Folded flows of every level: written, read, and made to do harm.

use std::net::IpAddr;

use super::container::repaired;
use super::{Merging, PartFile, PartFileError, fuzz_part};
use crate::flow::{
    FlowFacts, FlowTable, FoldedFacts, Folding, Ports, Side, SidedPosition, Sketch, Spread, Ttls,
};
use crate::net::{Endpoint, Position, Protocol, Timestamp};
use crate::observation::{Part, Piece, Window};

const PACKETS: u64 = 1_000_000;
const BOUND: usize = 10;

fn end(address: &str, port: u16) -> Endpoint {
    let address: IpAddr = address.parse().expect("an address");
    Endpoint::new(address, port)
}

fn sketch(count: u64, from: u64) -> Sketch {
    let mut sketch = Sketch::default();
    for number in from..from + count {
        sketch.insert((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    }
    sketch
}

/// Folded flows of the ends and so many packets, of which `sent` says what they are.
fn fold(part: &mut Part, protocol: Protocol, ends: [Endpoint; 2], packets: u64, sent: Folding<'_>) {
    let first = SidedPosition {
        at: Position::new(Timestamp(5), 0, 3),
        side: Side::Low,
    };
    let opened = SidedPosition {
        at: Position::new(Timestamp(6), 0, 4),
        side: Side::Low,
    };
    let ttls = Ttls {
        resets: if protocol == Protocol::Tcp { 254 } else { 0 },
        others: 126,
    };
    part.flows.restore_folded(&FoldedFacts {
        protocol,
        initiator: ends[0],
        responder: ends[1],
        facts: FlowFacts {
            first,
            opened: (protocol == Protocol::Tcp).then_some(opened),
            last: Timestamp(77),
            packets: [packets, 0],
            bytes: [packets * 60, 0],
            ttls: [ttls, Ttls::default()],
            opening: None,
            further: &[],
            vlan: Some(7),
            seen: u8::from(protocol == Protocol::Tcp),
        },
        folding: sent,
    });
}

/// A part of so many ports of `client`, and of others, folded on every level.
fn part(source: &str, client: &str, ports: std::ops::Range<u16>) -> Part {
    part_with(source, client, ports, 9_000)
}

/// The same with so many ports at another pair.
fn part_with(source: &str, client: &str, ports: std::ops::Range<u16>, others: u16) -> Part {
    let piece = Piece {
        source: source.to_owned(),
        format: Some("pcap"),
        compression: None,
        first: Timestamp(5),
        offset: 0,
    };
    let mut part = Part::new(piece, Window::default(), BOUND);
    part.close(PACKETS, None, None);
    part.pieces[0].record.packets = PACKETS;
    part.pieces[0].record.bytes = PACKETS * 60;
    (part.total.packets, part.total.bytes) = (PACKETS, PACKETS * 60);
    let server = end("10.0.0.1", 443);
    let set = |ports: std::ops::Range<u16>| Ports::of_list(ports.collect()).expect("rising");
    let spread = |flows, responders| Spread {
        flows: sketch(flows, 0),
        responders: sketch(responders, 1 << 40),
    };
    let ends = [end(client, ports.start), server];
    let packets = ports.len() as u64 + 1;
    let pair = set(ports);
    fold(
        &mut part,
        Protocol::Tcp,
        ends,
        packets,
        Folding::InitiatorPorts(&pair),
    );
    let v6 = [end("2001:db8::9", 1), end("2001:db8::1", 53)];
    fold(
        &mut part,
        Protocol::Udp,
        v6,
        10_000,
        Folding::InitiatorPorts(&set(1..others)),
    );
    // Both ends may be the initiator, and the address of one end that of the other.
    let turned = [end("10.0.0.1", 5), end("10.0.0.1", 5)];
    fold(
        &mut part,
        Protocol::Other(47),
        turned,
        2,
        Folding::InitiatorPorts(&set(5..7)),
    );
    let (few, many) = (spread(20, 1), spread(5_000, 300));
    fold(
        &mut part,
        Protocol::Tcp,
        ends,
        20,
        Folding::Responders(&few),
    );
    fold(
        &mut part,
        Protocol::Udp,
        v6,
        6_000,
        Folding::Responders(&many),
    );
    fold(&mut part, Protocol::Udp, ends, 6_000, Folding::Ends(&many));
    fold(&mut part, Protocol::IcmpEcho, v6, 40, Folding::Ends(&few));
    part
}

fn write(part: Part) -> Vec<u8> {
    let mut file = Vec::new();
    part.write(Window::default(), &mut file)
        .expect("a vector takes it");
    file
}

fn merge(files: &[Vec<u8>], max_flows: usize) -> Result<Part, PartFileError> {
    let open = |file: &Vec<u8>| PartFile::open(&file[..], "x").map(|it| it.head().clone());
    let heads = files.iter().map(open).collect::<Result<_, _>>()?;
    let mut merging = Merging::new(heads, max_flows)?;
    for (number, file) in files.iter().enumerate() {
        merging.add(number, PartFile::open(&file[..], "x")?, &mut |_| {})?;
    }
    Ok(merging.finish())
}

/// All that is said of folded flows, in order.
fn told(table: &FlowTable) -> Vec<String> {
    let mut all: Vec<_> = table.folded().map(|it| format!("{it:?}")).collect();
    all.sort();
    all
}

#[test]
fn every_level_is_read_back_as_it_was() {
    let part = part("a", "10.1.0.1", 100..5_000);
    let expected = told(&part.flows);
    assert_eq!(expected.len(), 7);
    let file = write(part.clone());
    let again = merge(std::slice::from_ref(&file), usize::MAX).expect("it fits");
    assert_eq!(told(&again.flows), expected);
    assert_eq!(again.flows.folded_counts(), part.flows.folded_counts());
    assert_eq!(again.flows.folded_at(), Some(BOUND));
    let limits = |part: Part| part.finish().limits().to_vec();
    assert_eq!(limits(again.clone()), limits(part));
    assert!(write(again) == file);
}

#[test]
fn merged_files_are_merged_parts() {
    let (one, other) = (
        part("a", "10.1.0.1", 100..5_000),
        part("b", "10.1.0.2", 4_000..4_100),
    );
    let third = part("c", "10.1.0.1", 4_900..6_000);
    let parts = [one, other, third];
    let in_memory = parts.iter().cloned().reduce(Part::merge).expect("parts");
    let expected = told(&in_memory.flows);
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let files = order.map(|number| write(parts[number].clone()));
        let merged = merge(&files, 1_000).expect("they fit");
        assert_eq!(told(&merged.flows), expected);
        assert_eq!(merged.flows.folded_at(), Some(BOUND));
        let grouped = [
            write(merge(&files[..2], 1_000).expect("two")),
            files[2].clone(),
        ];
        let merged = merge(&grouped, 1_000).expect("they fit");
        assert_eq!(told(&merged.flows), expected);
    }
}

/// The bytes of the section, every one changed, behind right checksums.
#[test]
fn changed_bytes_of_every_level_do_no_harm() {
    fuzz_part(&write(part("a", "10.1.0.1", 100..103)));
    let mut file = write(part_with("a", "10.1.0.1", 100..103, 4));
    fuzz_part(&file);
    // All but the bulk of sets, which is checked as one.
    let step = |at: usize| if at < 300 { 1 } else { 257 };
    let mut at = 0;
    while at < file.len() {
        for change in [1, 0x80, 0xff] {
            file[at] ^= change;
            fuzz_part(&file);
            file[at] ^= change;
        }
        let mut changed = file.clone();
        changed.splice(at..at + 1, [[0xff; 8].as_slice(), &[0x7f]].concat());
        fuzz_part(&changed);
        at += step(at);
    }
}

#[test]
fn what_flows_can_not_make_is_refused() {
    let refused = |ends: [Endpoint; 2], packets, sent: Folding<'_>, change: fn(&mut Part)| {
        let mut part = part("a", "10.1.0.1", 100..103);
        // Of a protocol that no other has: they would be laid there.
        fold(&mut part, Protocol::Other(132), ends, packets, sent);
        change(&mut part);
        let error = merge(&[repaired(&write(part))], usize::MAX).err();
        error.map(|error| error.to_string()).unwrap_or_default()
    };
    let ends = [end("10.7.0.1", 1), end("10.0.0.1", 53)];
    let ports = |count| Ports::of_list((0..count).collect()).expect("rising");
    let sums = |error: String| error.contains("they are more than they have packets");
    let same = |_: &mut Part| {};
    assert_eq!(
        refused(ends, 4, Folding::InitiatorPorts(&ports(4)), same),
        ""
    );
    assert!(sums(refused(
        ends,
        4,
        Folding::InitiatorPorts(&ports(5)),
        same
    )));
    let spread = |flows: Sketch| Spread {
        flows,
        responders: sketch(1, 0),
    };
    let makes: [fn(&Spread) -> Folding<'_>; 2] = [
        |spread| Folding::Responders(spread),
        |spread| Folding::Ends(spread),
    ];
    for make in makes {
        assert_eq!(refused(ends, 5, make(&spread(sketch(5, 0))), same), "");
        assert!(sums(refused(ends, 4, make(&spread(sketch(5, 0))), same)));
        let many = spread(Sketch::Many(Box::new([1; 1024])));
        assert_eq!(refused(ends, 1_024, make(&many), same), "");
        assert!(sums(refused(ends, 1_023, make(&many), same)));
        for wrong in [Sketch::Few(Vec::new()), Sketch::Many(Box::new([56; 1024]))] {
            let error = refused(ends, 5_000, make(&spread(wrong)), same);
            assert!(
                error.contains("a set is none that flows can make"),
                "{error}"
            );
        }
    }
    let less = |part: &mut Part| part.total.packets = 5_000;
    let error = refused(ends, 4, Folding::InitiatorPorts(&ports(4)), less);
    assert!(
        error.contains("they have more packets than there are"),
        "{error}"
    );
}
