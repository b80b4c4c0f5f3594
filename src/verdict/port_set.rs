//! A set of ports that takes two bytes a port, and never more than one bit for each there is.

/// Past this many ports, a bit for each there is takes less room than a list that grows.
const MAX_LISTED: usize = 1024;
const WORDS: usize = (1 << 16) / 64;

/// A set of ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PortSet {
    /// In order.
    Listed(Vec<u16>),
    /// A bit for each.
    Bits(Box<[u64; WORDS]>),
}

impl Default for PortSet {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl PortSet {
    pub fn insert(&mut self, port: u16) {
        match self {
            Self::Listed(ports) => {
                if let Err(place) = ports.binary_search(&port) {
                    ports.insert(place, port);
                    if ports.len() > MAX_LISTED {
                        *self = Self::Bits(bits(ports));
                    }
                }
            }
            Self::Bits(bits) => bits[usize::from(port) / 64] |= 1 << (port % 64),
        }
    }

    pub fn contains(&self, port: u16) -> bool {
        match self {
            Self::Listed(ports) => ports.binary_search(&port).is_ok(),
            Self::Bits(bits) => bits[usize::from(port) / 64] >> (port % 64) & 1 == 1,
        }
    }

    /// Adds the ports of another set.
    pub fn merge(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Bits(mine), Self::Bits(theirs)) => {
                for (mine, theirs) in mine.iter_mut().zip(theirs.iter()) {
                    *mine |= theirs;
                }
            }
            (Self::Listed(mine), theirs @ Self::Bits(_)) => {
                let listed = std::mem::take(mine);
                *self = theirs;
                listed.into_iter().for_each(|port| self.insert(port));
            }
            (_, Self::Listed(theirs)) => theirs.into_iter().for_each(|port| self.insert(port)),
        }
    }

    /// The smallest one.
    pub fn first(&self) -> Option<u16> {
        self.iter().next()
    }

    /// Runs of neighbours, first and last port each, in order.
    pub fn ranges(&self) -> Vec<(u16, u16)> {
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for port in self.iter() {
            match ranges.last_mut() {
                Some((_, high)) if high.checked_add(1) == Some(port) => *high = port,
                _ => ranges.push((port, port)),
            }
        }
        ranges
    }

    fn iter(&self) -> impl Iterator<Item = u16> {
        let (listed, bits) = match self {
            Self::Listed(ports) => (ports.as_slice(), None),
            Self::Bits(bits) => (&[][..], Some(bits)),
        };
        let words = bits.into_iter().flat_map(|bits| (0_u16..).zip(bits.iter()));
        let set = words.flat_map(|(index, word)| {
            let rest = |word: &u64| Some(word & (word - 1)).filter(|rest| *rest != 0);
            let words = std::iter::successors(Some(*word).filter(|word| *word != 0), rest);
            words.map(move |word| index * 64 + word.trailing_zeros() as u16)
        });
        listed.iter().copied().chain(set)
    }
}

fn bits(ports: &[u16]) -> Box<[u64; WORDS]> {
    let mut bits = Box::new([0; WORDS]);
    for port in ports {
        bits[usize::from(*port) / 64] |= 1 << (port % 64);
    }
    bits
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn ports() -> impl Strategy<Value = Vec<u16>> {
        let few = prop::collection::vec(any::<u16>(), 0..40);
        let many = (any::<u16>(), 900..1200_u16).prop_map(|(first, count)| {
            let ports = (0..count).map(|index| first.wrapping_add(index.wrapping_mul(3)));
            ports.collect()
        });
        prop_oneof![few, many]
    }

    proptest! {
        #[test]
        fn holds_what_a_plain_set_holds(one in ports(), other in ports()) {
            let plain: BTreeSet<u16> = one.iter().chain(&other).copied().collect();
            let mut set = PortSet::default();
            one.iter().for_each(|port| set.insert(*port));
            let mut more = PortSet::default();
            other.iter().for_each(|port| more.insert(*port));
            set.merge(more);
            prop_assert_eq!(set.iter().collect::<BTreeSet<_>>(), plain.clone());
            prop_assert_eq!(set.first(), plain.first().copied());
            prop_assert!(plain.iter().all(|port| set.contains(*port)));
            prop_assert!(!set.contains(7) || plain.contains(&7));
            let listed = set.ranges().into_iter().flat_map(|(low, high)| low..=high);
            prop_assert!(listed.eq(plain));
        }
    }
}
