//! Who is told what happens: the reader of standard output, the one at the terminal, and files.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::Args;
use super::files::{self, Written};
use crate::cli::terminal::Terminal;
use crate::net::Timestamp;
use crate::verdict::Audit;
use crate::watch::checklist::Checklist;
use crate::watch::events::{Event, InterfaceState, line};
use crate::watch::{Audience, Look, Watched};

/// How often the file of metrics is renewed: collectors come every fifteen seconds or so.
const METRICS_TIME: Duration = Duration::from_secs(2);

/// Everybody who is told.
pub struct Listeners<'a> {
    args: &'a Args,
    terminal: &'a Terminal,
    written: &'a Written,
    /// Whether standard output takes events.
    tells_json: bool,
    /// What standard error shows.
    shows: Shows,
    /// Whether all is in vain where nobody reads standard output.
    needs_reader: bool,
    started: Timestamp,
    measured: Option<Duration>,
}

/// What standard error shows.
enum Shows {
    Nothing,
    /// A line for each event.
    Lines,
    Checklist(Checklist),
}

impl Shows {
    fn new(args: &Args, terminal: &Terminal, tells_json: bool) -> Self {
        // Both on one terminal would write over each other.
        let is_free = !(tells_json && io::stdout().is_terminal());
        if args.no_progress {
            Self::Nothing
        } else if terminal.shows_progress() && is_free {
            Self::Checklist(Checklist::new(terminal.is_error_coloured()))
        } else if tells_json {
            Self::Nothing
        } else {
            Self::Lines
        }
    }
}

impl<'a> Listeners<'a> {
    /// Looks who is there.
    pub fn new(args: &'a Args, terminal: &'a Terminal, written: &'a Written) -> Self {
        let tells_json = args.judge.format().name == "jsonl" && !args.judge.is_quiet();
        Self {
            args,
            terminal,
            written,
            tells_json,
            shows: Shows::new(args, terminal, tells_json),
            needs_reader: tells_json || !args.judge.is_quiet() && !files::are_wanted(args),
            started: Timestamp::now(),
            measured: None,
        }
    }

    fn tell_problems(&mut self) {
        for problem in self.written.problems() {
            if let Shows::Checklist(checklist) = &mut self.shows {
                checklist.clear();
            }
            self.terminal.error(&problem.to_string());
        }
    }

    /// Writes what stands at the end, and leaves a clean screen for the report.
    pub fn end(self, watched: &Watched) {
        let audit = &watched.audit;
        let mut moment = watched.moment.clone();
        // Nothing is taken from them any more.
        for interface in &mut moment.interfaces {
            interface.state = InterfaceState::Gone;
        }
        self.written
            .metrics(self.args, audit, &moment, self.started);
        self.written.reports(self.args, audit);
    }
}

impl Audience for Listeners<'_> {
    fn tell(&mut self, look: &Look<'_>) -> bool {
        let moment = look.moment;
        self.tell_problems();
        self.written.counts(moment);
        let since = self.measured.map(|last| moment.since_start - last);
        if since.is_none_or(|since| since >= METRICS_TIME) {
            self.measured = Some(moment.since_start);
            self.written
                .metrics(self.args, look.audit, moment, self.started);
        }
        match &mut self.shows {
            Shows::Nothing => {}
            Shows::Lines => lines(look.events),
            Shows::Checklist(checklist) => {
                checklist.draw(look.audit, moment, look.teller, look.ends);
            }
        }
        let is_told = !self.tells_json || json(look.events).is_ok();
        is_told && !(self.needs_reader && is_reader_gone())
    }

    fn interim(&mut self, audit: &Audit) {
        self.written.reports(self.args, audit);
    }
}

/// Writes events on standard error. Nobody is left to be told where that is closed.
fn lines(events: &[Event]) {
    let mut out = io::stderr().lock();
    for event in events {
        let _ = writeln!(out, "{}", line(event));
    }
}

/// Whether standard output is a pipe whose other end was closed.
fn is_reader_gone() -> bool {
    let out = io::stdout();
    let mut files = [PollFd::new(out.as_fd(), PollFlags::empty())];
    poll(&mut files, PollTimeout::ZERO).is_ok()
        && files[0]
            .revents()
            .is_some_and(|events| events.contains(PollFlags::POLLERR))
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
