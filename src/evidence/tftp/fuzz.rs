//! What must hold of transfers, whatever the packets were.

use std::collections::BTreeMap;

use super::model::{TransferOperation, TransferOutcome};
use super::{Found, Tracker};
use crate::evidence::fuzz::Script;
use crate::net::Endpoint;
use crate::observation::{LogEntry, LogKind, TftpRunKind};
use crate::payload::Text;
use crate::payload::tftp::{DEFAULT_BLOCK_SIZE, PORT, Tftp};

/// A DATA or ACK packet, or another one.
struct Packet {
    from: Endpoint,
    to: Endpoint,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Data { block: u16, length: u16 },
    Ack { block: u16 },
    Request,
    Other,
}

impl Packet {
    fn new(entry: &LogEntry<'_>) -> Self {
        let kind = match entry.kind {
            LogKind::TftpRun(run) => match run.kind {
                TftpRunKind::Data => Kind::Data {
                    block: run.first_block,
                    length: run.block_length,
                },
                TftpRunKind::Ack => Kind::Ack {
                    block: run.first_block,
                },
            },
            LogKind::Datagram { payload, length } => match Tftp::parse(payload, length) {
                Ok(Tftp::ReadRequest(_) | Tftp::WriteRequest(_)) => Kind::Request,
                _ => Kind::Other,
            },
            LogKind::Segment { .. } => Kind::Other,
        };
        Self {
            from: entry.five_tuple.source,
            to: entry.five_tuple.destination,
            kind,
        }
    }
}

/// What both kinds of transfers claim.
struct Claim {
    client: Endpoint,
    server: Endpoint,
    outcome: TransferOutcome,
    /// Payload bytes that every block but the last has at least, as agreed; `None` where it is not
    /// known.
    size: Option<u16>,
    bytes: u64,
    /// With those sent again.
    blocks: u64,
}

/// Reads packets that any bytes describe, and panics where what is found contradicts them.
pub(in crate::evidence) fn fuzz(data: &[u8]) {
    let script = Script::new(data);
    let read = || {
        let mut tracker = Tracker::default();
        script.log().for_each(|entry| tracker.observe(&entry));
        tracker.finish(&script)
    };
    let found = read();
    // Hash tables have seeds of their own.
    let again = read();
    assert_eq!(found.transfers, again.transfers);
    assert_eq!(found.joined, again.joined);
    let packets: Vec<Packet> = script.log().map(|entry| Packet::new(&entry)).collect();
    let is_cut = script.log().any(|entry| match entry.kind {
        LogKind::Datagram { payload, length } => payload.len() < length as usize,
        LogKind::Segment { .. } | LogKind::TftpRun(_) => false,
    });
    check_requested(&found, is_cut, &packets);
    check_joined(&found, &packets);
}

fn check_requested(found: &Found, is_cut: bool, packets: &[Packet]) {
    for transfer in &found.transfers {
        assert!(transfer.first.time <= transfer.last);
        let blocks = transfer.blocks + transfer.retransmitted_blocks;
        let is_default = !is_cut && !transfer.options_requested.contains_key("blksize");
        let default = is_default.then_some(DEFAULT_BLOCK_SIZE);
        check(
            &Claim {
                client: transfer.client,
                server: transfer.server,
                outcome: transfer.outcome,
                size: granted_size(&transfer.options).or(default),
                bytes: transfer.bytes,
                blocks,
            },
            packets,
        );
        let asks = |packet: &Packet| {
            packet.kind == Kind::Request
                && packet.from == transfer.client
                && packet.to == Endpoint::new(transfer.server.address, PORT)
        };
        assert!(packets.iter().any(asks));
        let has_error = transfer.error.is_some();
        match transfer.outcome {
            TransferOutcome::Error => assert!(has_error),
            TransferOutcome::Aborted => {
                assert_eq!(transfer.operation, TransferOperation::Read);
                assert!(transfer.blocks <= 1);
                let stops = |(code, _): &(u16, Text)| [0, 8].contains(code);
                assert!(transfer.error.as_ref().is_none_or(stops));
            }
            TransferOutcome::Unanswered => assert!(blocks == 0 && !has_error),
            TransferOutcome::Complete
            | TransferOutcome::Stalled
            | TransferOutcome::Unreachable
            | TransferOutcome::Open => {}
        }
    }
}

/// The block size that an OACK grants, where it is one.
fn granted_size(options: &BTreeMap<String, Text>) -> Option<u16> {
    let text = std::str::from_utf8(options.get("blksize")?.bytes()).ok()?;
    text.trim().parse().ok().filter(|size| *size > 0)
}

fn check_joined(found: &Found, packets: &[Packet]) {
    for transfer in &found.joined {
        assert!(transfer.first.time <= transfer.last);
        let (client, server) = (transfer.client, transfer.server);
        let has = |from, to| {
            packets
                .iter()
                .any(|packet| packet.from == from && packet.to == to)
        };
        assert!(has(client, server) && has(server, client));
        // It explains a flow only where a later request does.
        if found.pairs().contains_key(&(client, server)) {
            let asks = |packet: &Packet| packet.kind == Kind::Request && packet.from == client;
            assert!(packets.iter().any(asks));
        }
        check(
            &Claim {
                client,
                server,
                outcome: transfer.outcome,
                size: granted_size(&transfer.options),
                bytes: transfer.bytes,
                blocks: transfer.blocks + transfer.retransmitted_blocks,
            },
            packets,
        );
    }
}

fn check(claim: &Claim, packets: &[Packet]) {
    let (client, server) = (claim.client, claim.server);
    let between = |packet: &&Packet| {
        (packet.from == client && packet.to == server)
            || (packet.from == server && packet.to == client)
    };
    let (mut sent_bytes, mut sent_blocks) = (0, 0);
    for packet in packets.iter().filter(between) {
        if let Kind::Data { length, .. } = packet.kind {
            sent_bytes += u64::from(length);
            sent_blocks += 1;
        }
    }
    assert!(claim.blocks <= sent_blocks);
    assert!(claim.bytes <= sent_bytes);
    if claim.outcome != TransferOutcome::Complete {
        return;
    }
    // The last block is shorter than agreed, and its number was acknowledged.
    let is_last = |packet: &Packet| {
        let Kind::Data { block, length } = packet.kind else {
            return false;
        };
        let acknowledges = |other: &Packet| other.kind == Kind::Ack { block };
        claim.size.is_none_or(|size| length < size)
            && packets.iter().filter(between).any(acknowledges)
    };
    assert!(packets.iter().filter(between).any(is_last));
}
