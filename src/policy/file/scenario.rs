//! `[[scenario]]` and its steps.

use super::{names, owned, read_all, text};
use crate::config::{Located, Table, quoted, suggestion};
use crate::policy::scenario::{StepEvidence, Trigger};

/// A scenario whose roles and rules are still names.
#[derive(Debug)]
pub(in crate::policy) struct RawScenario {
    pub name: Located<String>,
    pub hosts: Vec<Located<String>>,
    pub trigger: Trigger,
    pub steps: Vec<RawStep>,
}

/// A step whose rules are still names: an anchor, `anchor/service`, or a rule's id.
#[derive(Debug)]
pub(in crate::policy) struct RawStep {
    pub name: Located<String>,
    pub optional: bool,
    pub evidence: Option<StepEvidence>,
    pub rules: Vec<Located<String>>,
    pub opened_by: Vec<Located<String>>,
    pub after_trigger: bool,
    pub fallback: Vec<Located<String>>,
    pub instead: Vec<Located<String>>,
    pub causes: Vec<String>,
    pub causes_when: Vec<(String, Vec<String>)>,
}

impl RawScenario {
    pub(super) fn read(table: Table<'_>) -> Option<Self> {
        let problems = table.problems();
        let span = table.span();
        let name = table.required_string("name");
        let hosts = table.required("hosts").and_then(|value| value.strings());
        let hosts = hosts.unwrap_or_default().into_iter().map(owned).collect();
        let trigger = one_of(&table, "trigger", &Trigger::ALL, Trigger::code);
        let steps = read_all(&table, "step", RawStep::read);
        table.finish();
        if steps.is_empty() {
            let help = Some("add [[scenario.step]]".to_owned());
            problems.missing(span, "the scenario has no steps", help);
        }
        let trigger = trigger.unwrap_or(Trigger::Required);
        for step in steps.iter().filter(|step| step.after_trigger) {
            if trigger == Trigger::Required {
                let message = "`after-trigger`, but nothing triggers the scenario";
                problems.error(step.name.span.clone(), message);
            }
        }
        Some(Self {
            name: names::kebab_case(name?, problems, "a scenario")?,
            hosts,
            trigger,
            steps,
        })
    }
}

impl RawStep {
    fn read(table: Table<'_>) -> Option<Self> {
        let problems = table.problems();
        let span = table.span();
        let name = table.required_string("name");
        let optional = table.boolean("optional").is_some_and(|flag| flag.value);
        let evidence = one_of(&table, "evidence", &StepEvidence::ALL, StepEvidence::code);
        let rules: Vec<_> = table.strings("rules").into_iter().map(owned).collect();
        let names = |key| table.strings(key).into_iter().map(owned).collect();
        let after_trigger = table.boolean("after-trigger");
        let (opened_by, fallback, instead) =
            (names("opened-by"), names("fallback"), names("instead"));
        let causes = table.strings("causes").into_iter().map(text).collect();
        let causes_when = table
            .table("causes-when")
            .map_or_else(Vec::new, |when| causes_when(&when));
        table.finish();
        if rules.is_empty() && evidence.is_none() {
            let help = Some("add `rules` or `evidence`".to_owned());
            problems.missing(span, "nothing can satisfy this step", help);
        }
        Some(Self {
            name: names::kebab_case(name?, problems, "a step")?,
            optional,
            evidence,
            rules,
            opened_by,
            after_trigger: after_trigger.is_some_and(|flag| flag.value),
            fallback,
            instead,
            causes,
            causes_when,
        })
    }
}

/// Usual causes by how the step failed.
fn causes_when(table: &Table<'_>) -> Vec<(String, Vec<String>)> {
    let entries = table.entries().into_iter();
    entries
        .filter_map(|entry| {
            let how = names::kebab_case(entry.key, table.problems(), "a cause")?;
            let causes = entry.value.strings()?;
            Some((how.value, causes.into_iter().map(text).collect()))
        })
        .collect()
}

/// A value of a fixed list, by its spelling.
fn one_of<T: Copy>(
    table: &Table<'_>,
    key: &'static str,
    all: &[T],
    code: impl Fn(T) -> &'static str,
) -> Option<T> {
    let written = table.string(key)?;
    let found = all.iter().find(|item| code(**item) == written.value);
    if found.is_none() {
        let message = format!("unknown {key} {}", quoted(written.value));
        let help = suggestion(written.value, "values", all.iter().map(|item| code(*item)));
        table
            .problems()
            .error_with_help(written.span, message, help);
    }
    found.copied()
}
