//! `[[section]]` and its rows.

use std::ops::Range;

use super::ports::{self, RawPorts};
use super::{names, owned, text};
use crate::config::{Located, Problems, Table, Value, nearest, quoted, suggestion};
use crate::policy::{Direction, Kind, PortRange, RuleProtocol, Service};

/// A section of a document, or the part of one that has its own roles or condition.
#[derive(Debug)]
pub(in crate::policy) struct RawSection {
    pub anchor: Located<String>,
    /// Role ids or `any`; empty where the section has no rows.
    pub initiators: Vec<Located<String>>,
    pub responders: Vec<Located<String>>,
    pub direction: Direction,
    pub condition: Option<String>,
    pub notes: Vec<Located<NoteUse>>,
    /// Anchors of other sections that it lists.
    pub see: Vec<Located<String>>,
    pub rows: Vec<RawRow>,
}

/// A row of a table.
#[derive(Debug)]
pub(in crate::policy) struct RawRow {
    pub span: Range<usize>,
    pub service: Located<String>,
    /// What it opens, a rule each.
    pub opens: Vec<RawOpening>,
    pub alternate_port: bool,
    pub alternatives: bool,
    /// Where it is not the section's.
    pub direction: Option<Direction>,
    /// In addition to the section's.
    pub condition: Option<String>,
    pub notes: Vec<Located<NoteUse>>,
    pub fallback: Vec<Located<String>>,
}

/// Ports of a row under one protocol.
#[derive(Debug)]
pub(in crate::policy) struct RawOpening {
    pub protocol: RuleProtocol,
    pub kind: Kind,
    pub ports: Vec<PortRange>,
}

/// A note that bears on a row or a section.
#[derive(Debug)]
pub(in crate::policy) enum NoteUse {
    /// The file's note of that number.
    Number(i64),
    /// Its own words.
    Text(String),
}

impl RawSection {
    pub(super) fn read(table: Table<'_>) -> Option<Self> {
        let problems = table.problems();
        let anchor = table.required_string("anchor");
        let rows = table.tables("row");
        let has_rows = !rows.is_empty();
        let initiators = parties(&table, "initiator", has_rows);
        let responders = parties(&table, "responder", has_rows);
        let direction = direction(&table).unwrap_or(Direction::OneWay);
        let condition = table.string("condition").map(text);
        let notes = notes(&table);
        let see = table.strings("see").into_iter().map(owned).collect();
        let rows = rows.into_iter().filter_map(RawRow::read).collect();
        table.finish();
        Some(Self {
            anchor: names::word(anchor?, problems, "a section")?,
            initiators,
            responders,
            direction,
            condition,
            notes,
            see,
            rows,
        })
    }
}

impl RawRow {
    fn read(table: Table<'_>) -> Option<Self> {
        let problems = table.problems();
        let span = table.span();
        let service = table.required_string("service");
        let opens = openings(&table);
        let alternate_port = flag(&table, "alternate-port");
        let alternatives = flag(&table, "alternatives");
        let direction = direction(&table);
        let condition = table.string("condition").map(text);
        let notes = notes(&table);
        let fallback = table.strings("fallback").into_iter().map(owned).collect();
        table.finish();

        let service = names::kebab_case(service?, problems, "a service")?;
        warn_of_misspelt_service(&service, problems);
        let opens = opens?;
        let fixed = |opening: &RawOpening| opening.kind == Kind::Fixed;
        if let Some(flag) = &alternate_port
            && !opens.iter().any(fixed)
        {
            let message = "`alternate-port` needs a port that another can replace";
            problems.error(flag.clone(), message);
        }
        if let Some(flag) = &alternatives
            && !opens.iter().any(|opening| opening.ports.len() > 1)
        {
            let message = "`alternatives` needs several ports to choose from";
            problems.error(flag.clone(), message);
        }
        Some(Self {
            span,
            service,
            opens,
            alternate_port: alternate_port.is_some(),
            alternatives: alternatives.is_some(),
            direction,
            condition,
            notes,
            fallback,
        })
    }
}

/// Place of a flag that is set.
fn flag(table: &Table<'_>, key: &'static str) -> Option<Range<usize>> {
    let flag = table.boolean(key)?;
    flag.value.then_some(flag.span)
}

/// One role, or several.
fn parties(table: &Table<'_>, key: &'static str, needed: bool) -> Vec<Located<String>> {
    let value = if needed {
        table.required(key)
    } else {
        table.value(key)
    };
    let Some(value) = value else {
        return Vec::new();
    };
    let roles = if value.is_array() {
        value.strings()
    } else if value.is_string() {
        value.string().map(|role| vec![role])
    } else {
        value.expected("a role or an array of roles")
    };
    let roles: Vec<_> = roles.unwrap_or_default().into_iter().map(owned).collect();
    if value.is_array() && roles.is_empty() {
        let message = format!("`{key}` must name a role");
        value.problems().missing(value.span(), message, None);
    }
    roles
}

fn direction(table: &Table<'_>) -> Option<Direction> {
    let written = table.string("direction")?;
    let known = [Direction::OneWay, Direction::Either];
    let found = known.iter().find(|known| known.code() == written.value);
    if found.is_none() {
        let message = format!("unknown direction {}", quoted(written.value));
        let help = suggestion(written.value, "directions", known.iter().map(|d| d.code()));
        table
            .problems()
            .error_with_help(written.span, message, help);
    }
    found.copied()
}

fn notes(table: &Table<'_>) -> Vec<Located<NoteUse>> {
    let Some(values) = table.value("notes").and_then(|value| value.array()) else {
        return Vec::new();
    };
    values.into_iter().filter_map(note).collect()
}

fn note(value: Value<'_>) -> Option<Located<NoteUse>> {
    let note = if value.is_integer() {
        NoteUse::Number(value.integer(1..=i64::from(u16::MAX))?.value)
    } else if value.is_string() {
        NoteUse::Text(text(value.string()?))
    } else {
        return value.expected("the number of a note, or a note's own words");
    };
    Some(Located {
        value: note,
        span: value.span(),
    })
}

/// A rule per protocol; UDP first, as the columns of the documents.
fn openings(table: &Table<'_>) -> Option<Vec<RawOpening>> {
    let problems = table.problems();
    let columns = [
        (RuleProtocol::Udp, table.value("udp")),
        (RuleProtocol::Tcp, table.value("tcp")),
    ];
    let icmp = table.value("icmp");
    let kind = table.string("kind");
    let range_only = match kind.as_ref().map(|kind| kind.value) {
        None | Some("fixed") => false,
        Some("rpc-range") => true,
        Some(other) => {
            let message = format!("unknown kind {}", quoted(other));
            let help = suggestion(other, "kinds", ["fixed", "rpc-range"]);
            let span = kind.as_ref().map_or(table.span(), |kind| kind.span.clone());
            problems.error_with_help(span, message, help);
            false
        }
    };
    if columns.iter().all(|(_, value)| value.is_none()) && icmp.is_none() {
        let help = "add `tcp`, `udp` or `icmp`, for example tcp = 443".to_owned();
        problems.missing(table.span(), "the row opens nothing", Some(help));
        return None;
    }
    let mut openings = Vec::new();
    let mut sound = true;
    for (protocol, value) in columns {
        let Some(value) = value else { continue };
        let Some(ports) = ports::read(value) else {
            sound = false;
            continue;
        };
        let (ports, kind) = match ports {
            RawPorts::Dynamic if range_only => {
                let message = "`rpc-range` needs the range in numbers";
                problems.error(value.span(), message);
                sound = false;
                continue;
            }
            RawPorts::Dynamic => (Vec::new(), Kind::RpcDynamic),
            RawPorts::Listed(ports) if range_only => (ports, Kind::RpcRange),
            RawPorts::Listed(ports) => (ports, Kind::Fixed),
        };
        openings.push(RawOpening {
            protocol,
            kind,
            ports,
        });
    }
    if let Some(value) = icmp {
        if value.string()?.value != "echo" {
            let help = Some("write icmp = \"echo\"".to_owned());
            problems.error_with_help(value.span(), "only ICMP echo can be allowed", help);
            return None;
        }
        openings.push(RawOpening {
            protocol: RuleProtocol::Icmp,
            kind: Kind::IcmpEcho,
            ports: Vec::new(),
        });
    }
    sound.then_some(openings)
}

/// A policy may invent services; one that is nearly a known one is more likely misspelt.
fn warn_of_misspelt_service(service: &Located<String>, problems: &Problems<'_>) {
    let name = service.value.as_str();
    if Service::find(name).is_some() || problems.is_full() {
        return;
    }
    let known = Service::ALL.iter().map(|service| service.id);
    if let Some(near) = nearest(name, known) {
        let message = format!("`{name}` is no service of the built-in catalogue");
        let help = Some(format!("did you mean `{near}`?"));
        problems.warning(service.span.clone(), message, help);
    }
}
