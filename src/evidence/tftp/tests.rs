//! Transfers in every form that real peers show.

use proptest::prelude::*;

use super::attempt::LOOK_AHEAD;
use crate::evidence::testing::{Input, Packets, address, at};
use crate::evidence::{Evidence, Transfer, TransferOperation, TransferOutcome};
use crate::net::Endpoint;

const CLIENT: u8 = 50;
const SERVER: u8 = 1;

/// Both ends of one transfer, sending into a capture.
struct Peers<'p> {
    packets: &'p mut Packets,
    client: Endpoint,
    server: Endpoint,
}

impl<'p> Peers<'p> {
    fn new(packets: &'p mut Packets, server_port: u16) -> Self {
        Self {
            packets,
            client: at(CLIENT, 2000),
            server: at(SERVER, server_port),
        }
    }

    fn request(&mut self, bytes: &[u8]) -> &mut Self {
        self.packets.udp(self.client, at(SERVER, 69), bytes);
        self
    }

    fn client_sends(&mut self, bytes: &[u8]) -> &mut Self {
        self.packets.udp(self.client, self.server, bytes);
        self
    }

    fn server_sends(&mut self, bytes: &[u8]) -> &mut Self {
        self.packets.udp(self.server, self.client, bytes);
        self
    }

    /// A read of `bytes`, a block at a time, every `window` blocks acknowledged.
    fn read(&mut self, bytes: usize, size: usize, window: usize) -> &mut Self {
        let last = bytes / size + 1;
        for block in 1..=last {
            let length = if block == last { bytes % size } else { size };
            self.server_sends(&data(block as u16, length));
            if block % window == 0 || block == last {
                self.client_sends(&ack(block as u16));
            }
        }
        self
    }
}

fn data(block: u16, length: usize) -> Vec<u8> {
    let mut bytes = vec![0, 3];
    bytes.extend(block.to_be_bytes());
    bytes.resize(4 + length, b'x');
    bytes
}

fn ack(block: u16) -> Vec<u8> {
    let mut bytes = vec![0, 4];
    bytes.extend(block.to_be_bytes());
    bytes
}

fn collect(packets: &Packets, input: &Input) -> Vec<Transfer> {
    Evidence::collect(packets.log(), input).tftp
}

fn one(packets: &Packets) -> Transfer {
    let [transfer] = <[_; 1]>::try_from(collect(packets, &packets.end())).expect("one transfer");
    transfer
}

const PLAIN: &[u8] = b"\0\x01med.bin\0octet\0";
const OPTIONS: &[u8] = b"\0\x01med.bin\0octet\0tsize\x000\0blksize\x001428\0";

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
fn packets_without_a_request_are_no_transfer() {
    let mut packets = Packets::default();
    Peers::new(&mut packets, 40001).read(600, 512, 1);
    // A request to another port opens nothing.
    packets.udp(at(CLIENT, 2000), at(SERVER, 6969), PLAIN);
    assert!(collect(&packets, &packets.end()).is_empty());
}

/// Sends the packets of one log into another, run by run.
fn replay(from: &Packets, into: &mut Packets) {
    for (source, destination, payload, length) in from.sent() {
        into.udp_cut(*source, *destination, payload, *length);
    }
}

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
