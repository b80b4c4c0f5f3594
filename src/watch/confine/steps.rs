//! The order in which a process is locked in: what needs a right comes before the right goes.

use std::fs;
use std::os::fd::{AsRawFd, RawFd};

use nix::sys::prctl;
use nix::unistd::{self, Gid, Uid};

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::filter::install as filter;
use super::{ConfineError, Confinement, Files, Plan, User, capabilities, folders};

/// Locks the calling process in.
pub(super) fn lock_in(plan: &Plan<'_>) -> Result<Confinement, ConfineError> {
    alone()?;
    let sockets = plan.captures.iter().map(AsRawFd::as_raw_fd);
    let sockets: Vec<RawFd> = sockets.collect();
    // Names are looked up while files can be read.
    let user = plan.user.clone().unwrap_or_else(User::current);
    let bounding_set_empty = capabilities::empty_bounding_set()?;
    if plan.user.is_some() {
        become_user(&user)?;
    }
    capabilities::drop_all()?;
    set("no_new_privs", prctl::set_no_new_privs)?;
    // Else other processes of the same user could steer this one.
    set("non-dumpable", || prctl::set_dumpable(false))?;
    if let Files::Folders(paths) = plan.files {
        folders::check(paths, &user)?;
    }
    let landlock = folders::close_all_but(plan.files)?;
    let seccomp = filter(plan.files, &sockets)?;
    Ok(Confinement {
        user,
        capabilities_gone: true,
        bounding_set_empty,
        landlock,
        seccomp,
        receive_only: if seccomp { sockets.len() } else { 0 },
    })
}

/// Makes sure that no other thread runs: most locks hold for the calling thread and those that
/// it starts.
fn alone() -> Result<(), ConfineError> {
    // Without /proc it can't be told.
    let count = fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if count == 1 {
        Ok(())
    } else {
        Err(ConfineError::Threads { count })
    }
}

/// Goes on as another user, for good.
fn become_user(user: &User) -> Result<(), ConfineError> {
    let failed = |step| {
        move |errno: nix::Error| ConfineError::User {
            name: user.name.clone(),
            step,
            source: errno.into(),
        }
    };
    let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
    unistd::setgroups(&groups).map_err(failed("setgroups"))?;
    let gid = Gid::from_raw(user.gid);
    unistd::setresgid(gid, gid, gid).map_err(failed("setresgid"))?;
    let uid = Uid::from_raw(user.uid);
    unistd::setresuid(uid, uid, uid).map_err(failed("setresuid"))?;

    let uids = unistd::getresuid().map_err(failed("getresuid"))?;
    let gids = unistd::getresgid().map_err(failed("getresgid"))?;
    let held = [uids.real, uids.effective, uids.saved] == [uid; 3]
        && [gids.real, gids.effective, gids.saved] == [gid; 3]
        && unistd::getgroups().map_err(failed("getgroups"))?.len() == groups.len();
    if held {
        Ok(())
    } else {
        Err(ConfineError::UserStays {
            name: user.name.clone(),
        })
    }
}

/// There is no table of system calls for other processors.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn filter(_: Files<'_>, _: &[RawFd]) -> Result<bool, ConfineError> {
    Ok(false)
}

fn set(lock: &'static str, how: impl FnOnce() -> nix::Result<()>) -> Result<(), ConfineError> {
    how().map_err(|errno| ConfineError::Lock {
        lock,
        reason: errno.to_string(),
    })
}
