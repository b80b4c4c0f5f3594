//! The scribe as seen by the process that watches. Starts no thread: what is sent waits in the
//! kernel, and there it is when this process is killed.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::message::{Head, Kind, MAX_CONTENT_BYTES, PACKET_FILE, pack_counts, pack_job, send};
use super::{COMMAND, InterfaceCounts, Job, ScribeError, ScribeProblem};

/// The process that writes files, ready to write.
///
/// Dropped without [`finish`](Self::finish) it writes what it was given, too, and is waited for.
#[derive(Debug)]
pub struct Scribe {
    /// Both ways of the stream; it closes with the last of them.
    out: Mutex<Option<File>>,
    input: Mutex<Option<File>>,
    /// Nobody is at the other end.
    gone: AtomicBool,
    /// What is still to be told, of this side.
    own_problems: Mutex<Vec<ScribeProblem>>,
    child: Mutex<Child>,
    targets: Vec<PathBuf>,
    packets: Option<PathBuf>,
}

impl Scribe {
    /// Starts the scribe, which is this program once more, in a process group of its own: what
    /// ends the one that watches leaves it time to write. No thread may run that is to be locked
    /// in later.
    ///
    /// # Errors
    /// Where it can't be started, or says that it can't do its job: a folder is missing, say.
    pub fn start(job: &Job) -> Result<Self, ScribeError> {
        Self::start_program(&std::env::current_exe()?, job)
    }

    /// The same with a program that is to be it.
    pub fn start_program(program: &Path, job: &Job) -> Result<Self, ScribeError> {
        let job_bytes = pack_job(job)?;
        let (ours, theirs) = UnixStream::pair()?;
        // Reads and writes as a file does: that needs no call that is made for sockets.
        let mut ours = File::from(OwnedFd::from(ours));
        let out = ours.try_clone()?;
        let mut child = Command::new(program)
            .arg(COMMAND)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .process_group(0)
            .spawn()?;
        // Where it ended already, its answer says more than this error.
        let _ = send(&mut ours, Kind::Job, 0, &job_bytes);
        let refused = match Head::read(&mut ours) {
            Ok(Some(head)) if head.kind == Kind::Ready => {
                return Ok(Self {
                    out: Mutex::new(Some(out)),
                    input: Mutex::new(Some(ours)),
                    gone: AtomicBool::new(false),
                    own_problems: Mutex::default(),
                    child: Mutex::new(child),
                    targets: job.targets.clone(),
                    packets: job.packets.as_ref().map(|packets| packets.path.clone()),
                });
            }
            Ok(Some(head)) if head.kind == Kind::Refused => head.text(&mut ours).ok().flatten(),
            _ => None,
        };
        // It ends where nobody is left at this end.
        drop((out, ours));
        let status = child.wait()?;
        Err(match refused {
            Some(text) => ScribeError::Refused(text),
            None => ScribeError::Ended(status.to_string()),
        })
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        lock(&self.child).id()
    }

    /// Replaces a target as a whole. A content that was not written when the next one comes is
    /// left out.
    pub fn replace(&self, target: usize, content: &[u8]) {
        if content.len() as u64 > MAX_CONTENT_BYTES {
            lock(&self.own_problems).push(ScribeProblem {
                path: self.targets.get(target).cloned(),
                message: "the report is too large to be written".to_owned(),
            });
            return;
        }
        self.send(Kind::Replace, target as u32, content);
    }

    /// Adds packets: whole blocks, as [`Blocks`](crate::capture::Blocks) writes them. Waits while
    /// the disk is too slow: the kernel's buffer holds what comes meanwhile, and counts what it
    /// drops.
    pub fn packets(&self, blocks: &[u8]) {
        if !blocks.is_empty() {
            self.send(Kind::Packets, PACKET_FILE, blocks);
        }
    }

    /// Says what the interfaces counted since the start. The last counts that were said end
    /// every file.
    pub fn statistics(&self, counts: &[InterfaceCounts]) {
        self.send(Kind::Counts, PACKET_FILE, &pack_counts(counts));
    }

    /// What could not be written so far, each told once. It may still be: the next report of the
    /// same file, or packets once there is room again.
    pub fn problems(&self) -> Vec<ScribeProblem> {
        let mut input = lock(&self.input);
        let mut problems = std::mem::take(&mut *lock(&self.own_problems));
        while let Some(file) = input.as_mut()
            && is_readable(file)
        {
            match self.answer(file) {
                Answer::Problem(problem) | Answer::Missing(problem) => problems.push(problem),
                Answer::Done | Answer::Gone => {
                    *input = None;
                    problems.push(self.ended());
                }
            }
        }
        problems
    }

    /// Says the last counts, and waits until everything is on disk; what is not. What is given
    /// afterwards is not written.
    pub fn finish(&self, counts: &[InterfaceCounts]) -> Vec<ScribeProblem> {
        if self.packets.is_some() {
            self.statistics(counts);
        }
        self.send(Kind::Finish, 0, &[]);
        let mut missing = std::mem::take(&mut *lock(&self.own_problems));
        let input = lock(&self.input).take();
        match input {
            Some(mut input) => loop {
                match self.answer(&mut input) {
                    // What is so at the end is said again.
                    Answer::Problem(_) => {}
                    Answer::Missing(problem) => missing.push(problem),
                    Answer::Done => break,
                    Answer::Gone => {
                        missing.push(incomplete());
                        break;
                    }
                }
            },
            None => missing.push(incomplete()),
        }
        self.wait();
        missing
    }

    fn send(&self, kind: Kind, number: u32, body: &[u8]) {
        if self.gone.load(Ordering::Relaxed) {
            return;
        }
        let mut out = lock(&self.out);
        let sent = match out.as_mut() {
            Some(out) => send(out, kind, number, body),
            None => return,
        };
        if sent.is_err() {
            // The end of its answers says that it ended, once.
            self.gone.store(true, Ordering::Relaxed);
        }
    }

    /// The next answer, which is waited for.
    fn answer(&self, input: &mut File) -> Answer {
        let Ok(Some(head)) = Head::read(input) else {
            return Answer::Gone;
        };
        let path = match head.number {
            PACKET_FILE => self.packets.clone(),
            number => self.targets.get(number as usize).cloned(),
        };
        let problem = |input: &mut File| {
            let message = head.text(input).ok()??;
            Some(ScribeProblem { path, message })
        };
        match head.kind {
            Kind::Problem => problem(input).map_or(Answer::Gone, Answer::Problem),
            Kind::Missing => problem(input).map_or(Answer::Gone, Answer::Missing),
            Kind::Done => Answer::Done,
            _ => Answer::Gone,
        }
    }

    fn ended(&self) -> ScribeProblem {
        self.gone.store(true, Ordering::Relaxed);
        ScribeProblem {
            path: None,
            message: "the process that writes files has ended; no file is written any more"
                .to_owned(),
        }
    }

    fn wait(&self) {
        *lock(&self.out) = None;
        *lock(&self.input) = None;
        // It has been started, and nobody else waits for it.
        let _ = lock(&self.child).wait();
    }
}

impl Drop for Scribe {
    fn drop(&mut self) {
        self.wait();
    }
}

/// That it ended early was told when it did: this is what that means.
fn incomplete() -> ScribeProblem {
    ScribeProblem {
        path: None,
        message: "files are missing or incomplete: the process that writes them ended early"
            .to_owned(),
    }
}

enum Answer {
    Problem(ScribeProblem),
    Missing(ScribeProblem),
    Done,
    Gone,
}

/// Whether something can be read at once, were it the end.
fn is_readable(file: &File) -> bool {
    let mut files = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
    matches!(poll(&mut files, PollTimeout::ZERO), Ok(ready) if ready > 0)
}

/// Whether the process at the other end has ended.
pub(super) fn is_hung_up(file: &File) -> bool {
    let mut files = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
    let ready = poll(&mut files, PollTimeout::ZERO);
    matches!(ready, Ok(ready) if ready > 0)
        && files[0]
            .revents()
            .is_some_and(|events| events.intersects(PollFlags::POLLHUP | PollFlags::POLLERR))
}

/// A thread that panicked under the lock left whole values behind.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
