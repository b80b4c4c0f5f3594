//! The log as plain values, for whoever keeps it outside. Says nothing of how the log stores them.

use super::{Entry, Log, LogKind, MAX_ACK_STEP, TftpRun, TftpRunKind};
use crate::decode::TcpFlags;
use crate::flow::{FlowKey, Side};
use crate::net::Position;

/// One entry of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::observation) struct LogFact<'a> {
    pub(in crate::observation) at: Position,
    /// Who sent it.
    pub(in crate::observation) side: Side,
    pub(in crate::observation) kind: FactKind<'a>,
}

/// What was kept of a packet, as in [`LogKind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::observation) enum FactKind<'a> {
    Datagram {
        payload: &'a [u8],
        length: u32,
    },
    Segment {
        sequence: u32,
        flags: TcpFlags,
        payload: &'a [u8],
        length: u32,
    },
    TftpRun(TftpRun),
}

impl Log {
    /// How many entries there are.
    pub(in crate::observation) fn len(&self) -> usize {
        self.flows.values().map(|flow| flow.entries.len()).sum()
    }

    /// The entries of flows whose key is `wanted`, in no particular order.
    pub(in crate::observation) fn facts(
        &self,
        wanted: impl Fn(&FlowKey) -> bool,
    ) -> impl Iterator<Item = (FlowKey, LogFact<'_>)> {
        self.flows
            .iter()
            .filter(move |(key, _)| wanted(key))
            .flat_map(|(key, flow)| flow.entries.iter().map(|entry| (*key, entry.fact())))
    }

    /// Adds an entry, within the same bounds as one that was just seen.
    pub(in crate::observation) fn insert(&mut self, key: FlowKey, fact: LogFact<'_>) {
        let LogFact { at, side, kind } = fact;
        let kind = match kind {
            FactKind::Datagram { payload, length } => LogKind::Datagram {
                payload: payload.into(),
                length,
            },
            FactKind::Segment {
                sequence,
                flags,
                payload,
                length,
            } => LogKind::Segment {
                sequence,
                flags,
                payload: payload.into(),
                length,
            },
            FactKind::TftpRun(run) => LogKind::TftpRun(run),
        };
        self.push(key, Entry { at, side, kind });
    }
}

impl Entry {
    fn fact(&self) -> LogFact<'_> {
        let kind = match &self.kind {
            LogKind::Datagram { payload, length } => FactKind::Datagram {
                payload,
                length: *length,
            },
            LogKind::Segment {
                sequence,
                flags,
                payload,
                length,
            } => FactKind::Segment {
                sequence: *sequence,
                flags: *flags,
                payload,
                length: *length,
            },
            LogKind::TftpRun(run) => FactKind::TftpRun(*run),
        };
        LogFact {
            at: self.at,
            side: self.side,
            kind,
        }
    }
}

impl TftpRun {
    /// Whether packets can make such a run.
    pub(in crate::observation) fn is_possible(&self) -> bool {
        let Some(steps) = self.count.checked_sub(1) else {
            return false;
        };
        let (steps, advance) = (u64::from(steps), u64::from(self.advance));
        match self.kind {
            TftpRunKind::Data => advance == steps || self.count == u32::MAX,
            TftpRunKind::Ack => {
                self.block_length == 0
                    && (steps..=steps * u64::from(MAX_ACK_STEP)).contains(&advance)
            }
        }
    }
}
