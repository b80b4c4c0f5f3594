//! What the checklist shows: values, before they are laid out.

use std::cmp::Reverse;
use std::time::Duration;

use super::super::events::{InterfaceState, Moment, Teller, is_satisfied, reading};
use super::runs::{Rule, Run, rules, runs};
use crate::evidence::{Transfer, TransferOperation, TransferOutcome};
use crate::report::escape;
use crate::verdict::{Audit, Diagnosis, Finding};

/// Rows of a list that are worked out; no terminal shows more.
const MAX_ROWS: usize = 64;
/// Silence in a transfer that is worth a word. Blocks come every few milliseconds.
const SILENCE_NS: u64 = 2_000_000_000;

/// How things stand.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    /// Names of the interfaces, with a word on those that give nothing.
    pub interfaces: String,
    pub elapsed: Duration,
    pub packets: u64,
    pub bytes: u64,
    pub packets_per_second: u64,
    pub bytes_per_second: u64,
    pub dropped: Option<u64>,
    /// Scenarios by host, those that need attention first.
    pub runs: Vec<Run>,
    /// Required rules, those that need attention first.
    pub rules: Vec<Rule>,
    /// What is wrong by name, and for whom; and a sentence on each.
    pub diagnoses: Vec<(String, String)>,
    pub diagnosis_count: usize,
    /// Transfers under way, the latest first.
    pub transfers: Vec<Moving>,
    pub transfer_count: usize,
    /// Unexpected flows, the latest first.
    pub unexpected: Vec<Unexpected>,
    pub unexpected_count: usize,
    pub unexpected_flows: u64,
    /// What is waited for most urgently, and how many points there are.
    pub open: Option<String>,
    pub open_count: u64,
    pub is_satisfied: bool,
    /// When the watch ends.
    pub ends: String,
}

/// A transfer under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Moving {
    pub file: String,
    pub from: String,
    pub to: String,
    pub bytes: u64,
    /// Size of the file, where the server said it.
    pub size: Option<u64>,
    pub bytes_per_second: u64,
    /// Seconds since its last packet, where that is long ago.
    pub silent: Option<u64>,
}

/// An entry of unexpected flows.
#[derive(Clone, Debug, Default)]
pub(super) struct Unexpected {
    pub reason: &'static str,
    pub protocol: String,
    pub from: String,
    pub to: String,
    pub flows: u64,
}

impl View {
    pub fn new(
        audit: &Audit,
        moment: &Moment,
        teller: &Teller,
        (packets_per_second, bytes_per_second): (u64, u64),
        ends: &str,
    ) -> Self {
        let reading = reading(audit);
        let satisfaction = is_satisfied(audit);
        let mut moving: Vec<&Transfer> = audit.tftp.iter().collect();
        moving.retain(|transfer| transfer.outcome == TransferOutcome::Open);
        moving.sort_by_key(|transfer| Reverse(transfer.last));
        let mut told: Vec<&Finding> = audit.unexpected.iter().collect();
        told.retain(|finding| finding.accepted.is_none() && teller.has_told(finding));
        told.sort_by_key(|finding| Reverse(finding.last));
        let mut diagnoses: Vec<&Diagnosis> = audit.diagnoses.iter().collect();
        diagnoses.retain(|diagnosis| teller.has_told_diagnosis(diagnosis));
        let transfers = moving.iter().take(MAX_ROWS);
        let unexpected = told.iter().take(MAX_ROWS);
        Self {
            interfaces: interfaces(moment),
            elapsed: moment.since_start,
            packets: moment.packets(),
            bytes: moment.bytes(),
            packets_per_second,
            bytes_per_second,
            dropped: moment.dropped(),
            runs: runs(audit, teller, &reading),
            rules: rules(audit, teller),
            diagnosis_count: diagnoses.len(),
            diagnoses: diagnoses.into_iter().take(MAX_ROWS).map(named).collect(),
            transfers: transfers
                .map(|one| Moving::new(one, &audit.tftp, moment))
                .collect(),
            transfer_count: moving.len(),
            unexpected: unexpected.map(|one| Unexpected::new(one)).collect(),
            unexpected_count: told.len(),
            unexpected_flows: told.iter().map(|finding| finding.flows).sum(),
            open: satisfaction.open.first().map(|point| match &point.host {
                Some(host) => format!("{} of {host}", point.what),
                None => point.what.clone(),
            }),
            open_count: satisfaction.open_count,
            is_satisfied: satisfaction.satisfied,
            ends: ends.to_owned(),
        }
    }
}

/// Code and host, and what is said of it.
fn named(diagnosis: &Diagnosis) -> (String, String) {
    let host = diagnosis.host.as_deref().unwrap_or_default();
    let title = format!("{}  {}", diagnosis.code, escape::line(host));
    let text = escape::line(&diagnosis.explanation).into_owned();
    (title.trim_end().to_owned(), text)
}

fn interfaces(moment: &Moment) -> String {
    let named = moment.interfaces.iter().map(|interface| {
        let name = escape::line(&interface.name);
        match interface.state {
            InterfaceState::Up => name.into_owned(),
            InterfaceState::Down => format!("{name} (down)"),
            InterfaceState::Gone => format!("{name} (gone)"),
        }
    });
    named.collect::<Vec<_>>().join(", ")
}

/// The size of a file, where the server said it: now, or when the machine last asked for the same
/// file. UEFI firmware asks for the size first, breaks that off, and then reads without asking.
fn size(transfer: &Transfer, all: &[Transfer]) -> Option<u64> {
    let told = |one: &Transfer| -> Option<u64> {
        let size = std::str::from_utf8(one.options.get("tsize")?.bytes()).ok()?;
        size.parse().ok().filter(|size| *size > 0)
    };
    let is_same = |one: &&Transfer| {
        one.operation == transfer.operation
            && one.client.address == transfer.client.address
            && one.server.address == transfer.server.address
            && one.file == transfer.file
    };
    told(transfer).or_else(|| all.iter().rev().filter(is_same).find_map(told))
}

impl Moving {
    fn new(transfer: &Transfer, all: &[Transfer], moment: &Moment) -> Self {
        let (server, client) = (transfer.server.address, transfer.client.address);
        let (from, to) = match transfer.operation {
            TransferOperation::Read => (server, client),
            TransferOperation::Write => (client, server),
        };
        let time = u128::from(transfer.last.since_ns(transfer.first.time));
        let rate = (u128::from(transfer.bytes) * 1_000_000_000).checked_div(time);
        let rate = rate.and_then(|rate| u64::try_from(rate).ok());
        let silent = moment.now.since_ns(transfer.last);
        Self {
            file: escape::bytes(transfer.file.bytes()),
            from: from.to_string(),
            to: to.to_string(),
            bytes: transfer.bytes,
            size: size(transfer, all),
            bytes_per_second: rate.unwrap_or_default(),
            silent: (silent >= SILENCE_NS).then_some(silent / 1_000_000_000),
        }
    }
}

impl Unexpected {
    fn new(finding: &Finding) -> Self {
        let responder = &finding.responder;
        let to = match (responder.address, responder.addresses) {
            (Some(address), _) => address.to_string(),
            (None, Some(addresses)) => format!("{addresses} addresses"),
            (None, None) => "many addresses".to_owned(),
        };
        let port = match responder.port {
            Some(port) => format!(" port {port}"),
            None if responder.ports.is_empty() => String::new(),
            None => " many ports".to_owned(),
        };
        Self {
            reason: finding.reason.code(),
            protocol: finding.protocol.to_string(),
            from: finding.initiator.address.to_string(),
            to: to + &port,
            flows: finding.flows,
        }
    }
}
