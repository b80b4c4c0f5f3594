//! Locks the process in once the interfaces are open: another user, no capabilities, no way to get
//! new ones, no file and no socket. What is not available here is said, never passed over.

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod calls;
#[cfg(target_os = "linux")]
mod capabilities;
mod descriptors;
mod error;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod filter;
#[cfg(target_os = "linux")]
mod folders;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod numbers;
mod rights;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod rules;
#[cfg(target_os = "linux")]
mod steps;
mod user;

use std::fmt;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

pub use descriptors::{close_inherited, leave_standard_input, leave_standard_output};
pub use error::ConfineError;
pub use rights::advice;
pub use user::User;

/// What the process may still do once it is locked in.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// Who it goes on as; `None`: who it is. See [`User::to_go_on_as`].
    pub user: Option<User>,
    /// The files that it may still make and write.
    pub files: Files<'a>,
    /// Sockets that frames are received from, and that nothing may be sent through.
    pub captures: &'a [BorrowedFd<'a>],
}

/// Files of a process that is locked in.
#[derive(Clone, Copy, Debug)]
pub enum Files<'a> {
    /// None is opened, made, renamed or removed.
    None,
    /// Regular files in these folders are made, written, renamed and removed; those among the
    /// paths that are no folders (a file that is there, a FIFO, a device) are written.
    Folders(&'a [PathBuf]),
}

/// What holds from now on. Shown as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confinement {
    /// Who the process is.
    pub user: User,
    /// Whether all capabilities are gone, and can't come back.
    pub capabilities_gone: bool,
    /// Whether the bounding set is empty, too. It stays as it was where CAP_SETPCAP was missing,
    /// which changes nothing: no new program is run.
    pub bounding_set_empty: bool,
    /// The version of Landlock that holds, at most the newest one known here.
    pub landlock: Option<u32>,
    /// Whether system calls are filtered.
    pub seccomp: bool,
    /// Capture handles that frames can't be sent through any more.
    pub receive_only: usize,
}

impl fmt::Display for Confinement {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "goes on as {}", self.user)?;
        if !self.capabilities_gone {
            return out.write_str(", not locked in: that is only available on Linux");
        }
        out.write_str(" without capabilities, ")?;
        let receives = match self.receive_only {
            0 => "",
            _ => ", can't send",
        };
        match (self.landlock, self.seccomp) {
            (Some(version), true) => write!(
                out,
                "locked in by seccomp and Landlock (version {version}){receives}"
            ),
            (Some(version), false) => write!(
                out,
                "locked in by Landlock (version {version}); there is no seccomp filter for this \
                 processor or kernel"
            ),
            (None, true) => write!(
                out,
                "locked in by seccomp{receives}; this kernel has no Landlock or has it off"
            ),
            (None, false) => out
                .write_str("not locked in further: neither Landlock nor seccomp is available here"),
        }
    }
}

/// Locks the calling process in. It can't be undone.
///
/// Must come before any thread is started, and after everything has been opened.
///
/// # Errors
/// Where the user can't be changed, a capability stays, a folder can't be written to by that user,
/// or a lock that this kernel has can't be set. Part of it may hold by then: the process should end.
pub fn lock_in(plan: &Plan<'_>) -> Result<Confinement, ConfineError> {
    #[cfg(target_os = "linux")]
    return steps::lock_in(plan);
    #[cfg(not(target_os = "linux"))]
    match &plan.user {
        Some(user) => Err(ConfineError::Unavailable {
            name: user.name.clone(),
        }),
        None => Ok(Confinement {
            user: User::current(),
            capabilities_gone: false,
            bounding_set_empty: false,
            landlock: None,
            seccomp: false,
            receive_only: 0,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_in_one_line_what_holds_and_what_does_not() {
        let mut held = Confinement {
            user: User {
                name: "nobody".to_owned(),
                uid: 65_534,
                gid: 65_534,
                groups: vec![65_534],
            },
            capabilities_gone: true,
            bounding_set_empty: true,
            landlock: Some(7),
            seccomp: true,
            receive_only: 1,
        };
        assert_eq!(
            held.to_string(),
            "goes on as nobody (uid 65534) without capabilities, locked in by seccomp and \
             Landlock (version 7), can't send"
        );
        held.receive_only = 0;
        assert!(held.to_string().ends_with("Landlock (version 7)"));
        held.receive_only = 2;
        held.landlock = None;
        assert!(
            held.to_string()
                .ends_with("by seccomp, can't send; this kernel has no Landlock or has it off")
        );
        held.seccomp = false;
        assert!(held.to_string().contains("not locked in further"));
        held.capabilities_gone = false;
        assert!(held.to_string().ends_with("only available on Linux"));
    }
}
