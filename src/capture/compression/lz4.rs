//! lz4: frames one after the other, of blocks of at most 4 MiB.

use std::io::Read;

use lz4_flex::frame::{Error, FrameDecoder};

use super::Compression;
use super::input::Input;
use super::unpack::{Decode, Stop};

/// Where a frame says how large its blocks are and how they hang together.
const LAYOUT: std::ops::Range<usize> = 4..6;

pub(super) struct Lz4<R: Read> {
    /// `None` only while it is made anew.
    decoder: Option<FrameDecoder<Input<R>>>,
    inside: bool,
    layout: [u8; 2],
}

impl<R: Read> Lz4<R> {
    pub(super) fn new(input: Input<R>) -> Self {
        Self {
            decoder: Some(FrameDecoder::new(input)),
            inside: false,
            layout: [0; 2],
        }
    }
}

impl<R: Read> Decode for Lz4<R> {
    fn decode(&mut self, into: &mut [u8]) -> Result<usize, Stop> {
        loop {
            let decoder = self.decoder.as_mut().expect("put back below");
            if !self.inside {
                let input = decoder.get_mut();
                if !input.next_member(Compression::Lz4)? {
                    return Ok(0);
                }
                let layout = input.peek(LAYOUT.end)?.get(LAYOUT).ok_or(Stop::Cut)?;
                self.inside = true;
                if layout != self.layout {
                    // The decoder's buffers fit one layout.
                    self.layout.copy_from_slice(layout);
                    let old = self.decoder.take().expect("put back below");
                    self.decoder = Some(FrameDecoder::new(old.into_inner()));
                    continue;
                }
            }
            match decoder.read(into) {
                // It says the same of an end mark and of an input that ends without one.
                Ok(0) if decoder.get_ref().ran_out() => return Err(Stop::Cut),
                Ok(0) => self.inside = false,
                Ok(count) => return Ok(count),
                Err(error) => {
                    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
                    return Err(match inner {
                        Some(inner) => Stop::Damaged(reason(inner).to_owned()),
                        None if decoder.get_ref().ran_out() => Stop::Cut,
                        None => Stop::Input(error),
                    });
                }
            }
        }
    }

    fn taken(&self) -> u64 {
        self.decoder
            .as_ref()
            .map_or(0, |decoder| decoder.get_ref().offset())
    }
}

fn reason(error: &Error) -> &'static str {
    match error {
        Error::HeaderChecksumError => "the checksum of a frame header is wrong",
        Error::BlockChecksumError => "the checksum of a block is wrong",
        Error::ContentChecksumError => "the checksum of the content is wrong",
        Error::ContentLengthError { .. } => "the length of the content is wrong",
        Error::DictionaryNotSupported => "it needs a dictionary",
        Error::BlockTooBig => "a block is larger than its frame allows",
        _ => "a frame contradicts the format",
    }
}
