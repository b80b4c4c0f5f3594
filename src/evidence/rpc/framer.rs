//! One direction of a conversation: segments to units (C706 section 12.6.3).

use std::borrow::Cow;

use super::room::Room;
use crate::evidence::stream::{Piece, Segment, Stream};
use crate::net::Position;
use crate::payload::dce_rpc::{HEADER_LENGTH, Header};

/// A unit, put together from its segments.
#[derive(Debug)]
pub(super) struct Unit<'a> {
    /// The packet that completes it, or the last that was captured of it.
    pub(super) at: Position,
    /// Its bytes, fewer than its header says where the rest is missing. They are copied only
    /// where it came in several segments.
    pub(super) bytes: Cow<'a, [u8]>,
    /// Whether something before it is missing.
    pub(super) after_gap: bool,
}

impl Unit<'_> {
    /// Bytes that it holds besides the log.
    pub(super) fn owned(&self) -> usize {
        match &self.bytes {
            Cow::Borrowed(_) => 0,
            Cow::Owned(bytes) => bytes.len(),
        }
    }
}

/// One direction: segments to units. What a unit owns was taken from the room; who drops it
/// gives it back.
#[derive(Default)]
pub(super) struct Half<'a> {
    /// Number of the first byte, where the SYN was seen.
    opening: Option<u32>,
    stream: Stream<'a>,
    framer: Framer,
}

/// What a segment that waits takes, roughly.
const HELD: usize = 64;

impl<'a> Half<'a> {
    /// Takes note of a SYN, whose first byte has this number.
    pub(super) fn open(&mut self, sequence: u32) {
        if !self.stream.has_begun() {
            self.opening = Some(sequence);
            self.stream.begin(sequence);
        }
    }

    /// Whether a SYN opens another connection than the one that is being read.
    pub(super) fn is_reopened(&self, sequence: u32) -> bool {
        self.stream.has_begun() && self.opening != Some(sequence)
    }

    pub(super) fn push(
        &mut self,
        sequence: u32,
        segment: Segment<'a>,
        room: &mut Room,
        out: &mut impl FnMut(Unit<'a>, &mut Room),
    ) {
        let before = self.stream.held();
        let framer = &mut self.framer;
        let stream = &mut self.stream;
        stream.push(sequence, segment, &mut |piece| {
            framer.push(piece, room, out)
        });
        let after = self.stream.held();
        room.give(before * HELD);
        if after > 0 && !room.take(after * HELD) {
            let framer = &mut self.framer;
            self.stream
                .finish(&mut |piece| framer.push(piece, room, out));
        }
    }

    /// Takes up what still waits for a missing segment, and what there is of the last unit.
    pub(super) fn finish(&mut self, room: &mut Room, out: &mut impl FnMut(Unit<'a>, &mut Room)) {
        room.give(self.stream.held() * HELD);
        let framer = &mut self.framer;
        self.stream
            .finish(&mut |piece| framer.push(piece, room, out));
        self.framer.cut(room, out);
    }
}

/// Cuts a stream into units.
#[derive(Default)]
struct Framer {
    /// The beginning of a unit that goes on in the next segment, and the last packet of it.
    buffer: Vec<u8>,
    last: Option<Position>,
    /// Whether the beginning of the next unit is unknown.
    is_lost: bool,
    /// Whether something is missing since the last unit.
    after_gap: bool,
}

impl Framer {
    fn push<'a>(
        &mut self,
        piece: Piece<'a>,
        room: &mut Room,
        out: &mut impl FnMut(Unit<'a>, &mut Room),
    ) {
        if piece.after_gap {
            self.cut(room, out);
            self.lose();
        }
        let mut rest = piece.bytes;
        if !self.buffer.is_empty() {
            let Some(after) = self.complete(piece, room, out) else {
                return;
            };
            rest = after;
        }
        // Units begin with segments: where the place is lost, it is found again there.
        while rest.len() >= HEADER_LENGTH || self.is_lost {
            let Ok(header) = Header::parse(rest) else {
                return self.lose();
            };
            self.is_lost = false;
            let length = usize::from(header.fragment_length);
            let Some((unit, after)) = rest.split_at_checked(length) else {
                break;
            };
            self.pass(piece.at, unit.into(), room, out);
            rest = after;
        }
        if rest.is_empty() {
            return;
        }
        if room.take(rest.len()) {
            self.buffer.extend_from_slice(rest);
            self.last = Some(piece.at);
        } else {
            self.lose();
        }
    }

    /// Completes the unit in the buffer, and gives what follows it. `None` where the piece does
    /// not suffice.
    fn complete<'a>(
        &mut self,
        piece: Piece<'a>,
        room: &mut Room,
        out: &mut impl FnMut(Unit<'a>, &mut Room),
    ) -> Option<&'a [u8]> {
        let mut rest = piece.bytes;
        loop {
            let wanted = if self.buffer.len() < HEADER_LENGTH {
                HEADER_LENGTH
            } else {
                match Header::parse(&self.buffer) {
                    Ok(header) => usize::from(header.fragment_length),
                    Err(_) => {
                        // No unit began there; one may begin here.
                        room.give(self.buffer.len());
                        self.buffer = Vec::new();
                        self.lose();
                        return Some(piece.bytes);
                    }
                }
            };
            let missing = wanted - self.buffer.len();
            if missing == 0 {
                let bytes = std::mem::take(&mut self.buffer);
                self.pass(piece.at, bytes.into(), room, out);
                return Some(rest);
            }
            let (first, after) = rest.split_at(missing.min(rest.len()));
            if first.is_empty() {
                return None;
            }
            if !room.take(first.len()) {
                room.give(self.buffer.len());
                self.buffer = Vec::new();
                self.lose();
                return None;
            }
            self.buffer.extend_from_slice(first);
            self.last = Some(piece.at);
            rest = after;
        }
    }

    /// Passes on what there is of a unit whose rest is missing.
    fn cut<'a>(&mut self, room: &mut Room, out: &mut impl FnMut(Unit<'a>, &mut Room)) {
        let bytes = std::mem::take(&mut self.buffer);
        match self.last.take() {
            Some(at) if Header::parse(&bytes).is_ok() => self.pass(at, bytes.into(), room, out),
            _ => room.give(bytes.len()),
        }
    }

    fn pass<'a>(
        &mut self,
        at: Position,
        bytes: Cow<'a, [u8]>,
        room: &mut Room,
        out: &mut impl FnMut(Unit<'a>, &mut Room),
    ) {
        let after_gap = std::mem::take(&mut self.after_gap);
        let unit = Unit {
            at,
            bytes,
            after_gap,
        };
        out(unit, room);
    }

    fn lose(&mut self) {
        self.is_lost = true;
        self.after_gap = true;
    }
}
