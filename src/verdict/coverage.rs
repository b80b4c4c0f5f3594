//! Which rules could have been used: what nobody at the site can do is no rule that went unused.

use super::Hindrance;
use super::flow::Judge;
use super::holders::{Holders, Visibility};
use crate::net::Protocol;
use crate::policy::{Kind, Party, PortRange, RoleSet, RuleProtocol};

/// The ports that a rule opens at this site, custom ones included; empty for ICMP echo.
pub(super) fn ports_of(judge: &Judge<'_>, rule: u32) -> Vec<PortRange> {
    judge
        .lookup
        .ports_here(rule, RoleSet::EMPTY, RoleSet::EMPTY)
}

/// What a rule is about.
pub(super) fn protocol_of(judge: &Judge<'_>, rule: u32) -> Protocol {
    match judge.rule(rule).protocol {
        RuleProtocol::Tcp => Protocol::Tcp,
        RuleProtocol::Udp => Protocol::Udp,
        RuleProtocol::Icmp => Protocol::IcmpEcho,
    }
}

/// Why no flow of a rule can be seen in this audit.
pub(super) fn hindrance(
    judge: &Judge<'_>,
    holders: &Holders<'_>,
    number: u32,
) -> Option<Hindrance> {
    let rule = judge.rule(number);
    if rule.kind != Kind::IcmpEcho && ports_of(judge, number).is_empty() {
        return Some(Hindrance::Closed);
    }
    let parties = [rule.initiator, rule.responder];
    match holders.visibility(&judge.facts, rule.initiator, rule.responder) {
        Visibility::NobodyHolds(_) => Some(Hindrance::RoleNotHeld),
        Visibility::SameMachine => Some(Hindrance::SameHost),
        Visibility::SameSide => Some(Hindrance::Vantage),
        Visibility::Observable => {
            (!is_in_scope(judge, holders, parties)).then_some(Hindrance::OutOfScope)
        }
    }
}

/// Whether flows between two parties may touch what the audit is asked about.
fn is_in_scope(judge: &Judge<'_>, holders: &Holders<'_>, parties: [Party; 2]) -> bool {
    let Some((roles, ranges)) = &judge.site.scope else {
        return true;
    };
    parties.iter().any(|party| {
        let named = match party {
            Party::Any => true,
            Party::Role(role) => roles.contains(*role),
        };
        named
            || holders.ranges_of(*party).any(|(held, range)| {
                held.intersects(*roles) || ranges.iter().any(|part| part.overlaps(range))
            })
    })
}
