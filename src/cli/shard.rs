//! `portolan shard`: captures in, a part file out, to be judged later together with others.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use clap::builder::NonEmptyStringValueParser;

use super::args::InputArgs;
use super::errors::Failure;
use super::outcome::Outcome;
use super::terminal::Terminal;
use super::{input, target};
use crate::observation::{Part, Window, is_part_file};
use crate::report::file;

/// What stands for standard input and output.
const STANDARD: &str = "-";

/// Keep what is seen in captures in a part file, for `portolan merge`
///
/// Nothing is judged, and no site is needed. Merging the parts of several captures gives the
/// report that one audit of all of them would give. --from and --to belong to the part: give all
/// parts of a merge the same.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portolan shard monday.pcapng -o monday.part
  timeout 600 tcpdump -i eth0 -w - | portolan shard - --name gate1 -o gate1.part
  ssh gate2 'timeout 600 tcpdump -w -' | portolan shard - --name gate2 -o gate2.part
  portolan merge --site site.toml monday.part gate1.part gate2.part

Exit status: 0, or 2 where a capture is damaged or can't be read; the part holds what could be.")]
pub struct Args {
    #[command(flatten)]
    input: InputArgs,
    /// Where the part goes: a file, or - for standard output
    #[arg(long, short, value_name = "PART")]
    output: PathBuf,
    /// What standard input is called in the report, in place of -
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    name: Option<String>,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Outcome, Failure> {
    let captures = &args.input.captures;
    if args.name.is_some() && !captures.iter().any(|path| path == Path::new(STANDARD)) {
        return Err(Failure::with_help(
            "--name names standard input, and - is not among the captures",
            "leave it out: files keep their own names",
        ));
    }
    if let Some(name) = &args.name
        && captures.iter().any(|path| path == Path::new(name))
    {
        return Err(Failure::with_help(
            format!("--name {name}: a capture has this name already"),
            "call standard input by another one",
        ));
    }
    check_output(&args.output, captures)?;
    let mut part = input::read(&args.input, terminal)?;
    if let Some(name) = &args.name {
        part = part.rename(STANDARD, name);
    }
    finish(part, args.input.window(), &args.output, terminal)
}

/// Checks that a part can be written to `path`, and that nothing else is lost by it.
///
/// # Errors
/// Where it can't, or would replace one of the `inputs` or a file that is no part.
pub(super) fn check_output(path: &Path, inputs: &[PathBuf]) -> Result<(), Failure> {
    if path == Path::new(STANDARD) {
        return match io::stdout().is_terminal() {
            false => Ok(()),
            true => Err(Failure::with_help(
                "a part file is not for a terminal",
                "name a file with --output, or send standard output elsewhere",
            )),
        };
    }
    target::check(path, "part file", inputs)?;
    if path.is_file() && !may_be_replaced(path) {
        return Err(Failure::with_help(
            format!("{}: is there, and is no part file", path.display()),
            "give the part another name, or remove that file first",
        ));
    }
    Ok(())
}

fn may_be_replaced(path: &Path) -> bool {
    let mut beginning = Vec::new();
    let read = File::open(path).and_then(|file| file.take(64).read_to_end(&mut beginning));
    read.is_ok() && (beginning.is_empty() || is_part_file(&beginning))
}

/// Writes a part, and says what is wrong with its captures.
///
/// # Errors
/// Where it can't be written.
pub(super) fn finish(
    part: Part,
    window: Window,
    path: &Path,
    terminal: &Terminal,
) -> Result<Outcome, Failure> {
    input::tell_problems(part.captures(), terminal);
    let complete = part.captures().all(|capture| capture.is_complete());
    write(part, window, path)?;
    Ok(if complete {
        Outcome::Clean
    } else {
        Outcome::Incomplete
    })
}

/// Writes a part to a file, whole or not at all, or to standard output.
fn write(part: Part, window: Window, path: &Path) -> Result<(), Failure> {
    let written = if path == Path::new(STANDARD) {
        let mut out = BufWriter::new(io::stdout().lock());
        part.write(window, &mut out).and_then(|()| out.flush())
    } else {
        file::replace(path, |out| part.write(window, out))
    };
    written.map_err(|error| {
        let path = path.display();
        Failure::new(format!("{path}: the part file can't be written: {error}"))
    })
}
