//! The flow table, a record a flow: what `portolan flows` writes. Records are made and written
//! one after the other, because there may be millions.

use std::io::{self, Write};

use serde::Serialize;

use super::text::units::{bytes, moment, number};
use super::{Ink, Page, Pen, Table, csv};
use crate::flow::Flow;
use crate::net::{Endpoint, Protocol};
use crate::verdict::Verdict;

/// A flow, key by key in the order in which they are written.
#[derive(Clone, Debug, Serialize)]
pub struct FlowRecord {
    /// What the ends speak.
    pub protocol: String,
    /// Who opened.
    pub initiator: FlowEnd,
    /// Who was opened to.
    pub responder: FlowEnd,
    /// How the initiator is known.
    pub initiator_basis: &'static str,
    /// First packet.
    pub first: Option<String>,
    /// Last packet.
    pub last: Option<String>,
    /// Packets sent by the initiator.
    pub initiator_packets: u64,
    /// Packets sent by the responder.
    pub responder_packets: u64,
    /// Frame bytes on the wire sent by the initiator.
    pub initiator_bytes: u64,
    /// Frame bytes on the wire sent by the responder.
    pub responder_bytes: u64,
    /// Openings seen; of a folded flow how many flows were folded.
    pub connections: u32,
    /// How it went.
    pub state: &'static str,
    /// Community id, version 1; null where the protocol has none.
    pub community_id: Option<String>,
    /// Outermost VLAN of the first packet.
    pub vlan: Option<u16>,
    /// Verdict; null without a site.
    pub verdict: Option<&'static str>,
    /// Why it is unexpected, or which background it is.
    pub reason: Option<&'static str>,
    /// Why it is expected.
    pub basis: Option<&'static str>,
    /// Ids of the rules that explain it, strongest first.
    pub rules: Vec<String>,
}

/// One end of a flow.
#[derive(Clone, Debug, Serialize)]
pub struct FlowEnd {
    /// Address.
    pub address: String,
    /// Port; null where the protocol has none, or several were folded.
    pub port: Option<u16>,
    /// Role ids.
    pub roles: Vec<String>,
}

/// What a site says of a flow; empty without one.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// Role ids of the initiator.
    pub initiator_roles: Vec<String>,
    /// Role ids of the responder.
    pub responder_roles: Vec<String>,
    /// The verdict.
    pub verdict: Option<Verdict>,
    /// Ids of the rules that explain it.
    pub rules: Vec<String>,
}

impl FlowRecord {
    /// The record of a flow.
    pub fn new(flow: &Flow, community_id: Option<String>, judged: Judged) -> Self {
        let has_ports = matches!(flow.protocol, Protocol::Tcp | Protocol::Udp);
        let end = |endpoint: Endpoint, port: Option<u16>, roles| FlowEnd {
            address: endpoint.address.to_string(),
            port: port.filter(|_| has_ports),
            roles,
        };
        let responder_port = Some(flow.responder.port);
        Self {
            protocol: flow.protocol.to_string(),
            initiator: end(
                flow.initiator,
                flow.initiator_port(),
                judged.initiator_roles,
            ),
            responder: end(flow.responder, responder_port, judged.responder_roles),
            initiator_basis: flow.initiator_basis.code(),
            first: super::model::time(flow.first.time),
            last: super::model::time(flow.last),
            initiator_packets: flow.initiator_packets,
            responder_packets: flow.responder_packets,
            initiator_bytes: flow.initiator_bytes,
            responder_bytes: flow.responder_bytes,
            connections: flow.connections,
            state: flow.state.code(),
            community_id,
            vlan: flow.vlan,
            verdict: judged.verdict.map(Verdict::code),
            reason: judged.verdict.and_then(Verdict::reason_code),
            basis: judged.verdict.and_then(Verdict::basis_code),
            rules: judged.rules,
        }
    }
}

/// A way to write the flow table.
#[derive(Clone, Copy)]
pub struct FlowFormat {
    /// Value of `--format`.
    pub name: &'static str,
    /// What it is for, in a few words.
    pub purpose: &'static str,
    /// Writes every record.
    pub write: FlowWriter,
}

/// Writes records as they come.
pub type FlowWriter =
    fn(&mut dyn Iterator<Item = FlowRecord>, &Page, &mut dyn Write) -> io::Result<()>;

/// Every format of the flow table.
pub const FLOW_FORMATS: [FlowFormat; 3] = [
    FlowFormat {
        name: "text",
        purpose: "for people: a line a flow",
        write: text,
    },
    FlowFormat {
        name: "jsonl",
        purpose: "one JSON object a flow",
        write: jsonl,
    },
    FlowFormat {
        name: "csv",
        purpose: "one row a flow",
        write: csv,
    },
];

/// Rows that are aligned together: few enough to appear at once, enough to look even.
const ALIGNED_ROWS: usize = 1000;

fn text(
    records: &mut dyn Iterator<Item = FlowRecord>,
    page: &Page,
    out: &mut dyn Write,
) -> io::Result<()> {
    // A line a flow, however long: other tools count and search lines.
    let page = Page {
        width: usize::MAX,
        ..*page
    };
    let pen = &mut Pen::new(&page, out);
    let mut headings = true;
    loop {
        let mut table = Table::new(&[
            "first",
            "protocol",
            "initiator",
            "responder",
            "state",
            "#packets",
            "#bytes",
            "verdict",
        ]);
        for record in (&mut *records).take(ALIGNED_ROWS) {
            table.row(cells(&record));
        }
        if table.is_empty() && !headings {
            return Ok(());
        }
        table.write_part(pen, headings)?;
        if table.is_empty() {
            return Ok(());
        }
        headings = false;
    }
}

fn cells(record: &FlowRecord) -> Vec<(Ink, String)> {
    let first = record.first.as_deref().map(moment).unwrap_or_default();
    let (ink, verdict) = match (record.verdict, record.reason, record.basis) {
        (Some("unexpected"), Some(reason), _) => (Ink::Bad, format!("unexpected {reason}")),
        (Some(verdict), Some(detail), _) | (Some(verdict), None, Some(detail)) => {
            (Ink::Plain, format!("{verdict} {detail}"))
        }
        (verdict, ..) => (Ink::Plain, verdict.unwrap_or_default().to_owned()),
    };
    vec![
        (Ink::Faint, first),
        (Ink::Plain, record.protocol.clone()),
        (Ink::Plain, endpoint(&record.initiator)),
        (Ink::Strong, endpoint(&record.responder)),
        (Ink::Plain, record.state.to_owned()),
        (
            Ink::Plain,
            number(record.initiator_packets + record.responder_packets),
        ),
        (
            Ink::Plain,
            bytes(record.initiator_bytes + record.responder_bytes),
        ),
        (ink, verdict),
    ]
}

fn endpoint(end: &FlowEnd) -> String {
    match end.port {
        None => end.address.clone(),
        Some(port) if end.address.contains(':') => format!("[{}]:{port}", end.address),
        Some(port) => format!("{}:{port}", end.address),
    }
}

fn jsonl(
    records: &mut dyn Iterator<Item = FlowRecord>,
    _page: &Page,
    out: &mut dyn Write,
) -> io::Result<()> {
    for record in records {
        serde_json::to_writer(&mut *out, &record)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

const COLUMNS: [&str; 22] = [
    "protocol",
    "initiator_address",
    "initiator_port",
    "initiator_roles",
    "responder_address",
    "responder_port",
    "responder_roles",
    "initiator_basis",
    "first",
    "last",
    "initiator_packets",
    "responder_packets",
    "initiator_bytes",
    "responder_bytes",
    "connections",
    "state",
    "community_id",
    "vlan",
    "verdict",
    "reason",
    "basis",
    "rules",
];

fn csv(
    records: &mut dyn Iterator<Item = FlowRecord>,
    _page: &Page,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut table = ::csv::Writer::from_writer(out);
    table.write_record(COLUMNS)?;
    for record in records {
        let optional = |number: Option<u16>| number.map(|n| n.to_string()).unwrap_or_default();
        let word = |word: Option<&str>| word.unwrap_or_default().to_owned();
        let row: [String; COLUMNS.len()] = [
            record.protocol,
            record.initiator.address,
            optional(record.initiator.port),
            record.initiator.roles.join(" "),
            record.responder.address,
            optional(record.responder.port),
            record.responder.roles.join(" "),
            record.initiator_basis.to_owned(),
            record.first.unwrap_or_default(),
            record.last.unwrap_or_default(),
            record.initiator_packets.to_string(),
            record.responder_packets.to_string(),
            record.initiator_bytes.to_string(),
            record.responder_bytes.to_string(),
            record.connections.to_string(),
            record.state.to_owned(),
            record.community_id.unwrap_or_default(),
            optional(record.vlan),
            word(record.verdict),
            word(record.reason),
            word(record.basis),
            record.rules.join(" "),
        ];
        table.write_record(row.map(csv::safe))?;
    }
    table.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn written(format: &FlowFormat) -> String {
        let mut out = Vec::new();
        let page = Page {
            width: 120,
            ..Page::default()
        };
        let mut records = sample::flow_records().into_iter();
        (format.write)(&mut records, &page, &mut out).expect("writes to memory");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn every_format_writes_the_sample() {
        for format in &FLOW_FORMATS {
            insta::assert_snapshot!(format!("flows_{}", format.name), written(format));
        }
    }

    #[test]
    fn keys_are_those_of_the_contract() {
        let line = written(&FLOW_FORMATS[1]);
        let first: serde_json::Value =
            serde_json::from_str(line.lines().next().expect("a flow")).expect("JSON");
        let keys: Vec<&str> = first
            .as_object()
            .expect("an object")
            .keys()
            .map(String::as_str)
            .collect();
        let mut wanted = [
            "protocol",
            "initiator",
            "responder",
            "initiator_basis",
            "first",
            "last",
            "initiator_packets",
            "responder_packets",
            "initiator_bytes",
            "responder_bytes",
            "connections",
            "state",
            "community_id",
            "vlan",
            "verdict",
            "reason",
            "basis",
            "rules",
        ];
        wanted.sort_unstable();
        assert_eq!(keys, wanted);
    }

    #[test]
    fn a_long_table_has_its_headings_once() {
        let record = sample::flow_records().remove(0);
        let mut out = Vec::new();
        let mut records = std::iter::repeat_n(record, 2 * ALIGNED_ROWS);
        text(&mut records, &Page::default(), &mut out).expect("writes to memory");
        let out = String::from_utf8(out).expect("text");
        assert_eq!(out.matches("initiator").count(), 1);
    }
}
