//! What captures hold, for someone who has no site file yet: who offers which service, who asks,
//! and what to write into the file.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::net::IpAddr;

use super::args::DEFAULT_SITE;
use super::errors::Failure;
use super::outcome::Outcome;
use super::terminal::Terminal;
use crate::flow::{Flow, State};
use crate::net::Protocol;
use crate::observation::Observation;
use crate::policy::service_ports;
use crate::report::{Ink, Page, Pen, Table, units};

/// Services listed for one host; the rest is counted.
const MOST_SERVICES: usize = 8;

const EXAMPLE: &str = r#"
    version = 1
    name = "My site"

    [roles]
    site-server = ["10.0.0.10"]
    management-point = ["10.0.0.11"]
    client = ["10.1.0.0/16"]
"#;

/// Shows what was seen, and says how to go on. Nothing is judged, so that it ends with status 2.
pub(super) fn show(observation: &Observation, terminal: &Terminal) -> Result<Outcome, Failure> {
    let services = service_ports();
    let hosts = Hosts::new(observation.flows(&services));
    terminal.report(|page, out| hosts.write(page, out))?;
    terminal.error(&format!(
        "nothing is judged without a site file: none is named, and there is no {DEFAULT_SITE} here"
    ));
    terminal.help("say in a site file which addresses hold which roles, and name it with --site");
    Ok(Outcome::Incomplete)
}

/// Who answers and who asks.
struct Hosts {
    servers: BTreeMap<IpAddr, Server>,
    initiators: BTreeSet<IpAddr>,
    flows: u64,
}

#[derive(Default)]
struct Server {
    services: BTreeMap<(Protocol, u16), u64>,
    initiators: BTreeSet<IpAddr>,
    flows: u64,
}

impl Hosts {
    fn new(flows: impl Iterator<Item = Flow>) -> Self {
        let mut hosts = Self {
            servers: BTreeMap::new(),
            initiators: BTreeSet::new(),
            flows: 0,
        };
        for flow in flows {
            hosts.flows += flow.flows;
            hosts.initiators.insert(flow.initiator.address);
            if !answered(flow.state) {
                continue;
            }
            let server = hosts.servers.entry(flow.responder.address).or_default();
            server.flows += flow.flows;
            server.initiators.insert(flow.initiator.address);
            let service = (flow.protocol, flow.responder.port);
            *server.services.entry(service).or_default() += flow.flows;
        }
        hosts
    }

    fn write(&self, page: &Page, out: &mut dyn Write) -> io::Result<()> {
        let pen = &mut Pen::new(page, out);
        let summary = format!(
            "{}, {}, {} that answer",
            units::count(self.flows, "flow"),
            units::count(self.initiators.len() as u64, "initiator"),
            units::count(self.servers.len() as u64, "host")
        );
        pen.words(0, 2, &[(Ink::Strong, "Seen:"), (Ink::Plain, &summary)])?;
        self.write_servers(pen)?;
        pen.heading(
            "A site file says who is who",
            "which roles there are, portolan policy list tells",
        )?;
        out.write_all(EXAMPLE.as_bytes())
    }

    fn write_servers(&self, pen: &mut Pen<'_>) -> io::Result<()> {
        if self.servers.is_empty() {
            return Ok(());
        }
        let mut servers: Vec<(&IpAddr, &Server)> = self.servers.iter().collect();
        servers.sort_by_key(|(address, server)| {
            (std::cmp::Reverse(server.initiators.len()), **address)
        });
        pen.heading("Hosts that answer", "those asked by most first")?;
        let mut table = Table::new(&["host", "#initiators", "#flows", "services"]);
        let shown = servers.len().min(pen.page().entries);
        for (address, server) in &servers[..shown] {
            table.row(vec![
                (Ink::Strong, address.to_string()),
                (Ink::Plain, units::number(server.initiators.len() as u64)),
                (Ink::Plain, units::number(server.flows)),
                (Ink::Plain, services(server)),
            ]);
        }
        table.write(pen)?;
        let hidden = servers.len() - shown;
        if hidden > 0 {
            let text = format!(
                "… and {} more: portolan flows has all",
                units::number(hidden as u64)
            );
            pen.words(2, 4, &[(Ink::Faint, &text)])?;
        }
        Ok(())
    }
}

fn services(server: &Server) -> String {
    let mut services: Vec<(&(Protocol, u16), &u64)> = server.services.iter().collect();
    services.sort_by_key(|(service, flows)| (std::cmp::Reverse(**flows), **service));
    let mut names: Vec<String> = services
        .iter()
        .take(MOST_SERVICES)
        .map(|((protocol, port), _)| match protocol {
            Protocol::Tcp | Protocol::Udp => format!("{protocol}/{port}"),
            Protocol::IcmpEcho | Protocol::IcmpOther | Protocol::Other(_) => protocol.to_string(),
        })
        .collect();
    if services.len() > MOST_SERVICES {
        names.push(format!("and {} more", services.len() - MOST_SERVICES));
    }
    names.join(", ")
}

/// Whether the responder showed that somebody listens.
fn answered(state: State) -> bool {
    match state {
        State::Established | State::Reset | State::MidStream | State::Answered => true,
        State::Refused | State::Unreachable | State::Unanswered => false,
    }
}
