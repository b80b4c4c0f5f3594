//! What the seccomp filter denies, and with which arguments.

use std::collections::BTreeMap;
use std::os::fd::RawFd;

use nix::libc;
use seccompiler::{BackendError, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

use super::{Files, calls};

/// Of `asm-generic/fcntl.h` and `asm-generic/sockios.h`, which `libc` does not name everywhere.
pub(super) const F_SETSIG: u32 = 10;
pub(super) const F_SETOWN_EX: u32 = 15;
pub(super) const FIOSETOWN: u32 = 0x8901;
pub(super) const SIOCSPGRP: u32 = 0x8902;

/// By system call: all conditions of one of these rules; no rule denies every use.
pub(super) type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// What is denied to that process.
pub(super) fn rules(files: Files<'_>, process: u32) -> Result<Rules, BackendError> {
    let mut rules = Rules::new();
    for (call, condition) in conditions(process) {
        rules.entry(call).or_default().push(condition?);
    }
    let mut always = vec![calls::ALWAYS, calls::ALWAYS_HERE];
    if let Files::None = files {
        always.extend([calls::WITHOUT_FILES, calls::WITHOUT_FILES_HERE]);
    }
    // Last: no rule denies every use.
    let always = always.into_iter().flatten();
    rules.extend(always.map(|call| (*call, Vec::new())));
    Ok(rules)
}

/// What is denied on these sockets, of which there is one at least: a call without a rule would be
/// denied on every descriptor.
pub(super) fn on_sockets(sockets: &[RawFd]) -> Result<Rules, BackendError> {
    let mut rules = Rules::new();
    for socket in sockets {
        for (call, argument) in calls::ON_PACKET_SOCKETS {
            let rule = is(*argument, *socket)?;
            rules.entry(*call).or_default().push(rule);
        }
        for command in [libc::F_DUPFD, libc::F_DUPFD_CLOEXEC] {
            let rule = SeccompRule::new(vec![
                condition(0, SeccompCmpOp::Eq, *socket as u32)?,
                condition(1, SeccompCmpOp::Eq, command as u32)?,
            ])?;
            rules.entry(libc::SYS_fcntl).or_default().push(rule);
        }
    }
    Ok(rules)
}

/// System calls that are denied by their arguments.
fn conditions(process: u32) -> Vec<(i64, Result<SeccompRule, BackendError>)> {
    use SeccompCmpOp::{Eq, Gt, MaskedEq, Ne};

    let one = |call, argument, operator, value: u32| {
        let rule = condition(argument, operator, value);
        (call, rule.and_then(|found| SeccompRule::new(vec![found])))
    };
    let has = |call, argument, flag: u32| one(call, argument, MaskedEq(u64::from(flag)), flag);
    let executable = libc::PROT_EXEC as u32;
    let mut found = vec![
        // Threads, and no processes.
        one(libc::SYS_clone, 0, MaskedEq(libc::CLONE_THREAD as u64), 0),
        // Signals to itself only.
        one(libc::SYS_kill, 0, Ne, process),
        one(libc::SYS_tgkill, 0, Ne, process),
        // Nor by way of a descriptor that has news, whose owner the kernel signals.
        one(libc::SYS_fcntl, 1, Eq, libc::F_SETOWN as u32),
        one(libc::SYS_fcntl, 1, Eq, F_SETOWN_EX),
        one(libc::SYS_fcntl, 1, Eq, F_SETSIG),
        one(libc::SYS_ioctl, 1, Eq, FIOSETOWN),
        one(libc::SYS_ioctl, 1, Eq, SIOCSPGRP),
        // A terminal without an owner signals all that run in front.
        one(libc::SYS_ioctl, 1, Eq, libc::FIOASYNC as u32),
        (
            libc::SYS_fcntl,
            condition(1, Eq, libc::F_SETFL as u32).and_then(|flags| {
                let signals = libc::O_ASYNC as u32;
                let operator = MaskedEq(u64::from(signals));
                SeccompRule::new(vec![flags, condition(2, operator, signals)?])
            }),
        ),
        // Not what a user types at the terminal.
        one(libc::SYS_ioctl, 1, Eq, libc::TIOCSTI as u32),
        one(libc::SYS_ioctl, 1, Eq, libc::TIOCLINUX as u32),
        // No code but what is there.
        has(libc::SYS_mmap, 2, executable),
        has(libc::SYS_mprotect, 2, executable),
        has(libc::SYS_pkey_mprotect, 2, executable),
        // A byte wakes a thread through a socket pair; anything else would be a message.
        wide(libc::SYS_sendto, 2, Gt, 1),
        wide(libc::SYS_sendto, 4, Ne, 0),
        (
            libc::SYS_prlimit64,
            condition(0, Ne, 0)
                .and_then(|other| SeccompRule::new(vec![other, condition(0, Ne, process)?])),
        ),
    ];
    let namespaces = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP;
    let bits = (0..u32::BITS).map(|bit| 1 << bit);
    let flags = bits.filter(|bit| namespaces as u32 & bit != 0);
    found.extend(flags.map(|flag| has(libc::SYS_clone, 0, flag)));
    // Of one thread to another; musl sends the signals of a process to itself so.
    #[cfg(not(target_env = "musl"))]
    found.push(one(libc::SYS_tkill, 0, Ne, process));
    found
}

fn condition(
    argument: u8,
    operator: SeccompCmpOp,
    value: u32,
) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(
        argument,
        SeccompCmpArgLen::Dword,
        operator,
        u64::from(value),
    )
}

fn wide(
    call: i64,
    argument: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> (i64, Result<SeccompRule, BackendError>) {
    let found = SeccompCondition::new(argument, SeccompCmpArgLen::Qword, operator, value);
    (call, found.and_then(|found| SeccompRule::new(vec![found])))
}

/// Whether an argument names a descriptor.
fn is(argument: u8, descriptor: RawFd) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![condition(
        argument,
        SeccompCmpOp::Eq,
        descriptor as u32,
    )?])
}
