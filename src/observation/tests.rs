//! Parts by hand: raw IPv4 frames, cut, merged and finished.

use super::*;
use crate::capture::{Frame, LinkType};
use crate::flow::{Flow, State};
use crate::net::{Endpoint, FiveTuple, Protocol, ServicePorts, Timestamp};

const CLIENT: [u8; 4] = [10, 0, 0, 1];
const SERVER: [u8; 4] = [10, 0, 0, 2];

/// An IPv4 packet; `fragment` is the flags and offset field.
fn ipv4(protocol: u8, from: [u8; 4], to: [u8; 4], fragment: u16, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend((20 + body.len() as u16).to_be_bytes());
    packet.extend([0x12, 0x34]);
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(from);
    packet.extend(to);
    packet.extend(body);
    packet
}

fn udp(from: ([u8; 4], u16), to: ([u8; 4], u16), fragment: u16, payload: &[u8]) -> Vec<u8> {
    let mut body = [from.1.to_be_bytes(), to.1.to_be_bytes()].concat();
    body.extend((8 + payload.len() as u16).to_be_bytes());
    body.extend([0, 0]);
    body.extend(payload);
    ipv4(17, from.0, to.0, fragment, &body)
}

fn part(source: &str, first: i64, offset: u64, packets: &[(i64, Vec<u8>)]) -> Part {
    let piece = Piece {
        source: source.to_owned(),
        format: Some("pcap"),
        compression: None,
        first: Timestamp(first),
        offset,
    };
    let mut part = Part::new(piece, Window::default(), usize::MAX);
    for (index, (time, data)) in packets.iter().enumerate() {
        part.add(&[Frame {
            number: index as u64 + 1,
            time: Timestamp(*time),
            link_type: LinkType(101),
            wire_length: data.len() as u32,
            data,
        }]);
    }
    part
}

fn flows(observation: &Observation) -> Vec<Flow> {
    let services = ServicePorts::empty();
    let mut flows: Vec<_> = observation.flows(&services).collect();
    flows.sort_by_key(|flow| flow.first);
    flows
}

#[test]
fn fragments_find_their_first_in_any_part_and_order() {
    let later = |time| (time, ipv4(17, SERVER, CLIENT, 185, &[0; 100]));
    let first = (5, udp((SERVER, 3000), (CLIENT, 2000), 0x2000, b"data"));
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let parts = [
            part("a", 1, 0, &[later(4)]),
            part("b", 2, 0, std::slice::from_ref(&first)),
            part("c", 3, 0, &[later(6), later(60_000_000_007)]),
        ];
        let whole = order
            .iter()
            .map(|index| parts[*index].clone())
            .reduce(Part::merge);
        let observation = whole.expect("three parts").finish();
        let [flow] = flows(&observation)[..] else {
            panic!("not one flow")
        };
        assert_eq!((flow.packets(), flow.bytes()), (3, 32 + 120 + 120));
        assert_eq!(flow.first.time, Timestamp(4));
        // Past the reassembly time the identification is another datagram's.
        assert_eq!(observation.undecoded().values().sum::<u64>(), 1);
    }
}

#[test]
fn errors_are_laid_at_flows_that_other_parts_saw() {
    let request = udp((CLIENT, 2000), (SERVER, 69), 0, b"\0\x01f\0octet\0");
    let mut error = vec![3, 3, 0, 0, 0, 0, 0, 0];
    error.extend(&request[..28]);
    let error = ipv4(1, SERVER, CLIENT, 0, &error);
    let one = part("a", 1, 0, &[(2, error)]);
    let two = part("b", 1, 0, &[(1, request)]);
    let observation = one.merge(two).finish();
    let [flow] = flows(&observation)[..] else {
        panic!("not one flow")
    };
    assert_eq!(flow.state, State::Unreachable);
    let seen = flow.icmp_error.expect("an error quotes the flow");
    assert_eq!(
        (seen.sender, seen.count, seen.first.time),
        (SERVER.into(), 1, Timestamp(2))
    );
    assert_eq!(observation.icmp_errors().packets, 1);
    let direction = FiveTuple {
        protocol: Protocol::Udp,
        source: Endpoint::new(CLIENT.into(), 2000),
        destination: Endpoint::new(SERVER.into(), 69),
    };
    assert!(observation.icmp_error(&direction).is_some());
    assert!(observation.icmp_error(&direction.reversed()).is_none());
}

#[test]
fn captures_stand_by_first_packet_then_name_and_pieces_are_numbered_through() {
    let packet = |port| udp((CLIENT, port), (SERVER, 53), 0, b"x");
    let second_half = part("early", 10, 999, &[(13, packet(1003)), (14, packet(1004))]);
    let first_half = part("early", 10, 0, &[(10, packet(1001)), (11, packet(1002))]);
    let late = part("late", 12, 0, &[(12, packet(1005))]);
    let observation = second_half.merge(late).merge(first_half).finish();
    let names: Vec<_> = observation
        .captures()
        .iter()
        .map(|capture| &capture.source)
        .collect();
    assert_eq!(names, ["early", "late"]);
    assert_eq!(observation.captures()[0].packets, 4);
    let places: Vec<_> = flows(&observation)
        .iter()
        .map(|flow| {
            (
                flow.initiator.port,
                flow.first.capture(),
                flow.first.frame(),
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            (1001, 0, 1),
            (1002, 0, 2),
            (1005, 1, 1),
            (1003, 0, 3),
            (1004, 0, 4)
        ]
    );
}

#[test]
fn drop_counts_from_a_file_add_up_without_overflow() {
    let mut parts = [part("a", 1, 0, &[]), part("a", 1, 9, &[])];
    for part in &mut parts {
        part.close(0, Some(u64::MAX), None);
    }
    let observation = parts.into_iter().reduce(Part::merge).expect("two").finish();
    assert_eq!(observation.captures().len(), 1);
    assert_eq!(observation.captures()[0].kernel_drops, Some(u64::MAX));
}

#[test]
fn packets_outside_the_window_reach_the_trackers_alone() {
    let piece = Piece {
        source: "a".to_owned(),
        format: None,
        compression: None,
        first: Timestamp(1),
        offset: 0,
    };
    let window = Window {
        from: Some(Timestamp(5)),
        to: None,
    };
    let mut part = Part::new(piece, window, usize::MAX);
    let data = udp((CLIENT, 2000), (SERVER, 69), 0, b"\0\x01f\0octet\0");
    let frame = |time, data| Frame {
        number: 1,
        time: Timestamp(time),
        link_type: LinkType(101),
        wire_length: 41,
        data,
    };
    part.add(&[frame(4, &data)]);
    let outside = part.clone().finish();
    assert_eq!(
        (
            outside.flow_count(),
            outside.log().count(),
            outside.total().packets
        ),
        (0, 1, 0)
    );
    part.add(&[frame(5, &data)]);
    let inside = part.finish();
    assert_eq!(
        (
            inside.flow_count(),
            inside.log().count(),
            inside.total().packets
        ),
        (1, 2, 1)
    );
    assert_eq!(inside.captures()[0].packets, 2);
}

#[test]
fn errors_outside_the_window_are_for_the_trackers_alone() {
    let request = udp((CLIENT, 2000), (SERVER, 69), 0, b"\0\x01f\0octet\0");
    let mut error = vec![3, 3, 0, 0, 0, 0, 0, 0];
    error.extend(&request[..28]);
    let error = ipv4(1, SERVER, CLIENT, 0, &error);
    let mut part = part("a", 1, 0, &[]);
    part.window.to = Some(Timestamp(5));
    for (number, time, data) in [(1, 5, &request), (2, 6, &error)] {
        part.add(&[Frame {
            number,
            time: Timestamp(time),
            link_type: LinkType(101),
            wire_length: data.len() as u32,
            data,
        }]);
    }
    let observation = part.finish();
    let [flow] = flows(&observation)[..] else {
        panic!("not one flow")
    };
    assert_eq!((flow.state, flow.icmp_error), (State::Unanswered, None));
    let direction = FiveTuple {
        protocol: Protocol::Udp,
        source: flow.initiator,
        destination: flow.responder,
    };
    assert!(observation.icmp_error(&direction).is_some());
}

#[test]
fn a_fragment_before_the_first_takes_no_tag_from_the_flow() {
    let tagged = |packet: Vec<u8>| {
        let header = [2; 12].into_iter().chain([0x81, 0, 0, 5, 8, 0]);
        header.chain(packet).collect::<Vec<u8>>()
    };
    let client = (CLIENT, 2000);
    let first = tagged(udp(client, (SERVER, 69), 0x2000, &[0; 16]));
    let later = tagged(ipv4(17, CLIENT, SERVER, 3, &[0; 8]));
    let mut part = part("a", 1, 0, &[]);
    for (number, data) in [&later, &first].into_iter().enumerate() {
        part.add(&[Frame {
            number: number as u64 + 1,
            time: Timestamp(number as i64 + 1),
            link_type: LinkType(1),
            wire_length: data.len() as u32,
            data,
        }]);
    }
    let flows = flows(&part.finish());
    assert_eq!(
        (flows.len(), flows[0].packets(), flows[0].vlan),
        (1, 2, Some(5))
    );
}
