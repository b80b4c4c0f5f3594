//! `portolan policy`: what the policy says, for people and for other programs.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::errors::Failure;
use super::outcome::Outcome;
use super::terminal::Terminal;
use crate::config::suggestion;
use crate::policy::{
    self, BUILTIN, Direction, Export, Party, Policy, RoleId, RoleSet, Roles, Rule,
};
use crate::report::{Ink, Page, Pen, Table, escape, units};

/// Show, export or check policies
#[derive(clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    List(List),
    Show(Show),
    Export(ExportArgs),
    Check(Check),
}

/// Where the rules come from.
#[derive(clap::Args)]
struct CatalogueArgs {
    /// Built-in catalogue, or the path of a policy file
    #[arg(long, value_name = "NAME|FILE", default_value = BUILTIN)]
    catalogue: String,
}

/// List the editions, roles and scenarios of a policy
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portolan policy list
  portolan policy list --catalogue own-policy.toml")]
struct List {
    #[command(flatten)]
    from: CatalogueArgs,
}

/// Show the rules between two roles, in either direction
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portolan policy show client management-point
  portolan policy show site-server sql-server --edition 2017-09")]
struct Show {
    /// One role
    #[arg(value_name = "ROLE")]
    one: String,
    /// The other role
    #[arg(value_name = "OTHER-ROLE")]
    other: String,
    #[command(flatten)]
    from: CatalogueArgs,
    /// Edition [default: the newest]
    #[arg(long)]
    edition: Option<String>,
}

/// Print the compiled rules as JSON
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portolan policy export > rules.json
  portolan policy export --edition all | jq '.rules[] | select(.service == \"tftp\")'")]
struct ExportArgs {
    #[command(flatten)]
    from: CatalogueArgs,
    /// Edition, or all [default: the newest]
    #[arg(long)]
    edition: Option<String>,
    /// Format
    #[arg(long, short, value_name = "FORMAT", default_value = "json", value_parser = ["json"])]
    format: String,
}

/// Show every error and warning of a policy file
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portolan policy check own-rules.toml

Exit status: 0 without errors, 2 with.")]
struct Check {
    /// Policy file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Outcome, Failure> {
    match &args.command {
        Command::List(args) => list(args, terminal),
        Command::Show(args) => show(args, terminal),
        Command::Export(args) => export(args, terminal),
        Command::Check(args) => return check(args, terminal),
    }?;
    Ok(Outcome::Clean)
}

fn list(args: &List, terminal: &Terminal) -> Result<(), Failure> {
    let editions = load_all(&args.from.catalogue, terminal)?;
    let mut table = Table::new(&["edition", "#rules", "#sections", "document", "title"]);
    for policy in &editions {
        let edition = policy
            .editions
            .iter()
            .find(|edition| edition.id == policy.edition);
        let word = |text: Option<&String>| text.map(|text| escape::line(text).into_owned());
        let title = word(edition.map(|edition| &edition.title));
        let document = word(edition.map(|edition| &edition.document));
        let mut anchors: Vec<&str> = policy
            .sections
            .iter()
            .map(|section| section.anchor.as_str())
            .collect();
        anchors.sort_unstable();
        anchors.dedup();
        table.row(vec![
            (Ink::Strong, escape::line(&policy.edition).into_owned()),
            (Ink::Plain, units::number(policy.rules.len() as u64)),
            (Ink::Plain, units::number(anchors.len() as u64)),
            (Ink::Plain, document.unwrap_or_default()),
            (Ink::Plain, title.unwrap_or_default()),
        ]);
    }
    terminal.report(|page, out| {
        let pen = &mut Pen::new(page, out);
        let name = editions.first().map_or("", |policy| &policy.name);
        let remark = "the newest edition holds unless a site file names another";
        let title = format!("{}:", escape::line(name));
        pen.words(0, 2, &[(Ink::Strong, &title), (Ink::Faint, remark)])?;
        table.write(pen)?;
        let Some(newest) = editions.last() else {
            return Ok(());
        };
        pen.heading("Roles", "that site files may name")?;
        let roles: Vec<&str> = newest.roles.iter().map(|(_, role)| &*role.id).collect();
        pen.words(2, 2, &[(Ink::Plain, &escape::line(&roles.join(", ")))])?;
        if newest.scenarios.is_empty() {
            return Ok(());
        }
        pen.heading("Scenarios", "that site files may require")?;
        let scenarios: Vec<&str> = newest.scenarios.iter().map(|known| &*known.name).collect();
        pen.words(2, 2, &[(Ink::Plain, &escape::line(&scenarios.join(", ")))])
    })
}

fn show(args: &Show, terminal: &Terminal) -> Result<(), Failure> {
    let policy = load(&args.from.catalogue, args.edition.as_deref(), terminal)?;
    let one = role(&policy, &args.one)?;
    let other = role(&policy, &args.other)?;
    terminal.report(|page, out| show_pair(&policy, one, other, page, out))
}

fn show_pair(
    policy: &Policy,
    one: RoleId,
    other: RoleId,
    page: &Page,
    out: &mut dyn Write,
) -> io::Result<()> {
    let pen = &mut Pen::new(page, out);
    let name = |role: RoleId| policy.roles.role(role).id.as_str();
    let edition = format!("{}, edition {}", policy.name, policy.edition);
    pen.words(0, 2, &[(Ink::Faint, &edition)])?;
    let mut pairs = vec![(one, other)];
    if one != other {
        pairs.push((other, one));
    }
    for (from, to) in pairs {
        let rules: Vec<&Rule> = policy
            .rules
            .iter()
            .filter(|rule| opens(policy, rule, from, to))
            .collect();
        let remark = units::count(rules.len() as u64, "rule");
        pen.heading(&format!("{} → {}", name(from), name(to)), &remark)?;
        for section in rules.chunk_by(|one, next| one.anchor == next.anchor) {
            show_section(policy, section, pen)?;
        }
    }
    Ok(())
}

fn show_section(policy: &Policy, section: &[&Rule], pen: &mut Pen<'_>) -> io::Result<()> {
    let [first, ..] = section else {
        return Ok(());
    };
    pen.gap()?;
    let place = format!("in {}", first.document);
    pen.words(
        2,
        4,
        &[
            (Ink::Plain, &escape::line(&first.anchor)),
            (Ink::Faint, &escape::line(&place)),
        ],
    )?;
    let mut table = Table::new(&["port", "service", "remarks"]);
    for rule in section {
        table.row(vec![
            (Ink::Strong, ports(rule)),
            (Ink::Plain, escape::line(&rule.service).into_owned()),
            (Ink::Faint, remarks(&policy.roles, rule)),
        ]);
    }
    table.write_part(pen, false)
}

/// Whether a host with role `from` may open ports of one with role `to` under the rule.
fn opens(policy: &Policy, rule: &Rule, from: RoleId, to: RoleId) -> bool {
    let all = |role| {
        let mut set = RoleSet::EMPTY;
        set.insert(role);
        policy.roles.with_implied(set)
    };
    let (from, to) = (all(from), all(to));
    let is = |party: Party, roles: RoleSet| match party {
        Party::Any => true,
        Party::Role(role) => roles.contains(role),
    };
    let forward = is(rule.initiator, from) && is(rule.responder, to);
    let backward = is(rule.initiator, to) && is(rule.responder, from);
    match rule.direction {
        Direction::OneWay => forward,
        Direction::Either => forward || backward,
    }
}

/// `tcp/80`, `udp/67,68`, `tcp/RPC dynamic`.
fn ports(rule: &Rule) -> String {
    use crate::policy::Kind;
    let protocol = rule.protocol.code();
    match rule.kind {
        Kind::IcmpEcho => format!("{protocol} echo"),
        Kind::RpcDynamic => format!("{protocol}/dynamic"),
        Kind::Fixed | Kind::RpcRange => {
            let ranges: Vec<String> = rule
                .ports
                .iter()
                .map(|range| match range.low == range.high {
                    true => range.low.to_string(),
                    false => format!("{}-{}", range.low, range.high),
                })
                .collect();
            let separator = if rule.alternatives { " or " } else { "," };
            format!("{protocol}/{}", ranges.join(separator))
        }
    }
}

fn remarks(roles: &Roles, rule: &Rule) -> String {
    let mut remarks = Vec::new();
    if rule.direction == Direction::Either {
        remarks.push("either side opens".to_owned());
    }
    if rule.initiator == Party::Any || rule.responder == Party::Any {
        remarks.push(format!(
            "{} → {}",
            party(roles, rule.initiator),
            party(roles, rule.responder)
        ));
    }
    if rule.alternate_port {
        remarks.push("a site may use another port".to_owned());
    }
    remarks.extend(rule.condition.clone());
    let remarks: Vec<String> = remarks
        .iter()
        .map(|remark| escape::line(remark).into_owned())
        .collect();
    remarks.join("; ")
}

fn party(roles: &Roles, party: Party) -> &str {
    match party {
        Party::Any => "any",
        Party::Role(role) => &roles.role(role).id,
    }
}

fn role(policy: &Policy, name: &str) -> Result<RoleId, Failure> {
    policy.roles.find(name).ok_or_else(|| {
        let known = policy.roles.iter().map(|(_, role)| role.id.as_str());
        Failure::Message {
            message: format!("'{name}' is no role of {}", policy.name),
            help: suggestion(name, "roles", known),
        }
    })
}

fn export(args: &ExportArgs, terminal: &Terminal) -> Result<(), Failure> {
    let editions = if args.edition.as_deref() == Some("all") {
        load_all(&args.from.catalogue, terminal)?
    } else {
        vec![load(
            &args.from.catalogue,
            args.edition.as_deref(),
            terminal,
        )?]
    };
    terminal.report(|_, out| {
        serde_json::to_writer_pretty(&mut *out, &Export::new(&editions))?;
        out.write_all(b"\n")
    })
}

fn check(args: &Check, terminal: &Terminal) -> Result<Outcome, Failure> {
    let found = policy::check(&args.file);
    if found.has_errors() {
        return Err(found.into());
    }
    if found.entries.is_empty() {
        let name = args.file.display().to_string();
        terminal.report(|_, out| writeln!(out, "{}: no errors", escape::line(&name)))?;
    } else {
        terminal.diagnostics(&found);
    }
    Ok(Outcome::Clean)
}

fn load(catalogue: &str, edition: Option<&str>, terminal: &Terminal) -> Result<Policy, Failure> {
    let (policy, warnings) = Policy::load(catalogue, edition, &[], Path::new(""))?;
    warn(&warnings, terminal);
    Ok(policy)
}

fn load_all(catalogue: &str, terminal: &Terminal) -> Result<Vec<Policy>, Failure> {
    let (policies, warnings) = Policy::load_all(catalogue, &[], Path::new(""))?;
    warn(&warnings, terminal);
    Ok(policies)
}

fn warn(warnings: &crate::config::Diagnostics, terminal: &Terminal) {
    if !warnings.entries.is_empty() {
        terminal.diagnostics(warnings);
    }
}
