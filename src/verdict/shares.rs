//! Clients that open SMB on distribution points: allowed by a document, for one purpose only.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::tally::Tally;
use super::{FlowVerdict, Judge};
use crate::net::Position;
use crate::policy::Party;

/// Clients of one server that are named.
const NAMED: usize = 5;

/// By distribution point.
#[derive(Clone, Debug, Default)]
pub(super) struct Shares {
    /// Whether a rule is that of a client that opens SMB on a distribution point.
    rules: Vec<bool>,
    pub servers: BTreeMap<IpAddr, Opened>,
}

/// What clients opened on one server.
#[derive(Clone, Debug, Default)]
pub(super) struct Opened {
    pub tally: Tally<Position>,
    /// The first few by address, and one more where there are more.
    clients: BTreeSet<IpAddr>,
}

impl Opened {
    fn keep(&mut self, client: IpAddr) {
        self.clients.insert(client);
        if self.clients.len() > NAMED + 1 {
            self.clients.pop_last();
        }
    }

    /// Who opened.
    pub fn clients(&self) -> String {
        let names = self.clients.iter().take(NAMED);
        let names: Vec<String> = names.map(IpAddr::to_string).collect();
        let more = match self.clients.len() > NAMED {
            true => " and others",
            false => "",
        };
        names.join(", ") + more
    }
}

impl Shares {
    pub fn new(judge: &Judge<'_>) -> Self {
        let role = |name: &str| judge.policy.roles.find(name).map(Party::Role);
        let (client, server) = (role("client"), role("distribution-point"));
        let rules = judge.policy.rules.iter();
        Self {
            rules: rules
                .map(|rule| {
                    rule.service == "smb"
                        && Some(rule.initiator) == client
                        && Some(rule.responder) == server
                })
                .collect(),
            servers: BTreeMap::new(),
        }
    }

    /// Takes note of an expected flow: of one that no other rule allows.
    pub fn add(&mut self, judged: &FlowVerdict<'_>) {
        let flow = &judged.flow;
        if judged.rules.iter().all(|rule| self.rules[*rule as usize]) {
            let opened = self.servers.entry(flow.responder.address).or_default();
            opened.tally.add(flow, flow.first);
            opened.keep(flow.initiator.address);
        }
    }

    /// Adds what was seen elsewhere.
    pub fn merge(&mut self, other: Self) {
        for (server, more) in other.servers {
            let opened = self.servers.entry(server).or_default();
            opened.tally.merge(&more.tally);
            more.clients.into_iter().for_each(|it| opened.keep(it));
        }
    }
}
