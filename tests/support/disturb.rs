//! What a capture point does to packets: loses them, sees them twice, cuts them, writes them in
//! another order, stamps them a little off.

use std::collections::HashSet;

use super::build::{Record, Rng};

/// How often something happens to a packet, in thousandths.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disturbance {
    pub drop: u64,
    pub duplicate: u64,
    /// Cut to 60 to 160 bytes: headers stay.
    pub cut: u64,
    /// Stamped up to two milliseconds off.
    pub jitter: u64,
    /// Packets that are written in any order, whatever their times; 1 keeps the order.
    pub shuffle: usize,
}

impl Disturbance {
    /// One that `rng` draws; each kind is left out now and then.
    pub fn draw(rng: &mut Rng) -> Self {
        let mut rate = |most| {
            if rng.below(3) == 0 {
                0
            } else {
                rng.below(most)
            }
        };
        Self {
            drop: rate(120),
            duplicate: rate(200),
            cut: rate(300),
            jitter: rate(200),
            shuffle: 1 + rate(12) as usize,
        }
    }

    /// The capture as it would have been written, no two packets at the same time.
    pub fn apply(&self, records: &[Record], rng: &mut Rng) -> Vec<Record> {
        let mut out = Vec::with_capacity(records.len() + records.len() / 4);
        let mut times = HashSet::new();
        for record in records {
            let copies = match rng.below(1000) {
                draw if draw < self.drop => 0,
                draw if draw < self.drop + self.duplicate => 2,
                _ => 1,
            };
            for copy in 0..copies {
                let mut record = record.clone();
                if rng.below(1000) < self.cut {
                    record.bytes.truncate(60 + rng.below(100) as usize);
                }
                if rng.below(1000) < self.jitter {
                    record.time_ns += rng.below(4_000_000) as i64 - 2_000_000;
                }
                record.time_ns += copy * 1000;
                // Equal times would leave the order to the place in the file.
                while !times.insert(record.time_ns) {
                    record.time_ns += 1;
                }
                out.push(record);
            }
        }
        for window in out.chunks_mut(self.shuffle) {
            shuffle(window, rng);
        }
        out
    }
}

/// Fisher and Yates.
pub fn shuffle<T>(items: &mut [T], rng: &mut Rng) {
    for last in (1..items.len()).rev() {
        items.swap(last, rng.below(last as u64 + 1) as usize);
    }
}
