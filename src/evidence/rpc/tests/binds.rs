//! Clear binds on ports other than 135.

use super::*;

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
fn an_interface_that_the_server_does_not_speak_names_nothing() {
    let order = ByteOrder::Little;
    let (client, server) = (at(CLIENT, 40000), at(SERVER, 49160));
    let mut refusal = bind_ack(order, Uuid([0; 16]));
    // Provider rejection: the interface is not known.
    let place = refusal.len() - 24;
    refusal[place..place + 2].copy_from_slice(&short(order, 2));
    for answered_first in [false, true] {
        let mut packets = Packets::default();
        if answered_first {
            packets.tcp(server, client, 1, &refusal);
        }
        packets.tcp(client, server, 1, &bind(order, Uuid([9; 16]), NDR));
        if !answered_first {
            packets.tcp(server, client, 1, &refusal);
        }
        assert!(collect(&packets).rpc.is_empty());
        // Another bind on the same connection is accepted.
        let mut second = bind(order, Uuid([8; 16]), NDR);
        let mut answer = bind_ack(order, NDR);
        (second[2], answer[2]) = (14, 15);
        second[12..16].copy_from_slice(&long(order, 7));
        answer[12..16].copy_from_slice(&long(order, 7));
        packets.tcp(client, server, 500, &second);
        packets.tcp(server, client, 500, &answer);
        let seen: Vec<_> = collect(&packets).rpc.iter().map(|e| e.interface).collect();
        assert_eq!(seen, [Some(Uuid([8; 16]))]);
    }
}

#[test]
fn the_first_segment_of_a_bind_suffices() {
    // Kerberos makes binds of thousands of bytes; the contexts stand in the first segment.
    let order = ByteOrder::Big;
    let interface = Uuid([9; 16]);
    let long = protected(order, bind(order, interface, NDR), 5);
    let (client, server) = (at(CLIENT, 40000), at(SERVER, 49160));
    let contexts = bind(order, interface, NDR).len();
    for (end, learned) in [
        (long.len() - 4, true),
        (contexts, true),
        (contexts - 1, false),
    ] {
        let mut packets = Packets::default();
        packets.tcp(client, server, 1, &long[..end]);
        assert_eq!(!collect(&packets).rpc.is_empty(), learned, "{end}");
    }
}
