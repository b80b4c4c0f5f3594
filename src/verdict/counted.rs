//! What an audit says of the input beside its flows, taken from the observation.

use super::{AuditLimit, Counted, Loss};
use crate::evidence::Evidence;
use crate::observation::{CaptureRecord, Observation};

impl Counted {
    /// Counts of the input, and every bound that was hit.
    pub fn new(observation: &Observation, evidence: &Evidence) -> Self {
        let captures = observation.captures();
        let total = observation.total();
        let continuity = observation.continuity();
        let icmp_errors = observation.icmp_errors();
        let while_reading = observation
            .limits()
            .iter()
            .map(|hit| (hit.limit, hit.value, hit.reached));
        let while_tracking = evidence
            .limits
            .iter()
            .map(|hit| (hit.limit, hit.value, hit.reached));
        Self {
            captures: captures.to_vec(),
            packets: total.packets,
            bytes: total.bytes,
            undecoded: observation.undecoded().clone(),
            link: observation
                .link()
                .iter()
                .map(|(protocol, tally)| (*protocol, (tally.packets, tally.bytes)))
                .collect(),
            icmp_errors: (icmp_errors.packets, icmp_errors.bytes),
            loss: Loss {
                kernel_drops: kernel_drops(captures),
                sequence_gaps: continuity.sequence_gaps,
                duplicates: continuity.duplicates,
                followed: continuity.followed,
                not_followed: continuity.beyond,
                snaplen_cut: observation.snaplen_cut(),
                one_sided_flows: 0,
            },
            limits: while_reading
                .chain(while_tracking)
                .map(|(limit, value, reached)| AuditLimit {
                    limit,
                    value,
                    reached,
                })
                .collect(),
        }
    }
}

/// The sum, where any capture says how many.
fn kernel_drops(captures: &[CaptureRecord]) -> Option<u64> {
    let drops = captures.iter().filter_map(|capture| capture.kernel_drops);
    drops.reduce(u64::saturating_add)
}
