//! Writes a capture of any size, the same for the same options:
//!
//! ```text
//! cargo bench --bench generate -- OUT --packets 10000000 [--clients N] [--seed N] [--snaplen N]
//! ```

#[path = "../tests/support/mod.rs"]
mod support;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

use support::build::Bulk;

const USAGE: &str = "generate OUT [--packets N] [--clients N] [--seed N] [--snaplen N]";

fn main() -> ExitCode {
    // Cargo adds `--bench` to what the user wrote.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    if arguments.is_empty() {
        // All benchmarks are run: there is nothing to measure here.
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    match parse(&arguments).and_then(|(path, bulk)| write(&path, &bulk)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn parse(arguments: &[String]) -> Result<(String, Bulk), String> {
    let (mut path, mut bulk) = (None, Bulk::default());
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if !argument.starts_with("--") {
            path = Some(argument.clone());
            continue;
        }
        let value = rest.next().and_then(|text| text.parse::<u64>().ok());
        let value = value.ok_or_else(|| format!("{argument} takes a number\n{USAGE}"))?;
        match argument.as_str() {
            "--packets" => bulk.packets = value,
            "--clients" => bulk.clients = u32::try_from(value).unwrap_or(u32::MAX).max(1),
            "--seed" => bulk.seed = value,
            "--snaplen" => bulk.snaplen = usize::try_from(value).unwrap_or(usize::MAX),
            _ => return Err(format!("{argument} is no option\n{USAGE}")),
        }
    }
    path.map(|path| (path, bulk))
        .ok_or_else(|| USAGE.to_owned())
}

fn write(path: &str, bulk: &Bulk) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{path}: {error}");
    let mut out = BufWriter::new(File::create(path).map_err(failed)?);
    let frames = bulk.write(&mut out).map_err(failed)?;
    out.flush().map_err(failed)?;
    println!("{path}: {frames} frames");
    Ok(())
}
