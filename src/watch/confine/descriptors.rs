//! Descriptors that whoever started this process left open: nothing of them is kept.

use std::fs::{self, File};

use nix::sys::resource::{Resource, getrlimit};
use nix::unistd;

/// Most descriptors that are tried one by one.
const MOST: u64 = 1 << 16;

/// Closes what was open when this process was started, but standard input and output.
///
/// Must come before this process keeps anything open itself.
pub fn close_inherited() {
    let listed = fs::read_dir("/dev/fd").map(|entries| {
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter_map(|name| name.parse().ok()).collect()
    });
    let numbers: Vec<i32> = listed.unwrap_or_else(|_| possible());
    for number in numbers {
        if number > 2 {
            // Where they are listed, one was the list itself, which is closed by now.
            let _ = unistd::close(number);
        }
    }
}

/// The numbers that may be in use where the system does not list those that are.
fn possible() -> Vec<i32> {
    let most = getrlimit(Resource::RLIMIT_NOFILE).map_or(MOST, |(_, hard)| hard.min(MOST));
    (0..i32::try_from(most).unwrap_or(i32::MAX)).collect()
}

/// Puts standard input on the null device, where there is one: for a process that reads nothing more
/// from it.
pub fn leave_standard_input() {
    if let Ok(null) = File::open("/dev/null") {
        let _ = unistd::dup2_stdin(&null);
    }
}

/// Puts standard output on the null device, where there is one: for a process that writes nothing to
/// it, and that whoever reads it should not wait for.
pub fn leave_standard_output() {
    if let Ok(null) = File::options().write(true).open("/dev/null") {
        let _ = unistd::dup2_stdout(&null);
    }
}
