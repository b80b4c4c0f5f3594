//! What needs action: who opened what to whom, why no rule explains it, and where to look.

use std::io;

use super::units::{bytes, count, number, span};
use super::{Ink, Pen, Table, capped, frames};
use crate::report::Report;
use crate::report::model::{Failing, Responder, Unexpected};

/// Column where an entry's text begins, below its code.
const BODY: usize = 4;
/// Column of the values in an entry.
const VALUES: usize = 13;
/// Port ranges of one entry; a scan has thousands.
const MOST_RANGES: usize = 8;

pub(super) fn unexpected(report: &Report, pen: &mut Pen<'_>) -> io::Result<()> {
    let open: Vec<&Unexpected> = report
        .unexpected
        .iter()
        .filter(|finding| finding.accepted.is_none())
        .collect();
    if open.is_empty() {
        return Ok(());
    }
    let remark = format!(
        "{} in {}, which no rule explains",
        count(report.totals.unexpected, "flow"),
        if open.len() == 1 {
            "1 entry".to_owned()
        } else {
            format!("{} entries", number(open.len() as u64))
        }
    );
    pen.heading("Unexpected", &remark)?;
    capped(pen, &open, |pen, _, finding| entry(pen, finding))
}

fn entry(pen: &mut Pen<'_>, finding: &Unexpected) -> io::Result<()> {
    pen.gap()?;
    let service = service(&finding.protocol, &finding.responder);
    let from = party(
        &finding.initiator.address,
        finding.initiator.name.as_deref(),
    );
    let to = responder(&finding.responder);
    let (service, from) = (format!(" {service}"), format!(" {from}"));
    let id = format!(" id {}", finding.id);
    pen.words(
        2,
        BODY,
        &[
            (Ink::Bad, finding.reason),
            (Ink::Strong, &service),
            (Ink::Strong, &from),
            (Ink::Faint, "→"),
            (Ink::Strong, &to),
            (Ink::Faint, &id),
        ],
    )?;
    pen.words(BODY, BODY, &[(Ink::Plain, &finding.explanation)])?;
    let seen = format!(
        "{}, {}, {}",
        count(finding.flows, "flow"),
        count(finding.packets, "packet"),
        bytes(finding.bytes)
    );
    pen.labelled(BODY, VALUES, "seen", &[(Ink::Plain, &seen)])?;
    let when = span(finding.first.as_deref(), finding.last.as_deref());
    pen.labelled(BODY, VALUES, "when", &[(Ink::Plain, &when)])?;
    look_at(pen, &frames(&finding.frames))?;
    let unnamed: Vec<&str> = finding
        .nearest_rules
        .iter()
        .map(String::as_str)
        .filter(|rule| !finding.explanation.contains(rule))
        .collect();
    if unnamed.is_empty() {
        return Ok(());
    }
    pen.labelled(
        BODY,
        VALUES,
        "nearest",
        &[(Ink::Plain, &unnamed.join(", "))],
    )
}

fn look_at(pen: &mut Pen<'_>, frames: &str) -> io::Result<()> {
    if frames.is_empty() {
        return Ok(());
    }
    pen.labelled(BODY, VALUES, "look at", &[(Ink::Plain, frames)])
}

/// Protocol and responder port, or the ports that were folded: `tcp/445`, `tcp/1-1024 …`.
fn service(protocol: &str, responder: &Responder) -> String {
    if let Some(port) = responder.port {
        return format!("{protocol}/{port}");
    }
    if responder.ports.is_empty() {
        return protocol.to_owned();
    }
    let mut ranges: Vec<String> = responder
        .ports
        .iter()
        .take(MOST_RANGES)
        .map(|(low, high)| {
            if low == high {
                low.to_string()
            } else {
                format!("{low}-{high}")
            }
        })
        .collect();
    if responder.ports.len() > MOST_RANGES {
        ranges.push("…".to_owned());
    }
    format!("{protocol}/{}", ranges.join(","))
}

fn responder(responder: &Responder) -> String {
    match (&responder.address, responder.addresses) {
        (Some(address), _) => party(address, responder.name.as_deref()),
        (None, Some(addresses)) => format!("{} addresses", number(addresses)),
        (None, None) => "many addresses".to_owned(),
    }
}

/// An address with the name that the site gives it. Its roles stand in the sentence below.
fn party(address: &str, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{address} ({name})"),
        None => address.to_owned(),
    }
}

pub(super) fn failing(report: &Report, pen: &mut Pen<'_>) -> io::Result<()> {
    if report.failing.is_empty() {
        return Ok(());
    }
    pen.heading("Failing", "expected flows that never succeeded")?;
    capped(pen, &report.failing, |pen, _, flow| {
        failing_entry(pen, flow)
    })
}

fn failing_entry(pen: &mut Pen<'_>, flow: &Failing) -> io::Result<()> {
    pen.gap()?;
    let service = match flow.responder.port {
        Some(port) => format!(" {}/{port}", flow.protocol),
        None => format!(" {}", flow.protocol),
    };
    let from = format!(" {}", flow.initiator.address);
    pen.words(
        2,
        BODY,
        &[
            (Ink::Doubtful, flow.cause),
            (Ink::Strong, &service),
            (Ink::Strong, &from),
            (Ink::Faint, "→"),
            (Ink::Strong, &flow.responder.address),
        ],
    )?;
    pen.words(BODY, BODY, &[(Ink::Plain, &flow.explanation)])?;
    let seen = format!(
        "{}, first {}",
        count(flow.flows, "flow"),
        span(flow.first.as_deref(), None)
    );
    pen.labelled(BODY, VALUES, "seen", &[(Ink::Plain, &seen)])?;
    look_at(pen, &frames(&flow.frames))?;
    if let Some(rule) = &flow.worked_instead {
        pen.labelled(BODY, VALUES, "instead", &[(Ink::Plain, rule)])?;
    }
    pen.labelled(BODY, VALUES, "rule", &[(Ink::Plain, &flow.rule)])
}

pub(super) fn diagnoses(report: &Report, pen: &mut Pen<'_>) -> io::Result<()> {
    if report.diagnoses.is_empty() {
        return Ok(());
    }
    pen.heading("Diagnoses", "what the evidence says went wrong")?;
    capped(pen, &report.diagnoses, |pen, _, diagnosis| {
        pen.gap()?;
        let host = format!(" {}", diagnosis.host.as_deref().unwrap_or_default());
        pen.words(
            2,
            BODY,
            &[(Ink::Doubtful, diagnosis.code), (Ink::Strong, &host)],
        )?;
        pen.words(BODY, BODY, &[(Ink::Plain, &diagnosis.explanation)])?;
        if let Some(advice) = diagnosis.advice {
            pen.labelled(BODY, VALUES, "advice", &[(Ink::Plain, advice)])?;
        }
        look_at(pen, &frames(&diagnosis.frames))
    })
}

pub(super) fn exceptions(report: &Report, pen: &mut Pen<'_>) -> io::Result<()> {
    if report.exceptions.is_empty() {
        return Ok(());
    }
    pen.heading("Exceptions", "of the site file, with the flows they match")?;
    let mut table = Table::new(&["state", "#flows", "expires", "match", "reason"]);
    let shown = report.exceptions.len().min(pen.page().entries);
    for exception in &report.exceptions[..shown] {
        let ink = match exception.state {
            "expired" => Ink::Bad,
            "unused" => Ink::Doubtful,
            _ => Ink::Plain,
        };
        table.row(vec![
            (ink, exception.state.to_owned()),
            (Ink::Plain, number(exception.flows)),
            (Ink::Plain, exception.expires.clone().unwrap_or_default()),
            (Ink::Plain, exception.r#match.clone()),
            (Ink::Plain, exception.reason.clone()),
        ]);
    }
    table.write(pen)?;
    super::rest(pen, report.exceptions.len() - shown)
}
