//! Scenarios: hosts as roles, steps with the names of rules that exist.

use std::collections::{BTreeSet, HashSet};

use super::assembled::{NamedScenario, StepNames, numbered, scenario_names};
use super::{Assembler, advice};
use crate::config::{Located, Problems, quoted};
use crate::policy::file::RawScenario;
use crate::policy::{RoleSet, Scenario, Step};

impl Assembler<'_> {
    /// The scenarios of every file.
    pub(super) fn scenarios(&self) -> Vec<NamedScenario> {
        let rules = self.rule_names();
        let mut scenarios: Vec<NamedScenario> = Vec::new();
        let mut names = HashSet::new();
        for (file, raw) in self.raws.iter().enumerate() {
            let problems = &self.problems[file];
            for scenario in &raw.scenarios {
                let name = &scenario.name;
                if !names.insert(name.value.as_str()) {
                    let message = format!("scenario {} is defined before", quoted(&name.value));
                    problems.error(name.span.clone(), message);
                }
                scenarios.push(self.scenario(scenario, &rules, problems));
            }
        }
        scenarios
    }

    fn scenario(
        &self,
        raw: &RawScenario,
        rules: &BTreeSet<String>,
        problems: &Problems<'_>,
    ) -> NamedScenario {
        let mut seen = HashSet::new();
        let mut names = Vec::with_capacity(raw.steps.len());
        let mut steps = Vec::with_capacity(raw.steps.len());
        for step in &raw.steps {
            if !seen.insert(step.name.value.as_str()) {
                let message = format!("step {} is listed before", quoted(&step.name.value));
                problems.error(step.name.span.clone(), message);
            }
            names.push(StepNames {
                rules: known_rules(&step.rules, rules, problems),
                fallback: known_rules(&step.fallback, rules, problems),
                instead: known_rules(&step.instead, rules, problems),
            });
            steps.push(Step {
                name: step.name.value.clone(),
                optional: step.optional,
                evidence: step.evidence,
                rules: Vec::new(),
                opened_by: self.role_set(&step.opened_by, problems),
                after_trigger: step.after_trigger,
                fallback: Vec::new(),
                instead: Vec::new(),
                causes: step.causes.clone(),
                causes_when: step.causes_when.clone(),
            });
        }
        NamedScenario {
            scenario: Scenario {
                name: raw.name.value.clone(),
                hosts: self.role_set(&raw.hosts, problems),
                trigger: raw.trigger,
                steps,
            },
            names,
        }
    }

    fn role_set(&self, names: &[Located<String>], problems: &Problems<'_>) -> RoleSet {
        let mut roles = RoleSet::EMPTY;
        for role in names.iter().filter_map(|name| self.role(name, problems)) {
            roles.insert(role);
        }
        roles
    }

    /// Every anchor, `anchor/service` and id of any edition.
    fn rule_names(&self) -> BTreeSet<String> {
        let rules = self.rules.iter();
        let mut names: BTreeSet<String> =
            rules.flat_map(|rule| scenario_names(&rule.value)).collect();
        for edition in 0..self.editions.len() {
            let held = self.rules.iter().filter(|rule| rule.holds_in(edition));
            names.extend(numbered(held.map(|rule| rule.value.id.as_str())));
        }
        names
    }
}

/// The names that some rule answers to; the others are reported.
fn known_rules(
    names: &[Located<String>],
    known: &BTreeSet<String>,
    problems: &Problems<'_>,
) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for name in names {
        if known.contains(&name.value) {
            found.insert(name.value.clone());
        } else {
            let message = format!("no rule is named {}", quoted(&name.value));
            let help = advice(
                problems,
                &name.value,
                "rules",
                known.iter().map(String::as_str),
            );
            problems.error_with_help(name.span.clone(), message, help);
        }
    }
    found
}
