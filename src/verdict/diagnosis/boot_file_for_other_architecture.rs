//! A boot program that the machine's firmware can't run.

use super::machines::{frames, machines};
use super::programs::{Program, firmware, program};
use super::words::{file_name, named};
use super::{Case, DiagnosisKind, Find};
use crate::evidence::{Boot, BootAnswer, BootAnswerKind, NamedIn, TransferOutcome};
use crate::verdict::{Audit, Judge};

pub(super) const KIND: DiagnosisKind = DiagnosisKind {
    code: "boot-file-for-other-architecture",
    meaning: "the boot file named is a program for other firmware: BIOS, UEFI or another processor",
    advice: "remove options 66 and 67 from the DHCP scope, or make them depend on the \
             architecture, and let the distribution point choose the file",
    find: Find::InAudit(find),
};

fn find(judge: &Judge<'_>, audit: &Audit) -> Vec<Case> {
    let machines = machines(judge, audit).into_iter();
    machines
        .filter_map(|machine| {
            let (run, answer) = machine
                .runs
                .iter()
                .filter(|run| !reads_what_fits(run, judge))
                .find_map(|run| Some((run, mismatched(run)?)))?;
            let server = named(judge, answer.server);
            let file = answer.boot_file.as_ref().map(file_name);
            let file = file.unwrap_or_default();
            let kind = answer.boot_file.as_ref();
            let kind = kind.and_then(|file| program(file.bytes())).map(words);
            let architecture = run.architecture.unwrap_or_default();
            let own = firmware(architecture).map(words);
            let how = match answer.boot_file_in {
                Some(NamedIn::Option) if !answer.pxe_client => {
                    ". Option 67 names one file for every machine, where it is not bound to an \
                     architecture"
                }
                _ => "",
            };
            Some(Case {
                host: Some(machine.name),
                explanation: format!(
                    "{server} names {file}, a program for {}, and the machine's firmware is {} \
                     (architecture {architecture}): it will not be able to start the file{how}.",
                    kind.unwrap_or_default(),
                    own.unwrap_or_default()
                ),
                frames: frames(
                    run.questions
                        .iter()
                        .map(|question| question.at)
                        .take(1)
                        .chain([answer.at]),
                ),
            })
        })
        .collect()
}

/// Whether the machine read a program that its firmware can run, whoever named it.
fn reads_what_fits(run: &Boot, judge: &Judge<'_>) -> bool {
    let Some(own) = run.architecture.and_then(firmware) else {
        return false;
    };
    let transfers = judge.facts.proofs().tftp;
    let mut reads = run.reads.iter().filter_map(|place| transfers.get(*place));
    reads.any(|read| {
        read.outcome == TransferOutcome::Complete
            && program(read.file.bytes()).is_some_and(|read| fits(read, own))
    })
}

/// The answer that names the file, where every server of equal word names one that does not fit.
fn mismatched(run: &Boot) -> Option<&BootAnswer> {
    let own = firmware(run.architecture?)?;
    let named = |kinds: &[BootAnswerKind]| -> Vec<&BootAnswer> {
        let answers = run.answers.iter();
        answers
            .filter(|answer| answer.round == 1 && answer.boot_file.is_some())
            .filter(|answer| kinds.contains(&answer.kind))
            .collect()
    };
    // The last word counts.
    let mut by_word = [
        named(&[BootAnswerKind::BinlAck]),
        named(&[BootAnswerKind::Ack, BootAnswerKind::ProxyOffer]),
        named(&[BootAnswerKind::AddressOffer]),
    ]
    .into_iter();
    let deciding = by_word.find(|answers| !answers.is_empty())?;
    let misfits = |answer: &&BootAnswer| {
        let file = answer.boot_file.as_ref();
        let kind = file.and_then(|file| program(file.bytes()));
        kind.is_some_and(|kind| !fits(kind, own))
    };
    let all = deciding.iter().all(misfits);
    deciding.first().copied().filter(|_| all)
}

/// A UEFI program whose name tells no processor fits any.
fn fits(program: Program, firmware: Program) -> bool {
    program == firmware || (program, firmware) == (Program::Uefi, Program::UefiArm64)
}

fn words(kind: Program) -> &'static str {
    match kind {
        Program::Bios => "BIOS",
        Program::Uefi => "UEFI",
        Program::UefiArm64 => "UEFI on ARM",
    }
}
