//! `portolan site check`: everything wrong with a site file, at once.

use std::path::PathBuf;

use clap::Subcommand;

use super::args::DEFAULT_SITE;
use super::errors::Failure;
use super::input;
use super::outcome::Outcome;
use super::terminal::Terminal;
use crate::site;

/// Check a site file
#[derive(clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(Check),
}

/// Show every error and warning of a site file, and what it says
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portolan site check site.toml
  portolan site check

Exit status: 0 without errors, 2 with.")]
struct Check {
    /// Site file
    #[arg(value_name = "FILE", default_value = DEFAULT_SITE)]
    file: PathBuf,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Outcome, Failure> {
    let Command::Check(check) = &args.command;
    let loaded = input::load_site(&check.file, terminal)?;
    terminal.report(|_, out| write!(out, "{}", site::summary(&loaded)))?;
    Ok(Outcome::Clean)
}
