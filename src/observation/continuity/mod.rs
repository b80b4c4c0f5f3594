//! Whether the packets of a capture follow each other: sequence gaps, and packets that were
//! captured twice.
//!
//! A *direction* (a five-tuple in the sender's direction) is looked at by itself. Its packets are
//! compared with few before them only, never with a sum of all before, so that pieces of a capture
//! that were read apart are joined exactly: the first packets of a piece wait until it is known
//! what came before them. Memory is bounded: beyond [`Directions::LIMIT`] directions those are
//! followed whose hash is small, a sample that depends on nothing but which directions there
//! are. The hash has no seed, as every run is to draw the same sample: who chooses addresses and
//! ports can at worst draw the sample to himself.

mod direction;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;

use foldhash::fast::{FixedState, RandomState};

use self::direction::{Direction, First, Sent};
use crate::decode::{Packet, Transport};
use crate::net::Timestamp;

/// What the packets of a capture, or of several, say of its loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Continuity {
    /// TCP segments that begin after the end of those before them.
    pub sequence_gaps: u64,
    /// Packets that were captured before: copies, not repetitions by their sender.
    pub duplicates: u64,
    /// Packets that were compared with those before them: TCP and UDP, no fragments.
    pub followed: u64,
    /// Packets that were not, for the bound on directions.
    pub beyond: u64,
}

impl Continuity {
    pub(super) fn add(&mut self, other: Self) {
        self.sequence_gaps = self.sequence_gaps.saturating_add(other.sequence_gaps);
        self.duplicates = self.duplicates.saturating_add(other.duplicates);
        self.followed = self.followed.saturating_add(other.followed);
        self.beyond = self.beyond.saturating_add(other.beyond);
    }
}

/// The directions of a piece of a capture.
#[derive(Clone, Debug)]
pub(super) struct Directions {
    /// Directions are followed whose hash is not larger. It falls whenever there are too many, so
    /// that it depends on which directions there are and not on their order.
    ceiling: u64,
    /// Packets of all directions, followed or not.
    packets: u64,
    /// Where each stands in the two lists, by hash. The map has a seed of its own: who chooses the
    /// hashes shall not choose their places.
    numbers: HashMap<u64, u32, RandomState>,
    directions: Vec<Direction>,
    /// Places whose direction was given up.
    free: Vec<u32>,
    /// Empty where the piece begins its capture: then nothing waits for what came before.
    firsts: Vec<First>,
    begins: bool,
    /// Packets of directions that were followed as they came. They are looked at some at a time,
    /// so that the ways to memory overlap.
    waiting: Vec<(u64, Sent)>,
}

/// By how much the ceiling falls. Large inputs keep some thousand directions: enough to show what
/// befalls a capture, and few enough to cost next to nothing.
const STEP: u64 = 4;

/// So many packets wait at most.
const WAITING: usize = 64;

impl Directions {
    /// So many directions of a capture are followed at most: all of them, or else a sample.
    pub(super) const LIMIT: usize = 4096;

    /// Nothing seen of a piece that begins its capture, or of another one.
    pub(super) fn new(begins: bool) -> Self {
        Self {
            ceiling: u64::MAX,
            packets: 0,
            numbers: HashMap::default(),
            directions: Vec::new(),
            free: Vec::new(),
            firsts: Vec::new(),
            begins,
            waiting: Vec::with_capacity(WAITING),
        }
    }

    /// Adds the next packet of the piece, which is no fragment.
    #[inline(always)]
    pub(super) fn add(&mut self, time: Timestamp, packet: &Packet<'_>) {
        let (ports, protocol) = match packet.transport {
            Transport::Tcp {
                source_port,
                destination_port,
                checksum: Some(_),
                ..
            } => ([source_port, destination_port], TCP),
            Transport::Udp {
                source_port,
                destination_port,
                checksum: Some(_),
                ..
            } => ([source_port, destination_port], UDP),
            _ => return,
        };
        let hash = hash([packet.source, packet.destination], ports, protocol);
        self.packets += 1;
        if hash <= self.ceiling
            && let Some(sent) = Sent::new(time, packet)
        {
            self.wait(hash, sent);
        }
    }

    #[cold]
    #[inline(never)]
    fn wait(&mut self, hash: u64, sent: Sent) {
        self.waiting.push((hash, sent));
        if self.waiting.len() == WAITING {
            self.settle();
        }
    }

    /// Looks at the packets that wait.
    #[inline(never)]
    fn settle(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting);
        let mut numbers = [None; WAITING];
        for (number, (hash, _)) in numbers.iter_mut().zip(&waiting) {
            *number = self.numbers.get(hash).copied();
        }
        let ceiling = self.ceiling;
        for ((hash, sent), number) in waiting.iter().zip(numbers) {
            let number = match number {
                // Places are given to others once the ceiling is lowered.
                Some(number) if self.ceiling == ceiling => Some(number as usize),
                _ => self.number(*hash),
            };
            if let Some(number) = number {
                self.directions[number].add(self.firsts.get_mut(number), *sent);
            }
        }
        waiting.clear();
        self.waiting = waiting;
    }

    /// Where the direction stands; `None` where it is not followed.
    fn number(&mut self, hash: u64) -> Option<usize> {
        match self.numbers.get(&hash) {
            Some(number) => Some(*number as usize),
            None => self.admit(hash),
        }
    }

    /// Follows another direction from now on, if it is not the one too many.
    #[cold]
    fn admit(&mut self, hash: u64) -> Option<usize> {
        while self.numbers.len() >= Self::LIMIT && hash <= self.ceiling {
            self.lower(self.ceiling / STEP);
        }
        if hash > self.ceiling {
            return None;
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.directions.push(Direction::default());
            if !self.begins {
                self.firsts.push(First::default());
            }
            self.directions.len() as u32 - 1
        });
        self.numbers.insert(hash, number);
        Some(number as usize)
    }

    /// Gives up the directions above a lower ceiling.
    fn lower(&mut self, ceiling: u64) {
        self.ceiling = ceiling;
        self.numbers.retain(|hash, number| {
            let stays = *hash <= ceiling;
            if !stays {
                self.directions[*number as usize] = Direction::default();
                self.free.push(*number);
            }
            stays
        });
    }

    /// Adds the piece that follows in the same capture. A direction that is followed in both
    /// together was followed in each from its first packet on.
    pub(super) fn append(&mut self, mut next: Self) {
        self.settle();
        next.settle();
        self.packets += next.packets;
        if next.ceiling < self.ceiling {
            self.lower(next.ceiling);
        }
        for (hash, theirs) in &next.numbers {
            let Some(number) = self.number(*hash) else {
                continue;
            };
            let theirs = *theirs as usize;
            let (direction, first) = (&next.directions[theirs], next.firsts.get(theirs));
            self.directions[number].append(self.firsts.get_mut(number), direction, first);
        }
    }

    /// What they say, once nothing comes before them.
    pub(super) fn continuity(&mut self) -> Continuity {
        self.settle();
        let mut all = Continuity::default();
        for (number, direction) in self.directions.iter().enumerate() {
            all.add(direction.continuity(self.firsts.get(number)));
        }
        all.beyond = self.packets - all.followed;
        all
    }
}

const TCP: u8 = 6;
const UDP: u8 = 17;

/// The hash of a direction, the same in every run.
#[inline(always)]
fn hash(addresses: [IpAddr; 2], ports: [u16; 2], protocol: u8) -> u64 {
    let mut hasher = FixedState::with_seed(0).build_hasher();
    let [from, to] = ports;
    match addresses {
        [IpAddr::V4(source), IpAddr::V4(destination)] => {
            // The words that the flow table makes, too, so that they cost nothing here.
            let number = |address, port| u64::from(u32::from(address)) << 16 | u64::from(port);
            hasher.write_u64(number(source, from));
            hasher.write_u64(number(destination, to) ^ u64::from(protocol) << 48);
        }
        addresses => {
            for address in addresses {
                match address {
                    IpAddr::V4(address) => hasher.write_u32(address.into()),
                    IpAddr::V6(address) => hasher.write_u128(address.into()),
                }
            }
            let [from, to] = ports.map(u64::from);
            hasher.write_u64(from << 32 | to << 16 | u64::from(protocol));
        }
    }
    hasher.finish()
}
