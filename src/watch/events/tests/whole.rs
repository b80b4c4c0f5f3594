//! The events of an audit that holds an example of everything; its texts are hostile.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::watch::events::ledger::Ledger;
use crate::watch::events::round::Round;

fn everything() -> Vec<Event> {
    let mut teller = Teller::default();
    let audit = sample::audit();
    let mut events = teller.tell(&audit, &moment(250));
    let mut down = moment(12_345);
    down.interfaces[0].state = InterfaceState::Down;
    down.interfaces[0].dropped = Some(7);
    down.now.0 += 5_000_000_000;
    events.extend(teller.tell(&audit, &down));
    events.extend(teller.tell(&empty(), &moment(20_000)));
    events.extend(teller.tell(&empty(), &moment(30_000)));
    let mut gone = moment(40_000);
    gone.interfaces[0].state = InterfaceState::Gone;
    events.extend(teller.tell_last(&audit, &gone, Ended::Gone));
    events
}

#[test]
fn as_json_lines() {
    let lines: Vec<String> = everything().iter().map(Event::json).collect();
    let version = env!("CARGO_PKG_VERSION");
    let text = lines.join("\n").replace(
        &format!("\"version\":\"{version}\""),
        "\"version\":\"[version]\"",
    );
    insta::assert_snapshot!(text);
    for line in &lines {
        assert!(!line.chars().any(char::is_control), "{line:?}");
        let value: Value = serde_json::from_str(line).expect("a JSON object");
        assert_eq!(value["type"], "event");
        assert!(value["time"].is_string() && value["elapsed"].is_number());
        let code = value["event"].as_str().expect("a code");
        assert!(KINDS.iter().any(|(known, _)| *known == code), "{code}");
    }
}

#[test]
fn as_lines_for_logs() {
    let lines: Vec<String> = everything().iter().map(line).collect();
    insta::assert_snapshot!(lines.join("\n"));
    assert!(!lines.iter().any(|line| line.chars().any(char::is_control)));
}

#[test]
fn kinds_have_codes_of_their_own() {
    let codes: BTreeSet<&str> = KINDS.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes.len(), KINDS.len());
    let seen: BTreeSet<&str> = codes_of(&everything());
    // Those that take a history of their own are told in the tests of each.
    let others = ["interface-up", "step-reopened", "transfer-resumed"];
    let seen: BTreeSet<&str> = seen.into_iter().chain(others).collect();
    assert_eq!(seen, codes);
}

fn codes_of(events: &[Event]) -> BTreeSet<&'static str> {
    codes(events).into_iter().collect()
}

proptest! {
    #[test]
    fn the_same_is_never_told_twice_in_a_row(
        looks in proptest::collection::vec((0_u64..1500, proptest::option::of(0_u8..3)), 1..60)
    ) {
        let audit = empty();
        let mut ledger: Ledger<&str, u8> = Ledger::default();
        let (mut told, mut now, mut since, mut stands) = (0, 0, 0, None);
        for (passed, state) in looks {
            now += passed;
            if state != stands {
                (since, stands) = (now, state);
            }
            let mut round = Round::new(&audit, Duration::from_millis(now), false);
            ledger.begin();
            if let Some(state) = state {
                if ledger.stands("it", state, seconds(2), &mut round) {
                    prop_assert_ne!(state, told);
                    prop_assert!(now - since >= 2000);
                    told = state;
                }
                // What has held that long was told.
                prop_assert!(now - since < 2000 || told == state);
            }
            let gone = ledger.gone(seconds(2), false, &mut round);
            if let [(_, taken_back)] = gone[..] {
                prop_assert!(state.is_none() && now - since >= 2000);
                prop_assert_eq!(taken_back, told);
                told = 0;
            }
        }
    }
}
