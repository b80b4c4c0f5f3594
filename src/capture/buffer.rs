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
    /// Offset in the input from which on nothing is read.
    limit: u64,
}

impl<R: Read> Buffer<R> {
    /// An empty buffer. `capacity` is what it holds until a larger record needs more.
    pub(super) fn new(input: R, capacity: usize) -> Self {
        Self::at(0, input, capacity)
    }

    /// An empty buffer of an input whose next byte stands at `offset`.
    pub(super) fn at(offset: u64, input: R, capacity: usize) -> Self {
        Self {
            input,
            bytes: vec![0; capacity.max(1)],
            start: 0,
            end: 0,
            offset,
            limit: u64::MAX,
        }
    }

    /// Sets where the window ends for now, whatever follows.
    pub(super) fn set_limit(&mut self, limit: u64) {
        debug_assert!(limit >= self.offset);
        self.limit = limit;
    }

    /// Whether the window reaches to the limit.
    pub(super) fn is_at_limit(&self) -> bool {
        self.before_limit() == self.visible()
    }

    /// Length of the window.
    fn visible(&self) -> usize {
        (self.end - self.start).min(self.before_limit())
    }

    /// Bytes from the beginning of the window to the limit.
    fn before_limit(&self) -> usize {
        usize::try_from(self.limit - self.offset).unwrap_or(usize::MAX)
    }

    /// What was read and not consumed, as far as the limit.
    #[inline]
    pub(super) fn window(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.visible()]
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

    /// Reads until the window holds `needed` bytes or more; `false` where the input ends before,
    /// or the limit is reached.
    ///
    /// The buffer grows with what really arrives, at most to twice that, whatever a length
    /// field claims.
    pub(super) fn fill(&mut self, needed: usize) -> io::Result<bool> {
        debug_assert!(needed <= MAX_RECORD_BYTES);
        if self.visible() >= needed {
            return Ok(true);
        }
        if self.is_at_limit() {
            return Ok(false);
        }
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while self.end < needed {
            if self.end == self.before_limit() {
                return Ok(false);
            }
            if self.end == self.bytes.len() {
                let larger = needed.min(self.bytes.len() * 2);
                self.bytes.resize(larger, 0);
            }
            let to = self.bytes.len().min(self.before_limit());
            match self.input.read(&mut self.bytes[self.end..to]) {
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
    fn stops_at_the_limit_and_goes_on_when_it_is_lifted() {
        let input: Vec<u8> = (0..100).collect();
        let mut buffer = Buffer::at(1000, &input[..], 64);
        buffer.set_limit(1010);
        assert!(!buffer.fill(11).unwrap());
        assert!(buffer.is_at_limit());
        assert_eq!((buffer.window(), buffer.offset()), (&input[..10], 1000));
        buffer.consume(4);
        buffer.set_limit(u64::MAX);
        assert!(buffer.fill(11).unwrap());
        assert_eq!(buffer.window()[..11], input[4..15]);
        assert!(!buffer.is_at_limit());

        // What was read before the limit was set waits behind it.
        buffer.set_limit(1006);
        assert_eq!(buffer.window(), &input[4..6]);
        assert!(!buffer.fill(3).unwrap() && buffer.is_at_limit());
        buffer.set_limit(1100);
        assert!(buffer.fill(96).unwrap());
        assert_eq!(buffer.window(), &input[4..]);
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
