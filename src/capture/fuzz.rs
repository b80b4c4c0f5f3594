//! Body of the fuzz target for containers.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::buffer::MAX_RECORD_BYTES;
use super::{LinkType, Problem, Reader};

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
