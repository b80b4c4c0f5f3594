//! Required scenarios: ordered steps, judged for each host that triggers them. The first missing
//! step is the finding; what comes after it was not reached.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::attempt::{Attempt, Outcome};
use super::boot::{self as booting, Booting, Reach};
use super::finding::MAX_ENTRIES;
use super::flow::Judge;
use super::holders::Holders;
use super::requirement::{Standing, explain_unseen};
use super::{FlowVerdict, Orientation, Requirement, RequirementCause, RequirementState};
use crate::flow::Flow;
use crate::policy::{Party, RoleId, RoleSet, Scenario, Step, Trigger};

/// Services by which the site server's reaching a client tells of a client push.
const PUSH_SERVICES: [&str; 3] = ["smb", "rpc-endpoint-mapper", "rpc"];

/// The scenarios that a site requires, with what was seen of their steps.
pub(super) struct Scenarios<'a> {
    wanted: Vec<Wanted<'a>>,
    /// By rule: scenario, step, and how the rule bears on it.
    by_rule: Vec<Vec<(usize, usize, Bearing)>>,
    /// By rule: whether the site server's reaching a client by it tells of a client push.
    pushing: Vec<bool>,
    site_server: Option<RoleId>,
}

struct Wanted<'a> {
    scenario: &'a Scenario,
    /// What was seen of each step, by machine.
    hosts: HashMap<IpAddr, Vec<Slot>, foldhash::fast::RandomState>,
    triggered: BTreeSet<IpAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bearing {
    Own,
    Fallback,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    own: Option<Attempt>,
    fallback: Option<Attempt>,
}

impl Slot {
    fn merge(&mut self, other: Self) {
        let attempts = [
            (&mut self.own, other.own),
            (&mut self.fallback, other.fallback),
        ];
        for (best, attempt) in attempts {
            if let Some(attempt) = attempt {
                Attempt::better(best, attempt);
            }
        }
    }
}

impl<'a> Scenarios<'a> {
    pub fn new(judge: &Judge<'a>) -> Self {
        let mut by_rule = vec![Vec::new(); judge.policy.rules.len()];
        let mut wanted = Vec::new();
        let required = &judge.site.require.scenarios;
        let scenarios = judge.policy.scenarios.iter();
        for scenario in scenarios.filter(|scenario| required.contains(&scenario.name)) {
            for (number, step) in scenario.steps.iter().enumerate() {
                let own = step.rules.iter().map(|rule| (rule, Bearing::Own));
                let fallback = step.fallback.iter().map(|rule| (rule, Bearing::Fallback));
                for (rule, bearing) in own.chain(fallback) {
                    by_rule[*rule].push((wanted.len(), number, bearing));
                }
            }
            wanted.push(Wanted {
                scenario,
                hosts: HashMap::default(),
                triggered: BTreeSet::new(),
            });
        }
        let rules = judge.policy.rules.iter();
        let pushing = rules.map(|rule| PUSH_SERVICES.contains(&rule.service.as_str()));
        Self {
            wanted,
            by_rule,
            pushing: pushing.collect(),
            site_server: judge.policy.roles.find("site-server"),
        }
    }

    /// Takes note of an expected flow; `flow` is it in the direction of its rules.
    pub fn add(
        &mut self,
        judge: &Judge<'_>,
        judged: &FlowVerdict<'_>,
        flow: &Flow,
        attempt: Attempt,
    ) {
        if self.wanted.is_empty() {
            return;
        }
        let (from, to) = match judged.orientation {
            Orientation::AsSeen => (judged.initiator_roles, judged.responder_roles),
            Orientation::Swapped => (judged.responder_roles, judged.initiator_roles),
        };
        let initiator = judge.facts.machine(flow.initiator.address);
        let responder = judge.facts.machine(flow.responder.address);
        for rule in judged.rules.iter() {
            for (index, step, bearing) in &self.by_rule[*rule as usize] {
                let wanted = &mut self.wanted[*index];
                let hosts = wanted.scenario.hosts;
                let of_initiator = match judge.rule(*rule).initiator {
                    Party::Role(role) => hosts.contains(role) && from.contains(role),
                    Party::Any => hosts.intersects(from),
                };
                let host = if of_initiator { initiator } else { responder };
                let steps = wanted.scenario.steps.len();
                let slots = wanted
                    .hosts
                    .entry(host)
                    .or_insert_with(|| vec![Slot::default(); steps]);
                let best = match bearing {
                    Bearing::Own => &mut slots[*step].own,
                    Bearing::Fallback => &mut slots[*step].fallback,
                };
                Attempt::better(best, attempt);
            }
        }
        let pushes = self.pushes(judge, judged, from, to);
        for wanted in self.wanted.iter_mut().filter(|_| pushes) {
            if wanted.scenario.trigger == Trigger::ClientPush
                && wanted.scenario.hosts.intersects(to)
            {
                wanted.triggered.insert(responder);
            }
        }
    }

    /// Whether the site server reaches a client as such: towards a site system that is a client
    /// too, a stronger rule speaks.
    fn pushes(
        &self,
        judge: &Judge<'_>,
        judged: &FlowVerdict<'_>,
        from: RoleSet,
        to: RoleSet,
    ) -> bool {
        let Some(strongest) = judged.rules.first() else {
            return false;
        };
        let rule = judge.rule(*strongest);
        let to_host = match rule.responder {
            Party::Role(role) => {
                to.contains(role)
                    && self
                        .wanted
                        .iter()
                        .any(|wanted| wanted.scenario.hosts.contains(role))
            }
            Party::Any => false,
        };
        to_host
            && self.site_server.is_some_and(|role| from.contains(role))
            && self.pushing[*strongest as usize]
    }

    /// Adds what was seen elsewhere.
    pub fn merge(&mut self, other: Self) {
        for (wanted, more) in self.wanted.iter_mut().zip(other.wanted) {
            wanted.triggered.extend(more.triggered);
            for (host, slots) in more.hosts {
                match wanted.hosts.entry(host) {
                    Entry::Vacant(entry) => {
                        entry.insert(slots);
                    }
                    Entry::Occupied(mut entry) => {
                        let known = entry.get_mut().iter_mut();
                        known.zip(slots).for_each(|(known, slot)| known.merge(slot));
                    }
                }
            }
        }
    }

    /// The steps of every scenario and host, and how many did not fit.
    pub fn finish(self, judge: &Judge<'_>, holders: &Holders<'_>) -> (Vec<Requirement>, u64) {
        let mut entries = Entries::default();
        for wanted in &self.wanted {
            match wanted.scenario.trigger {
                Trigger::NetworkBoot => wanted.boots(judge, holders, &mut entries),
                Trigger::Required | Trigger::ClientPush => {
                    wanted.flows(judge, holders, &mut entries);
                }
            }
        }
        let over = entries.list.len().saturating_sub(MAX_ENTRIES) as u64;
        entries.list.truncate(MAX_ENTRIES);
        (entries.list, entries.kept_out + over)
    }
}

/// Requirements as they are judged. Once the list is full, the steps of further hosts are only
/// counted: whoever makes up machines that boot chooses how many there are.
#[derive(Default)]
struct Entries {
    list: Vec<Requirement>,
    kept_out: u64,
}

impl Wanted<'_> {
    fn boots(&self, judge: &Judge<'_>, holders: &Holders<'_>, entries: &mut Entries) {
        let machines = booting::machines(&judge.facts);
        let mut booted: BTreeSet<IpAddr> = BTreeSet::new();
        for machine in &machines {
            booted.extend(machine.addresses());
            let address = machine.addresses().next();
            let shown = |run: &Booting<'_>, step: &Step| {
                let shown = step.evidence.and_then(|evidence| run.step(evidence));
                shown.unwrap_or_else(|| {
                    let mut unseen = unseen(judge, holders, step, address);
                    let missing = step.evidence.and_then(|evidence| run.missing(evidence));
                    if let Some(missing) = missing
                        && unseen.state == RequirementState::Missing
                    {
                        unseen.explanation = missing;
                    }
                    unseen
                })
            };
            let steps = &self.scenario.steps;
            let run = machine.furthest(|run| Reach::of(steps, |step| shown(run, step)));
            let step = |step: &Step| Some(shown(run, step));
            self.judge(judge, holders, (machine.name(), address), step, entries);
        }
        let listed = holders
            .single_hosts(self.scenario.hosts)
            .filter(|host| !booted.contains(host));
        let mut hosts: Vec<Option<IpAddr>> = listed.map(Some).collect();
        if hosts.is_empty() && machines.is_empty() {
            hosts.push(None);
        }
        for host in hosts {
            let name = host.map(|host| host.to_string());
            self.judge(judge, holders, (name, host), |_| None, entries);
        }
    }

    fn flows(&self, judge: &Judge<'_>, holders: &Holders<'_>, entries: &mut Entries) {
        let mut hosts: BTreeSet<IpAddr> = holders
            .single_hosts(self.scenario.hosts)
            .map(|address| judge.facts.machine(address))
            .collect();
        hosts.extend(&self.triggered);
        if hosts.is_empty() {
            let all = self.together();
            self.judge_flows(judge, holders, None, &all, entries);
        }
        let nothing = vec![Slot::default(); self.scenario.steps.len()];
        for host in hosts {
            let slots = self.hosts.get(&host).unwrap_or(&nothing);
            self.judge_flows(judge, holders, Some(host), slots, entries);
        }
    }

    /// The best of all hosts, where no single one is asked about.
    fn together(&self) -> Vec<Slot> {
        let mut all = vec![Slot::default(); self.scenario.steps.len()];
        for slots in self.hosts.values() {
            all.iter_mut()
                .zip(slots)
                .for_each(|(best, slot)| best.merge(*slot));
        }
        all
    }

    fn judge_flows(
        &self,
        judge: &Judge<'_>,
        holders: &Holders<'_>,
        host: Option<IpAddr>,
        slots: &[Slot],
        entries: &mut Entries,
    ) {
        let mut slots = slots.iter();
        let step = |_: &Step| slots.next().and_then(attempted);
        let name = host.map(|host| host.to_string());
        self.judge(judge, holders, (name, host), step, entries);
    }

    /// Judges the steps in order for one host. `shown` is asked once a step.
    fn judge(
        &self,
        judge: &Judge<'_>,
        holders: &Holders<'_>,
        (name, address): (Option<String>, Option<IpAddr>),
        mut shown: impl FnMut(&Step) -> Option<Standing>,
        entries: &mut Entries,
    ) {
        if entries.list.len() >= MAX_ENTRIES {
            entries.kept_out += self.scenario.steps.len() as u64;
            return;
        }
        let mut broken: Option<&str> = None;
        for step in &self.scenario.steps {
            let mut standing = match shown(step) {
                Some(standing) => standing,
                None => unseen(judge, holders, step, address),
            };
            if step.optional && standing.state.is_finding() {
                standing.state = RequirementState::NotApplicable;
                standing.cause = None;
                standing.explanation = format!("{}; the step is optional", standing.explanation);
            }
            match (standing.state, broken) {
                (RequirementState::Missing, Some(earlier)) => {
                    standing.state = RequirementState::NotReached;
                    standing.explanation = format!("not seen; `{earlier}` comes before it");
                }
                (RequirementState::Missing | RequirementState::Failed, None) => {
                    broken = Some(&step.name);
                    let causes = step.causes(standing.cause.map(RequirementCause::code));
                    if !causes.is_empty() {
                        let causes = causes.join("; ");
                        standing.explanation =
                            format!("{}; usual causes: {causes}", standing.explanation);
                    }
                }
                _ => {}
            }
            let scenario = &self.scenario.name;
            entries.list.push(Requirement {
                id: format!("{scenario}/{}", step.name),
                scenario: Some(scenario.clone()),
                step: Some(step.name.clone()),
                rules: step
                    .rules
                    .iter()
                    .map(|rule| judge.policy.rules[*rule].id.clone())
                    .collect(),
                host: name.clone(),
                state: standing.state,
                cause: standing.cause,
                explanation: format!("{}.", standing.explanation),
                first: standing.at.map(|at| at.time),
                frames: standing.at.into_iter().collect(),
            });
        }
    }
}

fn attempted(slot: &Slot) -> Option<Standing> {
    let worked = |best: Option<Attempt>| {
        best.filter(|attempt| matches!(attempt.outcome, Outcome::Worked(_)))
    };
    let (state, best, text) = if let Some(best) = worked(slot.own) {
        (RequirementState::Satisfied, best, "seen and answered")
    } else if let Some(best) = worked(slot.fallback) {
        (
            RequirementState::Degraded,
            best,
            "the documented fallback was seen instead",
        )
    } else {
        let best = slot.own?;
        let text = best.cause().map_or("", RequirementCause::meaning);
        (RequirementState::Failed, best, text)
    };
    Some(Standing {
        state,
        cause: best.cause(),
        explanation: text.to_owned(),
        at: Some(best.at),
    })
}

/// Why nothing shows a step.
fn unseen(judge: &Judge<'_>, holders: &Holders<'_>, step: &Step, host: Option<IpAddr>) -> Standing {
    let rules = step.rules.iter().map(|rule| &judge.policy.rules[*rule]);
    let seen = rules.map(|rule| {
        let is_initiator = host.is_some_and(|host| {
            judge
                .lookup
                .party_holds(rule.initiator, judge.ends.listed_roles(host))
        });
        match host.filter(|_| is_initiator) {
            Some(host) => holders.visibility_from(&judge.facts, host, rule.responder),
            None => holders.visibility(&judge.facts, rule.initiator, rule.responder),
        }
    });
    let (state, explanation) = explain_unseen(judge, seen);
    Standing {
        state,
        cause: None,
        explanation,
        at: None,
    }
}
