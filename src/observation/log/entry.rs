//! What the log holds: facts of packets, borrowed from where they were kept.

use crate::decode::TcpFlags;
use crate::flow::Side;
use crate::net::{FiveTuple, Position, Timestamp};

/// A fact kept for the trackers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEntry<'a> {
    /// The packet it comes from; of a run, the first.
    pub at: Position,
    /// In the direction of the packet.
    pub five_tuple: FiveTuple,
    /// Number of its flow among those of the log, from 0 without gaps: the same for both
    /// directions, so that trackers need no hash table. It differs from log to log.
    pub flow: u32,
    /// The side of the flow that sent it.
    pub side: Side,
    /// What was kept.
    pub kind: LogKind<'a>,
}

/// What was kept of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind<'a> {
    /// A UDP datagram.
    Datagram {
        /// The first bytes of the payload, at most 65,535.
        payload: &'a [u8],
        /// Payload bytes on the wire; more than kept where it was cut.
        length: u32,
    },
    /// A TCP segment.
    Segment {
        /// Sequence number of the first payload byte (SYN counts as one before it).
        sequence: u32,
        /// Control bits.
        flags: TcpFlags,
        /// The first bytes of the payload, at most 65,535.
        payload: &'a [u8],
        /// Payload bytes on the wire.
        length: u32,
    },
    /// TFTP DATA or ACK packets of one direction whose block numbers go on.
    TftpRun(TftpRun),
}

impl<'a> LogKind<'a> {
    /// What of it goes into a chunk; nothing of a run.
    #[inline]
    pub(super) fn payload(&self) -> &'a [u8] {
        match self {
            Self::Datagram { payload, .. } | Self::Segment { payload, .. } => {
                &payload[..payload.len().min(usize::from(u16::MAX))]
            }
            Self::TftpRun(_) => &[],
        }
    }

    /// How many packets it stands for.
    pub(super) fn packets(&self) -> u64 {
        match self {
            Self::Datagram { .. } | Self::Segment { .. } => 1,
            Self::TftpRun(run) => u64::from(run.count),
        }
    }
}

/// TFTP packets of one direction in one capture, run-length coded. Block numbers go from 65535 on
/// to 0. DATA goes on by one block of the same length; ACK by up to `MAX_ACK_STEP` blocks, as a
/// window is acknowledged at once. Either may repeat its last block within `MAX_REPEAT_NS`: a
/// mirror port that shows every packet twice takes no more entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TftpRun {
    /// DATA or ACK.
    pub kind: TftpRunKind,
    /// Number of the first block.
    pub first_block: u16,
    /// Blocks from the first packet's to the last one's: that one has `first_block + advance`.
    pub advance: u32,
    /// How many packets.
    pub count: u32,
    /// DATA: payload bytes of each block; ACK: 0.
    pub block_length: u16,
    /// Time of the last packet.
    pub last: Timestamp,
}

/// Which packets a run holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TftpRunKind {
    /// DATA, RFC 1350 opcode 3.
    Data,
    /// ACK, RFC 1350 opcode 4.
    Ack,
}

/// Blocks that one ACK may go on by within a run (RFC 7440 windows; servers grant at most 64).
const MAX_ACK_STEP: u16 = 512;
/// Copies by a mirror port come within microseconds; who repeats a packet waits longer than this.
const MAX_REPEAT_NS: u64 = 10_000_000;

impl TftpRun {
    fn last_block(&self) -> u16 {
        self.first_block.wrapping_add(self.advance as u16)
    }

    /// Whether packets can make such a run.
    pub(in crate::observation) fn is_possible(&self) -> bool {
        let Some(steps) = self.count.checked_sub(1) else {
            return false;
        };
        let (steps, advance) = (u64::from(steps), u64::from(self.advance));
        match self.kind {
            TftpRunKind::Data => advance <= steps || self.count == u32::MAX,
            TftpRunKind::Ack => {
                self.block_length == 0 && advance <= steps * u64::from(MAX_ACK_STEP)
            }
        }
    }

    /// Adds `next`, whose first packet was sent at `from`, if it goes on where this one ends. Only
    /// neighbours are compared, so that the runs of a capture are the same wherever it was cut.
    pub(super) fn join(&mut self, next: &Self, from: Timestamp) -> bool {
        let step = next.first_block.wrapping_sub(self.last_block());
        let most = match self.kind {
            TftpRunKind::Data => 1,
            TftpRunKind::Ack => MAX_ACK_STEP,
        };
        let is_near = step > 0 || from.0.abs_diff(self.last.0) <= MAX_REPEAT_NS;
        let goes_on = step <= most && is_near && next.block_length == self.block_length;
        if goes_on && self.kind == next.kind {
            self.advance = self
                .advance
                .saturating_add(u32::from(step))
                .saturating_add(next.advance);
            self.count = self.count.saturating_add(next.count);
            self.last = next.last;
        }
        goes_on && self.kind == next.kind
    }
}
