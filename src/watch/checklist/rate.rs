//! How fast packets come.

use std::collections::VecDeque;
use std::time::Duration;

use super::super::events::Moment;

/// Rates are those of the last so long: shorter they jump, longer they lag.
const WINDOW: Duration = Duration::from_secs(2);

/// Packets and bytes of the last moments.
#[derive(Debug, Default)]
pub(super) struct Rate {
    /// Time since the start, packets, bytes; oldest first.
    counts: VecDeque<(Duration, u64, u64)>,
}

impl Rate {
    pub fn take(&mut self, moment: &Moment) {
        let now = moment.since_start;
        self.counts
            .push_back((now, moment.packets(), moment.bytes()));
        // The last one before the window stays, so that all of it is covered.
        while self.counts.len() > 2 && self.counts[1].0 + WINDOW <= now {
            self.counts.pop_front();
        }
    }

    /// Packets and bytes a second.
    pub fn current(&self) -> (u64, u64) {
        let (Some(first), Some(last)) = (self.counts.front(), self.counts.back()) else {
            return (0, 0);
        };
        let time = last.0.saturating_sub(first.0).as_millis();
        let rate = |from: u64, to: u64| {
            let rate = u128::from(to.saturating_sub(from)) * 1000;
            let rate = rate.checked_div(time).unwrap_or_default();
            u64::try_from(rate).unwrap_or(u64::MAX)
        };
        (rate(first.1, last.1), rate(first.2, last.2))
    }
}
