//! The container of a part file: a prelude that every version can read, then blocks.
//!
//! ```text
//! prelude  magic, format version (2 bytes), length and text of the tool's version
//! block    section (1 byte), length (4 bytes), that many bytes, checksum (4 bytes)
//! ```
//!
//! Numbers are little-endian. A checksum is the CRC-32 (IEEE) of all bytes of the file before it
//! but earlier checksums, so that a block that is missing, repeated or moved shows too. Sections
//! come in the order of [`Section`]; the last block is an empty one of [`Section::End`]. A record
//! lies whole in one block, and what a record leaves out for being like the one before begins
//! anew with each block.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};

use crc32fast::Hasher;
use serde::{Deserialize, Serialize};

use super::error::{PartFileError, Trouble};
use super::{FORMAT_VERSION, MAGIC};

/// Blocks are written once they hold so much.
const BLOCK_BYTES: usize = 256 << 10;
/// No block is larger: the largest record, a segment of the log, fits thrice beside a full block.
const MAX_BLOCK_BYTES: usize = 512 << 10;

/// What a block holds, in the order of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    Window = 1,
    Captures,
    Totals,
    Flows,
    Folded,
    Errors,
    ErrorsOutside,
    FirstFragments,
    LaterFragments,
    Log,
    End,
}

impl Section {
    const ALL: [Self; 11] = [
        Self::Window,
        Self::Captures,
        Self::Totals,
        Self::Flows,
        Self::Folded,
        Self::Errors,
        Self::ErrorsOutside,
        Self::FirstFragments,
        Self::LaterFragments,
        Self::Log,
        Self::End,
    ];

    /// Words for errors.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Window => "time window",
            Self::Captures => "captures",
            Self::Totals => "totals",
            Self::Flows => "flows",
            Self::Folded => "folded flows",
            Self::Errors | Self::ErrorsOutside => "ICMP errors",
            Self::FirstFragments | Self::LaterFragments => "fragments",
            Self::Log => "log",
            Self::End => "end",
        }
    }

    fn of(number: u8) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|section| *section as u8 == number)
    }
}

/// Writes the container.
pub(super) struct Writer<W> {
    out: W,
    checksum: Hasher,
    section: Section,
    block: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Writes the prelude.
    pub(super) fn new(out: W) -> io::Result<Self> {
        let mut writer = Self {
            out,
            checksum: Hasher::new(),
            section: Section::Window,
            block: Vec::with_capacity(MAX_BLOCK_BYTES),
        };
        let version = env!("CARGO_PKG_VERSION");
        let length = u8::try_from(version.len()).map_err(io::Error::other)?;
        writer.put(MAGIC)?;
        writer.put(&FORMAT_VERSION.to_le_bytes())?;
        writer.put(&[length])?;
        writer.put(version.as_bytes())?;
        Ok(writer)
    }

    /// Adds a record to the block.
    pub(super) fn record(&mut self, record: &impl Serialize) -> io::Result<()> {
        postcard::serialize_with_flavor(record, Tail(&mut self.block)).map_err(io::Error::other)
    }

    /// Makes room for a record of `section`, and says whether it is the first of a block.
    pub(super) fn begins_block(&mut self, section: Section) -> io::Result<bool> {
        if self.section != section || self.block.len() >= BLOCK_BYTES {
            self.flush()?;
            self.section = section;
        }
        Ok(self.block.is_empty())
    }

    /// Writes what is left, and the end.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.section = Section::End;
        self.write_block()?;
        self.out.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        self.write_block()
    }

    fn write_block(&mut self) -> io::Result<()> {
        if self.block.len() > MAX_BLOCK_BYTES {
            return Err(io::Error::other("a record is too large for a part file"));
        }
        let block = std::mem::take(&mut self.block);
        self.put(&[self.section as u8])?;
        self.put(&(block.len() as u32).to_le_bytes())?;
        self.put(&block)?;
        self.block = block;
        self.block.clear();
        let checksum = self.checksum.clone().finalize();
        self.out.write_all(&checksum.to_le_bytes())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.checksum.update(bytes);
        self.out.write_all(bytes)
    }
}

/// Where records are appended.
struct Tail<'a>(&'a mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Tail<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Reads the container. Every block that it gives has the right checksum.
pub(super) struct Reader<R> {
    name: String,
    input: BufReader<R>,
    offset: u64,
    checksum: Hasher,
    section: Section,
    block: Vec<u8>,
}

impl<R: Read> Reader<R> {
    /// Reads the prelude. `name` is for errors.
    pub(super) fn new(input: R, name: &str) -> Result<Self, PartFileError> {
        let mut reader = Self {
            name: name.to_owned(),
            input: BufReader::new(input),
            offset: 0,
            checksum: Hasher::new(),
            section: Section::Window,
            block: Vec::new(),
        };
        let magic: [u8; MAGIC.len()] = match reader.array() {
            Ok(magic) => magic,
            Err(PartFileError {
                trouble: Trouble::Cut { .. },
                ..
            }) => {
                return Err(reader.error(Trouble::NotAPart));
            }
            Err(error) => return Err(error),
        };
        if magic != *MAGIC {
            return Err(reader.error(Trouble::NotAPart));
        }
        let format = u16::from_le_bytes(reader.array()?);
        let [length] = reader.array()?;
        let mut tool = vec![0; usize::from(length)];
        reader.fill(&mut tool)?;
        if format != FORMAT_VERSION {
            let tool = String::from_utf8_lossy(&tool).into_owned();
            return Err(reader.error(Trouble::OtherVersion { format, tool }));
        }
        Ok(reader)
    }

    /// Reads the next block. Returns its section, [`Section::End`] once the file is read.
    pub(super) fn next(&mut self) -> Result<Section, PartFileError> {
        let [number] = self.array()?;
        let length = u32::from_le_bytes(self.array()?) as usize;
        if length > MAX_BLOCK_BYTES {
            return Err(self.error(Trouble::Damaged));
        }
        let mut block = std::mem::take(&mut self.block);
        block.resize(length, 0);
        self.fill(&mut block)?;
        self.block = block;
        let found = self.checksum.clone().finalize();
        if found != u32::from_le_bytes(self.raw()?) {
            return Err(self.error(Trouble::Damaged));
        }
        let section = Section::of(number)
            .filter(|section| *section >= self.section)
            .ok_or_else(|| self.invalid("sections", "they are not in order"))?;
        self.section = section;
        if section == Section::End {
            let more = self
                .input
                .fill_buf()
                .map_err(|error| PartFileError::new(&self.name, Trouble::Unreadable(error)))?;
            if length > 0 || !more.is_empty() {
                return Err(self.invalid("end", "more follows"));
            }
        }
        Ok(section)
    }

    /// The records of the block read last.
    pub(super) fn records(&self) -> Records<'_> {
        Records {
            rest: &self.block,
            name: &self.name,
            section: self.section,
        }
    }

    /// The name that it was opened with.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Bytes read so far.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    fn invalid(&self, place: &'static str, what: &'static str) -> PartFileError {
        self.error(Trouble::Invalid { place, what })
    }

    fn error(&self, trouble: Trouble) -> PartFileError {
        PartFileError::new(&self.name, trouble)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PartFileError> {
        let bytes = self.raw()?;
        self.checksum.update(&bytes);
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), PartFileError> {
        self.read(bytes)?;
        self.checksum.update(bytes);
        Ok(())
    }

    /// Bytes that the checksum leaves out.
    fn raw<const N: usize>(&mut self) -> Result<[u8; N], PartFileError> {
        let mut bytes = [0; N];
        self.read(&mut bytes)?;
        Ok(bytes)
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), PartFileError> {
        match self.input.read_exact(bytes) {
            Ok(()) => {
                self.offset += bytes.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                let after = self.offset;
                Err(self.error(Trouble::Cut { after }))
            }
            Err(error) => Err(self.error(Trouble::Unreadable(error))),
        }
    }
}

/// The records of one block.
pub(super) struct Records<'a> {
    rest: &'a [u8],
    name: &'a str,
    section: Section,
}

impl<'a> Records<'a> {
    /// The next record; `None` at the end of the block.
    pub(super) fn next<T: Deserialize<'a>>(&mut self) -> Result<Option<T>, PartFileError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        match postcard::take_from_bytes(self.rest) {
            Ok((record, rest)) if rest.len() < self.rest.len() => {
                self.rest = rest;
                Ok(Some(record))
            }
            Ok(_) | Err(_) => Err(self.invalid("a record is malformed")),
        }
    }

    /// Whether every record was read.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The error that a record is not what it may be.
    pub(super) fn invalid(&self, what: &'static str) -> PartFileError {
        let place = self.section.name();
        PartFileError::new(self.name, Trouble::Invalid { place, what })
    }
}

/// The same file with every checksum made right, as far as its blocks can be followed: for tests
/// that look behind the checksums.
pub(super) fn repaired(file: &[u8]) -> Vec<u8> {
    const TOOL_LENGTH: usize = MAGIC.len() + 2;
    const BLOCK_HEAD: usize = 5;
    let mut file = file.to_vec();
    let mut checksum = Hasher::new();
    let mut at = 0;
    let mut end = TOOL_LENGTH
        + 1
        + file
            .get(TOOL_LENGTH)
            .map_or(0, |length| usize::from(*length));
    loop {
        let Some(head) = file.get(end..end + BLOCK_HEAD) else {
            return file;
        };
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        end += BLOCK_HEAD + length;
        let (Some(bytes), true) = (file.get(at..end), file.len() >= end + 4) else {
            return file;
        };
        checksum.update(bytes);
        let right = checksum.clone().finalize().to_le_bytes();
        file[end..end + 4].copy_from_slice(&right);
        end += 4;
        at = end;
    }
}
