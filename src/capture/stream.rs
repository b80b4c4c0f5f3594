//! Inputs that give their bytes only once: standard input and pipes. Looking at the first
//! record keeps what was read, so that reading begins at the first byte all the same.

use std::io::{self, Cursor, Read};
use std::sync::Mutex;

use super::compression::{Packed, ReadAhead};
use super::reader::Reader;
use super::source::{first_time, head};
use super::{Compression, ReadError};
use crate::net::Timestamp;

/// Bytes kept while looking for the first record. A stream with more before its first packet
/// is ordered as if it had none.
const MAX_PEEK: usize = 16 << 20;

/// Bytes read at a time while looking: a pipe's usual capacity.
const PEEK_CAPACITY: usize = 64 << 10;

type Input = Box<dyn Read + Send>;

/// A stream that can be looked into once and read once.
pub(super) struct Stream {
    whole: Mutex<Option<Input>>,
    packed: Option<Packed>,
}

impl Stream {
    /// Waits for the first record of `input` and takes its time.
    pub(super) fn peek(
        mut input: impl Read + Send + 'static,
        name: &str,
    ) -> Result<(Self, Option<Timestamp>), ReadError> {
        let unreadable = |error| ReadError::from_io(name, error);
        let head = head(&mut input).map_err(unreadable)?;
        let compression = Compression::recognise(&head);
        let input = Cursor::new(head).chain(input);
        match compression {
            None => Self::peek_unpacked(input, None, name),
            Some(compression) => {
                let unpacked = ReadAhead::new(compression, input).map_err(unreadable)?;
                let packed = unpacked.packed();
                Self::peek_unpacked(unpacked, Some(packed), name)
                    .map_err(|error| error.of_unpacked(Some(compression)))
            }
        }
    }

    fn peek_unpacked(
        mut input: impl Read + Send + 'static,
        packed: Option<Packed>,
        name: &str,
    ) -> Result<(Self, Option<Timestamp>), ReadError> {
        let mut seen = Vec::new();
        let keeping = Keeping {
            input: &mut input,
            seen: &mut seen,
        };
        let first = first_time(Reader::with_capacity(keeping, name, PEEK_CAPACITY)?);
        let whole: Input = Box::new(Cursor::new(seen).chain(input));
        let stream = Self {
            whole: Mutex::new(Some(whole)),
            packed,
        };
        Ok((stream, first))
    }

    /// How the stream is compressed.
    pub(super) fn compression(&self) -> Option<Compression> {
        self.packed.as_ref().map(|packed| packed.compression)
    }

    /// The stream from its first byte on, unpacked; `None` the second time.
    pub(super) fn take(&self) -> Option<(Input, Option<Packed>)> {
        let whole = self.whole.lock().ok()?.take()?;
        Some((whole, self.packed.clone()))
    }
}

/// Keeps what it reads; ends early once that is too much.
struct Keeping<'a, R> {
    input: &'a mut R,
    seen: &'a mut Vec<u8>,
}

impl<R: Read> Read for Keeping<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let room = into.len().min(MAX_PEEK - self.seen.len());
        let count = self.input.read(&mut into[..room])?;
        self.seen.extend_from_slice(&into[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::capture::builder::Writer;

    /// A capture that begins with so many bytes of blocks without packets.
    fn capture(before: usize) -> Vec<u8> {
        let mut writer = Writer::new(true);
        writer.section().interface(1, 0, &[]);
        let block = vec![7; 1 << 20];
        for _ in 0..before >> 20 {
            writer.block(0x77, |it| {
                it.raw(&block);
            });
        }
        writer.enhanced_packet(0, 5, 1, &[0xaa]);
        writer.enhanced_packet(0, 6, 1, &[0xbb]);
        writer.bytes
    }

    fn frames(stream: &Stream) -> u64 {
        let mut reader = Reader::new(stream.take().unwrap().0, "-").unwrap();
        reader.read(|_| {});
        assert_eq!(reader.problem(), None);
        reader.frames()
    }

    #[test]
    fn looking_takes_nothing_away() {
        let (stream, first) = Stream::peek(Cursor::new(capture(0)), "-").unwrap();
        assert_eq!(first, Some(Timestamp(5_000)));
        assert_eq!(frames(&stream), 2);
        assert!(stream.take().is_none());
    }

    #[test]
    fn looking_ends_before_memory_does() {
        let (stream, first) = Stream::peek(Cursor::new(capture(MAX_PEEK)), "-").unwrap();
        assert_eq!(first, None);
        assert_eq!(frames(&stream), 2);
    }

    #[test]
    fn an_input_without_a_capture_is_refused() {
        let error = Stream::peek(Cursor::new(b"hello"), "-").err().unwrap();
        assert!(error.to_string().starts_with("-: not a pcap"));
    }
}
