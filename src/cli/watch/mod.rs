//! `portolan watch`: interfaces and a site in; events while it runs, and a report at the end.

mod args;
mod audience;
mod files;
mod interfaces;
mod stream;

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

pub use args::Args;

use self::audience::Listeners;
use self::files::Written;
use super::errors::Failure;
use super::outcome::Outcome;
use super::terminal::Terminal;
use super::{input, target};
use crate::capture::live::{LiveCapture, LiveOptions, OpenError};
use crate::config::nearest;
use crate::decode::is_decoded;
use crate::pipeline;
use crate::pipeline::live::{Live, LiveInput};
use crate::report::{Report, escape};
use crate::site::LoadedSite;
use crate::watch::confine::{self, Files, Plan, User};
use crate::watch::{self, Settings, Signals};

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Outcome, Failure> {
    if args.list_interfaces {
        return interfaces::list(terminal);
    }
    check(args)?;
    warn_of_doubles(&args.interface, terminal);
    let site = input::site(&args.site, terminal)?.ok_or_else(|| {
        Failure::with_help(
            "no site file: nothing says which host is what, and what is required",
            "name one with --site, or put portolan.toml into this folder",
        )
    })?;
    let wanted = &site.site.require;
    if args.ends.until_satisfied && wanted.scenarios.is_empty() && wanted.rules.is_empty() {
        return Err(Failure::with_help(
            "--until-satisfied: the site requires nothing, so nothing can satisfy it",
            "name scenarios or rules in [require] of the site file, or use --duration",
        ));
    }
    // All was read: a site may come from a pipe (`<(…)`) or standard input.
    confine::close_inherited();
    confine::leave_standard_input();
    let captures = open(args)?;
    let threads = pipeline::all_cores();
    let written = Written::begin(args, &captures)?;
    let mut signals = Signals::watch().map_err(Failure::new)?;
    lock_in(args, &captures, terminal)?;
    signals.arm().map_err(Failure::new)?;
    let input = LiveInput {
        max_flows: args.max_flows,
        packets: args.ends.packets,
        tap: written.tap(),
    };
    let live = Live::start(captures, input).map_err(Failure::new)?;
    let settings = Settings {
        until_satisfied: args.ends.until_satisfied.then_some(args.ends.settle),
        duration: args.ends.duration,
        interval: args.files.interval,
        idle: args.idle,
        strictness: args.judge.strictness(),
        threads,
    };
    watched(args, terminal, &site, live, &settings, &signals, written)
}

/// Watches to the end, and reports.
fn watched(
    args: &Args,
    terminal: &Terminal,
    site: &LoadedSite,
    live: Live,
    settings: &Settings,
    signals: &Signals,
    written: Written,
) -> Result<Outcome, Failure> {
    let mut listeners = Listeners::new(args, terminal, &written);
    let watched = watch::run(live, site, settings, signals, &mut listeners);
    listeners.end(&watched);
    input::tell_problems(&watched.audit.captures, terminal);
    let report = Report::new(&watched.audit);
    let printed = args.judge.print(&report, terminal);
    let finished = written.finish(&watched.moment);
    for problem in &finished.missing {
        terminal.error(&problem.to_string());
    }
    printed?;
    let outcome = args.judge.outcome(&watched.audit);
    Ok(match finished.is_whole {
        true => outcome,
        false => Outcome::Incomplete,
    })
}

/// Finds out before anything is opened what can't be written at the end.
fn check(args: &Args) -> Result<(), Failure> {
    let inputs: Vec<_> = args.site.path().into_iter().collect();
    args.judge.check(&inputs)?;
    let files = [
        (&args.files.write, "capture"),
        (&args.files.metrics, "metrics file"),
    ];
    for (path, what) in files {
        if let Some(path) = path {
            target::check(path, what, &inputs)?;
        }
    }
    for (path, option) in [
        (&args.files.write, "--write"),
        (&args.files.metrics, "--metrics"),
    ] {
        if path.as_deref() == Some(Path::new("-")) {
            return Err(Failure::with_help(
                format!("{option} takes a file"),
                format!("write {option} /dev/stdout, with --quiet, to have it there"),
            ));
        }
    }
    let reports = args.judge.files().iter().map(|report| &report.path);
    let others = files.into_iter().filter_map(|(path, _)| path.as_ref());
    let paths: Vec<&Path> = reports.chain(others).map(PathBuf::as_path).collect();
    if let Some(path) = paths.iter().find(|path| is_inherited(path)) {
        return Err(Failure::with_help(
            format!("{}: can't be written: {INHERITED}", path.display()),
            "make a named pipe (mkfifo), let a reader wait for it, and name that",
        ));
    }
    target::check_distinct(paths)
}

/// Why nothing is written to what a shell opened for a watch, as with `>(…)`.
const INHERITED: &str = "what parses packets keeps nothing open that others opened";

/// Whether a path stands for a descriptor that was open from the start, other than the standard
/// ones.
fn is_inherited(path: &Path) -> bool {
    let folders = ["/dev/fd", "/proc/self/fd"].map(Path::new);
    let number = path
        .file_name()
        .and_then(|name| name.to_str()?.parse().ok());
    path.parent()
        .is_some_and(|folder| folders.contains(&folder))
        && number.is_some_and(|number: u32| number > 2)
}

/// Says that frames will count twice, where all interfaces are named and single ones, too.
fn warn_of_doubles(interfaces: &[String], terminal: &Terminal) {
    let (all, single): (Vec<&str>, Vec<&str>) = interfaces
        .iter()
        .map(String::as_str)
        .partition(|name| *name == "any");
    if !all.is_empty() && !single.is_empty() {
        let single = single.join(", ");
        terminal.warning(&format!(
            "any shows the frames of all interfaces: those of {single} count twice"
        ));
    }
}

/// Opens every interface once.
fn open(args: &Args) -> Result<Vec<LiveCapture>, Failure> {
    let asked = &args.capture;
    let default = LiveOptions::default();
    let options = LiveOptions {
        snaplen: asked.snaplen.unwrap_or(default.snaplen),
        promiscuous: !asked.no_promiscuous,
        buffer_bytes: asked
            .buffer_size
            .map_or(default.buffer_bytes, |mib| (mib as usize) << 20),
        filter: asked.filter.clone(),
    };
    let mut names: Vec<&str> = Vec::new();
    for name in &args.interface {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let captures = names.into_iter().map(|name| {
        let capture = LiveCapture::open(name, &options).map_err(refused)?;
        decoded(capture)
    });
    captures.collect()
}

/// An interface in whose frames nothing would ever be found must not look like a silent one.
fn decoded(capture: LiveCapture) -> Result<LiveCapture, Failure> {
    let (name, link_type) = (capture.name(), capture.link_type());
    if is_decoded(link_type) {
        return Ok(capture);
    }
    Err(Failure::with_help(
        format!("{name}: its frames are not decoded (link type {link_type})"),
        "watch an interface that carries Ethernet or IP, as a radio does in managed mode",
    ))
}

/// What to do about an interface that can't be opened.
fn refused(error: OpenError) -> Failure {
    let help = match &error {
        OpenError::Permission { .. } => Some(confine::advice()),
        OpenError::NoSuchInterface { name, existing } => {
            let known = existing.iter().map(String::as_str);
            nearest(name, known).map(|nearest| format!("there is {}", escape::line(nearest)))
        }
        _ => None,
    };
    match help {
        Some(help) => Failure::with_help(error, help),
        None => Failure::new(error),
    }
}

/// Gives up what is no longer needed, and says what holds.
fn lock_in(args: &Args, captures: &[LiveCapture], terminal: &Terminal) -> Result<(), Failure> {
    // Files are the other process's.
    let user = User::to_go_on_as(args.user.as_deref(), false).map_err(Failure::new)?;
    let captures: Vec<_> = captures.iter().map(AsFd::as_fd).collect();
    let plan = Plan {
        user,
        files: Files::None,
        captures: &captures,
    };
    let held = confine::lock_in(&plan).map_err(Failure::new)?;
    if !args.no_progress {
        terminal.note(&held.to_string());
    }
    Ok(())
}
