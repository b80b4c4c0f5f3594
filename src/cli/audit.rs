//! `portolan audit`: captures and a site in, a report out.

use super::args::{InputArgs, SiteArgs};
use super::errors::Failure;
use super::judged::JudgeArgs;
use super::outcome::Outcome;
use super::terminal::Terminal;
use super::{input, overview};

/// Audit captures against a site: what should not be there, and what is missing
///
/// All captures are read as one stream of time. Without --site, portolan.toml in the working
/// folder is used; without that, the command shows what the captures hold.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portolan audit --site site.toml boundary.pcapng
  portolan audit --site site.toml --quiet --report json=audit.json captures/
  portolan audit --site site.toml --fail-on unexpected,expired --from 2026-01-05T08:00:00Z day.pcap
  tcpdump -r day.pcap -w - port 69 | portolan audit --site site.toml -

Exit status: 0 nothing found, 1 findings (see --fail-on), 2 not made or incomplete.")]
pub struct Args {
    #[command(flatten)]
    site: SiteArgs,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    judge: JudgeArgs,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Outcome, Failure> {
    let mut inputs = args.input.captures.clone();
    inputs.extend(args.site.path());
    args.judge.check(&inputs)?;
    let site = input::site(&args.site, terminal)?;
    let observation = input::observe(&args.input, terminal)?;
    match site {
        Some(site) => {
            let threads = args.input.threads();
            args.judge.judge(observation, &site, threads, terminal)
        }
        None => overview::show(&observation, terminal),
    }
}
