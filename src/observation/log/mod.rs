//! The log: payload of the packets that trackers read. Whether a packet enters it is decided by
//! that packet alone, never by what another one said; TFTP blocks are run-length coded.
//!
//! Entries of all flows stand in chunks, as they came. Merging moves the chunks, and keeps a table
//! that translates the flow numbers in them.
//!
//! Of a flow at its bound the first entries by capture and frame are read, wherever the input was
//! cut. At the bound of all flows that depends on the cut, as the bound is one of memory.

mod chunk;
mod entry;
mod finish;
mod flows;
mod read;
#[cfg(test)]
mod tests;

use self::chunk::{Chunk, Stored};
pub use self::entry::{LogEntry, LogKind, TftpRun, TftpRunKind};
pub use self::flows::MAX_RUNS_PER_FLOW;
use self::flows::{Flows, Open};
pub use self::read::LogEntries;
pub(super) use self::read::Ordered;
use crate::flow::{FlowKey, Side};
use crate::net::{FiveTuple, Position};

/// Bytes of the chunks and the flows.
const MAX_BYTES: usize = 512 << 20;

/// The log of a part of the input.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    chunks: Vec<(Chunk, Table)>,
    /// From the flow numbers of other logs to those of this one; `NO_FLOW` past the bound.
    tables: Vec<Vec<u32>>,
    flows: Flows,
    /// What chunks and flows take.
    bytes: usize,
    /// Packets beyond the bound of all flows.
    pub(super) dropped: u64,
    /// Packets beyond the bound of their flow.
    pub(super) dropped_of_flow: u64,
}

/// How the flow numbers in a chunk are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    /// As they are.
    Own,
    /// By one of the tables.
    Other(usize),
}

const NO_FLOW: u32 = u32::MAX;

impl Log {
    pub(super) const LIMIT: u64 = MAX_BYTES as u64;
    pub(super) const LIMIT_PER_FLOW: u64 = flows::MAX_BYTES_PER_FLOW as u64;

    /// Keeps a packet's fact. Packets of a piece come in frame order.
    #[inline(never)]
    pub(super) fn add(&mut self, at: Position, five_tuple: &FiveTuple, kind: LogKind<'_>) {
        let (key, side) = FlowKey::new(five_tuple);
        self.add_sided(at, &key, side, kind);
    }

    fn add_sided(&mut self, at: Position, key: &FlowKey, side: Side, kind: LogKind<'_>) {
        let is_full = self.is_full();
        let flow = if is_full {
            // Past the bound the table of flows does not grow either.
            self.flows.find(key)
        } else {
            Some(self.flow(key))
        };
        if let LogKind::TftpRun(run) = &kind
            && flow.is_some_and(|flow| self.continues(flow, side, at, run))
        {
            return;
        }
        match flow {
            Some(flow) if !is_full => {
                if self.flows.takes(flow, side, &kind) {
                    self.push(flow, side, at, &kind);
                } else {
                    self.dropped_of_flow += kind.packets();
                }
            }
            _ => self.dropped += kind.packets(),
        }
    }

    /// Adds the log of what follows in the same capture, as if its packets came one by one: of it
    /// nothing stays but the entries.
    pub(super) fn append(&mut self, next: &Self) {
        self.dropped += next.dropped;
        self.dropped_of_flow += next.dropped_of_flow;
        for (at, key, side, kind) in next.entries() {
            self.add_sided(at, key, side, kind);
        }
    }

    /// Puts back an entry of a part, in the order of [`Log::entries`].
    pub(super) fn restore(&mut self, at: Position, key: &FlowKey, side: Side, kind: LogKind<'_>) {
        if self.is_full() {
            self.dropped += kind.packets();
            return;
        }
        let flow = self.flow(key);
        self.flows.restore(flow, side, &kind);
        self.push(flow, side, at, &kind);
    }

    /// All entries in the order of capture and frame.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Position, &FlowKey, Side, LogKind<'_>)> {
        let order = self.chunks_in_order().into_iter();
        order
            .flat_map(|chunk| self.stored_in(&self.chunks[chunk]))
            .map(|(flow, entry)| (entry.at, self.flows.key(flow), entry.side, entry.kind))
    }

    /// Drops what is not needed any more, and leaves room for other entries and flows.
    pub(super) fn retire(&mut self, is_needed: impl Fn(&LogEntry<'_>) -> bool) {
        let mut left = Self {
            dropped: self.dropped,
            dropped_of_flow: self.dropped_of_flow,
            ..Self::default()
        };
        for chunk in self.chunks_in_order() {
            for (flow, Stored { at, side, kind, .. }) in self.stored_in(&self.chunks[chunk]) {
                let key = self.flows.key(flow);
                let entry = LogEntry {
                    at,
                    five_tuple: key.five_tuple(side),
                    flow,
                    side,
                    kind,
                };
                if is_needed(&entry) {
                    left.add_sided(at, key, side, kind);
                }
            }
            // Both logs together take little more than one.
            self.chunks[chunk].0.clear();
        }
        *self = left;
    }

    /// All entries with their flows, as this log numbers them.
    fn stored(&self) -> impl Iterator<Item = (u32, Stored<'_>)> {
        self.chunks.iter().flat_map(|chunk| self.stored_in(chunk))
    }

    fn stored_in<'a>(
        &'a self,
        (chunk, table): &'a (Chunk, Table),
    ) -> impl Iterator<Item = (u32, Stored<'a>)> {
        chunk.iter().filter_map(|(_, entry)| {
            let flow = translate(&self.tables, *table, entry.flow)?;
            (!entry.is_dead).then_some((flow, entry))
        })
    }

    /// The chunks by capture and frame, and so all their entries: frames of a piece ascend, and the
    /// pieces of a capture do not overlap.
    fn chunks_in_order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.chunks.len()).collect();
        order.sort_by_key(|chunk| self.chunks[*chunk].0.place());
        order
    }

    /// Whether another chunk and another flow would go past the bound.
    fn is_full(&self) -> bool {
        self.bytes + Chunk::MAX + Flows::BYTES > MAX_BYTES
    }

    #[inline]
    fn flow(&mut self, key: &FlowKey) -> u32 {
        let (flow, is_new) = self.flows.find_or_add(key);
        self.bytes += usize::from(is_new) * Flows::BYTES;
        flow
    }

    /// Whether a block went into the open run of its kind.
    fn continues(&mut self, flow: u32, side: Side, at: Position, run: &TftpRun) -> bool {
        let open = self.flows.open(flow, side, run.kind);
        open.place().is_some_and(|(chunk, offset)| {
            let (chunk, _) = &mut self.chunks[chunk];
            chunk.capture() == at.capture() && chunk.join(offset, run, at.time)
        })
    }

    #[inline]
    fn push(&mut self, flow: u32, side: Side, at: Position, kind: &LogKind<'_>) {
        let (offset, bytes) = append(&mut self.chunks, Table::Own, flow, side, at, kind);
        self.bytes += bytes;
        if let LogKind::TftpRun(run) = kind {
            let runs = self.flows.runs_mut(flow);
            let open = &mut runs.open[side.index()][run.kind as usize];
            if *open == Open::CLOSED {
                runs.join = true;
            } else {
                *open = Open::at(self.chunks.len() - 1, offset);
            }
        }
    }

    pub(super) fn merge(&mut self, mut other: Self) {
        // Merging commutes, so the smaller log moves.
        if self.flows.len() < other.flows.len() {
            std::mem::swap(self, &mut other);
        }
        self.dropped += other.dropped;
        self.dropped_of_flow += other.dropped_of_flow;
        let theirs = 0..other.flows.len() as u32;
        let numbers: Vec<u32> = theirs.map(|flow| self.take(&other.flows, flow)).collect();
        if numbers.contains(&NO_FLOW) {
            let dropped = other
                .stored()
                .filter(|(flow, _)| numbers[*flow as usize] == NO_FLOW);
            self.dropped += dropped.map(|(_, entry)| entry.kind.packets()).sum::<u64>();
        }
        let base = self.tables.len();
        for mut table in other.tables {
            for flow in table.iter_mut().filter(|flow| **flow != NO_FLOW) {
                *flow = numbers[*flow as usize];
            }
            self.tables.push(table);
        }
        let own = self.tables.len();
        self.tables.push(numbers);
        for (chunk, table) in other.chunks {
            self.bytes += chunk.memory();
            let table = match table {
                Table::Own => own,
                Table::Other(index) => base + index,
            };
            self.chunks.push((chunk, Table::Other(table)));
        }
        self.shed();
    }

    /// The number of another log's flow in this one.
    fn take(&mut self, others: &Flows, theirs: u32) -> u32 {
        let key = others.key(theirs);
        if self.bytes + Flows::BYTES > MAX_BYTES && self.flows.find(key).is_none() {
            return NO_FLOW;
        }
        let flow = self.flow(key);
        self.flows.merge(flow, others, theirs);
        flow
    }

    /// Goes back to the bound of all flows: the last chunks by capture and frame are given up.
    fn shed(&mut self) {
        if self.bytes <= MAX_BYTES {
            return;
        }
        let mut order = self.chunks_in_order();
        while self.bytes > MAX_BYTES
            && let Some(index) = order.pop()
        {
            let (chunk, table) = &mut self.chunks[index];
            let known = |entry: &Stored<'_>| translate(&self.tables, *table, entry.flow).is_some();
            let entries = chunk.iter().map(|(_, entry)| entry).filter(known);
            self.dropped += entries.map(|entry| entry.kind.packets()).sum::<u64>();
            self.bytes -= chunk.clear();
        }
    }

    /// Puts every entry where `new` says: in another capture, or further on in it. The order of
    /// frames within a capture stays.
    pub(super) fn renumber(&mut self, new: impl Fn(Position) -> Position) {
        let mut chunks = Vec::with_capacity(self.chunks.len());
        let mut is_rewritten = false;
        for (mut chunk, table) in std::mem::take(&mut self.chunks) {
            if chunk.shift(&new) {
                chunks.push((chunk, table));
                continue;
            }
            // It holds a border between two pieces, which move apart.
            is_rewritten = true;
            self.bytes -= chunk.memory();
            for (_, entry) in chunk.iter().filter(|(_, entry)| !entry.is_dead) {
                let (flow, side, at) = (entry.flow, entry.side, new(entry.at));
                self.bytes += append(&mut chunks, table, flow, side, at, &entry.kind).1;
            }
        }
        self.chunks = chunks;
        if is_rewritten {
            self.flows.close();
        }
    }
}

/// Appends an entry to the last chunk, or to a new one; returns where in it, and what a new one
/// takes.
#[inline]
fn append(
    chunks: &mut Vec<(Chunk, Table)>,
    table: Table,
    flow: u32,
    side: Side,
    at: Position,
    kind: &LogKind<'_>,
) -> (usize, usize) {
    let size = Chunk::most(kind);
    let last = chunks.last();
    // Entries of a chunk are of one piece, in frame order.
    let same = last.filter(|(chunk, of)| *of == table && chunk.comes_before(at));
    let mut added = 0;
    if !same.is_some_and(|(chunk, _)| chunk.has_room(size)) {
        let before = same.map_or(0, |(chunk, _)| chunk.capacity());
        let chunk = Chunk::new(before, at, size);
        added = chunk.memory();
        chunks.push((chunk, table));
    }
    let (chunk, _) = chunks.last_mut().expect("one was added above");
    (chunk.push(flow, side, at, kind), added)
}

/// The number of a chunk's flow in the log; `None` where it was not taken.
#[inline]
fn translate(tables: &[Vec<u32>], table: Table, flow: u32) -> Option<u32> {
    match table {
        Table::Own => Some(flow),
        Table::Other(index) => {
            let flow = tables[index].get(flow as usize).copied();
            flow.filter(|flow| *flow != NO_FLOW)
        }
    }
}
