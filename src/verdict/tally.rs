//! Flows added up, in any order and grouping: counts, times, and the first ten of them.

use crate::flow::Flow;
use crate::net::Timestamp;

/// Flows of an entry that are shown one by one.
const SAMPLES: usize = 10;

/// Counts and times of flows added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count {
    pub flows: u64,
    pub packets: u64,
    pub bytes: u64,
    pub first: Timestamp,
    pub last: Timestamp,
}

impl Default for Count {
    fn default() -> Self {
        Self {
            flows: 0,
            packets: 0,
            bytes: 0,
            first: Timestamp::MAX,
            last: Timestamp::UNKNOWN,
        }
    }
}

impl Count {
    /// One flow.
    pub fn of(flow: &Flow) -> Self {
        Self {
            flows: flow.flows,
            packets: flow.packets(),
            bytes: flow.bytes(),
            first: flow.first.time,
            last: flow.last,
        }
    }

    pub fn merge(&mut self, other: Self) {
        self.flows += other.flows;
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

/// Flows added up, with the first ten of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tally<S> {
    pub count: Count,
    samples: Samples<S>,
}

/// The smallest, in order. Most entries are one flow, which needs no memory of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Samples<S> {
    None,
    One(S),
    More(Vec<S>),
}

impl<S> Default for Tally<S> {
    fn default() -> Self {
        Self {
            count: Count::default(),
            samples: Samples::None,
        }
    }
}

impl<S: Copy + Ord> Tally<S> {
    /// One flow, shown as `sample`.
    pub fn of(flow: &Flow, sample: S) -> Self {
        Self {
            count: Count::of(flow),
            samples: Samples::One(sample),
        }
    }

    /// Adds a flow, shown as `sample`.
    pub fn add(&mut self, flow: &Flow, sample: S) {
        self.count.merge(Count::of(flow));
        self.samples.show(sample);
    }

    pub fn merge(&mut self, other: &Self) {
        self.merge_shown(other, |sample| sample);
    }

    /// Adds flows whose samples are shown otherwise there.
    pub fn merge_shown<T: Copy + Ord>(&mut self, other: &Tally<T>, shown: impl Fn(T) -> S) {
        self.count.merge(other.count);
        for sample in other.samples() {
            self.samples.show(shown(*sample));
        }
    }

    /// The first flows.
    pub fn samples(&self) -> &[S] {
        match &self.samples {
            Samples::None => &[],
            Samples::One(sample) => std::slice::from_ref(sample),
            Samples::More(samples) => samples,
        }
    }
}

impl<S: Copy + Ord> Samples<S> {
    #[inline]
    fn show(&mut self, sample: S) {
        match self {
            Self::None => *self = Self::One(sample),
            Self::One(known) => {
                let pair = [sample.min(*known), sample.max(*known)];
                *self = Self::More(pair.to_vec());
            }
            Self::More(samples) => {
                if samples.len() == SAMPLES {
                    if samples[SAMPLES - 1] < sample {
                        return;
                    }
                    samples.pop();
                }
                let place = samples.partition_point(|known| *known < sample);
                samples.insert(place, sample);
            }
        }
    }
}
