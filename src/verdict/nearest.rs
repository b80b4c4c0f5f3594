//! The rules that come closest to a flow that none allows.

use super::Reason;
use super::explain::Subject;
use super::flow::Judge;
use crate::net::Protocol;
use crate::policy::{Kind, RoleSet, Rule, RuleProtocol};

/// Rules that are named as nearest.
const MAX_NEAREST: usize = 3;

impl Judge<'_> {
    /// Indices of the rules that come closest, the closest first.
    pub(super) fn nearest(&self, reason: Reason, subject: &Subject<'_>) -> Vec<u32> {
        let (from, to) = (subject.initiator_roles, subject.responder_roles);
        let protocol = match subject.protocol {
            Protocol::Tcp => RuleProtocol::Tcp,
            Protocol::Udp => RuleProtocol::Udp,
            Protocol::IcmpEcho => RuleProtocol::Icmp,
            Protocol::IcmpOther | Protocol::Other(_) => return Vec::new(),
        };
        let port = subject.ports.first().map_or(0, |(low, _)| *low);
        let one_port = subject.ports.len() == 1 && subject.ports[0].0 == subject.ports[0].1;
        let by_distance = |mut rules: Vec<u32>| {
            rules.sort_by_key(|rule| (distance(self.rule(*rule), protocol, port), *rule));
            rules
        };
        let naming = |roles: RoleSet| match one_port {
            true => self.lookup.naming(protocol, port, roles),
            false => Vec::new(),
        };
        let mut rules = match reason {
            Reason::Reversed => by_distance(self.lookup.between(to, from)),
            Reason::RpcOutsideRange | Reason::RpcUnannounced => {
                let mut rules = self.lookup.between(from, to);
                rules.retain(|rule| match self.rule(*rule).kind {
                    Kind::RpcDynamic => true,
                    Kind::Fixed | Kind::IcmpEcho | Kind::RpcRange => false,
                });
                rules
            }
            Reason::TftpUnsolicited => {
                let mut rules = self.lookup.between(from, to);
                rules.extend(self.lookup.between(to, from));
                rules.retain(|rule| self.rule(*rule).service == "tftp");
                rules
            }
            Reason::PortNotListed => {
                let mut rules = by_distance(self.lookup.between(from, to));
                rules.extend(by_distance(self.lookup.between(to, from)));
                rules
            }
            Reason::UnknownHost | Reason::NoRuleForRoles => naming(from.union(to)),
        };
        let mut seen = Vec::with_capacity(MAX_NEAREST);
        rules.retain(|rule| {
            let new = seen.len() < MAX_NEAREST && !seen.contains(rule);
            if new {
                seen.push(*rule);
            }
            new
        });
        rules
    }
}

/// How far a rule is from a protocol and port.
fn distance(rule: &Rule, protocol: RuleProtocol, port: u16) -> (bool, u16) {
    let nearest = rule
        .ports
        .iter()
        .map(|range| match port {
            _ if range.contains(port) => 0,
            _ => range.low.abs_diff(port).min(range.high.abs_diff(port)),
        })
        .min();
    (rule.protocol != protocol, nearest.unwrap_or(u16::MAX))
}
