//! What the trackers found out, for people: transfers, RPC endpoints.

use std::io;

use super::units::{bytes, count, number};
use super::{Ink, Pen, Table, beyond, rest, rest_of};
use crate::report::Report;
use crate::report::model::{LISTED_TRANSFERS, Peer, Tftp};

pub(super) fn transfers(report: &Report, pen: &mut Pen<'_>) -> io::Result<()> {
    if report.tftp.is_empty() {
        return Ok(());
    }
    pen.heading("TFTP transfers", "")?;
    let shown = report.tftp.len().min(pen.page().entries);
    let mut table = Table::new(&["outcome", "#size", "#rate", "client", "server", "file"]);
    for transfer in &report.tftp[..shown] {
        let ink = match transfer.outcome {
            "complete" => Ink::Good,
            "aborted" | "open" => Ink::Plain,
            _ => Ink::Doubtful,
        };
        table.row(vec![
            (ink, transfer.outcome.to_owned()),
            (Ink::Plain, bytes(transfer.bytes)),
            (Ink::Plain, rate(transfer)),
            (Ink::Plain, peer(&transfer.client)),
            (Ink::Plain, peer(&transfer.server)),
            (Ink::Plain, file(transfer)),
        ]);
    }
    table.write(pen)?;
    let beyond = beyond(report, LISTED_TRANSFERS);
    rest_of(pen, report.tftp.len() - shown, beyond)
}

fn peer(peer: &Peer) -> String {
    if peer.address.contains(':') {
        format!("[{}]:{}", peer.address, peer.port)
    } else {
        format!("{}:{}", peer.address, peer.port)
    }
}

/// Nothing to say where nothing was transferred.
fn rate(transfer: &Tftp) -> String {
    let rate = transfer.bytes_per_second.filter(|_| transfer.bytes > 0);
    rate.map_or_else(String::new, |rate| format!("{}/s", bytes(rate)))
}

/// The file with what is remarkable about its transfer.
fn file(transfer: &Tftp) -> String {
    let unknown = || "its request was not captured".to_owned();
    let mut out = transfer.file.clone().unwrap_or_else(unknown);
    if transfer.operation == Some("write") {
        out.push_str(" (write)");
    }
    if transfer.retransmitted_blocks > 0 {
        let again = count(transfer.retransmitted_blocks, "block");
        out.push_str(&format!(", {again} sent again"));
    }
    if transfer.missing_blocks > 0 {
        let missing = count(transfer.missing_blocks, "block");
        out.push_str(&format!(", {missing} not captured"));
    }
    if let Some(error) = &transfer.error {
        out.push_str(&format!(", error {}: {}", error.code, error.message));
    }
    out
}

pub(super) fn endpoints(report: &Report, pen: &mut Pen<'_>) -> io::Result<()> {
    if report.rpc.is_empty() {
        return Ok(());
    }
    pen.heading("RPC endpoints", "read from the wire")?;
    let shown = report.rpc.len().min(pen.page().entries);
    let mut table = Table::new(&["server", "port", "#flows", "basis", "interface"]);
    for endpoint in &report.rpc[..shown] {
        let interface = endpoint
            .name
            .map(str::to_owned)
            .or(endpoint.interface.clone());
        table.row(vec![
            (Ink::Plain, endpoint.server.clone()),
            (
                Ink::Plain,
                format!("{}/{}", endpoint.protocol, endpoint.port),
            ),
            (Ink::Plain, number(endpoint.used_by_flows)),
            (Ink::Plain, endpoint.basis.to_owned()),
            (Ink::Plain, interface.unwrap_or_default()),
        ]);
    }
    table.write(pen)?;
    rest(pen, report.rpc.len() - shown)
}
