//! Each compression unpacked here and in a thread: whole, cut, damaged, given up.

use std::io::{self, Cursor, Read, Write};
use std::sync::mpsc::{Sender, channel};

use super::read_ahead::{BLOCK_BYTES, BLOCKS, INPUT_CAPACITY};
use super::{Compression, Fault, ReadAhead, Unpack};
use crate::capture::ProblemKind;

const ALL: [Compression; 3] = [Compression::Gzip, Compression::Zstd, Compression::Lz4];

/// One member or frame, with a checksum of its content.
fn pack(compression: Compression, content: &[u8]) -> Vec<u8> {
    match compression {
        Compression::Gzip => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(content).unwrap();
            gzip.finish().unwrap()
        }
        Compression::Zstd => {
            let mut zstd = zstd::Encoder::new(Vec::new(), 1).unwrap();
            zstd.include_checksum(true).unwrap();
            zstd.write_all(content).unwrap();
            zstd.finish().unwrap()
        }
        Compression::Lz4 => lz4(content, lz4_flex::frame::BlockSize::Max64KB),
    }
}

fn lz4(content: &[u8], block_size: lz4_flex::frame::BlockSize) -> Vec<u8> {
    let layout = lz4_flex::frame::FrameInfo::new()
        .block_size(block_size)
        .block_mode(lz4_flex::frame::BlockMode::Linked)
        .content_checksum(true);
    let mut lz4 = lz4_flex::frame::FrameEncoder::with_frame_info(layout, Vec::new());
    lz4.write_all(content).unwrap();
    lz4.finish().unwrap()
}

fn skippable(length: u32) -> Vec<u8> {
    let mut frame = vec![0x5a, 0x2a, 0x4d, 0x18];
    frame.extend(length.to_le_bytes());
    frame.resize(frame.len() + length as usize, 7);
    frame
}

/// Bytes that are neither all alike nor without any order.
fn content(length: usize) -> Vec<u8> {
    let byte = |at: usize| (at * at / 7) as u8 ^ (at >> 9) as u8;
    (0..length).map(byte).collect()
}

/// Everything that `input` gives, and how that ended.
fn drain(mut input: impl Read) -> (Vec<u8>, Option<Fault>) {
    let mut bytes = Vec::new();
    let Err(error) = input.read_to_end(&mut bytes) else {
        return (bytes, None);
    };
    let fault = Fault::of(&error).expect("every error is one of unpacking");
    // It comes again, in place of an end.
    let again = input.read(&mut [0; 8]).unwrap_err();
    assert_eq!(again.to_string(), fault.message);
    (bytes, Some(fault.clone()))
}

fn unpack(compression: Compression, packed: &[u8]) -> (Vec<u8>, Option<Fault>) {
    drain(Unpack::new(compression, packed, 4096).unwrap())
}

fn unpack_ahead(compression: Compression, packed: Vec<u8>) -> (Vec<u8>, Option<Fault>) {
    drain(ReadAhead::new(compression, Cursor::new(packed)).unwrap())
}

#[test]
fn recognised_by_content() {
    for compression in ALL {
        let packed = pack(compression, b"x");
        assert_eq!(Compression::recognise(&packed), Some(compression));
        assert_eq!(Compression::recognise(&packed[..4]), Some(compression));
    }
    for (follows, found) in [
        (Compression::Lz4, Compression::Lz4),
        (Compression::Gzip, Compression::Gzip),
    ] {
        let packed = [skippable(4), pack(follows, b"x")].concat();
        assert_eq!(Compression::recognise(&packed), Some(found));
    }
    assert_eq!(
        Compression::recognise(&skippable(100)),
        Some(Compression::Zstd)
    );
    for other in [&b""[..], b"P", b"\x28\xb5", b"\xd4\xc3\xb2\xa1", b"BZh9"] {
        assert_eq!(Compression::recognise(other), None);
    }
}

#[test]
fn members_and_frames_are_read_on() {
    // More than goes round between the threads.
    let large = content(BLOCK_BYTES * BLOCKS + 12_345);
    for compression in ALL {
        let mut packed = Vec::new();
        for part in [&large[..], b"", b"more", &large[..70_000]] {
            packed.extend(pack(compression, part));
            if compression.has_skippable_frames() {
                packed.extend(skippable(0));
                packed.extend(skippable(9_000));
            }
        }
        let whole = [&large[..], b"more", &large[..70_000]].concat();
        let (bytes, fault) = unpack(compression, &packed);
        assert!(
            bytes == whole && fault.is_none(),
            "{compression:?} {fault:?}"
        );
        let length = packed.len() as u64;
        let mut ahead = ReadAhead::new(compression, Cursor::new(packed)).unwrap();
        let mut bytes = Vec::new();
        ahead.read_to_end(&mut bytes).unwrap();
        assert!(bytes == whole, "{compression:?}");
        assert_eq!(ahead.packed().taken(), length);
    }
}

#[test]
fn lz4_frames_of_different_layouts_follow_each_other() {
    use lz4_flex::frame::BlockSize;
    let content = content(300_000);
    let packed = [
        lz4(&content, BlockSize::Max4MB),
        lz4(&content, BlockSize::Max64KB),
        lz4(&content, BlockSize::Max256KB),
    ];
    let (bytes, fault) = unpack(Compression::Lz4, &packed.concat());
    assert!(bytes == content.repeat(3) && fault.is_none());
}

#[test]
fn a_cut_anywhere_is_truncation_unless_a_member_ends_there() {
    let content = content(3_000);
    for compression in ALL {
        let first = pack(compression, &content[..2_000]);
        let mut packed = first.clone();
        if compression.has_skippable_frames() {
            packed.extend(skippable(20));
        }
        let border = packed.len();
        packed.extend(pack(compression, &content[2_000..]));
        for cut in 1..packed.len() {
            let (bytes, fault) = unpack(compression, &packed[..cut]);
            assert!(content.starts_with(&bytes), "{compression:?} {cut}");
            if cut >= first.len() {
                assert!(bytes.len() >= 2_000, "{compression:?} {cut}");
            }
            if cut == first.len() || cut == border {
                assert_eq!(bytes.len(), 2_000);
                assert!(fault.is_none(), "{compression:?} {cut}");
            } else {
                let fault = fault.unwrap_or_else(|| panic!("{compression:?} {cut}"));
                assert_eq!(fault.kind, ProblemKind::Truncated, "{cut} {fault}");
            }
        }
    }
}

#[test]
fn what_stands_before_damage_is_unpacked() {
    let content = content(400_000);
    for compression in ALL {
        let whole = pack(compression, &content);

        // The checksum of the content comes last, in gzip before its length.
        let mut changed = whole.clone();
        let back = if compression == Compression::Gzip {
            8
        } else {
            4
        };
        let at = changed.len() - back;
        changed[at] ^= 1;
        let (bytes, fault) = unpack(compression, &changed);
        assert!(bytes == content, "{compression:?}");
        assert_eq!(fault.unwrap().kind, ProblemKind::Damaged);

        let followed = [&whole[..], b"\nand a line of text"].concat();
        let (bytes, fault) = unpack(compression, &followed);
        assert!(bytes == content, "{compression:?}");
        let fault = fault.unwrap();
        assert_eq!(fault.kind, ProblemKind::Damaged);
        let place = format!("from its byte {} on", whole.len());
        assert!(fault.message.contains(&place), "{fault}");

        // zstd and lz4 lose the block at which they stop.
        let middle = whole.len() / 2;
        let mut changed = whole;
        changed[middle..middle + 40].fill(0xff);
        let (bytes, fault) = unpack(compression, &changed);
        assert_eq!(fault.unwrap().kind, ProblemKind::Damaged);
        assert!(bytes.len() > 30_000, "{compression:?} {}", bytes.len());
        assert!(content.starts_with(&bytes[..30_000]));
    }
}

#[test]
fn a_window_is_bounded() {
    // A frame of one raw block, and a window of 1 << log bytes.
    let frame = |log: u8| {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3, 9, 0, 0];
        frame.push(b'x');
        frame
    };
    let (bytes, fault) = unpack(Compression::Zstd, &frame(27));
    assert!(bytes == b"x" && fault.is_none());
    for log in [28, 31, 41] {
        let (bytes, fault) = unpack(Compression::Zstd, &[frame(20), frame(log)].concat());
        let fault = fault.unwrap();
        assert_eq!(
            (&bytes[..], fault.kind),
            (&b"x"[..], ProblemKind::Unreadable)
        );
        assert!(fault.message.contains("zstd -dc --long=31"), "{fault}");
    }
}

/// An input that says when it is dropped and how much was read of it.
struct Watched<R> {
    input: R,
    read: usize,
    dropped: Sender<usize>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(into)?;
        self.read += count;
        Ok(count)
    }
}

impl<R> Drop for Watched<R> {
    fn drop(&mut self) {
        let _ = self.dropped.send(self.read);
    }
}

#[test]
fn the_thread_ends_when_nobody_reads() {
    // A frame without end, of blocks as large as they were packed; and skippable frames without
    // end, which give nothing to hand over.
    let frame = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
    let mut block = 0x8001_0000_u32.to_le_bytes().to_vec();
    block.resize(4 + 0x1_0000, 7);
    for (first, endless) in [(&frame[..], block), (&frame[..0], skippable(100))] {
        let (dropped, gone) = channel();
        let input = Watched {
            input: Cursor::new(first.to_vec()).chain(Endless(Cursor::new(endless))),
            read: 0,
            dropped,
        };
        let mut ahead = ReadAhead::new(Compression::Lz4, input).unwrap();
        if !first.is_empty() {
            let mut byte = [0];
            assert_eq!(ahead.read(&mut byte).unwrap(), 1);
        }
        drop(ahead);
        let read = gone.recv().unwrap();
        if !first.is_empty() {
            // What goes round, what lies in the decoder, and what was read for it.
            assert!(
                read <= BLOCK_BYTES * (BLOCKS + 1) + 2 * INPUT_CAPACITY,
                "{read}"
            );
        }
    }
}

/// The same bytes over and over.
struct Endless(Cursor<Vec<u8>>);

impl Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.0.position() == self.0.get_ref().len() as u64 {
            self.0.set_position(0);
        }
        self.0.read(into)
    }
}

#[test]
fn errors_and_panics_of_the_thread_are_read_errors() {
    struct Panics;
    impl Read for Panics {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("as a test wants it");
        }
    }
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let content = content(1_000);
    for compression in ALL {
        let cut = pack(compression, &content);
        let cut = Cursor::new(cut[..cut.len() - 1].to_vec());
        let ahead = ReadAhead::new(compression, cut.clone().chain(Fails)).unwrap();
        let (bytes, fault) = drain(ahead);
        let fault = fault.unwrap();
        assert!(bytes == content, "{compression:?} {}", bytes.len());
        assert_eq!(fault.kind, ProblemKind::Unreadable);
        assert!(fault.message.contains("the disk is gone"), "{fault}");

        let (_, fault) = drain(ReadAhead::new(compression, cut.chain(Panics)).unwrap());
        let fault = fault.unwrap();
        assert_eq!(fault.kind, ProblemKind::Unreadable);
        assert!(fault.message.contains("without a word"), "{fault}");
    }
}

#[test]
fn both_ways_of_reading_agree_on_damage() {
    let content = content(BLOCK_BYTES + 1_000);
    for compression in ALL {
        let whole = pack(compression, &content);
        for at in (0..whole.len()).step_by(whole.len() / 23) {
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            let here = unpack(compression, &changed);
            let ahead = unpack_ahead(compression, changed);
            assert!(here.0 == ahead.0, "{compression:?} {at}");
            let message = |fault: Option<Fault>| fault.map(|it| it.message);
            assert_eq!(message(here.1), message(ahead.1), "{compression:?} {at}");
        }
    }
}
