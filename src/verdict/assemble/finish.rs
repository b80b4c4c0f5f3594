//! The sums of all flows → the audit.

use std::collections::BTreeMap;
use std::num::NonZero;

use super::Counted;
use super::sums::{BackgroundCount, ExceptionCount, Sums};
use crate::observation::CaptureRecord;
use crate::policy::Trigger;
use crate::verdict::boot::{Booting, first_missing};
use crate::verdict::diagnosis::diagnose;
use crate::verdict::failing;
use crate::verdict::finding::MAX_ENTRIES;
use crate::verdict::holders::Holders;
use crate::verdict::required::Required;
use crate::verdict::tally::Count;
use crate::verdict::{
    Audit, AuditLimit, BackgroundEntry, ExceptionState, ExceptionUse, Judge, Loss, PxeBoot, RpcUse,
    RuleUse, SiteSummary, Totals, background, coverage, workers,
};

impl Sums<'_> {
    pub fn finish(
        self,
        judge: &Judge<'_>,
        counted: Counted,
        failing: failing::Entries,
        threads: NonZero<usize>,
    ) -> Audit {
        let holders = Holders::new(judge.site, &judge.policy.roles);
        let folded = self.findings.finish();
        let failing_out = failing.kept_out;
        let failing = failing.report(&judge.policy.rules, &judge.facts);
        let mut required = Required::default();
        self.requirements.finish(judge, &holders, &mut required);
        self.scenarios.finish(judge, &holders, &mut required);
        let (requirements, requirement_states, required_out) = required.finish();
        let loss = Loss {
            one_sided_flows: self.one_sided_flows,
            ..counted.loss
        };
        let totals = Totals {
            packets: counted.packets,
            bytes: counted.bytes,
            undecoded: counted.undecoded.clone(),
            requirements: requirement_states,
            ..self.totals
        };
        let background = background(self.background, &counted);
        let mut limits = counted.limits;
        for (limit, reached) in [
            ("findings", folded.kept_out),
            ("failing", failing_out),
            ("requirements", required_out),
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
            rules: rule_use(judge, &holders, self.rules),
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
        let (diagnoses, left_out) = diagnose(judge, &audit);
        audit.diagnoses = diagnoses;
        audit.limits.extend(left_out);
        audit
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

fn rule_use(judge: &Judge<'_>, holders: &Holders<'_>, used: Vec<Count>) -> Vec<RuleUse> {
    let rules = (0..).zip(&judge.policy.rules).zip(used);
    rules
        .map(|((number, rule), count)| RuleUse {
            id: rule.id.clone(),
            source: format!("{}#{}", rule.document, rule.anchor),
            initiator: judge.party_name(rule.initiator),
            responder: judge.party_name(rule.responder),
            service: rule.service.clone(),
            direction: rule.direction.code(),
            protocol: coverage::protocol_of(judge, number),
            ports: coverage::ports_of(judge, number)
                .iter()
                .map(|range| (range.low, range.high))
                .collect(),
            hindrance: match count.flows {
                0 => coverage::hindrance(judge, holders, number),
                _ => None,
            },
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
