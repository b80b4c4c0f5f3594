//! gzip: members one after the other, each with its own checksum.

use std::io::Read;

use flate2::{Decompress, FlushDecompress, Status};

use super::Compression;
use super::input::Input;
use super::unpack::{Decode, Stop};

/// Base-2 logarithm of the largest window that deflate knows: 32 KiB.
const WINDOW_BITS: u8 = 15;

pub(super) struct Gzip<R> {
    input: Input<R>,
    inflate: Decompress,
    inside: bool,
}

impl<R: Read> Gzip<R> {
    pub(super) fn new(input: Input<R>) -> Self {
        Self {
            input,
            inflate: Decompress::new_gzip(WINDOW_BITS),
            inside: false,
        }
    }
}

impl<R: Read> Decode for Gzip<R> {
    fn decode(&mut self, into: &mut [u8]) -> Result<usize, Stop> {
        loop {
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
            if let Ok(Status::StreamEnd) = result {
                self.inside = false;
            }
            if given > 0 {
                // An error comes again at the next call: what stands before is used.
                return Ok(given);
            }
            match result {
                Ok(_) if self.inside && ended => return Err(Stop::Cut),
                Ok(_) => {}
                Err(error) => {
                    let reason = error.message().unwrap_or("no deflate stream");
                    return Err(Stop::Damaged(reason.to_owned()));
                }
            }
        }
    }

    fn taken(&self) -> u64 {
        self.input.offset()
    }
}
