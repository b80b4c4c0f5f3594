//! The audit of one observation: every flow judged once, then everything that is said of all of
//! them together. Requirements come last.

use std::collections::BTreeMap;
use std::num::NonZero;

use sha1::{Digest as _, Sha1};

use super::attempt::{Answers, Attempt};
use super::background;
use super::boot::{Booting, first_missing};
use super::diagnosis::diagnose;
use super::facts::Seen;
use super::failing::Failing;
use super::finding::{Entry, Findings, MAX_ENTRIES};
use super::holders::Holders;
use super::requirement::Requirements;
use super::scenario::Scenarios;
use super::tally::Count;
use super::workers;
use super::{
    Accepted, AcceptedFinding, Audit, AuditLimit, BackgroundEntry, Basis, ExceptionState,
    ExceptionUse, Finding, FindingInitiator, FindingResponder, FlowVerdict, Judge, Loss, Proofs,
    PxeBoot, RpcUse, RuleUse, SiteSummary, Strictness, Totals, Verdict,
};
use crate::decode::{LinkProtocol, Undecoded};
use crate::flow::{Flow, State, community_id};
use crate::net::Protocol;
use crate::observation::CaptureRecord;
use crate::policy::{Policy, Reach, Rule, Service, Trigger};
use crate::site::Site;

/// What is counted of the input beside its flows.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// Captures by first packet, then name.
    pub captures: Vec<CaptureRecord>,
    /// Frames judged.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Frames that could not be decoded, by reason.
    pub undecoded: BTreeMap<Undecoded, u64>,
    /// Packets and bytes that are not IP.
    pub link: BTreeMap<LinkProtocol, (u64, u64)>,
    /// Packets and bytes of ICMP errors, which are no flows.
    pub icmp_errors: (u64, u64),
    /// What the capture itself lost. One-sided flows are counted here.
    pub loss: Loss,
    /// Bounds that were hit while reading.
    pub limits: Vec<AuditLimit>,
}

/// Every flow, in partitions that can be walked by a thread each. The report does not depend on
/// how flows are parted, or on their order.
#[derive(Clone, Copy, Debug)]
pub struct Partitions<F> {
    /// How many there are.
    pub count: usize,
    /// Gives the flows of one, as often as it is asked.
    pub flows: F,
}

/// Audits what was seen, on at most `threads` threads.
pub fn judge<Flows: Iterator<Item = Flow>>(
    policy: &Policy,
    site: &Site,
    proofs: Proofs<'_>,
    counted: Counted,
    strictness: Strictness,
    partitions: &Partitions<impl Fn(usize) -> Flows + Sync>,
    threads: NonZero<usize>,
) -> Audit {
    let mut judge = Judge::new(policy, site, proofs, strictness);
    let walked = workers::fold(
        partitions.count,
        threads,
        || Walk::new(&judge),
        |walk, partition| walk.partition(partition, (partitions.flows)(partition)),
        Walk::merge,
    );
    judge.add_seen(walked.seen);
    let mut sums = walked.sums;
    sums.merge(
        workers::fold(
            walked.again.len(),
            threads,
            || (judge.clone(), Sums::new(&judge)),
            |(judge, sums), index| {
                for flow in (partitions.flows)(walked.again[index]) {
                    let judged = judge.verdict(&flow);
                    if judge.rests_on_others() {
                        sums.add(judge, &judged);
                    }
                }
            },
            |(_, sums), (_, other)| sums.merge(other),
        )
        .1,
    );
    for flow in &walked.deferred {
        let judged = judge.verdict(flow);
        sums.add(&judge, &judged);
    }
    sums.finish(&judge, counted, threads)
}

/// Flows that a thread keeps until all were observed. Where there are more, their partition is
/// walked again.
const MAX_DEFERRED: usize = 4096;

/// The walk over flows of which not all were observed yet. The few whose verdicts rest on others
/// wait.
struct Walk<'a> {
    judge: Judge<'a>,
    sums: Sums<'a>,
    seen: Seen,
    deferred: Vec<Flow>,
    /// Partitions with flows that are neither in the sums nor in `deferred`.
    again: Vec<usize>,
}

impl<'a> Walk<'a> {
    fn new(judge: &Judge<'a>) -> Self {
        Self {
            judge: judge.clone(),
            sums: Sums::new(judge),
            seen: Seen::default(),
            deferred: Vec::new(),
            again: Vec::new(),
        }
    }

    fn partition(&mut self, partition: usize, flows: impl Iterator<Item = Flow>) {
        let before = self.deferred.len();
        let mut waiting = 0;
        // A chain of iterators walks faster by itself than when it is asked for each.
        flows.for_each(|flow| {
            self.judge.facts.observe(&flow, &mut self.seen);
            let judged = self.judge.verdict(&flow);
            if !self.judge.rests_on_others() {
                self.sums.add(&self.judge, &judged);
                return;
            }
            waiting += 1;
            if before + waiting <= MAX_DEFERRED {
                self.deferred.push(flow);
            }
        });
        if before + waiting > MAX_DEFERRED {
            self.deferred.truncate(before);
            self.again.push(partition);
        }
    }

    fn merge(&mut self, other: Self) {
        self.sums.merge(other.sums);
        self.seen.merge(other.seen);
        self.deferred.extend(other.deferred);
        self.again.extend(other.again);
    }
}

/// What grows with every verdict. Merges in any order and grouping.
struct Sums<'a> {
    totals: Totals,
    one_sided_flows: u64,
    findings: Findings,
    failing: Failing,
    background: BTreeMap<&'static str, BackgroundCount>,
    exceptions: Vec<ExceptionCount>,
    rules: Vec<Count>,
    rpc: Vec<u64>,
    requirements: Requirements,
    scenarios: Scenarios<'a>,
    /// By rule: who answers.
    answering: Vec<Answering>,
}

/// Flows, packets and bytes.
#[derive(Clone, Copy, Default)]
struct BackgroundCount(u64, u64, u64);

impl BackgroundCount {
    fn merge(&mut self, Self(flows, packets, bytes): Self) {
        self.0 += flows;
        self.1 += packets;
        self.2 += bytes;
    }
}

/// Flows that an exception accepts, and flows that came after its date.
#[derive(Clone, Copy, Default)]
struct ExceptionCount {
    accepted: u64,
    expired: u64,
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
    fn new(judge: &Judge<'a>) -> Self {
        let rules = &judge.policy.rules;
        Self {
            totals: Totals::default(),
            one_sided_flows: 0,
            findings: Findings::default(),
            failing: Failing::default(),
            background: BTreeMap::new(),
            exceptions: vec![ExceptionCount::default(); judge.site.accept.len()],
            rules: vec![Count::default(); rules.len()],
            rpc: vec![0; judge.facts.proofs().rpc.len()],
            requirements: Requirements::new(judge),
            scenarios: Scenarios::new(judge),
            answering: rules.iter().map(answering).collect(),
        }
    }

    fn add(&mut self, judge: &Judge<'a>, judged: &FlowVerdict<'_>) {
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
        for rule in judged.rules.iter() {
            self.rules[*rule as usize].merge(count);
        }
        if let Some(endpoint) = judged.learned {
            self.rpc[endpoint] += count.flows;
        }
        let Some(strongest) = judged.rules.first() else {
            return;
        };
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
            self.failing.add(*strongest, flow, attempt);
            self.requirements.add(judge, judged, attempt);
            self.scenarios.add(judge, judged, flow, attempt);
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
    fn merge(&mut self, other: Self) {
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

    fn finish(self, judge: &Judge<'_>, counted: Counted, threads: NonZero<usize>) -> Audit {
        let holders = Holders::new(judge.site, &judge.policy.roles);
        let folded = self.findings.finish();
        let (failing, failing_out) = self.failing.finish(&judge.policy.rules, MAX_ENTRIES);
        let (mut requirements, rules_out) = self.requirements.finish(judge, &holders);
        let (steps, steps_out) = self.scenarios.finish(judge, &holders);
        requirements.extend(steps);
        let loss = Loss {
            one_sided_flows: self.one_sided_flows,
            ..counted.loss
        };
        let totals = Totals {
            packets: counted.packets,
            bytes: counted.bytes,
            undecoded: counted.undecoded.clone(),
            ..self.totals
        };
        let background = background(self.background, &counted);
        let mut limits = counted.limits;
        for (limit, reached) in [
            ("findings", folded.kept_out),
            ("failing", failing_out),
            ("requirements", rules_out + steps_out),
        ] {
            if reached > 0 {
                limits.push(AuditLimit {
                    limit,
                    value: MAX_ENTRIES as u64,
                    reached,
                });
            }
        }
        let proofs = judge.facts.proofs();
        let mut audit = Audit {
            site: SiteSummary {
                name: judge.site.name.clone(),
                catalogue: judge.site.catalogue.clone(),
                edition: judge.policy.edition.clone(),
            },
            complete: counted.captures.iter().all(CaptureRecord::is_complete),
            captures: counted.captures,
            totals,
            loss,
            limits,
            unexpected: workers::map(&folded.entries, threads, |entry| judge.finding(entry)),
            failing,
            background,
            exceptions: exceptions(judge, self.exceptions),
            diagnoses: Vec::new(),
            requirements,
            rules: rule_use(judge, self.rules),
            tftp: proofs.tftp.to_vec(),
            tftp_joined: proofs.tftp_joined.to_vec(),
            rpc: proofs
                .rpc
                .iter()
                .zip(self.rpc)
                .map(|(endpoint, used_by_flows)| RpcUse {
                    endpoint: endpoint.clone(),
                    used_by_flows,
                })
                .collect(),
            pxe: boots(judge),
        };
        audit.diagnoses = diagnose(judge, &audit);
        audit
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

/// Link maintenance by kind: flows, and what is no flow.
fn background(
    flows: BTreeMap<&'static str, BackgroundCount>,
    counted: &Counted,
) -> Vec<BackgroundEntry> {
    let mut all: BTreeMap<String, BackgroundCount> = flows
        .into_iter()
        .map(|(kind, count)| (kind.to_owned(), count))
        .collect();
    let link = counted.link.iter().map(|(protocol, (packets, bytes))| {
        let kind = background::link_kind(*protocol).into_owned();
        (kind, BackgroundCount(0, *packets, *bytes))
    });
    let (packets, bytes) = counted.icmp_errors;
    let errors = ("icmp-error".to_owned(), BackgroundCount(0, packets, bytes));
    for (kind, count) in link.chain((packets > 0).then_some(errors)) {
        all.entry(kind).or_default().merge(count);
    }
    let entries = all.into_iter();
    entries
        .map(
            |(kind, BackgroundCount(flows, packets, bytes))| BackgroundEntry {
                kind,
                flows,
                packets,
                bytes,
            },
        )
        .collect()
}

fn exceptions(judge: &Judge<'_>, counts: Vec<ExceptionCount>) -> Vec<ExceptionUse> {
    let entries = judge.site.accept.iter().zip(counts);
    entries
        .map(|(entry, count)| ExceptionUse {
            text: entry.text.clone(),
            reason: entry.reason.clone(),
            expires: entry.expires_text.clone(),
            flows: count.accepted + count.expired,
            state: match (count.accepted, count.expired) {
                (0, 0) => ExceptionState::Unused,
                (_, 0) => ExceptionState::Used,
                (_, _) => ExceptionState::Expired,
            },
        })
        .collect()
}

fn rule_use(judge: &Judge<'_>, used: Vec<Count>) -> Vec<RuleUse> {
    let rules = judge.policy.rules.iter().zip(used);
    rules
        .map(|(rule, count)| RuleUse {
            id: rule.id.clone(),
            source: format!("{}#{}", rule.document, rule.anchor),
            initiator: judge.party_name(rule.initiator),
            responder: judge.party_name(rule.responder),
            service: rule.service.clone(),
            flows: count.flows,
            packets: count.packets,
            bytes: count.bytes,
            first: (count.flows > 0).then_some(count.first),
            last: (count.flows > 0).then_some(count.last),
        })
        .collect()
}

/// Every boot with its first missing step, whether the site requires it or not.
fn boots(judge: &Judge<'_>) -> Vec<PxeBoot> {
    let proofs = judge.facts.proofs();
    let scenarios = &judge.policy.scenarios;
    let steps = scenarios
        .iter()
        .find(|scenario| scenario.trigger == Trigger::NetworkBoot)
        .map_or(&[][..], |scenario| scenario.steps.as_slice());
    let boots = proofs.pxe.iter().map(|boot| PxeBoot {
        boot: boot.clone(),
        first_missing_step: first_missing(&Booting::new(boot, &judge.facts), steps)
            .map(str::to_owned),
    });
    boots.collect()
}

impl Judge<'_> {
    fn finding(&self, entry: &Entry) -> Finding {
        let (explanation, nearest) = self.entry_sentence(entry);
        let port = entry.port();
        let has_ports = matches!(entry.protocol, Protocol::Tcp | Protocol::Udp);
        let samples = entry.samples.iter();
        Finding {
            id: identity(entry),
            reason: entry.reason,
            protocol: entry.protocol,
            initiator: FindingInitiator {
                address: entry.initiator,
                name: self.host_name(entry.initiator),
                roles: self.role_ids(entry.initiator_roles),
            },
            responder: FindingResponder {
                address: entry.responder,
                name: entry.responder.and_then(|address| self.host_name(address)),
                port,
                ports: match has_ports && port.is_none() {
                    true => entry.ports.clone(),
                    false => Vec::new(),
                },
                addresses: entry.addresses,
                roles: self.role_ids(entry.responder_roles),
            },
            flows: entry.count.flows,
            packets: entry.count.packets,
            bytes: entry.count.bytes,
            first: entry.count.first,
            last: entry.count.last,
            frames: samples.clone().map(|(at, ..)| *at).collect(),
            community_ids: samples
                .filter_map(|(_, from, to)| community_id(entry.protocol, (*from)?, *to))
                .collect(),
            nearest_rules: nearest,
            explanation,
            accepted: entry.accepted.map(|index| {
                let exception = &self.site.accept[index];
                AcceptedFinding {
                    text: exception.text.clone(),
                    reason: exception.reason.clone(),
                }
            }),
        }
    }
}

/// Stable for the same site and endpoints: counts and times are no part of it.
fn identity(entry: &Entry) -> String {
    let text = |value: Option<String>| value.unwrap_or_else(|| "*".to_owned());
    let key = format!(
        "{} {} {} {} {} {}",
        entry.reason.code(),
        entry.protocol,
        entry.initiator,
        text(entry.responder.map(|address| address.to_string())),
        text(entry.port().map(|port| port.to_string())),
        match entry.accepted {
            Some(_) => "accepted",
            None => "open",
        },
    );
    let digest = Sha1::digest(key.as_bytes());
    digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
