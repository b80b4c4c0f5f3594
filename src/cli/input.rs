//! From what the user named to what was seen in it: captures read, site file loaded, trackers
//! run. What goes wrong is said on standard error; what could be read is still used.

use std::path::Path;

use super::args::{InputArgs, SiteArgs};
use super::errors::Failure;
use super::progress::ProgressLine;
use super::terminal::Terminal;
use crate::capture::{self, ReadError, SourceWarning};
use crate::observation::{CaptureRecord, Observation, Part};
use crate::pipeline::{self, Cutting, Options};
use crate::report::units;
use crate::site::{LoadedSite, Site};

/// Reads the captures, and says what is wrong with them.
///
/// # Errors
/// Where none of them can be read at all.
pub fn observe(args: &InputArgs, terminal: &Terminal) -> Result<Observation, Failure> {
    let observation = read(args, terminal)?.finish();
    tell_problems(observation.captures(), terminal);
    Ok(observation)
}

/// Reads the captures.
///
/// # Errors
/// Where none of them can be read at all.
pub fn read(args: &InputArgs, terminal: &Terminal) -> Result<Part, Failure> {
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from > to
    {
        return Err(Failure::with_help(
            "--from is later than --to: no packet lies between",
            "exchange the two times",
        ));
    }
    let sources = capture::sources(&args.captures).map_err(Failure::new)?;
    warn(&sources.warnings, terminal);
    let options = Options {
        window: args.window(),
        accept_truncated: args.accept_truncated,
        threads: args.threads(),
        cutting: Cutting::default(),
        max_flows: args.max_flows,
    };
    let sizes = sources.list.iter().map(|source| source.size);
    let shown = terminal.shows_progress() && !args.no_progress;
    let progress = ProgressLine::new(sizes.sum(), shown);
    Ok(pipeline::part(&sources, &options, &mut |event| {
        progress.update(event)
    }))
}

/// Says why captures could not be read to their end.
pub fn tell_problems<'a>(
    captures: impl IntoIterator<Item = &'a CaptureRecord>,
    terminal: &Terminal,
) {
    for capture in captures {
        if let Some(problem) = &capture.problem {
            terminal.error(&about(&capture.source, problem));
        }
    }
}

/// What was left out, by name; of the files that are something else altogether the first few, the
/// rest counted.
fn warn(warnings: &[SourceWarning], terminal: &Terminal) {
    const NAMED: usize = 5;
    let mut others = 0;
    for warning in warnings {
        if let SourceWarning::NotACapture(ReadError::Unrecognised { .. }) = warning {
            others += 1;
            if others > NAMED {
                continue;
            }
        }
        terminal.warning(&warning.to_string());
    }
    if others > NAMED {
        let more = units::number((others - NAMED) as u64);
        terminal.warning(&format!("skipped: {more} more that are no captures either"));
    }
}

/// A problem with the name of its capture before it, where it does not say it itself.
fn about(source: &str, problem: &str) -> String {
    if problem.starts_with(source) {
        problem.to_owned()
    } else {
        format!("{source}: {problem}")
    }
}

/// Loads the site file that is named, or the default one; `None` where there is neither.
///
/// # Errors
/// Everything that is wrong with it.
pub fn site(args: &SiteArgs, terminal: &Terminal) -> Result<Option<LoadedSite>, Failure> {
    args.path()
        .map(|path| load_site(&path, terminal))
        .transpose()
}

/// Loads a site file and shows its warnings.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_site(path: &Path, terminal: &Terminal) -> Result<LoadedSite, Failure> {
    let loaded = Site::load(path)?;
    if !loaded.warnings.entries.is_empty() {
        terminal.diagnostics(&loaded.warnings);
    }
    Ok(loaded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_its_capture_once() {
        assert_eq!(about("a.pcap", "a.pcap: empty"), "a.pcap: empty");
        assert_eq!(about("a.pcap", "ends early"), "a.pcap: ends early");
    }
}
