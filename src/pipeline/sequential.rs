//! One capture after the other, on one thread.

use std::io::Read;

use crate::capture::{Batch, Problem, ProblemKind, Reader, Source, SourceError, Sources};
use crate::net::Timestamp;
use crate::observation::{Observation, Part, Piece, Window};

/// How the input is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Which packets are judged.
    pub window: Window,
    /// Whether a capture that ends inside its last record is whole all the same.
    pub accept_truncated: bool,
}

/// How far reading has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// A capture begins.
    Capture {
        /// Its name.
        source: &'a str,
    },
    /// More was read.
    Read {
        /// Bytes of the capture read since the last event.
        bytes: u64,
    },
}

/// Reads every source, and finishes what was seen: see [`part`].
pub fn observe(
    sources: &Sources,
    options: &Options,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Observation {
    part(sources, options, progress).finish()
}

/// Reads every source. What can't be read stands in the captures of the part with its problem, so
/// that nothing is left out silently.
pub fn part(sources: &Sources, options: &Options, progress: &mut dyn FnMut(Progress<'_>)) -> Part {
    let mut whole = Part::default();
    for source in &sources.list {
        progress(Progress::Capture {
            source: &source.name,
        });
        whole = whole.merge(observe_source(source, options, progress));
    }
    // By themselves first: each may stand before others, and then what is there is numbered anew.
    let failed = sources.failed.iter().map(unread);
    let failed = failed.fold(Part::default(), Part::merge);
    whole.merge(failed)
}

fn observe_source(
    source: &Source,
    options: &Options,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Part {
    match source.open() {
        Ok(mut reader) => {
            observe_reader(&mut reader, &source.name, source.first, options, progress)
        }
        Err(error) => unopened(&source.name, error.to_string()),
    }
}

/// Reads one capture to its end. `first` is the time of its first frame.
pub fn observe_reader<R: Read>(
    reader: &mut Reader<R>,
    name: &str,
    first: Option<Timestamp>,
    options: &Options,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Part {
    let piece = Piece {
        source: name.to_owned(),
        format: Some(reader.format()),
        compression: None,
        first: first.unwrap_or(Timestamp::MAX),
        offset: 0,
    };
    let mut part = Part::new(piece, options.window);
    let mut read = 0;
    loop {
        let batch = reader.read_batch(|frames| part.add(frames));
        let now = reader.bytes_read();
        progress(Progress::Read { bytes: now - read });
        read = now;
        match batch {
            Batch::More => {}
            Batch::End => break,
        }
    }
    let problem = problem(reader.problem(), options);
    part.close(reader.frames(), reader.kernel_drops(), problem);
    part
}

fn problem(problem: Option<&Problem>, options: &Options) -> Option<String> {
    let problem = problem?;
    match problem.kind {
        ProblemKind::Truncated if options.accept_truncated => None,
        ProblemKind::Truncated => Some(format!(
            "{problem}; what stands before was used (--accept-truncated takes it as whole)"
        )),
        ProblemKind::Damaged | ProblemKind::Unreadable => {
            Some(format!("{problem}; what stands before was used"))
        }
    }
}

fn unread(error: &SourceError) -> Part {
    unopened(error.name().unwrap_or("captures"), error.to_string())
}

/// A source that gave no frames, so that the report names it.
fn unopened(name: &str, problem: String) -> Part {
    let piece = Piece {
        source: name.to_owned(),
        format: None,
        compression: None,
        first: Timestamp::MAX,
        offset: 0,
    };
    let mut part = Part::new(piece, Window::default());
    part.close(0, None, Some(problem));
    part
}
