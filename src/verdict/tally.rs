//! Flows added up, in any order: counts, times, and the first ten of them.

use crate::flow::Flow;
use crate::net::{Endpoint, Position, Protocol, Timestamp};

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
    pub fn add(&mut self, flow: &Flow) {
        self.merge(Self {
            flows: 1,
            packets: flow.packets(),
            bytes: flow.bytes(),
            first: flow.first.time,
            last: flow.last,
        });
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub count: Count,
    /// The first flows, by position.
    pub samples: Vec<Sample>,
}

/// One of the flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sample {
    pub at: Position,
    pub protocol: Protocol,
    pub initiator: Endpoint,
    pub responder: Endpoint,
}

impl Tally {
    pub fn add(&mut self, flow: &Flow) {
        self.count.add(flow);
        self.show(Sample {
            at: flow.first,
            protocol: flow.protocol,
            initiator: flow.initiator,
            responder: flow.responder,
        });
    }

    pub fn merge(&mut self, other: Self) {
        self.count.merge(other.count);
        for sample in other.samples {
            self.show(sample);
        }
    }

    pub fn frames(&self) -> Vec<Position> {
        self.samples.iter().map(|sample| sample.at).collect()
    }

    fn show(&mut self, sample: Sample) {
        let place = self.samples.partition_point(|known| *known < sample);
        if place < SAMPLES {
            self.samples.truncate(SAMPLES - 1);
            self.samples.insert(place, sample);
        }
    }
}
