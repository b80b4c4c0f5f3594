//! The audit of a whole observation: what every command that judges does.

use std::num::NonZero;

use super::{Audit, Counted, Partitions, Proofs, Strictness, judge};
use crate::evidence::Evidence;
use crate::observation::Observation;
use crate::policy::service_ports;
use crate::site::LoadedSite;

/// Audits what was seen and what the trackers made of it, on at most `threads` threads.
pub fn audit(
    loaded: &LoadedSite,
    observation: &Observation,
    evidence: &Evidence,
    strictness: Strictness,
    threads: NonZero<usize>,
) -> Audit {
    let services = service_ports();
    let proofs = Proofs {
        window: observation.window(),
        ..Proofs::from(evidence)
    };
    let partitions = Partitions {
        count: observation.flow_partitions(),
        flows: |partition, of| observation.flows_of(partition, of, &services),
    };
    judge(
        &loaded.policy,
        &loaded.site,
        proofs,
        Counted::new(observation, evidence),
        strictness,
        &partitions,
        threads,
    )
}
