//! What is read from answers on TCP port 135.

use super::*;

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

/// `IObjectExporter`, `IRemoteSCMActivator`, `IActivation`.
fn dcom_interfaces() -> [Uuid; 3] {
    [
        Uuid::from_fields(
            0x99fcfec4,
            0x5260,
            0x101b,
            [0xbb, 0xcb, 0x00, 0xaa, 0x00, 0x21, 0x34, 0x7a],
        ),
        Uuid::from_fields(0x000001a0, 0, 0, [0xc0, 0, 0, 0, 0, 0, 0, 0x46]),
        Uuid::from_fields(
            0x4d9f4ab8,
            0x7d1c,
            0x11cf,
            [0x86, 0x1e, 0x00, 0x20, 0xaf, 0x6e, 0x7c, 0x57],
        ),
    ]
}

/// What a conversation of these bytes in either direction says.
fn conversation(client: &[u8], server: &[u8]) -> Evidence {
    let mut packets = Packets::default();
    let (from, to) = (at(CLIENT, 40000), at(SERVER, 135));
    packets
        .tcp(from, to, 100, client)
        .tcp(to, from, 900, server);
    collect(&packets)
}

#[test]
fn activation_and_oxid_answers_name_ports_in_every_operation() {
    let order = ByteOrder::Little;
    let stub = bindings(&["DC01[49666]", "10.0.0.8[49667]"]);
    for interface in dcom_interfaces() {
        // RemoteActivation and ResolveOxid 0, RemoteGetClassObject 3, RemoteCreateInstance and
        // ResolveOxid2 4, ServerAlive2 5.
        for operation in [0, 3, 4, 5] {
            let client = [bind(order, interface, NDR), request(order, operation)].concat();
            let evidence = conversation(&client, &response(order, &stub, 30));
            let seen: Vec<_> = evidence.rpc.iter().map(|e| (e.server, e.port)).collect();
            assert_eq!(seen, [(address(SERVER), 49666), (address(8), 49667)]);
        }
    }
    // The resolver's own bindings have no port.
    let client = [bind(order, dcom_interfaces()[0], NDR), request(order, 5)].concat();
    let alive = bindings(&["DC01", "10.0.0.8", "2001:db8::8"]);
    assert!(
        conversation(&client, &response(order, &alive, 4000))
            .rpc
            .is_empty()
    );
}

#[test]
fn string_bindings_are_recognised_without_bind() {
    // Clients keep their connection with port 135: the bind is often older than the capture.
    let order = ByteOrder::Little;
    let stub = bindings(&["DC01[49666]"]);
    for client in [vec![], request(order, 4)] {
        let evidence = conversation(&client, &response(order, &stub, 4000));
        assert_eq!(
            ports(&evidence.rpc),
            [(address(SERVER), 49666, Protocol::Tcp)]
        );
        assert_eq!(evidence.rpc[0].basis, RpcBasis::Binding);
    }
}

#[test]
fn what_packet_integrity_protects_is_read_and_what_privacy_seals_is_not() {
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let client = [bind(order, INTERFACE, NDR), request(order, 3)].concat();
        let stub = stub(order, Width::Ndr);
        for size in [4000, 70] {
            let server = |level| {
                let units = fragments(order, 2, &stub, size).into_iter();
                let units: Vec<_> = units.map(|unit| protected(order, unit, level)).collect();
                units.concat()
            };
            let clear = conversation(&client, &server(5));
            assert_eq!(ports(&clear.rpc), expected());
            // Sealed bytes are anything; here they happen to be clear.
            assert!(conversation(&client, &server(6)).rpc.is_empty());
        }
    }
}

#[test]
fn fragments_of_several_calls_may_alternate() {
    let order = ByteOrder::Little;
    let client = [
        bind(order, INTERFACE, NDR),
        call(order, 2, 3),
        call(order, 3, 3),
    ]
    .concat();
    let one = fragments(order, 2, &stub(order, Width::Ndr), 50);
    let tower = build::tower(7, &49200_u16.to_be_bytes(), [0; 4]);
    let two = fragments(order, 3, &build::map(&[tower], order, Width::Ndr), 30);
    let mut units = Vec::new();
    for index in 0..one.len().max(two.len()) {
        units.extend(one.get(index).cloned());
        units.extend(two.get(index).cloned());
    }
    let evidence = conversation(&client, &units.concat());
    let mut wanted = expected();
    wanted.push((address(SERVER), 49200, Protocol::Tcp));
    wanted.sort_unstable();
    let mut seen = ports(&evidence.rpc);
    seen.sort_unstable();
    assert_eq!(seen, wanted);
    // A fault ends a call: what would go on with it is left alone.
    let faulted = [
        one[0].clone(),
        unit(order, 3, FIRST | LAST, 2, &[0; 16]),
        one[1..].concat(),
    ];
    assert!(conversation(&client, &faulted.concat()).rpc.is_empty());
}

#[test]
fn an_answer_with_a_hole_is_read_up_to_it_and_never_over_it() {
    let order = ByteOrder::Little;
    let (client, server) = (at(CLIENT, 40000), at(SERVER, 135));
    let asked = [bind(order, INTERFACE, NDR), request(order, 3)].concat();
    let units = fragments(order, 2, &stub(order, Width::Ndr), 60);
    let whole = units.concat();
    let mut learned = Vec::new();
    for lost in 0..units.len() {
        let mut packets = Packets::default();
        packets.tcp(client, server, 100, &asked);
        let mut sequence = 900;
        for (index, unit) in units.iter().enumerate() {
            if index != lost {
                packets.tcp(server, client, sequence, unit);
            }
            sequence += unit.len() as u32;
        }
        let seen = ports(&collect(&packets).rpc);
        assert!(expected().starts_with(&seen), "{lost}: {seen:?}");
        learned.push(seen.len());
    }
    // The towers before the hole are there; the last fragment holds the status alone.
    assert!(
        learned.is_sorted() && learned[0] == 0 && learned.contains(&3),
        "{learned:?}"
    );
    // The same where the capture ends, or a packet was cut.
    for end in 0..whole.len() {
        let seen = ports(&conversation(&asked, &whole[..end]).rpc);
        assert!(expected().starts_with(&seen), "{end}: {seen:?}");
    }
    // What is cut names nothing where the call is not known.
    for end in 0..whole.len() {
        assert!(conversation(&[], &whole[..end]).rpc.is_empty(), "{end}");
    }
}

#[test]
fn a_lookup_goes_on_over_several_answers() {
    let order = ByteOrder::Little;
    let client = [
        bind(order, INTERFACE, NDR),
        call(order, 2, 2),
        call(order, 3, 2),
    ]
    .concat();
    let answer = |port: u16, handle: u8| {
        let octets = build::tower(7, &port.to_be_bytes(), [0; 4]);
        let mut stub = vec![handle; 20];
        for value in [1, 1, 0, 1] {
            stub.extend(u32::to_le_bytes(value));
        }
        // Object, tower pointer, annotation of one byte, padded.
        stub.extend([0; 16]);
        for value in [3, 0, 1, 0] {
            stub.extend(u32::to_le_bytes(value));
        }
        for _ in 0..2 {
            stub.extend((octets.len() as u32).to_le_bytes());
        }
        stub.extend(&octets);
        stub.resize(stub.len().next_multiple_of(4), 0);
        stub.extend([0; 4]);
        stub
    };
    let server = [
        fragments(order, 2, &answer(49664, 0x5a), 64).concat(),
        fragments(order, 3, &answer(49665, 0), 64).concat(),
    ];
    let evidence = conversation(&client, &server.concat());
    let seen: Vec<_> = evidence.rpc.iter().map(|endpoint| endpoint.port).collect();
    assert_eq!(seen, [49664, 49665]);
}

#[test]
fn the_context_of_the_call_tells_the_width() {
    // As Windows binds: NDR is refused, NDR64 accepted, features acknowledged.
    let order = ByteOrder::Little;
    let mut features = *b"\x2c\x1c\xb7\x6c\x12\x98\x40\x45\x03\0\0\0\0\0\0\0";
    features[..8].copy_from_slice(&[0x2c, 0x1c, 0xb7, 0x6c, 0x12, 0x98, 0x40, 0x45]);
    let syntaxes = [identifier(order, NDR), identifier(order, NDR64), features];
    let mut body = vec![0; 8];
    body.extend([3, 0, 0, 0]);
    for (number, syntax) in syntaxes.iter().enumerate() {
        body.extend(short(order, number as u16));
        body.extend([1, 0]);
        body.extend(identifier(order, INTERFACE));
        body.extend(long(order, 3));
        body.extend(syntax);
        body.extend(long(order, 1));
    }
    let mut client = unit(order, 11, FIRST | LAST, 1, &body);
    let mut asked = vec![0; 4];
    asked.extend(short(order, 1));
    asked.extend(short(order, 3));
    client.extend(unit(order, 0, FIRST | LAST, 2, &asked));

    let mut body = vec![0; 8];
    body.extend(short(order, 4));
    body.extend(b"135\0\0\0");
    body.extend([3, 0, 0, 0]);
    for (result, syntax) in [(2, [0; 16]), (0, syntaxes[1]), (3, [0; 16])] {
        body.extend(short(order, result));
        body.extend([0, 0]);
        body.extend(syntax);
        body.extend(long(order, 1));
    }
    let agreed = unit(order, 12, FIRST | LAST, 1, &body);
    for (width, learned) in [(Width::Ndr64, true), (Width::Ndr, false)] {
        let server = [agreed.clone(), response(order, &stub(order, width), 4000)].concat();
        assert_eq!(!conversation(&client, &server).rpc.is_empty(), learned);
    }
}
