//! Signals that end a live run in good order. A later one ends it at once, as if nobody had asked
//! to be told: not the next one, for `timeout` and a terminal that is closed send two.

use std::io::{self, PipeReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag;
use signal_hook::low_level::pipe;

/// How long a run that ends takes no notice of further signals.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// Those that end a run, by name. SIGHUP comes when a terminal is closed, and the report may go to
/// a file.
const ENDING: [(i32, &str); 4] = [
    (SIGINT, "SIGINT"),
    (SIGTERM, "SIGTERM"),
    (SIGHUP, "SIGHUP"),
    (SIGQUIT, "SIGQUIT"),
];

/// Whether a signal came.
pub struct Signals {
    /// Number of the last one, 0 before any.
    came: Arc<AtomicUsize>,
    /// Whether the next one ends the run at once.
    is_last: Arc<AtomicBool>,
    /// Holds a byte for each that came.
    told: Option<PipeReader>,
}

impl Signals {
    /// Takes note of signals from now on.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn watch() -> io::Result<Self> {
        let came = Arc::new(AtomicUsize::new(0));
        let is_last = Arc::new(AtomicBool::new(false));
        let (told, tell) = io::pipe()?;
        for (signal, _) in ENDING {
            flag::register_conditional_default(signal, Arc::clone(&is_last))?;
            flag::register_usize(signal, Arc::clone(&came), signal as usize)?;
            pipe::register(signal, tell.try_clone()?)?;
        }
        let told = Some(told);
        Ok(Self {
            came,
            is_last,
            told,
        })
    }

    /// Has the process end at once by a signal that comes some time after the first, whatever it
    /// waits for by then. Starts a thread: who locks itself in does so before.
    ///
    /// # Errors
    /// Where no thread can be started.
    pub fn arm(&mut self) -> io::Result<()> {
        let Some(mut told) = self.told.take() else {
            return Ok(());
        };
        let is_last = Arc::clone(&self.is_last);
        let thread = thread::Builder::new().name("signals".to_owned());
        thread.spawn(move || {
            if told.read_exact(&mut [0]).is_ok() {
                thread::sleep(PATIENCE);
                is_last.store(true, Ordering::Relaxed);
            }
            // A closed pipe would be written to in vain, and that be told by a signal.
            std::mem::forget(told);
        })?;
        Ok(())
    }

    /// From now on a signal ends the process at once.
    pub fn give_way(&self) {
        self.is_last.store(true, Ordering::Relaxed);
    }

    /// Name of the signal that came.
    pub fn came(&self) -> Option<&'static str> {
        let number = self.came.load(Ordering::Relaxed);
        let known = ENDING.iter().find(|(signal, _)| *signal as usize == number);
        known.map(|(_, name)| *name)
    }
}
