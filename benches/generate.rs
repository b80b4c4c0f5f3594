//! Writes a capture of any size, the same for the same options:
//!
//! ```text
//! cargo bench --bench generate -- OUT --packets 10000000 --snaplen 96
//! ```

#[path = "../tests/support/mod.rs"]
mod support;

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use clap::builder::PossibleValue;
use support::build::{Bulk, Container, Profile};
use support::measure::arguments;

/// Write a capture of any size: the same options always give the same bytes
#[derive(Parser)]
#[command(name = "generate")]
struct Options {
    /// Where to; - is standard output
    #[arg(value_name = "OUT")]
    path: PathBuf,
    /// Packets
    #[arg(long, value_name = "N", default_value_t = Bulk::default().packets)]
    packets: u64,
    /// Distinct flows [default: one for 17, 40 or 2 packets, by the profile]
    #[arg(long, value_name = "N")]
    flows: Option<u64>,
    /// Who talks, and how much
    #[arg(long, value_name = "NAME", default_value = "site")]
    profile: Profile,
    /// Client machines
    #[arg(long, value_name = "N", default_value_t = Bulk::default().clients)]
    clients: u32,
    /// Bytes kept of each frame; 0 keeps all
    #[arg(long, value_name = "N", default_value_t = Bulk::default().snaplen)]
    snaplen: usize,
    /// Another number, another capture
    #[arg(long, value_name = "N", default_value_t = Bulk::default().seed)]
    seed: u64,
    /// Format of the file
    #[arg(long, value_name = "NAME", default_value = "pcap")]
    format: Container,
}

impl clap::ValueEnum for Profile {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(self.purpose()))
    }
}

impl clap::ValueEnum for Container {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Pcap, Self::Pcapng]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Pcap => "pcap",
            Self::Pcapng => "pcapng",
        }))
    }
}

fn main() -> ExitCode {
    let Some(options) = arguments::<Options>() else {
        return ExitCode::SUCCESS;
    };
    match write(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn write(options: &Options) -> Result<(), String> {
    let bulk = Bulk {
        profile: options.profile,
        packets: options.packets,
        flows: options.flows,
        clients: options.clients,
        seed: options.seed,
        snaplen: options.snaplen,
        container: options.format,
    };
    bulk.check()?;
    let path = &options.path;
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    if path.as_os_str() == "-" {
        return match bulk.write(&mut io::stdout().lock()) {
            // The reader has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.map(drop).map_err(failed),
        };
    }
    let mut file = File::create(path).map_err(failed)?;
    let frames = bulk.write(&mut file).map_err(failed)?;
    let flows = bulk.flow_count();
    println!("{}: {frames} frames, {flows} flows", path.display());
    Ok(())
}
