//! Entries as bytes. Chunks are filled from front to back, never moved, and each can be read by
//! itself; only the end of a run is written again, in its place.
//!
//! An entry is one little-endian word of 16 bytes, then what the word has no room for (20 bytes,
//! rarely), then what its kind has besides: a segment's sequence number and flags, a run's end.
//! The payload comes last. From the word's lowest bit on:
//!
//! ```text
//! wide 1 | dead 1 | side 1 | kind 2 | flow 24 | time 43 | frame 24 | captured 16 | length 16
//! ```
//!
//! Time and frame count from the chunk's first entry. Of a run, `captured` is the first block and
//! `length` the block length.

use super::entry::{LogKind, TftpRun, TftpRunKind};
use crate::decode::TcpFlags;
use crate::flow::Side;
use crate::net::{Position, Timestamp};

/// Bits of an offset in a chunk.
pub(super) const OFFSET_BITS: u32 = 18;
/// Bytes of a chunk: the first of a log is small, as most logs are.
const CHUNK: std::ops::RangeInclusive<usize> = 1 << 10..=1 << OFFSET_BITS;
/// Flows that the entries of one chunk can name.
pub(super) const MAX_FLOWS: usize = 1 << 24;

const WORD: usize = 16;
/// Time, frame and length where the word has no room for one of them.
const WIDE: usize = 20;
const SEGMENT: usize = 5;
const RUN: usize = 16;

const IS_WIDE: u8 = 1;
const IS_DEAD: u8 = 2;
const IS_HIGH: u8 = 4;
const TIME_BITS: u32 = 43;
const FRAME_BITS: u32 = 24;

/// Entries of one capture, or of a piece of one.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    bytes: Vec<u8>,
    /// The first entry, from which the others count.
    base: Position,
    /// The last entry.
    last: Position,
    is_sorted: bool,
}

/// An entry as it stands in a chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored<'a> {
    /// As the log that wrote it numbers them.
    pub(super) flow: u32,
    pub(super) side: Side,
    pub(super) at: Position,
    pub(super) kind: LogKind<'a>,
    /// Joined to another one, or beyond a bound.
    pub(super) is_dead: bool,
    /// Where the next one begins.
    pub(super) end: usize,
}

impl Chunk {
    /// A chunk that follows one of `before` bytes, and begins with an entry of `at`.
    pub(super) fn new(before: usize, at: Position, size: usize) -> Self {
        let capacity = (before * 2).clamp(*CHUNK.start(), *CHUNK.end()).max(size);
        Self {
            bytes: Vec::with_capacity(capacity),
            base: at,
            last: at,
            is_sorted: true,
        }
    }

    /// What the largest takes.
    pub(super) const MAX: usize = size_of::<Self>() + *CHUNK.end();

    /// Most bytes that an entry takes.
    pub(super) fn most(kind: &LogKind<'_>) -> usize {
        WORD + WIDE + RUN.max(SEGMENT) + kind.payload().len()
    }

    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Bytes that it takes, used or not.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.bytes.capacity()
    }

    #[inline]
    pub(super) fn has_room(&self, size: usize) -> bool {
        self.bytes.capacity() - self.bytes.len() >= size
    }

    pub(super) fn capture(&self) -> usize {
        self.base.capture()
    }

    /// Whether an entry of `at` may follow: the same capture, further on.
    #[inline]
    pub(super) fn comes_before(&self, at: Position) -> bool {
        at.capture() == self.base.capture() && at.frame() >= self.last.frame()
    }

    /// Capture and frame of the first entry.
    pub(super) fn place(&self) -> (usize, u64) {
        (self.base.capture(), self.base.frame())
    }

    /// Frees the bytes; returns how many there were.
    pub(super) fn clear(&mut self) -> usize {
        std::mem::take(&mut self.bytes).capacity()
    }

    /// Whether its entries come in time order.
    pub(super) fn is_sorted(&self) -> bool {
        self.is_sorted
    }

    /// Appends an entry, for which there is room; tells where it begins.
    #[inline]
    pub(super) fn push(
        &mut self,
        flow: u32,
        side: Side,
        at: Position,
        kind: &LogKind<'_>,
    ) -> usize {
        debug_assert!(self.has_room(Self::most(kind)) && self.comes_before(at));
        let begin = self.bytes.len();
        self.is_sorted &= at >= self.last;
        self.last = at;
        let payload = kind.payload();
        let (code, low, length) = match kind {
            LogKind::Datagram { length, .. } => (0, payload.len() as u16, *length),
            LogKind::Segment { length, .. } => (1, payload.len() as u16, *length),
            LogKind::TftpRun(run) => (
                2 + run.kind as u8,
                run.first_block,
                u32::from(run.block_length),
            ),
        };
        let time = (at.time.0 as u64).wrapping_sub(self.base.time.0 as u64);
        let frame = at.frame().wrapping_sub(self.base.frame());
        let fits = time >> TIME_BITS == 0 && frame >> FRAME_BITS == 0 && length >> 16 == 0;
        let tag = code << 3 | (side.index() as u8 * IS_HIGH) | (u8::from(!fits) * IS_WIDE);
        // Two halves: a shift of 128 bits costs several instructions.
        let near = if fits {
            (time, frame, length)
        } else {
            (0, 0, 0)
        };
        let first = u64::from(tag) | u64::from(flow) << 5 | near.0 << 29;
        let second = near.0 >> 35 | near.1 << 8 | u64::from(low) << 32 | u64::from(near.2) << 48;
        self.bytes.extend_from_slice(&first.to_le_bytes());
        self.bytes.extend_from_slice(&second.to_le_bytes());
        if !fits {
            self.bytes.extend_from_slice(&time.to_le_bytes());
            self.bytes.extend_from_slice(&frame.to_le_bytes());
            self.bytes.extend_from_slice(&length.to_le_bytes());
        }
        match kind {
            LogKind::Datagram { .. } => {}
            LogKind::Segment {
                sequence, flags, ..
            } => {
                let [a, b, c, d] = sequence.to_le_bytes();
                self.bytes.extend_from_slice(&[a, b, c, d, flags.0]);
            }
            LogKind::TftpRun(run) => self.bytes.extend_from_slice(&end_of(run)),
        }
        self.bytes.extend_from_slice(payload);
        begin
    }

    /// The entry that begins at `offset`; `None` behind the last one.
    #[inline]
    pub(super) fn read(&self, offset: usize) -> Option<Stored<'_>> {
        let (word, mut rest) = self.bytes.get(offset..)?.split_first_chunk::<WORD>()?;
        let [first, second] = halves(word);
        let tag = first as u8;
        let mut time = (first >> 29 | second << 35) & ((1 << TIME_BITS) - 1);
        let mut frame = second >> 8 & ((1 << FRAME_BITS) - 1);
        let low = (second >> 32) as u16;
        let mut length = (second >> 48) as u32;
        if tag & IS_WIDE != 0 {
            let (wide, after) = rest.split_first_chunk::<WIDE>()?;
            (rest, length) = (after, u32_at(wide, 16));
            (time, frame) = (u64_at(wide, 0), u64_at(wide, 8));
        }
        let kind = match tag >> 3 & 3 {
            0 => LogKind::Datagram {
                payload: rest.get(..usize::from(low))?,
                length,
            },
            1 => {
                let (fixed, after) = rest.split_first_chunk::<SEGMENT>()?;
                rest = after;
                LogKind::Segment {
                    sequence: u32_at(fixed, 0),
                    flags: TcpFlags(fixed[4]),
                    payload: rest.get(..usize::from(low))?,
                    length,
                }
            }
            code => {
                let (fixed, after) = rest.split_first_chunk::<RUN>()?;
                rest = after;
                LogKind::TftpRun(TftpRun {
                    kind: if code == 2 {
                        TftpRunKind::Data
                    } else {
                        TftpRunKind::Ack
                    },
                    first_block: low,
                    block_length: length as u16,
                    advance: u32_at(fixed, 0),
                    count: u32_at(fixed, 4),
                    last: Timestamp(u64_at(fixed, 8) as i64),
                })
            }
        };
        Some(Stored {
            flow: (first >> 5) as u32 & (MAX_FLOWS as u32 - 1),
            side: if tag & IS_HIGH == 0 {
                Side::Low
            } else {
                Side::High
            },
            at: Position::new(
                Timestamp((self.base.time.0 as u64).wrapping_add(time) as i64),
                self.base.capture(),
                self.base.frame().wrapping_add(frame),
            ),
            kind,
            is_dead: tag & IS_DEAD != 0,
            end: self.bytes.len() - rest.len() + kind.payload().len(),
        })
    }

    /// All entries with where each begins, dead ones too, as they were appended.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, Stored<'_>)> {
        let mut offset = 0;
        std::iter::from_fn(move || {
            let begin = offset;
            let stored = self.read(begin)?;
            offset = stored.end;
            Some((begin, stored))
        })
    }

    /// Adds `next`, which begins at a time, to the run that begins at `offset`, if it goes on there.
    #[inline]
    pub(super) fn join(&mut self, offset: usize, next: &TftpRun, from: Timestamp) -> bool {
        let Some(Stored {
            kind: LogKind::TftpRun(mut run),
            end,
            ..
        }) = self.read(offset)
        else {
            return false;
        };
        let joined = run.join(next, from);
        if joined {
            self.bytes[end - RUN..end].copy_from_slice(&end_of(&run));
        }
        joined
    }

    /// Takes an entry out of what is read.
    pub(super) fn bury(&mut self, offset: usize) {
        self.bytes[offset] |= IS_DEAD;
    }

    /// Moves all entries to where `new` puts them, if it moves them all alike.
    pub(super) fn shift(&mut self, new: impl Fn(Position) -> Position) -> bool {
        let (first, last) = (new(self.base), new(self.last));
        let distance = self.last.frame() - self.base.frame();
        let alike = first.capture() == last.capture()
            && last.frame().checked_sub(first.frame()) == Some(distance);
        if alike {
            (self.base, self.last) = (first, last);
        }
        alike
    }
}

fn end_of(run: &TftpRun) -> [u8; RUN] {
    let mut bytes = [0; RUN];
    bytes[..4].copy_from_slice(&run.advance.to_le_bytes());
    bytes[4..8].copy_from_slice(&run.count.to_le_bytes());
    bytes[8..].copy_from_slice(&run.last.0.to_le_bytes());
    bytes
}

#[inline]
fn halves(word: &[u8; WORD]) -> [u64; 2] {
    [u64_at(word, 0), u64_at(word, 8)]
}

#[inline]
fn u64_at<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}

#[inline]
fn u32_at<const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}
