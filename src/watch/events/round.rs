//! One telling: its time, what it has room for, and the events so far.

use std::time::Duration;

use super::event::EventKind;
use crate::net::Timestamp;
use crate::report::model::Places;
use crate::verdict::Audit;

/// Events of one telling. A scan may make ten thousand findings in a second: what has no room
/// waits for the next telling.
const MAX_EVENTS: usize = 1_000;
/// Events of the last one; the whole report follows it.
const MAX_LAST_EVENTS: usize = 10_000;

/// One telling.
pub(super) struct Round<'a> {
    /// What is told of.
    pub audit: &'a Audit,
    /// Names of its captures.
    pub places: Places,
    /// Time since the watch began.
    pub now: Duration,
    /// Whether no other follows: nothing is left to settle.
    pub is_last: bool,
    room: usize,
    /// Due, but without room.
    pub untold: u64,
    events: Vec<(Timestamp, bool, EventKind)>,
}

impl<'a> Round<'a> {
    pub fn new(audit: &'a Audit, now: Duration, is_last: bool) -> Self {
        Self {
            audit,
            places: Places::new(&audit.captures),
            now,
            is_last,
            room: match is_last {
                true => MAX_LAST_EVENTS,
                false => MAX_EVENTS,
            },
            untold: 0,
            events: Vec::new(),
        }
    }

    /// Whether there is room for an event; if so it is taken.
    pub fn takes(&mut self) -> bool {
        let Some(room) = self.room.checked_sub(1) else {
            self.untold += 1;
            return false;
        };
        self.room = room;
        true
    }

    /// Adds an event that a packet of that time shows.
    pub fn tell(&mut self, shown: Timestamp, kind: EventKind) {
        let is_judged = !matches!(
            kind,
            EventKind::TransferBegun(_)
                | EventKind::TransferEnded(_)
                | EventKind::TransferResumed(_)
                | EventKind::EndpointLearned(_)
        );
        self.events.push((shown, is_judged, kind));
    }

    /// Adds an event that the clock shows.
    pub fn tell_now(&mut self, kind: EventKind) {
        self.tell(Timestamp::MAX, kind);
    }

    /// Whether a list of the audit is cut at its bound.
    pub fn is_full(&self, list: &str) -> bool {
        self.audit.limits.iter().any(|limit| limit.limit == list)
    }

    /// The events in the order of the packets that show them; of one packet, first what happened,
    /// then what it means.
    pub fn finish(self) -> impl Iterator<Item = EventKind> {
        let mut events = self.events;
        events.sort_by_key(|(shown, is_judged, _)| (*shown, *is_judged));
        events.into_iter().map(|(.., kind)| kind)
    }
}
