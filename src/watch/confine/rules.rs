//! What the seccomp filter denies, and with which arguments.

use std::collections::BTreeMap;
use std::os::fd::RawFd;

use nix::libc;
use seccompiler::{BackendError, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

use super::{Files, calls};

/// By system call: all conditions of one of these rules; no rule denies every use.
pub(super) type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// What is denied to that process.
pub(super) fn rules(
    files: Files<'_>,
    packet_sockets: &[RawFd],
    process: u32,
) -> Result<Rules, BackendError> {
    let mut rules = Rules::new();
    for (call, condition) in conditions(process) {
        rules.entry(call).or_default().push(condition?);
    }
    for (call, argument) in calls::ON_PACKET_SOCKETS {
        let on = packet_sockets.iter().map(|socket| is(*argument, *socket));
        let on = on.collect::<Result<Vec<_>, _>>()?;
        // Without a rule it would be denied for good.
        if !on.is_empty() {
            rules.entry(*call).or_default().extend(on);
        }
    }
    for socket in packet_sockets {
        let duplicates = [libc::F_DUPFD, libc::F_DUPFD_CLOEXEC];
        for command in duplicates {
            let rule = SeccompRule::new(vec![
                condition(0, SeccompCmpOp::Eq, *socket as u32)?,
                condition(1, SeccompCmpOp::Eq, command as u32)?,
            ])?;
            rules.entry(libc::SYS_fcntl).or_default().push(rule);
        }
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
