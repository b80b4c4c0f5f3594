//! What should be there and is not, and what could not be judged.

use std::io;

use super::units::{count, moment, number};
use super::{Ink, Pen, capped, frames, summary};
use crate::report::Report;
use crate::report::model::Requirement;
use crate::verdict::RequirementState;

const BODY: usize = 4;
const VALUES: usize = 13;

/// What calls for action, worst first.
const UNMET: [RequirementState; 3] = [
    RequirementState::Failed,
    RequirementState::Missing,
    RequirementState::Degraded,
];

/// Failed, missing and degraded ones, in this order.
pub(super) fn unmet(report: &Report, pen: &mut Pen<'_>) -> io::Result<()> {
    let unmet = in_states(report, &UNMET);
    if unmet.is_empty() {
        return Ok(());
    }
    let states = &report.totals.requirements;
    let in_states = UNMET.iter().map(|state| states.get(state.code()));
    let remark = format!(
        "{} of {}",
        number(in_states.flatten().sum()),
        count(states.values().sum(), "requirement")
    );
    pen.heading("Not satisfied", &remark)?;
    capped(pen, &unmet, |pen, _, requirement| {
        entry(report, pen, requirement)
    })
}

fn entry(report: &Report, pen: &mut Pen<'_>, requirement: &Requirement) -> io::Result<()> {
    pen.gap()?;
    let ink = if requirement.state == RequirementState::Degraded {
        Ink::Doubtful
    } else {
        Ink::Bad
    };
    let cause = requirement
        .cause
        .map(|cause| format!("({cause})"))
        .unwrap_or_default();
    let (id, host) = subject(requirement);
    pen.words(
        2,
        BODY,
        &[
            (ink, requirement.state.code()),
            (ink, &cause),
            (Ink::Strong, &id),
            (Ink::Plain, &host),
        ],
    )?;
    pen.words(BODY, BODY, &[(Ink::Plain, &requirement.explanation)])?;
    if let Some(first) = &requirement.first {
        let seen = format!("{} UTC", moment(first));
        pen.labelled(BODY, VALUES, "first", &[(Ink::Plain, &seen)])?;
    }
    let frames = frames(&requirement.frames);
    if !frames.is_empty() {
        pen.labelled(BODY, VALUES, "look at", &[(Ink::Plain, &frames)])?;
    }
    if requirement.state == RequirementState::Missing {
        let loss = summary::loss_text(report);
        pen.labelled(BODY, VALUES, "capture", &[(Ink::Faint, &loss)])?;
    }
    if !requirement.rules.is_empty() {
        let rules = requirement.rules.join(", ");
        pen.labelled(BODY, VALUES, "rules", &[(Ink::Faint, &rules)])?;
    }
    Ok(())
}

/// What says nothing either way, by name, so that nobody takes it for satisfied.
pub(super) fn unjudged(report: &Report, pen: &mut Pen<'_>) -> io::Result<()> {
    let unjudged = in_states(
        report,
        &[
            RequirementState::NotReached,
            RequirementState::NotObservable,
            RequirementState::NotApplicable,
        ],
    );
    if unjudged.is_empty() {
        return Ok(());
    }
    pen.heading("Not judged", "neither satisfied nor a finding")?;
    let alike: Vec<&[&Requirement]> = unjudged
        .chunk_by(|one, next| are_alike(one, next))
        .collect();
    capped(pen, &alike, |pen, _, requirements| {
        let requirement = requirements[0];
        let (id, host) = subject(requirement);
        let others = requirements[1..]
            .iter()
            .filter_map(|other| other.step.as_deref());
        let id = others.fold(id, |id, step| format!("{id}, {step}"));
        let explanation = format!(" {}", requirement.explanation);
        pen.words(
            2,
            BODY,
            &[
                (Ink::Faint, requirement.state.code()),
                (Ink::Plain, &id),
                (Ink::Plain, &host),
                (Ink::Faint, &explanation),
            ],
        )
    })
}

/// Whether the same is said of two steps of one run.
fn are_alike(one: &Requirement, other: &Requirement) -> bool {
    let said = |entry: &Requirement| (entry.host.clone(), entry.explanation.clone());
    one.scenario.is_some() && one.scenario == other.scenario && said(one) == said(other)
}

/// What is required of whom, each standing apart from what comes before.
fn subject(requirement: &Requirement) -> (String, String) {
    let host = requirement.host.as_deref().unwrap_or_default();
    (format!(" {}", requirement.id), format!(" {host}"))
}

/// The requirements in these states, state by state.
fn in_states<'a>(report: &'a Report, states: &[RequirementState]) -> Vec<&'a Requirement> {
    let mut found = Vec::new();
    for state in states {
        let entries = report.requirements.iter();
        found.extend(entries.filter(|requirement| requirement.state == *state));
    }
    found
}
