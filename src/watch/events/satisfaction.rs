//! Whether everything required was seen, so that a watch may end.

use std::collections::BTreeSet;

use crate::evidence::{Transfer, TransferOutcome};
use crate::report::escape;
use crate::verdict::{Audit, Requirement, RequirementState};

/// Points of an open list that are spelt out; a message has no room for more.
const MAX_POINTS: usize = 100;

/// Whether everything required was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Satisfaction {
    /// Whether nothing is left to wait for.
    pub satisfied: bool,
    /// What is waited for, most urgent first; at most a hundred points.
    pub open: Vec<OpenPoint>,
    /// How many points there are.
    pub open_count: u64,
}

/// Something that is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenPoint {
    /// Requirement id; of a transfer, its file.
    pub what: String,
    /// Host it is judged for; of a transfer, the client's address.
    pub host: Option<String>,
    /// How it stands: the code of a requirement's state, or `open` of a transfer.
    pub state: &'static str,
    /// A sentence that a person understands.
    pub explanation: String,
}

/// States that are waited for, most urgent first.
const WAITED_FOR: [RequirementState; 3] = [
    RequirementState::Failed,
    RequirementState::Missing,
    RequirementState::NotReached,
];

/// Whether an audit of what was seen so far lacks nothing that is required: something is satisfied
/// (or degraded), nothing failed, missing or not reached, and no machine that boots is in the
/// middle of a file. What can't be observed, or does not apply, is not waited for.
///
/// Between two files of a boot that holds too, so whoever ends a watch by it lets it hold for a
/// while. Where the end of a transfer can't be told (a snaplen that cuts requests), it never holds.
pub fn is_satisfied(audit: &Audit) -> Satisfaction {
    let states = &audit.totals.requirements;
    let count = |state| states.get(&state).copied().unwrap_or_default();
    let seen = count(RequirementState::Satisfied) + count(RequirementState::Degraded);
    let transfers = open_transfers(audit);
    let open_count = WAITED_FOR.into_iter().map(count).sum::<u64>() + transfers.len() as u64;
    let lacking = WAITED_FOR.into_iter().flat_map(|state| {
        let requirements = audit.requirements.iter();
        requirements.filter(move |requirement| requirement.state == state)
    });
    let points = transfers
        .into_iter()
        .map(OpenPoint::transfer)
        .chain(lacking.map(OpenPoint::requirement));
    Satisfaction {
        satisfied: open_count == 0 && seen > 0,
        open: points.take(MAX_POINTS).collect(),
        open_count,
    }
}

/// The reads of boots that are under way, where a scenario is required.
fn open_transfers(audit: &Audit) -> Vec<&Transfer> {
    if audit.requirements.iter().all(|one| one.scenario.is_none()) {
        return Vec::new();
    }
    let reads = audit.pxe.iter().flat_map(|boot| &boot.boot.reads);
    let reads: BTreeSet<usize> = reads.copied().collect();
    let transfers = reads.into_iter().filter_map(|read| audit.tftp.get(read));
    transfers
        .filter(|transfer| transfer.outcome == TransferOutcome::Open)
        .collect()
}

impl OpenPoint {
    fn requirement(requirement: &Requirement) -> Self {
        Self {
            what: escape::line(&requirement.id).into_owned(),
            host: requirement
                .host
                .as_deref()
                .map(|host| escape::line(host).into_owned()),
            state: requirement.state.code(),
            explanation: escape::line(&requirement.explanation).into_owned(),
        }
    }

    fn transfer(transfer: &Transfer) -> Self {
        Self {
            what: escape::bytes(transfer.file.bytes()),
            host: Some(transfer.client.address.to_string()),
            state: transfer.outcome.code(),
            explanation: "a transfer is under way, or its end can't be told.".to_owned(),
        }
    }
}
