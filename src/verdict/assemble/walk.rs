//! One thread's walk over the flows.

use super::sums::Sums;
use crate::flow::Flow;
use crate::verdict::Judge;
use crate::verdict::facts::Seen;

/// Flows that a thread keeps until all were observed. Where there are more, their partition is
/// walked again.
const MAX_DEFERRED: usize = 4096;

/// The walk over flows of which not all were observed yet. The few whose verdicts rest on others
/// wait.
pub(super) struct Walk<'a> {
    judge: Judge<'a>,
    pub sums: Sums<'a>,
    pub seen: Seen,
    pub deferred: Vec<Flow>,
    /// Partitions with flows that are neither in the sums nor in `deferred`.
    pub again: Vec<usize>,
}

impl<'a> Walk<'a> {
    pub fn new(judge: &Judge<'a>) -> Self {
        Self {
            judge: judge.clone(),
            sums: Sums::new(judge),
            seen: Seen::default(),
            deferred: Vec::new(),
            again: Vec::new(),
        }
    }

    pub fn partition(&mut self, partition: usize, flows: impl Iterator<Item = Flow>) {
        let before = self.deferred.len();
        let mut waiting = 0;
        // A chain of iterators walks faster by itself than when it is asked for each.
        flows.for_each(|flow| {
            self.judge.facts.observe(&flow, &mut self.seen);
            let judged = self.judge.verdict(&flow);
            if !self.judge.rests_on_others() {
                self.sums.add(&self.judge, &judged);
                return;
            }
            waiting += 1;
            if before + waiting <= MAX_DEFERRED {
                self.deferred.push(flow);
            }
        });
        if before + waiting > MAX_DEFERRED {
            self.deferred.truncate(before);
            self.again.push(partition);
        }
    }

    pub fn merge(&mut self, other: Self) {
        self.sums.merge(other.sums);
        self.seen.merge(other.seen);
        self.deferred.extend(other.deferred);
        self.again.extend(other.again);
    }
}
