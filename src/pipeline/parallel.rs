//! Workers that take captures and pieces of captures from one queue, and what they saw put
//! together.

use std::collections::BTreeMap;
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::piece::{begin, problem, read, unopened};
use super::plan::{Capture, Plan, Task};
use super::{Options, Progress};
use crate::capture::{Drops, SourceError, Sources};
use crate::net::Timestamp;
use crate::observation::{Observation, Part};

/// How often progress is told: often enough to look alive.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(50);

/// A worker that reads nothing now.
const IDLE: usize = usize::MAX;

/// Reads every source, and finishes what was seen: see [`part`].
///
/// # Panics
/// Where a worker does.
pub fn observe(
    sources: &Sources,
    options: &Options,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Observation {
    part(sources, options, progress).finish()
}

/// Reads every source. What can't be read stands in the captures of the part with its problem, so
/// that nothing is left out silently.
///
/// # Panics
/// Where a worker does.
pub fn part(sources: &Sources, options: &Options, progress: &mut dyn FnMut(Progress<'_>)) -> Part {
    let Plan { captures, tasks } = Plan::new(sources, options);
    let workers = options.threads.get().min(tasks.len());
    let work = Work {
        captures: &captures,
        tasks: Mutex::new(tasks.into_iter()),
        reading: (0..workers).map(|_| AtomicUsize::new(IDLE)).collect(),
        options,
    };
    let done = thread::scope(|scope| {
        // Nothing is sent: the channel closes once no worker is left, whatever became of it.
        let (running, all_done) = mpsc::channel::<()>();
        let start = |worker| {
            let (work, running) = (&work, running.clone());
            thread::Builder::new().spawn_scoped(scope, move || {
                let done = work.run(worker);
                drop(running);
                done
            })
        };
        // Where the system has no thread left, there are fewer.
        let handles: Vec<_> = (0..workers)
            .filter_map(|worker| start(worker).ok())
            .collect();
        drop(running);
        let here = handles.is_empty().then(|| work.run(0));
        while all_done.recv_timeout(PROGRESS_INTERVAL) == Err(RecvTimeoutError::Timeout) {
            work.tell(progress);
        }
        let joined = handles.into_iter().map(|handle| handle.join());
        let done: Vec<Done> = joined
            .map(|done| done.unwrap_or_else(|payload| panic::resume_unwind(payload)))
            .chain(here)
            .collect();
        work.tell(progress);
        done
    });
    let mut parts = joined(&captures, done);
    parts.extend(sources.failed.iter().map(unread));
    Part::merge_all(parts, options.threads)
}

/// What all workers share.
struct Work<'a> {
    captures: &'a [Capture<'a>],
    tasks: Mutex<std::vec::IntoIter<Task>>,
    /// What each worker reads: an index of `captures`.
    reading: Vec<AtomicUsize>,
    options: &'a Options,
}

/// What a worker saw.
#[derive(Default)]
struct Done {
    /// Pieces that begin where they should, being the first of their captures.
    parts: Growing,
    /// How the pieces were read, by capture and piece: of those captures that were cut.
    ends: Vec<((usize, usize), End)>,
}

/// Parts that merge as they come, so that what was seen of many small captures moves a few times
/// only: each with those before it that are not much larger.
#[derive(Default)]
struct Growing {
    /// With how many parts each was made of.
    parts: Vec<(usize, Part)>,
}

impl Growing {
    fn push(&mut self, part: Part) {
        let mut last = (1, part);
        while let Some((made_of, before)) = self.parts.pop_if(|(made_of, _)| *made_of <= last.0) {
            last = (made_of + last.0, before.merge(last.1));
        }
        self.parts.push(last);
    }

    fn into_parts(self) -> impl Iterator<Item = Part> {
        self.parts.into_iter().map(|(_, part)| part)
    }
}

/// How a piece was read, as long as nobody knows that it begins where it should, or whether the
/// capture ends with it.
struct End {
    /// What was seen; `None` where that is part of what the worker saw anyway.
    part: Option<Part>,
    frames: u64,
    drops: Drops,
    watched_until: Option<Timestamp>,
    problem: Option<String>,
}

impl Work<'_> {
    fn run(&self, worker: usize) -> Done {
        let mut done = Done::default();
        while let Some(task) = self.next() {
            self.reading[worker].store(task.capture, Ordering::Relaxed);
            self.read(task, &mut done);
        }
        self.reading[worker].store(IDLE, Ordering::Relaxed);
        done
    }

    fn next(&self) -> Option<Task> {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.next()
    }

    fn read(&self, task: Task, done: &mut Done) {
        let capture = &self.captures[task.capture];
        let (source, chain) = (capture.source, &capture.chain);
        if chain.is_wrong(task.piece) {
            return;
        }
        let is_first = task.reader.is_none();
        let opened = match (task.reader, &capture.cuts) {
            (Some(reader), _) => Ok(reader),
            (None, Some(cuts)) => source.open_up_to(cuts),
            (None, None) => source.open(),
        };
        let mut reader = match opened {
            Ok(reader) => reader,
            Err(error) => {
                chain.ended(task.piece, None);
                let part = unopened(&source.name, error.to_string());
                done.parts.push(part);
                return;
            }
        };
        let mut part = begin(&reader, &source.name, source.first, self.options);
        read(&mut reader, &mut part, |bytes| {
            chain.set_bytes_read(task.piece, bytes);
            !chain.is_wrong(task.piece)
        });
        if chain.is_wrong(task.piece) {
            return;
        }
        // Pieces are counted from the beginning of the file, cuts from the first one on.
        let next = reader.landed().map(|cut| cut + 1);
        let mut end = End {
            part: None,
            frames: reader.frames(),
            drops: reader.drops(),
            watched_until: reader.watched_until(),
            problem: problem(&reader, self.options),
        };
        if is_first {
            let drops = end.drops.total().filter(|_| next.is_none());
            part.close(end.frames, drops, end.problem.take());
            part.went_on_until(end.watched_until);
            if next.is_none() {
                part.seal();
            }
            done.parts.push(part);
        } else {
            end.part = Some(part);
        }
        if capture.cuts.is_some() {
            done.ends.push(((task.capture, task.piece), end));
        }
        chain.ended(task.piece, next);
    }

    fn tell(&self, progress: &mut dyn FnMut(Progress<'_>)) {
        let mut reading: Vec<usize> = self
            .reading
            .iter()
            .map(|capture| capture.load(Ordering::Relaxed))
            .filter(|capture| *capture != IDLE)
            .collect();
        reading.sort_unstable();
        reading.dedup();
        let names: Vec<&str> = reading
            .iter()
            .map(|capture| &*self.captures[*capture].source.name)
            .collect();
        let (mut bytes, mut cuts, mut wrong_cuts) = (0, 0, 0);
        for capture in self.captures {
            let (read, wrong) = capture.chain.progress();
            bytes += read;
            cuts += capture.chain.pieces() - 1;
            wrong_cuts += wrong;
        }
        progress(Progress {
            bytes,
            reading: &names,
            cuts,
            wrong_cuts,
        });
    }
}

/// The parts that together are everything: of what was guessed, what proved right.
fn joined(captures: &[Capture<'_>], done: Vec<Done>) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut ends = BTreeMap::new();
    for done in done {
        parts.extend(done.parts.into_parts());
        ends.extend(done.ends);
    }
    for (index, capture) in captures.iter().enumerate() {
        if capture.cuts.is_none() {
            continue;
        }
        let mut drops = Drops::default();
        let pieces = capture.chain.right_pieces();
        for (position, piece) in pieces.iter().enumerate() {
            // Nothing was read of a file that could not be opened the second time.
            let Some(end) = ends.remove(&(index, *piece)) else {
                continue;
            };
            drops = drops.followed_by(end.drops);
            let Some(mut part) = end.part else {
                continue;
            };
            // What the capture says of drops, it says once.
            let is_last = position + 1 == pieces.len();
            let drops = drops.total().filter(|_| is_last);
            part.close(end.frames, drops, end.problem);
            part.went_on_until(end.watched_until);
            parts.push(part);
        }
    }
    parts
}

fn unread(error: &SourceError) -> Part {
    unopened(error.name().unwrap_or("captures"), error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_merge_with_those_of_their_size() {
        let mut growing = Growing::default();
        for number in 1..=100_usize {
            growing.push(unopened("x", String::new()));
            let made_of: Vec<usize> = growing.parts.iter().map(|(made_of, _)| *made_of).collect();
            assert_eq!(made_of.iter().sum::<usize>(), number);
            assert!(made_of.is_sorted_by(|one, next| one > next), "{made_of:?}");
        }
    }
}
