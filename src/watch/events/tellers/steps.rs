//! Required steps and rules.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::super::boots::reading;
use super::super::event::{EventKind, WithdrawnStep};
use super::super::ledger::Ledger;
use super::super::round::Round;
use super::super::{escaped, seconds};
use crate::net::Timestamp;
use crate::report::{escape, model};
use crate::verdict::{Requirement, RequirementCause, RequirementState};

/// A request is unanswered until its answer comes: TFTP and DHCP clients ask again after one to
/// four seconds, TCP after one and three.
const FAILURE_SETTLES: Duration = seconds(3);
/// How long a machine may take to its next step before it counts as overdue. Between DHCP and the
/// first file iPXE waits up to 14 s for IPv6; a firmware that hears no offer asks again after 4, 8,
/// 16 s.
const OVERDUE: Duration = seconds(20);

/// Tells of required steps and rules.
#[derive(Debug, Default)]
pub(in super::super) struct Steps {
    told: Ledger<Key, Stand>,
}

/// Id and host.
type Key = (String, Option<String>);

/// How a requirement stands, as far as it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stand {
    #[default]
    Undecided,
    Seen(RequirementState),
    Failed(Option<RequirementCause>),
    Missing,
}

impl Steps {
    /// Whether it was told last that this failed, or is missing.
    pub fn speaks_against(&self, requirement: &Requirement) -> bool {
        let told = self.told.told(&key(requirement));
        matches!(told, Stand::Failed(_) | Stand::Missing)
    }

    pub fn tell(&mut self, round: &mut Round<'_>) {
        let audit = round.audit;
        self.told.begin();
        let begun = begun(&audit.requirements);
        let reading = reading(audit);
        for requirement in &audit.requirements {
            let has_begun = begun.contains(&run(requirement));
            let stand = Stand::of(requirement, has_begun || round.is_last);
            let said = (stand, stand.words(requirement));
            let key = key(requirement);
            if self.told.stands_with(key, said, stand.settles(), round) {
                let shown = match stand {
                    Stand::Seen(_) => requirement.first.unwrap_or(Timestamp::MAX),
                    _ => Timestamp::MAX,
                };
                let mut told = Box::new(model::Requirement::new(requirement, &round.places));
                if stand == Stand::Undecided
                    && let Some(transfer) =
                        requirement.host.as_ref().and_then(|host| reading.get(host))
                {
                    let file = escape::bytes(transfer.file.bytes());
                    told.explanation = format!("`{file}` is under way.");
                }
                round.tell(shown, stand.event(told));
            }
        }
        let is_full = round.is_full("requirements");
        let mut gone = self.told.gone(FAILURE_SETTLES, is_full, round);
        gone.sort_by(|(one, _), (other, _)| one.cmp(other));
        for ((id, host), _) in gone {
            round.tell_now(EventKind::StepWithdrawn(WithdrawnStep {
                id: escaped(&id),
                host: host.as_deref().map(escaped),
            }));
        }
    }
}

fn key(requirement: &Requirement) -> Key {
    (requirement.id.clone(), requirement.host.clone())
}

/// The scenario and host that a step belongs to.
fn run(requirement: &Requirement) -> (Option<&str>, Option<&str>) {
    (requirement.scenario.as_deref(), requirement.host.as_deref())
}

/// The scenarios of which a host took or tried a step; none of rules.
fn begun(requirements: &[Requirement]) -> HashSet<(Option<&str>, Option<&str>)> {
    let tried = requirements.iter().filter(|requirement| {
        let state = requirement.state;
        requirement.scenario.is_some()
            && matches!(
                state,
                RequirementState::Satisfied | RequirementState::Degraded | RequirementState::Failed
            )
    });
    tried.map(run).collect()
}

impl Stand {
    /// `is_awaited`: whether it speaks against the network where nothing was seen.
    fn of(requirement: &Requirement, is_awaited: bool) -> Self {
        match requirement.state {
            state @ (RequirementState::Satisfied | RequirementState::Degraded) => Self::Seen(state),
            RequirementState::Failed => Self::Failed(requirement.cause),
            RequirementState::Missing if is_awaited => Self::Missing,
            RequirementState::Missing
            | RequirementState::NotReached
            | RequirementState::NotObservable
            | RequirementState::NotApplicable => Self::Undecided,
        }
    }

    /// What is said of it, where what comes later tells more: a transfer went silent, and then the
    /// machine asks again and again, or an ICMP error comes.
    fn words(self, requirement: &Requirement) -> u64 {
        match self {
            Self::Failed(_) | Self::Missing => {
                let mut hasher = DefaultHasher::new();
                requirement.explanation.hash(&mut hasher);
                hasher.finish()
            }
            Self::Seen(_) | Self::Undecided => 0,
        }
    }

    fn settles(self) -> Duration {
        match self {
            Self::Seen(_) => Duration::ZERO,
            Self::Failed(_) | Self::Undecided => FAILURE_SETTLES,
            Self::Missing => OVERDUE,
        }
    }

    fn event(self, told: Box<model::Requirement>) -> EventKind {
        match self {
            Self::Seen(_) => EventKind::StepSatisfied(told),
            Self::Failed(_) => EventKind::StepFailed(told),
            Self::Missing => EventKind::StepMissing(told),
            Self::Undecided => EventKind::StepReopened(told),
        }
    }
}
