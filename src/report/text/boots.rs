//! Network boots, for people.

use std::io;

use super::units::span;
use super::{Ink, Pen, beyond, capped_of};
use crate::report::Report;
use crate::report::model::{LISTED_BOOTS, Pxe, PxeAnswer};

const BODY: usize = 4;
const VALUES: usize = 16;

pub(super) fn boots(report: &Report, pen: &mut Pen<'_>) -> io::Result<()> {
    if report.pxe.is_empty() {
        return Ok(());
    }
    pen.heading("Network boots", "")?;
    let beyond = beyond(report, LISTED_BOOTS);
    capped_of(pen, &report.pxe, beyond, |pen, _, boot| {
        pen.gap()?;
        machine(boot, pen)?;
        let when = span(boot.first.as_deref(), boot.last.as_deref());
        pen.labelled(BODY, VALUES, "when", &[(Ink::Plain, &when)])?;
        if !boot.servers.is_empty() {
            let answers = answers(&boot.servers);
            pen.labelled(BODY, VALUES, "answers", &[(Ink::Plain, &answers)])?;
        }
        let unanswered = unanswered(boot);
        if !unanswered.is_empty() {
            pen.labelled(BODY, VALUES, "no answer", &[(Ink::Doubtful, &unanswered)])?;
        }
        if !boot.relays.is_empty() {
            let relays = boot.relays.join(", ");
            pen.labelled(BODY, VALUES, "relay", &[(Ink::Plain, &relays)])?;
        }
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

fn machine(boot: &Pxe, pen: &mut Pen<'_>) -> io::Result<()> {
    let mac = boot.client_mac.as_deref();
    let address = format!(" {}", boot.client_address.as_deref().unwrap_or_default());
    let architecture = match (boot.architecture_name, boot.architecture) {
        (Some(name), _) => format!(" {name}"),
        (None, Some(number)) => format!(" architecture {number}"),
        (None, None) => String::new(),
    };
    let how = match (boot.ipxe, boot.http) {
        (true, true) => " iPXE, over HTTP",
        (true, false) => " iPXE",
        (false, true) => " over HTTP",
        (false, false) => "",
    };
    pen.words(
        2,
        BODY,
        &[
            (Ink::Strong, mac.unwrap_or("hardware address not seen")),
            (Ink::Plain, &address),
            (Ink::Faint, &architecture),
            (Ink::Faint, how),
        ],
    )
}

/// Every server with the kinds of its answers: `10.0.0.1 address offer, ack; 10.0.0.12 …`.
fn answers(answers: &[PxeAnswer]) -> String {
    let mut by_server: Vec<(&str, Vec<&str>)> = Vec::new();
    for answer in answers {
        let kind = match answer.answer {
            "address-offer" if answer.boot_file.is_some() => "offer of address and boot file",
            "address-offer" => "address offer",
            "proxy-offer" => "proxy offer",
            "binl-ack" => "ack on 4011",
            other => other,
        };
        let known = by_server
            .iter()
            .position(|(server, _)| *server == answer.server);
        let place = known.unwrap_or_else(|| {
            by_server.push((&answer.server, Vec::new()));
            by_server.len() - 1
        });
        let kinds = &mut by_server[place].1;
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    let servers: Vec<_> = by_server
        .iter()
        .map(|(server, kinds)| format!("{server} {}", kinds.join(", ")))
        .collect();
    servers.join("; ")
}

fn unanswered(boot: &Pxe) -> String {
    let questions = boot.questions.iter();
    let servers: Vec<_> = questions
        .filter(|question| question.answered == Some(false))
        .filter_map(|question| question.server.as_deref())
        .collect();
    match servers.is_empty() {
        true => String::new(),
        false => format!("{} on 4011", servers.join(", ")),
    }
}
