//! The `portolan` command: arguments in, exit status out.

use std::process::ExitCode;

fn main() -> ExitCode {
    portolan::cli::run(std::env::args_os()).into()
}
