//! What the trackers found out, for people: network boots, transfers, RPC endpoints.

use std::io;

use super::units::{bytes, number};
use super::{Ink, Pen, Table, capped, rest};
use crate::report::Report;
use crate::report::model::{Peer, Tftp};

const BODY: usize = 4;
const VALUES: usize = 16;

pub(super) fn boots(report: &Report, pen: &mut Pen<'_>) -> io::Result<()> {
    if report.pxe.is_empty() {
        return Ok(());
    }
    pen.heading("Network boots", "")?;
    capped(pen, &report.pxe, |pen, _, boot| {
        pen.gap()?;
        let machine = boot
            .client_mac
            .as_deref()
            .unwrap_or("hardware address not seen");
        let address = format!(" {}", boot.client_address.as_deref().unwrap_or_default());
        let architecture = boot.architecture.map(architecture).unwrap_or_default();
        let architecture = format!(" {architecture}");
        pen.words(
            2,
            BODY,
            &[
                (Ink::Strong, machine),
                (Ink::Plain, &address),
                (Ink::Faint, &architecture),
            ],
        )?;
        if let Some(server) = &boot.boot_server {
            let file = boot.boot_file.as_deref().unwrap_or("no boot file named");
            let file = format!(" {file}");
            pen.labelled(
                BODY,
                VALUES,
                "boot from",
                &[(Ink::Plain, server), (Ink::Plain, &file)],
            )?;
        }
        let steps = boot.steps.join(" → ");
        if !steps.is_empty() {
            pen.labelled(BODY, VALUES, "steps", &[(Ink::Plain, &steps)])?;
        }
        match &boot.first_missing_step {
            Some(step) => pen.labelled(BODY, VALUES, "stopped at", &[(Ink::Bad, step)]),
            None => pen.labelled(
                BODY,
                VALUES,
                "outcome",
                &[(Ink::Good, "no step is missing")],
            ),
        }
    })
}

/// Names of IANA's "Processor Architecture Types" (RFC 4578, RFC 5970).
fn architecture(number: u16) -> String {
    let name = match number {
        0 => "x86 BIOS",
        6 => "x86 UEFI",
        7 => "x64 UEFI",
        9 => "x64 UEFI (EBC number)",
        10 => "ARM 32-bit UEFI",
        11 => "ARM 64-bit UEFI",
        15 => "x86 UEFI HTTP",
        16 => "x64 UEFI HTTP",
        18 => "ARM 32-bit UEFI HTTP",
        19 => "ARM 64-bit UEFI HTTP",
        _ => return format!("architecture {number}"),
    };
    name.to_owned()
}

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
    rest(pen, report.tftp.len() - shown)
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
        out.push_str(&format!(
            ", {} blocks sent again",
            number(transfer.retransmitted_blocks)
        ));
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
