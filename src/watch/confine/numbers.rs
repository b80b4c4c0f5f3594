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
/// Linux 3.17, on aarch64 5.0, where `libc` names it for the GNU C library only.
#[cfg(target_arch = "x86_64")]
pub(super) const KEXEC_FILE_LOAD: i64 = 320;
#[cfg(target_arch = "aarch64")]
pub(super) const KEXEC_FILE_LOAD: i64 = 294;

/// From here on the numbers are marked as those of programs with 32-bit pointers (x32).
#[cfg(target_arch = "x86_64")]
pub(super) const X32: u32 = 0x4000_0000;

/// System calls that have a number of their own in x32: the first. Old kernels take these numbers
/// without the mark, too.
#[cfg(target_arch = "x86_64")]
pub(super) const FIRST_OF_X32: u32 = 512;
/// The last; no further ones are given out.
#[cfg(target_arch = "x86_64")]
pub(super) const LAST_OF_X32: u32 = 547;
