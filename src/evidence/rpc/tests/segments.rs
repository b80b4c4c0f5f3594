//! Conversations as TCP and captures bring them: late, twice, cut, lost.

use proptest::prelude::*;

use super::*;
use crate::evidence::rpc::room::{ROOM, Room};
use crate::evidence::rpc::{MAX_CONNECTIONS, Tracker};
use crate::payload::dce_rpc;

/// What the client says, and what the server answers: the endpoint mapper's bind and map.
fn mapping(order: ByteOrder) -> (Vec<u8>, Vec<u8>) {
    let client = [bind(order, INTERFACE, NDR), request(order, 3)].concat();
    let answer = response(order, &stub(order, Width::Ndr), 70);
    (client, [bind_ack(order, NDR), answer].concat())
}

#[test]
fn a_handshake_says_where_the_streams_begin() {
    let order = ByteOrder::Little;
    let (client, server) = (at(CLIENT, 40000), at(SERVER, 135));
    let (asked, answered) = mapping(order);
    let mut packets = Packets::default();
    packets
        .syn(client, server, 99)
        .syn(server, client, u32::MAX);
    // The second segment of either side overtakes the first, which is shorter than a header.
    packets
        .tcp(client, server, 110, &asked[10..])
        .tcp(client, server, 100, &asked[..10])
        .tcp(server, client, 7, &answered[7..])
        .tcp(server, client, 0, &answered[..7]);
    assert_eq!(ports(&collect(&packets).rpc), expected());
}

#[test]
fn the_place_is_found_again_behind_the_end_of_something() {
    let order = ByteOrder::Little;
    let (client, server) = (at(CLIENT, 40000), at(SERVER, 135));
    let answer = response(order, &stub(order, Width::Ndr), 4000);
    // Fewer bytes than a header, more, and a header whose unit never ends.
    let endless = unit(order, 2, FIRST | LAST, 9, &[0; 9000]);
    for before in [&b"the end"[..], b"the end of something", &endless[..100]] {
        let mut packets = Packets::default();
        let gap = if before.len() == 100 { 50 } else { 0 };
        packets.tcp(server, client, 500, before).tcp(
            server,
            client,
            500 + before.len() as u32 + gap,
            &answer,
        );
        assert_eq!(ports(&collect(&packets).rpc), expected());
    }
}

#[test]
fn a_second_connection_of_the_same_ports_begins_anew() {
    let order = ByteOrder::Little;
    let (client, server) = (at(CLIENT, 40000), at(SERVER, 135));
    let answer = response(order, &stub(order, Width::Ndr), 4000);
    // First another interface, then the endpoint mapper, under the same numbers; the second
    // connection's sequence numbers lie just behind the first's. Each side alone tells them apart.
    for (client_syn, server_syn) in [(true, true), (true, false), (false, true)] {
        let mut packets = Packets::default();
        for (start, interface) in [(1000, Uuid([9; 16])), (9000, INTERFACE)] {
            if client_syn {
                packets.syn(client, server, start - 1);
            }
            if server_syn {
                packets.syn(server, client, start - 1);
            }
            let asked = [bind(order, interface, NDR), request(order, 3)].concat();
            packets.tcp(client, server, start, &asked);
            // The first connection's answer is never complete.
            let end = if start == 1000 { 100 } else { answer.len() };
            packets.tcp(server, client, start, &answer[..end]);
        }
        assert_eq!(ports(&collect(&packets).rpc), expected());
    }
}

#[test]
fn a_scan_takes_no_place_from_conversations() {
    let order = ByteOrder::Little;
    let mut packets = Packets::default();
    for number in 0..MAX_CONNECTIONS + 10 {
        let scanner = at((number >> 16) as u8 + 100, number as u16);
        packets.syn(scanner, at((number >> 16) as u8 + 150, 135), 1);
    }
    let (client, server) = (at(CLIENT, 40000), at(SERVER, 135));
    let (asked, answered) = mapping(order);
    packets
        .syn(client, server, 99)
        .syn(server, client, 899)
        .tcp(client, server, 100, &asked)
        .tcp(server, client, 900, &answered);
    let evidence = collect(&packets);
    assert_eq!(ports(&evidence.rpc), expected());
    assert_eq!(evidence.limits, []);
}

#[test]
fn what_conversations_hold_is_bounded_in_total() {
    let order = ByteOrder::Little;
    let mut packets = Packets::default();
    let (asked, answered) = mapping(order);
    // Each conversation holds a unit that never ends, and segments behind a gap.
    for port in 1000..1200 {
        let (client, server) = (at(CLIENT, port), at(SERVER, 135));
        packets
            .tcp(server, client, 1, &answered[..90])
            .tcp(server, client, 500, &answered)
            .tcp(client, server, 1, &asked[..50]);
    }
    let (client, server) = (at(CLIENT, 40000), at(SERVER, 135));
    packets
        .tcp(client, server, 100, &asked)
        .tcp(server, client, 900, &answered);
    let read = |room| {
        let mut tracker = Tracker::with_room(room);
        packets.log().for_each(|entry| tracker.observe(&entry));
        tracker.finish()
    };
    let wide = read(ROOM);
    assert_eq!((ports(&wide.endpoints), wide.limits.len()), (expected(), 0));
    let narrow = read(4000);
    assert_eq!(narrow.limits.len(), 1);
    assert_eq!(narrow.limits[0].limit, "rpc-bytes");
    assert!(narrow.limits[0].reached > 0);
    for endpoint in ports(&narrow.endpoints) {
        assert!(expected().contains(&endpoint));
    }
}

#[test]
fn room_is_given_back() {
    let order = ByteOrder::Little;
    let (client, server) = (at(CLIENT, 40000), at(SERVER, 135));
    let (asked, answered) = mapping(order);
    let mut packets = Packets::default();
    for round in 0..3 {
        let start = 1 + round * 100_000;
        packets
            .syn(client, server, start - 1)
            .syn(server, client, start - 1);
        for (from, to, bytes) in [(client, server, &asked), (server, client, &answered)] {
            for (index, part) in bytes.chunks(9).enumerate() {
                if index != 5 {
                    packets.tcp(from, to, start + 9 * index as u32, part);
                }
            }
        }
    }
    let mut tracker = Tracker::default();
    packets.log().for_each(|entry| tracker.observe(&entry));
    assert!(tracker.room.left() < ROOM);
    for (_, connection) in std::mem::take(&mut tracker.connections) {
        drop(connection.answers(&mut tracker.room));
    }
    assert_eq!(tracker.room.left(), ROOM);
    let mut room = Room::new(10);
    assert!(room.take(10) && !room.take(1));
    assert_eq!((room.left(), room.kept_out()), (0, 1));
}

/// Packets for the fuzz body: which way, what else, how far the sequence number is off, payload.
fn script(packets: &[(u8, u8, u8, Vec<u8>)]) -> Vec<u8> {
    let mut script = Vec::new();
    for (way, what, off, payload) in packets {
        script.extend([*way, *what, *off]);
        script.extend((payload.len() as u16).to_be_bytes());
        script.extend(payload);
    }
    script
}

/// Units that make sense one after the other, in the fuzz script's ways: 6 and 14 are TCP 135, 7
/// and 15 a dynamic port, 13 is UDP 135.
fn units() -> Vec<(u8, Vec<u8>)> {
    let order = ByteOrder::Little;
    let exporter = Uuid::from_fields(
        0x99fcfec4,
        0x5260,
        0x101b,
        [0xbb, 0xcb, 0x00, 0xaa, 0x00, 0x21, 0x34, 0x7a],
    );
    let towers = stub(order, Width::Ndr);
    let names = bindings(&["DC01[49666]", "10.0.0.8[49667]"]);
    let mut units = vec![
        (6, bind(order, INTERFACE, NDR)),
        (14, bind_ack(order, NDR)),
        (6, bind(order, exporter, NDR)),
        (6, call(order, 2, 3)),
        (6, call(order, 3, 4)),
        (14, response(order, &towers, 4000)),
        (14, fragments(order, 3, &names, 4000).concat()),
        (7, bind(order, Uuid([9; 16]), NDR)),
        (15, bind_ack(order, NDR)),
        (
            13,
            dce_rpc::build::unit(order, 2, INTERFACE, (7, 3), None, &towers),
        ),
    ];
    for call_id in [2, 3] {
        let parts = fragments(order, call_id, &towers, 90);
        units.extend(parts.into_iter().map(|unit| (14, unit)));
    }
    for (number, part) in towers.chunks(200).enumerate() {
        let fragment = dce_rpc::Fragment {
            number: number as u16,
            is_last: part.len() < 200,
        };
        let unit = dce_rpc::build::unit(order, 2, INTERFACE, (8, 3), Some(fragment), part);
        units.push((13, unit));
    }
    units
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
        packets.syn(server, client, u32::MAX - 101);
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

    /// Both sides at once, shuffled, repeated, lost and cut: never an endpoint that the server did
    /// not name, and every one where nothing is missing.
    #[test]
    fn nothing_is_learned_that_was_not_said(
        size in 1_usize..120,
        order in prop::sample::select(vec![ByteOrder::Little, ByteOrder::Big]),
        start in any::<u32>(),
        swaps in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..12),
        repeats in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        losses in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..120), 0..3),
    ) {
        let (asked, answered) = mapping(order);
        let (client, server) = (at(CLIENT, 40000), at(SERVER, 135));
        let mut segments = Vec::new();
        for (from, to, bytes) in [(client, server, &asked), (server, client, &answered)] {
            for (index, part) in bytes.chunks(size).enumerate() {
                let sequence = start.wrapping_add(1 + (index * size) as u32);
                segments.push((from, to, sequence, part));
            }
        }
        for (a, b) in swaps {
            let (a, b) = (a.index(segments.len()), b.index(segments.len()));
            // More than 64 that wait for one are taken as lost, and swaps add up: inside a window
            // of 60 none is ever carried further.
            if a / 60 == b / 60 {
                segments.swap(a, b);
            }
        }
        for index in repeats {
            let segment = segments[index.index(segments.len())];
            segments.push(segment);
        }
        let is_whole = losses.is_empty();
        for (index, left) in losses {
            let index = index.index(segments.len());
            let (_, _, _, part) = &mut segments[index];
            *part = &part[..left.min(part.len())];
        }
        let mut packets = Packets::default();
        packets.syn(client, server, start).syn(server, client, start);
        for (from, to, sequence, part) in segments {
            packets.tcp(from, to, sequence, part);
        }
        let seen = ports(&collect(&packets).rpc);
        if is_whole {
            prop_assert_eq!(seen, expected());
        } else {
            prop_assert!(seen.iter().all(|endpoint| expected().contains(endpoint)), "{:?}", seen);
        }
    }

    /// The fuzz body holds for units that make sense, in any order, split and spoilt.
    #[test]
    fn the_fuzz_body_holds_near_good_input(
        chosen in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_u8..16, -1_i8..2),
            1..24,
        ),
        spoilt in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let units = units();
        let mut packets = Vec::new();
        for (index, cut, what, off) in chosen {
            let (way, unit) = &units[index.index(units.len())];
            let (first, second) = unit.split_at(cut.index(unit.len()));
            // One in four is cut, opens, or is off its place.
            let (what, off) = if what < 12 { (0, 0) } else { (what - 12, off as u8) };
            packets.push((*way, what, off, first.to_vec()));
            packets.push((*way, 0, 0, second.to_vec()));
        }
        let mut script = script(&packets);
        for (index, value) in spoilt {
            let index = index.index(script.len());
            script[index] = value;
        }
        crate::evidence::rpc::fuzz(&script);
    }
}
