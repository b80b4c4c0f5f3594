//! The filters, run as the kernel runs them: instruction by instruction.

use super::*;

const PROCESS: u32 = 4321;
const SOCKET: RawFd = 9;
/// Of x86_64 and aarch64, as `linux/audit.h` has them.
const HERE: u32 = if cfg!(target_arch = "x86_64") {
    0xc000_003e
} else {
    0xc000_00b7
};

const ALLOWED: u32 = 0x7fff_0000;
const DENIED: u32 = 0x0005_0000 | libc::EPERM as u32;
const UNKNOWN: u32 = 0x0005_0000 | libc::ENOSYS as u32;

/// What one program answers. Values are `struct seccomp_data`, instructions as in `linux/filter.h`.
fn run(program: &BpfProgram, call: u32, architecture: u32, arguments: [u64; 6]) -> u32 {
    let mut data = vec![call, architecture, 0, 0];
    for argument in arguments {
        data.extend([argument as u32, (argument >> 32) as u32]);
    }
    let (mut at, mut value) = (0, 0);
    loop {
        let step = &program[at];
        at += 1;
        let jump = |holds: bool| usize::from(if holds { step.jt } else { step.jf });
        match step.code {
            0x20 => value = data[step.k as usize / 4],
            0x54 => value &= step.k,
            0x05 => at += step.k as usize,
            0x15 => at += jump(value == step.k),
            0x25 => at += jump(value > step.k),
            0x35 => at += jump(value >= step.k),
            0x06 => return step.k,
            other => panic!("instruction {other:#x}"),
        }
    }
}

/// What all programs answer together: the strictest wins.
fn answer_to(files: Files<'_>, call: i64, arguments: [u64; 6]) -> u32 {
    answer_with(&[SOCKET], files, call, arguments)
}

fn answer_with(sockets: &[RawFd], files: Files<'_>, call: i64, arguments: [u64; 6]) -> u32 {
    let programs = programs(files, sockets, PROCESS).expect("a filter");
    let call = u32::try_from(call).expect("a number");
    programs
        .iter()
        .map(|program| run(program, call, HERE, arguments))
        .find(|answer| *answer != ALLOWED)
        .unwrap_or(ALLOWED)
}

fn answer(call: i64, arguments: &[u64]) -> u32 {
    let mut all = [0; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    answer_to(Files::None, call, all)
}

#[test]
fn denies_every_use_of_what_is_listed() {
    use super::super::calls::{ALWAYS, ALWAYS_HERE, WITHOUT_FILES, WITHOUT_FILES_HERE};

    for arguments in [[0; 6], [u64::MAX; 6], [1, 2, 3, 4, 5, 6]] {
        for call in [ALWAYS, ALWAYS_HERE].concat() {
            assert_eq!(answer_to(Files::None, call, arguments), DENIED, "{call}");
            assert_eq!(
                answer_to(Files::Folders(&[]), call, arguments),
                DENIED,
                "{call}"
            );
        }
        for call in [WITHOUT_FILES, WITHOUT_FILES_HERE].concat() {
            assert_eq!(answer_to(Files::None, call, arguments), DENIED, "{call}");
            assert_eq!(
                answer_to(Files::Folders(&[]), call, arguments),
                ALLOWED,
                "{call}"
            );
        }
    }
}

#[test]
fn lists_no_call_twice() {
    use super::super::calls::{ALWAYS, ALWAYS_HERE, WITHOUT_FILES, WITHOUT_FILES_HERE};

    let mut all = [ALWAYS, ALWAYS_HERE, WITHOUT_FILES, WITHOUT_FILES_HERE].concat();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}

#[test]
fn leaves_what_captures_judges_and_shows() {
    for call in [
        libc::SYS_read,
        libc::SYS_close,
        libc::SYS_ppoll,
        libc::SYS_recvfrom,
        libc::SYS_recvmsg,
        libc::SYS_getsockopt,
        libc::SYS_setsockopt,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_exit_group,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigreturn,
        libc::SYS_set_robust_list,
        libc::SYS_rseq,
        libc::SYS_sched_getaffinity,
        libc::SYS_wait4,
        libc::SYS_fsync,
        libc::SYS_clock_nanosleep,
        libc::SYS_getrandom,
    ] {
        assert_eq!(answer(call, &[3, 1, 1]), ALLOWED, "{call}");
    }
    assert_eq!(answer(libc::SYS_write, &[1, 0, 4096]), ALLOWED);
}

#[test]
fn lets_threads_start_and_nothing_else() {
    // As glibc and musl start a thread.
    let thread = 0x3d_0f00;
    assert_eq!(answer(libc::SYS_clone3, &[0, 88]), UNKNOWN);
    assert_eq!(answer(libc::SYS_clone, &[thread]), ALLOWED);
    let process = libc::SIGCHLD as u64;
    assert_eq!(answer(libc::SYS_clone, &[process]), DENIED);
    for flag in [libc::CLONE_NEWNET, libc::CLONE_NEWUSER, libc::CLONE_NEWNS] {
        assert_eq!(answer(libc::SYS_clone, &[thread | flag as u64]), DENIED);
    }
}

#[test]
fn signals_stay_in_the_process() {
    let (own, other) = (u64::from(PROCESS), u64::from(PROCESS) + 1);
    for call in [libc::SYS_kill, libc::SYS_tgkill] {
        assert_eq!(answer(call, &[own, 15]), ALLOWED);
        for target in [other, 0, -1_i64 as u64, 1] {
            assert_eq!(answer(call, &[target, 15]), DENIED, "{target}");
        }
    }
    // Nor is the kernel asked to signal others.
    use super::super::rules::{F_SETOWN_EX, F_SETSIG, FIOSETOWN, SIOCSPGRP};
    for command in [libc::F_SETOWN as u32, F_SETOWN_EX, F_SETSIG] {
        assert_eq!(answer(libc::SYS_fcntl, &[8, command.into(), 1]), DENIED);
    }
    for command in [FIOSETOWN, SIOCSPGRP, libc::FIOASYNC as u32] {
        assert_eq!(answer(libc::SYS_ioctl, &[0, command.into()]), DENIED);
    }
    let (flags, waits) = (libc::F_SETFL as u64, libc::O_NONBLOCK as u64);
    assert_eq!(answer(libc::SYS_fcntl, &[8, flags, waits]), ALLOWED);
    let signals = waits | libc::O_ASYNC as u64;
    assert_eq!(answer(libc::SYS_fcntl, &[8, flags, signals]), DENIED);
    assert_eq!(answer(libc::SYS_prlimit64, &[0, 7]), ALLOWED);
    assert_eq!(answer(libc::SYS_prlimit64, &[own, 7]), ALLOWED);
    assert_eq!(answer(libc::SYS_prlimit64, &[other, 7]), DENIED);
}

#[test]
fn a_capture_handle_only_receives() {
    let (handle, other) = (SOCKET as u64, 4);
    for call in [
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_dup,
        libc::SYS_sendfile,
    ] {
        assert_eq!(answer(call, &[handle, 1]), DENIED, "{call}");
        assert_eq!(answer(call, &[other, handle]), ALLOWED, "{call}");
    }
    assert_eq!(answer(libc::SYS_splice, &[other, 0, handle]), DENIED);
    assert_eq!(answer(libc::SYS_splice, &[handle, 0, other]), ALLOWED);
    let duplicate = libc::F_DUPFD_CLOEXEC as u64;
    assert_eq!(answer(libc::SYS_fcntl, &[handle, duplicate]), DENIED);
    assert_eq!(answer(libc::SYS_fcntl, &[other, duplicate]), ALLOWED);
    let flags = libc::F_GETFL as u64;
    assert_eq!(answer(libc::SYS_fcntl, &[handle, flags]), ALLOWED);
    // Through other sockets, a byte that wakes, and nothing to an address.
    assert_eq!(answer(libc::SYS_sendto, &[other, 1, 1, 0, 0]), ALLOWED);
    assert_eq!(answer(libc::SYS_sendto, &[handle, 1, 1, 0, 0]), DENIED);
    assert_eq!(answer(libc::SYS_sendto, &[other, 1, 2, 0, 0]), DENIED);
    assert_eq!(answer(libc::SYS_sendto, &[other, 1, 1 << 32, 0, 0]), DENIED);
    assert_eq!(answer(libc::SYS_sendto, &[other, 1, 1, 0, 1 << 32]), DENIED);
}

#[test]
fn many_capture_handles_only_receive() {
    let handles: Vec<RawFd> = (10..74).collect();
    let programs = programs(Files::None, &handles, PROCESS).expect("filters that fit");
    // Of all together, each counted with 4 more: the kernel's limit.
    let instructions: usize = programs.iter().map(|program| program.len() + 4).sum();
    assert!(instructions < 32_768, "{instructions}");
    let answers = |call: i64, arguments: [u64; 6]| {
        let call = u32::try_from(call).expect("a number");
        let mut answers = programs
            .iter()
            .map(|program| run(program, call, HERE, arguments));
        answers.any(|answer| answer == DENIED)
    };
    for descriptor in 0..100 {
        let is_handle = (10..74).contains(&descriptor);
        for call in [libc::SYS_write, libc::SYS_sendto, libc::SYS_dup] {
            let denied = answers(call, [descriptor, 1, 1, 0, 0, 0]);
            assert_eq!(denied, is_handle, "{call} of {descriptor}");
        }
        let duplicate = libc::F_DUPFD as u64;
        let denied = answers(libc::SYS_fcntl, [descriptor, duplicate, 0, 0, 0, 0]);
        assert_eq!(denied, is_handle, "{descriptor}");
        let denied = answers(libc::SYS_splice, [0, 0, descriptor, 0, 1, 0]);
        assert_eq!(denied, is_handle, "{descriptor}");
    }
}

#[test]
fn without_a_capture_handle_writing_is_free() {
    for program in programs(Files::None, &[], PROCESS).expect("a filter") {
        let call = libc::SYS_write as u32;
        assert_eq!(run(&program, call, HERE, [SOCKET as u64; 6]), ALLOWED);
    }
}

#[test]
fn no_new_code_and_no_typing_for_the_user() {
    let memory = (libc::PROT_READ | libc::PROT_WRITE) as u64;
    let code = memory | libc::PROT_EXEC as u64;
    for call in [libc::SYS_mmap, libc::SYS_mprotect, libc::SYS_pkey_mprotect] {
        assert_eq!(answer(call, &[0, 4096, memory]), ALLOWED);
        assert_eq!(answer(call, &[0, 4096, code]), DENIED);
    }
    assert_eq!(answer(libc::SYS_ioctl, &[0, libc::TIOCGWINSZ]), ALLOWED);
    assert_eq!(answer(libc::SYS_ioctl, &[0, libc::TIOCSTI]), DENIED);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn numbers_of_other_forms_lead_nowhere() {
    use super::super::numbers::X32;

    let marked = [libc::SYS_openat, libc::SYS_write, libc::SYS_clone3];
    for call in marked {
        assert_eq!(answer(call | i64::from(X32), &[]), DENIED, "{call}");
    }
    // From `ioctl` to `pwritev2`.
    for own in 512..=547 {
        assert_eq!(answer(own, &[]), DENIED, "{own}");
        assert_eq!(answer(own | i64::from(X32), &[]), DENIED, "{own}");
    }
    assert_eq!(answer(i64::from(u32::MAX), &[]), DENIED);
    assert_eq!(answer(511, &[]), ALLOWED);
    assert_eq!(answer(548, &[]), ALLOWED);
    // The 32-bit entry, where 5 opens a file.
    let killed = 0x8000_0000;
    for program in programs(Files::None, &[], PROCESS).expect("a filter") {
        assert_eq!(run(&program, 5, 0x4000_0003, [0; 6]), killed);
    }
}
