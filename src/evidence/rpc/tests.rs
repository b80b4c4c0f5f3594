//! Conversations with the endpoint mapper as servers and clients have them.

use proptest::prelude::*;

use crate::evidence::testing::{Packets, address, at};
use crate::evidence::{Evidence, LearnedEndpoint, RpcBasis};
use crate::net::Protocol;
use crate::payload::Uuid;
use crate::payload::dce_rpc::{NDR, NDR64};
use crate::payload::dcom::build::bindings;
use crate::payload::endpoint_mapper::{INTERFACE, build};
use crate::payload::ndr::{ByteOrder, Width};

const CLIENT: u8 = 50;
const SERVER: u8 = 1;
const FIRST: u8 = 1;
const LAST: u8 = 2;

/// A unit with its header.
fn unit(order: ByteOrder, kind: u8, flags: u8, call_id: u32, body: &[u8]) -> Vec<u8> {
    let label = if order == ByteOrder::Little { 0x10 } else { 0 };
    let mut unit = vec![5, 0, kind, flags, label, 0, 0, 0];
    unit.extend(short(order, 16 + body.len() as u16));
    unit.extend([0, 0]);
    unit.extend(long(order, call_id));
    unit.extend(body);
    unit
}

fn short(order: ByteOrder, value: u16) -> [u8; 2] {
    match order {
        ByteOrder::Big => value.to_be_bytes(),
        ByteOrder::Little => value.to_le_bytes(),
    }
}

fn long(order: ByteOrder, value: u32) -> [u8; 4] {
    match order {
        ByteOrder::Big => value.to_be_bytes(),
        ByteOrder::Little => value.to_le_bytes(),
    }
}

fn identifier(order: ByteOrder, uuid: Uuid) -> [u8; 16] {
    match order {
        ByteOrder::Big => uuid.0,
        // Swapping the first three fields twice gives them back.
        ByteOrder::Little => Uuid::from_little_endian(uuid.0).0,
    }
}

fn bind(order: ByteOrder, interface: Uuid, syntax: Uuid) -> Vec<u8> {
    let mut body = vec![0; 8];
    body.extend([1, 0, 0, 0]);
    body.extend(short(order, 0));
    body.extend([1, 0]);
    body.extend(identifier(order, interface));
    body.extend(long(order, 3));
    body.extend(identifier(order, syntax));
    body.extend(long(order, 2));
    unit(order, 11, FIRST | LAST, 1, &body)
}

fn bind_ack(order: ByteOrder, syntax: Uuid) -> Vec<u8> {
    let mut body = vec![0; 8];
    body.extend(short(order, 4));
    body.extend(b"135\0\0\0");
    body.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    body.extend(identifier(order, syntax));
    body.extend(long(order, 2));
    unit(order, 12, FIRST | LAST, 1, &body)
}

fn request(order: ByteOrder, operation: u16) -> Vec<u8> {
    let mut body = vec![0; 6];
    body.extend(short(order, operation));
    unit(order, 0, FIRST | LAST, 2, &body)
}

/// A response in fragments of `size` bytes of stub.
fn response(order: ByteOrder, stub: &[u8], size: usize) -> Vec<u8> {
    let mut units = Vec::new();
    let count = stub.len().div_ceil(size);
    for (index, part) in stub.chunks(size).enumerate() {
        let first = if index == 0 { FIRST } else { 0 };
        let last = if index + 1 == count { LAST } else { 0 };
        let mut body = vec![0; 8];
        body.extend(part);
        units.extend(unit(order, 2, first | last, 2, &body));
    }
    units
}

fn stub(order: ByteOrder, width: Width) -> Vec<u8> {
    let towers = [
        build::tower(7, &49154_u16.to_be_bytes(), [0, 0, 0, 0]),
        build::tower(8, &50001_u16.to_be_bytes(), [127, 0, 0, 1]),
        build::tower(7, &49155_u16.to_be_bytes(), [10, 0, 0, 7]),
        build::tower(15, b"\\pipe\\lsass\0", [0, 0, 0, 0]),
    ];
    build::map(&towers, order, width)
}

fn collect(packets: &Packets) -> Evidence {
    Evidence::collect(packets.log(), &packets.end())
}

fn ports(endpoints: &[LearnedEndpoint]) -> Vec<(std::net::IpAddr, u16, Protocol)> {
    endpoints
        .iter()
        .map(|endpoint| (endpoint.server, endpoint.port, endpoint.protocol))
        .collect()
}

fn expected() -> Vec<(std::net::IpAddr, u16, Protocol)> {
    vec![
        (address(SERVER), 49154, Protocol::Tcp),
        (address(SERVER), 50001, Protocol::Udp),
        (address(7), 49155, Protocol::Tcp),
    ]
}

#[test]
fn learns_every_tower_in_every_representation() {
    for order in [ByteOrder::Little, ByteOrder::Big] {
        for (width, syntax) in [(Width::Ndr, NDR), (Width::Ndr64, NDR64)] {
            let (client, server) = (at(CLIENT, 40000), at(SERVER, 135));
            let mut packets = Packets::default();
            let call = request(order, 3);
            let ask = bind(order, INTERFACE, syntax);
            packets
                .tcp(client, server, 100, &ask)
                .tcp(server, client, 900, &bind_ack(order, syntax))
                .tcp(client, server, 100 + ask.len() as u32, &call);
            let mut sequence = 900 + bind_ack(order, syntax).len() as u32;
            for part in response(order, &stub(order, width), 70).chunks(33) {
                packets.tcp(server, client, sequence, part);
                sequence += part.len() as u32;
            }
            let evidence = collect(&packets);
            assert_eq!(ports(&evidence.rpc), expected());
            let first = &evidence.rpc[0];
            assert_eq!(
                (first.basis, first.name),
                (RpcBasis::Endpoint, Some("samr"))
            );
            // The address in the tower is the endpoint's; who answered is found too.
            for server in [7, SERVER] {
                let learned = evidence.learned(address(server), 49155, Protocol::Tcp);
                assert_eq!(learned.map(|endpoint| endpoint.server), Some(address(7)));
            }
            assert_eq!(
                evidence.learned(address(SERVER), 49154, Protocol::Udp),
                None
            );
        }
    }
}

#[test]
fn an_answer_is_recognised_without_bind_and_request() {
    for width in [Width::Ndr, Width::Ndr64] {
        let (client, server) = (at(CLIENT, 40000), at(SERVER, 135));
        let mut packets = Packets::default();
        let order = ByteOrder::Little;
        // The capture begins in the middle of a unit.
        packets.tcp(server, client, 50, b"the end of something");
        packets.tcp(
            server,
            client,
            70,
            &response(order, &stub(order, width), 4000),
        );
        assert_eq!(ports(&collect(&packets).rpc), expected());
    }
}

#[test]
fn answers_to_other_calls_are_left_alone() {
    let order = ByteOrder::Little;
    let other = Uuid([9; 16]);
    for (interface, operation) in [(INTERFACE, 4), (other, 3)] {
        let (client, server) = (at(CLIENT, 40000), at(SERVER, 135));
        let mut packets = Packets::default();
        let ask = bind(order, interface, NDR);
        let stub = stub(order, Width::Ndr);
        packets
            .tcp(client, server, 100, &ask)
            .tcp(
                client,
                server,
                100 + ask.len() as u32,
                &request(order, operation),
            )
            .tcp(server, client, 900, &response(order, &stub, 4000));
        assert!(collect(&packets).rpc.is_empty());
    }
}

#[test]
fn the_same_ports_may_be_used_twice() {
    let order = ByteOrder::Little;
    let (client, server) = (at(CLIENT, 40000), at(SERVER, 135));
    let ask = bind(order, INTERFACE, NDR);
    let answer = response(order, &stub(order, Width::Ndr), 4000);
    let mut packets = Packets::default();
    for (sequence, operation, answer) in [(0, 3, &answer[..]), (1 << 30, 4, &[])] {
        packets
            .tcp(client, server, sequence, &ask)
            .tcp(
                client,
                server,
                sequence + ask.len() as u32,
                &request(order, operation),
            )
            .tcp(server, client, sequence, answer);
    }
    assert_eq!(ports(&collect(&packets).rpc), expected());
}

#[test]
fn string_bindings_name_the_ports_of_object_exporters() {
    let order = ByteOrder::Little;
    // IObjectExporter.
    let exporter = Uuid::from_fields(
        0x99fcfec4,
        0x5260,
        0x101b,
        [0xbb, 0xcb, 0x00, 0xaa, 0x00, 0x21, 0x34, 0x7a],
    );
    let stub = bindings(&["DC01[49666]", "10.0.0.8[49667]", "127.0.0.1[49668]", "DC01"]);
    for (interface, learned) in [(exporter, true), (Uuid([9; 16]), false)] {
        let (client, server) = (at(CLIENT, 40000), at(SERVER, 135));
        let mut packets = Packets::default();
        let ask = bind(order, interface, NDR);
        packets
            .tcp(client, server, 100, &ask)
            .tcp(client, server, 100 + ask.len() as u32, &request(order, 4))
            .tcp(server, client, 900, &response(order, &stub, 70));
        let evidence = collect(&packets);
        assert_eq!(!evidence.rpc.is_empty(), learned);
        if learned {
            let seen: Vec<_> = evidence.rpc.iter().map(|e| (e.server, e.port)).collect();
            let own = address(SERVER);
            assert_eq!(seen, [(own, 49666), (own, 49668), (address(8), 49667)]);
            assert!(evidence.rpc.iter().all(|e| e.basis == RpcBasis::Binding));
        }
    }
}

#[test]
fn a_lost_segment_loses_its_answer_only() {
    let (client, server) = (at(CLIENT, 40000), at(SERVER, 135));
    let order = ByteOrder::Little;
    let answer = response(order, &stub(order, Width::Ndr), 4000);
    let mut packets = Packets::default();
    packets
        .tcp(client, server, 100, &request(order, 3))
        .tcp(server, client, 900, &answer[..100])
        .tcp(server, client, 900 + answer.len() as u32, &answer);
    let evidence = collect(&packets);
    assert_eq!(ports(&evidence.rpc), expected());
    assert_eq!(evidence.rpc[0].first.frame(), 3);
}

#[test]
fn the_endpoint_mapper_answers_over_udp() {
    let order = ByteOrder::Little;
    let stub = stub(order, Width::Ndr);
    let mut payload = vec![4, 2, 8, 0, 0x10, 0, 0, 0];
    payload.extend([0; 16]);
    payload.extend(identifier(order, INTERFACE));
    payload.extend([0; 28]);
    payload.extend(short(order, 3));
    payload.extend([0xff; 4]);
    payload.extend(short(order, stub.len() as u16));
    payload.extend([0; 4]);
    payload.extend(stub);
    let mut packets = Packets::default();
    packets.udp(at(SERVER, 135), at(CLIENT, 40000), &payload);
    assert_eq!(ports(&collect(&packets).rpc), expected());
}

#[test]
fn a_clear_bind_names_the_interface_unless_it_is_refused() {
    let order = ByteOrder::Little;
    let interface = Uuid([9; 16]);
    let (client, server) = (at(CLIENT, 40000), at(SERVER, 49160));
    for (answer, learned) in [
        (None, true),
        (Some(bind_ack(order, NDR)), true),
        (Some(unit(order, 13, FIRST | LAST, 1, &[0, 0])), false),
    ] {
        let mut packets = Packets::default();
        packets.tcp(client, server, 1, &bind(order, interface, NDR));
        if let Some(answer) = &answer {
            packets.tcp(server, client, 1, answer);
        }
        let evidence = collect(&packets);
        let found = evidence.learned(address(SERVER), 49160, Protocol::Tcp);
        assert_eq!(found.is_some(), learned);
        if let Some(found) = found {
            assert_eq!((found.basis, found.name), (RpcBasis::Interface, None));
            assert_eq!(found.interface, Some(interface));
        }
    }
    // A transfer syntax that nobody knows is no bind.
    let mut packets = Packets::default();
    packets.tcp(client, server, 1, &bind(order, interface, Uuid([8; 16])));
    assert!(collect(&packets).rpc.is_empty());
}

#[test]
fn the_strongest_basis_is_looked_up() {
    let order = ByteOrder::Little;
    let mut packets = Packets::default();
    packets.tcp(
        at(CLIENT, 40001),
        at(SERVER, 49154),
        1,
        &bind(order, Uuid([9; 16]), NDR),
    );
    packets.tcp(
        at(SERVER, 135),
        at(CLIENT, 40000),
        1,
        &response(order, &stub(order, Width::Ndr), 4000),
    );
    let evidence = collect(&packets);
    assert_eq!(evidence.rpc.len(), 4);
    assert_eq!(evidence.rpc[0].basis, RpcBasis::Interface);
    let strongest = evidence.learned(address(SERVER), 49154, Protocol::Tcp);
    assert_eq!(
        strongest.map(|endpoint| endpoint.basis),
        Some(RpcBasis::Endpoint)
    );
}

proptest! {
    /// However an answer is cut into segments, and in whatever order and how often they come, it
    /// is the same answer.
    #[test]
    fn segments_in_any_order_give_the_same_answer(
        cuts in prop::collection::vec(1_usize..300, 0..12),
        swaps in prop::collection::vec((0_usize..13, 0_usize..13), 0..8),
        repeats in prop::collection::vec(0_usize..13, 0..4),
    ) {
        let order = ByteOrder::Little;
        let answer = response(order, &stub(order, Width::Ndr), 70);
        let mut ends: Vec<_> = cuts.into_iter().filter(|&cut| cut < answer.len()).collect();
        ends.push(answer.len());
        ends.sort_unstable();
        let mut segments = Vec::new();
        let mut start = 0;
        for end in ends {
            segments.push((start, &answer[start..end]));
            start = end;
        }
        let count = segments.len();
        for (a, b) in swaps {
            segments.swap(a % count, b % count);
        }
        for repeat in repeats {
            segments.push(segments[repeat % count]);
        }
        let (client, server) = (at(CLIENT, 40000), at(SERVER, 135));
        let mut packets = Packets::default();
        // An empty segment fixes where the stream begins, as SYN does.
        packets.tcp(server, client, u32::MAX - 100, b"");
        for (start, bytes) in segments {
            packets.tcp(server, client, (u32::MAX - 100).wrapping_add(start as u32), bytes);
        }
        prop_assert_eq!(ports(&collect(&packets).rpc), expected());
    }

    #[test]
    fn no_bytes_panic(
        payloads in prop::collection::vec(
            (any::<bool>(), any::<bool>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..64)),
            0..40,
        ),
    ) {
        let mut packets = Packets::default();
        for (up, mapper, sequence, mut bytes) in payloads {
            // Half of them get far enough to have a header.
            if bytes.len() > 16 && bytes[16] & 1 == 0 {
                let kind = bytes[2] % 16;
                bytes[..4].copy_from_slice(&[5, 0, kind, 3]);
                bytes[4..8].copy_from_slice(&[0x10, 0, 0, 0]);
                bytes[9] = 0;
            }
            let (client, server) = (at(CLIENT, 4000), at(SERVER, if mapper { 135 } else { 4135 }));
            if up {
                packets.tcp(client, server, u32::from(sequence), &bytes);
            } else {
                packets.tcp(server, client, u32::from(sequence), &bytes);
            }
        }
        let evidence = collect(&packets);
        for endpoint in &evidence.rpc {
            let found = evidence.learned(endpoint.server, endpoint.port, endpoint.protocol);
            prop_assert!(found.is_some_and(|found| found.basis <= endpoint.basis));
        }
    }
}
