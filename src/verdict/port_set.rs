//! A set of ports, which may be empty.

use crate::flow::Ports;

/// A set of ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PortSet(Option<Ports>);

impl PortSet {
    pub fn insert(&mut self, port: u16) {
        match &mut self.0 {
            Some(ports) => ports.insert(port),
            None => self.0 = Some(Ports::new(port)),
        }
    }

    pub fn contains(&self, port: u16) -> bool {
        self.0.as_ref().is_some_and(|ports| ports.contains(port))
    }

    /// Adds the ports of another set.
    pub fn merge(&mut self, other: Self) {
        match (&mut self.0, other.0) {
            (Some(mine), Some(theirs)) => mine.merge(theirs),
            (mine @ None, theirs) => *mine = theirs,
            (Some(_), None) => {}
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
        self.0.iter().flat_map(Ports::iter)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn ports() -> impl Strategy<Value = Vec<u16>> {
        let few = prop::collection::vec(any::<u16>(), 0..40);
        let many = (any::<u16>(), 3900..4300_u16).prop_map(|(first, count)| {
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
