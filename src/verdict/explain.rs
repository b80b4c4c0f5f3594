//! Verdicts in a sentence that a person understands, with the rules that come closest.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::finding::Entry;
use super::flow::Judge;
use super::{Basis, FlowVerdict, Reason, Verdict};
use crate::flow::{Flow, IcmpKinds, InitiatorBasis, State, Ttls};
use crate::net::{Endpoint, Position, Protocol, Timestamp};
use crate::policy::{Direction, Kind, Party, PortRange, RoleSet, Rule, RuleProtocol, Wanted};

/// Port ranges that a sentence names.
const MAX_RANGES: usize = 5;
const SQL_SERVER_BROWSER: u16 = 1434;

/// Whether a flow would be allowed, and by what.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The flow with its verdict.
    pub judged: FlowVerdict<'static>,
    /// Ids of the rules that allow it, strongest first.
    pub rules: Vec<String>,
    /// Ids of the rules that come closest, where none allows it.
    pub nearest: Vec<String>,
    /// A sentence that a person understands.
    pub sentence: String,
}

impl Explanation {
    /// Whether a rule allows the flow.
    pub fn is_allowed(&self) -> bool {
        !self.rules.is_empty()
    }
}

/// What a sentence is about: a flow, or flows folded into one entry.
pub(super) struct Subject<'a> {
    pub protocol: Protocol,
    pub initiator: IpAddr,
    pub initiator_roles: RoleSet,
    pub responder: Option<IpAddr>,
    pub responder_roles: RoleSet,
    pub addresses: Option<u64>,
    pub ports: &'a [(u16, u16)],
}

impl Judge<'_> {
    /// What would be said of a flow from one address to a port of another, seen from its
    /// opening on. A port of the RPC dynamic range counts as allowed where a rule allows RPC:
    /// nothing is known of what came before.
    pub fn explain(
        &mut self,
        from: IpAddr,
        to: IpAddr,
        protocol: Protocol,
        port: u16,
    ) -> Explanation {
        let flow = imagined(from, to, protocol, port);
        let judged = self.verdict(&flow).into_owned();
        let (from, to) = (judged.initiator_roles, judged.responder_roles);
        if judged.verdict == Verdict::Unexpected(Reason::RpcUnannounced) {
            let answer = self.lookup.ask(Wanted::Tcp(port), from, to, None);
            let rules = self.rule_ids(&self.lookup.answer(answer).rpc);
            let sentence = format!(
                "{} may open RPC dynamic ports on {}, {protocol} {port} among them, once the flow \
                 is as well founded as {}: {}.",
                self.party(flow.initiator.address, from),
                self.party(flow.responder.address, to),
                self.rpc_demand(from, to),
                rules.join(", "),
            );
            return Explanation {
                judged,
                rules,
                nearest: Vec::new(),
                sentence,
            };
        }
        let rules = self.rule_ids(&judged.rules);
        let (sentence, nearest) = self.sentence(&judged);
        Explanation {
            judged,
            rules,
            nearest,
            sentence,
        }
    }

    /// A sentence on a verdict, and the ids of the nearest rules of an unexpected flow.
    pub fn sentence(&self, judged: &FlowVerdict<'_>) -> (String, Vec<String>) {
        let flow = judged.by_rule();
        let ports = [(judged.flow.responder.port, judged.flow.responder.port)];
        let subject = Subject {
            protocol: judged.flow.protocol,
            initiator: judged.flow.initiator.address,
            initiator_roles: judged.initiator_roles,
            responder: Some(judged.flow.responder.address),
            responder_roles: judged.responder_roles,
            addresses: None,
            ports: &ports,
        };
        match judged.verdict {
            Verdict::Unexpected(reason) => self.unexpected(reason, &subject),
            Verdict::Background(kind) => (
                format!(
                    "{}: {kind}, which no port table speaks of.",
                    self.deed(&subject)
                ),
                Vec::new(),
            ),
            Verdict::OutOfScope => (
                format!("{}: outside the scope of the audit.", self.deed(&subject)),
                Vec::new(),
            ),
            Verdict::Expected(basis) => (
                format!(
                    "{}: allowed, {}.",
                    self.deed(&subject),
                    self.allowance(basis, &flow, &judged.rules)
                ),
                Vec::new(),
            ),
        }
    }

    /// A sentence on a folded entry, and the ids of its nearest rules.
    pub(super) fn entry_sentence(&self, entry: &Entry) -> (String, Vec<String>) {
        let subject = Subject {
            protocol: entry.protocol,
            initiator: entry.initiator,
            initiator_roles: entry.initiator_roles,
            responder: entry.responder,
            responder_roles: entry.responder_roles,
            addresses: entry.addresses,
            ports: &entry.ports,
        };
        self.unexpected(entry.reason, &subject)
    }

    pub(super) fn rule(&self, index: u32) -> &Rule {
        &self.policy.rules[index as usize]
    }

    /// An address with its roles in brackets. Where it may be any external party, naming them
    /// all would say less.
    pub(super) fn party(&self, address: IpAddr, roles: RoleSet) -> String {
        let is_external = !roles.is_empty() && !self.lookup.is_internal(roles);
        if is_external && self.ends.listed_roles(address).is_empty() {
            return format!("{address} (external)");
        }
        match self.role_ids(roles).join(", ") {
            list if list.is_empty() => address.to_string(),
            list => format!("{address} ({list})"),
        }
    }

    /// Ids of roles.
    pub(super) fn role_ids(&self, roles: RoleSet) -> Vec<String> {
        roles
            .iter()
            .map(|role| self.policy.roles.role(role).id.clone())
            .collect()
    }

    /// Ids of rules.
    pub(super) fn rule_ids(&self, rules: &[u32]) -> Vec<String> {
        rules
            .iter()
            .map(|rule| self.rule(*rule).id.clone())
            .collect()
    }

    /// Name of an address in the site's `[hosts]`.
    pub(super) fn host_name(&self, address: IpAddr) -> Option<String> {
        self.hosts.name(address).map(str::to_owned)
    }

    /// Role id of a party, or `any`.
    pub(super) fn party_name(&self, party: Party) -> String {
        match party {
            Party::Any => "any".to_owned(),
            Party::Role(role) => self.policy.roles.role(role).id.clone(),
        }
    }

    /// What a rule is for, in short: `client to management-point, http`.
    pub(super) fn rule_deed(&self, rule: &Rule) -> String {
        format!(
            "{} to {}, {}",
            self.party_name(rule.initiator),
            self.party_name(rule.responder),
            rule.service
        )
    }

    /// What the site file asks of a flow between two hosts to an RPC port.
    fn rpc_demand(&self, from: RoleSet, to: RoleSet) -> String {
        match self.site.rpc.pair(from, to) {
            None => "`rpc.minimum` asks".to_owned(),
            Some(pair) => format!(
                "`rpc.pairs` asks for {} -> {} ({})",
                self.party_name(pair.from),
                self.party_name(pair.to),
                pair.minimum.name()
            ),
        }
    }

    fn allowance(&self, basis: Basis, flow: &Flow, rules: &[u32]) -> String {
        let ids: Vec<&str> = rules
            .iter()
            .map(|rule| self.rule(*rule).id.as_str())
            .collect();
        let mut text = format!("{} ({})", basis.meaning(), ids.join(", "));
        let condition = rules
            .first()
            .and_then(|rule| self.rule(*rule).condition.as_ref());
        if let Some(condition) = condition {
            let _ = write!(text, "; it applies where: {condition}");
        }
        if flow.initiator_basis == InitiatorBasis::FirstPacket && flow.protocol == Protocol::Tcp {
            text.push_str("; who opened it was not seen");
        }
        text
    }

    fn unexpected(&self, reason: Reason, subject: &Subject<'_>) -> (String, Vec<String>) {
        let nearest = self.nearest(reason, subject);
        let mut text = format!("{}: {}", self.deed(subject), self.because(reason, subject));
        if subject.protocol == Protocol::Udp
            && subject.ports == [(SQL_SERVER_BROWSER, SQL_SERVER_BROWSER)]
        {
            text.push_str(" SQL Server Browser is expressly not needed.");
        }
        let ids: Vec<String> = nearest
            .iter()
            .map(|rule| self.rule(*rule).id.clone())
            .collect();
        if let Some(first) = nearest.first() {
            let _ = write!(text, " Nearest: {}", self.in_words(*first, subject));
            if ids.len() > 1 {
                let _ = write!(text, "; also {}", ids[1..].join(", "));
            }
            text.push('.');
        }
        (text, ids)
    }

    fn because(&self, reason: Reason, subject: &Subject<'_>) -> String {
        match reason {
            Reason::UnknownHost => {
                let mut unknown = Vec::new();
                if subject.initiator_roles.is_empty() {
                    unknown.push(subject.initiator.to_string());
                }
                if subject.responder_roles.is_empty() {
                    unknown.push(subject.responder.map_or_else(
                        || "the other side".to_owned(),
                        |address| address.to_string(),
                    ));
                }
                // What a host says to itself has one end.
                unknown.dedup();
                let has = if unknown.len() == 1 { "has" } else { "have" };
                format!("{} {has} no role in the site file.", unknown.join(" and "))
            }
            Reason::RpcOutsideRange => {
                "the server named this RPC endpoint, but it lies outside the configured range."
                    .to_owned()
            }
            Reason::RpcUnannounced => {
                let (from, to) = (subject.initiator_roles, subject.responder_roles);
                format!(
                    "the port lies in the RPC dynamic range and the roles may use RPC, but \
                     nothing seen before founds it as {}.",
                    self.rpc_demand(from, to)
                )
            }
            Reason::TftpUnsolicited if self.was_under_way(subject) => {
                "it looks like a TFTP transfer that was under way when the capture began. Begin \
                 the capture earlier, so that the request to port 69 is in it."
                    .to_owned()
            }
            Reason::TftpUnsolicited => {
                "it looks like a TFTP transfer, but no request to port 69 explains it.".to_owned()
            }
            Reason::Reversed => "a rule allows this port in the other direction only.".to_owned(),
            Reason::PortNotListed
                if subject.initiator_roles.is_empty() || subject.responder_roles.is_empty() =>
            {
                "no rule names it.".to_owned()
            }
            Reason::PortNotListed => {
                let what = match subject.protocol {
                    Protocol::Tcp | Protocol::Udp => "port",
                    Protocol::IcmpEcho | Protocol::IcmpOther | Protocol::Other(_) => "protocol",
                };
                format!("these roles have rules, but none for this {what}.")
            }
            Reason::NoRuleForRoles => "no rule connects these roles.".to_owned(),
        }
    }

    /// Whether both directions of one of its flows fit a TFTP transfer.
    fn was_under_way(&self, subject: &Subject<'_>) -> bool {
        let Some(responder) = subject.responder else {
            return false;
        };
        let mut ports = subject.ports.iter().flat_map(|(from, to)| *from..=*to);
        ports.any(|port| {
            let end = Endpoint::new(responder, port);
            self.facts.joined(subject.initiator, end)
        })
    }

    /// Who did what to whom.
    fn deed(&self, subject: &Subject<'_>) -> String {
        let initiator = self.party(subject.initiator, subject.initiator_roles);
        let responder = match (subject.responder, subject.addresses) {
            (Some(address), _) => self.party(address, subject.responder_roles),
            (None, count) => format!("{} addresses", count.unwrap_or_default()),
        };
        match subject.protocol {
            Protocol::Tcp | Protocol::Udp => {
                let protocol = subject.protocol.to_string().to_uppercase();
                format!(
                    "{initiator} opened {protocol} {} on {responder}",
                    ports(subject.ports)
                )
            }
            Protocol::IcmpEcho => format!("{initiator} sent ICMP echo to {responder}"),
            Protocol::IcmpOther => format!("{initiator} sent ICMP other than echo to {responder}"),
            Protocol::Other(_) => {
                format!("{initiator} sent {} to {responder}", subject.protocol)
            }
        }
    }

    /// A rule as a sentence, with what the site file changes about it.
    fn in_words(&self, index: u32, subject: &Subject<'_>) -> String {
        let rule = self.rule(index);
        let party = |party: Party| match party {
            Party::Any => "any host with a role",
            Party::Role(role) => self.policy.roles.role(role).id.as_str(),
        };
        let opens = |party| self.lookup.is_opened_by(index, party);
        let alone = "alone may open, by the site's `[direction]`,";
        let (opener, arrow, listener) = match (opens(rule.initiator), opens(rule.responder)) {
            _ if rule.direction == Direction::OneWay => {
                (rule.initiator, "may open", rule.responder)
            }
            (true, false) => (rule.initiator, alone, rule.responder),
            (false, true) => (rule.responder, alone, rule.initiator),
            (true, true) | (false, false) => (
                rule.initiator,
                "and the other side may open, each on the other,",
                rule.responder,
            ),
        };
        let what = match rule.kind {
            Kind::IcmpEcho => "ICMP echo".to_owned(),
            Kind::RpcDynamic | Kind::RpcRange => "RPC dynamic ports".to_owned(),
            Kind::Fixed => {
                let (from, to) = (subject.initiator_roles, subject.responder_roles);
                let here = pairs(&self.lookup.ports_here(index, from, to));
                let listed = pairs(&rule.ports);
                let protocol = match rule.protocol {
                    RuleProtocol::Tcp => "TCP",
                    RuleProtocol::Udp => "UDP",
                    RuleProtocol::Icmp => "ICMP",
                };
                match here == listed {
                    true => format!("{protocol} {}", ports(&listed)),
                    false => format!(
                        "{protocol} {}, which the site file puts in place of {},",
                        ports(&here),
                        ports(&listed)
                    ),
                }
            }
        };
        format!(
            "{} {arrow} {what} ({}) to {} by {}",
            party(opener),
            rule.service,
            party(listener),
            rule.id
        )
    }
}

fn pairs(ranges: &[PortRange]) -> Vec<(u16, u16)> {
    ranges.iter().map(|range| (range.low, range.high)).collect()
}

fn ports(ranges: &[(u16, u16)]) -> String {
    let mut text: Vec<String> = ranges
        .iter()
        .take(MAX_RANGES)
        .map(|(low, high)| match low == high {
            true => low.to_string(),
            false => format!("{low}-{high}"),
        })
        .collect();
    if ranges.len() > MAX_RANGES {
        text.push("…".to_owned());
    }
    text.join(", ")
}

/// A flow that nobody saw.
fn imagined(from: IpAddr, to: IpAddr, protocol: Protocol, port: u16) -> Flow {
    let (source, port) = match protocol {
        Protocol::Tcp => (49152, port),
        // The ports of DHCP and NetBIOS clients are the servers' own.
        Protocol::Udp if port == 67 => (68, port),
        Protocol::Udp if port == 68 => (67, port),
        Protocol::Udp => (49152, port),
        Protocol::IcmpEcho | Protocol::IcmpOther | Protocol::Other(_) => (0, 0),
    };
    Flow {
        protocol,
        initiator: Endpoint::new(from, source),
        responder: Endpoint::new(to, port),
        initiator_basis: InitiatorBasis::Handshake,
        first: Position::new(Timestamp::UNKNOWN, 0, 1),
        last: Timestamp::UNKNOWN,
        initiator_packets: 1,
        responder_packets: 0,
        initiator_bytes: 0,
        responder_bytes: 0,
        initiator_ttls: Ttls::default(),
        responder_ttls: Ttls::default(),
        connections: 1,
        state: State::Unanswered,
        handshake_completed: false,
        icmp_error: None,
        vlan: None,
        icmp_kinds: IcmpKinds::default(),
        flows: 1,
        responders: 1,
    }
}
