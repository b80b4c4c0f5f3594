//! Scenarios: hosts as roles, steps with the names of rules that exist.

use std::collections::{BTreeSet, HashSet};

use super::assembled::{NamedScenario, scenario_names};
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
        let mut hosts = RoleSet::EMPTY;
        for host in &raw.hosts {
            if let Some(role) = self.role(host, problems) {
                hosts.insert(role);
            }
        }
        let mut seen = HashSet::new();
        let mut names = Vec::with_capacity(raw.steps.len());
        let mut steps = Vec::with_capacity(raw.steps.len());
        for step in &raw.steps {
            if !seen.insert(step.name.value.as_str()) {
                let message = format!("step {} is listed before", quoted(&step.name.value));
                problems.error(step.name.span.clone(), message);
            }
            names.push((
                known_rules(&step.rules, rules, problems),
                known_rules(&step.fallback, rules, problems),
            ));
            steps.push(Step {
                name: step.name.value.clone(),
                optional: step.optional,
                evidence: step.evidence,
                rules: Vec::new(),
                fallback: Vec::new(),
                causes: step.causes.clone(),
                causes_when: step.causes_when.clone(),
            });
        }
        NamedScenario {
            scenario: Scenario {
                name: raw.name.value.clone(),
                hosts,
                trigger: raw.trigger,
                steps,
            },
            names,
        }
    }

    /// Every anchor and `anchor/service` of any edition.
    fn rule_names(&self) -> BTreeSet<String> {
        let rules = self.rules.iter();
        rules.flat_map(|rule| scenario_names(&rule.value)).collect()
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
