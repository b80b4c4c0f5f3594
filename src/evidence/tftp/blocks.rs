//! Block numbers of one direction of a transfer: 16 bits on the wire, unwrapped here, and the
//! set of those seen. Runs may be split anywhere and still give the same numbers.

use crate::net::Timestamp;

/// Block numbers have 16 bits.
pub(super) const WRAP: u64 = 0x1_0000;

/// Numbers that one direction of a transfer carried.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    seen: Intervals,
    /// The run that lasts longest, by which the next one is unwrapped.
    current: Option<Span>,
    /// Packets counted, distinct or not.
    pub(super) packets: u64,
    /// Distinct numbers.
    pub(super) distinct: u64,
    /// Time of the last packet that brought a new highest number.
    pub(super) progress: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    from: Timestamp,
    to: Timestamp,
    first: u64,
    last: u64,
}

/// What a run brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Added {
    /// Unwrapped number of its first block.
    pub(super) first: u64,
    /// Unwrapped number of its last block.
    pub(super) last: u64,
    /// How many of its numbers were new.
    pub(super) new: u64,
}

impl Blocks {
    /// Numbers that do not begin at zero: the first is the nearest one to `expected`.
    pub(super) fn joined(expected: u64, at: Timestamp) -> Self {
        Self {
            current: Some(Span {
                from: at,
                to: at,
                first: expected,
                last: expected,
            }),
            ..Self::default()
        }
    }

    /// Takes up `count` consecutive numbers from `first` on, sent in `packets` packets between two
    /// times.
    pub(super) fn add(
        &mut self,
        first: u16,
        count: u32,
        packets: u32,
        from: Timestamp,
        to: Timestamp,
    ) -> Added {
        let first = unwrap(first, self.expected(from));
        let last = first + u64::from(count.max(1) - 1);
        let advances = self.highest().is_none_or(|highest| last > highest);
        let new = self.seen.insert(first, last);
        self.packets += u64::from(packets);
        self.distinct += new;
        if advances {
            self.progress = self.progress.max(Some(to));
        }
        if self.current.is_none_or(|current| to >= current.to) {
            self.current = Some(Span {
                from,
                to,
                first,
                last,
            });
        }
        Added { first, last, new }
    }

    /// The highest number.
    pub(super) fn highest(&self) -> Option<u64> {
        self.seen.0.last().map(|&(_, last)| last)
    }

    /// Time of the last packet.
    pub(super) fn last(&self) -> Option<Timestamp> {
        self.current.map(|current| current.to)
    }

    /// The lowest number.
    pub(super) fn lowest(&self) -> Option<u64> {
        self.seen.0.first().map(|&(first, _)| first)
    }

    /// Whether it carried a number.
    pub(super) fn contains(&self, number: u64) -> bool {
        let before = self.seen.0.partition_point(|&(_, last)| last < number);
        let next = self.seen.0.get(before);
        next.is_some_and(|&(first, _)| first <= number)
    }

    /// Whether it carried a number above 0 that is 0 on the wire.
    pub(super) fn passes_zero_again(&self) -> bool {
        let mut seen = self.seen.0.iter();
        seen.any(|&(first, last)| last / WRAP > first.saturating_sub(1) / WRAP)
    }

    /// How many numbers both carried.
    pub(super) fn shared(&self, other: &Self) -> u64 {
        let (mut mine, mut theirs) = (&self.seen.0[..], &other.seen.0[..]);
        let mut shared = 0;
        while let ([one, ..], [two, ..]) = (mine, theirs) {
            let (first, last) = (one.0.max(two.0), one.1.min(two.1));
            shared += (last + 1).saturating_sub(first);
            match one.1 < two.1 {
                true => mine = &mine[1..],
                false => theirs = &theirs[1..],
            }
        }
        shared
    }

    /// Where the numbers stand at a time. Inside a run that still goes on, by even pace: two
    /// captures of one transfer overlap so.
    fn expected(&self, at: Timestamp) -> u64 {
        let Some(span) = self.current else {
            return 0;
        };
        let whole = span.to.since_ns(span.from);
        let part = at.since_ns(span.from).min(whole);
        if whole == 0 || part == whole {
            return span.last;
        }
        let share = u128::from(span.last - span.first) * u128::from(part) / u128::from(whole);
        span.first + share as u64
    }
}

/// The number with these low 16 bits that is nearest to what is expected.
fn unwrap(number: u16, expected: u64) -> u64 {
    let ahead = number.wrapping_sub(expected as u16);
    if ahead < 0x8000 {
        return expected + u64::from(ahead);
    }
    let behind = WRAP - u64::from(ahead);
    // Before the first block there is nothing: then it is ahead after all.
    expected
        .checked_sub(behind)
        .unwrap_or(expected + u64::from(ahead))
}

/// Gaps kept per direction. A transfer has few; more come only from made-up packets, and then
/// the oldest are forgotten: what fills them later counts as sent again.
const MAX_INTERVALS: usize = 1024;

/// Disjoint, not adjacent, ascending closed intervals.
#[derive(Clone, Debug, Default)]
struct Intervals(Vec<(u64, u64)>);

impl Intervals {
    /// Adds an interval, and says how many of its numbers were new.
    fn insert(&mut self, first: u64, last: u64) -> u64 {
        let touches = |&(_, end): &(u64, u64)| end.saturating_add(1) < first;
        let start = self.0.partition_point(touches);
        let end =
            start + self.0[start..].partition_point(|&(begin, _)| begin <= last.saturating_add(1));
        let (mut low, mut high, mut known) = (first, last, 0);
        for &(begin, stop) in &self.0[start..end] {
            if begin <= last && stop >= first {
                known += stop.min(last) - begin.max(first) + 1;
            }
            (low, high) = (low.min(begin), high.max(stop));
        }
        self.0.splice(start..end, [(low, high)]);
        if self.0.len() > MAX_INTERVALS {
            self.0[1].0 = self.0[0].0;
            self.0.remove(0);
        }
        last - first + 1 - known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: fn(i64) -> Timestamp = Timestamp;

    #[test]
    fn counts_distinct_numbers_and_packets_sent_again() {
        let mut blocks = Blocks::default();
        assert_eq!(blocks.add(1, 3, 3, T(0), T(3)).new, 3);
        assert_eq!(blocks.add(3, 2, 2, T(4), T(5)).new, 1);
        assert_eq!(blocks.add(6, 1, 1, T(6), T(6)).new, 1);
        assert_eq!(blocks.progress, Some(T(6)));
        assert_eq!(blocks.add(2, 5, 5, T(7), T(8)).new, 1);
        assert_eq!((blocks.packets, blocks.highest()), (11, Some(6)));
        assert_eq!(blocks.progress, Some(T(6)));
        assert_eq!(blocks.seen.0, [(1, 6)]);
    }

    #[test]
    fn numbers_wrap_to_zero_or_to_one() {
        for (next, last) in [(0, 65536 + 9), (1, 65537 + 9)] {
            let mut blocks = Blocks::default();
            blocks.add(1, 65535, 65535, T(0), T(10));
            let added = blocks.add(next, 10, 10, T(11), T(20));
            assert_eq!((added.new, added.last), (10, last));
        }
        // A run goes on through the wrap.
        let mut blocks = Blocks::default();
        assert_eq!(blocks.add(1, 200_000, 200_000, T(0), T(10)).last, 200_000);
        assert_eq!(blocks.add(3393, 1, 1, T(11), T(11)).first, 200_001);
    }

    #[test]
    fn a_number_below_the_first_block_is_one_far_ahead() {
        let mut blocks = Blocks::default();
        assert_eq!(blocks.add(40_000, 1, 1, T(0), T(0)).first, 40_000);
    }

    #[test]
    fn two_captures_of_one_transfer_add_nothing_new() {
        let mut blocks = Blocks::default();
        assert_eq!(
            blocks.add(1, 200_000, 200_000, T(0), T(200_000)).new,
            200_000
        );
        assert_eq!(blocks.add(1, 70_000, 70_000, T(1), T(70_001)).new, 0);
        // 70,001 modulo 65,536.
        assert_eq!(blocks.add(4465, 100, 100, T(70_002), T(70_102)).new, 0);
        assert_eq!(blocks.highest(), Some(200_000));
    }

    #[test]
    fn made_up_gaps_are_bounded() {
        let mut intervals = Intervals::default();
        for number in 0..10_000 {
            assert_eq!(intervals.insert(number * 2, number * 2), 1);
        }
        assert_eq!(intervals.0.len(), MAX_INTERVALS);
    }
}
