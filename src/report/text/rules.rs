//! Which rules were used, which could have been and were not, and over what time: what people
//! need before they close ports.

use std::collections::BTreeMap;
use std::io;

use super::summary::VALUES;
use super::units::{count, gaps, moment, number, span};
use super::{Ink, Pen};
use crate::report::Report;
use crate::report::model::RuleUse;
use crate::verdict::Hindrance;

/// One line in the head of the report.
pub(super) fn summary(report: &Report, pen: &mut Pen<'_>) -> io::Result<()> {
    let rules = &report.rules;
    let unused = || rules.iter().filter(|rule| rule.flows == 0);
    let idle = unused().filter(|rule| rule.usable).count();
    let text = format!(
        "{}: {} used, {} unused, {} not usable here",
        number(rules.len() as u64),
        number((rules.len() - unused().count()) as u64),
        number(idle as u64),
        number((unused().count() - idle) as u64)
    );
    let help = match pen.page().rules {
        true => "",
        false => "(--rules)",
    };
    pen.labelled(
        2,
        VALUES,
        "rules",
        &[(Ink::Plain, &text), (Ink::Faint, help)],
    )
}

/// Every rule, where the page wants them: they are many.
pub(super) fn write(report: &Report, pen: &mut Pen<'_>) -> io::Result<()> {
    if !pen.page().rules {
        return Ok(());
    }
    let all = || report.rules.iter();
    let first = report.captures.iter().filter_map(|c| c.first.as_deref());
    let last = report.captures.iter().filter_map(|c| c.last.as_deref());
    let span = span(first.min(), last.max());
    let window = format!("{span} {}", gaps(report.gaps));
    pen.heading("Rules used", window.trim_end())?;
    listed(pen, all().filter(|rule| rule.flows > 0))?;
    pen.heading(
        "Rules not used",
        "both ends are there and could have been seen",
    )?;
    listed(pen, all().filter(|rule| rule.flows == 0 && rule.usable))?;
    let hindered = all().filter(|rule| !rule.usable);
    let mut hindrances: BTreeMap<Hindrance, u64> = BTreeMap::new();
    for hindrance in hindered.filter_map(|rule| rule.hindrance) {
        *hindrances.entry(hindrance).or_default() += 1;
    }
    if hindrances.is_empty() {
        return Ok(());
    }
    pen.heading("Rules not usable here", "--format json has all")?;
    for (hindrance, rules) in hindrances {
        let rules = format!("{}:", count(rules, "rule"));
        let meaning = hindrance.meaning();
        pen.words(2, 4, &[(Ink::Plain, &rules), (Ink::Faint, meaning)])?;
    }
    Ok(())
}

/// What a rule opens and how it was used, and the sections that say so.
type Line<'a> = (String, Vec<&'a str>);

/// Rules by the roles they connect. Documents say the same in several sections: those stand in
/// one line.
fn listed<'a>(pen: &mut Pen<'_>, rules: impl Iterator<Item = &'a RuleUse>) -> io::Result<()> {
    let mut groups: Vec<(String, Vec<Line<'_>>)> = Vec::new();
    for rule in rules {
        let arrow = if rule.direction == "either" {
            "↔"
        } else {
            "→"
        };
        let roles = format!("{} {arrow} {}", rule.initiator, rule.responder);
        let line = line(rule);
        let section = rule.source.split_once('#').map_or("", |(_, anchor)| anchor);
        let group = match groups.iter().position(|(known, _)| *known == roles) {
            Some(place) => &mut groups[place].1,
            None => {
                groups.push((roles, Vec::new()));
                &mut groups.last_mut().expect("just added").1
            }
        };
        match group.iter_mut().find(|(known, _)| *known == line) {
            Some((_, sections)) => sections.push(section),
            None => group.push((line, vec![section])),
        }
    }
    if groups.is_empty() {
        return pen.words(2, 4, &[(Ink::Faint, "none")]);
    }
    for (roles, lines) in groups {
        pen.words(2, 4, &[(Ink::Strong, &roles)])?;
        for (line, mut sections) in lines {
            sections.dedup();
            let sections = format!(" {}", sections.join(", "));
            pen.words(4, 6, &[(Ink::Plain, &line), (Ink::Faint, &sections)])?;
        }
    }
    Ok(())
}

/// `tcp/443 https, 612 flows, last 2026-01-05 08:03:20.000`
fn line(rule: &RuleUse) -> String {
    let ports: Vec<String> = rule
        .ports
        .iter()
        .map(|(low, high)| match low == high {
            true => low.to_string(),
            false => format!("{low}-{high}"),
        })
        .collect();
    let slash = if ports.is_empty() { "" } else { "/" };
    let what = format!(
        "{}{slash}{} {}",
        rule.protocol,
        ports.join(","),
        rule.service
    );
    match (&rule.last, rule.flows) {
        (Some(last), 1..) => {
            let flows = count(rule.flows, "flow");
            format!("{what}, {flows}, last {}", moment(last))
        }
        _ => what,
    }
}
