//! Two servers that tell one machine where to boot from.

use std::net::IpAddr;

use super::machines::{boot_server, frames, is_signed, machines};
use super::words::{file_name, named};
use super::{Case, DiagnosisKind, Find};
use crate::evidence::{Boot, BootAnswer};
use crate::verdict::{Audit, Judge};

pub(super) const KIND: DiagnosisKind = DiagnosisKind {
    code: "two-pxe-servers",
    meaning: "two servers told one machine where to boot from",
    advice: "leave one of them to this network, unless either may boot it: the first answer wins",
    find: Find::InAudit(find),
};

fn find(judge: &Judge<'_>, audit: &Audit) -> Vec<Case> {
    let machines = machines(judge, audit).into_iter();
    machines
        .filter_map(|machine| {
            let mut runs = machine.runs.iter().map(|run| several(judge, run));
            let named_by = runs.find(|named| named.len() > 1)?;
            let told: Vec<String> = named_by
                .iter()
                .map(|(server, answer)| {
                    let file = answer.boot_file.as_ref().map(file_name);
                    let file = file.map(|file| format!(" with {file}")).unwrap_or_default();
                    format!("{}{file}", named(judge, *server))
                })
                .collect();
            Some(Case {
                host: Some(machine.name),
                explanation: format!(
                    "It was told to boot from {} servers: {}. Which one it takes may differ from \
                     boot to boot.",
                    told.len(),
                    told.join("; ")
                ),
                frames: frames(named_by.iter().map(|(_, answer)| answer.at)),
            })
        })
        .collect()
}

/// The boot servers that the firmware was told of in a run, each with who told it first, and the
/// file where one was named.
fn several<'a>(judge: &Judge<'_>, run: &'a Boot) -> Vec<(IpAddr, &'a BootAnswer)> {
    let mut servers: Vec<(IpAddr, &BootAnswer)> = Vec::new();
    for answer in &run.answers {
        if !answer.names_boot || answer.round != 1 || !is_signed(answer) {
            continue;
        }
        // One that is named by its host name may be any of the others.
        let Some(server) = boot_server(answer) else {
            continue;
        };
        let same = |known: &&mut (IpAddr, &BootAnswer)| {
            judge.facts.machine(known.0) == judge.facts.machine(server)
        };
        match servers.iter_mut().find(same) {
            Some(known) if known.1.boot_file.is_none() => known.1 = answer,
            Some(_) => {}
            None => servers.push((server, answer)),
        }
    }
    servers
}
