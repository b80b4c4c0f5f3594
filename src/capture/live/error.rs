//! Why an interface can't be opened, or gives no more frames.
//!
//! Names are printed as they are: who prints a message to a terminal escapes it.

use thiserror::Error;

use super::interfaces;

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
    /// libpcap says it in words alone, so what can be asked otherwise is.
    pub(super) fn new(name: &str, error: &pcap::Error) -> Self {
        let name = name.to_owned();
        let message = words(error);
        let refusals = ["CAP_NET_RAW", "ermission", "not permitted"];
        if refusals.iter().any(|refusal| message.contains(refusal)) {
            return Self::Permission { name };
        }
        let existing = interfaces().unwrap_or_default();
        match existing.iter().find(|interface| interface.name == name) {
            None if !existing.is_empty() => Self::NoSuchInterface {
                name,
                existing: existing
                    .into_iter()
                    .map(|interface| interface.name)
                    .collect(),
            },
            Some(interface) if !interface.is_up => Self::Down { name },
            _ => Self::Other { name, message },
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
