//! One compressed input as the bytes it holds, and what is wrong with it in words.

use std::io::{self, Read};

use thiserror::Error;

use super::Compression;
use super::gzip::Gzip;
use super::input::Input;
use super::lz4::Lz4;
use super::zstd::Zstd;
use crate::capture::ProblemKind;

/// Why unpacking ended before the end. It comes as the inner error of a [`io::Error`].
#[derive(Clone, Debug, Error)]
#[error("{message}")]
pub(in crate::capture) struct Fault {
    pub(in crate::capture) kind: ProblemKind,
    pub(in crate::capture) message: String,
}

impl Fault {
    /// The fault that `error` carries, if it came from unpacking.
    pub(in crate::capture) fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        Self::other(fault)
    }
}

/// Unpacks bytes of one compression.
pub(super) trait Decode {
    /// Unpacks some bytes into `into`, which is not empty; 0 once there are no more.
    fn decode(&mut self, into: &mut [u8]) -> Result<usize, Stop>;

    /// Compressed bytes that are done with.
    fn taken(&self) -> u64;
}

/// Why a decoder came no further.
#[derive(Debug)]
pub(super) enum Stop {
    /// The input can't be read.
    Input(io::Error),
    /// The input ends inside a member or frame.
    Cut,
    /// Something else follows the last member or frame.
    Foreign,
    /// The packed bytes contradict themselves, as the text says.
    Damaged(String),
    /// They ask for what is not given, as the text says with what to do.
    Refused(&'static str),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Input(error)
    }
}

/// The bytes that a compressed input holds. An error comes after all that could be unpacked, and
/// comes again.
pub(in crate::capture) struct Unpack<R: Read> {
    compression: Compression,
    decoder: Decoder<R>,
    fault: Option<Fault>,
}

enum Decoder<R: Read> {
    Gzip(Gzip<R>),
    Zstd(Zstd<R>),
    Lz4(Lz4<R>),
}

impl<R: Read> Unpack<R> {
    /// Unpacks `input`, which is read `capacity` bytes at a time.
    pub(in crate::capture) fn new(
        compression: Compression,
        input: R,
        capacity: usize,
    ) -> io::Result<Self> {
        let input = Input::new(input, capacity);
        let decoder = match compression {
            Compression::Gzip => Decoder::Gzip(Gzip::new(input)),
            Compression::Zstd => Decoder::Zstd(Zstd::new(input)?),
            Compression::Lz4 => Decoder::Lz4(Lz4::new(input)),
        };
        Ok(Self {
            compression,
            decoder,
            fault: None,
        })
    }

    /// Compressed bytes that are done with.
    pub(super) fn taken(&self) -> u64 {
        match &self.decoder {
            Decoder::Gzip(decoder) => decoder.taken(),
            Decoder::Zstd(decoder) => decoder.taken(),
            Decoder::Lz4(decoder) => decoder.taken(),
        }
    }

    #[cold]
    fn fault(&self, stop: Stop) -> Fault {
        let (name, at) = (self.compression.name(), self.taken());
        let (kind, message) = match stop {
            Stop::Input(error) => (
                ProblemKind::Unreadable,
                format!("the {name} data can't be read on at its byte {at}: {error}"),
            ),
            Stop::Cut => (
                ProblemKind::Truncated,
                format!("the {name} data ends before its end, after {at} bytes of it"),
            ),
            Stop::Foreign => (
                ProblemKind::Damaged,
                format!("from its byte {at} on, the {name} data is followed by something else"),
            ),
            Stop::Damaged(reason) => (
                ProblemKind::Damaged,
                format!("the {name} data is damaged near its byte {at} ({reason})"),
            ),
            Stop::Refused(text) => (
                ProblemKind::Unreadable,
                format!("at its byte {at}, the {name} data {text}"),
            ),
        };
        Fault { kind, message }
    }
}

impl<R: Read> Read for Unpack<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        if let Some(fault) = &self.fault {
            return Err(fault.clone().into());
        }
        let result = match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder.decode(into),
            Decoder::Zstd(decoder) => decoder.decode(into),
            Decoder::Lz4(decoder) => decoder.decode(into),
        };
        result.map_err(|stop| {
            let fault = self.fault(stop);
            self.fault.insert(fault).clone().into()
        })
    }
}
