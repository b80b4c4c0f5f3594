//! What was seen of one step of a scenario on one machine, and how that is put into words.

use std::net::IpAddr;

use super::RequirementState;
use super::attempt::{Attempt, Outcome};
use super::flow::Judge;
use super::holders::Holders;
use super::requirement::{Standing, explain_unseen, failure};
use crate::net::Position;
use crate::policy::{Party, RoleSet, Rule, Scenario, Step};

/// When a scenario began for a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Began {
    At(Position),
    /// Nothing started it.
    Unseen,
    /// Where the capture was taken, its start can't be seen.
    Hidden,
}

/// How a rule bears on a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bearing {
    /// It satisfies the step.
    Own,
    /// It degrades the step when nothing satisfies it.
    Fallback,
    /// It shows that the machine takes another documented way.
    Instead,
}

/// The attempts at one step of one machine that its verdict may rest on. Merges in any order.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slot {
    /// The best.
    own: Option<Attempt>,
    /// The last that worked and the last that did not, where what came before the scenario does
    /// not count: that time is known only when all flows were seen.
    last: [Option<Attempt>; 2],
    fallback: Option<Attempt>,
    instead: Option<Attempt>,
}

impl Slot {
    /// Takes note of an attempt at the step.
    pub fn add(&mut self, step: &Step, bearing: Bearing, attempt: Attempt) {
        match bearing {
            Bearing::Own => {
                Attempt::better(&mut self.own, attempt);
                if step.after_trigger {
                    let failed = !worked(&attempt);
                    later(&mut self.last[usize::from(failed)], attempt);
                }
            }
            Bearing::Fallback => Attempt::better(&mut self.fallback, attempt),
            Bearing::Instead => Attempt::better(&mut self.instead, attempt),
        }
    }

    /// Adds what was seen elsewhere.
    pub fn merge(&mut self, other: Self) {
        let attempts = [
            (&mut self.own, other.own),
            (&mut self.fallback, other.fallback),
            (&mut self.instead, other.instead),
        ];
        for (best, attempt) in attempts {
            if let Some(attempt) = attempt {
                Attempt::better(best, attempt);
            }
        }
        for (last, attempt) in self.last.iter_mut().zip(other.last) {
            if let Some(attempt) = attempt {
                later(last, attempt);
            }
        }
    }

    /// The best attempt that counts for a scenario which began then.
    fn best(&self, step: &Step, began: Began) -> Option<Attempt> {
        if !step.after_trigger {
            return self.own;
        }
        let began = match began {
            Began::At(began) => began,
            Began::Unseen => return None,
            Began::Hidden => return self.own,
        };
        let attempts = [self.own, self.last[0], self.last[1]];
        let counting = attempts.into_iter().flatten();
        counting.filter(|attempt| attempt.at > began).min()
    }

    /// State, the attempt that shows it, and a word on it; `None` where nothing was seen of the
    /// step.
    fn judged(
        &self,
        step: &Step,
        began: Began,
    ) -> Option<(RequirementState, Option<Attempt>, &'static str)> {
        let best = self.best(step, began);
        Some(if best.is_some_and(|attempt| worked(&attempt)) {
            (RequirementState::Satisfied, best, "seen and answered")
        } else if self.fallback.is_some_and(|attempt| worked(&attempt)) {
            let text = "not answered itself; the documented fallback was seen instead";
            (RequirementState::Degraded, self.fallback, text)
        } else if best.is_some() {
            (RequirementState::Failed, best, "")
        } else if self.instead.is_some_and(|attempt| worked(&attempt)) {
            let text = "not seen; another documented way was taken";
            (RequirementState::NotApplicable, self.instead, text)
        } else if self.own.is_some() && matches!(began, Began::At(_)) {
            let text = "not seen after the scenario began; what was seen before does not count";
            (RequirementState::Missing, None, text)
        } else {
            return None;
        })
    }

    /// How the step stands; `None` where nothing was seen of it that counts.
    pub fn standing(&self, judge: &Judge<'_>, step: &Step, began: Began) -> Option<Standing> {
        let (state, shown, text) = self.judged(step, began)?;
        let failed = shown.filter(|_| state == RequirementState::Failed);
        Some(Standing {
            state,
            cause: failed.and_then(|attempt| attempt.cause()),
            how: None,
            explanation: match failed {
                Some(attempt) => failure(judge, &attempt),
                None => text.to_owned(),
            },
            at: shown.map(|attempt| attempt.at),
        })
    }

    /// Whether the step was taken, by itself or in a way that makes up for it.
    pub fn is_met(&self, step: &Step, began: Began) -> bool {
        let judged = self.judged(step, began);
        judged.is_some_and(|(state, ..)| !state.is_finding())
    }
}

fn worked(attempt: &Attempt) -> bool {
    matches!(attempt.outcome, Outcome::Worked(_))
}

/// Keeps the later of two.
fn later(slot: &mut Option<Attempt>, attempt: Attempt) {
    if slot.is_none_or(|known| known.at < attempt.at) {
        *slot = Some(attempt);
    }
}

/// The rules that may show a step: of one machine only those it has a part in.
pub(super) fn rules_for<'j>(
    judge: &Judge<'j>,
    scenario: &Scenario,
    step: &Step,
    host: Option<IpAddr>,
) -> Vec<&'j Rule> {
    let roles = host.map(|host| roles_of(judge, scenario, host));
    let rules = step.rules.iter().map(|rule| &judge.policy.rules[*rule]);
    rules
        .filter(|rule| roles.is_none_or(|roles| other_party(judge, rule, roles).is_some()))
        .collect()
}

/// Why nothing shows a step.
pub(super) fn unseen(
    judge: &Judge<'_>,
    holders: &Holders<'_>,
    scenario: &Scenario,
    step: &Step,
    host: Option<IpAddr>,
) -> Standing {
    let rules = rules_for(judge, scenario, step, host);
    let (state, explanation) = match host {
        _ if rules.is_empty() && !step.rules.is_empty() => {
            let text = "the documents name no such port for the roles of this host";
            (RequirementState::NotApplicable, text.to_owned())
        }
        None => explain_unseen(
            judge,
            rules
                .iter()
                .map(|rule| holders.visibility(&judge.facts, rule.initiator, rule.responder)),
        ),
        Some(host) => {
            let roles = roles_of(judge, scenario, host);
            let seen = rules.iter().filter_map(|rule| {
                let other = other_party(judge, rule, roles)?;
                Some(holders.visibility_from(&judge.facts, host, other))
            });
            explain_unseen(judge, seen)
        }
    };
    Standing {
        state,
        cause: None,
        how: None,
        explanation,
        at: None,
    }
}

/// As what a scenario takes a host: by the roles it is judged for. A machine that boots has none
/// in the site file and counts as one all the same.
fn roles_of(judge: &Judge<'_>, scenario: &Scenario, host: IpAddr) -> RoleSet {
    let listed = judge.ends.listed_roles(host);
    let mut roles = RoleSet::EMPTY;
    for role in scenario.hosts.iter().filter(|role| listed.contains(*role)) {
        roles.insert(role);
    }
    if roles.is_empty() {
        scenario.hosts
    } else {
        roles
    }
}

/// With whom a host of these roles speaks by a rule.
fn other_party(judge: &Judge<'_>, rule: &Rule, roles: RoleSet) -> Option<Party> {
    if judge.lookup.party_holds(rule.initiator, roles) {
        Some(rule.responder)
    } else if judge.lookup.party_holds(rule.responder, roles) {
        Some(rule.initiator)
    } else {
        None
    }
}
