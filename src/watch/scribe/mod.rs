//! The scribe: a process of its own that alone writes files, so that the one which reads hostile
//! packets opens none. It gets whole packets and whole reports through one stream, and when the
//! other process ends, however it ends, writes what it was given.
//!
//! ```text
//! watch                                      scribe
//! Scribe ── job, packets, counts, reports ──▶ serve ─▶ queue ─▶ packet file, rotated
//!        ◀─ ready, what went wrong, done ────               └─▶ reports, a thread each
//! ```

mod blocks;
mod client;
mod message;
mod outlet;
mod packet_file;
mod patient;
mod queue;
mod rotation;
mod serve;
mod service;
mod target;
#[cfg(test)]
mod testing;

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

pub use client::{Finished, Scribe};
pub use serve::serve;

/// The hidden command that runs the scribe.
pub const COMMAND: &str = "scribe";

/// What the scribe is to write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Job {
    /// Files that are replaced as a whole, named by their place here.
    pub targets: Vec<PathBuf>,
    /// Where packets go.
    pub packets: Option<PacketFile>,
    /// Who the scribe goes on as; `None`: who it is.
    pub user: Option<String>,
}

/// A file of packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketFile {
    /// Its place. What is there is overwritten, but where files follow each other.
    pub path: PathBuf,
    /// A file that would grow beyond so many bytes is followed by the next one, with a number in
    /// its name: `lab.pcapng`, `lab_00001.pcapng` … Those of earlier runs are gone on after.
    pub rotate_bytes: Option<u64>,
    /// So many files are kept, the one that is being written and those of earlier runs among them; the
    /// oldest go.
    pub keep: Option<usize>,
    /// What every file begins with: a section header and the interfaces, as
    /// [`Blocks`](crate::capture::Blocks) writes them.
    pub header: Vec<u8>,
}

/// What an interface counted since the start, in order of the interfaces of the header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterfaceCounts {
    /// Packets received, those dropped included.
    pub received: u64,
    /// Packets dropped by the kernel or the interface.
    pub dropped: u64,
}

/// What could not be written, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScribeProblem {
    /// The file, as it was named; `None` where it is about the scribe itself.
    pub path: Option<PathBuf>,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for ScribeProblem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(out, "{}: ", path.display())?;
        }
        out.write_str(&self.message)
    }
}

/// Why nothing can be written.
#[derive(Debug, Error)]
pub enum ScribeError {
    /// The process can't be started.
    #[error("the process that writes files can't be started: {0}")]
    Start(#[from] std::io::Error),
    /// It ended before it was ready; what it had to say is on standard error.
    #[error("the process that writes files ended before it began ({0})")]
    Ended(String),
    /// A file can't be written, or the process not locked in.
    #[error("{0}")]
    Refused(String),
}
