//! The TFTP reads of a boot.

use std::collections::BTreeMap;

use crate::evidence::{Transfer, TransferOutcome};
use crate::net::Position;
use crate::payload::Text;

/// Where the last attempt at every file ended well, the end of the last file that came whole.
/// A file that is not there does no harm where the machine then gets another.
pub(super) fn ended_well(reads: &[&Transfer]) -> Option<Position> {
    const NOT_FOUND: u16 = 1;
    let complete = |transfer: &&&Transfer| transfer.outcome == TransferOutcome::Complete;
    let last_complete = reads.iter().rfind(complete)?;
    let mut last_attempts: BTreeMap<&Text, &Transfer> = BTreeMap::new();
    for transfer in reads {
        last_attempts.insert(&transfer.file, transfer);
    }
    let well = last_attempts
        .values()
        .all(|transfer| match transfer.outcome {
            TransferOutcome::Complete | TransferOutcome::Aborted => true,
            TransferOutcome::Error => {
                let not_found = matches!(transfer.error, Some((NOT_FOUND, _)));
                not_found && last_complete.first > transfer.first
            }
            TransferOutcome::Stalled
            | TransferOutcome::Unanswered
            | TransferOutcome::Unreachable
            | TransferOutcome::Open => false,
        });
    let ends = reads.iter().filter(complete);
    let latest = ends.max_by_key(|transfer| transfer.last)?;
    let place = latest.frames.last().copied().unwrap_or(latest.first);
    well.then(|| Position::new(latest.last, place.capture(), place.frame()))
}
