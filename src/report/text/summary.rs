//! The head of the report: what was found in a line, what it rests on in a few.

use std::io;

use super::units::{bytes, count, gaps, number, span};
use super::{Ink, Pen, Table, rules};
use crate::report::Report;
use crate::report::model::Capture;
use crate::verdict::RequirementState;

/// Column of the values.
pub(super) const VALUES: usize = 16;

pub(super) fn write(report: &Report, pen: &mut Pen<'_>) -> io::Result<()> {
    headline(report, pen)?;
    pen.gap()?;
    let site = &report.site;
    let policy = format!("{}, edition {}", site.catalogue, site.edition);
    pen.labelled(2, VALUES, "policy", &[(Ink::Plain, &policy)])?;
    captures(report, pen)?;
    let first = report
        .captures
        .iter()
        .filter_map(|c| c.first.as_deref())
        .min();
    let last = report
        .captures
        .iter()
        .filter_map(|c| c.last.as_deref())
        .max();
    if first.is_some() {
        let span = span(first, last);
        let gaps = gaps(report.gaps);
        pen.labelled(
            2,
            VALUES,
            "time",
            &[(Ink::Plain, &span), (Ink::Doubtful, &gaps)],
        )?;
    }
    flows(report, pen)?;
    requirements(report, pen)?;
    rules::summary(report, pen)?;
    undecoded(report, pen)?;
    loss(report, pen)?;
    for limit in &report.limits {
        if limit.limit == "retired-flows" {
            let text = format!(
                "retired-flows: {} that were silent for {} s are folded and no longer told apart",
                count(limit.reached, "flow"),
                number(limit.value)
            );
            pen.labelled(2, VALUES, "limit", &[(Ink::Doubtful, &text)])?;
            continue;
        }
        let what = match limit.limit {
            "max-flows" | "folded-flows" => "beyond it are folded",
            _ => "beyond it are only counted",
        };
        // Findings past the bound are not told apart any more.
        let beyond = match limit.limit {
            "findings" => count(limit.reached, "flow"),
            _ => number(limit.reached),
        };
        let text = format!(
            "{}: the bound of {} was reached, {beyond} {what}",
            limit.limit,
            number(limit.value)
        );
        pen.labelled(2, VALUES, "limit", &[(Ink::Doubtful, &text)])?;
    }
    Ok(())
}

/// One line that says how the audit ended.
fn headline(report: &Report, pen: &mut Pen<'_>) -> io::Result<()> {
    let name = format!(
        "{}:",
        if report.site.name.is_empty() {
            "audit"
        } else {
            &report.site.name
        }
    );
    let mut parts: Vec<(Ink, String)> = Vec::new();
    if !report.complete {
        parts.push((Ink::Bad, "INCOMPLETE".into()));
    }
    if report.totals.unexpected > 0 {
        let text = count(report.totals.unexpected, "unexpected flow");
        parts.push((Ink::Bad, text));
    }
    for (state, ink) in [
        (RequirementState::Failed, Ink::Bad),
        (RequirementState::Missing, Ink::Bad),
        (RequirementState::Degraded, Ink::Doubtful),
    ] {
        let entries = in_state(report, state);
        if entries > 0 {
            let text = format!("{} {}", count(entries, "requirement"), state.code());
            parts.push((ink, text));
        }
    }
    if parts.is_empty() {
        let text = if report.requirements.is_empty() {
            "nothing unexpected (nothing is required)"
        } else {
            "nothing unexpected, nothing missing"
        };
        parts.push((Ink::Good, text.into()));
    }
    let last = parts.len() - 1;
    let mut text = vec![(Ink::Strong, name)];
    for (index, (ink, mut part)) in parts.into_iter().enumerate() {
        if index < last {
            part.push(',');
        }
        text.push((ink, part));
    }
    let text: Vec<(Ink, &str)> = text.iter().map(|(ink, part)| (*ink, &**part)).collect();
    pen.words(0, 2, &text)
}

/// More captures than this are told in one line; those with a problem still have their own.
const NAMED_CAPTURES: usize = 4;

fn captures(report: &Report, pen: &mut Pen<'_>) -> io::Result<()> {
    let all = &report.captures;
    if all.len() <= NAMED_CAPTURES {
        for entry in all {
            capture(entry, pen)?;
        }
        if all.len() > 1 {
            together("together", report, pen)?;
        }
        return Ok(());
    }
    together("captures", report, pen)?;
    let damaged: Vec<&Capture> = all.iter().filter(|capture| !capture.complete).collect();
    let shown = damaged.len().min(pen.page().entries);
    for entry in &damaged[..shown] {
        capture(entry, pen)?;
    }
    if damaged.len() > shown {
        let more = number((damaged.len() - shown) as u64);
        let text = format!("… and {more} more incomplete: --format json has all");
        pen.labelled(2, VALUES, "", &[(Ink::Faint, &text)])?;
    }
    Ok(())
}

/// One capture: what it is, what it holds, what is wrong with it.
fn capture(capture: &Capture, pen: &mut Pen<'_>) -> io::Result<()> {
    let mut kinds: Vec<&str> = Vec::new();
    kinds.extend(capture.format);
    kinds.extend(capture.compression);
    kinds.extend(capture.link_types.iter().map(String::as_str));
    let kinds = if kinds.is_empty() {
        ":".to_owned()
    } else {
        format!("({}):", kinds.join(", "))
    };
    let sums = format!(
        "{}, {}",
        count(capture.packets, "packet"),
        bytes(capture.bytes)
    );
    let text = [
        (Ink::Strong, capture.source.as_str()),
        (Ink::Faint, &kinds),
        (Ink::Plain, &sums),
    ];
    pen.labelled(2, VALUES, "capture", &text)?;
    if let Some(problem) = &capture.problem {
        pen.labelled(2, VALUES, "", &[(Ink::Bad, problem)])?;
    }
    Ok(())
}

/// All captures in one line.
fn together(label: &str, report: &Report, pen: &mut Pen<'_>) -> io::Result<()> {
    let totals = &report.totals;
    let is_live = |capture: &Capture| capture.format == Some("live");
    let kind = match report.captures.iter().all(is_live) {
        true => "interface",
        false => "file",
    };
    let text = format!(
        "{}: {}, {}",
        count(report.captures.len() as u64, kind),
        count(totals.packets, "packet"),
        bytes(totals.bytes)
    );
    let incomplete = report.captures.iter().filter(|capture| !capture.complete);
    let incomplete = match incomplete.count() {
        0 => String::new(),
        some => format!("({} incomplete)", number(some as u64)),
    };
    pen.labelled(
        2,
        VALUES,
        label,
        &[(Ink::Plain, &text), (Ink::Bad, &incomplete)],
    )
}

fn flows(report: &Report, pen: &mut Pen<'_>) -> io::Result<()> {
    let totals = &report.totals;
    let all = format!("{}:", number(totals.flows));
    let expected = format!("{} expected,", number(totals.expected));
    let unexpected = format!("{} unexpected,", number(totals.unexpected));
    let ink = if totals.unexpected > 0 {
        Ink::Bad
    } else {
        Ink::Plain
    };
    let mut others = Vec::new();
    if totals.accepted > 0 {
        others.push(format!("{} accepted", number(totals.accepted)));
    }
    others.push(format!("{} background", number(totals.background)));
    if totals.out_of_scope > 0 {
        others.push(format!("{} out of scope", number(totals.out_of_scope)));
    }
    pen.labelled(
        2,
        VALUES,
        "flows",
        &[
            (Ink::Plain, &all),
            (Ink::Plain, &expected),
            (ink, &unexpected),
            (Ink::Plain, &others.join(", ")),
        ],
    )
}

fn requirements(report: &Report, pen: &mut Pen<'_>) -> io::Result<()> {
    if report.requirements.is_empty() {
        let text = "none: the site file has no [require]";
        return pen.labelled(2, VALUES, "requirements", &[(Ink::Faint, text)]);
    }
    let parts: Vec<String> = RequirementState::ALL
        .iter()
        .map(|state| (state, in_state(report, *state)))
        .filter(|(_, entries)| *entries > 0)
        .map(|(state, entries)| format!("{} {}", number(entries), state.code()))
        .collect();
    let text = format!(
        "{}: {}",
        number(report.totals.requirements.values().sum()),
        parts.join(", ")
    );
    pen.labelled(2, VALUES, "requirements", &[(Ink::Plain, &text)])
}

fn undecoded(report: &Report, pen: &mut Pen<'_>) -> io::Result<()> {
    let undecoded = &report.totals.undecoded;
    if undecoded.is_empty() {
        return Ok(());
    }
    let parts: Vec<String> = undecoded
        .iter()
        .map(|(reason, frames)| format!("{reason} {}", number(*frames)))
        .collect();
    let text = format!(
        "{}: {}",
        count(undecoded.values().sum(), "packet"),
        parts.join(", ")
    );
    pen.labelled(2, VALUES, "not decoded", &[(Ink::Doubtful, &text)])
}

fn loss(report: &Report, pen: &mut Pen<'_>) -> io::Result<()> {
    let text = loss_text(report);
    let ink = if is_lossy(report) {
        Ink::Doubtful
    } else {
        Ink::Plain
    };
    pen.labelled(2, VALUES, "capture loss", &[(ink, &text)])?;
    advice(report, pen)
}

/// Whether anything says that the capture shows less than there was.
fn is_lossy(report: &Report) -> bool {
    let loss = &report.loss;
    loss.kernel_drops.unwrap_or(0) > 0
        || loss.sequence_gaps > 0
        || loss.snaplen_cut > 0
        || loss.one_sided_flows > 0
}

/// What the capture lost; stands beside whatever is missing from it.
pub(super) fn loss_text(report: &Report) -> String {
    let loss = &report.loss;
    let mut parts = Vec::new();
    parts.extend(
        loss.kernel_drops
            .map(|drops| count(drops, "dropped packet")),
    );
    let mut duplicates = count(loss.duplicates, "duplicate");
    if loss.not_followed > 0 {
        duplicates.push_str(&followed_share(report));
    }
    parts.push(count(loss.sequence_gaps, "sequence gap"));
    parts.push(duplicates);
    parts.push(count(loss.one_sided_flows, "one-sided flow"));
    if loss.snaplen_cut > 0 {
        let cut = count(loss.snaplen_cut, "packet");
        parts.push(format!("{cut} cut by the snaplen"));
    }
    let mut text = parts.join(", ");
    if loss.kernel_drops.is_none() {
        text.push_str("; not measured: dropped packets");
    }
    text
}

/// In how many of the packets gaps and duplicates were looked for.
fn followed_share(report: &Report) -> String {
    let followed = u128::from(report.loss.followed_packets);
    let all = followed + u128::from(report.loss.not_followed);
    match followed * 100 / all.max(1) {
        0 => " in less than 1 % of the packets".to_owned(),
        share => format!(" in {share} % of the packets"),
    }
}

/// One duplicate in so many packets, or more, is no accident of the network.
const MANY_DUPLICATES: u64 = 10;

/// What to do where packets were captured twice.
fn advice(report: &Report, pen: &mut Pen<'_>) -> io::Result<()> {
    let loss = &report.loss;
    if loss.duplicates == 0 || loss.followed_packets / loss.duplicates >= MANY_DUPLICATES {
        return Ok(());
    }
    let text = "many packets were captured more than once, and each copy is counted: let the \
                mirror port copy one direction only, or capture on one interface only";
    pen.labelled(2, VALUES, "", &[(Ink::Doubtful, text)])
}

fn in_state(report: &Report, state: RequirementState) -> u64 {
    let states = &report.totals.requirements;
    states.get(state.code()).copied().unwrap_or_default()
}

pub(super) fn background(report: &Report, pen: &mut Pen<'_>) -> io::Result<()> {
    if report.background.is_empty() {
        return Ok(());
    }
    pen.heading(
        "Background",
        "link maintenance that no port table speaks of",
    )?;
    let mut table = Table::new(&["kind", "#flows", "#packets", "#bytes"]);
    for entry in &report.background {
        table.row(vec![
            (Ink::Plain, entry.kind.clone()),
            (Ink::Plain, number(entry.flows)),
            (Ink::Plain, number(entry.packets)),
            (Ink::Plain, bytes(entry.bytes)),
        ]);
    }
    table.write(pen)
}
