//! `portolan audit`: captures and a site in, a report out.

use std::path::{Path, PathBuf};

use super::args::{InputArgs, ReportArgs, SiteArgs};
use super::errors::Failure;
use super::outcome::{FailOn, Outcome};
use super::terminal::Terminal;
use super::{input, overview};
use crate::evidence::Evidence;
use crate::policy::service_ports;
use crate::report::{Page, Report, file};
use crate::verdict::{Counted, Partitions, Proofs, Strictness, judge};

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
    report: ReportArgs,
    /// What ends with exit status 1: a list of unexpected, missing, failed, degraded, failing,
    /// diagnosis, loss, expired, or none
    #[arg(long, value_name = "LIST", default_value = FailOn::DEFAULT, value_parser = FailOn::parse)]
    fail_on: FailOn,
    /// Take flows of link maintenance (mDNS, LLMNR, SSDP and their like) for findings
    #[arg(long)]
    strict: bool,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Outcome, Failure> {
    check_targets(args)?;
    let site = input::site(&args.site, terminal)?;
    let observation = input::observe(&args.input, terminal)?;
    let Some(site) = site else {
        return overview::show(&observation, terminal);
    };
    let services = service_ports();
    let evidence = Evidence::collect(observation.log(), &observation);
    let strictness = if args.strict {
        Strictness::Strict
    } else {
        Strictness::Normal
    };
    let proofs = Proofs::from(&evidence);
    let counted = Counted::new(&observation, &evidence);
    let partitions = Partitions {
        count: observation.flow_partitions(),
        flows: |partition| observation.flows_of(partition, &services),
    };
    let threads = args.input.threads();
    let audit = judge(
        &site.policy,
        &site.site,
        proofs,
        counted,
        strictness,
        &partitions,
        threads,
    );
    let outcome = Outcome::of(&audit, &args.fail_on);
    let report = Report::new(&audit);
    let mut unwritten = false;
    for target in &args.report.report {
        let written = file::replace(&target.path, |out| {
            (target.format.write)(&report, &Page::default(), out)
        });
        if let Err(error) = written {
            let path = target.path.display();
            terminal.error(&format!("{path}: the report can't be written: {error}"));
            unwritten = true;
        }
    }
    if !args.report.quiet {
        terminal.report(|page, out| (args.report.format.write)(&report, page, out))?;
    }
    // The process ends here: giving millions of flows back one chunk after the other takes a
    // while, and nobody needs the room.
    std::mem::forget(observation);
    Ok(if unwritten {
        Outcome::Incomplete
    } else {
        outcome
    })
}

/// Finds out before hours of reading, not after them, that a report has no folder to go to, or
/// would replace what it is made from.
fn check_targets(args: &Args) -> Result<(), Failure> {
    let site = args.site.path();
    let inputs: Vec<PathBuf> = args
        .input
        .captures
        .iter()
        .chain(&site)
        .filter_map(|path| path.canonicalize().ok())
        .collect();
    for target in &args.report.report {
        let path = &target.path;
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        if !folder.is_dir() {
            return Err(Failure::with_help(
                format!("{}: the report can't be written", path.display()),
                format!("make the folder {} first", folder.display()),
            ));
        }
        if path.canonicalize().is_ok_and(|path| inputs.contains(&path)) {
            return Err(Failure::with_help(
                format!("{}: the report would replace an input", path.display()),
                "give it a path of its own",
            ));
        }
    }
    Ok(())
}
