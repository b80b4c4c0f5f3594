//! Numbers of system calls that `libc` does not name yet; from 424 on they are the same for every processor.

/// Linux 6.6.
pub(super) const FCHMODAT2: i64 = 452;
/// Linux 6.13.
pub(super) const SETXATTRAT: i64 = 463;
/// Linux 6.13.
pub(super) const REMOVEXATTRAT: i64 = 466;
/// Linux 6.15.
pub(super) const OPEN_TREE_ATTR: i64 = 467;
/// Linux 6.17.
pub(super) const FILE_SETATTR: i64 = 469;
/// Of aarch64, which `libc` names for other processors only.
#[cfg(target_arch = "aarch64")]
pub(super) const RENAMEAT: i64 = 38;

/// What marks the numbers of programs with 32-bit pointers (x32) on x86_64.
#[cfg(target_arch = "x86_64")]
pub(super) const X32: i64 = 0x4000_0000;

/// System calls that have a number of their own in x32: that of others, and theirs. Old kernels take
/// these numbers without the mark, too.
#[cfg(target_arch = "x86_64")]
pub(super) const OWN_OF_X32: [(i64, i64); 17] = {
    use nix::libc;
    [
        (libc::SYS_ioctl, 514),
        (libc::SYS_writev, 516),
        (libc::SYS_sendmsg, 518),
        (libc::SYS_execve, 520),
        (libc::SYS_ptrace, 521),
        (libc::SYS_rt_sigqueueinfo, 524),
        (libc::SYS_kexec_load, 528),
        (libc::SYS_move_pages, 533),
        (libc::SYS_pwritev, 535),
        (libc::SYS_rt_tgsigqueueinfo, 536),
        (libc::SYS_sendmmsg, 538),
        (libc::SYS_process_vm_readv, 539),
        (libc::SYS_process_vm_writev, 540),
        (libc::SYS_io_setup, 543),
        (libc::SYS_io_submit, 544),
        (libc::SYS_execveat, 545),
        (libc::SYS_pwritev2, 547),
    ]
};
