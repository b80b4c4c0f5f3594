//! The audit of one observation: every flow judged once, then everything that is said of all of
//! them together. Requirements come last.

mod finding;
mod finish;
mod sums;
mod walk;

use std::collections::BTreeMap;
use std::num::NonZero;

use self::sums::Sums;
use self::walk::Walk;
use super::finding::MAX_ENTRIES;
use super::{Audit, AuditLimit, Judge, Loss, Proofs, Strictness, workers};
use crate::decode::{LinkProtocol, Undecoded};
use crate::flow::{Flow, HostFilter};
use crate::observation::CaptureRecord;
use crate::policy::Policy;
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
    /// Gives the flows of one, as often as it is asked: at least those of the hosts of a filter.
    pub flows: F,
}

/// Audits what was seen, on at most `threads` threads.
pub fn judge<Flows: Iterator<Item = Flow>>(
    policy: &Policy,
    site: &Site,
    proofs: Proofs<'_>,
    counted: Counted,
    strictness: Strictness,
    partitions: &Partitions<impl Fn(usize, HostFilter) -> Flows + Sync>,
    threads: NonZero<usize>,
) -> Audit {
    let mut judge = Judge::new(policy, site, proofs, strictness);
    let walked = workers::fold(
        partitions.count,
        threads,
        || Walk::new(&judge),
        |walk, partition| walk.partition(partition, (partitions.flows)(partition, HostFilter::ALL)),
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
                for flow in (partitions.flows)(walked.again[index], HostFilter::ALL) {
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
    let failing = std::mem::take(&mut sums.failing).finish(&policy.rules, MAX_ENTRIES);
    let usual = failing.usual_ttls(partitions, threads);
    judge.add_told(usual, std::mem::take(&mut sums.shares));
    sums.finish(&judge, counted, failing, threads)
}
