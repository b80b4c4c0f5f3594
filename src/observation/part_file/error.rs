//! Why part files can't be read or merged: what, where, and what to do.

use std::fmt;
use std::io;

use thiserror::Error;

use super::FORMAT_VERSION;
use crate::observation::Window;

/// Why a part file can't be used.
#[derive(Debug, Error)]
#[error("{name}: {trouble}")]
pub struct PartFileError {
    /// The part file as the user named it.
    pub name: String,
    /// What is wrong.
    pub trouble: Trouble,
}

/// What is wrong with a part file.
#[derive(Debug, Error)]
pub enum Trouble {
    /// It can't be opened or read.
    #[error("can't be read ({0})")]
    Unreadable(#[source] io::Error),
    /// It is something else.
    #[error("not a part file")]
    NotAPart,
    /// It was made by a portolan that writes another format.
    #[error(
        "a part file of format {format}, made by portolan {tool}; this one, {}, reads format \
         {FORMAT_VERSION}",
        env!("CARGO_PKG_VERSION")
    )]
    OtherVersion {
        /// Its format.
        format: u16,
        /// The portolan that made it.
        tool: String,
    },
    /// It ends before its end.
    #[error("cut: it ends inside, after byte {after}")]
    Cut {
        /// What could be read.
        after: u64,
    },
    /// A checksum is wrong.
    #[error("damaged: a checksum is wrong")]
    Damaged,
    /// Its checksums are right, and yet it says what can't be.
    #[error("damaged: its {place} can't be right, {what}")]
    Invalid {
        /// Where.
        place: &'static str,
        /// What.
        what: &'static str,
    },
    /// It was another one when its beginning was read.
    #[error("changed while it was read")]
    Changed,
    /// It judges other packets than the part before it.
    #[error("judges packets {window}, {other} those {other_window}")]
    Window {
        /// Its own.
        window: Window,
        /// A part before it.
        other: String,
        /// The window of that part.
        other_window: Window,
    },
    /// It holds a capture that another part holds too.
    #[error("holds {capture}, which {other} holds too: its packets would count twice")]
    Twice {
        /// The capture.
        capture: String,
        /// A part before it.
        other: String,
    },
    /// There are too many captures, or packets.
    #[error("with it there are more captures or packets than can be counted")]
    TooMuch,
}

impl PartFileError {
    pub(super) fn new(name: &str, trouble: Trouble) -> Self {
        Self {
            name: name.to_owned(),
            trouble,
        }
    }

    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self.trouble {
            Trouble::Unreadable(_) => {
                "name a file that `portolan shard` wrote, or - for standard input"
            }
            Trouble::NotAPart => "part files are made by `portolan shard CAPTURE… -o PART`",
            Trouble::OtherVersion { .. } => {
                "make it anew from its captures with this version, or merge with that one"
            }
            Trouble::Cut { .. } | Trouble::Damaged | Trouble::Invalid { .. } => {
                "copy it again, or make it anew from its captures"
            }
            Trouble::Changed => "wait until it is written, then merge again",
            Trouble::Window { .. } => "make all parts with the same --from and --to",
            Trouble::Twice { .. } => {
                "leave one of the parts out; streams of the same name need a --name each"
            }
            Trouble::TooMuch => "merge fewer parts",
        }
    }
}

/// In words that follow "packets".
impl fmt::Display for Window {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.from, self.to) {
            (None, None) => out.write_str("of any time"),
            (Some(from), None) => write!(out, "from {from} on"),
            (None, Some(to)) => write!(out, "up to {to}"),
            (Some(from), Some(to)) => write!(out, "from {from} to {to}"),
        }
    }
}
