//! The stream to a process that may stall: waited for as long as the run goes on, and for a
//! bounded time once it ends.

use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How long nothing may move at the end before it is given up.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether the end has come.
const LOOK: u16 = 100;

/// A stream that does not block, as one that does. An error of kind `TimedOut` says that it was
/// given up.
pub(super) struct Patient<'a> {
    pub(super) file: &'a File,
    /// Whether the run ends.
    pub(super) hurries: &'a AtomicBool,
}

impl Patient<'_> {
    /// Does again what would have blocked, once it is `ready`.
    fn retry<T>(
        &self,
        ready: PollFlags,
        mut act: impl FnMut(&File) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut since = None;
        loop {
            match act(self.file) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            if self.hurries.load(Ordering::Relaxed)
                && since.get_or_insert_with(Instant::now).elapsed() >= PATIENCE
            {
                return Err(io::ErrorKind::TimedOut.into());
            }
            wait_for(self.file, ready, LOOK);
        }
    }
}

impl Write for Patient<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.retry(PollFlags::POLLOUT, |mut file| file.write(bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.retry(PollFlags::POLLOUT, |mut file| file.write_vectored(slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Patient<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.retry(PollFlags::POLLIN, |mut file| file.read(bytes))
    }
}

/// Waits so many milliseconds for what can be done; whether it can, were it to find the end.
pub(super) fn wait_for(file: &File, ready: PollFlags, milliseconds: u16) -> bool {
    let mut files = [PollFd::new(file.as_fd(), ready)];
    matches!(poll(&mut files, PollTimeout::from(milliseconds)), Ok(count) if count > 0)
}
