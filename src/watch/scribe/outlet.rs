//! What goes to the scribe. Packets wait for it. Reports and counts never do while the run goes on:
//! what does not go at once lies in the outlet, and goes with what is sent next.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

use nix::poll::PollFlags;

use super::client::lock;
use super::message::{Kind, send};
use super::patient::{Patient, wait_for};

/// How long what need not wait may take in all: the other side reads meanwhile.
const SHORT: Duration = Duration::from_millis(100);
/// How long the other side may not read at all before that is left for later.
const SHORTEST: u16 = 10;

/// Kind and body of messages, by number of the kind and of the file.
type Posted = BTreeMap<(u32, u32), (Kind, Vec<u8>)>;

/// The way to the scribe.
#[derive(Debug)]
pub(super) struct Outlet {
    stream: Mutex<Option<Stream>>,
    /// The last of each that is still to be sent: the one before is no longer wanted.
    waiting: Mutex<Posted>,
    /// Whether the run ends: all waits then, but not for ever.
    hurries: AtomicBool,
}

#[derive(Debug)]
struct Stream {
    file: File,
    /// A message that was begun.
    begun: Vec<u8>,
    /// Bytes of it that were sent.
    sent: usize,
}

impl Outlet {
    /// An outlet to a stream that does not block.
    pub(super) fn new(file: File) -> Self {
        Self {
            stream: Mutex::new(Some(Stream {
                file,
                begun: Vec::new(),
                sent: 0,
            })),
            waiting: Mutex::default(),
            hurries: AtomicBool::new(false),
        }
    }

    /// From now on nothing is waited for without end.
    pub(super) fn hurry(&self) {
        self.hurries.store(true, Ordering::Relaxed);
    }

    /// Sends after all that waits, and waits for that.
    ///
    /// # Errors
    /// Where nobody is at the other end, or it took nothing for too long after
    /// [`hurry`](Self::hurry). Nothing can be sent any more then.
    pub(super) fn send(&self, kind: Kind, number: u32, body: &[u8]) -> io::Result<()> {
        let mut guard = lock(&self.stream);
        let sent = self.waiting(&mut guard).and_then(|()| match &*guard {
            Some(stream) => send(&mut self.patient(&stream.file), kind, number, body),
            None => Ok(()),
        });
        self.closed_on_error(&mut guard, sent)
    }

    /// Has it sent: now, or with what follows. Waits only after [`hurry`](Self::hurry).
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(super) fn post(&self, kind: Kind, number: u32, body: Vec<u8>) -> io::Result<()> {
        lock(&self.waiting).insert((kind as u32, number), (kind, body));
        self.flush()
    }

    /// Sends what waits, as far as it goes.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(super) fn flush(&self) -> io::Result<()> {
        let mut guard = if self.hurries.load(Ordering::Relaxed) {
            lock(&self.stream)
        } else {
            match self.stream.try_lock() {
                Ok(guard) => guard,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                // Who sends packets takes it along the next time.
                Err(TryLockError::WouldBlock) => return Ok(()),
            }
        };
        let sent = match self.hurries.load(Ordering::Relaxed) {
            true => self.waiting(&mut guard),
            false => self.quickly(&mut guard),
        };
        self.closed_on_error(&mut guard, sent)
    }

    /// Nothing follows.
    pub(super) fn close(&self) {
        *lock(&self.stream) = None;
    }

    fn patient<'a>(&'a self, file: &'a File) -> Patient<'a> {
        let hurries = &self.hurries;
        Patient { file, hurries }
    }

    /// Sends what waits, however long that takes.
    fn waiting(&self, guard: &mut MutexGuard<'_, Option<Stream>>) -> io::Result<()> {
        let Some(stream) = guard.as_mut() else {
            return Ok(());
        };
        loop {
            self.patient(&stream.file)
                .write_all(&stream.begun[stream.sent..])?;
            if !stream.next(&self.waiting)? {
                return Ok(());
            }
        }
    }

    /// Sends what waits, while the other side takes it.
    fn quickly(&self, guard: &mut MutexGuard<'_, Option<Stream>>) -> io::Result<()> {
        let Some(stream) = guard.as_mut() else {
            return Ok(());
        };
        let begun = Instant::now();
        loop {
            while stream.sent < stream.begun.len() {
                match stream.file.write(&stream.begun[stream.sent..]) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(sent) => stream.sent += sent,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        let is_late = begun.elapsed() >= SHORT;
                        if is_late || !wait_for(&stream.file, PollFlags::POLLOUT, SHORTEST) {
                            return Ok(());
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
            if !stream.next(&self.waiting)? {
                return Ok(());
            }
        }
    }

    fn closed_on_error(
        &self,
        guard: &mut MutexGuard<'_, Option<Stream>>,
        sent: io::Result<()>,
    ) -> io::Result<()> {
        if sent.is_err() {
            // Half a message may have gone: nothing can follow it.
            **guard = None;
            lock(&self.waiting).clear();
        }
        sent
    }
}

impl Stream {
    /// Begins the next of what waits, the last one having gone; whether there is one.
    fn next(&mut self, waiting: &Mutex<Posted>) -> io::Result<bool> {
        self.begun.clear();
        self.sent = 0;
        let first = lock(waiting).pop_first();
        let Some(((_, number), (kind, body))) = first else {
            return Ok(false);
        };
        send(&mut self.begun, kind, number, &body)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::watch::scribe::message::Head;

    #[test]
    fn what_nobody_takes_waits_and_the_last_of_each_goes() {
        let (ours, theirs) = UnixStream::pair().expect("a stream");
        ours.set_nonblocking(true).expect("a socket");
        let outlet = Outlet::new(File::from(OwnedFd::from(ours)));
        let mut input = File::from(OwnedFd::from(theirs));
        let large = |mark| vec![mark; 4 << 20];
        for mark in 1..=3 {
            outlet
                .post(Kind::Replace, 0, large(mark))
                .expect("somebody is there");
            outlet
                .post(Kind::Counts, 9, vec![mark])
                .expect("somebody is there");
        }
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| outlet.send(Kind::Packets, 9, b"packets"));
            let mut came = Vec::new();
            while came.last().is_none_or(|(kind, _)| *kind != Kind::Packets) {
                let head = Head::read(&mut input).expect("good").expect("one");
                let body = head.body(&mut input).expect("good").expect("whole");
                came.push((head.kind, body));
            }
            sender.join().expect("no panic").expect("it was read");
            let expected = [
                (Kind::Replace, large(1)),
                (Kind::Replace, large(3)),
                (Kind::Counts, vec![3]),
                (Kind::Packets, b"packets".to_vec()),
            ];
            assert!(came == expected);
        });
    }

    #[test]
    fn what_is_stuck_is_given_up_at_the_end() {
        let (ours, _theirs) = UnixStream::pair().expect("a stream");
        ours.set_nonblocking(true).expect("a socket");
        let outlet = Outlet::new(File::from(OwnedFd::from(ours)));
        outlet.hurry();
        let stuck = outlet.send(Kind::Packets, 9, &vec![0; 4 << 20]);
        assert_eq!(
            stuck.expect_err("nobody reads").kind(),
            io::ErrorKind::TimedOut
        );
        // Nothing can follow.
        outlet.send(Kind::Finish, 0, &[]).expect("is left out");
    }
}
