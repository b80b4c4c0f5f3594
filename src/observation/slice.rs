//! Slices of a part: what was seen of a live capture since the last look, handed on while the
//! capture goes on.

use std::time::Duration;

use super::capture::CapturePiece;
use super::{LogEntry, Part};
use crate::capture::Frame;
use crate::flow::{FlowKey, Idle};
use crate::net::Timestamp;

/// Fragments wait for so long for the first of their datagram, which comes within 60 seconds or
/// not at all.
const FRAGMENTS_WAIT_NS: i64 = 120_000_000_000;

impl Part {
    /// Adds the next frame of the piece. [`Part::settle`] or [`Part::take_slice`] must come before
    /// anything is read of the part.
    #[inline]
    pub fn add_one(&mut self, frame: &Frame<'_>) {
        self.add_unsettled(std::slice::from_ref(frame));
    }

    /// Takes out what was seen since the last slice. The part goes on in the same piece, and knows
    /// what came before wherever that matters for what follows; the slice says of the capture
    /// what holds up to now, not only since the last one.
    pub fn take_slice(&mut self) -> Self {
        self.settle();
        let next = Self {
            window: self.window,
            flows: self.flows.following(),
            watched: self.watched,
            last_link_type: self.last_link_type,
            ..Self::default()
        };
        let mut slice = std::mem::replace(self, next);
        self.pieces = slice.pieces.iter_mut().map(CapturePiece::go_on).collect();
        slice
    }

    /// Adds the next slice of the same captures, at a cost that depends on the slice and not on
    /// what is there. An empty part takes the first one.
    pub fn append(&mut self, mut slice: Self) {
        self.flows.append(std::mem::take(&mut slice.flows));
        self.log.append(&std::mem::take(&mut slice.log));
        self.pieces = std::mem::take(&mut slice.pieces);
        self.add_sums(slice);
    }

    /// Says that all packets up to this time were seen: what is under way is judged by it, and not
    /// by the last packet, which a silent wire may have carried long ago.
    pub fn watched_until(&mut self, now: Timestamp) {
        self.watched = Some(now);
    }

    /// Lays fragments at their flows once nothing more of their datagrams is to come. The clock of
    /// whoever watches counts, here and below, as packets may come from any time.
    pub fn settle_fragments(&mut self, now: Timestamp) {
        let span = span(now, FRAGMENTS_WAIT_NS);
        let without_first = self.fragments.settle_old(span, &mut self.flows);
        self.count_without_first(without_first);
    }

    /// Folds what was silent for so long by now: flows as those beyond the bound are, ICMP errors
    /// with them; fragments are settled. It frees memory in a capture that goes on for ever.
    ///
    /// `keeps` names flows that must go on to stand by themselves. The report says in `limits`
    /// how many flows were retired.
    pub fn retire(&mut self, now: Timestamp, idle: Duration, keeps: &dyn Fn(&FlowKey) -> bool) {
        self.settle_fragments(now);
        let [before, after] = span(now, i64::try_from(idle.as_nanos()).unwrap_or(i64::MAX));
        self.flows.retire(&Idle {
            before,
            after,
            keeps,
        });
        self.flows.retire_errors(&mut self.errors, before);
        self.idle = Some(idle.as_secs());
    }

    /// Drops what the trackers need no more: what it showed is known to whoever says so.
    pub fn retire_log(&mut self, is_needed: impl Fn(&LogEntry<'_>) -> bool) {
        self.log.retire(is_needed);
    }

    /// Frames of its captures, those of earlier slices too.
    pub fn packets(&self) -> u64 {
        self.captures().map(|capture| capture.packets).sum()
    }
}

/// So long before now, and so long after it.
fn span(now: Timestamp, length: i64) -> [Timestamp; 2] {
    let from = |time: i64| Timestamp(time.max(i64::MIN + 1));
    let (before, after) = (now.0.saturating_sub(length), now.0.saturating_add(length));
    [from(before), from(after)]
}
