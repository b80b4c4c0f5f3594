//! The program, run from a test.

use std::path::{Path, PathBuf};

use assert_cmd::Command;

/// What a run left behind.
pub struct Run {
    /// Exit status.
    pub status: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs `portolan` in a folder without `portolan.toml`.
pub fn portolan<I: IntoIterator<Item = S>, S: AsRef<std::ffi::OsStr>>(arguments: I) -> Run {
    portolan_in(&root().join("fixtures"), arguments)
}

/// Runs `portolan` in `folder`.
pub fn portolan_in<I: IntoIterator<Item = S>, S: AsRef<std::ffi::OsStr>>(
    folder: &Path,
    arguments: I,
) -> Run {
    portolan_reading(folder, arguments, Vec::new())
}

/// Runs `portolan` in `folder` with bytes on standard input.
pub fn portolan_reading<I: IntoIterator<Item = S>, S: AsRef<std::ffi::OsStr>>(
    folder: &Path,
    arguments: I,
    input: Vec<u8>,
) -> Run {
    let output = Command::cargo_bin("portolan")
        .expect("the program is built")
        .current_dir(folder)
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .env("COLUMNS", "100")
        .args(arguments)
        .write_stdin(input)
        .output()
        .expect("the program runs");
    Run {
        status: output.status.code().expect("an exit status"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

/// The root of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The bytes of a fixture.
pub fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(root().join("fixtures").join(name)).expect("the fixture is there")
}
