//! One process from its start to its end. Only one child may run at a time: its processor time
//! is what that of all children grows by.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

use crate::support::build::Bulk;

/// Time between two looks at the memory of a process.
const POLL: Duration = Duration::from_millis(2);

/// A program and its arguments.
#[derive(Clone, Debug)]
pub struct Program {
    pub name: String,
    pub words: Vec<OsString>,
    /// Highest exit status that means that it did its work.
    pub highest_status: i32,
}

/// What standard input holds.
#[derive(Clone, Copy, Debug)]
pub enum Feed {
    Nothing,
    /// A capture, made while it is read.
    Capture(Bulk),
}

/// What a run cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// User and system time, in seconds.
    pub cpu: f64,
    /// In seconds.
    pub wall: f64,
    /// The most anonymous and shared memory seen resident, in bytes: no file map counts.
    pub memory: u64,
}

impl Program {
    /// The program built from this crate, with the settings of a release.
    pub fn portolan(words: &[&str]) -> Self {
        let mut all = vec![OsString::from(env!("CARGO_BIN_EXE_portolan"))];
        all.extend(words.iter().map(OsString::from));
        Self {
            name: "portolan audit".to_owned(),
            words: all,
            // Findings are no failure.
            highest_status: 1,
        }
    }

    /// A command line in which `{}` stands for the capture; words are separated by spaces.
    pub fn parse(name: &str, line: &str, capture: &Path) -> Self {
        let capture = capture.to_string_lossy();
        let word = |word: &str| OsString::from(word.replace("{}", &capture));
        Self {
            name: name.to_owned(),
            words: line.split_whitespace().map(word).collect(),
            highest_status: 0,
        }
    }

    /// Runs to its end, output thrown away. `None` where the program is not there.
    pub fn run(&self, feed: Feed) -> io::Result<Option<Cost>> {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.stdin(match feed {
            Feed::Nothing => Stdio::null(),
            Feed::Capture(_) => Stdio::piped(),
        });
        let before = children_cpu()?;
        let start = Instant::now();
        let child = match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            child => child?,
        };
        let (status, memory) = watch(child, feed)?;
        let wall = start.elapsed().as_secs_f64();
        let cpu = children_cpu()? - before;
        match status.code() {
            Some(code) if code <= self.highest_status => Ok(Some(Cost { cpu, wall, memory })),
            _ => Err(io::Error::other(format!(
                "{} ended with {status}",
                self.name
            ))),
        }
    }
}

/// Feeds the child and looks at its memory until it ends.
fn watch(mut child: Child, feed: Feed) -> io::Result<(ExitStatus, u64)> {
    let status_file = format!("/proc/{}/status", child.id());
    let ended = AtomicBool::new(false);
    let input = child.stdin.take();
    thread::scope(|scope| {
        if let (Feed::Capture(bulk), Some(mut input)) = (feed, input) {
            // A child that ends early closes the pipe, and its exit status says why.
            scope.spawn(move || bulk.write(&mut input).ok());
        }
        let memory = scope.spawn(|| {
            let mut most = 0;
            while !ended.load(Ordering::Relaxed) {
                most = most.max(private_memory(&status_file).unwrap_or(0));
                thread::sleep(POLL);
            }
            most
        });
        let status = child.wait();
        ended.store(true, Ordering::Relaxed);
        let memory = memory.join().expect("it only reads");
        Ok((status?, memory))
    })
}

/// Resident memory that no file stands behind.
fn private_memory(status_file: &str) -> Option<u64> {
    let status = std::fs::read_to_string(status_file).ok()?;
    let kibibytes = |name| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some(1024 * (kibibytes("RssAnon:")? + kibibytes("RssShmem:")?))
}

fn children_cpu() -> io::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let times = [usage.user_time(), usage.system_time()];
    let seconds = times.map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6);
    Ok(seconds.iter().sum())
}
