//! The finished log in time order. Chunks are merged as they are read: a capture's own come one
//! after the other, and nothing is sorted but a chunk in which time goes back.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::chunk::{Chunk, Stored};
use super::{Log, LogEntry, Table, translate};
use crate::flow::FlowKey;
use crate::net::Position;

/// A log that can be read in time order.
#[derive(Clone, Debug)]
pub(in crate::observation) struct Ordered {
    /// By their first entries.
    chunks: Vec<OrderedChunk>,
    tables: Vec<Vec<u32>>,
    keys: Vec<FlowKey>,
}

#[derive(Clone, Debug)]
struct OrderedChunk {
    chunk: Chunk,
    table: Table,
    /// Nothing in it stands before.
    first: Position,
    /// Where its entries begin, in time order; `None` where they come so.
    order: Option<Box<[u32]>>,
}

impl OrderedChunk {
    fn new((chunk, table): (Chunk, Table)) -> Option<Self> {
        let (mut first, mut order) = (chunk.read(0)?.at, None);
        if !chunk.is_sorted() {
            let entries = chunk.iter();
            let mut all: Vec<_> = entries
                .map(|(offset, entry)| (entry.at, offset as u32))
                .collect();
            all.sort_unstable();
            first = all[0].0;
            order = Some(all.into_iter().map(|(_, offset)| offset).collect());
        }
        Some(Self {
            chunk,
            table,
            first,
            order,
        })
    }
}

impl Log {
    /// The log to be read, once it is settled.
    pub(in crate::observation) fn ordered(self) -> Ordered {
        let chunks = self.chunks.into_iter();
        let mut chunks: Vec<_> = chunks.filter_map(OrderedChunk::new).collect();
        chunks.sort_by_key(|chunk| chunk.first);
        Ordered {
            chunks,
            tables: self.tables,
            keys: self.flows.into_keys(),
        }
    }
}

impl Ordered {
    pub(in crate::observation) fn iter(&self) -> LogEntries<'_> {
        LogEntries {
            log: self,
            current: None,
            until: Position::MAX,
            waiting: BinaryHeap::new(),
            opened: 0,
        }
    }
}

/// What was kept for the trackers, in time order.
#[derive(Clone, Debug)]
pub struct LogEntries<'a> {
    log: &'a Ordered,
    /// The chunk that is being read, up to where another one's next entry stands.
    current: Option<Cursor<'a>>,
    until: Position,
    waiting: BinaryHeap<Cursor<'a>>,
    /// Chunks before this one are being read, or have been.
    opened: usize,
}

/// An entry, and how to go on in its chunk.
#[derive(Clone, Debug)]
struct Cursor<'a> {
    chunk: &'a OrderedChunk,
    /// Index into the chunk's order, or where the next entry begins.
    next: usize,
    head: Stored<'a>,
    /// As the log numbers flows.
    flow: u32,
}

impl<'a> Iterator for LogEntries<'a> {
    type Item = LogEntry<'a>;

    #[inline]
    fn next(&mut self) -> Option<LogEntry<'a>> {
        loop {
            if let Some(cursor) = &mut self.current
                && cursor.head.at <= self.until
            {
                let (flow, entry) = (cursor.flow, cursor.head);
                if !cursor.advance(self.log) {
                    self.current = None;
                }
                return Some(LogEntry {
                    at: entry.at,
                    five_tuple: self.log.keys[flow as usize].five_tuple(entry.side),
                    flow,
                    side: entry.side,
                    kind: entry.kind,
                });
            }
            self.turn()?;
        }
    }
}

impl LogEntries<'_> {
    /// Turns to the chunk with the earliest entry.
    fn turn(&mut self) -> Option<()> {
        self.waiting.extend(self.current.take());
        while let Some(chunk) = self.log.chunks.get(self.opened)
            && let next = self.waiting.peek().map(|cursor| cursor.head.at)
            && next.is_none_or(|next| chunk.first <= next)
        {
            self.opened += 1;
            self.waiting.extend(Cursor::open(chunk, self.log));
        }
        self.current = Some(self.waiting.pop()?);
        let waiting = self.waiting.peek().map(|cursor| cursor.head.at);
        let unopened = self.log.chunks.get(self.opened).map(|chunk| chunk.first);
        let until = waiting.into_iter().chain(unopened).min();
        self.until = until.unwrap_or(Position::MAX);
        Some(())
    }
}

impl<'a> Cursor<'a> {
    fn open(chunk: &'a OrderedChunk, log: &Ordered) -> Option<Self> {
        let mut cursor = Self {
            chunk,
            next: 0,
            head: chunk.chunk.read(0)?,
            flow: 0,
        };
        cursor.advance(log).then_some(cursor)
    }

    /// Goes to the next entry that is read; `false` where there is none.
    #[inline]
    fn advance(&mut self, log: &Ordered) -> bool {
        loop {
            let offset = match &self.chunk.order {
                None => self.next,
                Some(order) => match order.get(self.next) {
                    Some(offset) => *offset as usize,
                    None => return false,
                },
            };
            let Some(entry) = self.chunk.chunk.read(offset) else {
                return false;
            };
            self.next = match self.chunk.order {
                None => entry.end,
                Some(_) => self.next + 1,
            };
            if !entry.is_dead
                && let Some(flow) = translate(&log.tables, self.chunk.table, entry.flow)
            {
                (self.head, self.flow) = (entry, flow);
                return true;
            }
        }
    }
}

impl Ord for Cursor<'_> {
    /// The earliest is the greatest, which a heap gives first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.head.at.cmp(&self.head.at)
    }
}

impl PartialOrd for Cursor<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Cursor<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.head.at == other.head.at
    }
}

impl Eq for Cursor<'_> {}
