//! Signals that end a live run in good order. A later one ends it at once, as if nobody had asked
//! to be told: not the next one, for `timeout` and a terminal that is closed send two.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag;

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
}

impl Signals {
    /// Takes note of signals from now on.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn watch() -> io::Result<Self> {
        let came = Arc::new(AtomicUsize::new(0));
        let is_last = Arc::new(AtomicBool::new(false));
        for (signal, _) in ENDING {
            flag::register_conditional_default(signal, Arc::clone(&is_last))?;
            flag::register_usize(signal, Arc::clone(&came), signal as usize)?;
        }
        Ok(Self { came, is_last })
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
