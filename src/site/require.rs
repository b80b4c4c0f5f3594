//! `[require]`: what must be seen.

use std::collections::BTreeSet;

use super::{RequirementsWanted, Vocabulary};
use crate::config::{Located, Problems, Table, quoted, suggestion};

/// Reads `[require]`.
pub(super) fn read(table: Table<'_>, names: &Vocabulary<'_>) -> RequirementsWanted {
    let problems = table.problems();
    let scenarios = table.strings("scenarios");
    let rules = table.strings("rules");
    let per_host = table.boolean("per-host");
    table.finish();
    RequirementsWanted {
        scenarios: known(problems, &scenarios, |name| {
            check_scenario(problems, names, name)
        }),
        rules: known(problems, &rules, |name| check_rule(problems, names, name)),
        per_host: per_host.is_some_and(|flag| flag.value),
    }
}

/// The names that pass, each once.
fn known(
    problems: &Problems<'_>,
    wanted: &[Located<&str>],
    check: impl Fn(&Located<&str>) -> bool,
) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut known = Vec::new();
    for name in wanted {
        if !seen.insert(name.value) {
            let message = format!("{} is required twice", quoted(name.value));
            problems.warning(name.span.clone(), message, None);
        } else if check(name) {
            known.push(name.value.to_owned());
        }
    }
    known
}

fn check_scenario(problems: &Problems<'_>, names: &Vocabulary<'_>, name: &Located<&str>) -> bool {
    let found = names.scenarios.contains(&name.value);
    if !found && names.complete {
        let message = format!("unknown scenario {}", quoted(name.value));
        let valid = names.scenarios.iter().copied();
        let help = suggestion(name.value, "scenarios", valid);
        problems.error_with_help(name.span.clone(), message, help);
    }
    found
}

/// A section (`anchor`), its rows for a service (`anchor/service`), or the id of a rule: any
/// beginning of an id that ends at a slash.
fn check_rule(problems: &Problems<'_>, names: &Vocabulary<'_>, name: &Located<&str>) -> bool {
    let wanted = name.value;
    let section = |anchor: &str| names.rules.iter().any(|rule| rule.anchor == anchor);
    let found = names.rules.iter().any(|rule| {
        let rest = rule.id.strip_prefix(wanted);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    if found || !names.complete {
        return found;
    }
    // Within a section that is there, only its own services are near; else only sections.
    let (message, help) = match wanted.split_once('/') {
        Some((anchor, rest)) if section(anchor) => {
            let services: BTreeSet<&str> = names
                .rules
                .iter()
                .filter(|rule| rule.anchor == anchor)
                .map(|rule| rule.service.as_str())
                .collect();
            let message = format!("section {} has no rule {}", quoted(anchor), quoted(rest));
            (message, suggestion(rest, "services", services))
        }
        split => {
            let anchor = split.map_or(wanted, |(anchor, _)| anchor);
            let anchors: BTreeSet<&str> = names
                .rules
                .iter()
                .map(|rule| rule.anchor.as_str())
                .collect();
            let message = format!(
                "edition {} has no rule or section {}",
                names.edition,
                quoted(anchor)
            );
            (message, suggestion(anchor, "sections", anchors))
        }
    };
    problems.error_with_help(name.span.clone(), message, help);
    false
}
