//! The scribe as seen by the process that watches. Starts no thread: what is sent waits in the
//! kernel, and there it is when this process is killed.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::message::{Head, Kind, MAX_CONTENT_BYTES, PACKET_FILE, pack_counts, pack_job, send};
use super::outlet::Outlet;
use super::patient::{PATIENCE, Patient, wait_for};
use super::{COMMAND, InterfaceCounts, Job, ScribeError, ScribeProblem};

/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(10);

/// The process that writes files, ready to write.
///
/// Dropped without [`finish`](Self::finish) it writes what it was given, too, and is waited for,
/// but not for ever.
#[derive(Debug)]
pub struct Scribe {
    /// Both ways of the stream; it closes with the last of them.
    out: Outlet,
    input: Mutex<Option<File>>,
    /// Nothing is sent any more: nobody is at the other end, or it takes nothing.
    gone: AtomicBool,
    /// Whether it was said which files are incomplete.
    is_told: AtomicBool,
    /// What is still to be told, of this side.
    own_problems: Mutex<Vec<ScribeProblem>>,
    child: Mutex<Child>,
    targets: Vec<PathBuf>,
    packets: Option<PathBuf>,
}

/// What came of the files.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Finished {
    /// What is missing and was not told before.
    pub missing: Vec<ScribeProblem>,
    /// Whether every file is on disk, whole.
    pub is_whole: bool,
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
                // Of both ways.
                let stream = UnixStream::from(OwnedFd::from(ours));
                stream.set_nonblocking(true)?;
                return Ok(Self {
                    out: Outlet::new(out),
                    input: Mutex::new(Some(File::from(OwnedFd::from(stream)))),
                    gone: AtomicBool::new(false),
                    is_told: AtomicBool::new(false),
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

    /// From now on nothing is waited for without end: what takes nothing for some seconds is given
    /// up.
    pub fn hurry(&self) {
        self.out.hurry();
    }

    /// Replaces a target as a whole. A content that was not written when the next one comes is
    /// left out. Waits for nobody before [`hurry`](Self::hurry).
    pub fn replace(&self, target: usize, content: &[u8]) {
        if content.len() as u64 > MAX_CONTENT_BYTES {
            lock(&self.own_problems).push(ScribeProblem {
                path: self.targets.get(target).cloned(),
                message: "the report is too large to be written".to_owned(),
            });
            return;
        }
        self.post(Kind::Replace, target as u32, content.to_vec());
    }

    /// Adds packets: whole blocks, as [`Blocks`](crate::capture::Blocks) writes them. Waits while
    /// the disk is too slow: the kernel's buffer holds what comes meanwhile, and counts what it
    /// drops.
    pub fn packets(&self, blocks: &[u8]) {
        if !blocks.is_empty() {
            let sent = |out: &Outlet| out.send(Kind::Packets, PACKET_FILE, blocks);
            self.sent(sent);
        }
    }

    /// Says what the interfaces counted since the start. The last counts that were said end
    /// every file. Waits for nobody before [`hurry`](Self::hurry).
    pub fn statistics(&self, counts: &[InterfaceCounts]) {
        self.post(Kind::Counts, PACKET_FILE, pack_counts(counts));
    }

    /// What could not be written so far, each told once. It may still be: the next report of the
    /// same file, or packets once there is room again.
    pub fn problems(&self) -> Vec<ScribeProblem> {
        self.sent(Outlet::flush);
        let mut input = lock(&self.input);
        let mut problems = std::mem::take(&mut *lock(&self.own_problems));
        while let Some(file) = input.as_ref()
            && wait_for(file, PollFlags::POLLIN, 0)
        {
            match self.answer(file) {
                Answer::Problem(problem) | Answer::Missing(_, problem) => problems.push(problem),
                Answer::Written(_) | Answer::Working => {}
                Answer::Done | Answer::Gone | Answer::Stuck => {
                    *input = None;
                    self.gone.store(true, Ordering::Relaxed);
                    problems.extend(self.ended());
                }
            }
        }
        problems
    }

    /// Says the last counts, and waits until everything is on disk, or nothing has moved for some
    /// seconds. What is given afterwards is not written.
    pub fn finish(&self, counts: &[InterfaceCounts]) -> Finished {
        self.hurry();
        if self.packets.is_some() {
            self.statistics(counts);
        }
        self.sent(|out| out.send(Kind::Finish, 0, &[]));
        let mut missing = std::mem::take(&mut *lock(&self.own_problems));
        let mut is_whole = missing.is_empty();
        let mut open: BTreeSet<u32> = (0..self.targets.len() as u32).collect();
        open.extend(self.packets.is_some().then_some(PACKET_FILE));
        let input = lock(&self.input).take();
        let ended = loop {
            let Some(input) = &input else {
                break Answer::Gone;
            };
            // Where it was given up before, only what it has said already counts.
            if self.gone.load(Ordering::Relaxed) && !wait_for(input, PollFlags::POLLIN, 0) {
                break Answer::Stuck;
            }
            match self.answer(input) {
                // What is so at the end is said again.
                Answer::Problem(_) | Answer::Working => {}
                Answer::Written(number) => drop(open.remove(&number)),
                Answer::Missing(number, problem) => {
                    open.remove(&number);
                    missing.push(problem);
                    is_whole = false;
                }
                ended => break ended,
            }
        };
        match ended {
            Answer::Done => {}
            Answer::Stuck => {
                is_whole = false;
                self.gone.store(true, Ordering::Relaxed);
                missing.extend(open.iter().map(|number| self.stuck(*number)));
            }
            _ => {
                is_whole = false;
                missing.extend(self.ended());
            }
        }
        let is_stuck = matches!(ended, Answer::Stuck);
        self.wait(if is_stuck { Duration::ZERO } else { PATIENCE });
        Finished { missing, is_whole }
    }

    fn post(&self, kind: Kind, number: u32, body: Vec<u8>) {
        self.sent(|out| out.post(kind, number, body));
    }

    fn sent(&self, send: impl FnOnce(&Outlet) -> io::Result<()>) {
        // The end of its answers says that it ended, once.
        if !self.gone.load(Ordering::Relaxed) && send(&self.out).is_err() {
            self.gone.store(true, Ordering::Relaxed);
        }
    }

    /// The next answer, which is waited for, but not for ever.
    fn answer(&self, file: &File) -> Answer {
        let hurries = &AtomicBool::new(true);
        let answer = self.read_answer(&mut Patient { file, hurries });
        match answer {
            Ok(answer) => answer.unwrap_or(Answer::Gone),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Answer::Stuck,
            Err(_) => Answer::Gone,
        }
    }

    fn read_answer(&self, input: &mut Patient<'_>) -> io::Result<Option<Answer>> {
        let Some(head) = Head::read(input)? else {
            return Ok(None);
        };
        let number = head.number;
        let Some(message) = head.text(input)? else {
            return Ok(None);
        };
        let path = self.path(number);
        let problem = ScribeProblem { path, message };
        Ok(match head.kind {
            Kind::Problem => Some(Answer::Problem(problem)),
            Kind::Missing => Some(Answer::Missing(number, problem)),
            Kind::Written => Some(Answer::Written(number)),
            Kind::Working => Some(Answer::Working),
            Kind::Done => Some(Answer::Done),
            _ => None,
        })
    }

    fn path(&self, number: u32) -> Option<PathBuf> {
        match number {
            PACKET_FILE => self.packets.clone(),
            number => self.targets.get(number as usize).cloned(),
        }
    }

    /// That it ended early, and what that means: told once.
    fn ended(&self) -> Option<ScribeProblem> {
        let files = self.packets.iter().chain(&self.targets);
        let names: Vec<String> = files.map(|path| path.display().to_string()).collect();
        let message = format!(
            "the process that writes files has ended early; missing or incomplete: {}",
            names.join(", ")
        );
        let is_new = !self.is_told.swap(true, Ordering::Relaxed);
        is_new.then_some(ScribeProblem {
            path: None,
            message,
        })
    }

    /// That a file was given up.
    fn stuck(&self, number: u32) -> ScribeProblem {
        let seconds = PATIENCE.as_secs();
        ScribeProblem {
            path: self.path(number),
            message: format!(
                "missing or incomplete: nothing was written for {seconds} s; process {} has the \
                 rest, and goes on where it can",
                self.id()
            ),
        }
    }

    /// Waits for its end, at most so long. It goes on without being waited for.
    fn wait(&self, most: Duration) {
        self.out.close();
        *lock(&self.input) = None;
        let begun = Instant::now();
        // It has been started, and nobody else waits for it.
        while let Ok(None) = lock(&self.child).try_wait()
            && begun.elapsed() < most
        {
            thread::sleep(LOOK);
        }
    }
}

impl Drop for Scribe {
    fn drop(&mut self) {
        self.hurry();
        self.sent(Outlet::flush);
        let is_stuck = self.gone.load(Ordering::Relaxed);
        self.wait(if is_stuck { Duration::ZERO } else { PATIENCE });
    }
}

enum Answer {
    Problem(ScribeProblem),
    Missing(u32, ScribeProblem),
    Written(u32),
    Working,
    Done,
    /// It ended.
    Gone,
    /// It says nothing more.
    Stuck,
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
