//! Where and why reading a capture ended before its end.

use std::fmt;

/// What a capture reader met that it can't read past. Everything before it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Byte offset in the (uncompressed) capture at which the unreadable record begins.
    pub offset: u64,
    /// What sort of problem it is.
    pub kind: ProblemKind,
    /// What is wrong, for people, without the offset.
    pub message: String,
}

/// Sorts of [`Problem`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// The capture ends inside its last record, or what it is compressed with before its end: it
    /// was copied while it was written, or cut off.
    Truncated,
    /// A record contradicts itself or the format, or compressed data does.
    Damaged,
    /// The operating system could not read further, or compressed data asks for too much memory.
    Unreadable,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "at byte {}: {}", self.offset, self.message)
    }
}
