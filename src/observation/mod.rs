//! All that was seen, before anyone interprets it: captures, flows, and the log of facts that
//! trackers read. Two parts of an input merge into one, and nothing else combines them; a
//! finished [`Observation`] is what the later stages read.

mod capture;
mod continuity;
mod fragment;
mod keep;
mod log;
mod part;
mod part_file;
mod seen;
mod slice;
#[cfg(test)]
mod tests;

pub use capture::CaptureRecord;
pub use continuity::Continuity;
pub use log::{LogEntries, LogEntry, LogKind, MAX_RUNS_PER_FLOW, TftpRun, TftpRunKind};
pub use part::{Part, Piece, Window};
#[doc(hidden)]
pub use part_file::fuzz_part;
pub use part_file::{Merging, PartFile, PartFileError, PartHead, Trouble, is_part_file};
pub use seen::{LimitReached, Observation, Tally};

/// Part of what a [`CaptureRecord`] says.
pub use crate::capture::LinkType;
