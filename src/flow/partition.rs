//! A part of the flow table, found by hash: an index of 4 bytes a slot, and the flows in chunks
//! that never move. A look-up touches one line of the index and, in IPv4, one of the flows.

use foldhash::fast::SeedableRandomState;
use hashbrown::HashMap;

use super::Flow;
use super::apart::Apart;
use super::arrival::Arrival;
use super::compact::CompactKey;
use super::facts::FlowFacts;
use super::host_filter::HostFilter;
use super::key::{FlowKey, Side};
use super::opening::MAX_OPENINGS_PER_FLOW;
use super::record::{ApartOf, Record};
use super::resolved::Resolver;
use crate::net::Position;

/// A flow as it stands in the table.
pub(super) trait Entry: Copy {
    type Key: CompactKey;

    fn new(key: Self::Key, record: Record) -> Self;
    fn key(&self) -> &Self::Key;
    fn record(&self) -> &Record;
    fn record_mut(&mut self) -> &mut Record;
}

/// Flows in a chunk: 64 KiB of IPv4. Chunks are filled from the front, and what was never
/// written takes no memory.
const CHUNK: usize = 1024;
/// Slots that are looked at together: few flows stand farther from where they belong.
const LIKELY: usize = 4;
/// Slots of the first index.
const FIRST_SLOTS: usize = 16;
/// Bits of a slot that number a flow; the rest is a tag from its hash. 0 is an empty slot.
const NUMBER_BITS: u32 = 24;
const NUMBER: u32 = (1 << NUMBER_BITS) - 1;
/// Flows that a partition holds at most.
const MAX_FLOWS: usize = NUMBER as usize - 1;

/// Flows of one family whose hashes begin with the same bits.
#[derive(Clone)]
pub(super) struct Partition<E: Entry> {
    slots: Vec<u32>,
    chunks: Vec<Vec<E>>,
    length: usize,
    apart: ApartMap,
}

type ApartMap = HashMap<FlowKey, Box<Apart>, foldhash::fast::RandomState>;

impl<E: Entry> Default for Partition<E> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            chunks: Vec::new(),
            length: 0,
            apart: HashMap::default(),
        }
    }
}

/// What stands apart of one flow of a partition.
struct ApartOfFlow<'a> {
    map: &'a mut ApartMap,
    key: FlowKey,
}

impl ApartOf for ApartOfFlow<'_> {
    fn apart(&mut self) -> &mut Apart {
        self.map.entry(self.key).or_default()
    }
}

impl<E: Entry> Partition<E> {
    /// The first of the slots where a look-up begins whose tag fits; 0 where none does, or the
    /// look-up has farther to go. Nothing here branches on what is found: it is hard to guess.
    #[inline(always)]
    pub(super) fn likely_slot(&self, hash: u64) -> u32 {
        let place = hash as usize & self.slots.len().wrapping_sub(1);
        let Some(slots) = self
            .slots
            .get(place..)
            .and_then(<[u32]>::first_chunk::<LIKELY>)
        else {
            return 0;
        };
        let mut likely = 0;
        for slot in slots.iter().rev() {
            if slot >> NUMBER_BITS == tag(hash) {
                likely = *slot;
            }
        }
        likely
    }

    /// The flow that a slot leads to, if it is the one of `key`.
    #[inline(always)]
    pub(super) fn number_at(&self, slot: u32, key: &E::Key) -> Option<u32> {
        let number = (slot & NUMBER).wrapping_sub(1);
        (self.entry(number)?.key() == key).then_some(number)
    }

    /// Adds a packet to the flow of that number, which is its own.
    #[inline(always)]
    pub(super) fn add_to(&mut self, number: u32, arrival: &Arrival) {
        let Some(entry) = entry_mut(&mut self.chunks, number) else {
            return;
        };
        if !entry.record_mut().add(arrival) {
            add_rest(entry, arrival, &mut self.apart);
        }
    }

    /// Adds a flow that is not there by its first packet.
    #[inline]
    pub(super) fn add_new(
        &mut self,
        key: &E::Key,
        hash: u64,
        arrival: &Arrival,
        seed: &SeedableRandomState,
    ) {
        self.push(E::new(*key, Record::new(arrival)), hash, seed);
    }

    /// The number of a flow.
    #[inline]
    pub(super) fn find(&self, key: &E::Key, hash: u64) -> Option<u32> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut place = hash as usize & mask;
        loop {
            let slot = *self.slots.get(place)?;
            if slot == 0 {
                return None;
            }
            if slot >> NUMBER_BITS == tag(hash)
                && let Some(number) = self.number_at(slot, key)
            {
                return Some(number);
            }
            place = (place + 1) & mask;
        }
    }

    /// Adds a flow that is not there.
    #[inline]
    fn push(&mut self, entry: E, hash: u64, seed: &SeedableRandomState) {
        debug_assert!(self.length < MAX_FLOWS);
        // Three quarters full: a look-up then takes two slots on average, mostly of one line.
        if (self.length + 1) * 4 > self.slots.len() * 3 {
            self.grow(seed);
        }
        self.push_entry(entry);
        occupy(&mut self.slots, hash, self.length as u32);
    }

    /// Adds a flow to the list that the index leads to.
    #[inline]
    fn push_entry(&mut self, entry: E) {
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(entry),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(entry);
                self.chunks.push(chunk);
            }
        }
        self.length += 1;
    }

    #[cold]
    fn grow(&mut self, seed: &SeedableRandomState) {
        let wanted = (self.slots.len() * 2).max(FIRST_SLOTS);
        // The old index is of no use: the flows know their keys.
        self.slots = Vec::new();
        self.slots.resize(wanted, 0);
        self.fill_slots(seed);
    }

    /// Fills an index without entries.
    fn fill_slots(&mut self, seed: &SeedableRandomState) {
        let entries = self.chunks.iter().flatten();
        for (number, entry) in (1..).zip(entries) {
            occupy(&mut self.slots, entry.key().hash(seed), number);
        }
    }

    /// Adds a flow that is not there by what was seen of it elsewhere.
    pub(super) fn insert_new(
        &mut self,
        key: &E::Key,
        hash: u64,
        facts: &FlowFacts<'_>,
        seed: &SeedableRandomState,
    ) {
        self.push(E::new(*key, Record::blank(facts)), hash, seed);
        self.merge_into(self.length as u32 - 1, facts);
    }

    /// Takes out so many flows, those that came last.
    pub(super) fn shed(
        &mut self,
        count: usize,
        seed: &SeedableRandomState,
        mut take: impl FnMut(&FlowKey, &FlowFacts<'_>),
    ) {
        for _ in 0..count {
            let Some(entry) = self.chunks.last_mut().and_then(Vec::pop) else {
                break;
            };
            if self.chunks.last().is_some_and(Vec::is_empty) {
                self.chunks.pop();
            }
            self.length -= 1;
            let key = entry.key().flow_key();
            let apart = match entry.record().has_apart() {
                true => self.apart.remove(&key),
                false => None,
            };
            take(&key, &entry.record().facts(apart.as_deref()));
        }
        if count > 0 {
            self.slots.fill(0);
            self.fill_slots(seed);
        }
    }

    /// Every flow by number, with its first packet.
    pub(super) fn firsts(
        &self,
        wanted: impl Fn(&E) -> bool,
    ) -> impl Iterator<Item = (Position, u32)> {
        let entries = (0..).zip(self.chunks.iter().flatten());
        let wanted = entries.filter(move |(_, entry)| wanted(entry));
        wanted.map(|(number, entry)| (entry.record().first().at, number))
    }

    /// What was seen of the flow of that number.
    pub(super) fn facts_at(&self, number: u32) -> Option<(FlowKey, FlowFacts<'_>)> {
        let entry = self.entry(number)?;
        Some((entry.key().flow_key(), self.facts_of(entry)))
    }

    /// Takes out the flows that don't stay, and the memory that they took.
    pub(super) fn retain(&mut self, stays: impl Fn(&E) -> bool, seed: &SeedableRandomState) {
        let before = std::mem::take(&mut self.length);
        for mut chunk in std::mem::take(&mut self.chunks) {
            chunk.retain(|entry| {
                let stays = stays(entry);
                if !stays && entry.record().has_apart() {
                    self.apart.remove(&entry.key().flow_key());
                }
                stays
            });
            for entry in chunk {
                self.push_entry(entry);
            }
        }
        if self.length < before {
            self.apart.shrink_to(2 * self.apart.len());
            let most = self.length * 4 / 3 + 1;
            self.slots = vec![0; most.next_power_of_two().max(FIRST_SLOTS)];
            self.fill_slots(seed);
        }
    }

    /// Adds what was seen elsewhere of the flow of that number.
    pub(super) fn merge_into(&mut self, number: u32, facts: &FlowFacts<'_>) {
        if let Some(entry) = entry_mut(&mut self.chunks, number) {
            let mut apart = ApartOfFlow {
                key: entry.key().flow_key(),
                map: &mut self.apart,
            };
            entry.record_mut().merge(facts, &mut apart);
        }
    }

    /// Adds the flows of the same partition of another part.
    pub(super) fn merge(&mut self, mut other: Self, seed: &SeedableRandomState) {
        // Merging commutes, so the smaller one moves.
        if self.length < other.length {
            std::mem::swap(self, &mut other);
        }
        for chunk in other.chunks {
            for entry in chunk {
                let hash = entry.key().hash(seed);
                let apart = if entry.record().has_apart() {
                    other.apart.remove(&entry.key().flow_key())
                } else {
                    None
                };
                match self.find(entry.key(), hash) {
                    Some(number) => {
                        self.merge_into(number, &entry.record().facts(apart.as_deref()))
                    }
                    None => {
                        self.push(entry, hash, seed);
                        self.apart
                            .extend(apart.map(|it| (entry.key().flow_key(), it)));
                    }
                }
            }
        }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = FlowKey> {
        let entries = self.chunks.iter().flatten();
        entries.map(|entry| entry.key().flow_key())
    }

    /// What was seen of every flow.
    pub(super) fn facts(&self) -> impl Iterator<Item = (FlowKey, FlowFacts<'_>)> {
        self.entries()
            .map(|(entry, facts)| (entry.key().flow_key(), facts))
    }

    /// Every flow of these hosts, from its initiator's side; more may come.
    pub(super) fn flows<Place: Fn(Position) -> Position>(
        &self,
        of: HostFilter,
        resolver: Resolver<'_, Place>,
    ) -> impl Iterator<Item = Flow> {
        let touches = move |entry: &&E| {
            let address = |side| entry.key().endpoint(side).address;
            of.touches([address(Side::Low), address(Side::High)])
        };
        let entries = self.chunks.iter().flatten().filter(touches);
        entries.map(move |entry| {
            let facts = self.facts_of(entry);
            resolver.flow(entry.key(), entry.record().is_quoted(), &facts)
        })
    }

    fn entries(&self) -> impl Iterator<Item = (&E, FlowFacts<'_>)> {
        let entries = self.chunks.iter().flatten();
        entries.map(|entry| (entry, self.facts_of(entry)))
    }

    #[inline(always)]
    fn facts_of(&self, entry: &E) -> FlowFacts<'_> {
        let apart = entry.record().has_apart().then(|| self.apart_of(entry));
        entry.record().facts(apart.flatten())
    }

    #[cold]
    fn apart_of(&self, entry: &E) -> Option<&Apart> {
        self.apart.get(&entry.key().flow_key()).map(AsRef::as_ref)
    }

    /// Takes note that an ICMP error quotes a flow.
    pub(super) fn set_quoted(&mut self, key: &E::Key, hash: u64) {
        if let Some(number) = self.find(key, hash)
            && let Some(entry) = entry_mut(&mut self.chunks, number)
        {
            entry.record_mut().set_quoted();
        }
    }

    /// Flows with as many openings as are counted.
    pub(super) fn at_openings_limit(&self, seed: &SeedableRandomState) -> u64 {
        let many = |apart: &Apart| apart.further.as_slice().len() + 1 >= MAX_OPENINGS_PER_FLOW;
        let flows = self.apart.iter().filter(|(_, apart)| many(apart));
        let openings = flows.filter_map(|(key, apart)| {
            let key = E::Key::compact(key)?;
            let entry = self.entry(self.find(&key, key.hash(seed))?)?;
            Some(entry.record().facts(Some(apart)).connections())
        });
        openings
            .filter(|count| *count as usize >= MAX_OPENINGS_PER_FLOW)
            .count() as u64
    }

    /// The same flows with their positions renumbered.
    pub(super) fn renumber(&mut self, new: impl Fn(Position) -> Position) {
        for entry in self.chunks.iter_mut().flatten() {
            entry.record_mut().renumber(&new);
        }
        for apart in self.apart.values_mut() {
            apart.renumber(&new);
        }
    }

    /// Whether there is no number for another flow.
    pub(super) fn is_full(&self) -> bool {
        self.length >= MAX_FLOWS
    }

    /// How many flows there are.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    #[inline(always)]
    fn entry(&self, number: u32) -> Option<&E> {
        let number = number as usize;
        self.chunks.get(number / CHUNK)?.get(number % CHUNK)
    }
}

#[inline(always)]
fn entry_mut<E>(chunks: &mut [Vec<E>], number: u32) -> Option<&mut E> {
    let number = number as usize;
    chunks.get_mut(number / CHUNK)?.get_mut(number % CHUNK)
}

#[cold]
fn add_rest<E: Entry>(entry: &mut E, arrival: &Arrival, apart: &mut ApartMap) {
    let mut apart = ApartOfFlow {
        key: entry.key().flow_key(),
        map: apart,
    };
    entry.record_mut().add_rest(arrival, &mut apart);
}

/// Puts a flow's number (from 1) into the next free slot.
#[inline]
fn occupy(slots: &mut [u32], hash: u64, number: u32) {
    let mask = slots.len() - 1;
    let mut place = hash as usize & mask;
    while slots[place] != 0 {
        place = (place + 1) & mask;
    }
    slots[place] = tag(hash) << NUMBER_BITS | number;
}

/// The bits of a hash next to those that choose the partition.
#[inline(always)]
fn tag(hash: u64) -> u32 {
    (hash >> 50) as u32 & 0xff
}
