//! Drives the stages from sources to an observation, on as many threads as are wanted. What is
//! seen does not depend on how many. Reports progress as events, prints nothing.

mod chain;
#[cfg(feature = "live")]
pub mod live;
mod parallel;
mod piece;
mod plan;

use std::num::NonZeroUsize;
use std::thread;

pub use parallel::{observe, part};
pub use piece::observe_reader;
pub use plan::Cutting;

use crate::observation::Window;

/// How the input is read.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Which packets are judged.
    pub window: Window,
    /// Whether a capture that ends inside its last record, or breaks off while it is unpacked, is
    /// whole all the same.
    pub accept_truncated: bool,
    /// How many threads read at once.
    pub threads: NonZeroUsize,
    /// How files are cut for them.
    pub cutting: Cutting,
    /// Flows that each part of the input, and the whole, holds one by one; those beyond are folded.
    pub max_flows: usize,
}

/// Where nothing else is said: 1.6 GB of flows between IPv4 addresses.
pub const MAX_FLOWS: usize = 20_000_000;

impl Default for Options {
    /// Everything is judged, on all cores.
    fn default() -> Self {
        Self {
            window: Window::default(),
            accept_truncated: false,
            threads: all_cores(),
            cutting: Cutting::default(),
            max_flows: MAX_FLOWS,
        }
    }
}

/// As many threads as run at once here.
pub fn all_cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// How far reading has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// Bytes read of all captures, of compressed ones as they lie there. What was read from a
    /// place that proves wrong is taken back.
    pub bytes: u64,
    /// Names of the captures that are being read, each once.
    pub reading: &'a [&'a str],
    /// Cuts of files that were guessed, so that several threads read one file.
    pub cuts: usize,
    /// Those that proved wrong so far; what stands behind them is read by the thread before.
    pub wrong_cuts: usize,
}
