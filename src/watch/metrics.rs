//! Figures of a live run in Prometheus' text format (0.0.4), for the textfile collector of its
//! node exporter. Label values are few: interfaces, codes, and what the site file requires; never
//! anything that a packet chose.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use super::events::{Interface, InterfaceState, Moment};
use crate::evidence::TransferOutcome;
use crate::net::Timestamp;
use crate::report::model::Tool;
use crate::verdict::{Audit, DIAGNOSES, Reason, RequirementState};

/// Everything that `--metrics` writes. `started` is the wall clock when the watch began.
pub fn text(audit: &Audit, moment: &Moment, started: Timestamp) -> String {
    let names = moment.interfaces.iter().map(|interface| &*interface.name);
    let mut page = Page {
        text: String::new(),
        watch: names.collect::<Vec<_>>().join(","),
    };
    run(&mut page, moment, started);
    flows(&mut page, audit);
    requirements(&mut page, audit);
    transfers(&mut page, audit);
    quality(&mut page, audit);
    page.text
}

/// The most memory that this process has held at once, in bytes.
#[cfg(unix)]
pub fn peak_memory() -> Option<u64> {
    use nix::sys::resource::{UsageWho, getrusage};
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    u64::try_from(usage.max_rss()).ok()?.checked_mul(unit)
}

/// Kinds of metrics.
const COUNTER: &str = "counter";
const GAUGE: &str = "gauge";

fn run(page: &mut Page, moment: &Moment, started: Timestamp) {
    page.family("build_info", GAUGE, "The program that watches.");
    page.sample("build_info", &[("version", Tool::THIS.version)], 1);
    page.one(
        "watch_start_time_seconds",
        "When the watch began, in seconds since 1970.",
        seconds(started),
    );
    if let Some(peak) = peak_memory() {
        let help = "The most memory that the program held at once.";
        page.one("peak_resident_memory_bytes", help, peak);
    }
    page.family("interface_up", GAUGE, "Whether an interface is up.");
    for interface in &moment.interfaces {
        let up = u8::from(interface.state == InterfaceState::Up);
        page.of_interface("interface_up", interface, up);
    }
    page.family("packets_total", COUNTER, "Packets taken from an interface.");
    for interface in &moment.interfaces {
        page.of_interface("packets_total", interface, interface.packets);
    }
    page.family(
        "bytes_total",
        COUNTER,
        "Bytes of these packets on the wire.",
    );
    for interface in &moment.interfaces {
        page.of_interface("bytes_total", interface, interface.bytes);
    }
    let told = moment.interfaces.iter();
    let mut told = told
        .filter_map(|interface| Some((interface, interface.dropped?)))
        .peekable();
    if told.peek().is_some() {
        let help = "Packets that an interface, or the kernel behind it, dropped.";
        page.family("dropped_packets_total", COUNTER, help);
    }
    for (interface, dropped) in told {
        page.of_interface("dropped_packets_total", interface, dropped);
    }
}

fn flows(page: &mut Page, audit: &Audit) {
    let totals = &audit.totals;
    page.family("flows", GAUGE, "Flows seen, by verdict.");
    for (verdict, flows) in [
        ("expected", totals.expected),
        ("unexpected", totals.unexpected),
        ("accepted", totals.accepted),
        ("background", totals.background),
        ("out-of-scope", totals.out_of_scope),
    ] {
        page.sample("flows", &[("verdict", verdict)], flows);
    }
    let mut by_reason: BTreeMap<Reason, (u64, u64)> =
        Reason::ALL.iter().map(|reason| (*reason, (0, 0))).collect();
    for finding in audit.unexpected.iter().filter(|one| one.accepted.is_none()) {
        let (findings, flows) = by_reason.entry(finding.reason).or_default();
        *findings += 1;
        *flows += finding.flows;
    }
    page.family("findings", GAUGE, "Entries of unexpected flows, by reason.");
    for (reason, (findings, _)) in &by_reason {
        page.sample("findings", &[("reason", reason.code())], findings);
    }
    page.family("finding_flows", GAUGE, "Unexpected flows in these entries.");
    for (reason, (_, flows)) in &by_reason {
        page.sample("finding_flows", &[("reason", reason.code())], flows);
    }
    let help = "Pairs of hosts and rules whose expected flows never succeeded.";
    page.one("failing", help, audit.failing.len());
    page.family("diagnoses", GAUGE, "What the evidence says went wrong.");
    for kind in DIAGNOSES {
        let told = audit.diagnoses.iter();
        let count = told.filter(|diagnosis| diagnosis.code == kind.code).count();
        page.sample("diagnoses", &[("code", kind.code)], count);
    }
}

fn requirements(page: &mut Page, audit: &Audit) {
    let totals = &audit.totals.requirements;
    let help = "Required steps and rules, one per host, by state.";
    page.family("requirements", GAUGE, help);
    for state in RequirementState::ALL {
        let count = totals.get(state).copied().unwrap_or_default();
        page.sample("requirements", &[("state", state.code())], count);
    }
    // By host there would be as many series as machines boot.
    let mut hosts: BTreeMap<(&str, RequirementState), u64> = BTreeMap::new();
    for requirement in &audit.requirements {
        *hosts
            .entry((&requirement.id, requirement.state))
            .or_default() += 1;
    }
    if !hosts.is_empty() {
        let help = "Hosts for which a required step or rule is in a state; 1 where it is judged for no single host.";
        page.family("requirement_hosts", GAUGE, help);
    }
    for ((id, state), count) in hosts {
        let labels = [("requirement", id), ("state", state.code())];
        page.sample("requirement_hosts", &labels, count);
    }
}

fn transfers(page: &mut Page, audit: &Audit) {
    let outcomes = audit.tftp.iter().map(|transfer| transfer.outcome);
    let joined = audit.tftp_joined.iter().map(|transfer| transfer.outcome);
    let mut counts = OUTCOMES.map(|outcome| (outcome, 0_u64));
    for outcome in outcomes.chain(joined) {
        for (known, count) in &mut counts {
            *count += u64::from(*known == outcome);
        }
    }
    page.family(
        "tftp_transfers",
        GAUGE,
        "TFTP transfers, by outcome so far.",
    );
    for (outcome, count) in counts {
        page.sample("tftp_transfers", &[("outcome", outcome.code())], count);
    }
    let bytes = audit.tftp.iter().map(|transfer| transfer.bytes);
    let joined = audit.tftp_joined.iter().map(|transfer| transfer.bytes);
    let bytes = bytes.chain(joined).fold(0, u64::saturating_add);
    page.one("tftp_payload_bytes", "Bytes of their files.", bytes);
    page.one(
        "rpc_endpoints",
        "RPC endpoints read from the wire.",
        audit.rpc.len(),
    );
}

const OUTCOMES: [TransferOutcome; 7] = [
    TransferOutcome::Complete,
    TransferOutcome::Error,
    TransferOutcome::Aborted,
    TransferOutcome::Stalled,
    TransferOutcome::Unanswered,
    TransferOutcome::Unreachable,
    TransferOutcome::Open,
];

fn quality(page: &mut Page, audit: &Audit) {
    let last = audit
        .captures
        .iter()
        .filter_map(|capture| capture.last)
        .max();
    if let Some(last) = last.filter(|last| last.is_known()) {
        let help = "When the last packet came, in seconds since 1970.";
        page.one("last_packet_timestamp_seconds", help, seconds(last));
    }
    let loss = &audit.loss;
    page.one(
        "sequence_gaps",
        "Gaps in TCP sequence numbers.",
        loss.sequence_gaps,
    );
    page.one(
        "duplicate_packets",
        "Packets seen more than once.",
        loss.duplicates,
    );
    page.one(
        "snaplen_cut_packets",
        "Packets cut by the snaplen.",
        loss.snaplen_cut,
    );
    page.one(
        "one_sided_flows",
        "TCP flows of which only one side was seen.",
        loss.one_sided_flows,
    );
    let undecoded = &audit.totals.undecoded;
    if !undecoded.is_empty() {
        let help = "Packets that could not be decoded, by reason.";
        page.family("undecoded_packets", GAUGE, help);
    }
    for (reason, count) in undecoded {
        page.sample("undecoded_packets", &[("reason", reason.code())], count);
    }
    if !audit.limits.is_empty() {
        let help = "How many things a bound of the program kept out.";
        page.family("limit_reached", GAUGE, help);
    }
    for limit in &audit.limits {
        page.sample("limit_reached", &[("limit", limit.limit)], limit.reached);
    }
}

/// Seconds with nanoseconds: a float has no room for them.
fn seconds(time: Timestamp) -> String {
    let nanoseconds = time.0.max(0);
    format!(
        "{}.{:09}",
        nanoseconds / 1_000_000_000,
        nanoseconds % 1_000_000_000
    )
}

/// Metrics as they are written, each family once.
struct Page {
    text: String,
    /// The interfaces watched, which tell the samples of several watches on one machine apart: a
    /// collector that finds the same labels in two files takes neither.
    watch: String,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP portolan_{name} {help}"));
        self.line(format_args!("# TYPE portolan_{name} {kind}"));
    }

    /// A sample of the whole watch.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let mut set = String::new();
        for (label, text) in labels {
            let _ = write!(set, "{label}=\"{}\",", escaped(text));
        }
        let watch = escaped(&self.watch);
        self.line(format_args!(
            "portolan_{name}{{{set}watch=\"{watch}\"}} {value}"
        ));
    }

    fn of_interface(&mut self, name: &str, interface: &Interface, value: impl Display) {
        let interface = escaped(&interface.name);
        self.line(format_args!(
            "portolan_{name}{{interface=\"{interface}\"}} {value}"
        ));
    }

    /// A gauge of one sample.
    fn one(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, GAUGE, help);
        self.sample(name, &[], value);
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.text, "{line}").expect("writing to a String succeeds");
    }
}

/// A label's value between its quotes.
fn escaped(text: &str) -> String {
    let text = crate::report::escape::line(text);
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests;
