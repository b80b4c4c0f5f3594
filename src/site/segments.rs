//! Disjoint segments that cover every address of a family, each with what holds there.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// Each segment begins where the one before ends.
#[derive(Clone, Debug)]
pub(super) struct Segments<N, V> {
    starts: Vec<N>,
    values: Vec<V>,
}

/// An address as a number.
pub(super) trait Number: Copy + Ord {
    /// The first address.
    const ZERO: Self;
    /// The number of an address of this family.
    fn of(address: IpAddr) -> Option<Self>;
    /// The next number, where there is one.
    fn next(self) -> Option<Self>;
    /// The distance from `other`, 0 where that is larger.
    fn minus(self, other: Self) -> Self;
}

impl Number for u32 {
    const ZERO: Self = 0;
    fn of(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(address) => Some(address.into()),
            IpAddr::V6(_) => None,
        }
    }
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
    fn minus(self, other: Self) -> Self {
        self.saturating_sub(other)
    }
}

impl Number for u128 {
    const ZERO: Self = 0;
    fn of(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(address.into()),
        }
    }
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
    fn minus(self, other: Self) -> Self {
        self.saturating_sub(other)
    }
}

impl<N: Number, V: Copy + PartialEq> Segments<N, V> {
    /// Flattens ranges: the smallest that holds an address decides, several of one size are
    /// joined, and where there is none, `none` holds.
    pub fn new(ranges: &[(N, N, V)], none: V, join: impl Fn(V, V) -> V) -> Self {
        // A sweep over the first and last addresses in order, with the ranges that are open at
        // each place sorted by size.
        let mut events: Vec<(N, bool, usize)> = Vec::with_capacity(2 * ranges.len());
        for (index, (first, last, _)) in ranges.iter().enumerate() {
            events.push((*first, true, index));
            if let Some(after) = last.next() {
                events.push((after, false, index));
            }
        }
        events.sort_unstable();
        let mut segments = Self {
            starts: vec![N::ZERO],
            values: vec![none],
        };
        let mut open: BTreeSet<(N, usize)> = BTreeSet::new();
        let mut events = events.into_iter().peekable();
        while let Some((at, opens, index)) = events.next() {
            let (first, last, _) = ranges[index];
            let entry = (last.minus(first), index);
            if opens {
                open.insert(entry);
            } else {
                open.remove(&entry);
            }
            if events.peek().is_none_or(|(next, ..)| *next != at) {
                let smallest = open.first().map(|(size, _)| *size);
                let decide = open.iter().take_while(|(size, _)| Some(*size) == smallest);
                let decide = decide.map(|(_, index)| ranges[*index].2);
                segments.begin(at, decide.reduce(&join).unwrap_or(none));
            }
        }
        segments
    }

    /// Both at once: what is made of the two values that hold at an address.
    pub fn overlaid<W: Copy, X: Copy + PartialEq>(
        &self,
        other: &Segments<N, W>,
        mut value: impl FnMut(V, W) -> X,
    ) -> Segments<N, X> {
        let mut all = Segments {
            starts: vec![N::ZERO],
            values: vec![value(self.values[0], other.values[0])],
        };
        let (mut mine, mut theirs) = (0, 0);
        loop {
            let next = [self.starts.get(mine + 1), other.starts.get(theirs + 1)];
            let Some(at) = next.into_iter().flatten().min().copied() else {
                return all;
            };
            mine += usize::from(next[0] == Some(&at));
            theirs += usize::from(next[1] == Some(&at));
            all.begin(at, value(self.values[mine], other.values[theirs]));
        }
    }

    fn begin(&mut self, at: N, value: V) {
        if self.starts.last() == Some(&at) {
            self.values.pop();
            self.values.push(value);
        } else if self.values.last() != Some(&value) {
            self.starts.push(at);
            self.values.push(value);
        }
    }

    /// How many segments there are, at least one.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// The segments that hold addresses in ascending order.
    pub fn indices(&self, addresses: impl Iterator<Item = N>) -> impl Iterator<Item = u32> {
        let mut index = 0;
        addresses.map(move |address| {
            while self
                .starts
                .get(index + 1)
                .is_some_and(|next| *next <= address)
            {
                index += 1;
            }
            index as u32
        })
    }

    /// What holds at an address.
    pub fn value(&self, address: N) -> V {
        self.value_within(address, 0, self.starts.len())
    }

    /// What holds at an address that lies in one of the segments from `low` to before `end`.
    #[inline]
    pub fn value_within(&self, address: N, low: usize, end: usize) -> V {
        self.values[self.index_within(address, low, end)]
    }

    #[inline]
    fn index_within(&self, address: N, low: usize, end: usize) -> usize {
        // The first segment begins at 0, so that one always begins at or before the address.
        low + self.starts[low..end].partition_point(|start| *start <= address) - 1
    }
}
