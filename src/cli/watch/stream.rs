//! Writing to whoever may read slowly, or not at all: what watches must never wait for that.

use std::io;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd;

/// A pipe that can be written to takes so much at once without waiting (POSIX: PIPE_BUF, at least
/// 512; 4096 on Linux).
const AT_ONCE: usize = 512;

/// Lines on their way to a stream.
pub struct Stream<F> {
    to: F,
    waiting: Vec<u8>,
    /// So many bytes of them are written.
    written: usize,
}

impl<F: AsFd> Stream<F> {
    /// Nothing is on its way to `to`.
    pub fn new(to: F) -> Self {
        Self {
            to,
            waiting: Vec::new(),
            written: 0,
        }
    }

    /// Adds a line.
    pub fn line(&mut self, line: &str) {
        self.waiting.extend_from_slice(line.as_bytes());
        self.waiting.push(b'\n');
    }

    /// Whether all was written.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Writes what the stream takes without waiting.
    ///
    /// # Errors
    /// Where it can't be written, as its reader has gone.
    pub fn write(&mut self) -> io::Result<()> {
        while self.written < self.waiting.len() && is_writable(&self.to) {
            self.write_some(AT_ONCE)?;
        }
        self.forget_written();
        Ok(())
    }

    /// Writes all, however long that takes.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_all(&mut self) -> io::Result<()> {
        while self.written < self.waiting.len() {
            self.write_some(usize::MAX)?;
        }
        self.forget_written();
        Ok(())
    }

    fn write_some(&mut self, most: usize) -> io::Result<()> {
        let rest = &self.waiting[self.written..];
        match unistd::write(&self.to, &rest[..rest.len().min(most)]) {
            Ok(count) => self.written += count,
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn forget_written(&mut self) {
        if self.written == self.waiting.len() {
            self.waiting.clear();
            self.written = 0;
        }
    }
}

/// Whether something can be written at once.
pub fn is_writable(to: impl AsFd) -> bool {
    ready(to, PollFlags::POLLOUT).contains(PollFlags::POLLOUT)
}

/// Whether this is a pipe whose other end was closed.
pub fn is_reader_gone(to: impl AsFd) -> bool {
    ready(to, PollFlags::empty()).contains(PollFlags::POLLERR)
}

fn ready(to: impl AsFd, wanted: PollFlags) -> PollFlags {
    let mut files = [PollFd::new(to.as_fd(), wanted)];
    // Where it can't be asked, as with a closed stream, nothing is waited for.
    let _ = poll(&mut files, PollTimeout::ZERO);
    files[0].revents().unwrap_or(PollFlags::empty())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn never_waits_for_a_reader() {
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let mut stream = Stream::new(writer);
        let line = "x".repeat(99);
        for _ in 0..10_000 {
            stream.line(&line);
        }
        stream.write().expect("takes some");
        assert!(!stream.is_empty());
        let all = std::thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).map(|_| all)
        });
        stream.write_all().expect("takes the rest");
        assert!(stream.is_empty());
        drop(stream);
        let all = all.join().expect("ends").expect("reads");
        assert_eq!(all, format!("{line}\n").repeat(10_000).into_bytes());
    }

    #[test]
    fn knows_that_its_reader_has_gone() {
        let (reader, writer) = io::pipe().expect("a pipe");
        assert!(is_writable(&writer) && !is_reader_gone(&writer));
        drop(reader);
        assert!(is_reader_gone(&writer));
        let mut stream = Stream::new(writer);
        stream.line("x");
        assert!(stream.write().is_err());
    }
}
