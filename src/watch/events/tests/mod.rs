//! What is told of audits made by hand: when, once, and taken back where it turns.

mod flows;
mod network;
mod steps;
mod transfers;
mod whole;

use std::time::Duration;

use super::*;
use crate::report::sample;

/// The sample audit with nothing in it.
fn empty() -> Audit {
    Audit {
        site: sample::audit().site,
        ..Audit::default()
    }
}

/// So many milliseconds after the start, with one interface.
fn moment(milliseconds: u64) -> Moment {
    Moment {
        now: Timestamp(1_767_600_000_000_000_000 + milliseconds as i64 * 1_000_000),
        since_start: Duration::from_millis(milliseconds),
        interfaces: vec![Interface {
            name: "br0".into(),
            packets: milliseconds,
            bytes: 100 * milliseconds,
            dropped: Some(0),
            state: InterfaceState::Up,
        }],
    }
}

/// A teller that has told of the beginning.
fn begun() -> Teller {
    let mut teller = Teller::default();
    let events = teller.tell(&empty(), &moment(0));
    assert_eq!(codes(&events), ["watch-begun"]);
    teller
}

fn codes(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(|event| event.kind.code()).collect()
}

/// The codes of what is told of these audits, each at its time in milliseconds.
fn told(teller: &mut Teller, looks: &[(u64, &Audit)]) -> Vec<Vec<&'static str>> {
    let looks = looks.iter();
    looks
        .map(|(at, audit)| codes(&teller.tell(audit, &moment(*at))))
        .collect()
}
