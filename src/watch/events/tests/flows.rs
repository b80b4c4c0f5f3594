//! Unexpected flows, and other things that settle.

use super::*;
use crate::verdict::{AcceptedFinding, AuditLimit, Finding};

fn finding() -> Finding {
    let audit = sample::audit();
    let mut findings = audit.unexpected.into_iter();
    findings
        .find(|finding| finding.accepted.is_none() && finding.responder.port.is_some())
        .expect("the sample has one")
}

fn with(findings: Vec<Finding>) -> Audit {
    Audit {
        unexpected: findings,
        ..empty()
    }
}

#[test]
fn is_told_once_when_it_has_held() {
    let (none, one) = (empty(), with(vec![finding()]));
    let mut teller = begun();
    let looks = [(1000, &one), (1750, &one), (2000, &one), (2250, &one)];
    let nothing: Vec<&str> = vec![];
    let expected = [
        nothing.clone(),
        nothing.clone(),
        vec!["flow-unexpected"],
        nothing.clone(),
    ];
    assert_eq!(told(&mut teller, &looks), expected);
    assert!(teller.has_told(&finding()));

    // Gone for a moment only, then for good, then back.
    let looks = [
        (2500, &none),
        (2750, &one),
        (3000, &none),
        (3750, &none),
        (4000, &none),
        (4250, &one),
        (5250, &one),
    ];
    let expected = [
        nothing.clone(),
        nothing.clone(),
        nothing.clone(),
        nothing.clone(),
        vec!["flow-withdrawn"],
        nothing,
        vec!["flow-unexpected"],
    ];
    assert_eq!(told(&mut teller, &looks), expected);
}

#[test]
fn one_that_does_not_hold_is_never_told() {
    let (none, one) = (empty(), with(vec![finding()]));
    let mut teller = begun();
    let looks = [
        (1000, &one),
        (1900, &one),
        (1950, &none),
        (2900, &one),
        (3800, &one),
    ];
    assert!(told(&mut teller, &looks).concat().is_empty());
}

#[test]
fn an_accepted_one_is_not_told() {
    let accepted = Finding {
        accepted: Some(AcceptedFinding {
            text: "any -> any tcp/1".into(),
            reason: "known".into(),
        }),
        ..finding()
    };
    let audit = with(vec![accepted]);
    let mut teller = begun();
    let events = teller.tell_last(&audit, &moment(9000), Ended::Duration);
    assert_eq!(codes(&events), ["watch-ended"]);
}

#[test]
fn one_that_is_folded_into_a_larger_one_is_not_withdrawn() {
    let one = finding();
    let mut larger = Finding {
        id: "larger".into(),
        flows: 100,
        ..one.clone()
    };
    larger.responder.port = None;
    larger.responder.ports = vec![(1, 100)];
    let mut teller = begun();
    let (before, after) = (with(vec![one]), with(vec![larger]));
    let looks = [
        (1000, &before),
        (2000, &before),
        (2250, &after),
        (5000, &after),
        (9000, &after),
    ];
    assert_eq!(
        told(&mut teller, &looks).concat(),
        ["flow-unexpected", "flow-unexpected"]
    );
}

#[test]
fn a_full_list_withdraws_nothing() {
    let full = Audit {
        limits: vec![AuditLimit {
            limit: "findings",
            value: 10_000,
            reached: 1,
        }],
        ..empty()
    };
    let one = with(vec![finding()]);
    let mut teller = begun();
    let looks = [
        (1000, &one),
        (2000, &one),
        (2250, &full),
        (9000, &full),
        (9250, &one),
        (12_000, &one),
    ];
    assert_eq!(told(&mut teller, &looks).concat(), ["flow-unexpected"]);
}

#[test]
fn what_has_no_room_waits_and_is_counted_at_the_end() {
    let many = (0..12_500).map(|number| Finding {
        id: format!("f{number}"),
        ..finding()
    });
    let audit = with(many.collect());
    let mut teller = begun();
    let looks = [(1000, &audit), (2000, &audit), (2250, &audit)];
    let counts = told(&mut teller, &looks)
        .iter()
        .map(Vec::len)
        .collect::<Vec<_>>();
    assert_eq!(counts, [0, 1000, 1000]);
    let last = teller.tell_last(&audit, &moment(2500), Ended::Packets);
    assert_eq!(last.len(), 10_001);
    let Some(EventKind::WatchEnded(ended)) = last.last().map(|event| &event.kind) else {
        panic!("the last says that it ended");
    };
    assert_eq!(ended.untold, 500);
}

#[test]
fn a_diagnosis_settles_and_is_taken_back() {
    let none = empty();
    let one = Audit {
        diagnoses: sample::audit().diagnoses[..1].to_vec(),
        ..empty()
    };
    let mut teller = begun();
    let looks = [
        (0, &one),
        (2900, &one),
        (3000, &one),
        (3100, &none),
        (6000, &none),
        (6100, &none),
    ];
    let expected: [&[&str]; 6] = [&[], &[], &["diagnosis"], &[], &[], &["diagnosis-withdrawn"]];
    assert_eq!(told(&mut teller, &looks), expected);
}
