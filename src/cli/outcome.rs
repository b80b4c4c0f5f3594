//! How a command ended, as an exit status: 2 wins over 1, 1 over 0.

use std::process::ExitCode;

use crate::verdict::{Audit, ExceptionState, RequirementState};

/// How a command ended. The order is that of the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Nothing to report: status 0.
    Clean = 0,
    /// Findings, or "not allowed": status 1.
    Findings = 1,
    /// It could not be made, or is incomplete: status 2.
    Incomplete = 2,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome as u8)
    }
}

impl Outcome {
    /// The outcome of an audit: what counts as a finding is the user's choice.
    pub fn of(audit: &Audit, fail_on: &FailOn) -> Self {
        if !audit.complete {
            Self::Incomplete
        } else if fail_on.0.iter().any(|trigger| trigger.holds(audit)) {
            Self::Findings
        } else {
            Self::Clean
        }
    }
}

/// What makes an audit end with status 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailOn(Vec<Trigger>);

impl FailOn {
    /// What holds without `--fail-on`.
    pub const DEFAULT: &'static str = "unexpected,missing,failed";

    /// Reads a comma list, or `none`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim() == "none" {
            return Ok(Self(Vec::new()));
        }
        let trigger = |name: &str| {
            let found = Trigger::ALL.iter().find(|trigger| trigger.name() == name);
            found.copied().ok_or_else(|| {
                let names: Vec<&str> = Trigger::ALL.iter().map(|known| known.name()).collect();
                format!(
                    "'{name}' is none of {}; 'none' stands alone",
                    names.join(", ")
                )
            })
        };
        let triggers: Result<Vec<Trigger>, String> =
            text.split(',').map(|name| trigger(name.trim())).collect();
        triggers.map(Self)
    }
}

/// One thing that may make an audit end with status 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Unexpected flows that no exception accepts.
    Unexpected,
    /// Requirements never tried.
    Missing,
    /// Requirements tried without success.
    Failed,
    /// Requirements met by a documented fallback.
    Degraded,
    /// Expected flows that never succeeded.
    Failing,
    /// Diagnoses.
    Diagnosis,
    /// Packets or sides that the capture lacks. Duplicates are none.
    Loss,
    /// Exceptions that flows matched after their date.
    Expired,
}

impl Trigger {
    /// Every one, in the order of the help.
    pub const ALL: [Self; 8] = [
        Self::Unexpected,
        Self::Missing,
        Self::Failed,
        Self::Degraded,
        Self::Failing,
        Self::Diagnosis,
        Self::Loss,
        Self::Expired,
    ];

    /// Spelling on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unexpected => "unexpected",
            Self::Missing => "missing",
            Self::Failed => "failed",
            Self::Degraded => "degraded",
            Self::Failing => "failing",
            Self::Diagnosis => "diagnosis",
            Self::Loss => "loss",
            Self::Expired => "expired",
        }
    }

    fn holds(self, audit: &Audit) -> bool {
        let required = |state| audit.totals.requirements.contains_key(&state);
        match self {
            Self::Unexpected => audit
                .unexpected
                .iter()
                .any(|finding| finding.accepted.is_none()),
            Self::Missing => required(RequirementState::Missing),
            Self::Failed => required(RequirementState::Failed),
            Self::Degraded => required(RequirementState::Degraded),
            Self::Failing => !audit.failing.is_empty(),
            Self::Diagnosis => !audit.diagnoses.is_empty(),
            Self::Loss => {
                audit.loss.kernel_drops.is_some_and(|drops| drops > 0)
                    || audit.loss.sequence_gaps > 0
                    || audit.loss.snaplen_cut > 0
                    || audit.loss.one_sided_flows > 0
            }
            Self::Expired => audit
                .exceptions
                .iter()
                .any(|exception| exception.state == ExceptionState::Expired),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn fail_on(text: &str) -> FailOn {
        FailOn::parse(text).expect("a list of triggers")
    }

    #[test]
    fn incomplete_wins_over_findings() {
        let mut audit = sample::audit();
        assert_eq!(Outcome::of(&audit, &fail_on("none")), Outcome::Incomplete);
        audit.complete = true;
        assert_eq!(Outcome::of(&audit, &fail_on("none")), Outcome::Clean);
        assert_eq!(
            Outcome::of(&audit, &fail_on(FailOn::DEFAULT)),
            Outcome::Findings
        );
        assert!(Outcome::Incomplete > Outcome::Findings && Outcome::Findings > Outcome::Clean);
    }

    #[test]
    fn every_trigger_holds_for_the_sample_and_none_for_an_empty_audit() {
        let mut audit = sample::audit();
        audit.complete = true;
        let empty = Audit {
            complete: true,
            ..Audit::default()
        };
        for trigger in Trigger::ALL {
            let only = fail_on(trigger.name());
            assert_eq!(Outcome::of(&audit, &only), Outcome::Findings, "{trigger:?}");
            assert_eq!(Outcome::of(&empty, &only), Outcome::Clean, "{trigger:?}");
        }
    }

    #[test]
    fn accepted_findings_do_not_count() {
        let mut audit = sample::audit();
        audit.complete = true;
        audit
            .unexpected
            .retain(|finding| finding.accepted.is_some());
        assert!(!audit.unexpected.is_empty());
        let outcome = Outcome::of(&audit, &fail_on("unexpected"));
        assert_eq!(outcome, Outcome::Clean);
    }

    #[test]
    fn names_what_it_does_not_know() {
        let error = FailOn::parse("unexpected,mising").expect_err("a typo");
        assert!(
            error.starts_with("'mising' is none of unexpected, missing"),
            "{error}"
        );
        assert!(FailOn::parse("unexpected,none").is_err());
        assert!(FailOn::parse("").is_err());
    }
}
