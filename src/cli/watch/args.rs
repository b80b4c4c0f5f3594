//! What `portolan watch` takes.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;

use crate::cli::args::{SiteArgs, max_flows};
use crate::cli::judged::JudgeArgs;
use crate::cli::quantity::{file_size, period};

/// Audit live: watch interfaces, tick off what is required as it appears, and report
///
/// On a terminal a checklist shows which required steps were seen, what fails and why, transfers
/// under way, and what should not be there. Elsewhere every event is a line: for people on
/// standard error, or with --format jsonl as JSON on standard output. The end is the report that
/// `portolan audit` makes of the same packets, with its exit status.
///
/// Ends on --until-satisfied, --duration, --packets, when no interface is left, when nobody reads
/// standard output any more, and on SIGINT, SIGTERM, SIGHUP or SIGQUIT. A second signal ends it at
/// once.
///
/// Capturing needs CAP_NET_RAW or root. Once the interfaces are open that is given up, with
/// everything else: see --user.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portolan watch --site lab.toml -i br0 --until-satisfied --duration 3m
  portolan watch --site site.toml -i eth0 -i eth1 --filter 'not port 22' --duration 1h
  portolan watch --site site.toml -i eth0 --write day.pcapng --rotate 1G --keep 24
  portolan watch --site site.toml -i eth0 --report json=now.json --interval 1m --metrics now.prom
  portolan watch --site site.toml -i eth0 --format jsonl | jq 'select(.event == \"flow-unexpected\")'
  portolan watch --list-interfaces

Exit status: 0 nothing found, 1 findings (see --fail-on), 2 not made or incomplete.")]
pub struct Args {
    #[command(flatten)]
    pub site: SiteArgs,
    /// Interface to listen on, or any for all of them; may be given several times
    #[arg(
        long,
        short,
        value_name = "IFACE",
        value_parser = NonEmptyStringValueParser::new(),
        required_unless_present = "list_interfaces"
    )]
    pub interface: Vec<String>,
    /// List the interfaces there are, and do nothing else
    #[arg(long)]
    pub list_interfaces: bool,
    #[command(flatten)]
    pub capture: CaptureArgs,
    #[command(flatten)]
    pub ends: EndArgs,
    #[command(flatten)]
    pub files: FileArgs,
    /// Go on as this user once the interfaces are open [default, where root starts it: nobody, and
    /// what writes files as root without any capability]
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Keep at most this many flows one by one, in some 200 bytes each for every interface;
    /// those beyond are folded by initiator, responder and responder port, and counted
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = max_flows)]
    pub max_flows: usize,
    /// Fold flows that were silent for so long: a long run takes no more memory than a short one
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = period)]
    pub idle: Duration,
    #[command(flatten)]
    pub judge: JudgeArgs,
    /// Draw no checklist and write no events on standard error
    #[arg(long)]
    pub no_progress: bool,
}

/// How interfaces are opened.
#[derive(clap::Args)]
pub struct CaptureArgs {
    /// Capture only what this filter lets pass, in libpcap's language (pcap-filter(7))
    #[arg(long, value_name = "BPF")]
    pub filter: Option<String>,
    /// Capture at most so many bytes of each frame [default: all]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(64..=262_144))]
    pub snaplen: Option<u32>,
    /// Capture only frames for this machine: a bridge or mirror port shows little then
    #[arg(long)]
    pub no_promiscuous: bool,
    /// Size of the kernel's ring for each interface, in MiB [default: 32]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=2047))]
    pub buffer_size: Option<u32>,
}

/// When to end.
#[derive(clap::Args)]
pub struct EndArgs {
    /// End once all that is required was seen and has held for --settle
    #[arg(long)]
    pub until_satisfied: bool,
    /// How long it must hold: between two files of one boot nothing is missing either
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = period, requires = "until_satisfied")]
    pub settle: Duration,
    /// End after this time: 90s, 3m, 1h30m, or seconds
    #[arg(long, value_name = "DURATION", value_parser = period)]
    pub duration: Option<Duration>,
    /// End after so many packets
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub packets: Option<u64>,
}

/// What is kept while it runs.
#[derive(clap::Args)]
pub struct FileArgs {
    /// Write the files of --report also every so often, whole each time
    #[arg(long, value_name = "DURATION", value_parser = period, requires = "report")]
    pub interval: Option<Duration>,
    /// Keep the packets in this file, as pcapng
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Begin another file, numbered, when one has reached this size: 100M, 1G; files of earlier runs
    /// stay, and it goes on after them
    #[arg(long, value_name = "SIZE", value_parser = file_size, requires = "write")]
    pub rotate: Option<u64>,
    /// Keep only the last so many files, those of earlier runs among them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), requires = "rotate")]
    pub keep: Option<u32>,
    /// Keep a file for Prometheus' textfile collector up to date
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,
}
