//! Errors and warnings of a configuration file.

use std::fmt;
use std::ops::Range;

/// Whether a diagnostic stops the audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file can't be used.
    Error,
    /// It can, but says something that its author may not mean.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

/// One thing wrong with one place of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// Name of the file as the user gave it.
    pub file: String,
    /// Line from 1; 0 where the whole file is meant.
    pub line: usize,
    /// Column from 1, in characters; 0 where the whole file is meant.
    pub column: usize,
    /// Byte range in the file.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do, the nearest valid name first.
    pub help: Option<String>,
    /// The line itself; `None` where the whole file is meant.
    pub excerpt: Option<Excerpt>,
}

impl Diagnostic {
    /// An error about a file as a whole.
    pub fn of_file(file: &str, message: String, help: Option<String>) -> Self {
        Self {
            severity: Severity::Error,
            file: file.to_owned(),
            line: 0,
            column: 0,
            span: 0..0,
            message,
            help,
            excerpt: None,
        }
    }
}

/// One line, in the form that compilers use and editors read.
impl fmt::Display for Diagnostic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", super::text::printable(&self.file))?;
        if self.line > 0 {
            write!(out, ":{}:{}", self.line, self.column)?;
        }
        write!(out, ": {}: {}", self.severity, self.message)?;
        match &self.help {
            Some(help) => write!(out, "; {help}"),
            None => Ok(()),
        }
    }
}

/// The part of a line around a diagnostic, safe to print: control characters are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// Text, at most a few hundred characters.
    pub text: String,
    /// Byte range of the diagnostic in `text`.
    pub span: Range<usize>,
    /// Whether the line begins before `text` does.
    pub cut: bool,
}

/// All diagnostics of a file and of the files it names, in the order of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    /// Errors and warnings.
    pub entries: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Whether any of them is an error.
    pub fn has_errors(&self) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.severity == Severity::Error)
    }

    /// How many of them are errors, and how many warnings.
    pub fn counts(&self) -> (usize, usize) {
        let errors = self
            .entries
            .iter()
            .filter(|entry| entry.severity == Severity::Error)
            .count();
        (errors, self.entries.len() - errors)
    }

    /// Adds those of another file.
    pub fn append(&mut self, mut others: Diagnostics) {
        self.entries.append(&mut others.entries);
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(entry: Diagnostic) -> Self {
        Self {
            entries: vec![entry],
        }
    }
}

/// A line each.
impl fmt::Display for Diagnostics {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, entry) in self.entries.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            write!(out, "{entry}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}
