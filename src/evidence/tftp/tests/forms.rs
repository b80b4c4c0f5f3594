//! Transfers in every form that real peers show.

use super::super::attempt::LOOK_AHEAD;
use super::*;
use crate::evidence::{TransferOperation, TransferOutcome};

#[test]
fn plain_read() {
    let mut packets = Packets::default();
    Peers::new(&mut packets, 43281)
        .request(PLAIN)
        .read(300_001, 512, 1);
    let transfer = one(&packets);
    assert_eq!(transfer.outcome, TransferOutcome::Complete);
    assert_eq!(transfer.operation, TransferOperation::Read);
    assert_eq!((transfer.bytes, transfer.blocks), (300_001, 586));
    assert_eq!(transfer.retransmitted_blocks, 0);
    assert_eq!(transfer.file.bytes(), b"med.bin");
    assert_eq!(transfer.mode.bytes(), b"octet");
    assert_eq!(transfer.client, at(CLIENT, 2000));
    assert_eq!(transfer.server, at(SERVER, 43281));
    let frames: Vec<_> = transfer.frames.iter().map(|at| at.frame()).collect();
    assert_eq!(frames, [1, 2, 586 * 2]);
}

#[test]
fn options_are_requested_and_granted() {
    let mut packets = Packets::default();
    Peers::new(&mut packets, 60513)
        .request(OPTIONS)
        .server_sends(b"\0\x06TSIZE\x00300001\0blksize\x001000\0")
        .client_sends(&ack(0))
        .read(300_001, 1000, 1);
    let transfer = one(&packets);
    assert_eq!(transfer.outcome, TransferOutcome::Complete);
    assert_eq!((transfer.bytes, transfer.blocks), (300_001, 301));
    assert_eq!(transfer.options_requested["blksize"].bytes(), b"1428");
    assert_eq!(transfer.options["blksize"].bytes(), b"1000");
    assert_eq!(transfer.options["tsize"].bytes(), b"300001");
}

#[test]
fn a_window_needs_only_the_last_block_acknowledged() {
    let mut packets = Packets::default();
    Peers::new(&mut packets, 33596)
        .request(b"\0\x01med.bin\0octet\0blksize\x001024\0windowsize\x008\0")
        .server_sends(b"\0\x06blksize\x001024\0windowsize\x008\0")
        .client_sends(&ack(0))
        .read(300_001, 1024, 8);
    let transfer = one(&packets);
    assert_eq!(transfer.outcome, TransferOutcome::Complete);
    assert_eq!((transfer.bytes, transfer.blocks), (300_001, 293));
}

#[test]
fn acknowledgments_with_the_window_byte_count() {
    let mut packets = Packets::default();
    Peers::new(&mut packets, 50000)
        .request(b"\0\x01boot.wim\0octet\0msftwindow\x0031416\0")
        .server_sends(b"\0\x06msftwindow\x0027182\0")
        .client_sends(b"\0\x04\0\0\x04")
        .server_sends(&data(1, 512))
        .server_sends(&data(2, 9))
        .client_sends(b"\0\x04\0\x02\x08");
    assert_eq!(one(&packets).outcome, TransferOutcome::Complete);
}

#[test]
fn writes_are_acknowledged_by_the_server() {
    for oack in [false, true] {
        let mut packets = Packets::default();
        let mut peers = Peers::new(&mut packets, 35958);
        let size = if oack {
            peers
                .request(b"\0\x02up/put.bin\0octet\0blksize\x001024\0")
                .server_sends(b"\0\x06blksize\x001024\0");
            1024
        } else {
            peers
                .request(b"\0\x02up/put.bin\0octet\0")
                .server_sends(&ack(0));
            512
        };
        for block in 1..=3 {
            peers
                .client_sends(&data(block, if block == 3 { 5 } else { size }))
                .server_sends(&ack(block));
        }
        let transfer = one(&packets);
        assert_eq!(transfer.outcome, TransferOutcome::Complete);
        assert_eq!(transfer.operation, TransferOperation::Write);
        assert_eq!(transfer.bytes, size as u64 * 2 + 5);
    }
}

#[test]
fn the_answer_may_come_from_port_69() {
    let mut packets = Packets::default();
    Peers::new(&mut packets, 69)
        .request(PLAIN)
        .read(1000, 512, 1)
        .request(b"\0\x01other\0octet\0")
        .read(2000, 512, 1);
    let transfers = collect(&packets, &packets.end());
    let bytes: Vec<_> = transfers.iter().map(|transfer| transfer.bytes).collect();
    assert_eq!(bytes, [1000, 2000]);
    for transfer in &transfers {
        assert_eq!(transfer.outcome, TransferOutcome::Complete);
        assert_eq!(transfer.server, at(SERVER, 69));
    }
}

#[test]
fn block_numbers_wrap() {
    let mut packets = Packets::default();
    Peers::new(&mut packets, 36490)
        .request(b"\0\x01wrap.bin\0octet\0blksize\x0016\0")
        .server_sends(b"\0\x06blksize\x0016\0")
        .client_sends(&ack(0))
        .read(16 * 140_000 + 5, 16, 1);
    let transfer = one(&packets);
    assert_eq!(transfer.outcome, TransferOutcome::Complete);
    assert_eq!((transfer.bytes, transfer.blocks), (2_240_005, 140_001));
}

#[test]
fn the_last_block_may_be_empty_and_so_may_the_file() {
    for (bytes, blocks) in [(0, 1), (51_200, 101)] {
        let mut packets = Packets::default();
        Peers::new(&mut packets, 49214)
            .request(PLAIN)
            .read(bytes, 512, 1);
        let transfer = one(&packets);
        assert_eq!(transfer.outcome, TransferOutcome::Complete);
        assert_eq!((transfer.bytes, transfer.blocks), (bytes as u64, blocks));
    }
}

#[test]
fn blocks_sent_again_count_apart() {
    let mut packets = Packets::default();
    Peers::new(&mut packets, 57570)
        .request(PLAIN)
        .server_sends(&data(1, 512))
        .server_sends(&data(1, 512))
        .client_sends(&ack(1))
        .server_sends(&data(2, 100))
        .client_sends(&ack(2))
        .server_sends(&data(2, 100))
        .client_sends(&ack(2));
    let transfer = one(&packets);
    assert_eq!(transfer.outcome, TransferOutcome::Complete);
    assert_eq!((transfer.bytes, transfer.blocks), (612, 2));
    assert_eq!(transfer.retransmitted_blocks, 2);
}

#[test]
fn an_error_is_kept_with_its_text() {
    let mut packets = Packets::default();
    Peers::new(&mut packets, 47265)
        .request(PLAIN)
        .server_sends(b"\0\x05\0\x01File not found\0");
    let transfer = one(&packets);
    assert_eq!(transfer.outcome, TransferOutcome::Error);
    let (code, text) = transfer.error.expect("an error");
    assert_eq!((code, text.bytes()), (1, &b"File not found"[..]));
}

#[test]
fn a_client_that_stops_after_the_size_only_probed() {
    for code in [0, 8] {
        let mut packets = Packets::default();
        let mut peers = Peers::new(&mut packets, 40000);
        peers
            .request(OPTIONS)
            .server_sends(b"\0\x06tsize\x00300001\0")
            .client_sends(&[0, 5, 0, code, b'a', 0]);
        assert_eq!(one(&packets).outcome, TransferOutcome::Aborted);
    }
    let mut packets = Packets::default();
    Peers::new(&mut packets, 40000)
        .request(PLAIN)
        .server_sends(&data(1, 512))
        .client_sends(&ack(1))
        .client_sends(b"\0\x05\0\x03disk full\0");
    assert_eq!(one(&packets).outcome, TransferOutcome::Error);
}

#[test]
fn a_client_that_fails_after_it_got_the_size_did_not_probe() {
    let outcome = |oack: bool, blocks: u16, code: u8| {
        let mut packets = Packets::default();
        let mut peers = Peers::new(&mut packets, 40000);
        peers.request(OPTIONS);
        if oack {
            peers.server_sends(b"\0\x06tsize\x00300001\0");
        }
        for block in 1..=blocks {
            peers.server_sends(&data(block, 512));
        }
        peers.client_sends(&[0, 5, 0, code, b'a', 0]);
        one(&packets).outcome
    };
    // Before it asks for data the disk is full.
    assert_eq!(outcome(true, 0, 3), TransferOutcome::Error);
    for code in [0, 8] {
        // The server sends more only where it was acknowledged.
        assert_eq!(outcome(true, 1, code), TransferOutcome::Error);
        assert_eq!(outcome(false, 2, code), TransferOutcome::Error);
        // It knows no options, and sends the first block in place of the size.
        assert_eq!(outcome(false, 1, code), TransferOutcome::Aborted);
    }
    assert_eq!(outcome(false, 1, 3), TransferOutcome::Error);
}

#[test]
fn a_client_that_falls_silent_after_the_size_only_probed_if_it_comes_back() {
    let run = |comes_back: bool, asks_again: bool| {
        let mut packets = Packets::default();
        let mut peers = Peers::new(&mut packets, 40000);
        peers
            .request(OPTIONS)
            .server_sends(b"\0\x06tsize\x00300001\0");
        if asks_again {
            // It did not hear the answer.
            peers.request(OPTIONS);
        }
        peers.packets.wait(6000);
        if comes_back {
            let mut peers = Peers::new(&mut packets, 40001);
            peers.client = at(CLIENT, 2001);
            peers.request(PLAIN).read(1000, 512, 1);
        }
        collect(&packets, &packets.end())[0].outcome
    };
    assert_eq!(run(true, false), TransferOutcome::Aborted);
    // It may have been one, or answers do not get through: that looks alike.
    assert_eq!(run(false, false), TransferOutcome::Stalled);
    assert_eq!(run(true, true), TransferOutcome::Stalled);
}

#[test]
fn a_second_answer_that_the_client_turns_away_is_not_the_transfer() {
    let mut packets = Packets::default();
    let mut peers = Peers::new(&mut packets, 40001);
    peers.request(PLAIN).request(PLAIN);
    let (client, second) = (peers.client, at(SERVER, 40000));
    for block in [data(1, 7), data(1, 7)] {
        peers.packets.udp(second, client, &block);
        peers
            .packets
            .udp(client, second, b"\0\x05\0\x05Unknown transfer ID\0");
    }
    peers.read(7, 512, 1);
    let transfer = one(&packets);
    assert_eq!(transfer.outcome, TransferOutcome::Complete);
    assert_eq!(transfer.server.port, 40001);
}

#[test]
fn an_acknowledgment_of_options_that_were_not_captured_hides_the_block_size() {
    let run = |last: usize| {
        let mut packets = Packets::default();
        Peers::new(&mut packets, 40001)
            .request(OPTIONS)
            .client_sends(&ack(0))
            .server_sends(&data(1, 500))
            .client_sends(&ack(1))
            .server_sends(&data(2, last))
            .client_sends(&ack(2));
        one(&packets).outcome
    };
    assert_eq!(run(499), TransferOutcome::Complete);
    assert_eq!(run(500), TransferOutcome::Open);
    let mut packets = Packets::default();
    Peers::new(&mut packets, 40001)
        .request(OPTIONS)
        .client_sends(&ack(0))
        .read(400, 512, 1);
    assert_eq!(one(&packets).outcome, TransferOutcome::Open);
}

#[test]
fn packets_shown_twice_are_one_transfer() {
    let mut once = Packets::default();
    Peers::new(&mut once, 60513)
        .request(OPTIONS)
        .server_sends(b"\0\x06tsize\x00300001\0blksize\x001000\0")
        .client_sends(&ack(0))
        .read(300_001, 1000, 1);
    let mut twice = Packets::default();
    for (source, destination, payload, length) in once.sent() {
        for _ in 0..2 {
            twice.udp_cut(*source, *destination, payload, *length);
        }
    }
    let (once, twice) = (one(&once), one(&twice));
    assert_eq!(twice.outcome, TransferOutcome::Complete);
    assert_eq!((twice.bytes, twice.blocks), (once.bytes, once.blocks));
    assert_eq!(twice.retransmitted_blocks, 301);
}

#[test]
fn requests_from_one_port_are_distinct() {
    let mut packets = Packets::default();
    Peers::new(&mut packets, 40628)
        .request(b"\0\x01small.bin\0octet\0")
        .read(1234, 512, 1);
    Peers::new(&mut packets, 41777)
        .request(PLAIN)
        .read(5000, 512, 1);
    Peers::new(&mut packets, 42544)
        .request(b"\0\x01nothere.bin\0octet\0")
        .server_sends(b"\0\x05\0\x01File not found\0");
    let transfers = collect(&packets, &packets.end());
    let seen: Vec<_> = transfers
        .iter()
        .map(|transfer| (transfer.server.port, transfer.bytes, transfer.outcome))
        .collect();
    assert_eq!(
        seen,
        [
            (40628, 1234, TransferOutcome::Complete),
            (41777, 5000, TransferOutcome::Complete),
            (42544, 0, TransferOutcome::Error)
        ]
    );
}

#[test]
fn one_file_fetched_twice_is_two_transfers() {
    for second in [40002, 69] {
        let mut packets = Packets::default();
        let first = if second == 69 { 69 } else { 40001 };
        Peers::new(&mut packets, first)
            .request(PLAIN)
            .read(1234, 512, 1);
        Peers::new(&mut packets, second)
            .request(PLAIN)
            .read(1234, 512, 1);
        let transfers = collect(&packets, &packets.end());
        assert_eq!(transfers.len(), 2, "server port {second}");
        assert!(transfers.iter().all(|transfer| transfer.bytes == 1234));
    }
}

#[test]
fn repeated_requests_are_one_transfer() {
    let mut packets = Packets::default();
    let mut peers = Peers::new(&mut packets, 40001);
    peers.request(PLAIN).request(PLAIN);
    // A second answer, which the client does not take up.
    peers
        .packets
        .udp(at(SERVER, 40000), at(CLIENT, 2000), &data(1, 512));
    peers.read(1000, 512, 1);
    let evidence = Evidence::collect(packets.log(), &packets.end());
    assert_eq!(evidence.tftp.len(), 1);
    assert_eq!(evidence.tftp[0].server.port, 40001);
    assert_eq!(evidence.tftp[0].outcome, TransferOutcome::Complete);
    for port in [40000, 40001] {
        let client = at(CLIENT, 2000);
        let server = at(SERVER, port);
        assert_eq!(evidence.transfer_initiator(server, client), Some(client));
        assert_eq!(evidence.transfer_initiator(client, server), Some(client));
    }
    assert_eq!(
        evidence.transfer_initiator(at(SERVER, 40002), at(CLIENT, 2000)),
        None
    );
}

#[test]
fn a_flood_of_one_request_is_read_as_far_as_the_look_ahead() {
    for (repetitions, transfers) in [(LOOK_AHEAD, 1), (LOOK_AHEAD + 1, 2)] {
        let mut packets = Packets::default();
        let mut peers = Peers::new(&mut packets, 40001);
        peers.request(PLAIN);
        for block in [1, 2] {
            peers.server_sends(&data(block, 512));
            peers.client_sends(&ack(block));
        }
        for _ in 0..repetitions {
            peers.request(PLAIN);
        }
        // The client goes on with the transfer that it has.
        peers.client_sends(&ack(2));
        let found = collect(&packets, &packets.end());
        assert_eq!(found.len(), transfers, "{repetitions} repetitions");
    }
}

#[test]
fn a_late_copy_of_the_request_changes_nothing() {
    let mut packets = Packets::default();
    let mut peers = Peers::new(&mut packets, 40001);
    peers.request(PLAIN);
    for block in 1..=4 {
        peers.server_sends(&data(block, if block == 4 { 1 } else { 512 }));
        peers.client_sends(&ack(block));
        if block == 3 {
            peers.request(PLAIN);
        }
    }
    for cuts in [vec![], vec![8], vec![9]] {
        let mut again = Packets::cut_before(cuts);
        replay(&packets, &mut again);
        let transfer = one(&again);
        assert_eq!(transfer.outcome, TransferOutcome::Complete);
        assert_eq!(transfer.bytes, 1537);
    }
}

#[test]
fn silence_after_an_answer_is_stalled() {
    // The server's firewall drops what arrives at high ports.
    let mut packets = Packets::default();
    let mut peers = Peers::new(&mut packets, 36556);
    peers.request(OPTIONS);
    for _ in 0..3 {
        peers
            .server_sends(b"\0\x06blksize\x001428\0")
            .client_sends(&ack(0));
        peers.packets.wait(3000);
    }
    let transfer = one(&packets);
    assert_eq!(transfer.outcome, TransferOutcome::Stalled);
    assert_eq!((transfer.bytes, transfer.blocks), (0, 0));
}

#[test]
fn a_server_that_is_gone_leaves_a_stalled_transfer() {
    let mut packets = Packets::default();
    Peers::new(&mut packets, 45929)
        .request(PLAIN)
        .server_sends(&data(1, 512))
        .client_sends(&ack(1))
        .client_sends(&ack(1));
    assert_eq!(one(&packets).outcome, TransferOutcome::Open);
    let input = packets
        .end()
        .unreachable(at(CLIENT, 2000), at(SERVER, 45929), 4);
    let transfers = collect(&packets, &input);
    assert_eq!(transfers[0].outcome, TransferOutcome::Stalled);
    assert_eq!(transfers[0].bytes, 512);
}

#[test]
fn a_new_request_for_the_file_shows_that_the_old_one_stalled() {
    let mut packets = Packets::default();
    Peers::new(&mut packets, 40001)
        .request(PLAIN)
        .server_sends(&data(1, 512))
        .client_sends(&ack(1));
    let mut peers = Peers::new(&mut packets, 40002);
    peers.client = at(CLIENT, 2001);
    peers.request(PLAIN).read(600, 512, 1);
    let transfers = collect(&packets, &packets.end());
    assert_eq!(transfers[0].outcome, TransferOutcome::Stalled);
    assert_eq!(transfers[1].outcome, TransferOutcome::Complete);
}

#[test]
fn nobody_answers_or_icmp_does() {
    let mut packets = Packets::default();
    let mut peers = Peers::new(&mut packets, 69);
    peers.request(PLAIN);
    peers.packets.wait(2000);
    peers.request(PLAIN);
    let transfer = one(&packets);
    assert_eq!(transfer.outcome, TransferOutcome::Unanswered);
    assert_eq!(transfer.server.port, 69);
    let input = packets
        .end()
        .unreachable(at(CLIENT, 2000), at(SERVER, 69), 2);
    assert_eq!(
        collect(&packets, &input)[0].outcome,
        TransferOutcome::Unreachable
    );

    // The client's own firewall rejects the answer.
    let mut packets = Packets::default();
    Peers::new(&mut packets, 40001)
        .request(OPTIONS)
        .server_sends(b"\0\x06blksize\x001428\0");
    let input = packets
        .end()
        .unreachable(at(SERVER, 40001), at(CLIENT, 2000), 3);
    assert_eq!(
        collect(&packets, &input)[0].outcome,
        TransferOutcome::Unreachable
    );
}

#[test]
fn a_capture_that_ends_early_leaves_it_open() {
    let mut packets = Packets::default();
    Peers::new(&mut packets, 40001)
        .request(PLAIN)
        .server_sends(&data(1, 512))
        .client_sends(&ack(1))
        .server_sends(&data(2, 9));
    assert_eq!(one(&packets).outcome, TransferOutcome::Open);
}

#[test]
fn a_cut_request_hides_the_block_size() {
    let run = |blocks: &[(u16, usize)]| {
        let mut packets = Packets::default();
        packets.udp_cut(at(CLIENT, 2000), at(SERVER, 69), &OPTIONS[..4], 40);
        let mut peers = Peers::new(&mut packets, 40001);
        for &(block, length) in blocks {
            peers
                .server_sends(&data(block, length))
                .client_sends(&ack(block));
        }
        packets.wait(60_000);
        one(&packets).outcome
    };
    assert_eq!(run(&[(1, 16), (2, 16), (3, 4)]), TransferOutcome::Complete);
    assert_eq!(run(&[(1, 16)]), TransferOutcome::Open);
    assert_eq!(run(&[(1, 16), (2, 16)]), TransferOutcome::Stalled);
}

#[test]
fn a_request_to_another_port_opens_nothing() {
    let mut packets = Packets::default();
    packets.udp(at(CLIENT, 2000), at(SERVER, 6969), PLAIN);
    assert!(collect(&packets, &packets.end()).is_empty());
}

/// Sends the packets of one log into another, run by run.
fn replay(from: &Packets, into: &mut Packets) {
    for (source, destination, payload, length) in from.sent() {
        into.udp_cut(*source, *destination, payload, *length);
    }
}
