//! gzip: members one after the other, each with its own checksum.

use std::io::Read;

use flate2::{Decompress, DecompressError, FlushDecompress, Status};

use super::Compression;
use super::input::Input;
use super::unpack::{Decode, Stop};

/// Base-2 logarithm of the largest window that deflate knows: 32 KiB.
const WINDOW_BITS: u8 = 15;

pub(super) struct Gzip<R> {
    input: Input<R>,
    inflate: Decompress,
    inside: bool,
    /// What is wrong after the bytes that were given last.
    damage: Option<&'static str>,
}

impl<R: Read> Gzip<R> {
    pub(super) fn new(input: Input<R>) -> Self {
        Self {
            input,
            inflate: Decompress::new_gzip(WINDOW_BITS),
            inside: false,
            damage: None,
        }
    }
}

impl<R: Read> Decode for Gzip<R> {
    fn decode(&mut self, into: &mut [u8]) -> Result<usize, Stop> {
        loop {
            if let Some(reason) = self.damage {
                return Err(Stop::Damaged(reason.to_owned()));
            }
            if !self.inside {
                if !self.input.next_member(Compression::Gzip)? {
                    return Ok(0);
                }
                if self.inflate.total_in() > 0 {
                    self.inflate.reset(true);
                }
                self.inside = true;
            }
            let inflate = &mut self.inflate;
            let packed = self.input.peek(1)?;
            let ended = packed.is_empty();
            let (taken, given) = (inflate.total_in(), inflate.total_out());
            let result = inflate.decompress(packed, into, FlushDecompress::None);
            // Both are at most the lengths of the slices.
            let taken = (inflate.total_in() - taken) as usize;
            let given = (inflate.total_out() - given) as usize;
            self.input.consume(taken);
            match result {
                Ok(Status::StreamEnd) => self.inside = false,
                Ok(_) if ended && given == 0 => return Err(Stop::Cut),
                Ok(_) => {}
                Err(error) => self.damage = Some(reason(&error)),
            }
            if given > 0 {
                return Ok(given);
            }
        }
    }

    fn taken(&self) -> u64 {
        self.input.offset()
    }
}

/// The library's own words depend on how it came there, but for those about the end of a member.
fn reason(error: &DecompressError) -> &'static str {
    match error.message() {
        Some("incorrect data check") => "the checksum of the content is wrong",
        Some("incorrect length check") => "the length of the content is wrong",
        _ => "a member contradicts the format",
    }
}
