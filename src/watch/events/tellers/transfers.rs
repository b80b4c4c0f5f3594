//! TFTP transfers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use super::super::event::EventKind;
use super::super::ledger::Ledger;
use super::super::round::Round;
use super::super::seconds;
use crate::evidence::TransferOutcome;
use crate::net::{Endpoint, Timestamp};
use crate::report::model::Tftp;

/// A request is unanswered until its answer comes, and asked again after one to four seconds.
const FAILURE_SETTLES: Duration = seconds(3);

/// Tells of TFTP transfers.
#[derive(Debug, Default)]
pub(in super::super) struct Transfers {
    told: Ledger<Key, Option<TransferOutcome>>,
}

/// Client's port, server, whether the request was captured, and how many such transfers went
/// before: times and places of packets may yet change where interfaces see the same packets.
type Key = (Endpoint, IpAddr, bool, u32);

impl Transfers {
    pub fn tell(&mut self, round: &mut Round<'_>) {
        let audit = round.audit;
        self.told.begin();
        let mut before: HashMap<(Endpoint, IpAddr, bool), u32> = HashMap::new();
        let mut key = |client, server: Endpoint, requested| {
            let before = before
                .entry((client, server.address, requested))
                .or_default();
            *before += 1;
            (client, server.address, requested, *before)
        };
        for transfer in &audit.tftp {
            let key = key(transfer.client, transfer.server, true);
            let shown = (transfer.first.time, transfer.last);
            self.note(key, transfer.outcome, shown, || Tftp::new(transfer), round);
        }
        for transfer in &audit.tftp_joined {
            let key = key(transfer.client, transfer.server, false);
            let shown = (transfer.first.time, transfer.last);
            self.note(
                key,
                transfer.outcome,
                shown,
                || Tftp::joined(transfer),
                round,
            );
        }
        // One that is gone was read as part of another by a packet that came later.
        self.told.forget();
    }

    fn note(
        &mut self,
        key: Key,
        outcome: TransferOutcome,
        (first, last): (Timestamp, Timestamp),
        told: impl Fn() -> Tftp,
        round: &mut Round<'_>,
    ) {
        if !self.told.knows(&key) {
            if !round.takes() {
                return;
            }
            round.tell(first, EventKind::TransferBegun(Box::new(told())));
        }
        let (ended, hold) = match outcome {
            TransferOutcome::Open => (None, Duration::ZERO),
            TransferOutcome::Complete | TransferOutcome::Error | TransferOutcome::Aborted => {
                (Some(outcome), Duration::ZERO)
            }
            TransferOutcome::Stalled
            | TransferOutcome::Unanswered
            | TransferOutcome::Unreachable => (Some(outcome), FAILURE_SETTLES),
        };
        if !self.told.stands(key, ended, hold, round) {
            return;
        }
        let told = Box::new(told());
        match ended {
            None => round.tell(last.max(first), EventKind::TransferResumed(told)),
            Some(_) if hold.is_zero() => {
                round.tell(last.max(first), EventKind::TransferEnded(told));
            }
            Some(_) => round.tell_now(EventKind::TransferEnded(told)),
        }
    }
}
