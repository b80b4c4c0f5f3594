//! Bodies of the fuzz targets for containers and compression.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Cursor, Read};

use super::buffer::MAX_RECORD_BYTES;
use super::compression::{Compression, ReadAhead, Unpack};
use super::{LinkType, Problem, Reader};

/// Bytes unpacked of one input: a few bytes may hold very many.
const MAX_UNPACKED: u64 = 4 << 20;

/// Unpacks `data`, if it is compressed, here and in a thread, and reads what it holds.
///
/// # Panics
/// Where the two disagree.
pub fn fuzz_compression(data: &[u8]) {
    let Some(compression) = Compression::recognise(data) else {
        return;
    };
    let unpack = |capacity| Unpack::new(compression, data, capacity).expect("there is memory");
    let here = drain(unpack(61));
    let ahead = ReadAhead::new(compression, Cursor::new(data.to_vec())).expect("there is a thread");
    let ahead = drain(ahead);
    // The bytes last, and not printed: there may be many.
    assert_eq!((&here.1, here.0.len()), (&ahead.1, ahead.0.len()));
    assert!(
        here.0 == ahead.0,
        "{compression:?} unpacks to different bytes"
    );
    if let Ok(mut reader) = Reader::new(unpack(4096).take(MAX_UNPACKED), "fuzz") {
        reader.read(|_| {});
        assert!(reader.bytes_read() <= here.0.len() as u64);
    }
}

/// What an input gives at first, and why it ended where it did not by itself.
fn drain(input: impl Read) -> (Vec<u8>, Option<String>) {
    let mut bytes = Vec::new();
    let result = input.take(MAX_UNPACKED).read_to_end(&mut bytes);
    (bytes, result.err().map(|error| error.to_string()))
}

/// Reads `data` as a capture, in buffers of several sizes.
///
/// # Panics
/// Where two ways of reading disagree, or bytes don't add up.
pub fn fuzz_container(data: &[u8]) {
    let whole = Reading::of(data, 1 << 20);
    assert_eq!(whole, Reading::of(data, 1));
    assert_eq!(whole, Reading::of(data, 61));
    let Some(whole) = whole else { return };

    let length = data.len() as u64;
    assert!(whole.frame_bytes <= whole.bytes_read && whole.bytes_read <= length);
    match &whole.problem {
        None => assert_eq!(whole.bytes_read, length),
        Some(problem) => {
            assert_eq!(problem.offset, whole.bytes_read);
            assert!(problem.offset < length && !problem.message.is_empty());
        }
    }
}

/// What came of reading a capture.
#[derive(Debug, PartialEq, Eq)]
struct Reading {
    frames: u64,
    frame_bytes: u64,
    hash: u64,
    bytes_read: u64,
    problem: Option<Problem>,
    link_types: Vec<LinkType>,
    kernel_drops: Option<u64>,
}

impl Reading {
    /// `None` where `data` is no capture.
    fn of(data: &[u8], capacity: usize) -> Option<Self> {
        let mut reader = Reader::with_capacity(data, "fuzz", capacity).ok()?;
        let (mut frame_bytes, mut hash) = (0, DefaultHasher::new());
        reader.read(|frame| {
            assert!(frame.data.len() <= frame.wire_length as usize);
            assert!(frame.data.len() <= MAX_RECORD_BYTES);
            frame_bytes += frame.data.len() as u64;
            let fields = (frame.number, frame.time, frame.link_type, frame.wire_length);
            (fields, frame.data).hash(&mut hash);
        });
        Some(Self {
            frames: reader.frames(),
            frame_bytes,
            hash: hash.finish(),
            bytes_read: reader.bytes_read(),
            problem: reader.problem().cloned(),
            link_types: reader.link_types(),
            kernel_drops: reader.kernel_drops(),
        })
    }
}
