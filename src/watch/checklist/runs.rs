//! Scenarios host by host, and required rules, as they stand.

use std::collections::HashMap;

use super::super::events::Teller;
use crate::evidence::Transfer;
use crate::report::{Ink, escape};
use crate::verdict::{Audit, Requirement, RequirementState};

/// What stands before the usual causes of a failure. They are shown once it is told.
const CAUSES: &str = "; usual causes: ";

/// A scenario for one host.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub scenario: String,
    pub host: Option<String>,
    pub steps: Vec<Step>,
    pub need: Need,
    /// Which step is the first that is missing.
    missing: Option<usize>,
}

/// A step of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub name: String,
    pub mark: Mark,
    /// What is known of it, in a few words.
    pub note: String,
}

/// A required rule.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub id: String,
    pub host: Option<String>,
    pub mark: Mark,
    pub note: String,
    pub need: Need,
}

/// Who needs attention, most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    /// Something failed, or is overdue.
    Failed,
    /// Something is missing as yet.
    Waiting,
    /// Nothing was seen as yet.
    NotBegun,
    /// All is as it should be.
    Satisfied,
}

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Seen.
    Done,
    /// Seen in a documented other way.
    Degraded,
    /// Tried in vain, or overdue.
    Failed,
    /// The next.
    Waiting,
    /// After the next.
    Later,
    /// Not judged.
    Skipped,
}

impl Mark {
    /// As it is shown.
    pub fn sign(self) -> (Ink, &'static str) {
        match self {
            Self::Done => (Ink::Good, "✓"),
            Self::Degraded => (Ink::Doubtful, "✓"),
            Self::Failed => (Ink::Bad, "✗"),
            Self::Waiting => (Ink::Strong, "…"),
            Self::Later => (Ink::Faint, "…"),
            Self::Skipped => (Ink::Faint, "–"),
        }
    }
}

/// Early verdicts turn: a failure is shown as one once it was told.
fn mark(requirement: &Requirement, teller: &Teller) -> Mark {
    match requirement.state {
        RequirementState::Satisfied => Mark::Done,
        RequirementState::Degraded => Mark::Degraded,
        RequirementState::Failed | RequirementState::Missing => {
            match teller.speaks_against(requirement) {
                true => Mark::Failed,
                false => Mark::Waiting,
            }
        }
        RequirementState::NotReached => Mark::Later,
        RequirementState::NotObservable | RequirementState::NotApplicable => Mark::Skipped,
    }
}

/// What is said of a requirement.
fn note(requirement: &Requirement, mark: Mark) -> String {
    let text = escape::line(&requirement.explanation);
    let text = text.trim_end_matches('.');
    match mark {
        Mark::Waiting => {
            let short = text.split_once(CAUSES).map_or(text, |(short, _)| short);
            format!("so far: {short}")
        }
        _ => text.to_owned(),
    }
}

fn escaped(text: Option<&str>) -> Option<String> {
    text.map(|text| escape::line(text).into_owned())
}

/// Scenarios by host, those that need attention first, else in the order of the report.
pub(super) fn runs(
    audit: &Audit,
    teller: &Teller,
    reading: &HashMap<String, &Transfer>,
) -> Vec<Run> {
    let scenarios = audit.requirements.iter();
    let scenarios: Vec<&Requirement> = scenarios.filter(|one| one.scenario.is_some()).collect();
    let is_same = |one: &&Requirement, next: &&Requirement| {
        (&one.scenario, &one.host) == (&next.scenario, &next.host)
    };
    let runs = scenarios.chunk_by(is_same);
    let mut runs: Vec<Run> = runs.map(|steps| Run::new(steps, teller, reading)).collect();
    runs.sort_by_key(|run| run.need);
    runs
}

impl Run {
    /// The first step that is missing.
    pub fn missing(&self) -> Option<&Step> {
        self.steps.get(self.missing?)
    }

    fn new(
        requirements: &[&Requirement],
        teller: &Teller,
        reading: &HashMap<String, &Transfer>,
    ) -> Self {
        let first = requirements[0];
        let transfer = first.host.as_ref().and_then(|host| reading.get(host));
        let steps = requirements.iter();
        let steps: Vec<Step> = steps
            .map(|requirement| Step::new(requirement, teller, transfer.copied()))
            .collect();
        let missing = steps
            .iter()
            .position(|step| matches!(step.mark, Mark::Failed | Mark::Waiting));
        let has_begun = steps
            .iter()
            .any(|step| matches!(step.mark, Mark::Done | Mark::Degraded));
        let need = match missing.map(|missing| steps[missing].mark) {
            Some(Mark::Failed) => Need::Failed,
            Some(_) if has_begun => Need::Waiting,
            Some(_) => Need::NotBegun,
            None => Need::Satisfied,
        };
        Self {
            scenario: escaped(first.scenario.as_deref()).unwrap_or_default(),
            host: escaped(first.host.as_deref()),
            missing,
            steps,
            need,
        }
    }
}

impl Step {
    /// `transfer` is the one that the machine is in the middle of.
    fn new(requirement: &Requirement, teller: &Teller, transfer: Option<&Transfer>) -> Self {
        let name = requirement.step.as_deref().unwrap_or(&requirement.id);
        let name = escape::line(name).into_owned();
        // A step that is not judged, and has the packet of its request, is not judged as yet.
        let under_way = transfer.filter(|transfer| {
            requirement.state == RequirementState::NotObservable
                && requirement.first == Some(transfer.first.time)
        });
        if let Some(transfer) = under_way {
            let file = escape::bytes(transfer.file.bytes());
            return Self {
                name,
                mark: Mark::Waiting,
                note: format!("`{file}` is under way"),
            };
        }
        let mark = mark(requirement, teller);
        Self {
            name,
            mark,
            note: note(requirement, mark),
        }
    }
}

/// Required rules, those that need attention first, else in the order of the report.
pub(super) fn rules(audit: &Audit, teller: &Teller) -> Vec<Rule> {
    let rules = audit.requirements.iter();
    let rules = rules.filter(|one| one.scenario.is_none());
    let mut rules: Vec<Rule> = rules.map(|one| Rule::new(one, teller)).collect();
    rules.sort_by_key(|rule| rule.need);
    rules
}

impl Rule {
    fn new(requirement: &Requirement, teller: &Teller) -> Self {
        let mark = mark(requirement, teller);
        Self {
            id: escape::line(&requirement.id).into_owned(),
            host: escaped(requirement.host.as_deref()),
            note: note(requirement, mark),
            need: match mark {
                Mark::Failed => Need::Failed,
                Mark::Waiting if requirement.state == RequirementState::Failed => Need::Waiting,
                Mark::Waiting | Mark::Later => Need::NotBegun,
                Mark::Done | Mark::Degraded | Mark::Skipped => Need::Satisfied,
            },
            mark,
        }
    }
}
