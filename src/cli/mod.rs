//! Commands: arguments in, report and exit status out. A file per command; what they share
//! stands in `args`, `terminal`, `progress`, `errors` and `outcome`.

mod args;
mod audit;
mod errors;
mod explain;
mod flows;
mod input;
mod judged;
mod merge;
mod outcome;
mod overview;
mod policy;
mod progress;
#[cfg(feature = "live")]
mod quantity;
#[cfg(feature = "live")]
mod scribe;
mod shard;
mod site;
mod target;
mod terminal;
#[cfg(feature = "live")]
mod watch;

use std::ffi::OsString;

use clap::{Parser, Subcommand};

pub use outcome::Outcome;
use terminal::{Colour, Terminal};

/// Audit captured traffic against the ports that the roles of a site need
#[derive(Parser)]
#[command(
    name = "portolan",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    long_about = "Audit captured traffic against the ports that the roles of a site need.\n\n\
        Two questions in one run: what is on the wire that no rule explains, and what should be \
        on the wire and is not. The policy built in is Microsoft Configuration Manager's \
        documented ports.",
    after_help = "Exit status: 0 nothing found, 1 findings, 2 the audit could not be made or is \
        incomplete."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Colour: auto (on a terminal, unless NO_COLOR is set), always or never
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t,
        hide_possible_values = true,
        // Last of all, whatever commands there are.
        display_order = 900
    )]
    color: Colour,
}

#[derive(Subcommand)]
enum Command {
    Audit(audit::Args),
    #[cfg(feature = "live")]
    Watch(Box<watch::Args>),
    Flows(flows::Args),
    Shard(shard::Args),
    Merge(merge::Args),
    Explain(explain::Args),
    Policy(policy::Args),
    Site(site::Args),
    /// Write the files of `watch`, which starts it
    #[cfg(feature = "live")]
    #[command(hide = true)]
    Scribe,
}

/// Runs the command line and says how it ended. Prints; never ends the process.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Outcome {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output. Where nobody reads it, nobody is told.
            let _ = error.print();
            return match error.use_stderr() {
                true => Outcome::Incomplete,
                false => Outcome::Clean,
            };
        }
    };
    let terminal = Terminal::new(cli.color);
    let done = match &cli.command {
        Command::Audit(args) => audit::run(args, &terminal),
        #[cfg(feature = "live")]
        Command::Watch(args) => watch::run(args, &terminal),
        Command::Flows(args) => flows::run(args, &terminal),
        Command::Shard(args) => shard::run(args, &terminal),
        Command::Merge(args) => merge::run(args, &terminal),
        Command::Explain(args) => explain::run(args, &terminal),
        Command::Policy(args) => policy::run(args, &terminal),
        Command::Site(args) => site::run(args, &terminal),
        #[cfg(feature = "live")]
        Command::Scribe => scribe::run(),
    };
    done.unwrap_or_else(|failure| {
        failure.print(&terminal);
        Outcome::Incomplete
    })
}
