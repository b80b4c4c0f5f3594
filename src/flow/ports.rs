//! A set of ports that is exact and never takes more than 8 KiB.

const WORDS: usize = 1 << 10;
/// As many ports in a list take what the bitmap takes.
const LISTED: usize = 4 * WORDS;

/// Ports, each once. One takes no memory beyond the value itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports(Set);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Set {
    One(u16),
    /// In order.
    Few(Vec<u16>),
    Many(Box<[u64; WORDS]>),
}

impl Ports {
    /// One port.
    pub fn new(port: u16) -> Self {
        Self(Set::One(port))
    }

    /// The ports of a list; `None` where it is empty, or does not rise.
    pub fn of_list(list: Vec<u16>) -> Option<Self> {
        let rises = list.windows(2).all(|pair| pair[0] < pair[1]);
        Some(Self(match list[..] {
            [only] => Set::One(only),
            [_, ..] if !rises => return None,
            [_, ..] if list.len() > LISTED => Set::Many(bitmap(&list)),
            [_, ..] => Set::Few(list),
            [] => return None,
        }))
    }

    /// Whether the port is one of them.
    pub fn contains(&self, port: u16) -> bool {
        match &self.0 {
            Set::One(only) => *only == port,
            Set::Few(list) => list.binary_search(&port).is_ok(),
            Set::Many(bits) => bits[usize::from(port) / 64] >> (port % 64) & 1 == 1,
        }
    }

    /// Adds a port; nothing where it is there.
    pub fn insert(&mut self, port: u16) {
        match &mut self.0 {
            Set::One(only) if *only == port => {}
            Set::One(only) => self.0 = Set::Few(vec![port.min(*only), port.max(*only)]),
            Set::Few(list) => {
                let Err(place) = list.binary_search(&port) else {
                    return;
                };
                list.insert(place, port);
                if list.len() > LISTED {
                    self.0 = Set::Many(bitmap(list));
                }
            }
            Set::Many(bits) => bits[usize::from(port) / 64] |= 1 << (port % 64),
        }
    }

    /// Adds the ports of another set.
    pub fn merge(&mut self, mut other: Self) {
        // A list is put into a bitmap, not the other way round.
        if matches!(other.0, Set::Many(_)) {
            std::mem::swap(self, &mut other);
        }
        match (&mut self.0, &other.0) {
            (Set::Many(mine), Set::Many(theirs)) => {
                for (mine, theirs) in mine.iter_mut().zip(theirs.iter()) {
                    *mine |= theirs;
                }
            }
            _ => other.iter().for_each(|port| self.insert(port)),
        }
    }

    /// The port, where it is the only one.
    pub fn only(&self) -> Option<u16> {
        match self.0 {
            Set::One(port) => Some(port),
            Set::Few(_) | Set::Many(_) => None,
        }
    }

    /// The ports that `keep` wants; `None` where it wants none.
    pub(super) fn retain(self, mut keep: impl FnMut(u16) -> bool) -> Option<Self> {
        if let Set::One(only) = self.0 {
            return keep(only).then_some(self);
        }
        if self.iter().all(&mut keep) {
            return Some(self);
        }
        let mut kept = self.iter().filter(|port| keep(*port));
        let mut ports = Self::new(kept.next()?);
        kept.for_each(|port| ports.insert(port));
        Some(ports)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        let (list, words): (&[u16], &[u64]) = match &self.0 {
            Set::One(only) => (std::slice::from_ref(only), &[]),
            Set::Few(list) => (list, &[]),
            Set::Many(bits) => (&[], &bits[..]),
        };
        let in_word = |(index, word): (usize, &u64)| {
            let word = *word;
            (0..64)
                .filter(move |bit| word >> bit & 1 == 1)
                .map(move |bit| (index * 64 + bit) as u16)
        };
        list.iter()
            .copied()
            .chain(words.iter().enumerate().flat_map(in_word))
    }

    /// How many there are: at least one.
    pub fn count(&self) -> u64 {
        match &self.0 {
            Set::One(_) => 1,
            Set::Few(list) => list.len() as u64,
            Set::Many(bits) => bits.iter().map(|word| u64::from(word.count_ones())).sum(),
        }
    }

    /// Memory beyond the value itself, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        match &self.0 {
            Set::One(_) => 0,
            Set::Few(list) => list.capacity() * size_of::<u16>(),
            Set::Many(bits) => size_of_val(&**bits),
        }
    }
}

fn bitmap(list: &[u16]) -> Box<[u64; WORDS]> {
    let mut bits = Box::new([0; WORDS]);
    for port in list {
        bits[usize::from(*port) / 64] |= 1 << (port % 64);
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_size_is_the_same_set() {
        for (step, count) in [(7_u16, 1), (7, 2), (7, 4096), (7, 4097), (1, 65_536)] {
            let all: Vec<u16> = (0..count)
                .map(|n: u32| (n as u16).wrapping_mul(step))
                .collect();
            let mut ports = Ports::new(all[0]);
            // Backwards, and twice.
            for port in all.iter().rev().chain(&all) {
                ports.insert(*port);
            }
            let wanted: BTreeSet<u16> = all.iter().copied().collect();
            assert!(ports.iter().eq(wanted.iter().copied()), "{count}");
            assert_eq!(ports.count(), wanted.len() as u64);
            assert!((0..=u16::MAX).all(|port| ports.contains(port) == wanted.contains(&port)));
            assert!(ports.heap_bytes() <= 2 * 8192);

            let listed: Vec<u16> = wanted.iter().copied().collect();
            assert_eq!(Ports::of_list(listed), Some(ports.clone()));

            let odd = ports.clone().retain(|port| port % 2 == 1);
            let odd: Vec<u16> = odd.iter().flat_map(Ports::iter).collect();
            let wanted: Vec<u16> = wanted.into_iter().filter(|port| port % 2 == 1).collect();
            assert_eq!(odd, wanted);
            assert_eq!(ports.clone().retain(|_| true), Some(ports.clone()));
            assert_eq!(ports.retain(|_| false), None);
        }
        for wrong in [&[][..], &[1, 1], &[2, 1]] {
            assert_eq!(Ports::of_list(wrong.to_vec()), None);
        }
    }
}
