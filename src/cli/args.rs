//! Arguments that several commands share.

use std::num::{NonZeroU16, NonZeroUsize};
use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::net::Timestamp;
use crate::observation::Window;
use crate::pipeline;
use crate::report::{self, FORMATS, Format};

/// The site file that is used when none is named.
pub const DEFAULT_SITE: &str = "portolan.toml";

/// Which site to judge by.
#[derive(Args, Clone, Debug)]
pub struct SiteArgs {
    /// Site file: which addresses hold which roles [default: portolan.toml, if it is there]
    #[arg(long, short, value_name = "FILE")]
    pub site: Option<PathBuf>,
}

impl SiteArgs {
    /// The file named, or the default one where it is there.
    pub fn path(&self) -> Option<PathBuf> {
        let default = || Some(PathBuf::from(DEFAULT_SITE)).filter(|path| path.is_file());
        self.site.clone().or_else(default)
    }
}

/// What to read.
#[derive(Args, Clone, Debug)]
pub struct InputArgs {
    /// Captures (pcap or pcapng, plain or compressed with gzip, zstd or lz4), folders of them, or -
    /// for standard input; read as one
    #[arg(required = true, value_name = "CAPTURE")]
    pub captures: Vec<PathBuf>,
    /// Judge only what was captured at this time or later (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub from: Option<Timestamp>,
    /// Judge only what was captured at this time or earlier (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub to: Option<Timestamp>,
    /// Take a capture that ends inside its last record, or is compressed and cut off, as complete
    #[arg(long)]
    pub accept_truncated: bool,
    /// Read with at most this many threads, one file too [default: one for each core]; the report
    /// does not depend on it, unless it says in `limits` that a bound was reached
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<NonZeroUsize>,
    /// Keep at most this many flows one by one, in about 80 bytes each (IPv6: 120) for every
    /// thread; those beyond are folded by initiator, responder and responder port, and counted
    #[arg(long, value_name = "N", default_value_t = pipeline::MAX_FLOWS, value_parser = max_flows)]
    pub max_flows: usize,
    /// Draw no progress on standard error
    #[arg(long)]
    pub no_progress: bool,
}

impl InputArgs {
    /// Which packets are judged.
    pub fn window(&self) -> Window {
        Window {
            from: self.from,
            to: self.to,
        }
    }

    /// How many threads to use: as many as are named, else as many as there are cores.
    pub fn threads(&self) -> NonZeroUsize {
        self.threads.unwrap_or_else(pipeline::all_cores)
    }
}

/// Where reports go.
#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
    /// Format of standard output
    #[arg(long, short, value_name = "FORMAT", default_value = "text", value_parser = formats())]
    pub format: &'static Format,
    /// Write a report to a file too; may be given several times
    #[arg(long, value_name = "FORMAT=PATH", value_parser = report_file)]
    pub report: Vec<ReportFile>,
    /// List every rule with its use, the unused ones too: in the text report, and as rows of CSV
    /// (JSON always has them)
    #[arg(long)]
    pub rules: bool,
    /// Write nothing on standard output: the exit status says it
    #[arg(long, short)]
    pub quiet: bool,
}

/// A report that goes to a file.
#[derive(Clone, Debug)]
pub struct ReportFile {
    /// How to write it.
    pub format: &'static Format,
    /// Where to.
    pub path: PathBuf,
}

/// The formats of the one list, with their purpose in the help.
fn formats() -> impl TypedValueParser<Value = &'static Format> {
    let values = FORMATS
        .iter()
        .map(|format| PossibleValue::new(format.name).help(format.purpose));
    PossibleValuesParser::new(values)
        .map(|name| report::format(&name).expect("clap allows only the names of the list"))
}

fn report_file(text: &str) -> Result<ReportFile, String> {
    let names = || {
        let names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
        names.join(", ")
    };
    let (name, path) = text
        .split_once('=')
        .ok_or_else(|| format!("write FORMAT=PATH, FORMAT one of {}", names()))?;
    let format = report::format(name)
        .ok_or_else(|| format!("'{name}' is no format; there are {}", names()))?;
    if path.is_empty() {
        return Err(format!("a path is missing after '{name}='"));
    }
    Ok(ReportFile {
        format,
        path: path.into(),
    })
}

/// A number of threads.
pub(super) fn threads(text: &str) -> Result<NonZeroUsize, String> {
    // More than any machine has, and few enough to start.
    text.parse::<NonZeroU16>()
        .map(NonZeroUsize::from)
        .map_err(|_| format!("write a number from 1 to {}", u16::MAX))
}

/// A bound on flows.
pub(super) fn max_flows(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(flows) if flows > 0 => Ok(flows),
        _ => Err("write a number of flows, at least 1".to_owned()),
    }
}

fn time(text: &str) -> Result<Timestamp, String> {
    let instant: jiff::Timestamp = text
        .parse()
        .map_err(|_| "write a time as RFC 3339 does: 2026-01-05T08:00:00Z".to_owned())?;
    i64::try_from(instant.as_nanosecond())
        .map(Timestamp)
        .map_err(|_| "the time lies outside the years 1678 to 2261".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(time("1970-01-01T00:00:01Z"), Ok(Timestamp(1_000_000_000)));
        assert_eq!(
            time("1970-01-01T01:00:00.5+01:00"),
            Ok(Timestamp(500_000_000))
        );
        assert!(time("yesterday").is_err());
        assert!(time("3000-01-01T00:00:00Z").is_err());
    }

    #[test]
    fn threads_are_at_least_one() {
        assert_eq!(threads("8").map(NonZeroUsize::get), Ok(8));
        for wrong in ["0", "-1", "65536", "many"] {
            assert!(threads(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn report_files_name_format_and_path() {
        let file = report_file("json=out/a=b.json").expect("a format and a path");
        assert_eq!(
            (file.format.name, file.path),
            ("json", "out/a=b.json".into())
        );
        for (text, error) in [
            ("json", "write FORMAT=PATH"),
            ("pdf=x", "'pdf' is no format"),
            ("json=", "a path is missing"),
        ] {
            let found = report_file(text).expect_err(text);
            assert!(found.starts_with(error), "{found}");
        }
    }
}
