//! What the checklist is written on. A terminal may take nothing for as long as it likes (a
//! connection that hangs, a screen that is stopped), so a thread of its own writes there, and who
//! watches goes on.

use std::os::fd::AsFd;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::unistd;

/// Where nothing can be written as yet, but nobody waits for that either.
const PAUSE: Duration = Duration::from_millis(20);

/// A terminal, and whether it has taken what was written last.
#[derive(Debug)]
pub(super) struct Screen {
    to_write: Sender<Vec<u8>>,
    /// Tells of each that was written.
    written: Receiver<()>,
    is_busy: bool,
}

impl Screen {
    /// Starts the thread that writes; without one the screen is never free.
    pub fn new(terminal: impl AsFd + Send + 'static) -> Self {
        let (to_write, waiting) = mpsc::channel::<Vec<u8>>();
        let (done, written) = mpsc::channel();
        let writes = move || {
            let mut all = waiting.into_iter();
            // Where the terminal is gone, nobody is left to be told.
            while all
                .next()
                .is_some_and(|bytes| write_all(&terminal, &bytes).is_ok())
            {
                let _ = done.send(());
            }
        };
        // It is left behind where it waits for a terminal at the end.
        let _ = thread::Builder::new()
            .name("screen".to_owned())
            .spawn(writes);
        Self {
            to_write,
            written,
            is_busy: false,
        }
    }

    /// Whether the terminal has taken all.
    pub fn is_free(&mut self) -> bool {
        self.is_busy &= self.written.try_recv().is_err();
        !self.is_busy
    }

    /// Waits until the terminal has taken all, at most so long; whether it has.
    pub fn waits(&mut self, most: Duration) -> bool {
        if self.is_busy {
            self.is_busy = self.written.recv_timeout(most).is_err();
        }
        !self.is_busy
    }

    /// Has this written at once; only where it [is free](Self::is_free).
    pub fn write(&mut self, bytes: Vec<u8>) {
        let _ = self.to_write.send(bytes);
        self.is_busy = true;
    }
}

/// Past the lock of the standard stream: it would be held for as long as the terminal takes
/// nothing.
fn write_all(terminal: &impl AsFd, mut bytes: &[u8]) -> nix::Result<()> {
    while !bytes.is_empty() {
        match unistd::write(terminal, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => thread::sleep(PAUSE),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn nobody_waits_for_a_terminal_that_takes_nothing() {
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let mut screen = Screen::new(writer);
        assert!(screen.is_free());
        // More than a pipe holds.
        let drawn = vec![b'x'; 1 << 20];
        screen.write(drawn.clone());
        assert!(!screen.is_free());
        assert!(!screen.waits(Duration::from_millis(1)));
        let mut read = vec![0; drawn.len()];
        reader.read_exact(&mut read).expect("comes");
        assert_eq!(read, drawn);
        assert!(screen.waits(LONG) && screen.is_free());
    }

    #[test]
    fn one_that_is_gone_is_never_free_again() {
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        let mut screen = Screen::new(writer);
        screen.write(b"x".to_vec());
        assert!(!screen.waits(LONG) && !screen.is_free());
    }
}
