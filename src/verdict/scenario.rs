//! Required scenarios: ordered steps, judged for each host that triggers them. The first missing
//! step is the finding; what comes after it was not reached.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use hashbrown::HashMap;

use super::attempt::Attempt;
use super::boot::{self as booting, Booting, Reach};
use super::flow::Judge;
use super::holders::Holders;
use super::required::Required;
use super::requirement::Standing;
use super::step::{Bearing, Began, Slot, rules_for, unseen};
use super::{FlowVerdict, Orientation, Requirement, RequirementCause, RequirementState};
use crate::flow::Flow;
use crate::net::Position;
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
    /// What was seen of a step, by machine and number of the step.
    seen: HashMap<(IpAddr, usize), Slot, foldhash::fast::RandomState>,
    /// The machines it was started for, and when.
    triggered: BTreeMap<IpAddr, Position>,
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
                let instead = step.instead.iter().map(|rule| (rule, Bearing::Instead));
                for (rule, bearing) in own.chain(fallback).chain(instead) {
                    by_rule[*rule].push((wanted.len(), number, bearing));
                }
            }
            wanted.push(Wanted {
                scenario,
                seen: HashMap::default(),
                triggered: BTreeMap::new(),
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
            for (index, number, bearing) in &self.by_rule[*rule as usize] {
                let wanted = &mut self.wanted[*index];
                let step = &wanted.scenario.steps[*number];
                if !step.opened_by.is_empty() && !step.opened_by.intersects(from) {
                    continue;
                }
                let hosts = wanted.scenario.hosts;
                let of_initiator = match judge.rule(*rule).initiator {
                    Party::Role(role) => hosts.contains(role) && from.contains(role),
                    Party::Any => hosts.intersects(from),
                };
                let host = if of_initiator { initiator } else { responder };
                let slot = wanted.seen.entry((host, *number)).or_default();
                slot.add(step, *bearing, attempt);
            }
        }
        let pushes = self.pushes(judge, judged, from, to);
        for wanted in self.wanted.iter_mut().filter(|_| pushes) {
            if wanted.scenario.trigger == Trigger::ClientPush
                && wanted.scenario.hosts.intersects(to)
            {
                wanted.trigger(responder, flow.first);
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
            for (host, at) in more.triggered {
                wanted.trigger(host, at);
            }
            for (place, slot) in more.seen {
                wanted.seen.entry(place).or_default().merge(slot);
            }
        }
    }

    /// Adds the steps of every scenario and host.
    pub fn finish(self, judge: &Judge<'_>, holders: &Holders<'_>, entries: &mut Required) {
        for wanted in &self.wanted {
            match wanted.scenario.trigger {
                Trigger::NetworkBoot => wanted.boots(judge, holders, entries),
                Trigger::Required | Trigger::ClientPush => wanted.flows(judge, holders, entries),
            }
        }
    }
}

impl Wanted<'_> {
    /// Something started the scenario for a machine; the first time counts.
    fn trigger(&mut self, host: IpAddr, at: Position) {
        let first = self.triggered.entry(host).or_insert(at);
        *first = at.min(*first);
    }

    fn boots(&self, judge: &Judge<'_>, holders: &Holders<'_>, entries: &mut Required) {
        let machines = booting::machines(&judge.facts);
        let mut booted: BTreeSet<IpAddr> = BTreeSet::new();
        for machine in &machines {
            booted.extend(machine.addresses().map(|one| judge.facts.machine(one)));
            let address = machine.addresses().next();
            let shown = |run: &Booting<'_>, step: &Step| {
                let shown = step.evidence.and_then(|evidence| run.step(evidence));
                shown.unwrap_or_else(|| {
                    let mut unseen = unseen(judge, holders, self.scenario, step, address);
                    let missing = step.evidence.and_then(|evidence| run.missing(evidence));
                    if let Some((missing, at)) = missing
                        && unseen.state == RequirementState::Missing
                    {
                        unseen.explanation = missing;
                        unseen.at = at;
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
            .map(|host| judge.facts.machine(host))
            .filter(|host| !booted.contains(host));
        let listed: BTreeSet<IpAddr> = listed.collect();
        let mut hosts: Vec<Option<IpAddr>> = listed.into_iter().map(Some).collect();
        if hosts.is_empty() && machines.is_empty() {
            hosts.push(None);
        }
        for host in hosts {
            let name = host.map(|host| host.to_string());
            self.judge(judge, holders, (name, host), |_| None, entries);
        }
    }

    fn flows(&self, judge: &Judge<'_>, holders: &Holders<'_>, entries: &mut Required) {
        let mut hosts: BTreeSet<IpAddr> = holders
            .single_hosts(self.scenario.hosts)
            .map(|address| judge.facts.machine(address))
            .collect();
        hosts.extend(self.triggered.keys());
        if hosts.is_empty() {
            let hidden = self.is_start_hidden(judge, holders, None);
            let furthest = self.furthest(hidden);
            let run = furthest.map(|machine| (machine, self.began(machine, hidden)));
            self.judge_flows(judge, holders, None, run, entries);
        }
        for host in hosts {
            let hidden = self.is_start_hidden(judge, holders, Some(host));
            let run = (host, self.began(host, hidden));
            self.judge_flows(judge, holders, Some(host), Some(run), entries);
        }
    }

    /// The machine that got furthest, where no single one is asked about: steps that several
    /// machines took do not make up one run.
    fn furthest(&self, hidden: bool) -> Option<IpAddr> {
        let hosts: BTreeSet<IpAddr> = self.seen.keys().map(|(host, _)| *host).collect();
        let lacking = |host: &IpAddr| {
            let steps = self.scenario.steps.iter().enumerate();
            let needed = steps.filter(|(_, step)| !step.optional);
            let mut met = needed.map(|(number, step)| {
                let slot = self.seen.get(&(*host, number));
                slot.is_some_and(|slot| slot.is_met(step, self.began(*host, hidden)))
            });
            let in_order = met.by_ref().take_while(|met| *met).count();
            (Reverse(in_order), met.filter(|met| !met).count())
        };
        hosts.into_iter().min_by_key(lacking)
    }

    fn began(&self, host: IpAddr, hidden: bool) -> Began {
        match self.triggered.get(&host) {
            Some(at) => Began::At(*at),
            None if hidden => Began::Hidden,
            None => Began::Unseen,
        }
    }

    /// Whether the steps that start the scenario can't be seen from the capture point.
    fn is_start_hidden(
        &self,
        judge: &Judge<'_>,
        holders: &Holders<'_>,
        host: Option<IpAddr>,
    ) -> bool {
        let steps = self.scenario.steps.iter();
        let mut starting = steps.filter(|step| !step.optional && !step.after_trigger);
        starting.all(|step| {
            let standing = unseen(judge, holders, self.scenario, step, host);
            standing.state == RequirementState::NotObservable
        })
    }

    /// Judges the run of a machine, as that of `host`.
    fn judge_flows(
        &self,
        judge: &Judge<'_>,
        holders: &Holders<'_>,
        host: Option<IpAddr>,
        run: Option<(IpAddr, Began)>,
        entries: &mut Required,
    ) {
        let mut number = 0;
        let step = |step: &Step| {
            number += 1;
            let (machine, began) = run?;
            let slot = self.seen.get(&(machine, number - 1))?;
            slot.standing(judge, step, began)
        };
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
        entries: &mut Required,
    ) {
        let mut broken: Option<&str> = None;
        for step in &self.scenario.steps {
            let mut standing = match shown(step) {
                Some(standing) => standing,
                None => unseen(judge, holders, self.scenario, step, address),
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
                    let cause = standing.cause.map(RequirementCause::code);
                    let causes = step.causes(standing.how.into_iter().chain(cause));
                    if !causes.is_empty() {
                        let causes = causes.join("; ");
                        standing.explanation =
                            format!("{}; usual causes: {causes}", standing.explanation);
                    }
                }
                _ => {}
            }
            entries.add(standing.state, || {
                let scenario = &self.scenario.name;
                let rules = rules_for(judge, self.scenario, step, address);
                Requirement {
                    id: format!("{scenario}/{}", step.name),
                    scenario: Some(scenario.clone()),
                    step: Some(step.name.clone()),
                    rules: rules.iter().map(|rule| rule.id.clone()).collect(),
                    host: name.clone(),
                    state: standing.state,
                    cause: standing.cause,
                    explanation: format!("{}.", standing.explanation),
                    first: standing.at.map(|at| at.time),
                    frames: standing.at.into_iter().collect(),
                }
            });
        }
    }
}
