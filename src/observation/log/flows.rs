//! The flows of a log: how much of each is kept, and the runs that its next blocks may continue.

use std::hash::BuildHasher;

use hashbrown::HashTable;

use super::MAX_BYTES;
use super::chunk;
use super::entry::{LogKind, TftpRunKind};
use crate::flow::{FlowKey, Side};
use crate::net::Protocol;

/// Payload bytes and entries of one flow; past them it is silent. An endpoint-mapper conversation
/// takes a few thousand, and a flow of 65,536 runs is no transfer.
pub(super) const MAX_BYTES_PER_FLOW: u32 = 4 << 20;
/// The same for DHCP, where the clients of a whole site share one flow: 0.0.0.0 to the broadcast
/// address, or a relay and its server. At 600 bytes a message it holds 400,000 of them.
const MAX_BYTES_PER_DHCP_FLOW: u32 = 256 << 20;
/// What an entry counts besides its payload in the bound of its flow. What it takes is less, and
/// depends on its neighbours.
pub(super) const ENTRY_BYTES: u32 = 64;
/// TFTP runs that a flow has room for, where it holds nothing else.
pub const MAX_RUNS_PER_FLOW: u32 = MAX_BYTES_PER_FLOW / ENTRY_BYTES;

/// Flows by number. The hash is seeded by the process: whoever sends packets chooses the keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Flows {
    list: Vec<LogFlow>,
    runs: Vec<Runs>,
    numbers: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
}

/// A flow, in 48 bytes.
#[derive(Clone, Debug)]
struct LogFlow {
    key: FlowKey,
    /// What is kept of it, counted as in its bound.
    bytes: u32,
    /// Index of its runs; few flows have any.
    runs: u32,
}

/// The TFTP runs of a flow.
#[derive(Clone, Debug)]
pub(super) struct Runs {
    /// By side and kind, the run that the next block may continue.
    pub(super) open: [[Open; 2]; 2],
    /// Whether runs may go on from one piece to the next.
    pub(super) join: bool,
}

/// The run that the next DATA or ACK of a side may continue: none yet, none any more, or where it
/// stands. In four bytes, as flows with runs may be many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Open(u32);

impl Open {
    pub(super) const NONE: Self = Self(u32::MAX);
    pub(super) const CLOSED: Self = Self(u32::MAX - 1);
    const MAX_CHUNKS: usize = (1 << (32 - chunk::OFFSET_BITS)) - 1;

    pub(super) fn at(chunk: usize, offset: usize) -> Self {
        if chunk < Self::MAX_CHUNKS {
            Self((chunk << chunk::OFFSET_BITS | offset) as u32)
        } else {
            Self::CLOSED
        }
    }

    /// Chunk and offset.
    pub(super) fn place(self) -> Option<(usize, usize)> {
        let place = self.0 as usize;
        let offset = place & ((1 << chunk::OFFSET_BITS) - 1);
        (self != Self::NONE && self != Self::CLOSED)
            .then_some((place >> chunk::OFFSET_BITS, offset))
    }
}

impl Flows {
    /// What a flow takes: itself, its runs, its place in the table, and room for growth.
    pub(super) const BYTES: usize = 160;

    pub(super) fn find(&self, key: &FlowKey) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        let is_it = |number: &u32| self.list[*number as usize].key == *key;
        self.numbers.find(hash, is_it).copied()
    }

    /// The flow's number, and whether it is new.
    #[inline]
    pub(super) fn find_or_add(&mut self, key: &FlowKey) -> (u32, bool) {
        let Self {
            list,
            numbers,
            hasher,
            ..
        } = self;
        let hash = hasher.hash_one(key);
        if let Some(number) = numbers.find(hash, |number| list[*number as usize].key == *key) {
            return (*number, false);
        }
        let number = list.len() as u32;
        list.push(LogFlow {
            key: *key,
            bytes: 0,
            runs: NO_RUNS,
        });
        let rehash = |number: &u32| hasher.hash_one(list[*number as usize].key);
        numbers.insert_unique(hash, number, rehash);
        (number, true)
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn key(&self, flow: u32) -> &FlowKey {
        &self.list[flow as usize].key
    }

    pub(super) fn into_keys(self) -> Vec<FlowKey> {
        self.list.into_iter().map(|flow| flow.key).collect()
    }

    /// The runs of a flow, if it has any.
    pub(super) fn runs(&self, flow: u32) -> Option<&Runs> {
        self.runs.get(self.list[flow as usize].runs as usize)
    }

    pub(super) fn runs_mut(&mut self, flow: u32) -> &mut Runs {
        let flow = &mut self.list[flow as usize];
        if flow.runs == NO_RUNS {
            flow.runs = self.runs.len() as u32;
            self.runs.push(Runs {
                open: [[Open::NONE; 2]; 2],
                join: false,
            });
        }
        &mut self.runs[flow.runs as usize]
    }

    /// The run that a block of this side may continue.
    pub(super) fn open(&self, flow: u32, side: Side, kind: TftpRunKind) -> Open {
        self.runs(flow)
            .map_or(Open::NONE, |runs| runs.open[side.index()][kind as usize])
    }

    /// Whether an entry that continues no run is kept, and counts it. What the bound of the whole
    /// flow keeps is always among it: the bound is counted without the first run of each kind,
    /// which an earlier piece may have begun, and what first goes past it is kept too. That shows
    /// where the bound is, and which runs ended there.
    #[inline]
    pub(super) fn takes(&mut self, flow: u32, side: Side, kind: &LogKind<'_>) -> bool {
        let LogFlow { key, bytes, .. } = &self.list[flow as usize];
        let sum = bytes.saturating_add(size(kind));
        let takes = sum <= most_of_flow(key) || self.takes_at_bound(flow, side, kind);
        if takes {
            self.list[flow as usize].bytes = sum;
        }
        takes
    }

    #[cold]
    fn takes_at_bound(&mut self, flow: u32, side: Side, kind: &LogKind<'_>) -> bool {
        let LogFlow { key, bytes, .. } = self.list[flow as usize];
        let firsts = self.runs(flow).map_or(0, |runs| {
            let open = runs.open.iter().flatten();
            open.filter(|open| **open != Open::NONE).count() as u32
        });
        let was_reached = bytes > most_of_flow(&key) + firsts * ENTRY_BYTES;
        let LogKind::TftpRun(run) = kind else {
            return !was_reached;
        };
        match self.open(flow, side, run.kind) {
            Open::NONE => true,
            Open::CLOSED => !was_reached,
            _ => {
                let reaches = bytes + size(kind) > most_of_flow(&key) + firsts * ENTRY_BYTES;
                if reaches {
                    self.runs_mut(flow).open[side.index()][run.kind as usize] = Open::CLOSED;
                }
                true
            }
        }
    }

    /// Counts an entry that was taken before.
    pub(super) fn restore(&mut self, flow: u32, side: Side, kind: &LogKind<'_>) {
        let bytes = &mut self.list[flow as usize].bytes;
        *bytes = bytes.saturating_add(size(kind));
        if let LogKind::TftpRun(run) = kind {
            let is_first = self.open(flow, side, run.kind) == Open::NONE;
            self.runs_mut(flow).join |= !is_first;
        }
    }

    /// Adds what `other` says of its flow `theirs` to a flow.
    pub(super) fn merge(&mut self, flow: u32, other: &Self, theirs: u32) {
        let bytes = &mut self.list[flow as usize].bytes;
        *bytes = bytes.saturating_add(other.list[theirs as usize].bytes);
        if let Some(theirs) = other.runs(theirs) {
            let had_runs = self.runs(flow).is_some();
            let mine = self.runs_mut(flow);
            mine.join |= had_runs || theirs.join;
            if !had_runs {
                // They stand in chunks of the other log.
                mine.open = [[Open::CLOSED; 2]; 2];
            }
        }
    }

    /// Runs that begin from now on continue none from before.
    pub(super) fn close(&mut self) {
        for runs in &mut self.runs {
            runs.open = [[Open::CLOSED; 2]; 2];
        }
    }

    /// Whether runs of a flow may go on in others.
    pub(super) fn joins(&self, flow: u32) -> bool {
        self.runs(flow).is_some_and(|runs| runs.join)
    }

    /// Whether entries of a flow are more than its bound.
    pub(super) fn is_beyond(&self, flow: u32) -> bool {
        let LogFlow { key, bytes, .. } = &self.list[flow as usize];
        *bytes > most_of_flow(key)
    }
}

const NO_RUNS: u32 = u32::MAX;

// Every flow counts its bytes, so that a chunk can name all of a log.
const _: () = assert!(MAX_BYTES / Flows::BYTES < chunk::MAX_FLOWS);

/// What an entry counts in the bound of its flow.
#[inline]
pub(super) fn size(kind: &LogKind<'_>) -> u32 {
    ENTRY_BYTES + kind.payload().len() as u32
}

/// Most of a flow, counted so.
#[inline]
pub(super) fn most_of_flow(key: &FlowKey) -> u32 {
    let is_dhcp = |side| matches!(key.endpoint(side).port, 67 | 68 | 4011);
    let is_shared = key.protocol() == Protocol::Udp && (is_dhcp(Side::Low) || is_dhcp(Side::High));
    if is_shared {
        MAX_BYTES_PER_DHCP_FLOW
    } else {
        MAX_BYTES_PER_FLOW
    }
}
