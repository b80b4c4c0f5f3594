//! Who is told what happens: the reader of standard output, the one at the terminal, and files.

use std::io::{self, Stderr, Stdout};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::sys::stat::{SFlag, fstat};

use super::Args;
use super::files::{self, Written};
use super::stream::{Stream, is_reader_gone};
use crate::cli::terminal::Terminal;
use crate::net::Timestamp;
use crate::verdict::Audit;
use crate::watch::checklist::Checklist;
use crate::watch::events::{EventKind, InterfaceState, line};
use crate::watch::{Audience, Look, Watched};

/// How often the file of metrics is renewed: collectors come every fifteen seconds or so.
const METRICS_TIME: Duration = Duration::from_secs(2);

/// Everybody who is told.
pub struct Listeners<'a> {
    args: &'a Args,
    terminal: &'a Terminal,
    written: &'a Written,
    /// Standard output, where it takes events.
    events: Option<Stream<Stdout>>,
    /// What standard error shows.
    shows: Shows,
    /// Whether all is in vain where nobody reads standard output.
    needs_reader: bool,
    started: Timestamp,
    measured: Option<Duration>,
    /// Why it ended, and how much was seen: nothing of the checklist is left by then.
    ended: Option<String>,
}

/// What standard error shows.
enum Shows {
    Nothing,
    /// A line for each event.
    Lines(Stream<Stderr>),
    Checklist(Checklist),
}

impl Shows {
    fn new(args: &Args, terminal: &Terminal, tells_json: bool) -> Self {
        // On one terminal events, or what reads them from a pipe, would be written over.
        let is_free = !tells_json || is_file(io::stdout());
        if args.no_progress {
            Self::Nothing
        } else if terminal.shows_progress() && is_free {
            Self::Checklist(Checklist::new(terminal.is_error_coloured()))
        } else if tells_json {
            Self::Nothing
        } else {
            Self::Lines(Stream::new(io::stderr()))
        }
    }
}

/// Whether what is written there goes to a file, and so nowhere near a terminal.
fn is_file(to: impl AsFd) -> bool {
    let stat = fstat(to).map(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT);
    stat.is_ok_and(|kind| kind == SFlag::S_IFREG)
}

impl<'a> Listeners<'a> {
    /// Looks who is there.
    pub fn new(args: &'a Args, terminal: &'a Terminal, written: &'a Written) -> Self {
        let tells_json = args.judge.format().name == "jsonl" && !args.judge.is_quiet();
        Self {
            args,
            terminal,
            written,
            events: tells_json.then(|| Stream::new(io::stdout())),
            shows: Shows::new(args, terminal, tells_json),
            needs_reader: tells_json || !args.judge.is_quiet() && !files::are_wanted(args),
            started: Timestamp::now(),
            measured: None,
            ended: None,
        }
    }

    fn tell_problems(&mut self) {
        // A terminal that takes nothing is told later.
        if let Shows::Checklist(checklist) = &mut self.shows
            && !checklist.is_free()
        {
            return;
        }
        for problem in self.written.problems() {
            if let Shows::Checklist(checklist) = &mut self.shows {
                checklist.clear();
            }
            self.terminal.error(&problem.to_string());
        }
    }

    /// Writes what stands at the end, and leaves a clean screen for the report.
    pub fn end(mut self, watched: &Watched) {
        let audit = &watched.audit;
        let mut moment = watched.moment.clone();
        // Nothing is taken from them any more.
        for interface in &mut moment.interfaces {
            interface.state = InterfaceState::Gone;
        }
        self.written
            .metrics(self.args, audit, &moment, self.started);
        self.written.reports(self.args, audit);
        // Last, as it may wait for a reader: the report that follows would, too.
        if let Some(out) = &mut self.events {
            let _ = out.write_all();
        }
        match &mut self.shows {
            Shows::Nothing => {}
            Shows::Lines(out) => {
                let _ = out.write_all();
            }
            Shows::Checklist(checklist) => {
                checklist.clear();
                let mut out = Stream::new(io::stderr());
                self.ended.iter().for_each(|ended| out.line(ended));
                let _ = out.write();
            }
        }
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
        let mut events = look.events.iter();
        let end = events.find(|event| matches!(event.kind, EventKind::WatchEnded(_)));
        self.ended = end.map(line);
        match &mut self.shows {
            Shows::Nothing => {}
            Shows::Lines(out) => {
                look.events.iter().for_each(|event| out.line(&line(event)));
                // Nobody is left to be told where that is closed.
                let _ = out.write();
            }
            Shows::Checklist(checklist) => {
                checklist.draw(look.audit, moment, look.teller, look.ends);
            }
        }
        let is_written = self.events.as_mut().is_none_or(|out| {
            look.events.iter().for_each(|event| out.line(&event.json()));
            out.write().is_ok()
        });
        is_written && !(self.needs_reader && is_reader_gone(io::stdout()))
    }

    fn is_ready(&mut self) -> bool {
        let lines = match &mut self.shows {
            Shows::Lines(out) => out.write().is_err() || out.is_empty(),
            Shows::Nothing | Shows::Checklist(_) => true,
        };
        let events = self.events.as_mut();
        lines && events.is_none_or(|out| out.write().is_err() || out.is_empty())
    }

    fn interim(&mut self, audit: &Audit) {
        self.written.reports(self.args, audit);
    }

    fn stops(&mut self) {
        self.written.hurry();
    }
}
