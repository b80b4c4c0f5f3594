//! How the cost of an audit grows: with packets, flows, rules and prefixes.
//!
//! ```text
//! cargo bench --bench scaling -- packets flows rules prefixes [--largest N] [--runs N]
//! ```
//!
//! Captures are made while they are read, through standard input, so that no size needs a disk.

#[path = "../tests/support/mod.rs"]
mod support;

use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use support::build::Bulk;
use support::measure::{Cost, Feed, Program, Table, amount, arguments, bytes, median, seconds};

/// Measure how the cost of `portolan audit` grows
#[derive(Parser)]
#[command(name = "scaling")]
struct Options {
    /// What grows
    #[arg(required = true, value_name = "WHAT")]
    axes: Vec<Axis>,
    /// Leave out steps above this
    #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
    largest: u64,
    /// How often each step is run, all of them in turn
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Threads of portolan [default: its own default]
    #[arg(long, value_name = "N")]
    threads: Option<u16>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Axis {
    /// 1, 10 and 100 million packets of 100,000 flows
    Packets,
    /// 10,000 to 10 million flows in 20 million packets
    Flows,
    /// Policies of 1, 20 and 200 rules over a million flows
    Rules,
    /// Sites of 10 to 10,000 prefixes over a million flows
    Prefixes,
}

/// One size of what grows.
struct Step {
    size: u64,
    bulk: Bulk,
    /// Text of the site file, and of the policy file that it names.
    site: String,
    policy: Option<String>,
}

fn main() -> ExitCode {
    let Some(options) = arguments::<Options>() else {
        return ExitCode::SUCCESS;
    };
    for axis in &options.axes {
        if let Err(error) = measure(*axis, &options) {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn measure(axis: Axis, options: &Options) -> Result<(), Box<dyn Error>> {
    let mut steps = axis.steps();
    steps.retain(|step| step.size <= options.largest);
    let folder = tempfile::tempdir()?;
    let programs = steps
        .iter()
        .map(|step| program(step, folder.path(), options.threads))
        .collect::<Result<Vec<Program>, Box<dyn Error>>>()?;
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); steps.len()];
    for _ in 0..options.runs {
        for ((step, program), costs) in steps.iter().zip(&programs).zip(&mut costs) {
            let cost = program.run(Feed::Capture(step.bulk))?;
            costs.push(cost.ok_or("the program is gone")?);
        }
    }
    println!(
        "Medians of {} runs in turn, through standard input; wall time is also that of making \
         the capture.\n",
        options.runs
    );
    let mut table = Table::new(&[
        axis.name(),
        "packets",
        "flows",
        "CPU",
        "CPU a packet",
        "CPU a flow",
        "wall",
        "memory",
        "bytes a flow",
    ]);
    for (step, costs) in steps.iter().zip(&costs) {
        let of = |value: fn(&Cost) -> f64| median(costs.iter().map(value));
        let (cpu, memory) = (of(|cost| cost.cpu), of(|cost| cost.memory as f64));
        let (packets, flows) = (step.bulk.packets as f64, step.bulk.flow_count() as f64);
        table.row(vec![
            amount(step.size as f64),
            amount(packets),
            amount(flows),
            seconds(cpu),
            format!("{:.0} ns", cpu / packets * 1e9),
            format!("{:.2} µs", cpu / flows * 1e6),
            seconds(of(|cost| cost.wall)),
            bytes(memory),
            format!("{:.0}", memory / flows),
        ]);
    }
    table.print();
    Ok(())
}

/// Writes the files of a step and gives the command that uses them.
fn program(step: &Step, folder: &Path, threads: Option<u16>) -> Result<Program, Box<dyn Error>> {
    let folder = folder.join(step.size.to_string());
    std::fs::create_dir(&folder)?;
    let site = folder.join("site.toml");
    std::fs::write(&site, &step.site)?;
    if let Some(policy) = &step.policy {
        std::fs::write(folder.join("policy.toml"), policy)?;
    }
    let (site, threads) = (site.to_string_lossy(), threads.map(|n| n.to_string()));
    let mut words = vec!["audit", "--format", "json", "--site", &site, "-"];
    if let Some(threads) = &threads {
        words.extend(["--threads", threads]);
    }
    Ok(Program::portolan(&words))
}

impl Axis {
    fn name(self) -> &'static str {
        match self {
            Self::Packets => "packets",
            Self::Flows => "flows",
            Self::Rules => "rules",
            Self::Prefixes => "prefixes",
        }
    }

    fn steps(self) -> Vec<Step> {
        let cut = Bulk {
            snaplen: 96,
            ..Bulk::default()
        };
        let usual = include_str!("site.toml");
        match self {
            Self::Packets => steps(&[1_000_000, 10_000_000, 100_000_000], |packets| Step {
                size: packets,
                bulk: Bulk {
                    packets,
                    flows: Some(100_000),
                    ..cut
                },
                site: usual.to_owned(),
                policy: None,
            }),
            Self::Flows => steps(&[10_000, 100_000, 1_000_000, 10_000_000], |flows| Step {
                size: flows,
                bulk: Bulk {
                    packets: 20_000_000,
                    flows: Some(flows),
                    ..cut
                },
                site: usual.to_owned(),
                policy: None,
            }),
            Self::Rules => steps(&[1, 20, 200], |rules| Step {
                size: rules,
                bulk: Bulk {
                    packets: 3_000_000,
                    flows: Some(1_000_000),
                    ..cut
                },
                site: site(
                    "[policy]\ncatalogue = \"policy.toml\"\n",
                    &["10.1.0.0/16".to_owned()],
                ),
                policy: Some(policy(rules)),
            }),
            Self::Prefixes => steps(&[10, 100, 1_000, 10_000], |count| Step {
                size: count,
                bulk: Bulk {
                    packets: 3_000_000,
                    flows: Some(1_000_000),
                    clients: CLIENTS_OF_PREFIXES,
                    ..cut
                },
                site: site("", &prefixes(count)),
                policy: None,
            }),
        }
    }
}

fn steps(sizes: &[u64], step: impl Fn(u64) -> Step) -> Vec<Step> {
    sizes.iter().map(|size| step(*size)).collect()
}

/// Clients that the prefixes of every step hold, whatever their number.
const CLIENTS_OF_PREFIXES: u32 = 40_000;

/// So many prefixes of equal size, one beside the other, that hold all clients.
fn prefixes(count: u64) -> Vec<String> {
    let size = u64::from(CLIENTS_OF_PREFIXES)
        .div_ceil(count)
        .next_power_of_two();
    let length = 32 - size.trailing_zeros();
    let first = |index: u64| std::net::Ipv4Addr::from((0x0a01_0000 + index * size) as u32);
    (0..count)
        .map(|index| format!("{}/{length}", first(index)))
        .collect()
}

/// A site whose clients are in these prefixes.
fn site(policy: &str, clients: &[String]) -> String {
    format!(
        "version = 1\nname = \"Generated\"\n{policy}[roles]\n\
         management-point = [\"10.0.0.10-10.0.0.13\"]\nclient = {clients:?}\n"
    )
}

/// A policy of so many rules, of which the first is what clients use most.
fn policy(rules: u64) -> String {
    let mut text = "version = 1\n[edition]\nid = \"generated\"\ntitle = \"Generated\"\n\
                    document = \"generated\"\n[[role]]\nid = \"client\"\n[[role]]\n\
                    id = \"management-point\"\n[[section]]\nanchor = \"generated\"\n\
                    initiator = \"client\"\nresponder = \"management-point\"\nrow = [\n\
                    { service = \"https\", tcp = 443 },\n"
        .to_owned();
    for rule in 1..rules {
        let port = 20_000 + rule;
        writeln!(text, "{{ service = \"generated-{rule}\", tcp = {port} }},")
            .expect("a string takes every text");
    }
    text.push_str("]\n");
    text
}
