//! Reads one capture: fills the buffer, lets the container's reader walk it, and notes where
//! and why that ends. The containers themselves do no input.

use std::io::Read;
use std::sync::Arc;

use super::buffer::{Buffer, DEFAULT_CAPACITY};
use super::compression::{Compression, Fault, Packed};
use super::cut::Cuts;
use super::format::Format;
use super::pcap::{self, FILE_HEADER};
use super::pcapng::{Drops, Pcapng};
use super::{Frame, LinkType, Problem, ProblemKind, ReadError};
use crate::net::Timestamp;

/// Reads the frames of one capture from any input.
pub struct Reader<R = Box<dyn Read + Send>> {
    buffer: Buffer<R>,
    container: Container,
    frames: u64,
    /// Bytes without which the container's reader can't go on.
    needed: usize,
    ended: bool,
    problem: Option<Problem>,
    /// Cuts at which it may end, and the next of them.
    cuts: Option<(Arc<Cuts>, usize)>,
    landed: Option<usize>,
    /// Where it began.
    piece_offset: u64,
    packed: Option<Packed>,
}

/// How a batch of frames ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    /// More may follow.
    More,
    /// No frame follows: the capture ended, [`Reader::problem`] says why it can't be read on, or
    /// [`Reader::landed`] where it was cut.
    End,
}

/// How far a container's reader came in a window.
pub(super) struct Step {
    /// Bytes of whole records that are done with.
    pub(super) consumed: usize,
    pub(super) pause: Pause,
}

/// Why a container's reader came no further.
#[derive(Debug)]
pub(super) enum Pause {
    /// The next record needs so many bytes, more than are left in the window.
    Need(usize),
    /// The next record is damaged, as the text says.
    Damaged(String),
}

/// A container's reader, which is all that is known of the capture so far.
#[derive(Clone)]
pub(super) enum Container {
    /// `None`: the file header can't be read.
    Pcap(Option<pcap::Header>),
    Pcapng(Box<Pcapng>),
}

impl<R: Read> Reader<R> {
    /// A reader of `input`, which is a file, a pipe, or bytes in memory. `name` is for errors.
    pub fn new(input: R, name: &str) -> Result<Self, ReadError> {
        Self::with_capacity(input, name, DEFAULT_CAPACITY)
    }

    /// A reader that takes `capacity` bytes at a time.
    pub(super) fn with_capacity(input: R, name: &str, capacity: usize) -> Result<Self, ReadError> {
        let mut buffer = Buffer::new(input, capacity);
        let failed = buffer.fill(FILE_HEADER).err();
        let format = match (Format::recognise(buffer.window(), name), failed) {
            // What was unpacked is used; reading on comes to the fault again.
            (Ok(format), Some(error)) if Fault::of(&error).is_some() => format,
            (_, Some(error)) => return Err(ReadError::from_io(name, error)),
            (format, None) => format?,
        };
        let container = match format {
            Format::Pcap => Container::Pcap(None),
            Format::Pcapng => Container::Pcapng(Box::new(Pcapng::new())),
        };
        let mut reader = Self::of(buffer, container);
        if let Container::Pcap(_) = reader.container {
            reader.read_pcap_header();
        }
        Ok(reader)
    }

    /// A reader that begins at a cut, where `input` stands. It ends at the next one that proves
    /// right.
    pub(super) fn begin_at(input: R, cuts: &Arc<Cuts>, index: usize) -> Self {
        let buffer = Buffer::at(cuts.offsets()[index], input, DEFAULT_CAPACITY);
        let mut reader = Self::of(buffer, cuts.container().clone());
        reader.stop_at(cuts, index + 1);
        reader
    }

    /// Lets it end at the first cut from the one of this index on that it comes to exactly at a
    /// border of records, knowing of the capture what a reader knows that begins there.
    pub(super) fn stop_at(&mut self, cuts: &Arc<Cuts>, index: usize) {
        let limit = cuts.offsets().get(index).copied();
        self.buffer.set_limit(limit.unwrap_or(u64::MAX));
        self.cuts = limit.map(|_| (Arc::clone(cuts), index));
    }

    fn of(buffer: Buffer<R>, container: Container) -> Self {
        Self {
            piece_offset: buffer.offset(),
            buffer,
            container,
            frames: 0,
            needed: 1,
            ended: false,
            problem: None,
            cuts: None,
            landed: None,
            packed: None,
        }
    }

    /// The same reader, which says that its input is unpacked from something.
    pub(super) fn unpacking(self, packed: Packed) -> Self {
        Self {
            packed: Some(packed),
            ..self
        }
    }

    /// Hands every frame to `visit`, until no more can be read.
    pub fn read(&mut self, mut visit: impl FnMut(Frame<'_>)) {
        while self.read_batch(|frames| frames.iter().copied().for_each(&mut visit)) == Batch::More {
        }
    }

    /// Hands the frames of one buffer to `visit`, some at a time.
    #[inline]
    pub fn read_batch(&mut self, mut visit: impl FnMut(&[Frame<'_>])) -> Batch {
        if !self.fill() {
            return Batch::End;
        }
        let window = self.buffer.window();
        let step = match &mut self.container {
            Container::Pcap(Some(header)) => header.walk(window, &mut self.frames, &mut visit),
            Container::Pcap(None) => return Batch::End,
            Container::Pcapng(pcapng) => pcapng.walk(window, &mut self.frames, &mut visit),
        };
        self.buffer.consume(step.consumed);
        match step.pause {
            Pause::Need(bytes) => {
                self.needed = bytes;
                Batch::More
            }
            Pause::Damaged(message) => self.end(ProblemKind::Damaged, message),
        }
    }

    /// `pcap` or `pcapng`.
    pub fn format(&self) -> &'static str {
        match self.container {
            Container::Pcap(_) => Format::Pcap.name(),
            Container::Pcapng(_) => Format::Pcapng.name(),
        }
    }

    /// Link types of the interfaces described so far, each once, by number.
    pub fn link_types(&self) -> Vec<LinkType> {
        match &self.container {
            Container::Pcap(header) => header.iter().map(|header| header.link_type).collect(),
            Container::Pcapng(pcapng) => pcapng.link_types().collect(),
        }
    }

    /// Number of the last frame so far. In pcapng a few blocks without packets have numbers too.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Offset in the capture at which it began to read: 0, or a cut.
    pub fn piece_offset(&self) -> u64 {
        self.piece_offset
    }

    /// Offset in the (uncompressed) capture up to which it was read: the end of a record.
    pub fn bytes_read(&self) -> u64 {
        self.buffer.offset()
    }

    /// How the source is compressed; `None` where it is not.
    pub fn compression(&self) -> Option<Compression> {
        self.packed.as_ref().map(|packed| packed.compression)
    }

    /// Bytes of the source that are done with: those of [`Self::bytes_read`], or where it is
    /// compressed the compressed ones that were unpacked for them.
    pub fn source_bytes(&self) -> u64 {
        self.packed
            .as_ref()
            .map_or_else(|| self.bytes_read(), Packed::taken)
    }

    /// Packets that interfaces and kernel dropped, as far as what was read says so (pcapng
    /// interface statistics).
    pub fn drops(&self) -> Drops {
        match &self.container {
            Container::Pcap(_) => Drops::default(),
            Container::Pcapng(pcapng) => pcapng.drops(),
        }
    }

    /// All of [`Self::drops`]; known once everything is read.
    pub fn kernel_drops(&self) -> Option<u64> {
        self.drops().total()
    }

    /// Until when the capture went on, as far as what was read says so (pcapng interface
    /// statistics): the latest time of all. Whoever wrote the capture chose it.
    pub fn watched_until(&self) -> Option<Timestamp> {
        match &self.container {
            Container::Pcap(_) => None,
            Container::Pcapng(pcapng) => pcapng.end(),
        }
    }

    /// Index of the cut at which it ended. That this cut is right is proven, if the place where
    /// this reader began is.
    pub fn landed(&self) -> Option<usize> {
        self.landed
    }

    /// Why the capture could not be read to its end.
    pub fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    fn read_pcap_header(&mut self) {
        let Some(bytes) = self.buffer.window().first_chunk() else {
            self.end(
                ProblemKind::Damaged,
                "the capture ends inside its file header".into(),
            );
            return;
        };
        match pcap::Header::parse(bytes) {
            Ok(header) => {
                self.container = Container::Pcap(Some(header));
                self.buffer.consume(FILE_HEADER);
            }
            Err(message) => {
                self.end(ProblemKind::Damaged, message);
            }
        }
    }

    /// Reads until the next record is there; `false` where no more can be read.
    fn fill(&mut self) -> bool {
        if self.ended {
            return false;
        }
        let filled = loop {
            match self.buffer.fill(self.needed) {
                Ok(false) if self.buffer.is_at_limit() => {
                    if self.lands() {
                        return false;
                    }
                }
                filled => break filled,
            }
        };
        match filled {
            Ok(true) => true,
            Ok(false) => {
                let left = self.buffer.window().len();
                if left == 0 {
                    self.ended = true;
                } else {
                    let message = format!(
                        "the capture ends inside its last record, after {left} of at least {} bytes",
                        self.needed
                    );
                    self.end(ProblemKind::Truncated, message);
                }
                false
            }
            Err(error) => {
                let (kind, message) = match Fault::of(&error) {
                    Some(fault) => (fault.kind, fault.message.clone()),
                    None => (
                        ProblemKind::Unreadable,
                        format!("the capture can't be read on: {error}"),
                    ),
                };
                self.end(kind, message);
                false
            }
        }
    }

    /// Whether it ends at the cut up to which it read. Where that was guessed wrong, it goes on
    /// to the next.
    #[cold]
    fn lands(&mut self) -> bool {
        let Some((cuts, index)) = self.cuts.take() else {
            return false;
        };
        if self.buffer.window().is_empty() && self.container.reads_on_as(cuts.container()) {
            self.ended = true;
            self.landed = Some(index);
            return true;
        }
        self.stop_at(&cuts, index + 1);
        false
    }

    #[cold]
    fn end(&mut self, kind: ProblemKind, message: String) -> Batch {
        self.ended = true;
        self.problem = Some(Problem {
            offset: self.buffer.offset(),
            kind,
            message,
        });
        Batch::End
    }
}

impl Container {
    fn reads_on_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Pcap(mine), Self::Pcap(theirs)) => mine == theirs,
            (Self::Pcapng(mine), Self::Pcapng(theirs)) => mine.reads_on_as(theirs),
            (Self::Pcap(_), Self::Pcapng(_)) | (Self::Pcapng(_), Self::Pcap(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::capture::builder::Writer;

    /// A capture with so many frames, each holding its number.
    fn capture(frames: u8) -> Writer {
        let mut writer = Writer::new(false);
        writer.pcap_header(0xa1b2_c3d4, (2, 4), 1);
        for number in 1..=frames {
            writer.pcap_record((1, 0), (1, 1), &[], &[number]);
        }
        writer
    }

    #[test]
    fn a_batch_is_a_buffer() {
        let capture = capture(10);
        let mut reader = Reader::with_capacity(&capture.bytes[..], "x", 24 + 17 * 3).unwrap();
        let mut batches = Vec::new();
        while reader.read_batch(|_| {}) == Batch::More {
            batches.push(reader.frames());
        }
        assert_eq!(batches, [3, 7, 10]);
    }

    #[test]
    fn an_input_that_fails_is_used_up_to_there() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is gone"))
            }
        }
        let capture = capture(2);
        let input = capture.bytes[..capture.bytes.len() - 1].chain(Failing);
        let mut reader = Reader::new(input, "x").unwrap();
        reader.read(|_| {});
        let problem = reader.problem().unwrap();
        assert_eq!(problem.kind, ProblemKind::Unreadable);
        assert_eq!(problem.offset, capture.borders[1] as u64);
        assert!(problem.message.contains("the disk is gone"));
        assert_eq!(reader.frames(), 1);

        let error = Reader::new(Failing, "x.pcap").err().unwrap().to_string();
        assert!(error.starts_with("x.pcap: can't be read (the disk is gone)"));
    }

    #[test]
    fn a_cut_file_header_is_damage() {
        let capture = capture(0);
        for length in 4..24 {
            let mut reader = Reader::new(&capture.bytes[..length], "x").unwrap();
            reader.read(|_| {});
            let problem = reader.problem().unwrap();
            // No record is there that could be the last.
            assert_eq!((problem.offset, problem.kind), (0, ProblemKind::Damaged));
            assert!(reader.link_types().is_empty());
        }
    }
}
