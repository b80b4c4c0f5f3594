//! The scribe's start: nothing is left of what it inherited, signals don't end it, it knows its
//! job, and is locked in.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};

use super::Job;
use super::message::{Head, Kind, send, unpack_job};
use super::service::{Place, Service};
use crate::report::file;
use crate::watch::confine::{self, Files, Plan, User};

/// What ends others must leave the scribe time to write. A file too large for the system's limit
/// is an error as a full disk is.
const HELD: [i32; 5] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ];

/// Runs the scribe: takes its job and what it is to write from standard input, and returns when that
/// ends and all is written.
///
/// # Errors
/// Where standard input is not what [`Scribe`](super::Scribe) sends.
pub fn serve() -> Result<(), String> {
    // Captures, above all.
    confine::close_inherited();
    let stream = || {
        let stdin = io::stdin().as_fd().try_clone_to_owned();
        stdin.map(File::from).map_err(|error| error.to_string())
    };
    let (mut input, out) = (stream()?, stream()?);
    let Some(job) = job(&mut input) else {
        return Err(
            "standard input holds no job: this command is started by `portolan watch`".to_owned(),
        );
    };
    let mut answers = stream()?;
    match begin(&job, out) {
        Ok(service) => {
            let _ = send(&mut answers, Kind::Ready, 0, &[]);
            let served = service.serve(&mut input);
            served.map_err(|error| format!("what is to be written can't be read: {error}"))
        }
        Err(text) => {
            // The other process says it.
            let _ = send(&mut answers, Kind::Refused, 0, text.as_bytes());
            Ok(())
        }
    }
}

fn job(input: &mut File) -> Option<Job> {
    let head = Head::read(input).ok()??;
    if head.kind != Kind::Job {
        return None;
    }
    unpack_job(&head.body(input).ok()??)
}

/// Gets everything ready to write; why that can't be, as text.
fn begin(job: &Job, out: File) -> Result<Service, String> {
    for signal in HELD {
        // Nobody asks whether it came: it does nothing, that is all.
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))
            .map_err(|error| format!("signals can't be held off: {error}"))?;
    }
    let place = |path: &PathBuf| {
        place(path).map_err(|error| format!("{}: can't be written: {error}", path.display()))
    };
    let targets: Vec<Place> = job.targets.iter().map(place).collect::<Result<_, _>>()?;
    let packets = match &job.packets {
        None => None,
        Some(packets) => {
            let found = place(&packets.path)?;
            if packets.rotate_bytes.is_some() && !found.is_regular {
                let path = packets.path.display();
                return Err(format!("{path}: is no regular file, and can't be rotated"));
            }
            Some(found)
        }
    };
    let mut places = targets.iter().chain(&packets);
    if !places.any(|place| !place.is_regular && is_standard_output(&place.path)) {
        // Who reads that would wait for this process, too.
        confine::leave_standard_output();
    }
    let rotates = job
        .packets
        .as_ref()
        .is_some_and(|it| it.rotate_bytes.is_some());
    let mut files: Vec<PathBuf> = targets.iter().map(folder).collect();
    files.extend(packets.iter().map(|place| match rotates {
        // What is there is written into.
        false if place.path.exists() => place.path.clone(),
        _ => folder(place),
    }));
    let user = User::to_go_on_as(job.user.as_deref(), true);
    user.and_then(|user| {
        confine::lock_in(&Plan {
            user,
            files: Files::Folders(&files),
            captures: &[],
        })
    })
    .map_err(|error| error.to_string())?;
    Service::start(job, targets, packets, out)
}

/// Whether a path leads to what standard output is.
fn is_standard_output(path: &Path) -> bool {
    let out = io::stdout().as_fd().try_clone_to_owned();
    let out = out.and_then(|out| File::from(out).metadata());
    let identity = |found: Metadata| (found.dev(), found.ino());
    match (path.metadata(), out) {
        (Ok(there), Ok(out)) => identity(there) == identity(out),
        // Rather kept than missed.
        _ => true,
    }
}

/// What must be left open to write there: files are made beside a regular one.
fn folder(place: &Place) -> PathBuf {
    match place.path.parent() {
        Some(folder) if place.is_regular => folder.to_owned(),
        _ => place.path.clone(),
    }
}

/// Where a file is really written.
fn place(path: &Path) -> io::Result<Place> {
    Ok(match file::regular(path)? {
        Some(path) => Place {
            path,
            is_regular: true,
        },
        None => Place {
            path: path.to_owned(),
            is_regular: false,
        },
    })
}
