//! What a log entry says of a transfer, and how a session takes it up.

use super::model::TransferOperation;
use super::session::{Session, Side};
use crate::net::{Position, Timestamp};
use crate::observation::{LogKind, TftpRun, TftpRunKind};
use crate::payload::tftp::{Request, Tftp};

/// What an entry says, whether it came run-length coded or whole.
#[derive(Clone, Copy)]
pub(super) enum Packet<'a> {
    Request(TransferOperation, Request<'a>),
    /// DATA or ACK.
    Run(TftpRun),
    /// OACK or ERROR.
    Other(Tftp<'a>),
}

impl<'a> Packet<'a> {
    /// Reads an entry of which `time` is the first packet's.
    pub(super) fn read(kind: LogKind<'a>, time: Timestamp) -> Option<Self> {
        let (payload, length) = match kind {
            LogKind::TftpRun(run) => return Some(Self::Run(run)),
            LogKind::Datagram { payload, length } => (payload, length),
            LogKind::Segment { .. } => return None,
        };
        let run = |kind, first_block, block_length| {
            Self::Run(TftpRun {
                kind,
                first_block,
                advance: 0,
                count: 1,
                block_length,
                last: time,
            })
        };
        Some(match Tftp::parse(payload, length).ok()? {
            Tftp::ReadRequest(request) => Self::Request(TransferOperation::Read, request),
            Tftp::WriteRequest(request) => Self::Request(TransferOperation::Write, request),
            Tftp::Data { block, length } => {
                let length = u16::try_from(length).unwrap_or(u16::MAX);
                run(TftpRunKind::Data, block, length)
            }
            Tftp::Acknowledgment { block, .. } => run(TftpRunKind::Ack, block, 0),
            other @ (Tftp::Error { .. } | Tftp::OptionAcknowledgment(_)) => Self::Other(other),
        })
    }

    /// Whether a transfer begins so.
    pub(super) fn is_beginning(self) -> bool {
        match self {
            Self::Request(..) => false,
            Self::Run(run) => run.first_block <= 1,
            Self::Other(_) => true,
        }
    }
}

impl Session {
    /// A packet of either end.
    pub(super) fn take(&mut self, side: Side, at: Position, packet: Packet<'_>) {
        let (last, packets) = match packet {
            Packet::Run(run) => (run.last, run.count),
            Packet::Request(..) | Packet::Other(_) => (at.time, 1),
        };
        self.touch(side, at, last, packets);
        match packet {
            Packet::Run(run) => self.run(side, &run, at.time),
            Packet::Other(Tftp::OptionAcknowledgment(options)) => self.grant(options),
            Packet::Other(Tftp::Error { code, text }) => self.fail(side, code, text),
            Packet::Request(..) | Packet::Other(_) => {}
        }
    }
}
