//! The seccomp filter: everything is allowed but what a process that is locked in never needs.
//! What is denied fails with EPERM, as it does without rights.

use std::collections::BTreeMap;
use std::os::fd::RawFd;

use nix::errno::Errno;
use nix::libc;
#[cfg(target_arch = "x86_64")]
use seccompiler::sock_filter;
use seccompiler::{BackendError, BpfProgram, SeccompAction, SeccompFilter};

use super::rules::{Rules, on_sockets, rules};
use super::{ConfineError, Files};

/// Most sockets that one filter knows: about 70 instructions each, of at most 4096.
const SOCKETS_EACH: usize = 32;

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

/// The filters, which all answer: the strictest answer holds.
pub(super) fn programs(
    files: Files<'_>,
    packet_sockets: &[RawFd],
    process: u32,
) -> Result<Vec<BpfProgram>, BackendError> {
    // The flags of `clone3` lie in memory, where no filter sees them. Told that there is none, the
    // C libraries start threads by `clone`.
    let unknown = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let mut first = without_x32();
    first.extend(program(unknown, Errno::ENOSYS)?);
    let mut all = vec![first, program(rules(files, process)?, Errno::EPERM)?];
    for sockets in packet_sockets.chunks(SOCKETS_EACH) {
        all.push(program(on_sockets(sockets)?, Errno::EPERM)?);
    }
    Ok(all)
}

fn program(rules: Rules, answer: Errno) -> Result<BpfProgram, BackendError> {
    SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(answer as u32),
        std::env::consts::ARCH.try_into()?,
    )?
    .try_into()
}

/// Denies the numbers that programs with 32-bit pointers use, whatever they do; what follows judges
/// the others.
#[cfg(target_arch = "x86_64")]
fn without_x32() -> BpfProgram {
    use super::numbers::{FIRST_OF_X32, LAST_OF_X32, X32};

    let step = |code: u32, k, jt, jf| sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let number = 0;
    let denied = SeccompAction::Errno(Errno::EPERM as u32).into();
    vec![
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, number, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JGE, X32, 2, 0),
        step(libc::BPF_JMP | libc::BPF_JGE, FIRST_OF_X32, 0, 2),
        step(libc::BPF_JMP | libc::BPF_JGT, LAST_OF_X32, 1, 0),
        step(libc::BPF_RET, denied, 0, 0),
    ]
}

/// There are none elsewhere.
#[cfg(not(target_arch = "x86_64"))]
fn without_x32() -> BpfProgram {
    Vec::new()
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
