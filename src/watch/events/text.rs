//! An event as one line for logs: when, a word, what, and a sentence.

use super::event::{Event, EventKind, Loss};
use crate::report::model::{Requirement, Tftp, Unexpected};
use crate::report::units::{bytes, count, number};

/// The event as one line, without its end: `  12.3 s  satisfied   pxe-boot/dhcp-offer  …`.
/// Fields stand two spaces apart; the first two have their columns.
pub fn line(event: &Event) -> String {
    let tenths = event.elapsed.as_millis() / 100;
    let (word, fields) = told(&event.kind);
    let mut line = format!("{:>6}.{} s  {word:<10}", tenths / 10, tenths % 10);
    for field in fields.iter().filter(|field| !field.is_empty()) {
        line.push_str("  ");
        line.push_str(field);
    }
    line
}

fn told(kind: &EventKind) -> (&'static str, Vec<String>) {
    let host = |host: &Option<String>| host.clone().unwrap_or_default();
    match kind {
        EventKind::WatchBegun(begun) => (
            "watching",
            vec![
                begun.interfaces.join(", "),
                format!("site {}", begun.site.name),
                count(begun.requirements.len() as u64, "requirement"),
            ],
        ),
        EventKind::FlowUnexpected(finding) => ("unexpected", unexpected(finding)),
        EventKind::FlowWithdrawn(gone) => {
            let initiator = gone.initiator.address.as_deref();
            let responder = gone.responder.address.as_deref();
            let ends = ends(&gone.protocol, initiator, responder, gone.responder.port);
            ("withdrawn", vec![ends, gone.reason.to_owned()])
        }
        EventKind::StepSatisfied(step) => {
            (step.state.code(), vec![step.id.clone(), host(&step.host)])
        }
        EventKind::StepFailed(step) => ("failed", in_vain(step)),
        EventKind::StepMissing(step) => ("missing", in_vain(step)),
        EventKind::StepReopened(step) => ("reopened", in_vain(step)),
        EventKind::StepWithdrawn(step) => ("withdrawn", vec![step.id.clone(), host(&step.host)]),
        EventKind::TransferBegun(transfer) => ("transfer", begun(transfer)),
        EventKind::TransferEnded(transfer) => (transfer.outcome, ended(transfer)),
        EventKind::TransferResumed(transfer) => ("resumed", begun(transfer)),
        EventKind::EndpointLearned(rpc) => {
            let named = rpc.name.map(str::to_owned);
            let interface = named.or_else(|| rpc.interface.clone()).unwrap_or_default();
            let place = format!(
                "{} {}",
                rpc.protocol,
                with_port(&rpc.server, Some(rpc.port))
            );
            ("endpoint", vec![place, interface])
        }
        EventKind::Diagnosis(diagnosis) => (
            "diagnosis",
            vec![
                diagnosis.code.to_owned(),
                host(&diagnosis.host),
                diagnosis.explanation.clone(),
            ],
        ),
        EventKind::DiagnosisWithdrawn(gone) => {
            ("withdrawn", vec![gone.code.to_owned(), host(&gone.host)])
        }
        EventKind::Loss(lost) => ("loss", loss(lost)),
        EventKind::InterfaceDown(change) => ("down", vec![change.interface.clone()]),
        EventKind::InterfaceUp(change) => ("up", vec![change.interface.clone()]),
        EventKind::InterfaceGone(change) => ("gone", vec![change.interface.clone()]),
        EventKind::ClockJump(jump) => ("clock", vec![format!("jumped by {} s", jump.seconds)]),
        EventKind::WatchEnded(end) => (
            "ended",
            vec![
                match end.signal {
                    Some(signal) => format!("{} {signal}", end.why),
                    None => end.why.to_owned(),
                },
                count(end.packets, "packet"),
                bytes(end.bytes),
                match end.kernel_drops {
                    Some(drops) => format!("{drops} dropped"),
                    None => String::new(),
                },
                match end.untold {
                    0 => String::new(),
                    untold => format!("{} not told, see the report", count(untold, "event")),
                },
            ],
        ),
    }
}

fn unexpected(finding: &Unexpected) -> Vec<String> {
    let responder = &finding.responder;
    let initiator = Some(finding.initiator.address.as_str());
    let mut ends = ends(
        &finding.protocol,
        initiator,
        responder.address.as_deref(),
        responder.port,
    );
    if let Some(addresses) = responder.addresses {
        ends += &format!(" ({} addresses)", number(addresses));
    }
    vec![ends, finding.reason.to_owned(), finding.explanation.clone()]
}

fn in_vain(step: &Requirement) -> Vec<String> {
    let host = step.host.clone().unwrap_or_default();
    let cause = step.cause.unwrap_or_default().to_owned();
    vec![step.id.clone(), host, cause, step.explanation.clone()]
}

fn begun(transfer: &Tftp) -> Vec<String> {
    let file = transfer.file.as_deref().unwrap_or("(file not captured)");
    let deed = match transfer.operation {
        Some("write") => "to",
        _ => "from",
    };
    vec![
        file.to_owned(),
        format!(
            "{} {deed} {}",
            transfer.client.address, transfer.server.address
        ),
    ]
}

fn ended(transfer: &Tftp) -> Vec<String> {
    let mut fields = begun(transfer);
    if transfer.bytes > 0 {
        fields.push(bytes(transfer.bytes));
    }
    fields.extend(
        transfer
            .bytes_per_second
            .filter(|_| transfer.bytes > 0)
            .map(|rate| format!("{}/s", bytes(rate))),
    );
    if let Some(error) = &transfer.error {
        fields.push(
            format!("error {} {}", error.code, error.message)
                .trim_end()
                .to_owned(),
        );
    }
    fields
}

fn loss(lost: &Loss) -> Vec<String> {
    let mut fields = Vec::new();
    if lost.new_kernel_drops > 0 {
        let all = lost.kernel_drops.unwrap_or_default();
        let new = count(lost.new_kernel_drops, "packet");
        fields.push(format!("{new} dropped ({all} in all)"));
    }
    if lost.new_sequence_gaps > 0 {
        let new = count(lost.new_sequence_gaps, "new sequence gap");
        fields.push(format!("{new} ({} in all)", lost.sequence_gaps));
    }
    fields
}

/// `tcp 10.0.0.1 -> 10.0.0.2:80`.
fn ends(
    protocol: &str,
    initiator: Option<&str>,
    responder: Option<&str>,
    port: Option<u16>,
) -> String {
    let initiator = initiator.unwrap_or("many");
    let responder = with_port(responder.unwrap_or("many"), port);
    format!("{protocol} {initiator} -> {responder}")
}

fn with_port(address: &str, port: Option<u16>) -> String {
    match port {
        Some(port) if address.contains(':') => format!("[{address}]:{port}"),
        Some(port) => format!("{address}:{port}"),
        None => address.to_owned(),
    }
}
