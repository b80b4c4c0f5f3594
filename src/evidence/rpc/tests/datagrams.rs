//! RPC over UDP.

use super::*;
use crate::payload::dce_rpc::{Fragment, build as udp};

/// A response of the endpoint mapper.
fn mapped(order: ByteOrder, operation: u16, fragment: Option<Fragment>, stub: &[u8]) -> Vec<u8> {
    udp::unit(order, 2, INTERFACE, (7, operation), fragment, stub)
}

#[test]
fn the_endpoint_mapper_answers_over_udp() {
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let stub = stub(order, Width::Ndr);
        // A server that does not repeat the operation says 0.
        for (operation, learned) in [(3, true), (0, true), (2, false)] {
            let mut packets = Packets::default();
            let payload = mapped(order, operation, None, &stub);
            packets.udp(at(SERVER, 135), at(CLIENT, 40000), &payload);
            let wanted = if learned { expected() } else { vec![] };
            assert_eq!(ports(&collect(&packets).rpc), wanted);
        }
        // The same bytes from a client are no answer.
        let mut packets = Packets::default();
        let payload = mapped(order, 3, None, &stub);
        packets.udp(at(CLIENT, 40000), at(SERVER, 135), &payload);
        assert!(collect(&packets).rpc.is_empty());
        // Cut by the snaplen: the first tower is there.
        let mut packets = Packets::default();
        packets.udp(at(SERVER, 135), at(CLIENT, 40000), &payload[..300]);
        let seen = ports(&collect(&packets).rpc);
        assert!(
            !seen.is_empty() && expected().starts_with(&seen),
            "{seen:?}"
        );
    }
}

#[test]
fn an_answer_in_several_datagrams_comes_in_any_order() {
    let order = ByteOrder::Little;
    let stub = stub(order, Width::Ndr);
    let parts: Vec<&[u8]> = stub.chunks(100).collect();
    let datagrams: Vec<_> = (parts.iter().enumerate())
        .map(|(number, part)| {
            let fragment = Fragment {
                number: number as u16,
                is_last: number + 1 == parts.len(),
            };
            mapped(order, 3, Some(fragment), part)
        })
        .collect();
    let read = |numbers: &[usize]| {
        let mut packets = Packets::default();
        for number in numbers {
            packets.udp(at(SERVER, 135), at(CLIENT, 40000), &datagrams[*number]);
        }
        ports(&collect(&packets).rpc)
    };
    assert_eq!(datagrams.len(), 5);
    assert_eq!(read(&[0, 1, 2, 3, 4]), expected());
    assert_eq!(read(&[4, 2, 2, 0, 1, 3, 3]), expected());
    assert_eq!(read(&[0, 1, 3, 4]), []);
    assert_eq!(read(&[0, 1, 2, 3]), []);
}

#[test]
fn an_answered_call_names_the_interface_of_any_port() {
    let order = ByteOrder::Little;
    let interface = Uuid::from_fields(0x4b324fc8, 0x1670, 0x01d3, [0x92; 8]);
    let (client, server) = (at(CLIENT, 40000), at(SERVER, 49160));
    let unit = |kind, activity| udp::unit(order, kind, interface, (activity, 5), None, b"");
    for (answer, learned) in [(None, false), (Some(8), false), (Some(7), true)] {
        let mut packets = Packets::default();
        packets.udp(client, server, &unit(0, 7));
        if let Some(activity) = answer {
            packets.udp(server, client, &unit(2, activity));
        }
        let evidence = collect(&packets);
        let found = evidence.learned(address(SERVER), 49160, Protocol::Udp);
        assert_eq!(
            found.map(|found| found.basis),
            learned.then_some(RpcBasis::Interface)
        );
        assert_eq!(evidence.rpc.len(), usize::from(learned));
    }
}
