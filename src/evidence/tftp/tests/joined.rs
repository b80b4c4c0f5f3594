//! Transfers that a capture joins in the middle, and what only looks like them.

use crate::evidence::testing::{Packets, at};
use crate::evidence::{Evidence, JoinedTransfer, TransferOperation, TransferOutcome};
use crate::net::Endpoint;

fn client() -> Endpoint {
    at(50, 2000)
}

fn server() -> Endpoint {
    at(1, 40_001)
}

fn data(block: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0, 3];
    bytes.extend((block as u16).to_be_bytes());
    bytes.resize(4 + length, b'x');
    bytes
}

fn ack(block: u64) -> Vec<u8> {
    [&[0, 4][..], &(block as u16).to_be_bytes()].concat()
}

/// Blocks in lockstep, the last one shorter than the others.
fn blocks(packets: &mut Packets, numbers: std::ops::RangeInclusive<u64>, size: usize) {
    for block in numbers.clone() {
        let length = if block == *numbers.end() { 7 } else { size };
        packets.udp(server(), client(), &data(block, length));
        packets.udp(client(), server(), &ack(block));
    }
}

fn found(packets: &Packets) -> Vec<JoinedTransfer> {
    let evidence = Evidence::collect(packets.log(), &packets.end());
    // It explains no flow.
    assert_eq!(evidence.transfer_initiator(client(), server()), None);
    evidence.tftp_joined
}

fn one(packets: &Packets) -> JoinedTransfer {
    let [joined] = <[_; 1]>::try_from(found(packets)).expect("one transfer");
    joined
}

#[test]
fn a_transfer_joined_in_the_middle() {
    let mut packets = Packets::default();
    packets.udp(client(), server(), &ack(299));
    blocks(&mut packets, 300..=400, 1456);
    let joined = one(&packets);
    assert_eq!(joined.outcome, TransferOutcome::Complete);
    assert_eq!((joined.client, joined.server), (client(), server()));
    assert_eq!(joined.operation, None);
    assert_eq!((joined.blocks, joined.bytes), (101, 1456 * 100 + 7));
    assert_eq!(joined.first.frame(), 1);
    let frames: Vec<_> = joined.frames.iter().map(|at| at.frame()).collect();
    assert_eq!(frames, [1, 202]);
    assert_eq!(joined.missing_blocks, 0);
}

#[test]
fn blocks_that_were_not_captured_count_from_the_first_packet_on() {
    let mut packets = Packets::default();
    packets.udp(client(), server(), &ack(298));
    for block in 300..=310 {
        packets.udp(server(), client(), &data(block, 1456));
        packets.udp(client(), server(), &ack(block));
    }
    blocks(&mut packets, 313..=320, 1456);
    let joined = one(&packets);
    assert_eq!((joined.blocks, joined.missing_blocks), (19, 3));
}

#[test]
fn block_numbers_wrap() {
    for first in [65_535, 65_536, 65_537] {
        let mut packets = Packets::default();
        packets.udp(client(), server(), &ack(first - 1));
        blocks(&mut packets, first..=first + 70_000, 16);
        let joined = one(&packets);
        assert_eq!(joined.outcome, TransferOutcome::Complete);
        assert_eq!((joined.blocks, joined.missing_blocks), (70_001, 0));
    }
}

#[test]
fn what_cannot_be_told_is_open() {
    // The last block that was captured may be the last of all: of two the first shows the
    // size.
    let mut packets = Packets::default();
    for block in [900, 901] {
        packets.udp(server(), client(), &data(block, 1456));
        packets.udp(client(), server(), &ack(block));
    }
    assert_eq!(one(&packets).outcome, TransferOutcome::Open);
    packets.wait(60_000);
    assert_eq!(one(&packets).outcome, TransferOutcome::Stalled);
    // One block shows nothing.
    let mut packets = Packets::default();
    packets.udp(server(), client(), &data(1, 200));
    packets.udp(client(), server(), &ack(1));
    packets.wait(60_000);
    assert_eq!(one(&packets).outcome, TransferOutcome::Open);
}

#[test]
fn an_option_acknowledgment_tells_the_server_and_the_size() {
    let oack = b"\0\x06blksize\x001000\0";
    for written in [false, true] {
        let (server, client) = (server(), client());
        let mut packets = Packets::default();
        packets.udp(server, client, oack);
        let (from, to) = if written {
            (client, server)
        } else {
            (server, client)
        };
        if !written {
            packets.udp(client, server, &ack(0));
        }
        packets.udp(from, to, &data(1, 999));
        packets.udp(to, from, &ack(1));
        let joined = one(&packets);
        assert_eq!(joined.outcome, TransferOutcome::Complete);
        assert_eq!((joined.client, joined.server), (client, server));
        let operation = match written {
            true => TransferOperation::Write,
            false => TransferOperation::Read,
        };
        assert_eq!(joined.operation, Some(operation));
        assert_eq!(joined.options["blksize"].bytes(), b"1000");
    }
    // Acknowledged again and again: what the client sends does not arrive.
    let mut packets = Packets::default();
    for _ in 0..3 {
        packets.udp(server(), client(), oack);
        packets.udp(client(), server(), &ack(0));
        packets.wait(3000);
    }
    let joined = one(&packets);
    assert_eq!(joined.outcome, TransferOutcome::Stalled);
    assert_eq!(joined.operation, Some(TransferOperation::Read));
    let refused = packets.end().unreachable(client(), server(), 2);
    let evidence = Evidence::collect(packets.log(), &refused);
    assert_eq!(
        evidence.tftp_joined[0].outcome,
        TransferOutcome::Unreachable
    );
}

#[test]
fn the_server_may_send_from_port_69() {
    let server = at(1, 69);
    let mut packets = Packets::default();
    for block in 500..=501 {
        packets.udp(client(), server, &data(block, 512));
        packets.udp(server, client(), &ack(block));
    }
    let joined = one(&packets);
    assert_eq!((joined.client, joined.server), (client(), server));
    assert_eq!(joined.operation, Some(TransferOperation::Write));
}

#[test]
fn what_passed_before_a_request_of_the_same_port_is_apart() {
    let mut packets = Packets::default();
    for block in 300..=301 {
        packets.udp(server(), client(), &data(block, 512));
        packets.udp(client(), server(), &ack(block));
    }
    packets.udp(client(), at(1, 69), b"\0\x01next\0octet\0");
    packets.udp(server(), client(), &data(302, 9));
    packets.udp(client(), server(), &ack(302));
    packets.udp(at(1, 40_002), client(), &data(1, 3));
    packets.udp(client(), at(1, 40_002), &ack(1));
    let evidence = Evidence::collect(packets.log(), &packets.end());
    let [transfer] = &evidence.tftp[..] else {
        panic!("one transfer")
    };
    assert_eq!((transfer.server.port, transfer.bytes), (40_002, 3));
    assert_eq!(transfer.outcome, TransferOutcome::Complete);
    let joined = &evidence.tftp_joined[0];
    assert_eq!(
        (joined.blocks, joined.outcome),
        (3, TransferOutcome::Complete)
    );
}

#[test]
fn other_protocols_that_begin_like_it_are_none() {
    let (a, b) = (server(), client());
    type Sent = (Endpoint, Endpoint, Vec<u8>);
    let sent = |packets: &[Sent]| {
        let mut log = Packets::default();
        for (source, destination, payload) in packets {
            log.udp(*source, *destination, payload);
        }
        found(&log)
    };
    // One direction only.
    let mut one_way: Vec<Sent> = (1..100).map(|n| (a, b, data(n, 512))).collect();
    assert!(sent(&one_way).is_empty());
    // What comes back acknowledges nothing of it.
    one_way.extend((1..100).map(|n| (b, a, ack(n + 1000))));
    assert!(sent(&one_way).is_empty());
    // Both ends send both.
    let both = |n: u64| [(a, b, data(n, 512)), (b, a, ack(n)), (b, a, data(n, 512))];
    assert!(sent(&(5..50).flat_map(both).collect::<Vec<_>>()).is_empty());
    // Lengths differ all the time.
    let uneven = |n: u64| [(a, b, data(n, 100 + n as usize)), (b, a, ack(n))];
    assert!(sent(&(5..50).flat_map(uneven).collect::<Vec<_>>()).is_empty());
    // A single pair in the middle, and an option acknowledgment that nobody acknowledges.
    assert!(sent(&[(a, b, data(77, 512)), (b, a, ack(77))]).is_empty());
    let oack = b"\0\x06blksize\x001000\0".to_vec();
    assert!(sent(&[(a, b, oack.clone()), (b, a, ack(9))]).is_empty());
    assert!(sent(&[(a, b, oack)]).is_empty());
    // A port that transfers do not use.
    let low = at(1, 1023);
    let blocks = |n: u64| [(low, b, data(n, 512)), (b, low, ack(n))];
    assert!(sent(&(5..50).flat_map(blocks).collect::<Vec<_>>()).is_empty());
}

#[test]
fn floods_of_one_end_are_not_kept() {
    let mut tracker = super::super::joined::Unrequested::default();
    let mut packets = Packets::default();
    for n in 0..10_000 {
        packets.udp(server(), client(), &data(n * 2, 512));
    }
    packets.log().for_each(|entry| tracker.take(&entry));
    assert_eq!(
        tracker.entries.len(),
        usize::from(super::super::joined::MAX_ONE_SIDED)
    );
}
