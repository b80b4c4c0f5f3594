//! How many packets were dropped before they were captured, as interface statistics say.

/// Packets that interfaces and kernel dropped, kept so that what pieces of a capture say adds up.
///
/// Counters run from the start of the capture: in a section the last count of an interface is its
/// sum, wherever the section is cut. Sections have counters of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// Of the section that the piece begins in, by interface.
    first: Vec<Option<u64>>,
    /// Of all sections after that.
    later: Option<u64>,
}

impl Drops {
    /// The counts of the first section.
    pub(super) fn set_first(&mut self, interfaces: impl Iterator<Item = Option<u64>>) {
        self.first = interfaces.collect();
    }

    /// Adds the counts of a later section.
    pub(super) fn add(&mut self, interfaces: impl Iterator<Item = Option<u64>>) {
        let all = self.later.into_iter().chain(interfaces.flatten());
        // Whoever wrote the capture chose them.
        self.later = all.reduce(u64::saturating_add);
    }

    /// What both say, where `next` belongs to the piece that goes on in the section in which this
    /// one ended, which is its first.
    #[must_use]
    pub fn followed_by(mut self, next: Self) -> Self {
        debug_assert!(self.later.is_none());
        if self.first.len() < next.first.len() {
            self.first.resize(next.first.len(), None);
        }
        for (mine, next) in self.first.iter_mut().zip(next.first) {
            *mine = next.or(*mine);
        }
        self.later = next.later;
        self
    }

    /// All of them together; `None` where the capture does not say.
    pub fn total(&self) -> Option<u64> {
        let first = self.first.iter().copied().flatten();
        first.chain(self.later).reduce(u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_count_of_an_interface_holds_across_pieces() {
        let piece = |first: &[Option<u64>], later| Drops {
            first: first.to_vec(),
            later,
        };
        let both = piece(&[Some(5), Some(7), None], None)
            .followed_by(piece(&[Some(9), None, None, Some(1)], Some(100)));
        assert_eq!(both.total(), Some(9 + 7 + 1 + 100));
        assert_eq!(piece(&[None], None).total(), None);
    }
}
