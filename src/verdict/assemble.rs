//! The audit of one observation: every flow judged once, then everything that is said of all of
//! them together. Requirements come last.

use std::collections::BTreeMap;

use sha1::{Digest as _, Sha1};

use super::attempt::{Answers, Attempt};
use super::background;
use super::boot::{Booting, first_missing};
use super::failing::Failing;
use super::finding::{Entry, Findings, MAX_ENTRIES};
use super::flow::is_for_many;
use super::holders::Holders;
use super::requirement::Requirements;
use super::scenario::Scenarios;
use super::tally::Count;
use super::{
    Accepted, AcceptedFinding, Audit, AuditLimit, BackgroundEntry, ExceptionState, ExceptionUse,
    Finding, FindingInitiator, FindingResponder, FlowVerdict, Judge, Loss, Proofs, PxeBoot, RpcUse,
    RuleUse, SiteSummary, Strictness, Totals, Verdict,
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

/// Audits what was seen. `flows` gives every flow, in any order, as often as it is asked.
pub fn judge<Flows: Iterator<Item = Flow>>(
    policy: &Policy,
    site: &Site,
    proofs: Proofs<'_>,
    counted: Counted,
    strictness: Strictness,
    flows: impl Fn() -> Flows,
) -> Audit {
    let mut judge = Judge::new(policy, site, proofs, strictness);
    flows().for_each(|flow| judge.observe(&flow));
    let mut sums = Sums::new(&judge, &counted);
    flows().for_each(|flow| sums.add(&mut judge, &flow));
    sums.finish(&judge, counted)
}

/// What grows with every verdict.
struct Sums<'a> {
    totals: Totals,
    one_sided_flows: u64,
    findings: Findings,
    failing: Failing,
    background: BTreeMap<String, (u64, u64, u64)>,
    exceptions: Vec<ExceptionUse>,
    rules: Vec<Count>,
    rpc: Vec<u64>,
    requirements: Requirements,
    scenarios: Scenarios<'a>,
}

impl<'a> Sums<'a> {
    fn new(judge: &Judge<'a>, counted: &Counted) -> Self {
        let mut background = BTreeMap::new();
        for (protocol, (packets, bytes)) in &counted.link {
            let kind = background::link_kind(*protocol).into_owned();
            let sum: &mut (u64, u64, u64) = background.entry(kind).or_default();
            sum.1 += packets;
            sum.2 += bytes;
        }
        if counted.icmp_errors.0 > 0 {
            let (packets, bytes) = counted.icmp_errors;
            background.insert("icmp-error".to_owned(), (0, packets, bytes));
        }
        let exceptions = judge.site.accept.iter().map(|entry| ExceptionUse {
            text: entry.text.clone(),
            reason: entry.reason.clone(),
            expires: entry.expires_text.clone(),
            flows: 0,
            state: ExceptionState::Unused,
        });
        Self {
            totals: Totals {
                packets: counted.packets,
                bytes: counted.bytes,
                undecoded: counted.undecoded.clone(),
                ..Totals::default()
            },
            one_sided_flows: 0,
            findings: Findings::default(),
            failing: Failing::default(),
            background,
            exceptions: exceptions.collect(),
            rules: vec![Count::default(); judge.policy.rules.len()],
            rpc: vec![0; judge.facts.proofs().rpc.len()],
            requirements: Requirements::new(judge),
            scenarios: Scenarios::new(judge),
        }
    }

    fn add(&mut self, judge: &mut Judge<'a>, flow: &Flow) {
        let judged = judge.verdict(flow);
        let flow = &judged.flow;
        self.totals.flows += 1;
        let one_sided = flow.state == State::MidStream && !flow.is_two_sided();
        self.one_sided_flows += u64::from(one_sided);
        self.requirements.see(&judged, &judge.facts);
        match judged.verdict {
            Verdict::OutOfScope => self.totals.out_of_scope += 1,
            Verdict::Background(kind) => {
                self.totals.background += 1;
                let sum = self.background.entry(kind.to_owned()).or_default();
                sum.0 += 1;
                sum.1 += flow.packets();
                sum.2 += flow.bytes();
            }
            Verdict::Expected(_) => self.add_expected(judge, &judged),
            Verdict::Unexpected(reason) => {
                let accepted = self.except(judged.accepted);
                match accepted {
                    Some(_) => self.totals.accepted += 1,
                    None => self.totals.unexpected += 1,
                }
                let roles = (judged.initiator_roles, judged.responder_roles);
                self.findings.add(flow, reason, accepted, roles);
            }
        }
    }

    fn add_expected(&mut self, judge: &Judge<'_>, judged: &FlowVerdict) {
        self.totals.expected += 1;
        for rule in &judged.rules {
            self.rules[*rule as usize].add(&judged.flow);
        }
        if let Some(endpoint) = judged.learned {
            self.rpc[endpoint] += 1;
        }
        let Some(strongest) = judged.rules.first() else {
            return;
        };
        let answers = answers(judge, judged, judge.rule(*strongest));
        if let Some(attempt) = Attempt::of(judged, &judge.facts, answers) {
            self.failing.add(judged, attempt);
            self.requirements.add(judge, judged, attempt);
            self.scenarios.add(judge, judged, attempt);
        }
    }

    /// Counts the use of an exception; its index where it accepts the flow.
    fn except(&mut self, accepted: Accepted) -> Option<usize> {
        match accepted {
            Accepted::No => None,
            Accepted::By(index) => {
                let entry = &mut self.exceptions[index];
                entry.flows += 1;
                if entry.state == ExceptionState::Unused {
                    entry.state = ExceptionState::Used;
                }
                Some(index)
            }
            Accepted::Expired(index) => {
                self.exceptions[index].flows += 1;
                self.exceptions[index].state = ExceptionState::Expired;
                None
            }
        }
    }

    fn finish(self, judge: &Judge<'_>, counted: Counted) -> Audit {
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
        Audit {
            site: SiteSummary {
                name: judge.site.name.clone(),
                catalogue: judge.site.catalogue.clone(),
                edition: judge.policy.edition.clone(),
            },
            complete: counted.captures.iter().all(CaptureRecord::is_complete),
            captures: counted.captures,
            totals: self.totals,
            loss,
            limits,
            unexpected: folded
                .entries
                .iter()
                .map(|entry| judge.finding(entry))
                .collect(),
            failing,
            background: self
                .background
                .into_iter()
                .map(|(kind, (flows, packets, bytes))| BackgroundEntry {
                    kind,
                    flows,
                    packets,
                    bytes,
                })
                .collect(),
            exceptions: self.exceptions,
            diagnoses: Vec::new(),
            requirements,
            rules: rule_use(judge, self.rules),
            tftp: proofs.tftp.to_vec(),
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
        }
    }
}

/// Whether anyone is to answer: nobody does to a one-way service, nor one by one where a service
/// reaches many. DHCP servers answer broadcasts.
fn answers(judge: &Judge<'_>, judged: &FlowVerdict, rule: &Rule) -> Answers {
    let Some(service) = Service::find(&rule.service) else {
        return Answers::Expected;
    };
    let to_many = is_for_many(judge.ends.place(judged.flow.responder.address));
    let broadcast = match service.reach {
        Reach::Host => false,
        Reach::Broadcast => to_many && rule.service != "dhcp",
        Reach::Group => true,
    };
    match service.one_way || broadcast {
        true => Answers::None,
        false => Answers::Expected,
    }
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
        let samples = entry.tally.samples.iter();
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
            flows: entry.tally.count.flows,
            packets: entry.tally.count.packets,
            bytes: entry.tally.count.bytes,
            first: entry.tally.count.first,
            last: entry.tally.count.last,
            frames: entry.tally.frames(),
            community_ids: samples
                .filter_map(|flow| community_id(flow.protocol, flow.initiator, flow.responder))
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
