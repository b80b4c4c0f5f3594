//! The machine asks on port 4011, and nobody answers: the firmware's error PXE-E55.

use super::machines::{frames, machines};
use super::words::named;
use super::{Case, DiagnosisKind, Find};
use crate::evidence::{Boot, BootAnswer, BootAnswerKind, BootQuestion};
use crate::verdict::{Audit, Judge};

pub(super) const KIND: DiagnosisKind = DiagnosisKind {
    code: "binl-unanswered",
    meaning: "a machine asked on UDP 4011 for its boot file, and no answer came (PXE-E55)",
    advice: "open UDP 4011 to the distribution point both ways, and look whether its PXE service \
             runs",
    find: Find::InAudit(find),
};

fn find(judge: &Judge<'_>, audit: &Audit) -> Vec<Case> {
    let machines = machines(judge, audit).into_iter();
    machines
        .filter_map(|machine| {
            let run = machine.runs.last()?;
            // A machine that goes on without did not need it.
            if machine.reads() {
                return None;
            }
            let is_answer = |answer: &BootAnswer| answer.kind == BootAnswerKind::BinlAck;
            if machine.answers().any(is_answer) {
                return None;
            }
            let asked = run.unanswered_binl().next()?;
            let server = asked.server.filter(|_| machine.had_time(asked.at))?;
            let why = match offers_address(judge, run, asked) {
                true => {
                    "It has its address from there, too, with option 60 (PXEClient), which says to ask \
                     the same host: no PXE service listens on it"
                }
                false => "The PXE service does not run, or does not answer this machine",
            };
            Some(Case {
                host: Some(machine.name),
                explanation: format!(
                    "It asked {} on UDP 4011 for its boot file and got no answer, which firmware \
                     calls PXE-E55. {why}, or UDP 4011 is dropped on the way there or back: on \
                     the wire all look alike.",
                    named(judge, server)
                ),
                frames: frames(
                    run.answers
                        .iter()
                        .filter(|answer| answer.pxe_client)
                        .map(|answer| answer.at)
                        .chain([asked.at]),
                ),
            })
        })
        .collect()
}

/// Whether the server asked is the DHCP server that offered the address, by option 60 a PXE
/// server, too.
fn offers_address(judge: &Judge<'_>, run: &Boot, asked: &BootQuestion) -> bool {
    let machine = |address| judge.facts.machine(address);
    run.answers.iter().any(|answer| {
        answer.kind == BootAnswerKind::AddressOffer
            && answer.pxe_client
            && asked.server.map(machine) == Some(machine(answer.server))
    })
}
