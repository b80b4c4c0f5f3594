//! A catalogue with every name resolved, and the policy of each of its editions.

use std::collections::{BTreeSet, HashMap};

use crate::policy::model::{Edition, Note, Policy, Section};
use crate::policy::{Roles, Rule, Scenario};

/// Every edition of a catalogue, resolved.
#[derive(Debug)]
pub(in crate::policy) struct Assembled {
    pub(super) name: String,
    pub(super) editions: Vec<Edition>,
    pub(super) roles: Roles,
    pub(super) rules: Vec<InEdition<Rule>>,
    pub(super) sections: Vec<InEdition<Section>>,
    pub(super) notes: Vec<InEdition<Note>>,
    pub(super) scenarios: Vec<NamedScenario>,
}

/// Something that stands in one edition (by index), or in all of them.
#[derive(Clone, Debug)]
pub(super) struct InEdition<T> {
    pub edition: Option<usize>,
    pub value: T,
}

impl<T> InEdition<T> {
    pub fn holds_in(&self, edition: usize) -> bool {
        self.edition.is_none_or(|own| own == edition)
    }
}

/// A scenario whose rules are names: which rules they are depends on the edition.
#[derive(Debug)]
pub(super) struct NamedScenario {
    pub scenario: Scenario,
    /// What each step names.
    pub names: Vec<StepNames>,
}

/// The rules that a step names.
#[derive(Debug)]
pub(super) struct StepNames {
    pub rules: BTreeSet<String>,
    pub fallback: BTreeSet<String>,
    pub instead: BTreeSet<String>,
}

/// Whether a rule is meant by a name: its id, or the beginning of it up to a slash.
pub(in crate::policy) fn answers_to(id: &str, name: &str) -> bool {
    let rest = id.strip_prefix(name);
    !name.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Assembled {
    /// Name of the catalogue.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Editions, oldest first.
    pub fn editions(&self) -> &[Edition] {
        &self.editions
    }

    /// The edition of that id.
    pub fn policy(&self, id: &str) -> Option<Policy> {
        let index = self.editions.iter().position(|edition| edition.id == id)?;
        Some(self.of_edition(index))
    }

    /// The edition named last.
    pub fn newest(&self) -> Policy {
        self.of_edition(self.editions.len() - 1)
    }

    /// Every edition.
    pub fn all(&self) -> Vec<Policy> {
        (0..self.editions.len())
            .map(|index| self.of_edition(index))
            .collect()
    }

    fn of_edition(&self, index: usize) -> Policy {
        let edition = &self.editions[index].id;
        let mut rules: Vec<Rule> = values(&self.rules, index);
        for rule in &mut rules {
            rule.edition.clone_from(edition);
        }
        let ids = numbered(rules.iter().map(|rule| rule.id.as_str()));
        for (rule, id) in rules.iter_mut().zip(ids) {
            rule.id = id;
        }
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, rule) in rules.iter().enumerate() {
            for name in scenario_names(rule) {
                by_name.entry(name).or_default().push(index);
            }
        }
        let scenarios = self.scenarios.iter();
        let scenarios = scenarios.map(|scenario| scenario.of(&by_name)).collect();
        Policy {
            name: self.name.clone(),
            edition: edition.clone(),
            editions: self.editions.clone(),
            roles: self.roles.clone(),
            scenarios,
            rules,
            sections: values(&self.sections, index),
            notes: values(&self.notes, index),
        }
    }
}

impl NamedScenario {
    /// With its rules as indices.
    fn of(&self, by_name: &HashMap<String, Vec<usize>>) -> Scenario {
        let find = |names: &BTreeSet<String>| -> Vec<usize> {
            let found = names.iter().filter_map(|name| by_name.get(name)).flatten();
            let found: BTreeSet<usize> = found.copied().collect();
            found.into_iter().collect()
        };
        let mut scenario = self.scenario.clone();
        for (step, names) in scenario.steps.iter_mut().zip(&self.names) {
            step.rules = find(&names.rules);
            step.fallback = find(&names.fallback);
            step.instead = find(&names.instead);
        }
        scenario
    }
}

/// The names under which scenarios know a rule: its section, its service there, its id.
pub(super) fn scenario_names(rule: &Rule) -> [String; 3] {
    let service = format!("{}/{}", rule.anchor, rule.service);
    [rule.anchor.clone(), service, rule.id.clone()]
}

fn values<T: Clone>(all: &[InEdition<T>], edition: usize) -> Vec<T> {
    let held = all.iter().filter(|item| item.holds_in(edition));
    held.map(|item| item.value.clone()).collect()
}

/// Ids of rules, with `/1`, `/2` … after those that several share.
pub(super) fn numbered<'r>(ids: impl Iterator<Item = &'r str> + Clone) -> Vec<String> {
    let mut shared: HashMap<&str, usize> = HashMap::new();
    for id in ids.clone() {
        *shared.entry(id).or_default() += 1;
    }
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let numbered = ids.map(|id| {
        if shared[id] == 1 {
            return id.to_owned();
        }
        let number = seen.entry(id).or_default();
        *number += 1;
        format!("{id}/{number}")
    });
    numbered.collect()
}
