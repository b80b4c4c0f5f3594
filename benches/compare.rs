//! `portolan audit` beside other programs on the same capture, run in turn:
//!
//! ```text
//! cargo bench --bench compare -- CAPTURE [--site FILE] [--runs N] [--against 'NAME=COMMAND {}']
//! ```

#[path = "../tests/support/mod.rs"]
mod support;

use std::error::Error;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::Parser;
use support::measure::{Cost, Feed, Program, Table, amount, arguments, bytes, median, seconds};

/// Programs that read a capture: name, command, and the Debian package that holds it.
const PEERS: [(&str, &str, &str); 2] = [
    (
        "tcpdump -w /dev/null",
        "tcpdump -nn -r {} -w /dev/null",
        "tcpdump",
    ),
    ("capinfos -c", "capinfos -c {}", "wireshark-common"),
];
const TSHARK: (&str, &str, &str) = (
    "tshark -z conv,tcp",
    "tshark -n -r {} -q -z conv,tcp",
    "tshark",
);

/// Measure `portolan audit` beside other programs on the same capture
#[derive(Parser)]
#[command(name = "compare")]
struct Options {
    /// The capture, better in the page cache than on a disk: it is read once before measuring
    capture: PathBuf,
    /// Site file to audit with
    #[arg(long, value_name = "FILE", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/site.toml"))]
    site: PathBuf,
    /// How often each program is run, all of them in turn
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Threads of portolan [default: its own default]
    #[arg(long, value_name = "N")]
    threads: Option<u16>,
    /// Measure tshark too, which takes minutes where others take a second
    #[arg(long)]
    tshark: bool,
    /// One more program, {} in place of the capture; may be given several times
    #[arg(long, value_name = "NAME=COMMAND", value_parser = named)]
    against: Vec<(String, String)>,
}

fn named(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, command)) if command.contains("{}") => {
            Ok((name.to_owned(), command.to_owned()))
        }
        _ => Err("write NAME=COMMAND, with {} in place of the capture".to_owned()),
    }
}

fn main() -> ExitCode {
    let Some(options) = arguments::<Options>() else {
        return ExitCode::SUCCESS;
    };
    match compare(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn compare(options: &Options) -> Result<(), Box<dyn Error>> {
    let capture = &options.capture;
    let size = std::fs::metadata(capture)
        .map_err(|error| format!("{}: {error}", capture.display()))?
        .len() as f64;
    let own = portolan(options);
    let (packets, flows) = totals(&own)?;
    let mut programs = vec![own];
    let tshark = options.tshark.then_some(TSHARK);
    for (name, line, package) in PEERS.into_iter().chain(tshark) {
        add(Program::parse(name, line, capture), package, &mut programs)?;
    }
    for (name, line) in &options.against {
        add(Program::parse(name, line, capture), "", &mut programs)?;
    }
    let costs = rounds(&programs, options.runs)?;
    println!(
        "{}: {packets} packets, {flows} flows, {}; site {}",
        capture.display(),
        bytes(size),
        options.site.display()
    );
    println!(
        "Medians of {} runs in turn. Rates are by wall time; memory is the most that was resident \
         and no file map; ratios are medians of those of each round.\n",
        options.runs
    );
    let mut table = Table::new(&[
        "command",
        "packets/s",
        "MB/s",
        "CPU",
        "wall",
        "memory",
        "bytes a flow",
        "CPU ratio",
        "wall ratio",
    ]);
    for (program, own_costs) in programs.iter().zip(&costs) {
        let of = |value: fn(&Cost) -> f64| median(own_costs.iter().map(value));
        let ratio = |value: fn(&Cost) -> f64| {
            let pairs = own_costs.iter().zip(&costs[0]);
            median(pairs.map(|(cost, portolan)| value(cost) / value(portolan)))
        };
        let (wall, memory) = (of(|cost| cost.wall), of(|cost| cost.memory as f64));
        table.row(vec![
            format!("`{}`", program.name),
            amount(packets as f64 / wall),
            format!("{:.0}", size / 1e6 / wall),
            seconds(of(|cost| cost.cpu)),
            seconds(wall),
            bytes(memory),
            format!("{:.0}", memory / flows.max(1) as f64),
            format!("{:.2}", ratio(|cost| cost.cpu)),
            format!("{:.2}", ratio(|cost| cost.wall)),
        ]);
    }
    table.print();
    Ok(())
}

fn portolan(options: &Options) -> Program {
    let (site, capture) = (
        options.site.to_string_lossy(),
        options.capture.to_string_lossy(),
    );
    let threads = options.threads.map(|threads| threads.to_string());
    let mut words = vec!["audit", "--format", "json", "--site", &site, &capture];
    if let Some(threads) = &threads {
        words.extend(["--threads", threads]);
    }
    Program::portolan(&words)
}

/// Packets and flows of the report.
fn totals(program: &Program) -> Result<(u64, u64), Box<dyn Error>> {
    let output = Command::new(&program.words[0])
        .args(&program.words[1..])
        .output()?;
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let total = |name| {
        report["totals"][name]
            .as_u64()
            .ok_or("a report without totals")
    };
    Ok((total("packets")?, total("flows")?))
}

/// Keeps a program that runs; says what is to be done about one that is not there.
fn add(program: Program, package: &str, programs: &mut Vec<Program>) -> Result<(), Box<dyn Error>> {
    let command = program.words[0].to_string_lossy();
    match (program.run(Feed::Nothing)?, package) {
        (Some(_), _) => programs.push(program),
        (None, "") => return Err(format!("{command} is not there").into()),
        (None, _) => println!("{command} is not installed: apt-get install {package}"),
    }
    Ok(())
}

/// The costs of each program, a run a round.
fn rounds(programs: &[Program], runs: u32) -> Result<Vec<Vec<Cost>>, Box<dyn Error>> {
    let mut costs = vec![Vec::new(); programs.len()];
    for _ in 0..runs {
        for (program, costs) in programs.iter().zip(&mut costs) {
            let cost = program.run(Feed::Nothing)?;
            costs.push(cost.ok_or("a program is gone")?);
        }
    }
    Ok(costs)
}
