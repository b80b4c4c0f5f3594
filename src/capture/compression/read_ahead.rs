//! Unpacks in a thread of its own, a bounded number of blocks ahead of whoever reads.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::{Compression, Fault, Unpack};
use crate::capture::ProblemKind;

/// Blocks that go round between the two threads: one is read while others are filled.
pub(super) const BLOCKS: usize = 4;

/// Bytes of a block: hand-overs don't show, and all blocks fit a second-level cache.
pub(super) const BLOCK_BYTES: usize = 256 << 10;

/// Compressed bytes read at a time.
pub(super) const INPUT_CAPACITY: usize = 128 << 10;

/// What a capture is packed with, and how far that was read.
#[derive(Clone, Debug)]
pub(in crate::capture) struct Packed {
    pub(in crate::capture) compression: Compression,
    taken: Arc<AtomicU64>,
}

impl Packed {
    /// Compressed bytes of what was handed over so far.
    pub(in crate::capture) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

/// The bytes that a compressed input holds, unpacked ahead. The thread ends by itself once this
/// is dropped: at the block it is at, whatever that holds.
pub(in crate::capture) struct ReadAhead {
    filled: Receiver<Block>,
    empty: SyncSender<Block>,
    block: Block,
    /// Bytes of the block that were handed over.
    at: usize,
    packed: Packed,
    dropped: Arc<AtomicBool>,
}

/// Unpacked bytes on their way, or an empty block on its way back.
struct Block {
    bytes: Vec<u8>,
    length: usize,
    /// Compressed bytes that were done with when it was filled.
    taken: u64,
    /// What comes after its bytes where no block follows.
    last: Option<Result<(), Fault>>,
}

impl ReadAhead {
    /// Begins to unpack `input`.
    ///
    /// # Errors
    /// Where the system has no thread or no memory for it.
    pub(in crate::capture) fn new<R: Read + Send + 'static>(
        compression: Compression,
        input: R,
    ) -> io::Result<Self> {
        let dropped = Arc::new(AtomicBool::new(false));
        let input = Wanted {
            input,
            dropped: Arc::clone(&dropped),
        };
        let unpack = Unpack::new(compression, input, INPUT_CAPACITY)?;
        let (give, filled) = sync_channel(BLOCKS);
        let (empty, take) = sync_channel(BLOCKS);
        // One stays here; the others wait to be filled.
        for _ in 1..BLOCKS {
            let _ = empty.send(Block::new());
        }
        thread::Builder::new()
            .name(format!("un{}", compression.name()))
            .spawn(move || run(unpack, &take, &give))?;
        Ok(Self {
            filled,
            empty,
            block: Block::new(),
            at: 0,
            packed: Packed {
                compression,
                taken: Arc::new(AtomicU64::new(0)),
            },
            dropped,
        })
    }

    /// What it is packed with, and how far that was read.
    pub(in crate::capture) fn packed(&self) -> Packed {
        self.packed.clone()
    }

    /// Waits for the next block and sends the one that was read back.
    fn next_block(&mut self) {
        self.at = 0;
        match self.filled.recv() {
            Ok(block) => {
                let read = std::mem::replace(&mut self.block, block);
                // Nobody takes it once the last block is filled.
                let _ = self.empty.send(read);
                self.packed.taken.store(self.block.taken, Ordering::Relaxed);
            }
            Err(_) => {
                self.block.length = 0;
                self.block.last = Some(Err(Fault {
                    kind: ProblemKind::Unreadable,
                    message: format!(
                        "unpacking the {} data ended without a word: an error of this program",
                        self.packed.compression.name()
                    ),
                }));
            }
        }
    }
}

impl Read for ReadAhead {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.block.length && !into.is_empty() {
            match &self.block.last {
                None => self.next_block(),
                Some(Ok(())) => return Ok(0),
                Some(Err(fault)) => return Err(fault.clone().into()),
            }
        }
        let rest = &self.block.bytes[self.at..self.block.length];
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

impl Drop for ReadAhead {
    fn drop(&mut self) {
        // The thread is not waited for: its input may be a pipe on which nothing comes.
        self.dropped.store(true, Ordering::Relaxed);
    }
}

impl Block {
    fn new() -> Self {
        Self {
            bytes: vec![0; BLOCK_BYTES],
            length: 0,
            taken: 0,
            last: None,
        }
    }

    fn fill<R: Read>(&mut self, unpack: &mut Unpack<R>) {
        self.length = 0;
        while self.length < self.bytes.len() && self.last.is_none() {
            match unpack.read(&mut self.bytes[self.length..]) {
                Ok(0) => self.last = Some(Ok(())),
                Ok(count) => self.length += count,
                Err(error) => {
                    let unreadable = || Fault {
                        kind: ProblemKind::Unreadable,
                        message: error.to_string(),
                    };
                    let fault = Fault::of(&error).cloned().unwrap_or_else(unreadable);
                    self.last = Some(Err(fault));
                }
            }
        }
        self.taken = unpack.taken();
    }
}

/// Fills the blocks that come back until there is nothing more or nobody reads.
fn run<R: Read>(mut unpack: Unpack<R>, take: &Receiver<Block>, give: &SyncSender<Block>) {
    for mut block in take {
        block.fill(&mut unpack);
        let last = block.last.is_some();
        if give.send(block).is_err() || last {
            return;
        }
    }
}

/// An input that ends once nobody reads: unpacking may go on for long without giving a byte.
struct Wanted<R> {
    input: R,
    dropped: Arc<AtomicBool>,
}

impl<R: Read> Read for Wanted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.dropped.load(Ordering::Relaxed) {
            return Err(io::Error::other("nobody reads any more"));
        }
        self.input.read(into)
    }
}
