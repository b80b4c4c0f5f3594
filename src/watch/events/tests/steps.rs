//! Required steps and rules.

use super::*;
use crate::verdict::{Requirement, RequirementCause, RequirementState};

use RequirementState::{Degraded, Failed, Missing, NotObservable, NotReached, Satisfied};

fn step(name: &str, host: Option<&str>, state: RequirementState) -> Requirement {
    Requirement {
        id: format!("pxe-boot/{name}"),
        scenario: Some("pxe-boot".into()),
        step: Some(name.into()),
        rules: vec![],
        host: host.map(str::to_owned),
        state,
        cause: (state == Failed).then_some(RequirementCause::Unanswered),
        explanation: "as it is.".into(),
        first: Some(Timestamp(1)),
        frames: vec![],
    }
}

fn of(states: &[RequirementState]) -> Audit {
    let names = ["one", "two", "three"];
    let steps = names.iter().zip(states);
    required(steps.map(|(name, state)| step(name, Some("m1"), *state)))
}

fn required(requirements: impl IntoIterator<Item = Requirement>) -> Audit {
    let requirements: Vec<Requirement> = requirements.into_iter().collect();
    let mut audit = empty();
    for requirement in &requirements {
        let states = &mut audit.totals.requirements;
        *states.entry(requirement.state).or_default() += 1;
    }
    Audit {
        requirements,
        ..audit
    }
}

#[test]
fn what_is_satisfied_is_told_at_once_and_once() {
    let audit = of(&[Satisfied, Missing, NotReached]);
    let more = of(&[Satisfied, Degraded, Satisfied]);
    let mut teller = begun();
    let looks = [(250, &audit), (500, &audit), (750, &more), (1000, &more)];
    let expected: [&[&str]; 4] = [
        &["step-satisfied"],
        &[],
        &["step-satisfied", "step-satisfied"],
        &[],
    ];
    assert_eq!(told(&mut teller, &looks), expected);
}

#[test]
fn a_failure_is_told_when_it_has_held_and_a_recovery_at_once() {
    let failed = of(&[Satisfied, Failed, NotReached]);
    let well = of(&[Satisfied, Satisfied, Missing]);
    let mut teller = begun();
    let looks = [
        (250, &failed),
        (3000, &failed),
        (3250, &failed),
        (3500, &failed),
        (3750, &well),
    ];
    let expected: [&[&str]; 5] = [
        &["step-satisfied"],
        &[],
        &["step-failed"],
        &[],
        &["step-satisfied"],
    ];
    assert_eq!(told(&mut teller, &looks), expected);
    assert!(!teller.speaks_against(&well.requirements[1]));
}

#[test]
fn a_request_that_is_answered_in_time_never_failed() {
    let asked = of(&[Satisfied, Failed, NotReached]);
    let well = of(&[Satisfied, Satisfied, Missing]);
    let mut teller = begun();
    let looks = [(250, &asked), (3200, &asked), (3250, &well), (9000, &well)];
    assert_eq!(
        told(&mut teller, &looks).concat(),
        ["step-satisfied", "step-satisfied"]
    );
}

#[test]
fn another_cause_is_told_too() {
    let first = of(&[Failed]);
    let mut second = first.clone();
    second.requirements[0].cause = Some(RequirementCause::Refused);
    let mut teller = begun();
    let looks = [
        (0, &first),
        (3000, &first),
        (3250, &second),
        (6000, &second),
        (6250, &second),
    ];
    let expected: [&[&str]; 5] = [&[], &["step-failed"], &[], &[], &["step-failed"]];
    assert_eq!(told(&mut teller, &looks), expected);
}

/// A step that failed, and why.
fn explained(explanation: &str) -> Audit {
    let mut audit = of(&[Failed]);
    audit.requirements[0].explanation = explanation.to_owned();
    audit
}

#[test]
fn another_explanation_is_told_too() {
    let early = explained("it went silent.");
    let later = explained("the server does not answer.");
    let ends = [
        (&early, &["watch-ended"][..]),
        (&later, &["step-failed", "watch-ended"][..]),
    ];
    for (end, last) in ends {
        let mut teller = begun();
        // The first words change before they are told: that delays nothing. Those told before are
        // not told again, however long they hold.
        let looks = [
            (0, &early),
            (2000, &later),
            (3000, &later),
            (6000, &later),
            (6250, &early),
            (9000, &early),
            (9250, &early),
            (9500, &early),
            (9750, &later),
            (60_000, &later),
            (60_250, &early),
            (90_000, &early),
        ];
        let expected: [&[&str]; 12] = [
            &[],
            &[],
            &["step-failed"],
            &[],
            &[],
            &[],
            &["step-failed"],
            &[],
            &[],
            &[],
            &[],
            &[],
        ];
        assert_eq!(told(&mut teller, &looks), expected);
        // The last event on a step has the words of the report.
        let events = teller.tell_last(end, &moment(90_250), Ended::Duration);
        assert_eq!(codes(&events), last);
    }
}

#[test]
fn explanations_without_end_are_told_eight_times() {
    let attempt = |number: u64| explained(&format!("attempt {number} failed."));
    let mut teller = begun();
    for number in 0..20 {
        let (at, audit) = (10_000 * number, attempt(number));
        let expected: &[&str] = if number < 8 { &["step-failed"] } else { &[] };
        let looks = [(at, &audit), (at + 3000, &audit), (at + 9000, &audit)];
        assert_eq!(told(&mut teller, &looks).concat(), expected, "{number}");
    }
    let events = teller.tell_last(&attempt(19), &moment(200_000), Ended::Duration);
    assert_eq!(codes(&events), ["step-failed", "watch-ended"]);
}

#[test]
fn a_step_that_fails_anew_is_explained_anew() {
    let (early, later) = (explained("it went silent."), explained("refused."));
    let well = of(&[Satisfied]);
    let mut teller = begun();
    let looks = [
        (0, &early),
        (3000, &early),
        (3250, &later),
        (6250, &later),
        (6500, &well),
        (6750, &later),
        (9750, &later),
        (10_000, &early),
        (13_000, &early),
    ];
    let expected: [&[&str]; 9] = [
        &[],
        &["step-failed"],
        &[],
        &["step-failed"],
        &["step-satisfied"],
        &[],
        &["step-failed"],
        &[],
        &["step-failed"],
    ];
    assert_eq!(told(&mut teller, &looks), expected);
}

#[test]
fn only_a_machine_that_has_begun_is_overdue() {
    let idle = required([step("one", None, Missing), step("two", None, NotReached)]);
    let mut teller = begun();
    assert!(
        told(&mut teller, &[(250, &idle), (60_000, &idle)])
            .concat()
            .is_empty()
    );
    let stuck = of(&[Satisfied, Missing, NotReached]);
    let looks = [
        (70_000, &stuck),
        (89_000, &stuck),
        (90_000, &stuck),
        (99_000, &stuck),
    ];
    let expected: [&[&str]; 4] = [&["step-satisfied"], &[], &["step-missing"], &[]];
    assert_eq!(told(&mut teller, &looks), expected);
    assert!(teller.speaks_against(&stuck.requirements[1]));
}

#[test]
fn the_end_tells_whatever_is_missing() {
    let idle = required([step("one", None, Missing), step("two", None, NotReached)]);
    let mut teller = begun();
    let events = teller.tell_last(&idle, &moment(250), Ended::Signal("SIGINT"));
    assert_eq!(codes(&events), ["step-missing", "watch-ended"]);
    let json: serde_json::Value = serde_json::from_str(&events[1].json()).expect("a JSON object");
    assert_eq!(json["why"], "signal");
    assert_eq!(json["signal"], "SIGINT");
    assert_eq!(json["satisfied"], false);
}

#[test]
fn a_step_that_is_open_again_is_told_where_that_lasts() {
    let done = of(&[Satisfied]);
    let open = of(&[NotObservable]);
    let mut teller = begun();
    // Between two small files, and in the middle of a large one.
    let looks = [
        (250, &done),
        (500, &open),
        (3000, &open),
        (3250, &done),
        (3500, &open),
        (6500, &open),
        (6750, &open),
        (7000, &done),
    ];
    let expected: [&[&str]; 8] = [
        &["step-satisfied"],
        &[],
        &[],
        &[],
        &[],
        &["step-reopened"],
        &[],
        &["step-satisfied"],
    ];
    assert_eq!(told(&mut teller, &looks), expected);
}

#[test]
fn a_machine_known_by_another_name_takes_its_steps_back() {
    let by_address = required([step("one", Some("10.1.0.5"), Satisfied)]);
    let by_name = of(&[Satisfied]);
    let mut teller = begun();
    let looks = [(250, &by_address), (500, &by_name), (3500, &by_name)];
    let expected: [&[&str]; 3] = [
        &["step-satisfied"],
        &["step-satisfied"],
        &["step-withdrawn"],
    ];
    assert_eq!(told(&mut teller, &looks), expected);
}

#[test]
fn is_satisfied_when_nothing_is_waited_for() {
    let satisfied = |audit: &Audit| is_satisfied(audit).satisfied;
    assert!(!satisfied(&empty()), "nothing required, nothing satisfied");
    assert!(satisfied(&of(&[Satisfied, Degraded, NotObservable])));
    assert!(!satisfied(&of(&[NotObservable])));
    for state in [Failed, Missing, NotReached] {
        let audit = of(&[Satisfied, state]);
        let found = is_satisfied(&audit);
        assert!(!found.satisfied);
        assert_eq!(found.open_count, 1);
        assert_eq!(found.open[0].what, "pxe-boot/two");
        assert_eq!(found.open[0].host.as_deref(), Some("m1"));
        assert_eq!(found.open[0].state, state.code());
    }
    // The sums count what the list has no room for.
    let mut cut = of(&[Satisfied]);
    cut.totals.requirements.insert(Missing, 1);
    assert!(!satisfied(&cut));
}

#[test]
fn a_file_under_way_is_waited_for_where_a_boot_is_required() {
    let mut audit = of(&[Satisfied, NotObservable]);
    let sample = sample::audit();
    audit.pxe = sample.pxe;
    audit.tftp = sample.tftp;
    audit.pxe[0].boot.reads = vec![0];
    assert!(is_satisfied(&audit).satisfied);
    audit.tftp[0].outcome = crate::evidence::TransferOutcome::Open;
    let found = is_satisfied(&audit);
    assert!(!found.satisfied);
    assert_eq!(found.open[0].what, "smsboot\\x64\\wdsmgfw.efi");
    for requirement in &mut audit.requirements {
        requirement.scenario = None;
    }
    assert!(is_satisfied(&audit).satisfied);
}
