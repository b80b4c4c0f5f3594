//! What a live run tells, by comparing the audit of what was seen so far with what was told
//! before. Each thing is told once. An early verdict may turn with the next packet, so what speaks
//! against a network is told only once it has held for a while; what is satisfied, at once. Where
//! a thing told before turns all the same, that is told too: the last event on it holds.

mod boots;
mod event;
mod ledger;
mod moment;
mod round;
mod satisfaction;
mod tellers;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeSet;
use std::time::Duration;

pub(super) use boots::reading;
pub use event::{
    Begun, ClockJump, Ended, Event, EventKind, InterfaceChange, KINDS, Loss, SCHEMA, WatchEnded,
    WithdrawnDiagnosis, WithdrawnEnd, WithdrawnFlow, WithdrawnStep,
};
pub use moment::{Interface, InterfaceState, Moment};
pub use satisfaction::{OpenPoint, Satisfaction, is_satisfied};
pub use text::line;

use self::round::Round;
use self::tellers::{Clock, Diagnoses, Endpoints, Flows, Interfaces, Losses, Steps, Transfers};
use crate::net::Timestamp;
use crate::report::model::{Site, Tool};
use crate::verdict::{Audit, Diagnosis, Finding, Requirement};

/// What was told so far. Memory: what the lists of the audit hold, each with its key.
#[derive(Debug, Default)]
pub struct Teller {
    has_begun: bool,
    clock: Clock,
    interfaces: Interfaces,
    losses: Losses,
    flows: Flows,
    steps: Steps,
    transfers: Transfers,
    endpoints: Endpoints,
    diagnoses: Diagnoses,
}

impl Teller {
    /// What is new since the last call. The first call tells that the watch began.
    pub fn tell(&mut self, audit: &Audit, moment: &Moment) -> Vec<Event> {
        let mut round = Round::new(audit, moment.since_start, false);
        self.go_round(moment, &mut round);
        dated(moment, round.finish())
    }

    /// What is left to tell at the end: nothing more has to settle, and what is missing is told.
    pub fn tell_last(&mut self, audit: &Audit, moment: &Moment, why: Ended) -> Vec<Event> {
        let mut round = Round::new(audit, moment.since_start, true);
        self.go_round(moment, &mut round);
        let ended = EventKind::WatchEnded(WatchEnded {
            why: why.code(),
            signal: why.signal(),
            packets: moment.packets(),
            bytes: moment.bytes(),
            kernel_drops: moment.dropped(),
            satisfied: is_satisfied(audit).satisfied,
            untold: round.untold,
        });
        dated(moment, round.finish().chain([ended]))
    }

    /// Whether it was told last that this failed, or is missing.
    pub fn speaks_against(&self, requirement: &Requirement) -> bool {
        self.steps.speaks_against(requirement)
    }

    /// Whether a finding was told.
    pub fn has_told(&self, finding: &Finding) -> bool {
        self.flows.has_told(finding)
    }

    /// Whether a diagnosis was told.
    pub fn has_told_diagnosis(&self, diagnosis: &Diagnosis) -> bool {
        self.diagnoses.has_told(diagnosis)
    }

    fn go_round(&mut self, moment: &Moment, round: &mut Round<'_>) {
        if !self.has_begun {
            self.has_begun = true;
            let begun = begun(round.audit, moment);
            round.tell(Timestamp::UNKNOWN, EventKind::WatchBegun(begun));
        }
        self.clock.tell(moment, round);
        self.interfaces.tell(moment, round);
        self.losses.tell(moment, round);
        // What calls for action first, where there is not room for all.
        self.steps.tell(round);
        self.diagnoses.tell(round);
        self.flows.tell(round);
        self.transfers.tell(round);
        self.endpoints.tell(round);
    }
}

fn begun(audit: &Audit, moment: &Moment) -> Begun {
    let interfaces = moment.interfaces.iter();
    let mut known = BTreeSet::new();
    let ids = audit.requirements.iter().map(|requirement| &requirement.id);
    let requirements = ids.filter(|id| known.insert(*id)).map(|id| escaped(id));
    Begun {
        schema: SCHEMA,
        tool: Tool::THIS,
        site: Site::new(&audit.site),
        interfaces: interfaces.map(|one| escaped(&one.name)).collect(),
        requirements: requirements.collect(),
    }
}

fn dated(moment: &Moment, kinds: impl Iterator<Item = EventKind>) -> Vec<Event> {
    let event = |kind| Event {
        at: moment.now,
        elapsed: moment.since_start,
        kind,
    };
    kinds.map(event).collect()
}

fn escaped(text: &str) -> String {
    crate::report::escape::line(text).into_owned()
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
