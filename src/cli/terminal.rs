//! Where a command writes: reports on standard output, everything else on standard error, each
//! in colour only where it is a terminal that wants it.

use std::io::{self, BufWriter, IsTerminal, Write};

use anstyle::{AnsiColor, Style};

use super::errors::Failure;
use crate::config::Diagnostics;
use crate::report::{Page, escape};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HELP: Style = AnsiColor::Cyan.on_default().bold();

/// When to write in colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Standard output and standard error with their manners.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    page: Page,
    error_colour: bool,
}

impl Terminal {
    /// Looks at both streams once.
    pub fn new(colour: Colour) -> Self {
        let wanted = |stream: &dyn Fn() -> anstream::ColorChoice| match colour {
            Colour::Auto => stream() != anstream::ColorChoice::Never,
            Colour::Always => true,
            Colour::Never => false,
        };
        let width = terminal_size::terminal_size_of(io::stdout())
            .map_or(Page::WIDTH, |(terminal_size::Width(width), _)| {
                usize::from(width)
            });
        Self {
            page: Page {
                width,
                colour: wanted(&|| anstream::AutoStream::choice(&io::stdout())),
                ..Page::default()
            },
            error_colour: wanted(&|| anstream::AutoStream::choice(&io::stderr())),
        }
    }

    /// Writes a report on standard output. Where its reader has gone, that is no failure: the
    /// rest is not written, and the command ends as it would have.
    pub fn report(
        &self,
        write: impl FnOnce(&Page, &mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let mut out = BufWriter::new(io::stdout().lock());
        match write(&self.page, &mut out).and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(format!(
                "standard output can't be written: {error}"
            ))),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Says what went wrong.
    pub fn error(&self, message: &str) {
        self.say(ERROR, "error", message);
    }

    /// Says what deserves a look.
    pub fn warning(&self, message: &str) {
        self.say(WARNING, "warning", message);
    }

    /// Says what is so.
    #[cfg(feature = "live")]
    pub fn note(&self, message: &str) {
        self.say(HELP, "note", message);
    }

    /// Says what to do.
    pub fn help(&self, message: &str) {
        self.say(HELP, "help", message);
    }

    /// Shows errors and warnings of a file at their places.
    pub fn diagnostics(&self, diagnostics: &Diagnostics) {
        let text = diagnostics.render(self.error_colour);
        // Nobody is left to be told where standard error is closed.
        let _ = writeln!(io::stderr().lock(), "{}", text.trim_end());
    }

    /// Whether progress may be drawn.
    pub fn shows_progress(&self) -> bool {
        io::stderr().is_terminal()
    }

    /// Whether standard error is written in colour.
    #[cfg(feature = "live")]
    pub fn is_error_coloured(&self) -> bool {
        self.error_colour
    }

    fn say(&self, style: Style, label: &str, message: &str) {
        let mut out = io::stderr().lock();
        for line in message.lines() {
            let line = escape::line(line);
            let _ = if self.error_colour {
                writeln!(out, "{style}{label}:{style:#} {line}")
            } else {
                writeln!(out, "{label}: {line}")
            };
        }
    }
}
