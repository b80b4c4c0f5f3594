//! One reusable read buffer: records are looked at where they were read to. Only the part of a
//! record that the last read cut off is moved.
//!
//! Plain reads rather than a memory map: a file that shrinks is then a short read, not a signal,
//! and pipes need no second way.

use std::io::{self, ErrorKind, Read};

/// No record or block may be larger. libpcap has the same bound for pcapng blocks; nothing that
/// a capture program writes comes near it.
pub(super) const MAX_RECORD_BYTES: usize = 16 << 20;

/// Bytes read at a time: large enough that system calls don't show, small enough for a
/// second-level cache.
pub(super) const DEFAULT_CAPACITY: usize = 1 << 18;

/// The bytes of an input from [`Self::offset`] on, as far as they were read.
pub(super) struct Buffer<R> {
    input: R,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    offset: u64,
}

impl<R: Read> Buffer<R> {
    /// An empty buffer. `capacity` is what it holds until a larger record needs more.
    pub(super) fn new(input: R, capacity: usize) -> Self {
        Self {
            input,
            bytes: vec![0; capacity.max(1)],
            start: 0,
            end: 0,
            offset: 0,
        }
    }

    /// What was read and not consumed.
    #[inline]
    pub(super) fn window(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Offset in the input of the first byte of the window.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Drops the first `count` bytes of the window.
    pub(super) fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.end - self.start);
        self.start += count;
        self.offset += count as u64;
    }

    /// Reads until the window holds `needed` bytes or more; `false` where the input ends before.
    ///
    /// The buffer grows with what really arrives, at most to twice that, whatever a length
    /// field claims.
    pub(super) fn fill(&mut self, needed: usize) -> io::Result<bool> {
        debug_assert!(needed <= MAX_RECORD_BYTES);
        if self.end - self.start >= needed {
            return Ok(true);
        }
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while self.end < needed {
            if self.end == self.bytes.len() {
                let larger = needed.min(self.bytes.len() * 2);
                self.bytes.resize(larger, 0);
            }
            match self.input.read(&mut self.bytes[self.end..]) {
                Ok(0) => return Ok(false),
                Ok(count) => self.end += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_cut_record_and_grows_for_a_large_one() {
        let input: Vec<u8> = (0..100).collect();
        let mut buffer = Buffer::new(&input[..], 8);
        assert!(buffer.fill(8).unwrap());
        buffer.consume(5);
        assert_eq!((buffer.window(), buffer.offset()), (&input[5..8], 5));
        assert!(buffer.fill(40).unwrap());
        assert_eq!(buffer.window(), &input[5..45]);
        assert!(!buffer.fill(96).unwrap());
        assert_eq!(buffer.window(), &input[5..]);
    }

    #[test]
    fn does_not_allocate_what_is_only_claimed() {
        let mut buffer = Buffer::new(&[1, 2, 3][..], 2);
        assert!(!buffer.fill(MAX_RECORD_BYTES).unwrap());
        assert!(buffer.bytes.len() <= 8);
    }

    #[test]
    fn reads_on_after_an_interruption() {
        struct Interrupted(bool);
        impl Read for Interrupted {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                self.0 = !self.0;
                if self.0 {
                    return Err(ErrorKind::Interrupted.into());
                }
                into[0] = 7;
                Ok(1)
            }
        }
        let mut buffer = Buffer::new(Interrupted(false), 4);
        assert!(buffer.fill(3).unwrap());
        assert_eq!(buffer.window(), [7, 7, 7]);
    }
}
