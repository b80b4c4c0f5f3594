//! The findings as a table for spreadsheets (RFC 4180): one row for each unexpected entry, failing
//! flow, requirement that is not satisfied, and diagnosis; where the page wants it, for each rule.

use std::io::{self, Write};

use super::model::{Diagnosis, Failing, FrameReference, Requirement, RuleUse, Unexpected};
use super::{Page, Report};
use crate::verdict::RequirementState;

const COLUMNS: [&str; 20] = [
    "kind",
    "code",
    "id",
    "protocol",
    "initiator",
    "initiator_name",
    "initiator_roles",
    "responder",
    "responder_name",
    "responder_ports",
    "responder_roles",
    "flows",
    "packets",
    "bytes",
    "first",
    "last",
    "frames",
    "rules",
    "accepted",
    "explanation",
];

/// Writes a header and the rows.
pub fn write(report: &Report, page: &Page, out: &mut dyn Write) -> io::Result<()> {
    let mut table = ::csv::Writer::from_writer(out);
    table.write_record(COLUMNS)?;
    for finding in &report.unexpected {
        table.write_record(unexpected(finding).cells())?;
    }
    for flow in &report.failing {
        table.write_record(failing(flow).cells())?;
    }
    for entry in &report.requirements {
        if entry.state != RequirementState::Satisfied {
            table.write_record(requirement(entry).cells())?;
        }
    }
    for entry in &report.diagnoses {
        table.write_record(diagnosis(entry).cells())?;
    }
    for rule in report.rules.iter().filter(|_| page.rules) {
        table.write_record(rule_use(rule).cells())?;
    }
    table.flush()
}

/// One row; what a kind of finding does not have stays empty.
#[derive(Default)]
struct Row {
    kind: &'static str,
    code: String,
    id: String,
    protocol: String,
    initiator: String,
    initiator_name: String,
    initiator_roles: String,
    responder: String,
    responder_name: String,
    responder_ports: String,
    responder_roles: String,
    flows: String,
    packets: String,
    bytes: String,
    first: String,
    last: String,
    frames: String,
    rules: String,
    accepted: String,
    explanation: String,
}

impl Row {
    fn cells(self) -> [String; COLUMNS.len()] {
        [
            self.kind.to_owned(),
            self.code,
            self.id,
            self.protocol,
            self.initiator,
            self.initiator_name,
            self.initiator_roles,
            self.responder,
            self.responder_name,
            self.responder_ports,
            self.responder_roles,
            self.flows,
            self.packets,
            self.bytes,
            self.first,
            self.last,
            self.frames,
            self.rules,
            self.accepted,
            self.explanation,
        ]
        .map(safe)
    }
}

fn unexpected(finding: &Unexpected) -> Row {
    let responder = &finding.responder;
    let ports = match responder.port {
        Some(port) => port.to_string(),
        None => port_ranges(&responder.ports),
    };
    Row {
        kind: "unexpected",
        code: finding.reason.to_owned(),
        id: finding.id.clone(),
        protocol: finding.protocol.clone(),
        initiator: finding.initiator.address.clone(),
        initiator_name: finding.initiator.name.clone().unwrap_or_default(),
        initiator_roles: finding.initiator.roles.join(" "),
        responder: match (&responder.address, responder.addresses) {
            (Some(address), _) => address.clone(),
            (None, Some(count)) => format!("{count} addresses"),
            (None, None) => String::new(),
        },
        responder_name: responder.name.clone().unwrap_or_default(),
        responder_ports: ports,
        responder_roles: responder.roles.join(" "),
        flows: finding.flows.to_string(),
        packets: finding.packets.to_string(),
        bytes: finding.bytes.to_string(),
        first: finding.first.clone().unwrap_or_default(),
        last: finding.last.clone().unwrap_or_default(),
        frames: frames(&finding.frames),
        rules: finding.nearest_rules.join(" "),
        accepted: finding
            .accepted
            .as_ref()
            .map(|accepted| format!("{}: {}", accepted.r#match, accepted.reason))
            .unwrap_or_default(),
        explanation: finding.explanation.clone(),
    }
}

fn failing(flow: &Failing) -> Row {
    Row {
        kind: "failing",
        code: flow.cause.to_owned(),
        protocol: flow.protocol.clone(),
        initiator: flow.initiator.address.clone(),
        responder: flow.responder.address.clone(),
        responder_ports: flow
            .responder
            .port
            .map(|port| port.to_string())
            .unwrap_or_default(),
        flows: flow.flows.to_string(),
        first: flow.first.clone().unwrap_or_default(),
        frames: frames(&flow.frames),
        rules: flow.rule.clone(),
        explanation: flow.explanation.clone(),
        ..Row::default()
    }
}

fn requirement(entry: &Requirement) -> Row {
    Row {
        kind: "requirement",
        code: entry.state.code().to_owned(),
        id: entry.id.clone(),
        initiator: entry.host.clone().unwrap_or_default(),
        first: entry.first.clone().unwrap_or_default(),
        frames: frames(&entry.frames),
        rules: entry.rules.join(" "),
        explanation: entry.explanation.clone(),
        ..Row::default()
    }
}

fn diagnosis(entry: &Diagnosis) -> Row {
    Row {
        kind: "diagnosis",
        code: entry.code.to_owned(),
        initiator: entry.host.clone().unwrap_or_default(),
        frames: frames(&entry.frames),
        explanation: entry.explanation.clone(),
        ..Row::default()
    }
}

fn rule_use(rule: &RuleUse) -> Row {
    let hindrance = rule.hindrance;
    Row {
        kind: "rule",
        code: match (hindrance, rule.flows) {
            (Some(hindrance), _) => hindrance.code(),
            (None, 0) => "unused",
            (None, _) => "used",
        }
        .to_owned(),
        id: rule.id.clone(),
        protocol: rule.protocol.clone(),
        initiator_roles: rule.initiator.clone(),
        responder_roles: rule.responder.clone(),
        responder_ports: port_ranges(&rule.ports),
        flows: rule.flows.to_string(),
        packets: rule.packets.to_string(),
        bytes: rule.bytes.to_string(),
        first: rule.first.clone().unwrap_or_default(),
        last: rule.last.clone().unwrap_or_default(),
        rules: rule.source.clone(),
        explanation: hindrance
            .map_or("", |hindrance| hindrance.meaning())
            .to_owned(),
        ..Row::default()
    }
}

fn frames(frames: &[FrameReference]) -> String {
    let texts: Vec<String> = frames
        .iter()
        .map(|frame| format!("{}#{}", frame.capture, frame.frame))
        .collect();
    texts.join(" ")
}

fn port_ranges(ranges: &[(u16, u16)]) -> String {
    let texts: Vec<String> = ranges
        .iter()
        .map(|(low, high)| {
            if low == high {
                low.to_string()
            } else {
                format!("{low}-{high}")
            }
        })
        .collect();
    texts.join(" ")
}

/// A cell that no spreadsheet takes for a formula: one that begins like it gets an apostrophe
/// before it (OWASP, "CSV Injection").
pub(super) fn safe(cell: String) -> String {
    match cell.trim_start().chars().next() {
        Some('=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠') => format!("'{cell}"),
        _ if cell.starts_with(['\t', '\r', '\n']) => format!("'{cell}"),
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn disarms_formulas() {
        assert_eq!(safe("=1+1".into()), "'=1+1");
        assert_eq!(safe(" @SUM(A1)".into()), "' @SUM(A1)");
        assert_eq!(safe("10.0.0.1".into()), "10.0.0.1");
        assert_eq!(safe(String::new()), "");
    }

    proptest! {
        #[test]
        fn no_cell_begins_a_formula(cell in any::<String>()) {
            let cell = safe(cell);
            prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']));
        }
    }
}
