//! Audit → bytes. The model of `portolan.report.v1` is built once; every format reads it.
//! Knows no file names beyond the one it writes, and no terminal beyond its width.

pub mod escape;
pub mod file;
pub mod flow_record;
pub mod model;

mod csv;
mod json;
mod jsonl;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
mod text;

use std::io::{self, Write};

pub use model::Report;
pub use text::{Ink, Pen, Table, units};

/// What a report is written on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Columns, for formats that people read.
    pub width: usize,
    /// Whether terminal colours are understood.
    pub colour: bool,
    /// Entries of a section that people read, before the rest is only counted.
    pub entries: usize,
    /// Whether every rule is listed with its use.
    pub rules: bool,
}

impl Page {
    /// Width where nothing tells one.
    pub const WIDTH: usize = 80;
    /// A screen or two of each section; machines read every entry in the other formats.
    pub const ENTRIES: usize = 20;
}

impl Default for Page {
    /// A file, or a pipe.
    fn default() -> Self {
        Self {
            width: Self::WIDTH,
            colour: false,
            entries: Self::ENTRIES,
            rules: false,
        }
    }
}

/// A way to write a report.
#[derive(Clone, Copy)]
pub struct Format {
    /// Value of `--format`.
    pub name: &'static str,
    /// Usual extension of such a file.
    pub extension: &'static str,
    /// What it is for, in a few words.
    pub purpose: &'static str,
    /// Writes the whole report.
    pub write: fn(&Report, &Page, &mut dyn Write) -> io::Result<()>,
}

/// Every format. Options, help and tests walk this list.
pub const FORMATS: [Format; 4] = [
    Format {
        name: "text",
        extension: "txt",
        purpose: "for people: summary first, then what needs action",
        write: text::write,
    },
    Format {
        name: "json",
        extension: "json",
        purpose: "the whole report as one document, portolan.report.v1",
        write: json::write,
    },
    Format {
        name: "jsonl",
        extension: "jsonl",
        purpose: "one object a line, each with a type",
        write: jsonl::write,
    },
    Format {
        name: "csv",
        extension: "csv",
        purpose: "the findings as a table",
        write: csv::write,
    },
];

/// The format of that name.
pub fn format(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

impl std::fmt::Debug for Format {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_tuple("Format").field(&self.name).finish()
    }
}
