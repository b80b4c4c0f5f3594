//! What can be wrong with what the user named. Every message says what to do next.
//!
//! Names are printed as they are: who prints a message to a terminal escapes it.

use std::fmt;
use std::io;

use thiserror::Error;

use super::compression::{Compression, Fault};

/// Why a source gives no frames at all. What goes wrong after the first bytes is a
/// [`Problem`](super::Problem).
#[derive(Debug, Error)]
pub enum ReadError {
    /// Nothing has that name.
    #[error("{name}: no such file or folder; check the path")]
    NotFound {
        /// The source as the user named it.
        name: String,
    },
    /// It is there, but can't be read.
    #[error("{name}: can't be read ({source}); check that it is a file you may read")]
    Unreadable {
        /// The source as the user named it.
        name: String,
        /// What the system says.
        source: io::Error,
    },
    /// Zero bytes.
    #[error("{name}: the file is empty (0 bytes); check that the capture was written")]
    Empty {
        /// The source as the user named it.
        name: String,
    },
    /// Nothing but zeros, as far as was looked.
    #[error(
        "{name}: the file holds zeros instead of a capture; it was reserved but never written, \
         copy it again"
    )]
    Zeros {
        /// The source as the user named it.
        name: String,
    },
    /// A known form of capture that is not read.
    #[error("{name}: {format} files are not read; {advice}")]
    Foreign {
        /// The source as the user named it.
        name: String,
        /// What the file is.
        format: &'static str,
        /// What to do about it.
        advice: &'static str,
    },
    /// No capture, as far as its first bytes tell.
    #[error("{name}: not a pcap or pcapng capture (it begins with {begins}); check the file")]
    Unrecognised {
        /// The source as the user named it.
        name: String,
        /// Its first bytes in hexadecimal.
        begins: String,
    },
    /// Compressed, but nothing of a capture can be unpacked.
    #[error("{name}: {message}, and nothing before it is a capture; check the file")]
    Packed {
        /// The source as the user named it.
        name: String,
        /// What is wrong with the compressed data.
        message: String,
    },
    /// What is wrong with the bytes that a compressed source holds.
    #[error("{error} (said of what the {} data holds)", .compression.name())]
    Unpacked {
        /// What it is compressed with.
        compression: Compression,
        /// What is wrong.
        error: Box<Self>,
    },
    /// Standard input or a pipe gives its bytes only once.
    #[error("{name}: was read already; standard input and pipes can be read only once")]
    Spent {
        /// The source as the user named it.
        name: String,
    },
}

impl ReadError {
    pub(super) fn from_io(name: &str, source: io::Error) -> Self {
        let name = name.to_owned();
        if let Some(fault) = Fault::of(&source) {
            let message = fault.message.clone();
            return Self::Packed { name, message };
        }
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound { name },
            _ => Self::Unreadable { name, source },
        }
    }

    /// The same error of a source that is compressed so: what was said of its bytes was said of
    /// those it holds.
    pub(super) fn of_unpacked(self, compression: Option<Compression>) -> Self {
        match (compression, &self) {
            (
                Some(compression),
                Self::Empty { .. }
                | Self::Zeros { .. }
                | Self::Foreign { .. }
                | Self::Unrecognised { .. },
            ) => Self::Unpacked {
                compression,
                error: Box::new(self),
            },
            _ => self,
        }
    }

    /// The source as the user named it.
    pub fn name(&self) -> &str {
        match self {
            Self::NotFound { name }
            | Self::Unreadable { name, .. }
            | Self::Empty { name }
            | Self::Zeros { name }
            | Self::Foreign { name, .. }
            | Self::Unrecognised { name, .. }
            | Self::Packed { name, .. }
            | Self::Spent { name } => name,
            Self::Unpacked { error, .. } => error.name(),
        }
    }

    /// Whether the bytes were read and are no capture.
    pub(super) fn is_about_content(&self) -> bool {
        match self {
            Self::Empty { .. }
            | Self::Zeros { .. }
            | Self::Foreign { .. }
            | Self::Unrecognised { .. }
            | Self::Packed { .. }
            | Self::Unpacked { .. } => true,
            Self::NotFound { .. } | Self::Unreadable { .. } | Self::Spent { .. } => false,
        }
    }
}

/// Why something that the user named gives no source.
#[derive(Debug, Error)]
pub enum SourceError {
    /// A file, standard input or a pipe.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A folder in which no file is a capture.
    #[error(
        "{name}: the folder holds no pcap or pcapng capture ({files} files looked at); \
         name another folder, or the files"
    )]
    NoCaptures {
        /// The folder as the user named it.
        name: String,
        /// How many files were looked at.
        files: usize,
    },
    /// More sources than positions can number.
    #[error("more than {limit} captures; audit them in parts and merge those")]
    TooMany {
        /// How many are taken.
        limit: usize,
    },
}

impl SourceError {
    /// What the user named; `None` where no single name is meant.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Read(error) => Some(error.name()),
            Self::NoCaptures { name, .. } => Some(name),
            Self::TooMany { .. } => None,
        }
    }
}

/// Nothing that the user named can be read: every reason, in the order of the names.
#[derive(Debug)]
pub struct SourceErrors(pub Vec<SourceError>);

impl fmt::Display for SourceErrors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return out
                .write_str("no capture is named; name files, folders, or - for standard input");
        }
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                out.write_str("\n")?;
            }
            error.fmt(out)?;
        }
        Ok(())
    }
}

impl std::error::Error for SourceErrors {}

/// What was left out of the sources, though not by mistake.
#[derive(Debug, Error)]
pub enum SourceWarning {
    /// The same file under two names, or under one name twice.
    #[error("{name}: the same file as {first}, read once")]
    Duplicate {
        /// The name that is left out.
        name: String,
        /// The name that is read.
        first: String,
    },
    /// A file of a folder that is no capture.
    #[error("skipped: {0}")]
    NotACapture(ReadError),
    /// An entry of a folder that is neither file nor folder, or a link to a folder.
    #[error("{name}: skipped, neither a file nor a folder itself")]
    NotAFile {
        /// The entry.
        name: String,
    },
}
