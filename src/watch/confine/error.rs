//! Why a process can't be locked in. Every message says what to do next.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a process can't be locked in as it was told.
#[derive(Debug, Error)]
pub enum ConfineError {
    /// Nobody has that name.
    #[error("there is no user '{name}' here; `getent passwd` lists the users")]
    UnknownUser {
        /// The name, or user number, that was given.
        name: String,
    },
    /// The list of users can't be read.
    #[error("the user '{name}' can't be looked up ({source})")]
    Lookup {
        /// The name that was given.
        name: String,
        /// What the system says.
        source: io::Error,
    },
    /// Only root can go on as somebody else.
    #[error(
        "only root can go on as {name}, and this runs as {current}; leave out --user to stay \
         {current}, or start with sudo"
    )]
    NotRoot {
        /// The user that was asked for.
        name: String,
        /// Who it is.
        current: String,
    },
    /// The system does not let root go on as that user.
    #[error(
        "can't go on as {name} ({step}: {source}); in a container this takes the capabilities \
         SETUID and SETGID"
    )]
    User {
        /// The user that was asked for.
        name: String,
        /// The system call that failed.
        step: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The system still counts the process as somebody else.
    #[error("tried to go on as {name}, but it did not hold; this should not happen")]
    UserStays {
        /// The user that was asked for.
        name: String,
    },
    /// Capabilities can't be read or dropped.
    #[error("the capabilities can't be dropped ({reason})")]
    Capabilities {
        /// What the system says.
        reason: String,
    },
    /// Capabilities are there after all were dropped.
    #[error("capabilities stay after they were dropped ({names}); this should not happen")]
    CapabilitiesStay {
        /// Their names.
        names: String,
    },
    /// Others would stay outside.
    #[error("locked in too late: {count} threads run already; this is a mistake of the program")]
    Threads {
        /// How many run.
        count: usize,
    },
    /// What is to be written can't be, by that user without capabilities.
    #[error("{path}: {user} may not write there ({source}); {advice}")]
    NotWritable {
        /// The folder, or file that is no regular one.
        path: PathBuf,
        /// Who the process is.
        user: String,
        /// What the system says.
        source: io::Error,
        /// Who may.
        advice: String,
    },
    /// The kernel has the lock but refuses to set it.
    #[error("{lock} can't be set ({reason}), though this kernel has it")]
    Lock {
        /// Its name.
        lock: &'static str,
        /// What the system says.
        reason: String,
    },
    /// Going on as somebody else is only available on Linux.
    #[error("can't go on as {name}: --user is only available on Linux")]
    Unavailable {
        /// The user that was asked for.
        name: String,
    },
}
