//! How the TFTP reads of a boot ended.

use std::collections::BTreeMap;

use crate::evidence::{Transfer, TransferOutcome};
use crate::net::Position;
use crate::payload::Text;

/// TFTP error "file not found" (RFC 1350).
const NOT_FOUND: u16 = 1;

/// How the reads of a boot ended, by the last attempt at every file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadsEnd<'a> {
    /// Every file came that the machine did not do without; the last that came whole.
    Complete(&'a Transfer),
    /// It asked only how large files are; the last such question.
    SizesOnly(&'a Transfer),
    /// The first file that did not come.
    Failed(&'a Transfer),
    /// None failed, but the end of one is not known.
    Open(&'a Transfer),
    /// None failed, but the machine said nothing to the last block of one, nor asked for it again.
    Unconfirmed(&'a Transfer),
}

impl<'a> ReadsEnd<'a> {
    /// Of these reads, in time order; `None` where there is none.
    pub fn of(reads: &[&'a Transfer]) -> Option<Self> {
        let is_complete = |transfer: &&&Transfer| transfer.outcome == TransferOutcome::Complete;
        let last_complete = reads.iter().rfind(is_complete);
        let mut last_attempts: BTreeMap<&Text, &'a Transfer> = BTreeMap::new();
        for transfer in reads {
            last_attempts.insert(&transfer.file, transfer);
        }
        let mut last_attempts: Vec<&'a Transfer> = last_attempts.into_values().collect();
        last_attempts.sort_by_key(|transfer| transfer.first);
        let failed = |transfer: &&&'a Transfer| match transfer.outcome {
            TransferOutcome::Complete | TransferOutcome::Aborted | TransferOutcome::Open => false,
            TransferOutcome::Error => {
                // Firmware asks for many names of which only some exist.
                let not_found = matches!(transfer.error, Some((NOT_FOUND, _)));
                let went_on = last_complete.is_some_and(|other| other.first > transfer.first);
                !(not_found && went_on)
            }
            TransferOutcome::Stalled => !is_unconfirmed(transfer),
            TransferOutcome::Unanswered | TransferOutcome::Unreachable => true,
        };
        if let Some(transfer) = last_attempts.iter().find(failed) {
            return Some(Self::Failed(transfer));
        }
        let is_open = |transfer: &&&Transfer| transfer.outcome == TransferOutcome::Open;
        if let Some(transfer) = last_attempts.iter().rfind(is_open) {
            return Some(Self::Open(transfer));
        }
        let unconfirmed = last_attempts
            .iter()
            .rfind(|transfer| is_unconfirmed(transfer));
        if let Some(transfer) = unconfirmed {
            return Some(Self::Unconfirmed(transfer));
        }
        let complete = reads.iter().filter(is_complete);
        if let Some(transfer) = complete.max_by_key(|transfer| transfer.last) {
            return Some(Self::Complete(transfer));
        }
        let last = reads.iter().max_by_key(|transfer| transfer.last);
        last.map(|transfer| Self::SizesOnly(transfer))
    }

    /// Where they ended, if they ended well.
    pub fn well(&self) -> Option<Position> {
        match self {
            Self::Complete(transfer) | Self::SizesOnly(transfer) => Some(end(transfer)),
            Self::Failed(_) | Self::Open(_) | Self::Unconfirmed(_) => None,
        }
    }
}

/// Whether a transfer lacks nothing but the last acknowledgment, and the machine does not wait for
/// more. PXELINUX may leave for what it loaded before that acknowledgment is sent.
pub(super) fn is_unconfirmed(transfer: &Transfer) -> bool {
    let course = &transfer.course;
    transfer.outcome == TransferOutcome::Stalled
        && course.is_all_sent
        && course.acknowledged.is_some()
        && course.acknowledged != course.sent
        && !course.is_awaited
        && course.refused.is_none()
}

/// The last packet of a transfer.
fn end(transfer: &Transfer) -> Position {
    let place = transfer.frames.last().copied().unwrap_or(transfer.first);
    Position::new(transfer.last, place.capture(), place.frame())
}
