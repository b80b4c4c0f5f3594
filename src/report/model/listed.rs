//! How much of its longest lists a report shows. Whoever sends packets makes transfers and boots as
//! they like, hundreds of thousands in seconds: one made-up request is enough.

use super::{Limit, Places, Pxe, Tftp};
use crate::evidence::{JoinedTransfer, Transfer, TransferOutcome};
use crate::net::Position;
use crate::verdict::{Audit, PxeBoot};

/// Transfers, and boots, that a report lists, as many as findings. Beyond it they are counted: those
/// that nobody answered first, the latest first.
const MAX_LISTED: usize = 10_000;

/// The limit that says how many transfers are not listed.
pub const LISTED_TRANSFERS: &str = "listed-transfers";
/// The limit that says how many boots are not listed.
pub const LISTED_BOOTS: &str = "listed-boots";

/// What is listed of the transfers and boots of an audit, in time order, and what that leaves out.
pub(super) struct Listed {
    pub tftp: Vec<Tftp>,
    pub pxe: Vec<Pxe>,
    pub limits: Vec<Limit>,
}

impl Listed {
    pub fn new(audit: &Audit, places: &Places) -> Self {
        let mut transfers: Vec<AnyTransfer<'_>> = audit
            .tftp
            .iter()
            .map(AnyTransfer::Requested)
            .chain(audit.tftp_joined.iter().map(AnyTransfer::Joined))
            .collect();
        transfers.sort_by_key(AnyTransfer::first);
        let (transfers, transfers_out) = first(transfers, MAX_LISTED, AnyTransfer::is_answered);
        let is_answered = |boot: &&PxeBoot| is_answered(boot, audit);
        let (boots, boots_out) = first(audit.pxe.iter().collect(), MAX_LISTED, is_answered);
        let limits = [(LISTED_TRANSFERS, transfers_out), (LISTED_BOOTS, boots_out)];
        Self {
            tftp: transfers.iter().map(AnyTransfer::told).collect(),
            pxe: boots.iter().map(|boot| Pxe::new(boot, places)).collect(),
            limits: limits
                .into_iter()
                .filter(|(_, reached)| *reached > 0)
                .map(|(limit, reached)| Limit {
                    limit,
                    value: MAX_LISTED as u64,
                    reached,
                })
                .collect(),
        }
    }
}

/// Whether a server said anything to the machine.
fn is_answered(boot: &PxeBoot, audit: &Audit) -> bool {
    let mut reads = boot
        .boot
        .reads
        .iter()
        .filter_map(|read| audit.tftp.get(*read));
    !boot.boot.answers.is_empty() || reads.any(|read| AnyTransfer::Requested(read).is_answered())
}

/// A transfer whose request was captured, or not.
enum AnyTransfer<'a> {
    Requested(&'a Transfer),
    Joined(&'a JoinedTransfer),
}

impl AnyTransfer<'_> {
    fn first(&self) -> Position {
        match self {
            Self::Requested(transfer) => transfer.first,
            Self::Joined(transfer) => transfer.first,
        }
    }

    fn is_answered(&self) -> bool {
        let outcome = match self {
            Self::Requested(transfer) => transfer.outcome,
            Self::Joined(transfer) => transfer.outcome,
        };
        !matches!(
            outcome,
            TransferOutcome::Unanswered | TransferOutcome::Unreachable
        )
    }

    fn told(&self) -> Tftp {
        match self {
            Self::Requested(transfer) => Tftp::new(transfer),
            Self::Joined(transfer) => Tftp::joined(transfer),
        }
    }
}

/// At most so many, in their order: those that matter, then the others, the earlier ones of both.
/// And how many are left out.
fn first<T>(all: Vec<T>, most: usize, matters: impl Fn(&T) -> bool) -> (Vec<T>, u64) {
    let left_out = all.len().saturating_sub(most);
    if left_out == 0 {
        return (all, 0);
    }
    let mattering = all.iter().filter(|one| matters(one)).count().min(most);
    let (mut room, mut other_room) = (mattering, most - mattering);
    let kept = all.into_iter().filter(|one| {
        let room = match matters(one) {
            true => &mut room,
            false => &mut other_room,
        };
        let fits = *room > 0;
        *room -= usize::from(fits);
        fits
    });
    (kept.collect(), left_out as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::report::{Report, sample};

    #[test]
    fn those_that_matter_stay_in_their_order() {
        let is_even = |number: &u32| number.is_multiple_of(2);
        let of = |most| first((0..10).collect(), most, is_even);
        assert_eq!(of(10), ((0..10).collect(), 0));
        assert_eq!(of(7), (vec![0, 1, 2, 3, 4, 6, 8], 3));
        assert_eq!(of(3), (vec![0, 2, 4], 7));
        assert_eq!(of(0), (vec![], 10));
    }

    #[test]
    fn a_flood_is_counted_and_hides_nothing_that_was_answered() {
        let mut audit = sample::audit();
        let answered = audit.tftp[0].clone();
        let made_up = Transfer {
            outcome: TransferOutcome::Unanswered,
            ..answered.clone()
        };
        let boot = audit.pxe[0].clone();
        let mut alone = boot.clone();
        alone.boot.answers.clear();
        alone.boot.client_mac = Some([2; 6]);
        alone.boot.reads = vec![0];
        audit.tftp = vec![made_up; MAX_LISTED + 20];
        audit.tftp.push(answered);
        audit.pxe = vec![alone; MAX_LISTED + 30];
        audit.pxe.push(boot);
        let joined = audit.tftp_joined.len() as u64;
        let report = Report::new(&audit);
        let outcomes: HashSet<&str> = report.tftp.iter().map(|it| it.outcome).collect();
        assert!(outcomes.contains("complete") && outcomes.contains("unanswered"));
        assert_eq!(report.tftp.len(), MAX_LISTED);
        assert_eq!(report.pxe.len(), MAX_LISTED);
        let last = report.pxe.last().expect("many");
        assert_ne!(last.client_mac.as_deref(), Some("02:02:02:02:02:02"));
        let reached = |name: &str| {
            let limit = report.limits.iter().find(|it| it.limit == name);
            limit.map(|it| (it.value, it.reached))
        };
        let most = MAX_LISTED as u64;
        assert_eq!(reached("listed-transfers"), Some((most, 21 + joined)));
        assert_eq!(reached("listed-boots"), Some((most, 31)));
    }

    #[test]
    fn what_fits_reaches_no_bound() {
        let report = Report::new(&sample::audit());
        let is_listing = |limit: &Limit| limit.limit.starts_with("listed-");
        assert!(!report.limits.iter().any(is_listing));
    }
}
