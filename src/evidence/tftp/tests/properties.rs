//! What holds whatever is lost, repeated, delayed, cut or made up.

use proptest::prelude::*;

use super::*;
use crate::evidence::TransferOutcome;
use crate::evidence::testing::address;

proptest! {
    /// Loss, repetition and delay after the request: the outcome never depends on where runs are
    /// split, and a file that did not arrive whole is never complete.
    #[test]
    fn splitting_runs_changes_nothing(
        blocks in 1_usize..40,
        tail in 0_usize..16,
        window in 1_usize..5,
        faults in prop::collection::vec(0_u8..20, 0..120),
        cuts in prop::collection::vec(1_u64..160, 0..12),
    ) {
        let mut wire = Packets::default();
        Peers::new(&mut wire, 40001)
            .request(b"\0\x01wrap.bin\0octet\0blksize\x0016\0")
            .server_sends(b"\0\x06blksize\x0016\0")
            .client_sends(&ack(0))
            .read(16 * (blocks - 1) + tail, 16, window);
        let mut packets = wire.sent().to_vec();
        for (index, fault) in faults.iter().enumerate().rev() {
            if index == 0 || index >= packets.len() {
                continue;
            }
            match fault {
                0 => drop(packets.remove(index)),
                1 => packets.insert(index, packets[index].clone()),
                2 if index > 1 => packets.swap(index - 1, index),
                3 => packets.push(packets[0].clone()),
                _ => {}
            }
        }
        let mut whole = Packets::default();
        let mut split = Packets::cut_before(cuts);
        for (source, destination, payload, length) in &packets {
            whole.udp_cut(*source, *destination, payload, *length);
            split.udp_cut(*source, *destination, payload, *length);
        }
        let strip = |packets: &Packets| {
            let mut transfers = collect(packets, &packets.end());
            for transfer in &mut transfers {
                transfer.frames.clear();
            }
            transfers
        };
        let transfers = strip(&whole);
        prop_assert_eq!(&transfers, &strip(&split));
        let last = (blocks as u16).to_be_bytes();
        let acknowledged = packets.iter().any(|(source, _, payload, _)| {
            source.address == address(CLIENT) && payload[1] == 4 && payload[2..4] == last
        });
        for transfer in &transfers {
            if transfer.outcome == TransferOutcome::Complete {
                prop_assert!(acknowledged);
            }
        }
    }

    #[test]
    fn no_bytes_panic(
        payloads in prop::collection::vec(
            (any::<bool>(), 0_u16..3, 0_u8..8, prop::collection::vec(any::<u8>(), 0..24), 0_u32..600),
            0..60,
        ),
    ) {
        let mut packets = Packets::default();
        packets.udp(at(CLIENT, 2000), at(SERVER, 69), PLAIN);
        for (client, port, opcode, rest, length) in payloads {
            let mut payload = vec![0, opcode];
            payload.extend(rest);
            let (client_end, server_end) = (at(CLIENT, 2000), at(SERVER, 69 + port));
            let length = length.max(payload.len() as u32);
            if client {
                packets.udp_cut(client_end, server_end, &payload, length);
            } else {
                packets.udp_cut(server_end, client_end, &payload, length);
            }
        }
        for transfer in collect(&packets, &packets.end()) {
            prop_assert!(transfer.first.time <= transfer.last);
            prop_assert!(transfer.blocks > 0 || transfer.bytes == 0);
        }
    }
}
