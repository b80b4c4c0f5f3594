//! What the TFTP tracker finds out.

use std::collections::BTreeMap;

use crate::flow::IcmpErrorSeen;
use crate::net::{Endpoint, Position, Timestamp};
use crate::payload::Text;

/// A TFTP request and the transfer it led to (RFC 1350, 2347-2349, 7440).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Read or write.
    pub operation: TransferOperation,
    /// File asked for.
    pub file: Text,
    /// Transfer mode asked for.
    pub mode: Text,
    /// The client's transfer identifier.
    pub client: Endpoint,
    /// The server's transfer identifier; the request's port while nobody answered.
    pub server: Endpoint,
    /// Options that the server granted, by lower-case name.
    pub options: BTreeMap<String, Text>,
    /// Options that the client asked for, by lower-case name.
    pub options_requested: BTreeMap<String, Text>,
    /// How it ended.
    pub outcome: TransferOutcome,
    /// Payload bytes of distinct blocks.
    pub bytes: u64,
    /// Distinct blocks.
    pub blocks: u64,
    /// Blocks sent again.
    pub retransmitted_blocks: u64,
    /// Blocks that were acknowledged, or that others followed, and were never captured.
    pub missing_blocks: u64,
    /// The request.
    pub first: Position,
    /// Time of the last packet.
    pub last: Timestamp,
    /// Error code and text, where one was sent.
    pub error: Option<(u16, Text)>,
    /// The packets that prove it: request, answer, end.
    pub frames: Vec<Position>,
    /// What passed, as far as it tells why a transfer fails.
    pub course: TransferCourse,
}

/// What passed between the ends of a transfer, repeated or not: where it fails, this tells whose
/// packets got lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransferCourse {
    /// How often the request was sent.
    pub requests: u64,
    /// Packets of the server, from any port that answered.
    pub server_packets: u64,
    /// Those of them that only repeat what it had sent from the transfer's port.
    pub server_repeats: u64,
    /// Packets of the client to any port that answered.
    pub client_packets: u64,
    /// Acknowledgments that only repeat an earlier one.
    pub repeated_acknowledgments: u64,
    /// Whether one of those came long after what it repeats: who gets the blocks waits for more.
    pub is_awaited: bool,
    /// Whether a block came clearly later than the last new one: who sends them waits for more.
    pub is_resent: bool,
    /// Whether every block was sent, the last one too.
    pub is_all_sent: bool,
    /// Highest block sent, from 1 on.
    pub sent: Option<u64>,
    /// Highest block acknowledged; 0 acknowledges the options.
    pub acknowledged: Option<u64>,
    /// Payload bytes of every DATA packet.
    pub sent_bytes: u64,
    /// Who sent the error.
    pub error_from: Option<TransferEnd>,
    /// The ICMP error that met its packets.
    pub refused: Option<RefusedTransfer>,
}

/// An ICMP error that met the packets of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedTransfer {
    /// Whose packets it quotes.
    pub sent_by: TransferEnd,
    /// The error.
    pub error: IcmpErrorSeen,
}

/// An end of a TFTP transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TransferEnd {
    /// Who asked.
    Client,
    /// Who was asked.
    Server,
}

/// A TFTP transfer that was under way when the capture began. No request explains it, so it
/// explains no flow: its ends are known by what passed between them alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedTransfer {
    /// Read or write, where the capture shows which end is the server: by an OACK, or port 69.
    pub operation: Option<TransferOperation>,
    /// The client's transfer identifier; where that can't be told, the end that got the blocks.
    pub client: Endpoint,
    /// The other end.
    pub server: Endpoint,
    /// Options that the server granted, by lower-case name, where that was captured.
    pub options: BTreeMap<String, Text>,
    /// How it ended, as far as it can be told.
    pub outcome: TransferOutcome,
    /// Payload bytes of distinct blocks that were captured.
    pub bytes: u64,
    /// Distinct blocks that were captured.
    pub blocks: u64,
    /// Blocks sent again.
    pub retransmitted_blocks: u64,
    /// Blocks that were acknowledged, or that others followed, and were never captured.
    pub missing_blocks: u64,
    /// The first packet that was captured.
    pub first: Position,
    /// Time of the last packet.
    pub last: Timestamp,
    /// Error code and text, where one was sent.
    pub error: Option<(u16, Text)>,
    /// The first packet, and the end.
    pub frames: Vec<Position>,
}

/// Direction of a TFTP transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransferOperation {
    /// RRQ.
    Read,
    /// WRQ.
    Write,
}

impl TransferOperation {
    /// Spelling in reports.
    pub fn code(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// How a TFTP transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferOutcome {
    /// The last block was acknowledged.
    Complete,
    /// One side sent ERROR.
    Error,
    /// The client asked for the size only, and stopped (harmless).
    Aborted,
    /// It began and went silent.
    Stalled,
    /// Nobody answered the request.
    Unanswered,
    /// An ICMP error came in place of an answer.
    Unreachable,
    /// The capture ends before it does, or its end can't be told.
    Open,
}

impl TransferOutcome {
    /// Spelling in reports.
    pub fn code(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Error => "error",
            Self::Aborted => "aborted",
            Self::Stalled => "stalled",
            Self::Unanswered => "unanswered",
            Self::Unreachable => "unreachable",
            Self::Open => "open",
        }
    }
}
