//! `portolan merge`: part files in, one report out, or one part file.

use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use super::args::{SiteArgs, max_flows, threads};
use super::errors::Failure;
use super::judged::JudgeArgs;
use super::outcome::Outcome;
use super::progress::ProgressLine;
use super::terminal::Terminal;
use super::{input, overview, shard};
use crate::observation::{Merging, Part, PartFile, PartFileError, Trouble, Window};
use crate::pipeline;

/// Judge the part files of `portolan shard` together, as one audit of all their captures
///
/// The report is the one that `portolan audit` gives for these captures, whatever part they stand
/// in and in whatever order parts are named. Without --site, portolan.toml in the working folder
/// is used; without that, the command shows what the parts hold.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portolan merge --site site.toml gate1.part gate2.part
  portolan merge --site site.toml --quiet --report json=audit.json parts/*.part
  ssh gate1 portolan shard /captures -o - | portolan merge --site site.toml - gate2.part
  portolan merge --output week.part monday.part tuesday.part

Exit status: 0 nothing found, 1 findings (see --fail-on), 2 not made or incomplete.")]
pub struct Args {
    /// Part files of `portolan shard`, or - for standard input
    #[arg(required = true, value_name = "PART")]
    parts: Vec<PathBuf>,
    #[command(flatten)]
    site: SiteArgs,
    /// Judge nothing, and write one part file with all that the parts hold: a file, or - for
    /// standard output
    #[arg(
        long,
        short,
        value_name = "PART",
        conflicts_with_all = ["site", "format", "report", "quiet", "fail_on", "strict"]
    )]
    output: Option<PathBuf>,
    #[command(flatten)]
    judge: JudgeArgs,
    /// Judge with at most this many threads [default: one for each core]; the report does not
    /// depend on it
    #[arg(long, value_name = "N", value_parser = threads)]
    threads: Option<NonZeroUsize>,
    /// Keep at most this many flows of all parts one by one, in about 80 bytes each (IPv6: 120);
    /// those beyond are folded by initiator, responder and responder port, and counted
    #[arg(long, value_name = "N", default_value_t = pipeline::MAX_FLOWS, value_parser = max_flows)]
    max_flows: usize,
    /// Draw no progress on standard error
    #[arg(long)]
    no_progress: bool,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Outcome, Failure> {
    if let Some(output) = &args.output {
        shard::check_output(output, &args.parts)?;
        let Some((part, window)) = read(args, terminal)? else {
            return Ok(Outcome::Incomplete);
        };
        return shard::finish(part, window, output, terminal);
    }
    let mut inputs = args.parts.clone();
    inputs.extend(args.site.path());
    args.judge.check(&inputs)?;
    let site = input::site(&args.site, terminal)?;
    let Some((part, _)) = read(args, terminal)? else {
        return Ok(Outcome::Incomplete);
    };
    let observation = part.finish();
    input::tell_problems(observation.captures(), terminal);
    match site {
        Some(site) => {
            let threads = args.threads.unwrap_or_else(pipeline::all_cores);
            args.judge.judge(observation, &site, threads, terminal)
        }
        None => overview::show(&observation, terminal),
    }
}

/// A part file whose beginning was read.
type Opened = PartFile<Box<dyn Read>>;

/// Reads all parts into one; `None` where one can't be used, which was said.
fn read(args: &Args, terminal: &Terminal) -> Result<Option<(Part, Window)>, Failure> {
    let mut heads = Vec::new();
    let mut opened = Vec::new();
    let mut failed = false;
    let mut bytes = Some(0);
    for path in &args.parts {
        match open(path) {
            Ok((file, size)) => {
                heads.push(file.head().clone());
                bytes = bytes.zip(size).map(|(sum, size)| sum + size);
                // A stream gives its bytes only once. A file is opened again when its turn comes:
                // there may be more of them than may be open at once.
                opened.push(Some(file).filter(|_| size.is_none()));
            }
            Err(error) => {
                terminal.error(&error.to_string());
                terminal.help(error.help());
                failed = true;
            }
        }
    }
    let Some(first) = heads.first() else {
        return Ok(None);
    };
    if failed {
        return Ok(None);
    }
    let window = first.window();
    let mut merging = Merging::new(heads, args.max_flows).map_err(failure)?;
    for [(one, part), (other, other_part)] in merging.look_alikes() {
        terminal.warning(&format!(
            "{one} in {part} and {other} in {other_part} look like the same capture: if they are, \
             its packets count twice"
        ));
    }
    let shown = terminal.shows_progress() && !args.no_progress;
    let progress = ProgressLine::new(bytes, shown);
    for (index, (path, opened)) in args.parts.iter().zip(opened).enumerate() {
        progress.reading(&path.display().to_string());
        let file = match opened {
            Some(stream) => stream,
            None => open(path).map_err(failure)?.0,
        };
        merging
            .add(index, file, &mut |bytes| progress.advance(bytes))
            .map_err(failure)?;
    }
    Ok(Some((merging.finish(), window)))
}

/// A part file, and its size where it is a file.
fn open(path: &Path) -> Result<(Opened, Option<u64>), PartFileError> {
    let name = path.display().to_string();
    if path == Path::new("-") {
        let input: Box<dyn Read> = Box::new(io::stdin());
        return Ok((PartFile::open(input, &name)?, None));
    }
    let unreadable = |error| PartFileError {
        name: name.clone(),
        trouble: Trouble::Unreadable(error),
    };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    let size = metadata.is_file().then_some(metadata.len());
    let input: Box<dyn Read> = Box::new(file);
    Ok((PartFile::open(input, &name)?, size))
}

fn failure(error: PartFileError) -> Failure {
    Failure::with_help(&error, error.help())
}
