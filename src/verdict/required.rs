//! The requirements of a report as they are judged. Whoever makes up hosts chooses how many there
//! are: past a bound they are only counted, and those that call for action are kept first.

use std::collections::BTreeMap;

use super::finding::MAX_ENTRIES;
use super::{Requirement, RequirementState};

/// Requirements with their number in the order of the report.
type Numbered = Vec<(u64, Requirement)>;

/// Judged requirements.
#[derive(Default)]
pub(super) struct Required {
    /// Failed, missing or degraded.
    unmet: Numbered,
    others: Numbered,
    states: BTreeMap<RequirementState, u64>,
    count: u64,
}

impl Required {
    /// Adds a requirement, which is put into words only where it may be shown.
    pub fn add(&mut self, state: RequirementState, told: impl FnOnce() -> Requirement) {
        let unmet = state.is_finding() || state == RequirementState::Degraded;
        let list = if unmet {
            &mut self.unmet
        } else {
            &mut self.others
        };
        if list.len() < MAX_ENTRIES {
            list.push((self.count, told()));
        }
        *self.states.entry(state).or_default() += 1;
        self.count += 1;
    }

    /// The requirements to show, how many of all there are in each state, and how many do not fit.
    pub fn finish(self) -> (Vec<Requirement>, BTreeMap<RequirementState, u64>, u64) {
        let mut shown = self.unmet;
        shown.extend(self.others);
        shown.truncate(MAX_ENTRIES);
        shown.sort_unstable_by_key(|(number, _)| *number);
        let kept_out = self.count - shown.len() as u64;
        let shown = shown.into_iter().map(|(_, requirement)| requirement);
        (shown.collect(), self.states, kept_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn required(number: usize, state: RequirementState) -> Requirement {
        Requirement {
            id: format!("section/{number}"),
            scenario: None,
            step: None,
            rules: Vec::new(),
            host: None,
            state,
            cause: None,
            explanation: String::new(),
            first: None,
            frames: Vec::new(),
        }
    }

    #[test]
    fn what_calls_for_action_is_kept_first_and_all_is_counted() {
        let mut entries = Required::default();
        let all = MAX_ENTRIES + 20;
        for number in 0..all {
            let state = match number % 1000 {
                999 => RequirementState::Missing,
                998 => RequirementState::Degraded,
                _ => RequirementState::Satisfied,
            };
            entries.add(state, || required(number, state));
        }
        entries.add(RequirementState::Failed, || {
            required(all, RequirementState::Failed)
        });
        let (shown, states, kept_out) = entries.finish();
        assert_eq!(shown.len(), MAX_ENTRIES);
        assert_eq!(kept_out, 21);
        let of = |state| shown.iter().filter(|entry| entry.state == state).count();
        assert_eq!(of(RequirementState::Missing), 10);
        assert_eq!(of(RequirementState::Degraded), 10);
        assert_eq!(
            shown.last().map(|entry| entry.id.as_str()),
            Some("section/10020")
        );
        assert_eq!(states[&RequirementState::Satisfied], 10_000);
        assert_eq!(states[&RequirementState::Failed], 1);
        let numbers: Vec<usize> = shown
            .iter()
            .map(|entry| entry.id["section/".len()..].parse().expect("a number"))
            .collect();
        assert!(numbers.is_sorted());
    }
}
