//! Flows that were silent for long: folded as those beyond the bound are, so that a table that is
//! filled for weeks has room for new ones. A flow that was retired goes on where it is folded,
//! as who opened it is known there; one that is opened again stands by itself again.

use std::collections::HashMap;

use foldhash::fast::SeedableRandomState;

use super::compact::CompactKey;
use super::folded::Folded;
use super::partition::Entry;
use super::table::{Family, FlowTable};
use super::{FlowKey, IcmpErrors};
use crate::net::{Position, Timestamp};

/// Which flows are retired.
#[derive(Clone, Copy)]
pub struct Idle<'a> {
    /// Those without a packet since.
    pub before: Timestamp,
    /// Those, too, whose last packet comes from later than this: its clock was wrong.
    pub after: Timestamp,
    /// But not those that something else is known by.
    pub keeps: &'a dyn Fn(&FlowKey) -> bool,
}

impl Idle<'_> {
    fn holds<E: Entry>(&self, entry: &E) -> bool {
        let last = entry.record().last();
        (last < self.before || last > self.after) && !(self.keeps)(&entry.key().flow_key())
    }
}

impl<E: Entry> Family<E> {
    /// The flows to be retired: by first packet, partition and number.
    fn idle(&self, idle: &Idle<'_>, all: &mut Vec<(Position, bool, usize, u32)>, is_v6: bool) {
        for (index, partition) in self.partitions.iter().enumerate() {
            let firsts = partition.firsts(|entry| idle.holds(entry));
            all.extend(firsts.map(|(first, number)| (first, is_v6, index, number)));
        }
    }

    fn fold(&self, partition: usize, number: u32, folded: &mut Folded) {
        if let Some((key, facts)) = self.partitions[partition].facts_at(number) {
            folded.add(&key, &facts);
        }
    }

    fn retain(&mut self, idle: &Idle<'_>, seed: &SeedableRandomState) {
        for partition in self.partitions.iter_mut() {
            partition.retain(|entry| !idle.holds(entry), seed);
        }
    }
}

impl FlowTable {
    /// Folds silent flows, in the order of their first packets.
    pub fn retire(&mut self, idle: &Idle<'_>) {
        self.settle();
        let mut all = Vec::new();
        self.v4.idle(idle, &mut all, false);
        self.v6.idle(idle, &mut all, true);
        if all.is_empty() {
            return;
        }
        self.is_apart = false;
        all.sort_unstable();
        let folded = &mut self.beyond.folded;
        let (before, _) = folded.counts();
        for (_, is_v6, partition, number) in all {
            match is_v6 {
                false => self.v4.fold(partition, number, folded),
                true => self.v6.fold(partition, number, folded),
            }
        }
        let (after, _) = folded.counts();
        self.beyond.retired += after.saturating_sub(before);
        self.v4.retain(idle, &self.seed);
        self.v6.retain(idle, &self.seed);
        self.free_room();
    }

    /// Lays ICMP errors that quote folded flows at one of those that were folded together, which
    /// is all that is read of them, and drops old ones that quote no flow.
    pub fn retire_errors(&self, errors: &mut IcmpErrors, before: Timestamp) {
        let mut kept = IcmpErrors::default();
        kept.add_dropped(errors.dropped());
        let mut of_pairs = HashMap::new();
        for ((key, side), seen) in errors.seen() {
            let stands = self.v4.holds(&key, &self.seed) || self.v6.holds(&key, &self.seed);
            let pair = match stands {
                true => None,
                false => self.beyond.folded.pair_of(&key),
            };
            if let Some((pair, initiator)) = pair {
                let first = of_pairs.entry((pair, initiator == side));
                kept.insert(*first.or_insert((key, side)), seen);
            } else if stands || seen.first.time >= before {
                kept.insert((key, side), seen);
            }
        }
        *errors = kept;
    }
}
