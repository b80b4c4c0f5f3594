//! TFTP transfers, and RPC endpoints.

use super::*;
use crate::evidence::{Transfer, TransferOutcome};

use TransferOutcome::{Complete, Open, Stalled, Unanswered};

fn with(outcomes: &[TransferOutcome]) -> Audit {
    let transfer = |outcome: &TransferOutcome| Transfer {
        outcome: *outcome,
        ..sample::audit().tftp[0].clone()
    };
    Audit {
        tftp: outcomes.iter().map(transfer).collect(),
        ..empty()
    }
}

#[test]
fn begins_and_ends_once() {
    let (asked, open, done) = (with(&[Unanswered]), with(&[Open]), with(&[Complete]));
    let mut teller = begun();
    let looks = [
        (250, &asked),
        (500, &open),
        (9000, &open),
        (9250, &done),
        (9500, &done),
    ];
    let expected: [&[&str]; 5] = [&["transfer-begun"], &[], &[], &["transfer-ended"], &[]];
    assert_eq!(told(&mut teller, &looks), expected);
}

#[test]
fn one_that_is_over_when_it_is_seen_begins_too() {
    let done = with(&[Complete]);
    let mut teller = begun();
    assert_eq!(
        told(&mut teller, &[(250, &done)]).concat(),
        ["transfer-begun", "transfer-ended"]
    );
}

#[test]
fn silence_settles_and_may_end() {
    let (asked, stalled, done) = (with(&[Unanswered]), with(&[Stalled]), with(&[Complete]));
    let mut teller = begun();
    let looks = [
        (250, &asked),
        (3250, &asked),
        (3500, &stalled),
        (6500, &stalled),
        (6750, &done),
    ];
    let expected: [&[&str]; 5] = [
        &["transfer-begun"],
        &["transfer-ended"],
        &[],
        &["transfer-ended"],
        &["transfer-ended"],
    ];
    assert_eq!(told(&mut teller, &looks), expected);
}

#[test]
fn one_that_goes_on_after_all_is_told() {
    let (stalled, open, done) = (with(&[Stalled]), with(&[Open]), with(&[Complete]));
    let mut teller = begun();
    let looks = [
        (250, &stalled),
        (3250, &stalled),
        (3500, &open),
        (3750, &open),
        (4000, &stalled),
        (7000, &stalled),
        (7250, &done),
    ];
    let expected: [&[&str]; 7] = [
        &["transfer-begun"],
        &["transfer-ended"],
        &["transfer-resumed"],
        &[],
        &[],
        &["transfer-ended"],
        &["transfer-ended"],
    ];
    assert_eq!(told(&mut teller, &looks), expected);
}

#[test]
fn several_of_one_port_are_told_apart() {
    let (one, two) = (with(&[Complete]), with(&[Complete, Open]));
    let mut teller = begun();
    let looks = [(250, &one), (500, &two), (750, &two)];
    let expected: [&[&str]; 3] = [
        &["transfer-begun", "transfer-ended"],
        &["transfer-begun"],
        &[],
    ];
    assert_eq!(told(&mut teller, &looks), expected);
}

#[test]
fn an_endpoint_is_told_at_once_and_once() {
    let audit = Audit {
        rpc: sample::audit().rpc,
        ..empty()
    };
    let mut teller = begun();
    let told = told(&mut teller, &[(250, &audit), (500, &audit)]);
    assert_eq!(told[0], vec!["endpoint-learned"; audit.rpc.len()]);
    assert!(told[1].is_empty());
}
