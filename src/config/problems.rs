//! The collector that every reader of a file reports to, so that all errors are found at once.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;

use super::diagnostic::{Diagnostic, Diagnostics, Severity};
use super::source::Source;
use super::text::printable;

/// Diagnostics of one source, while it is being read.
#[derive(Debug)]
pub struct Problems<'s> {
    source: &'s Source,
    found: RefCell<Found>,
}

#[derive(Debug, Default)]
struct Found {
    entries: Vec<Diagnostic>,
    /// Lines with a TOML syntax error: what is read there is not what the author wrote.
    broken_lines: BTreeSet<usize>,
    left_out: usize,
}

impl<'s> Problems<'s> {
    /// More are counted, not kept: nobody mends more at once, and each holds an excerpt.
    pub const MAX_ENTRIES: usize = 500;

    /// No problem yet.
    pub fn new(source: &'s Source) -> Self {
        Self {
            source,
            found: RefCell::default(),
        }
    }

    /// The text that is read.
    pub fn source(&self) -> &'s Source {
        self.source
    }

    /// Reports an error at a byte range.
    pub fn error(&self, span: Range<usize>, message: impl Into<String>) {
        self.report(Severity::Error, span, message.into(), None);
    }

    /// Reports an error with what to do.
    pub fn error_with_help(
        &self,
        span: Range<usize>,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.report(Severity::Error, span, message.into(), help);
    }

    /// Reports something that the author may not mean.
    pub fn warning(&self, span: Range<usize>, message: impl Into<String>, help: Option<String>) {
        self.report(Severity::Warning, span, message.into(), help);
    }

    /// Reports that something is not there. After a syntax error nothing is known to be
    /// missing, so that nothing is said then.
    pub fn missing(&self, span: Range<usize>, message: impl Into<String>, help: Option<String>) {
        if self.found.borrow().broken_lines.is_empty() {
            self.report(Severity::Error, span, message.into(), help);
        }
    }

    /// Reports a syntax error. Later problems on the same line are its consequence and left out.
    pub(super) fn syntax(&self, span: Range<usize>, message: String, help: Option<String>) {
        let line = self.source.line(span.start);
        self.report(Severity::Error, span, message, help);
        self.found.borrow_mut().broken_lines.insert(line);
    }

    /// Whether further problems are only counted, so that looking for advice is of no use.
    pub fn is_full(&self) -> bool {
        self.found.borrow().entries.len() == Self::MAX_ENTRIES
    }

    /// Whether any problem so far is an error.
    pub fn has_errors(&self) -> bool {
        let found = self.found.borrow();
        found
            .entries
            .iter()
            .any(|entry| entry.severity == Severity::Error)
    }

    /// What was found, in the order of the text.
    pub fn finish(self) -> Diagnostics {
        let mut found = self.found.into_inner();
        found
            .entries
            .sort_by_key(|entry| (entry.span.start, entry.severity));
        found.entries.dedup();
        if found.left_out > 0 {
            let message = format!("{} more problems are not shown", found.left_out);
            let help = Some("mend these first".to_owned());
            found
                .entries
                .push(Diagnostic::of_file(self.source.name(), message, help));
        }
        Diagnostics {
            entries: found.entries,
        }
    }

    fn report(
        &self,
        severity: Severity,
        span: Range<usize>,
        message: String,
        help: Option<String>,
    ) {
        let mut found = self.found.borrow_mut();
        if found.entries.len() == Self::MAX_ENTRIES {
            found.left_out += 1;
            return;
        }
        // The line alone is cheap; the column of a long line is not.
        if found.broken_lines.contains(&self.source.line(span.start)) {
            return;
        }
        let (line, column) = self.source.position(span.start);
        found.entries.push(Diagnostic {
            severity,
            file: self.source.name().to_owned(),
            line,
            column,
            excerpt: Some(self.source.excerpt(&span)),
            span,
            // Names in them may come from any file.
            message: printable(&message).into_owned(),
            help: help.map(|help| printable(&help).into_owned()),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_by_place_and_leaves_out_repetitions() {
        let source = Source::new("s.toml", "ab\ncd");
        let problems = Problems::new(&source);
        problems.error(4..5, "second");
        problems.warning(0..1, "first", Some("mend it".to_owned()));
        problems.error(4..5, "second");
        assert!(problems.has_errors());
        assert_eq!(
            problems.finish().to_string(),
            "s.toml:1:1: warning: first; mend it\ns.toml:2:2: error: second"
        );
    }

    #[test]
    fn blames_a_broken_line_once() {
        let source = Source::new("s.toml", "ab\ncd");
        let problems = Problems::new(&source);
        problems.syntax(3..4, "broken".to_owned(), None);
        problems.error(4..5, "consequence");
        problems.missing(0..0, "perhaps on the broken line", None);
        problems.error(0..1, "of its own");
        assert_eq!(
            problems.finish().to_string(),
            "s.toml:1:1: error: of its own\ns.toml:2:1: error: broken"
        );
    }

    #[test]
    fn counts_what_it_does_not_keep() {
        let source = Source::new("s.toml", "x");
        let problems = Problems::new(&source);
        for index in 0..Problems::MAX_ENTRIES + 3 {
            problems.error(0..1, format!("problem {index}"));
        }
        let found = problems.finish();
        assert_eq!(found.entries.len(), Problems::MAX_ENTRIES + 1);
        assert_eq!(
            found.entries.last().map(ToString::to_string).as_deref(),
            Some("s.toml: error: 3 more problems are not shown; mend these first")
        );
    }
}
