//! zstd: frames one after the other.

use std::io::{self, Read};

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::Compression;
use super::input::Input;
use super::unpack::{Decode, Stop};

/// Base-2 logarithm of the largest window that a frame may ask for: 128 MiB, the most that
/// `zstd` itself takes without being told to, and what `--long` and `--ultra -22` use.
const WINDOW_LOG_MAX: u32 = 27;

/// What the library says where a frame asks for more.
const WINDOW_TOO_LARGE: &str = "Frame requires too much memory for decoding";

/// Header of a block. The decoder wants that of the next one together with a block.
const BLOCK_HEADER: usize = 3;

/// With so many bytes of a frame the decoder knows how many it wants next.
const FIRST_WANTED: usize = 5;

pub(super) struct Zstd<R> {
    input: Input<R>,
    decoder: Decoder<'static>,
    inside: bool,
    /// Bytes that the decoder wants next: a block and the header after it. It is given no more
    /// than the block: a call that fails loses all that it unpacked.
    wanted: usize,
    /// Whether it may hold more of the last block. It is asked for that first, for the same reason.
    pending: bool,
}

impl<R: Read> Zstd<R> {
    pub(super) fn new(input: Input<R>) -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))?;
        Ok(Self {
            input,
            decoder,
            inside: false,
            wanted: FIRST_WANTED,
            pending: false,
        })
    }
}

impl<R: Read> Decode for Zstd<R> {
    fn decode(&mut self, into: &mut [u8]) -> Result<usize, Stop> {
        loop {
            if !self.inside {
                if !self.input.next_member(Compression::Zstd)? {
                    return Ok(0);
                }
                self.decoder.reinit()?;
                self.inside = true;
                self.wanted = FIRST_WANTED;
            }
            let packed = self.input.peek(self.wanted)?;
            let ended = packed.is_empty();
            let count = match self.wanted {
                _ if self.pending => 0,
                wanted if wanted > BLOCK_HEADER => wanted - BLOCK_HEADER,
                wanted => wanted,
            };
            let packed = &packed[..packed.len().min(count)];
            let (mut from, mut to) = (InBuffer::around(packed), OutBuffer::around(&mut *into));
            let result = self.decoder.run(&mut from, &mut to);
            let (taken, given) = (from.pos(), to.pos());
            self.input.consume(taken);
            match result {
                Ok(0) => self.inside = false,
                Ok(wanted) => self.wanted = wanted,
                Err(error) => return Err(stop(&error)),
            }
            let pending = std::mem::replace(&mut self.pending, given == into.len());
            if given > 0 {
                return Ok(given);
            }
            if self.inside && ended && !pending {
                return Err(Stop::Cut);
            }
        }
    }

    fn taken(&self) -> u64 {
        self.input.offset()
    }
}

fn stop(error: &io::Error) -> Stop {
    let reason = error.to_string();
    if reason == WINDOW_TOO_LARGE {
        return Stop::Refused(
            "asks for a window of more than 128 MiB; pipe it in: \
             `zstd -dc --long=31 FILE | portolan COMMAND -`",
        );
    }
    Stop::Damaged(reason)
}
