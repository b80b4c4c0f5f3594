//! Compressed bytes as the decoders take them, and the borders between members or frames.

use std::io::{self, Read};

use super::Compression;
use super::unpack::Stop;
use crate::capture::buffer::Buffer;

/// Header of a skippable frame: magic number and length.
const SKIPPABLE_HEADER: usize = 8;

/// Compressed bytes on their way to a decoder.
pub(super) struct Input<R> {
    buffer: Buffer<R>,
    ran_out: bool,
}

impl<R: Read> Input<R> {
    /// An input that is read so many bytes at a time.
    pub(super) fn new(input: R, capacity: usize) -> Self {
        Self {
            buffer: Buffer::new(input, capacity),
            ran_out: false,
        }
    }

    /// Bytes that the decoder took.
    pub(super) fn offset(&self) -> u64 {
        self.buffer.offset()
    }

    /// What comes next: `count` bytes or more, or all that is left.
    pub(super) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        self.buffer.fill(count)?;
        Ok(self.buffer.window())
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.buffer.consume(count);
    }

    /// Whether a decoder read past the last byte.
    pub(super) fn ran_out(&self) -> bool {
        self.ran_out
    }

    /// Goes to the next member or frame; `false` where the input ends.
    pub(super) fn next_member(&mut self, compression: Compression) -> Result<bool, Stop> {
        loop {
            let magic = compression.magic();
            let window = self.peek(magic.len().max(SKIPPABLE_HEADER))?;
            if window.is_empty() || window.starts_with(magic) {
                return Ok(!window.is_empty());
            }
            if compression.has_skippable_frames() && is_skippable(window) {
                self.skip_frame()?;
            } else if magic.starts_with(window) {
                return Err(Stop::Cut);
            } else {
                return Err(Stop::Foreign);
            }
        }
    }

    fn skip_frame(&mut self) -> Result<(), Stop> {
        let header = self.buffer.window().first_chunk::<SKIPPABLE_HEADER>();
        let &[_, _, _, _, a, b, c, d] = header.ok_or(Stop::Cut)?;
        self.consume(SKIPPABLE_HEADER);
        let mut left = u32::from_le_bytes([a, b, c, d]) as usize;
        while left > 0 {
            let count = self.peek(1)?.len().min(left);
            if count == 0 {
                return Err(Stop::Cut);
            }
            self.consume(count);
            left -= count;
        }
        Ok(())
    }
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let window = self.peek(1)?;
        let count = window.len().min(into.len());
        into[..count].copy_from_slice(&window[..count]);
        self.ran_out |= count < into.len() && window.is_empty();
        self.consume(count);
        Ok(count)
    }
}

/// Whether `bytes` begin with a frame that decoders of zstd and lz4 pass over, as far as they go.
pub(super) fn is_skippable(bytes: &[u8]) -> bool {
    let rest = |rest: &[u8]| rest.iter().zip([0x2a, 0x4d, 0x18]).all(|(a, b)| *a == b);
    matches!(bytes, [0x50..=0x5f, after @ ..] if rest(after))
}
