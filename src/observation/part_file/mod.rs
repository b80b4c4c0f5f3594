//! Part files: what was seen in some captures, kept until it is merged with what was seen in
//! others. A file holds a whole [`super::Part`] and no verdict, so that merging files gives the same
//! observation as reading all their captures at once, whatever their grouping and order.
//!
//! `container` cuts the file into checked blocks; records in them are written by
//! [postcard](https://postcard.jamesmunns.com), one module per structure. What is read is taken
//! for hostile: every index, count and bit is checked before it reaches a table, and nothing is
//! allocated for more than was read.

mod budget;
mod container;
mod entries;
mod errors;
mod error;
mod flows;
mod folded;
mod fragments;
mod fuzz;
mod head;
mod read;
#[cfg(test)]
mod tests;
mod wire;
mod write;

pub use error::{PartFileError, Trouble};
pub use fuzz::fuzz_part;
pub use head::PartHead;
pub use read::{Merging, PartFile};

/// Whether a file that begins so is, or was to be, a part file.
pub fn is_part_file(beginning: &[u8]) -> bool {
    beginning.starts_with(MAGIC)
}

/// What a part file begins with; the first byte is no text in any encoding in use.
const MAGIC: &[u8; 14] = b"\x93portolan-part";

/// Version of the format. A file of another one is refused.
///
/// It goes up with every change after which the same captures give another file: of the layout,
/// and of what is read out of packets (what is decoded, what makes a flow, what enters the log,
/// which bounds hold but the one that the user gives). Policy, trackers and verdicts come after the merge and don't matter. So
/// files of one version give one result, whichever portolan made them.
const FORMAT_VERSION: u16 = 3;
