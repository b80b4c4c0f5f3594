//! The table of flows of a part of the input.

use std::net::IpAddr;
use std::num::NonZeroUsize;

use foldhash::fast::SeedableRandomState;

use super::arrival::{Arrival, Opens, Seen};
use super::compact::{CompactKey, V4, V6, seed};
use super::facts::FlowFacts;
use super::folded::{Bounds, Folded, FoldedFacts};
use super::key::{FlowKey, Side};
use super::merge::{self, Renumber};
use super::opening::MAX_OPENINGS_PER_FLOW;
use super::partition::{Entry, Partition};
use super::record::Record;
use super::resolved::Resolver;
use super::{Flow, HostFilter, IcmpErrors};
use crate::decode::Packet;
use crate::net::Position;

/// Partitions of the table, a power of two: enough for threads to share the merge evenly.
const PARTITIONS: usize = 64;
/// Flows that take so little memory that a table for a short time need not be bounded below them.
const SMALL: usize = 1 << 16;
/// Packets that wait for their flows to be looked up together, so that the ways to memory overlap.
const WAITING: usize = 64;

/// Flows by five-tuple.
///
/// Packets wait to be laid at their flows some at a time: [`Self::settle`] must come before the
/// flows are read.
#[derive(Clone)]
pub struct FlowTable {
    pub(super) v4: Family<EntryV4>,
    pub(super) v6: Family<EntryV6>,
    pub(super) seed: SeedableRandomState,
    bound: usize,
    /// The smallest bound by which something was folded, here or in a part.
    folded_at: usize,
    pub(super) beyond: Beyond,
    /// Whether no flow that stands is folded, too.
    pub(super) is_apart: bool,
}

/// Where flows go that the table has no room for.
#[derive(Clone)]
pub(super) struct Beyond {
    /// How many more flows may stand in the table one by one.
    room: usize,
    pub(super) folded: Folded,
    /// How many of the folded flows are there because they were silent, and not for the bound.
    pub(super) retired: u64,
}

/// The flows of one address family.
#[derive(Clone)]
pub(super) struct Family<E: Entry> {
    pub(super) partitions: Box<[Partition<E>; PARTITIONS]>,
    waiting: Vec<Waiting<E::Key>>,
}

#[derive(Clone)]
struct Waiting<K> {
    key: K,
    hash: u64,
    arrival: Arrival,
}

/// A flow between two IPv4 addresses: one line of the cache.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct EntryV4 {
    key: V4,
    record: Record,
}

const _: () = assert!(size_of::<EntryV4>() == 64);

/// A flow between two IPv6 addresses.
#[derive(Clone, Copy)]
pub(super) struct EntryV6 {
    key: V6,
    record: Record,
}

macro_rules! entry {
    ($entry:ident, $key:ident) => {
        impl Entry for $entry {
            type Key = $key;

            #[inline(always)]
            fn new(key: $key, record: Record) -> Self {
                Self { key, record }
            }

            #[inline(always)]
            fn key(&self) -> &$key {
                &self.key
            }

            #[inline(always)]
            fn record(&self) -> &Record {
                &self.record
            }

            #[inline(always)]
            fn record_mut(&mut self) -> &mut Record {
                &mut self.record
            }
        }
    };
}

entry!(EntryV4, V4);
entry!(EntryV6, V6);

impl Default for FlowTable {
    fn default() -> Self {
        Self::bounded(usize::MAX)
    }
}

impl<E: Entry> Default for Family<E> {
    fn default() -> Self {
        Self {
            partitions: Box::new(std::array::from_fn(|_| Partition::default())),
            waiting: Vec::new(),
        }
    }
}

impl<E: Entry> Family<E> {
    #[inline(always)]
    fn add(
        &mut self,
        key: E::Key,
        arrival: Arrival,
        seed: &SeedableRandomState,
        beyond: &mut Beyond,
    ) {
        self.waiting.push(Waiting {
            key,
            hash: key.hash(seed),
            arrival,
        });
        if self.waiting.len() == WAITING {
            self.settle(seed, beyond);
        }
    }

    /// Lays the packets that wait at their flows. The slots of all are read first: what one packet
    /// waits for in memory, the next ones wait for at the same time.
    fn settle(&mut self, seed: &SeedableRandomState, beyond: &mut Beyond) {
        let mut slots = [0; WAITING];
        for (slot, packet) in slots.iter_mut().zip(&self.waiting) {
            *slot = self.partitions[partition(packet.hash)].likely_slot(packet.hash);
        }
        for (slot, packet) in slots.into_iter().zip(&self.waiting) {
            let partition = &mut self.partitions[partition(packet.hash)];
            let number = partition.number_at(slot, &packet.key);
            match number.or_else(|| partition.find(&packet.key, packet.hash)) {
                Some(number) => partition.add_to(number, &packet.arrival),
                None if beyond.goes_on(&packet.key, &packet.arrival) => {}
                None if beyond.take_room(partition.is_full()) => {
                    partition.add_new(&packet.key, packet.hash, &packet.arrival, seed);
                }
                None => beyond.fold(&packet.key.flow_key(), &packet.arrival),
            }
        }
        self.waiting.clear();
    }

    /// Adds what was seen of a flow elsewhere, if it is of this family, and there or room for it.
    fn insert(
        &mut self,
        key: &FlowKey,
        facts: &FlowFacts<'_>,
        seed: &SeedableRandomState,
        beyond: &mut Beyond,
    ) -> bool {
        let Some(key) = E::Key::compact(key) else {
            return false;
        };
        let hash = key.hash(seed);
        let partition = &mut self.partitions[partition(hash)];
        match partition.find(&key, hash) {
            Some(number) => partition.merge_into(number, facts),
            None if beyond.take_room(partition.is_full()) => {
                partition.insert_new(&key, hash, facts, seed);
            }
            None => return false,
        }
        true
    }

    /// Adds flows that there is room for.
    fn append(&mut self, next: Self, seed: &SeedableRandomState) {
        for (mine, theirs) in self.partitions.iter_mut().zip(*next.partitions) {
            mine.merge(theirs, seed);
        }
    }

    pub(super) fn holds(&self, key: &FlowKey, seed: &SeedableRandomState) -> bool {
        E::Key::compact(key).is_some_and(|key| {
            let hash = key.hash(seed);
            self.partitions[partition(hash)].find(&key, hash).is_some()
        })
    }

    /// Folds flows until `kept` of every `all` are left, from all partitions alike.
    fn shed(&mut self, kept: usize, all: usize, seed: &SeedableRandomState, folded: &mut Folded) {
        for partition in self.partitions.iter_mut() {
            let length = partition.len();
            let left = (length as u128 * kept as u128 / all as u128) as usize;
            partition.shed(length - left, seed, |key, facts| folded.add(key, facts));
        }
    }

    /// Adds a packet to a flow that is there; `false` where it is not.
    fn add_existing(
        &mut self,
        key: &FlowKey,
        arrival: &Arrival,
        seed: &SeedableRandomState,
    ) -> bool {
        let Some(key) = E::Key::compact(key) else {
            return false;
        };
        let hash = key.hash(seed);
        let partition = &mut self.partitions[partition(hash)];
        let number = partition.find(&key, hash);
        if let Some(number) = number {
            partition.add_to(number, arrival);
        }
        number.is_some()
    }

    fn mark_quoted(&mut self, key: &FlowKey, seed: &SeedableRandomState) {
        if let Some(key) = E::Key::compact(key) {
            let hash = key.hash(seed);
            self.partitions[partition(hash)].set_quoted(&key, hash);
        }
    }

    fn keys(&self) -> impl Iterator<Item = FlowKey> {
        self.partitions.iter().flat_map(Partition::keys)
    }

    fn len(&self) -> usize {
        self.partitions.iter().map(Partition::len).sum()
    }
}

impl Beyond {
    fn new(room: usize) -> Self {
        Self {
            room,
            folded: Folded::default(),
            retired: 0,
        }
    }

    /// Whether a packet of no flow that stands went to one that was retired.
    #[inline]
    fn goes_on(&mut self, key: &impl CompactKey, arrival: &Arrival) -> bool {
        self.retired > 0 && self.folded.go_on(&key.flow_key(), &arrival.facts())
    }

    /// Takes the room for another flow; `false` where there is none.
    #[inline]
    fn take_room(&mut self, full: bool) -> bool {
        let is_room = self.room > 0 && !full;
        self.room -= usize::from(is_room);
        is_room
    }

    #[cold]
    fn fold(&mut self, key: &FlowKey, arrival: &Arrival) {
        self.folded.add(key, &arrival.facts());
    }
}

/// The bits of a hash that no index uses, nor its tags.
#[inline(always)]
fn partition(hash: u64) -> usize {
    (hash >> (64 - PARTITIONS.trailing_zeros())) as usize
}

impl FlowTable {
    /// Openings of one flow are counted up to this.
    pub const OPENINGS_LIMIT: u64 = MAX_OPENINGS_PER_FLOW as u64;
    /// How many partitions the flows stand in.
    pub const PARTITIONS: usize = PARTITIONS;

    /// A table in which at most `bound` flows stand one by one; those beyond are folded.
    pub fn bounded(bound: usize) -> Self {
        Self {
            v4: Family::default(),
            v6: Family::default(),
            seed: seed(),
            bound,
            folded_at: bound,
            beyond: Beyond::new(bound),
            is_apart: true,
        }
    }

    /// A table without flows for what follows in the same capture. It has room for as many, or
    /// for a small number more than that: which of them stand in the end [`Self::append`] says.
    pub fn following(&self) -> Self {
        Self::bounded(self.bound.max(SMALL))
    }

    /// The smallest bound by which flows were folded, here or in a part; `None` where none are.
    pub fn folded_at(&self) -> Option<usize> {
        (self.beyond.folded.size() > 0).then_some(self.folded_at)
    }

    /// Adds a packet of `bytes` on the wire to its flow; `false` where it belongs to none by
    /// itself (a fragment that begins nothing, an ICMP error).
    #[inline(always)]
    pub fn add(&mut self, position: Position, bytes: u32, packet: &Packet<'_>) -> bool {
        let Some(seen) = Seen::new(&packet.transport) else {
            return false;
        };
        let arrival = |side| seen.arrival(position, side, bytes, packet);
        let [from, to] = seen.ports;
        let (seed, beyond) = (&self.seed, &mut self.beyond);
        match (packet.source, packet.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let (key, side) = V4::new((source, from), (destination, to), seen.protocol);
                self.v4.add(key, arrival(side), seed, beyond);
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let (key, side) = V6::new((source, from), (destination, to), seen.protocol);
                self.v6.add(key, arrival(side), seed, beyond);
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        }
        true
    }

    #[cfg(test)]
    pub(super) fn add_arrival(&mut self, key: V4, arrival: Arrival) {
        self.v4.add(key, arrival, &self.seed, &mut self.beyond);
    }

    /// Lays the packets that wait at their flows.
    pub fn settle(&mut self) {
        self.v4.settle(&self.seed, &mut self.beyond);
        self.v6.settle(&self.seed, &mut self.beyond);
    }

    /// Adds a fragment sent by `side` of a flow; `false` where there is no such flow.
    pub fn add_fragment(&mut self, at: Position, key: &FlowKey, side: Side, bytes: u32) -> bool {
        let arrival = Arrival {
            at,
            side,
            bytes,
            vlan: 0,
            ttl: 0,
            is_reset: false,
            is_fragment: true,
            seen: 0,
            opens: Opens::No,
            sequence: 0,
        };
        self.v4.add_existing(key, &arrival, &self.seed)
            || self.v6.add_existing(key, &arrival, &self.seed)
            || self.beyond.folded.add_existing(key, &arrival.facts())
    }

    /// Adds what was seen of a flow elsewhere.
    pub fn insert(&mut self, key: &FlowKey, facts: &FlowFacts<'_>) {
        let (seed, beyond) = (&self.seed, &mut self.beyond);
        if !self.v4.insert(key, facts, seed, beyond) && !self.v6.insert(key, facts, seed, beyond) {
            beyond.folded.add(key, facts);
        }
    }

    /// Takes back what a table folded, just as it was there.
    pub fn restore_folded(&mut self, folded: &FoldedFacts<'_>) {
        self.beyond.folded.restore(folded);
    }

    /// Adds what another table folded, and leaves the flows that stand in it one by one:
    /// [`Self::settle_folded`] must follow once all is added.
    pub fn merge_folded(&mut self, other: Self) {
        self.folded_at = self.folded_at.min(other.folded_at().unwrap_or(usize::MAX));
        let (mine, mut theirs) = (&mut self.beyond.folded, other.beyond.folded);
        // Merging commutes, so the larger one stays.
        if mine.size() < theirs.size() {
            std::mem::swap(mine, &mut theirs);
        }
        theirs.views().for_each(|view| mine.insert(&view));
    }

    /// Lays retired flows at those of the same five-tuples that were opened again since.
    pub fn settle_retired(&mut self) {
        if !self.is_apart {
            self.settle_folded();
        }
    }

    /// Lays folded flows at those of the same five-tuples that stand one by one.
    pub fn settle_folded(&mut self) {
        self.is_apart = true;
        let (v4, v6, seed) = (&self.v4, &self.v6, &self.seed);
        let folded = &mut self.beyond.folded;
        let taken = match self.beyond.retired {
            0 => folded.take_standing(|key| v4.holds(key, seed) || v6.holds(key, seed)),
            // What was retired is more than what stands, mostly.
            _ => {
                let before = folded.counts().0;
                let taken = folded.take_returned(v4.keys().chain(v6.keys()));
                let returned = before - folded.counts().0;
                self.beyond.retired = self.beyond.retired.saturating_sub(returned);
                taken
            }
        };
        self.free_room();
        for flow in taken {
            self.insert(&flow.key, &flow.facts());
        }
    }

    /// There is room for as many flows as the bound says besides those that stand.
    pub(super) fn free_room(&mut self) {
        self.beyond.room = self.bound.saturating_sub(self.v4.len() + self.v6.len());
    }

    /// The flows of several parts, each with its positions renumbered, on so many threads. What
    /// was merged is freed at once: tables of distinct flows never stand there twice. The smallest
    /// of their bounds holds for the whole.
    pub fn merge(parts: Vec<(Self, Renumber<'_>)>, threads: NonZeroUsize) -> Self {
        let bound = parts.iter().map(|(part, _)| part.bound).min();
        let mut merged = Self::bounded(bound.unwrap_or(usize::MAX));
        let folded_at = parts.iter().filter_map(|(part, _)| part.folded_at());
        merged.folded_at = folded_at.fold(merged.bound, usize::min);
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        let mut folded = Vec::new();
        for (mut part, new) in parts {
            part.settle();
            merged.beyond.retired += part.beyond.retired;
            if let Some(new) = new {
                part.beyond.folded.renumber(new);
            }
            folded.push(part.beyond.folded);
            v4.push((part.v4.partitions, new));
            v6.push((part.v6.partitions, new));
        }
        merge::partitions(&mut merged.v4.partitions[..], v4, threads, &merged.seed);
        merge::partitions(&mut merged.v6.partitions[..], v6, threads, &merged.seed);
        merged.fold_rest(folded);
        merged
    }

    /// Adds the flows of what follows in the same capture, in place. Where there is room for some
    /// of them alone, it is for those that came first, as if their packets came one by one.
    pub fn append(&mut self, mut next: Self) {
        self.settle();
        next.settle();
        self.is_apart = self.beyond.retired + next.beyond.retired == 0;
        if next.bound < self.bound {
            self.beyond.room = self.beyond.room.min(next.bound);
            self.bound = next.bound;
        }
        self.folded_at = self.folded_at.min(self.bound);
        self.beyond.retired += next.beyond.retired;
        let standing = next.v4.len() + next.v6.len();
        if self.beyond.room >= standing && self.beyond.retired == 0 {
            let before = self.v4.len() + self.v6.len();
            self.v4.append(next.v4, &self.seed);
            self.v6.append(next.v6, &self.seed);
            self.beyond.room -= self.v4.len() + self.v6.len() - before;
        } else {
            let flows = (0..PARTITIONS).flat_map(|partition| next.facts_of(partition));
            let mut flows: Vec<_> = flows.collect();
            flows.sort_unstable_by_key(|(_, facts)| facts.first.at.frame());
            for (key, facts) in &flows {
                let stands = || self.v4.holds(key, &self.seed) || self.v6.holds(key, &self.seed);
                let is_new = self.beyond.retired > 0 && !stands();
                if !(is_new && self.beyond.folded.go_on(key, facts)) {
                    self.insert(key, facts);
                }
            }
        }
        let (v4, v6, seed) = (&self.v4, &self.v6, &self.seed);
        let holds = |key: &FlowKey| v4.holds(key, seed) || v6.holds(key, seed);
        let taken = next.beyond.folded.take_standing(holds);
        for flow in taken {
            self.insert(&flow.key, &flow.facts());
        }
        let folded = &mut self.beyond.folded;
        next.beyond
            .folded
            .views()
            .for_each(|view| folded.insert(&view));
    }

    /// Folds what is beyond the bound, together with what the parts folded.
    fn fold_rest(&mut self, mut parts: Vec<Folded>) {
        // Merging commutes, so the largest one stays.
        parts.sort_unstable_by_key(Folded::size);
        self.beyond.folded = parts.pop().unwrap_or_default();
        let (bound, standing) = (self.bound, self.v4.len() + self.v6.len());
        let folded = &mut self.beyond.folded;
        if standing > bound {
            self.v4.shed(bound, standing, &self.seed, folded);
            self.v6.shed(bound, standing, &self.seed, folded);
        }
        for part in parts {
            part.views().for_each(|view| folded.insert(&view));
        }
        self.settle_folded();
    }

    /// Flows that were folded because they were silent, so that the bound leaves room for others.
    pub fn retired(&self) -> u64 {
        self.beyond.retired
    }

    /// How many flows there are, folded ones too: those of the later levels are estimated.
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len() + self.beyond.folded.counts().0 as usize
    }

    /// How many flows were folded because they were beyond the bound, and how many of them beyond
    /// what is folded by initiator, responder and responder port.
    pub fn folded_counts(&self) -> (u64, u64) {
        self.beyond.folded.counts()
    }

    /// Past this many flows of initiator, responder and responder port, responders are folded.
    pub const FOLDED_LIMIT: u64 = Bounds::DEFAULT.pairs as u64;

    /// All that was folded.
    pub fn folded(&self) -> impl Iterator<Item = FoldedFacts<'_>> {
        self.beyond.folded.views()
    }

    /// Whether there is no flow.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was seen of every flow of one partition that stands by itself, in no particular order.
    pub fn facts_of(&self, partition: usize) -> impl Iterator<Item = (FlowKey, FlowFacts<'_>)> {
        let v4 = self.v4.partitions[partition].facts();
        v4.chain(self.v6.partitions[partition].facts())
    }

    /// Flows whose openings are no longer counted.
    pub fn flows_at_openings_limit(&self) -> u64 {
        let v4 = self.v4.partitions.iter();
        let v6 = self.v6.partitions.iter();
        v4.map(|partition| partition.at_openings_limit(&self.seed))
            .chain(v6.map(|partition| partition.at_openings_limit(&self.seed)))
            .sum()
    }

    /// The flows of one partition from their initiators' sides, in no particular order: at least
    /// those `of` these hosts.
    pub fn flows_of<'a, Place: Fn(Position) -> Position + Copy + 'a>(
        &'a self,
        partition: usize,
        of: HostFilter,
        resolver: Resolver<'a, Place>,
    ) -> impl Iterator<Item = Flow> + 'a {
        let folded = self.beyond.folded.views_of(partition, PARTITIONS);
        let v4 = self.v4.partitions[partition].flows(of, resolver);
        v4.chain(self.v6.partitions[partition].flows(of, resolver))
            .chain(folded.map(move |folded| resolver.folded(&folded)))
    }

    /// Marks the flows that ICMP errors quote, so that the others are not looked up there.
    pub fn mark_quoted(&mut self, errors: &IcmpErrors) {
        for key in errors.quoted() {
            self.v4.mark_quoted(key, &self.seed);
            self.v6.mark_quoted(key, &self.seed);
        }
    }
}

impl std::fmt::Debug for FlowTable {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("FlowTable")
            .field("flows", &self.len())
            .finish_non_exhaustive()
    }
}
