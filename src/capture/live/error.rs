//! Why an interface can't be opened, or gives no more frames.
//!
//! Names are printed as they are: who prints a message to a terminal escapes it.

use thiserror::Error;

use super::{Interface, interfaces};

/// Why an interface can't be opened.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// There is none of that name.
    #[error("{name}: no such interface; --list-interfaces lists those there are")]
    NoSuchInterface {
        /// The interface as it was named.
        name: String,
        /// Those there are, in the system's order.
        existing: Vec<String>,
    },
    /// The process may not capture.
    #[error("{name}: may not be captured: CAP_NET_RAW is missing")]
    Permission {
        /// The interface.
        name: String,
    },
    /// It is not up; libpcap opens only those that are.
    #[error("{name}: the interface is down; bring it up first (ip link set {name} up)")]
    Down {
        /// The interface.
        name: String,
    },
    /// The filter is not understood, or fits no frame of the interface's link type.
    #[error("{name}: filter `{filter}`: {message}")]
    Filter {
        /// The interface.
        name: String,
        /// The filter.
        filter: String,
        /// What libpcap says.
        message: String,
    },
    /// Anything else.
    #[error("{name}: can't be captured: {message}")]
    Other {
        /// The interface.
        name: String,
        /// What libpcap says.
        message: String,
    },
}

impl OpenError {
    pub(super) fn no_such(name: &str) -> Self {
        let existing = interfaces().unwrap_or_default().into_iter();
        Self::NoSuchInterface {
            name: name.to_owned(),
            existing: existing.map(|interface| interface.name).collect(),
        }
    }

    /// libpcap says it in words alone, so what can be asked otherwise is.
    pub(super) fn new(name: &str, error: &pcap::Error) -> Self {
        let message = words(error);
        let refusals = ["CAP_NET_RAW", "ermission", "not permitted"];
        let is_refused = refusals.iter().any(|refusal| message.contains(refusal));
        let is_down = |interface: &Interface| interface.name == name && !interface.is_up;
        let name = name.to_owned();
        if is_refused {
            Self::Permission { name }
        } else if interfaces().unwrap_or_default().iter().any(is_down) {
            Self::Down { name }
        } else {
            Self::Other { name, message }
        }
    }

    pub(super) fn filter(name: &str, filter: &str, error: &pcap::Error) -> Self {
        Self::Filter {
            name: name.to_owned(),
            filter: filter.to_owned(),
            message: words(error),
        }
    }
}

/// Why an interface gives no frames.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LiveProblem {
    /// It was removed, and never comes back: one of the same name is another.
    #[error("{name}: the interface is gone")]
    Gone {
        /// The interface.
        name: String,
    },
    /// It was set down; frames go on when it is up again.
    #[error("{name}: the interface went down; the capture goes on when it is up again")]
    Down {
        /// The interface.
        name: String,
    },
    /// The system can't go on.
    #[error("{name}: the capture ended: {message}")]
    Other {
        /// The interface.
        name: String,
        /// What the system says.
        message: String,
    },
}

/// What libpcap says.
pub(super) fn words(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(message) => message.trim_end().to_owned(),
        other => other.to_string(),
    }
}
