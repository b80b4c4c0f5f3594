//! Blocks that the capture lost.

use super::*;
use crate::evidence::TransferOutcome;

#[test]
fn blocks_that_were_not_captured_are_counted() {
    let transfer = |sent: &[u16], acknowledged: &[u16]| {
        let mut packets = Packets::default();
        let mut peers = Peers::new(&mut packets, 57570);
        peers.request(PLAIN);
        for block in sent {
            peers.server_sends(&data(*block, 512));
        }
        for block in acknowledged {
            peers.client_sends(&ack(*block));
        }
        one(&packets)
    };
    for (sent, acknowledged, missing) in [
        (&[1, 2, 3][..], &[1, 2, 3][..], 0),
        // Acknowledgments may be missing, and a block may be under way.
        (&[1, 2, 3], &[], 0),
        (&[1, 2, 2], &[0, 1], 0),
        (&[1, 3], &[1, 2, 3], 1),
        (&[1, 4], &[], 2),
        (&[3], &[3], 2),
        // The last one, or all of them.
        (&[1, 2], &[1, 2, 3], 1),
        (&[], &[1, 2, 3], 3),
        (&[], &[0], 0),
    ] {
        assert_eq!(transfer(sent, acknowledged).missing_blocks, missing);
    }
    let mut packets = Packets::default();
    Peers::new(&mut packets, 57570)
        .request(PLAIN)
        .server_sends(&data(1, 512))
        .client_sends(&ack(1))
        .client_sends(&ack(2))
        .server_sends(&data(3, 1))
        .client_sends(&ack(3));
    let transfer = one(&packets);
    assert_eq!(transfer.outcome, TransferOutcome::Complete);
    assert_eq!((transfer.blocks, transfer.missing_blocks), (2, 1));
}

#[test]
fn numbers_that_wrap_to_one_leave_no_block_out() {
    for wraps_to_zero in [true, false] {
        let mut packets = Packets::default();
        let mut peers = Peers::new(&mut packets, 57570);
        peers.request(PLAIN);
        let zero = wraps_to_zero.then_some(0);
        for block in (1..=u16::MAX).chain(zero).chain(1..3) {
            peers.server_sends(&data(block, 8));
            peers.client_sends(&ack(block));
        }
        assert_eq!(one(&packets).missing_blocks, 0);
    }
    let mut packets = Packets::default();
    let mut peers = Peers::new(&mut packets, 57570);
    peers.request(PLAIN);
    for block in (1..=u16::MAX).chain([0]).chain(2..=u16::MAX) {
        peers.server_sends(&data(block, 8));
    }
    assert_eq!(one(&packets).missing_blocks, 1);
}
