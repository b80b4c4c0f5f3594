//! `portolan flows`: the flow table, with verdicts when a site is given.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::args::{InputArgs, SiteArgs};
use super::errors::Failure;
use super::input;
use super::outcome::Outcome;
use super::terminal::Terminal;
use crate::evidence::Evidence;
use crate::flow::{Flow, community_id};
use crate::observation::Observation;
use crate::policy::{RoleSet, service_ports};
use crate::report::flow_record::{FLOW_FORMATS, FlowFormat, FlowRecord, Judged};
use crate::site::LoadedSite;
use crate::verdict::{FlowVerdict, Judge, Proofs, Strictness};

/// Print the flows of captures, one record a flow, with verdicts when a site is given
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portolan flows day.pcap
  portolan flows --site site.toml --format jsonl day.pcap | jq 'select(.verdict == \"unexpected\")'
  portolan flows --format csv captures/ > flows.csv

Exit status: 0, or 2 where a capture is damaged or can't be read.")]
pub struct Args {
    #[command(flatten)]
    site: SiteArgs,
    #[command(flatten)]
    input: InputArgs,
    /// Format of the table
    #[arg(long, short, value_name = "FORMAT", default_value = "text", value_parser = formats())]
    format: &'static FlowFormat,
    /// Give link maintenance (mDNS, LLMNR, SSDP and their like) the verdict `unexpected`
    #[arg(long)]
    strict: bool,
}

fn formats() -> impl TypedValueParser<Value = &'static FlowFormat> {
    let values = FLOW_FORMATS
        .iter()
        .map(|format| PossibleValue::new(format.name).help(format.purpose));
    PossibleValuesParser::new(values).map(|name| {
        FLOW_FORMATS
            .iter()
            .find(|format| format.name == name)
            .expect("clap allows only the names of the list")
    })
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<Outcome, Failure> {
    let site = input::site(&args.site, terminal)?;
    let observation = input::observe(&args.input, terminal)?;
    for hit in observation.limits() {
        let what = match hit.limit {
            "max-flows" | "folded-flows" => "folded, and counted where they are",
            _ => "left out",
        };
        terminal.warning(&format!(
            "{}: the bound of {} was reached, {} beyond it are {what}",
            hit.limit, hit.value, hit.reached
        ));
    }
    let services = service_ports();
    let mut flows: Vec<Flow> = observation.flows(&services).collect();
    flows.sort_unstable_by_key(|flow| (flow.first, flow.protocol, flow.initiator, flow.responder));
    match &site {
        None => {
            let mut records = flows.iter().map(|flow| record(flow, Judged::default()));
            terminal.report(|page, out| (args.format.write)(&mut records, page, out))?;
        }
        Some(site) => {
            let strictness = if args.strict {
                Strictness::Strict
            } else {
                Strictness::Normal
            };
            let evidence = Evidence::collect(observation.log(), &observation);
            let proofs = Proofs::from(&evidence);
            let mut judge = Judge::new(&site.policy, &site.site, proofs, strictness);
            for flow in &flows {
                judge.observe(flow);
            }
            let mut records = flows.iter().map(|flow| {
                let judged = judge.verdict(flow);
                record(&judged.flow, described(site, &judged))
            });
            terminal.report(|page, out| (args.format.write)(&mut records, page, out))?;
        }
    }
    Ok(if is_complete(&observation) {
        Outcome::Clean
    } else {
        Outcome::Incomplete
    })
}

fn record(flow: &Flow, judged: Judged) -> FlowRecord {
    let port = flow.initiator_port();
    let community_id =
        port.and_then(|_| community_id(flow.protocol, flow.initiator, flow.responder));
    FlowRecord::new(flow, community_id, judged)
}

/// A verdict in the names of the policy.
fn described(site: &LoadedSite, judged: &FlowVerdict<'_>) -> Judged {
    let names = |roles: RoleSet| {
        roles
            .iter()
            .map(|role| site.policy.roles.role(role).id.clone())
            .collect()
    };
    let rule = |index: &u32| site.policy.rules[*index as usize].id.clone();
    Judged {
        initiator_roles: names(judged.initiator_roles),
        responder_roles: names(judged.responder_roles),
        verdict: Some(judged.verdict),
        rules: judged.rules.iter().map(rule).collect(),
    }
}

fn is_complete(observation: &Observation) -> bool {
    let mut captures = observation.captures().iter();
    captures.all(|capture| capture.problem.is_none())
}
