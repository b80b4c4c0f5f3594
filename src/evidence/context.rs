//! What trackers may ask besides the log.

use crate::flow::IcmpErrorSeen;
use crate::net::{FiveTuple, Timestamp};
use crate::observation::Observation;

/// Facts of the whole input that are not in the log.
pub trait Context {
    /// The ICMP errors that quote packets of this flow sent in this direction.
    fn icmp_error(&self, quoted: &FiveTuple) -> Option<IcmpErrorSeen>;

    /// Until when the input was watched.
    fn end(&self) -> Timestamp;
}

impl Context for Observation {
    fn icmp_error(&self, quoted: &FiveTuple) -> Option<IcmpErrorSeen> {
        self.icmp_error(quoted)
    }

    fn end(&self) -> Timestamp {
        self.end()
    }
}
