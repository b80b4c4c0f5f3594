//! The seccomp filter: everything is allowed but what a process that is locked in never needs.
//! What is denied fails with EPERM, as it does without rights.

use std::collections::BTreeMap;
use std::os::fd::RawFd;

use nix::errno::Errno;
use nix::libc;
use seccompiler::{BackendError, BpfProgram, SeccompAction, SeccompFilter};

use super::rules::{Rules, rules};
use super::{ConfineError, Files};

/// Filters the system calls of the calling thread and those that it starts, once and for all;
/// whether this kernel can.
pub(super) fn install(files: Files<'_>, packet_sockets: &[RawFd]) -> Result<bool, ConfineError> {
    for program in programs(files, packet_sockets, std::process::id()).map_err(refused)? {
        match seccompiler::apply_filter(&program) {
            Ok(()) => {}
            Err(error) if is_unknown(&error) => return Ok(false),
            Err(error) => return Err(refused(error)),
        }
    }
    Ok(true)
}

/// The filters, each with an answer of its own.
pub(super) fn programs(
    files: Files<'_>,
    packet_sockets: &[RawFd],
    process: u32,
) -> Result<[BpfProgram; 2], BackendError> {
    // The flags of `clone3` lie in memory, where no filter sees them. Told that there is none, the
    // C libraries start threads by `clone`.
    let unknown = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let denied = rules(files, packet_sockets, process)?;
    Ok([
        program(unknown, Errno::ENOSYS)?,
        program(denied, Errno::EPERM)?,
    ])
}

fn program(rules: Rules, answer: Errno) -> Result<BpfProgram, BackendError> {
    SeccompFilter::new(
        and_of_x32(rules),
        SeccompAction::Allow,
        SeccompAction::Errno(answer as u32),
        std::env::consts::ARCH.try_into()?,
    )?
    .try_into()
}

/// The same for the numbers that programs with 32-bit pointers use.
#[cfg(target_arch = "x86_64")]
fn and_of_x32(rules: Rules) -> Rules {
    use super::numbers::{OWN_OF_X32, X32};

    let mut all = rules.clone();
    for (call, found) in rules {
        match OWN_OF_X32.iter().find(|(other, _)| *other == call) {
            Some((_, own)) => {
                all.insert(*own, found.clone());
                all.insert(own | X32, found);
            }
            None => {
                all.insert(call | X32, found);
            }
        }
    }
    all
}

#[cfg(not(target_arch = "x86_64"))]
fn and_of_x32(rules: Rules) -> Rules {
    rules
}

/// Whether the kernel knows nothing of filters.
fn is_unknown(error: &seccompiler::Error) -> bool {
    match error {
        seccompiler::Error::Seccomp(error) => error.raw_os_error().is_some_and(|errno| {
            [Errno::ENOSYS, Errno::EINVAL]
                .map(|e| e as i32)
                .contains(&errno)
        }),
        _ => false,
    }
}

fn refused(error: impl ToString) -> ConfineError {
    ConfineError::Lock {
        lock: "seccomp",
        reason: error.to_string(),
    }
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
