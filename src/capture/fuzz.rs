//! Bodies of the fuzz targets for containers, their cuts, and compression.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Cursor, Read};
use std::sync::Arc;

use super::buffer::MAX_RECORD_BYTES;
use super::compression::{Compression, ReadAhead, Unpack};
use super::{Cuts, Drops, LinkType, Problem, Reader};
use crate::net::Timestamp;

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

/// Reads `data` as a capture, whole and in pieces; the first byte says how many, and how little
/// is looked at to guess where they begin.
///
/// # Panics
/// Where the pieces together are not the whole.
pub fn fuzz_cuts(data: &[u8]) {
    let Some((&chosen, data)) = data.split_first() else {
        return;
    };
    let pieces = 2 + u64::from(chosen % 16);
    let wanted: Vec<u64> = (1..pieces)
        .map(|piece| data.len() as u64 * piece / pieces)
        .collect();
    let look_bytes = [48, 200, 1000, Cuts::LOOK_BYTES][usize::from(chosen >> 6)];
    check_cuts(data, &wanted, look_bytes);
}

/// Reads `data` whole and cut near `wanted`; says how many cuts were guessed, and how many of
/// them proved right.
pub(super) fn check_cuts(data: &[u8], wanted: &[u64], look_bytes: usize) -> (usize, usize) {
    let guess = Cuts::guess(&mut Cursor::new(data), wanted, look_bytes);
    let Some(cuts) = guess.expect("memory can be read") else {
        return (0, 0);
    };
    let cuts = Arc::new(cuts);
    assert!(cuts.offsets().is_sorted_by(|a, b| a < b));
    let (pieces, right) = Reading::of_pieces(data, &cuts);
    assert_eq!(Reading::of(data, 1 << 20), Some(pieces));
    (cuts.offsets().len(), right)
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
    watched_until: Option<Timestamp>,
}

impl Reading {
    /// `None` where `data` is no capture.
    fn of(data: &[u8], capacity: usize) -> Option<Self> {
        let mut reader = Reader::with_capacity(data, "fuzz", capacity).ok()?;
        let mut seen = Seen::default();
        seen.read(&mut reader);
        Some(seen.reading(&reader, reader.kernel_drops(), reader.watched_until()))
    }

    /// The same from pieces, one after the other, and how many cuts proved right.
    fn of_pieces(data: &[u8], cuts: &Arc<Cuts>) -> (Self, usize) {
        let mut reader = Reader::new(data, "fuzz").expect("it was cut, so it is a capture");
        reader.stop_at(cuts, 0);
        let (mut seen, mut drops, mut right) = (Seen::default(), Drops::default(), 0);
        let mut watched_until = None;
        loop {
            seen.read(&mut reader);
            drops = drops.followed_by(reader.drops());
            watched_until = reader.watched_until().max(watched_until);
            let Some(cut) = reader.landed() else {
                return (seen.reading(&reader, drops.total(), watched_until), right);
            };
            right += 1;
            let offset = cuts.offsets()[cut];
            assert_eq!(reader.bytes_read(), offset);
            reader = Reader::begin_at(&data[offset as usize..], cuts, cut);
        }
    }
}

/// What is added up while frames are read.
#[derive(Default)]
struct Seen {
    frames: u64,
    frame_bytes: u64,
    hash: DefaultHasher,
}

impl Seen {
    fn read<R: Read>(&mut self, reader: &mut Reader<R>) {
        reader.read(|frame| {
            assert!(frame.data.len() <= frame.wire_length as usize);
            assert!(frame.data.len() <= MAX_RECORD_BYTES);
            self.frame_bytes += frame.data.len() as u64;
            let number = self.frames + frame.number;
            let fields = (number, frame.time, frame.link_type, frame.wire_length);
            (fields, frame.data).hash(&mut self.hash);
        });
        self.frames += reader.frames();
    }

    fn reading<R: Read>(
        self,
        reader: &Reader<R>,
        kernel_drops: Option<u64>,
        watched_until: Option<Timestamp>,
    ) -> Reading {
        Reading {
            frames: self.frames,
            frame_bytes: self.frame_bytes,
            hash: self.hash.finish(),
            bytes_read: reader.bytes_read(),
            problem: reader.problem().cloned(),
            link_types: reader.link_types(),
            kernel_drops,
            watched_until,
        }
    }
}
