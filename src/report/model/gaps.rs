//! Time between captures: what was not captured proves nothing unused.

use crate::net::Timestamp;
use crate::observation::CaptureRecord;

/// Silence that long between two captures is more than a quiet network: five minutes, in
/// nanoseconds.
const LONG: i64 = 300_000_000_000;

/// Time within the window of observation that no capture covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    /// How many there are.
    pub count: u64,
    /// Their time together, in nanoseconds.
    pub total_ns: u64,
}

impl Gaps {
    pub(super) fn between(captures: &[CaptureRecord]) -> Self {
        let known = |time: Option<Timestamp>| time.filter(|time| time.is_known());
        let spans = captures.iter();
        let spans = spans.filter_map(|one| Some((known(one.first)?, known(one.last)?)));
        Self::of(spans.collect())
    }

    fn of(mut spans: Vec<(Timestamp, Timestamp)>) -> Self {
        spans.sort_unstable();
        let mut gaps = Self::default();
        let mut covered = spans.first().map_or(Timestamp::MAX, |(_, last)| *last);
        for (first, last) in spans {
            let silent = first.0.saturating_sub(covered.0);
            if silent > LONG {
                gaps.count += 1;
                gaps.total_ns = gaps.total_ns.saturating_add(silent.unsigned_abs());
            }
            covered = covered.max(last);
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps(spans: &[(i64, i64)]) -> Gaps {
        let at = |seconds: i64| Timestamp(seconds * 1_000_000_000);
        Gaps::of(
            spans
                .iter()
                .map(|(first, last)| (at(*first), at(*last)))
                .collect(),
        )
    }

    #[test]
    fn only_long_silence_that_no_capture_covers_counts() {
        assert_eq!(gaps(&[]), Gaps::default());
        assert_eq!(gaps(&[(0, 10), (310, 400)]).count, 0);
        let one = gaps(&[(400, 500), (0, 10), (5, 60)]);
        assert_eq!((one.count, one.total_ns), (1, 340_000_000_000));
        // One capture runs through.
        assert_eq!(gaps(&[(0, 10), (0, 1000), (900, 1000)]).count, 0);
        assert_eq!(
            gaps(&[(0, 10), (3_610, 3_700), (180_000, 180_001)]).count,
            2
        );
    }
}
