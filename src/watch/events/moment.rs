//! The live counters beside an audit: what the interfaces say, and when.

use std::time::Duration;

use crate::net::Timestamp;

/// What is known of a live run besides the audit of what was seen so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Wall clock; it may jump.
    pub now: Timestamp,
    /// Time since the watch began, by a clock that never jumps: what settles is measured by it.
    pub since_start: Duration,
    /// The interfaces watched, in the order of the command line.
    pub interfaces: Vec<Interface>,
}

/// An interface that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Frames taken from it.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Frames that the kernel or the interface dropped; `None` where nobody says.
    pub dropped: Option<u64>,
    /// Whether it still gives frames.
    pub state: InterfaceState,
}

/// Whether an interface can give frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InterfaceState {
    /// It is up.
    #[default]
    Up,
    /// It is down, and may come back.
    Down,
    /// It is gone, and what comes back under its name is another one.
    Gone,
}

impl Moment {
    /// Frames of all interfaces.
    pub fn packets(&self) -> u64 {
        self.sum(|interface| interface.packets)
    }

    /// Bytes on the wire of all interfaces.
    pub fn bytes(&self) -> u64 {
        self.sum(|interface| interface.bytes)
    }

    /// Frames that were dropped, of all interfaces of which that is known.
    pub fn dropped(&self) -> Option<u64> {
        let told = self.interfaces.iter().filter_map(|one| one.dropped);
        told.reduce(u64::saturating_add)
    }

    fn sum(&self, count: impl Fn(&Interface) -> u64) -> u64 {
        let counts = self.interfaces.iter().map(count);
        counts.fold(0, u64::saturating_add)
    }
}
