//! The bytes of one direction of a TCP connection in order (RFC 9293 section 3.10.7.4), as far as
//! they were captured: late, repeated and overlapping segments are set right, missing ones leave
//! a gap. Copies nothing; knows nothing of what the bytes mean.

use std::collections::VecDeque;

use crate::net::Position;

/// Segments that wait for a missing one. More than this are in flight only on links far faster
/// than these conversations; the missing one is then taken as lost.
const MAX_HELD: usize = 64;
/// A segment further than this from the expected one belongs to another connection of the same
/// ports: windows are smaller.
const MAX_DISTANCE: u64 = 1 << 24;

/// One direction of a connection.
#[derive(Default)]
pub(super) struct Stream<'a> {
    /// Offset of the next byte; 32-bit sequence numbers are unwrapped around it.
    next: Option<u64>,
    /// By offset. Nearly always a segment is the last.
    held: VecDeque<(u64, Segment<'a>)>,
}

/// A segment's payload.
#[derive(Clone, Copy)]
pub(super) struct Segment<'a> {
    /// Its packet.
    pub(super) at: Position,
    /// What was captured.
    pub(super) payload: &'a [u8],
}

/// Bytes in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    /// The packet that brought them.
    pub(super) at: Position,
    /// The bytes.
    pub(super) bytes: &'a [u8],
    /// Whether bytes before them are missing.
    pub(super) after_gap: bool,
}

impl<'a> Stream<'a> {
    /// Says where the stream begins, as the SYN does.
    pub(super) fn begin(&mut self, sequence: u32) {
        self.next = Some(unwrapped(sequence));
    }

    /// Whether its beginning, or anything of it, was seen.
    pub(super) fn has_begun(&self) -> bool {
        self.next.is_some()
    }

    /// Segments that wait for a missing one.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Takes up a segment, and passes on what is in order now.
    pub(super) fn push(
        &mut self,
        sequence: u32,
        segment: Segment<'a>,
        out: &mut impl FnMut(Piece<'a>),
    ) {
        let next = *self.next.get_or_insert(unwrapped(sequence));
        let ahead = sequence.wrapping_sub(next as u32) as i32;
        let start = next.saturating_add_signed(i64::from(ahead));
        if start.abs_diff(next) > MAX_DISTANCE {
            // What goes before, if anything, was not captured.
            self.finish(out);
            let start = unwrapped(sequence);
            self.next = Some(start);
            return self.pass(start, segment, true, out);
        }
        if self.held.is_empty() && start <= next {
            return self.pass(start, segment, false, out);
        }
        self.hold(start, segment);
        self.deliver(out);
        while self.held.len() > MAX_HELD {
            self.skip(out);
        }
    }

    fn hold(&mut self, start: u64, segment: Segment<'a>) {
        if self.held.back().is_none_or(|(last, _)| *last < start) {
            return self.held.push_back((start, segment));
        }
        match self.held.binary_search_by_key(&start, |(start, _)| *start) {
            Err(index) => self.held.insert(index, (start, segment)),
            Ok(index) => {
                let held = &mut self.held[index].1;
                if segment.payload.len() > held.payload.len() {
                    *held = segment;
                }
            }
        }
    }

    /// Passes on what still waits.
    pub(super) fn finish(&mut self, out: &mut impl FnMut(Piece<'a>)) {
        while !self.held.is_empty() {
            self.skip(out);
        }
    }

    /// Gives up the missing bytes.
    fn skip(&mut self, out: &mut impl FnMut(Piece<'a>)) {
        if let Some((start, segment)) = self.held.pop_front() {
            self.pass(start, segment, true, out);
            self.deliver(out);
        }
    }

    fn deliver(&mut self, out: &mut impl FnMut(Piece<'a>)) {
        while let Some(&(start, segment)) = self.held.front() {
            if self.next.is_some_and(|next| start > next) {
                return;
            }
            self.held.pop_front();
            self.pass(start, segment, false, out);
        }
    }

    /// Passes on what of a segment is new.
    fn pass(
        &mut self,
        start: u64,
        segment: Segment<'a>,
        after_gap: bool,
        out: &mut impl FnMut(Piece<'a>),
    ) {
        let next = self.next.unwrap_or(start);
        let known = usize::try_from(next.saturating_sub(start)).unwrap_or(usize::MAX);
        let captured = segment.payload.get(known..).unwrap_or_default();
        if !captured.is_empty() {
            out(Piece {
                at: segment.at,
                bytes: captured,
                after_gap,
            });
        }
        // Bytes cut by the snaplen stay missing: the next segment does not fit to these.
        self.next = Some(next.max(start + segment.payload.len() as u64));
    }
}

/// Far from both ends of the range, so that a late segment is not negative.
fn unwrapped(sequence: u32) -> u64 {
    (1 << 32) | u64::from(sequence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Timestamp;

    /// Passes segments through, and shows the bytes with `|` where some are missing.
    fn read(segments: &[(u32, &str)]) -> String {
        let mut stream = Stream::default();
        let mut text = String::new();
        let mut out = |piece: Piece<'_>| {
            if piece.after_gap {
                text.push('|');
            }
            text.push_str(std::str::from_utf8(piece.bytes).expect("ASCII"));
        };
        for (index, &(sequence, payload)) in segments.iter().enumerate() {
            let segment = Segment {
                at: Position::new(Timestamp(index as i64), 0, 1),
                payload: payload.as_bytes(),
            };
            stream.push(sequence, segment, &mut out);
        }
        stream.finish(&mut out);
        text
    }

    #[test]
    fn puts_late_and_repeated_segments_right() {
        assert_eq!(read(&[(10, ""), (13, "def"), (10, "abc")]), "abcdef");
        assert_eq!(read(&[(10, "abc"), (10, "abc"), (11, "bcd")]), "abcd");
        assert_eq!(read(&[(10, "abcdef"), (12, "cd"), (16, "g")]), "abcdefg");
    }

    #[test]
    fn sequence_numbers_wrap() {
        assert_eq!(read(&[(u32::MAX - 1, "ab"), (1, "d"), (0, "c")]), "abcd");
    }

    #[test]
    fn lost_segments_leave_a_gap() {
        assert_eq!(read(&[(10, "abc"), (20, "x"), (21, "y")]), "abc|xy");
        let many: Vec<_> = (0..200).map(|index| (100 + 2 * index, "x")).collect();
        let text = read(&many);
        assert_eq!(text.matches('x').count(), 200);
        assert_eq!(text.matches('|').count(), 199);
    }

    #[test]
    fn another_connection_begins_anew() {
        assert_eq!(read(&[(10, "abc"), (0x8000_0000, "new")]), "abc|new");
    }

    #[test]
    fn of_overlapping_bytes_that_differ_the_first_in_order_hold() {
        assert_eq!(read(&[(10, "abc"), (11, "XYZ"), (14, "!")]), "abcZ!");
        // The same where they had to wait.
        assert_eq!(
            read(&[(9, ""), (13, "def"), (11, "bcX"), (14, "YZg"), (9, "_a")]),
            "_abcXefg"
        );
    }

    #[test]
    fn bytes_cut_off_are_a_gap_until_they_are_sent_again() {
        // Six bytes of which three were captured, then what follows them.
        assert_eq!(read(&[(10, "abc"), (16, "ghi")]), "abc|ghi");
        assert_eq!(
            read(&[(10, "abc"), (16, "ghi"), (10, "abcdef")]),
            "abcdefghi"
        );
    }
}
