//! What is added up over all flows.

use std::collections::BTreeMap;

use crate::flow::State;
use crate::policy::{Party, Reach, Rule, Service};
use crate::verdict::attempt::{Answers, Attempt};
use crate::verdict::failing::Failing;
use crate::verdict::finding::Findings;
use crate::verdict::holders::held;
use crate::verdict::requirement::Requirements;
use crate::verdict::scenario::Scenarios;
use crate::verdict::shares::Shares;
use crate::verdict::tally::Count;
use crate::verdict::{Accepted, Basis, FlowVerdict, Judge, Totals, Verdict};

/// What grows with every verdict. Merges in any order and grouping.
pub(super) struct Sums<'a> {
    pub totals: Totals,
    pub one_sided_flows: u64,
    pub findings: Findings,
    pub failing: Failing,
    pub shares: Shares,
    pub background: BTreeMap<&'static str, BackgroundCount>,
    pub exceptions: Vec<ExceptionCount>,
    pub rules: Vec<Count>,
    pub rpc: Vec<u64>,
    pub requirements: Requirements,
    pub scenarios: Scenarios<'a>,
    /// By rule: who answers.
    answering: Vec<Answering>,
    /// By rule: whether somebody holds the responder's role.
    is_held: Vec<bool>,
}

/// Flows, packets and bytes.
#[derive(Clone, Copy, Default)]
pub(super) struct BackgroundCount(pub u64, pub u64, pub u64);

impl BackgroundCount {
    pub fn merge(&mut self, Self(flows, packets, bytes): Self) {
        self.0 += flows;
        self.1 += packets;
        self.2 += bytes;
    }
}

/// Flows that an exception accepts, and flows that came after its date.
#[derive(Clone, Copy, Default)]
pub(super) struct ExceptionCount {
    pub accepted: u64,
    pub expired: u64,
}

/// Who answers to flows of a rule.
#[derive(Clone, Copy)]
enum Answering {
    /// The responder.
    Responder,
    /// The responder, unless the address stands for many: they do not answer one by one.
    ResponderAlone,
    /// Nobody.
    Nobody,
}

impl<'a> Sums<'a> {
    pub fn new(judge: &Judge<'a>) -> Self {
        let rules = &judge.policy.rules;
        let held = held(judge.site, &judge.policy.roles);
        Self {
            totals: Totals::default(),
            one_sided_flows: 0,
            findings: Findings::default(),
            failing: Failing::default(),
            shares: Shares::new(judge),
            background: BTreeMap::new(),
            exceptions: vec![ExceptionCount::default(); judge.site.accept.len()],
            rules: vec![Count::default(); rules.len()],
            rpc: vec![0; judge.facts.proofs().rpc.len()],
            requirements: Requirements::new(judge),
            scenarios: Scenarios::new(judge),
            answering: rules.iter().map(answering).collect(),
            is_held: rules
                .iter()
                .map(|rule| match rule.responder {
                    Party::Any => true,
                    Party::Role(role) => held.contains(role),
                })
                .collect(),
        }
    }

    pub fn add(&mut self, judge: &Judge<'a>, judged: &FlowVerdict<'_>) {
        let flow = &judged.flow;
        let count = flow.flows;
        self.totals.flows += count;
        let one_sided = flow.state == State::MidStream && !flow.is_two_sided();
        self.one_sided_flows += if one_sided { count } else { 0 };
        self.requirements.see(judged, &judge.facts);
        match judged.verdict {
            Verdict::OutOfScope => self.totals.out_of_scope += count,
            Verdict::Background(kind) => {
                self.totals.background += count;
                let count = BackgroundCount(count, flow.packets(), flow.bytes());
                self.background.entry(kind).or_default().merge(count);
            }
            Verdict::Expected(basis) => self.add_expected(judge, judged, basis),
            Verdict::Unexpected(reason) => {
                let accepted = self.except(judged.accepted, count);
                match accepted {
                    Some(_) => self.totals.accepted += count,
                    None => self.totals.unexpected += count,
                }
                let roles = (judged.initiator_roles, judged.responder_roles);
                self.findings.add(flow, reason, accepted, roles);
            }
        }
    }

    fn add_expected(&mut self, judge: &Judge<'_>, judged: &FlowVerdict<'_>, basis: Basis) {
        let count = Count::of(&judged.flow);
        self.totals.expected += count.flows;
        self.count_rules(judge, judged, count);
        if let Some(endpoint) = judged.learned {
            self.rpc[endpoint] += count.flows;
        }
        let Some(strongest) = judged.rules.first() else {
            return;
        };
        self.shares.add(judged);
        let flow = &judged.by_rule();
        let nobody = match self.answering[*strongest as usize] {
            Answering::Responder => false,
            Answering::ResponderAlone => judge.ends.is_for_many(judged.flow.responder.address),
            Answering::Nobody => true,
        };
        let answers = match nobody {
            true => Answers::None,
            false => Answers::Expected,
        };
        if let Some(attempt) = Attempt::of(flow, basis, &judge.facts, answers) {
            // What may have been answered another way is counted as loss, not told as failing.
            if !attempt.is_one_sided() {
                self.failing.add(*strongest, flow, attempt);
            }
            self.requirements.add(judge, judged, attempt);
            self.scenarios.add(judge, judged, flow, attempt);
        }
    }

    /// Counts the use of rules. What goes to many fits every rule that it may be meant for, so of
    /// those the ones count whose responder there is.
    fn count_rules(&mut self, judge: &Judge<'_>, judged: &FlowVerdict<'_>, count: Count) {
        let is_held = |rule: &u32| self.is_held[*rule as usize];
        let only_held = judge.ends.is_for_many(judged.flow.responder.address)
            && judged.rules.iter().any(is_held);
        for rule in judged.rules.iter() {
            if !only_held || self.is_held[*rule as usize] {
                self.rules[*rule as usize].merge(count);
            }
        }
    }

    /// Counts the use of an exception; its index where it accepts the flow.
    fn except(&mut self, accepted: Accepted, flows: u64) -> Option<usize> {
        match accepted {
            Accepted::No => None,
            Accepted::By(index) => {
                self.exceptions[index].accepted += flows;
                Some(index)
            }
            Accepted::Expired(index) => {
                self.exceptions[index].expired += flows;
                None
            }
        }
    }

    /// Adds what other flows came to.
    pub fn merge(&mut self, other: Self) {
        let (mine, theirs) = (&mut self.totals, other.totals);
        mine.flows += theirs.flows;
        mine.expected += theirs.expected;
        mine.unexpected += theirs.unexpected;
        mine.accepted += theirs.accepted;
        mine.background += theirs.background;
        mine.out_of_scope += theirs.out_of_scope;
        self.one_sided_flows += other.one_sided_flows;
        self.findings.merge(other.findings);
        self.failing.merge(other.failing);
        self.shares.merge(other.shares);
        for (kind, count) in other.background {
            self.background.entry(kind).or_default().merge(count);
        }
        for (mine, theirs) in self.exceptions.iter_mut().zip(other.exceptions) {
            mine.accepted += theirs.accepted;
            mine.expired += theirs.expired;
        }
        for (mine, theirs) in self.rules.iter_mut().zip(other.rules) {
            mine.merge(theirs);
        }
        for (mine, theirs) in self.rpc.iter_mut().zip(other.rpc) {
            *mine += theirs;
        }
        self.requirements.merge(other.requirements);
        self.scenarios.merge(other.scenarios);
    }
}

/// Nobody answers to a one-way service, nor one by one where a service reaches many. DHCP servers
/// answer broadcasts.
fn answering(rule: &Rule) -> Answering {
    match Service::find(&rule.service) {
        Some(service) if service.one_way || service.reach == Reach::Group => Answering::Nobody,
        Some(service) if service.reach == Reach::Broadcast && rule.service != "dhcp" => {
            Answering::ResponderAlone
        }
        _ => Answering::Responder,
    }
}
