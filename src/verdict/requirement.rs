//! Required rules: one requirement per section and service, judged by the best of all attempts.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hashbrown::HashMap;

use super::attempt::{Attempt, Outcome};
use super::facts::Facts;
use super::flow::Judge;
use super::holders::{Holders, Visibility};
use super::required::Required;
use super::{FlowVerdict, Requirement, RequirementCause, RequirementState};
use crate::net::Position;
use crate::policy::{Direction, Party, Policy, RoleSet, Rule};

/// Services of which either satisfies: by configuration, a site uses one or the other.
pub(super) const ALTERNATIVES: [[&str; 2]; 2] = [["http", "https"], ["ldap", "ldaps"]];

type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// The rules that a site requires, with what was seen of them.
pub(super) struct Requirements {
    wanted: Vec<Wanted>,
    /// By rule: the requirements that it bears on, and how.
    by_rule: Vec<Vec<(usize, Bearing)>>,
    /// Hosts with a role that sent something, where every host is judged.
    seen: Option<Map<IpAddr, RoleSet>>,
}

struct Wanted {
    id: String,
    rules: Vec<u32>,
    /// When it applies, where each of its rows has a condition and the site does not name it.
    optional: Option<String>,
    /// By machine; under `None` where all are judged as one.
    slots: Map<Option<IpAddr>, Slot>,
}

/// How a rule bears on a requirement, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Bearing {
    Own,
    Alternative,
    Fallback,
}

/// The best attempts of one machine.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    own: Option<Attempt>,
    alternative: Option<Attempt>,
    fallback: Option<Attempt>,
}

impl Slot {
    fn merge(&mut self, other: Self) {
        let attempts = [
            (&mut self.own, other.own),
            (&mut self.alternative, other.alternative),
            (&mut self.fallback, other.fallback),
        ];
        for (best, attempt) in attempts {
            if let Some(attempt) = attempt {
                Attempt::better(best, attempt);
            }
        }
    }
}

/// How a requirement stands, before it is put into words.
pub(super) struct Standing {
    pub state: RequirementState,
    pub cause: Option<RequirementCause>,
    /// How it failed, where more is known than the cause: as `causes-when` of a step spells it.
    pub how: Option<&'static str>,
    pub explanation: String,
    pub at: Option<Position>,
}

impl Requirements {
    pub fn new(judge: &Judge<'_>) -> Self {
        let rules = &judge.policy.rules;
        let require = &judge.site.require;
        let mut wanted = Vec::new();
        let mut by_rule = vec![Vec::new(); rules.len()];
        for (anchor, service, named) in sections(judge.policy, &require.rules) {
            let index = wanted.len();
            let mut own = Vec::new();
            for (number, rule) in (0_u32..)
                .zip(rules)
                .filter(|(_, rule)| rule.anchor == anchor)
            {
                let bearing = if rule.service == service {
                    own.push(number);
                    Bearing::Own
                } else if are_alternatives(&rule.service, &service) {
                    Bearing::Alternative
                } else if is_fallback(rules, &anchor, &service, &rule.service) {
                    Bearing::Fallback
                } else {
                    continue;
                };
                by_rule[number as usize].push((index, bearing));
            }
            wanted.push(Wanted {
                id: format!("{anchor}/{service}"),
                optional: condition(rules, &own).filter(|_| !named),
                rules: own,
                slots: Map::default(),
            });
        }
        Self {
            seen: (require.per_host && !wanted.is_empty()).then(Map::default),
            wanted,
            by_rule,
        }
    }

    /// Takes note of an expected flow.
    pub fn add(&mut self, judge: &Judge<'_>, judged: &FlowVerdict<'_>, attempt: Attempt) {
        if self.wanted.is_empty() {
            return;
        }
        for rule in judged.rules.iter() {
            for (index, bearing) in &self.by_rule[*rule as usize] {
                let host = self
                    .seen
                    .as_ref()
                    .map(|_| judge.facts.machine(host_of(judge.rule(*rule), judged)));
                let slot = self.wanted[*index].slots.entry(host).or_default();
                let best = match bearing {
                    Bearing::Own => &mut slot.own,
                    Bearing::Alternative => &mut slot.alternative,
                    Bearing::Fallback => &mut slot.fallback,
                };
                Attempt::better(best, attempt);
            }
        }
    }

    /// Takes note of who sent something.
    pub fn see(&mut self, judged: &FlowVerdict<'_>, facts: &Facts<'_>) {
        let Some(seen) = &mut self.seen else { return };
        let flow = &judged.flow;
        let sent = [
            (
                flow.initiator,
                judged.initiator_roles,
                flow.initiator_packets,
            ),
            (
                flow.responder,
                judged.responder_roles,
                flow.responder_packets,
            ),
        ];
        for (end, roles, packets) in sent {
            if packets > 0 && !roles.is_empty() {
                let known = seen.entry(facts.machine(end.address)).or_default();
                *known = known.union(roles);
            }
        }
    }

    /// Adds what was seen elsewhere.
    pub fn merge(&mut self, other: Self) {
        for (wanted, more) in self.wanted.iter_mut().zip(other.wanted) {
            for (host, slot) in more.slots {
                wanted.slots.entry(host).or_default().merge(slot);
            }
        }
        if let (Some(seen), Some(more)) = (&mut self.seen, other.seen) {
            for (host, roles) in more {
                let known = seen.entry(host).or_default();
                *known = known.union(roles);
            }
        }
    }

    /// Adds the requirements in the order of the site file.
    pub fn finish(self, judge: &Judge<'_>, holders: &Holders<'_>, entries: &mut Required) {
        for wanted in &self.wanted {
            for host in self.hosts(judge, holders, wanted) {
                let slot = wanted.slots.get(&host).copied().unwrap_or_default();
                let standing = wanted.standing(judge, holders, host, slot);
                entries.add(standing.state, || Requirement {
                    id: wanted.id.clone(),
                    scenario: None,
                    step: None,
                    rules: judge.rule_ids(&wanted.rules),
                    host: host.map(|host| host.to_string()),
                    state: standing.state,
                    cause: standing.cause,
                    explanation: standing.explanation,
                    first: standing.at.map(|at| at.time),
                    frames: standing.at.into_iter().collect(),
                });
            }
        }
    }

    /// Whom a requirement is judged for.
    fn hosts(
        &self,
        judge: &Judge<'_>,
        holders: &Holders<'_>,
        wanted: &Wanted,
    ) -> Vec<Option<IpAddr>> {
        let Some(seen) = &self.seen else {
            return vec![None];
        };
        let mut hosts: BTreeSet<IpAddr> = wanted.slots.keys().flatten().copied().collect();
        for rule in &wanted.rules {
            let initiator = judge.rule(*rule).initiator;
            let listed = holders.single_holders(initiator);
            hosts.extend(listed.map(|address| judge.facts.machine(address)));
            let holding = seen
                .iter()
                .filter(|(_, roles)| judge.lookup.party_holds(initiator, **roles));
            hosts.extend(holding.map(|(address, _)| *address));
        }
        match hosts.is_empty() {
            true => vec![None],
            false => hosts.into_iter().map(Some).collect(),
        }
    }
}

impl Wanted {
    fn standing(
        &self,
        judge: &Judge<'_>,
        holders: &Holders<'_>,
        host: Option<IpAddr>,
        slot: Slot,
    ) -> Standing {
        let said = |state, cause, explanation: String, at| Standing {
            state,
            cause,
            how: None,
            explanation,
            at,
        };
        let worked = |best: Option<Attempt>| {
            best.filter(|attempt| matches!(attempt.outcome, Outcome::Worked(_)))
        };
        let answered = [
            (slot.own, RequirementState::Satisfied, "seen and answered"),
            (
                slot.alternative,
                RequirementState::Satisfied,
                "seen and answered on the documented alternative",
            ),
            (
                slot.fallback,
                RequirementState::Degraded,
                "not answered itself; the documented fallback was seen instead",
            ),
        ];
        for (best, state, text) in answered {
            if let Some(attempt) = worked(best) {
                return said(state, None, self.about(judge, text), Some(attempt.at));
            }
        }
        let tried = [slot.own, slot.alternative].into_iter().flatten().min();
        if let Some(condition) = &self.optional {
            let text = format!("not seen, and needed only where: {condition}");
            let at = tried.map(|attempt| attempt.at);
            return said(
                RequirementState::NotApplicable,
                None,
                self.about(judge, &text),
                at,
            );
        }
        if let Some(attempt) = tried {
            return said(
                RequirementState::Failed,
                attempt.cause(),
                self.about(judge, &failure(judge, &attempt)),
                Some(attempt.at),
            );
        }
        let (state, text) = self.unseen(judge, holders, host);
        said(state, None, self.about(judge, &text), None)
    }

    /// Why nothing was seen.
    fn unseen(
        &self,
        judge: &Judge<'_>,
        holders: &Holders<'_>,
        host: Option<IpAddr>,
    ) -> (RequirementState, String) {
        let rules = self.rules.iter().map(|rule| judge.rule(*rule));
        let seen = rules.map(|rule| match host {
            Some(host) => holders.visibility_from(&judge.facts, host, rule.responder),
            None => holders.visibility(&judge.facts, rule.initiator, rule.responder),
        });
        explain_unseen(judge, seen)
    }

    fn about(&self, judge: &Judge<'_>, text: &str) -> String {
        match self.rules.first() {
            Some(rule) => format!("{}: {text}.", judge.rule_deed(judge.rule(*rule))),
            None => format!("{text}."),
        }
    }
}

/// How the best of several attempts failed.
pub(super) fn failure(judge: &Judge<'_>, attempt: &Attempt) -> String {
    if attempt.is_one_sided() {
        return "joined mid-stream, and only one side of it was captured: nothing came back, or it \
                came another way"
            .to_owned();
    }
    format!("tried, never successful: {}", judge.facts.refusal(attempt))
}

/// Why nothing was seen of any of several rules: the most visible one tells.
pub(super) fn explain_unseen(
    judge: &Judge<'_>,
    rules: impl Iterator<Item = Visibility>,
) -> (RequirementState, String) {
    let mut told = None;
    for visibility in rules {
        match visibility {
            Visibility::Observable => {
                return (RequirementState::Missing, "never tried".to_owned());
            }
            Visibility::SameSide => {
                let text = "both sides lie on the same side of the capture point";
                told = Some((RequirementState::NotObservable, text.to_owned()));
            }
            Visibility::SameMachine => {
                let text = "both roles are on one host, so nothing crosses the network";
                told = told.or(Some((RequirementState::NotObservable, text.to_owned())));
            }
            Visibility::NobodyHolds(party) if told.is_none() => {
                let text = format!("no address of the site is {}", judge.party_name(party));
                told = Some((RequirementState::NotApplicable, text));
            }
            Visibility::NobodyHolds(_) => {}
        }
    }
    told.unwrap_or((
        RequirementState::NotApplicable,
        "this edition has no rule for it".to_owned(),
    ))
}

/// The sections and services that the site requires, in the order of the site file and of the
/// policy, and whether the site names the service itself.
fn sections(policy: &Policy, required: &[String]) -> Vec<(String, String, bool)> {
    let mut found: Vec<(String, String, bool)> = Vec::new();
    for name in required {
        for index in policy.find_rules(name) {
            let rule = &policy.rules[index];
            let named = *name != rule.anchor;
            let known = found
                .iter_mut()
                .find(|(anchor, service, _)| *anchor == rule.anchor && *service == rule.service);
            match known {
                Some((_, _, known)) => *known |= named,
                None => found.push((rule.anchor.clone(), rule.service.clone(), named)),
            }
        }
    }
    found
}

fn are_alternatives(one: &str, other: &str) -> bool {
    ALTERNATIVES
        .iter()
        .any(|pair| pair.contains(&one) && pair.contains(&other))
}

fn is_fallback(rules: &[Rule], anchor: &str, service: &str, other: &str) -> bool {
    rules.iter().any(|rule| {
        rule.anchor == anchor
            && rule.service == service
            && rule.fallback.iter().any(|fallback| fallback == other)
    })
}

/// When the rules apply, where each of them has a condition.
fn condition(rules: &[Rule], own: &[u32]) -> Option<String> {
    let conditions = own
        .iter()
        .map(|rule| rules[*rule as usize].condition.clone());
    let mut conditions = conditions.collect::<Option<Vec<_>>>()?;
    conditions.dedup();
    (!conditions.is_empty()).then(|| conditions.join("; or "))
}

/// The end of a flow that plays the initiator's part in the document.
fn host_of(rule: &Rule, judged: &FlowVerdict<'_>) -> IpAddr {
    let flow = judged.by_rule();
    let initiator_roles = match judged.orientation {
        super::Orientation::AsSeen => judged.initiator_roles,
        super::Orientation::Swapped => judged.responder_roles,
    };
    match (rule.direction, rule.initiator) {
        (Direction::Either, Party::Role(role)) if !initiator_roles.contains(role) => {
            flow.responder.address
        }
        _ => flow.initiator.address,
    }
}
