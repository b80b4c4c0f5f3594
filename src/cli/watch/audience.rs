//! Who is told what happens: the reader of standard output, the one at the terminal, and files.

use std::io::{self, Write};
use std::time::Duration;

use super::Args;
use super::files::Written;
use crate::cli::terminal::Terminal;
use crate::net::Timestamp;
use crate::verdict::Audit;
use crate::watch::events::{Event, Moment, line};
use crate::watch::{Audience, Watched, now};

/// How often the file of metrics is renewed: collectors come every fifteen seconds or so.
const METRICS_TIME: Duration = Duration::from_secs(2);

/// Everybody who is told.
pub struct Listeners<'a> {
    args: &'a Args,
    terminal: &'a Terminal,
    written: &'a Written,
    /// Whether standard output takes events.
    tells_json: bool,
    /// Whether standard error takes lines.
    tells_lines: bool,
    started: Timestamp,
    measured: Option<Duration>,
}

impl<'a> Listeners<'a> {
    /// Looks who is there.
    pub fn new(args: &'a Args, terminal: &'a Terminal, written: &'a Written) -> Self {
        let tells_json = args.judge.format().name == "jsonl";
        Self {
            args,
            terminal,
            written,
            tells_json: tells_json && !args.judge.is_quiet(),
            tells_lines: !tells_json && !args.no_progress,
            started: now(),
            measured: None,
        }
    }

    /// Writes what stands at the end.
    pub fn end(&self, watched: &Watched) {
        let (audit, moment) = (&watched.audit, &watched.moment);
        self.written.metrics(self.args, audit, moment, self.started);
        self.written.reports(self.args, audit);
    }
}

impl Audience for Listeners<'_> {
    fn tell(&mut self, events: &[Event], audit: &Audit, moment: &Moment) -> bool {
        for problem in self.written.problems() {
            self.terminal.error(&problem.to_string());
        }
        self.written.counts(moment);
        let since = self.measured.map(|last| moment.since_start - last);
        if since.is_none_or(|since| since >= METRICS_TIME) {
            self.measured = Some(moment.since_start);
            self.written.metrics(self.args, audit, moment, self.started);
        }
        if self.tells_lines {
            let mut out = io::stderr().lock();
            for event in events {
                let _ = writeln!(out, "{}", line(event));
            }
        }
        !self.tells_json || json(events).is_ok()
    }

    fn interim(&mut self, audit: &Audit) {
        self.written.reports(self.args, audit);
    }
}

/// Writes events on standard output, at once.
fn json(events: &[Event]) -> io::Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    for event in events {
        writeln!(out, "{}", event.json())?;
    }
    out.flush()
}
