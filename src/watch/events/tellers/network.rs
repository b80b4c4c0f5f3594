//! What the interfaces and the clock tell, besides their packets.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::event::{self, ClockJump, EventKind, InterfaceChange};
use super::super::moment::{InterfaceState, Moment};
use super::super::round::Round;
use super::super::{escaped, seconds};
use crate::net::Timestamp;

/// Losses come in bursts: one line tells of all in this time.
const LOSSES_GATHER: Duration = seconds(5);
/// A clock that is only drawn to the right time is off by less between two tellings.
const JUMP_NS: i128 = 1_000_000_000;

/// Tells of what was lost.
#[derive(Debug, Default)]
pub(in super::super) struct Losses {
    kernel_drops: u64,
    sequence_gaps: u64,
    at: Option<Duration>,
}

impl Losses {
    pub fn tell(&mut self, moment: &Moment, round: &mut Round<'_>) {
        let waits = self
            .at
            .is_some_and(|at| round.now.saturating_sub(at) < LOSSES_GATHER);
        if waits && !round.is_last {
            return;
        }
        let kernel_drops = moment.dropped();
        let sequence_gaps = round.audit.loss.sequence_gaps;
        let new_kernel_drops = kernel_drops
            .unwrap_or_default()
            .saturating_sub(self.kernel_drops);
        // A segment that comes late closes a gap again.
        let new_sequence_gaps = sequence_gaps.saturating_sub(self.sequence_gaps);
        if new_kernel_drops == 0 && new_sequence_gaps == 0 {
            return;
        }
        self.kernel_drops += new_kernel_drops;
        self.sequence_gaps += new_sequence_gaps;
        self.at = Some(round.now);
        round.tell_now(EventKind::Loss(event::Loss {
            kernel_drops,
            sequence_gaps,
            new_kernel_drops,
            new_sequence_gaps,
        }));
    }
}

/// Tells of interfaces that go and come.
#[derive(Debug, Default)]
pub(in super::super) struct Interfaces {
    states: BTreeMap<String, InterfaceState>,
}

impl Interfaces {
    pub fn tell(&mut self, moment: &Moment, round: &mut Round<'_>) {
        for interface in &moment.interfaces {
            let before = self.states.insert(interface.name.clone(), interface.state);
            if before.unwrap_or_default() == interface.state {
                continue;
            }
            let change = InterfaceChange {
                interface: escaped(&interface.name),
            };
            round.tell_now(match interface.state {
                InterfaceState::Up => EventKind::InterfaceUp(change),
                InterfaceState::Down => EventKind::InterfaceDown(change),
                InterfaceState::Gone => EventKind::InterfaceGone(change),
            });
        }
    }
}

/// Tells of a wall clock that jumps.
#[derive(Debug, Default)]
pub(in super::super) struct Clock {
    before: Option<(Timestamp, Duration)>,
}

impl Clock {
    pub fn tell(&mut self, moment: &Moment, round: &mut Round<'_>) {
        let now = (moment.now, moment.since_start);
        let Some((wall, steady)) = self.before.replace(now) else {
            return;
        };
        let passed = i128::from(now.0.0) - i128::from(wall.0);
        let steadily = now.1.as_nanos() as i128 - steady.as_nanos() as i128;
        let off = passed - steadily;
        if off.abs() >= JUMP_NS {
            let seconds = (off as f64 / 1e6).round() / 1e3;
            round.tell_now(EventKind::ClockJump(ClockJump { seconds }));
        }
    }
}
