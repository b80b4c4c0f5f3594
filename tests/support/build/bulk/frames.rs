//! The frames of a capture one after the other: many conversations at the same time, so many
//! flows begun by each packet that all have begun at the end.

use std::collections::HashSet;

use super::super::link::Link;
use super::super::recording::{Record, Recording};
use super::super::rng::Rng;
use super::conversation::Conversation;
use super::wire::Wire;
use super::{Bulk, hosts};

/// Conversations that run at the same time.
const LANES: u64 = 4_096;

/// Attempts at finding a lane or a conversation by chance.
const ATTEMPTS: usize = 8;

/// Mean time between two frames.
const MEAN_GAP_NS: u64 = 10_000;

/// The frames of a capture.
pub struct Frames {
    bulk: Bulk,
    rng: Rng,
    wire: Wire,
    lanes: Vec<Option<Conversation>>,
    /// The lane that spoke last.
    lane: usize,
    /// Numbers of the conversations that run.
    running: HashSet<u64>,
    /// Conversations begun, each with the number before its place.
    opened: u64,
    /// Those of them that may be held again: all but a last one that was made to fit.
    known: u64,
    sent: u64,
    /// Flows begun, and with those that conversations at hand will begin.
    begun: u64,
    promised: u64,
    record: Record,
}

impl Frames {
    pub(super) fn new(bulk: Bulk) -> Self {
        let mut rng = Rng::new(bulk.seed);
        let lanes = bulk.flow_count().clamp(1, LANES);
        Self {
            bulk,
            wire: Wire::new(&mut rng, bulk.snaplen),
            rng,
            lanes: vec![None; lanes as usize],
            lane: 0,
            running: HashSet::new(),
            opened: 0,
            known: 0,
            sent: 0,
            begun: 0,
            promised: 0,
            record: Record {
                time_ns: Recording::new(Link::Ethernet).now_ns,
                link_type: Link::Ethernet.number(),
                wire_length: 0,
                bytes: Vec::new(),
            },
        }
    }

    /// The next frame. It lies where the one before it lay.
    pub fn next(&mut self) -> Option<&Record> {
        if self.sent == self.bulk.packets {
            return None;
        }
        self.lane = self.choose();
        self.sent += 1;
        let conversation = self.lanes[self.lane].as_mut().expect("chosen as it speaks");
        let owed = conversation.owes_flow();
        let packet = conversation.next(&mut self.rng);
        self.begun += u64::from(owed && !conversation.owes_flow());
        if conversation.is_done() {
            self.running.remove(&conversation.number);
            self.lanes[self.lane] = None;
        }
        self.wire.frame(&packet, &mut self.record);
        // Whole microseconds, which is all that a pcap file holds.
        self.record.time_ns += 1_000 * (1 + self.rng.below(2 * MEAN_GAP_NS / 1_000 - 1)) as i64;
        Some(&self.record)
    }

    /// The lane that sends the next packet.
    fn choose(&mut self) -> usize {
        let flows = self.bulk.flow_count();
        if flows - self.begun == self.bulk.packets - self.sent {
            // From here on each packet begins a flow.
            if self.promised == self.begun {
                return self.open_new();
            }
            let debtor = self.lanes.iter().position(owes_flow);
            let lane = debtor.expect("what is promised and not begun");
            let conversation = self.lanes[lane].as_mut().expect("it owes");
            conversation.skip_to_second_flow();
            return lane;
        }
        let due = 1 + u128::from(self.sent) * u128::from(flows) / u128::from(self.bulk.packets);
        if u128::from(self.promised) < due && !self.lanes.iter().all(owes_flow) {
            return self.open_new();
        }
        // Packets come in trains.
        if self.lanes[self.lane].is_some() && self.rng.percent(50) {
            return self.lane;
        }
        let mut lane = self.lane;
        for _ in 0..ATTEMPTS {
            lane = self.any_lane();
            if self.lanes[lane].is_some() {
                return lane;
            }
        }
        self.open_known(lane)
    }

    /// Begins a conversation that was not held before.
    fn open_new(&mut self) -> usize {
        let number = self.opened;
        let mut conversation = self.conversation(number, hosts::ends(&self.bulk, number));
        let mut flows = 1 + u64::from(conversation.owes_flow());
        if flows > self.bulk.flow_count() - self.promised {
            conversation = self.conversation(number, hosts::single(&self.bulk, number));
            flows = 1;
        } else {
            self.known = number + 1;
        }
        self.opened += 1;
        self.begun += 1;
        self.promised += flows;
        let lane = self.free_lane();
        self.put(lane, conversation);
        lane
    }

    /// Holds a conversation once more that was held before.
    fn open_known(&mut self, lane: usize) -> usize {
        for _ in 0..ATTEMPTS {
            let number = self.rng.below(self.known);
            if !self.running.contains(&number) {
                let mut conversation = self.conversation(number, hosts::ends(&self.bulk, number));
                conversation.repeated = true;
                self.put(lane, conversation);
                return lane;
            }
        }
        let busy = |at: &usize| self.lanes[*at].is_some();
        let lanes = self.lanes.len();
        let mut others = (0..lanes).map(|step| (lane + step) % lanes);
        others
            .find(busy)
            .expect("the conversations found run somewhere")
    }

    fn conversation(&mut self, number: u64, ends: hosts::Ends) -> Conversation {
        let mean = self.bulk.packets / self.bulk.flow_count();
        Conversation::new(number, ends, self.bulk.profile, mean, &mut self.rng)
    }

    /// A lane where nobody speaks, or one whose conversation goes on unseen.
    fn free_lane(&mut self) -> usize {
        let mut lane = 0;
        for _ in 0..ATTEMPTS {
            lane = self.any_lane();
            if self.lanes[lane].is_none() {
                return lane;
            }
        }
        let lanes = self.lanes.len();
        let mut others = (0..lanes).map(|step| (lane + step) % lanes);
        others
            .find(|at| !owes_flow(&self.lanes[*at]))
            .expect("not all of them owe a flow")
    }

    fn put(&mut self, lane: usize, conversation: Conversation) {
        self.running.insert(conversation.number);
        if let Some(before) = self.lanes[lane].replace(conversation) {
            self.running.remove(&before.number);
        }
    }

    fn any_lane(&mut self) -> usize {
        self.rng.below(self.lanes.len() as u64) as usize
    }
}

fn owes_flow(lane: &Option<Conversation>) -> bool {
    lane.as_ref().is_some_and(Conversation::owes_flow)
}
