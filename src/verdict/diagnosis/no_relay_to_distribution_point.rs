//! An address is offered, and nobody says where to boot from.

use super::machines::{Machine, frames, has_boot_servers, is_boot_server, is_signed, machines};
use super::words::named;
use super::{Case, DiagnosisKind, Find};
use crate::evidence::{Boot, BootAnswer, BootAnswerKind, BootQuestionKind};
use crate::net::Position;
use crate::verdict::{Audit, Judge};

pub(super) const KIND: DiagnosisKind = DiagnosisKind {
    code: "no-relay-to-distribution-point",
    meaning: "a machine was offered an address, and no server said where to boot from",
    advice: "name the distribution point as IP helper on the machine's network, and look whether \
             PXE is on and answers unknown computers",
    find: Find::InAudit(find),
};

fn find(judge: &Judge<'_>, audit: &Audit) -> Vec<Case> {
    // Where nothing boots from the network, machines that try it first are no fault.
    if !has_boot_servers(judge) {
        return Vec::new();
    }
    let machines = machines(judge, audit);
    let boots_are_seen = machines
        .iter()
        .flat_map(Machine::answers)
        .any(|answer| answer.names_boot && answer.relay.is_some());
    let cases = machines.into_iter().filter_map(|machine| {
        let offer = offered_without_boot(&machine)?;
        // The other diagnosis of such an offer has it.
        if is_boot_server(judge, offer.server) {
            return None;
        }
        // At the DHCP server alone the relay's messages to others can't be seen.
        if is_unicast_to_relay(offer) && !boots_are_seen {
            return None;
        }
        Some(Case {
            host: Some(machine.name.clone()),
            explanation: format!(
                "{} offered it an address, and nobody said where to boot from: its question does \
                 not reach the distribution point (no IP helper), or that does not answer (PXE \
                 off, unknown computer, nothing deployed). On the wire both look alike.",
                named(judge, offer.server)
            ),
            frames: places(&machine, offer),
        })
    });
    cases.collect()
}

/// The offer of an address to a machine that nobody told where to boot from.
pub(super) fn offered_without_boot<'a>(machine: &Machine<'a>) -> Option<&'a BootAnswer> {
    if machine.reads() || machine.answers().any(|answer| answer.names_boot) {
        return None;
    }
    let asked = |run: &&&Boot| {
        let mut questions = run.questions.iter();
        questions.any(|question| question.kind == BootQuestionKind::Discover)
    };
    let run = machine.runs.iter().rfind(asked)?;
    let mut offers = run.answers.iter();
    let offer = offers.find(|answer| answer.kind == BootAnswerKind::AddressOffer);
    offer.filter(|offer| is_signed(offer) && machine.had_time(offer.at))
}

/// The machine's question and the offer.
pub(super) fn places(machine: &Machine<'_>, offer: &BootAnswer) -> Vec<Position> {
    let asked = machine.runs.iter().flat_map(|run| &run.questions);
    let mut asked = asked.map(|question| (question.kind, question.at));
    let asked = asked.rfind(|(kind, at)| *kind == BootQuestionKind::Discover && *at <= offer.at);
    frames(asked.map(|(_, at)| at).into_iter().chain([offer.at]))
}

/// Whether it was seen on its way from the server to a relay.
fn is_unicast_to_relay(offer: &BootAnswer) -> bool {
    offer.relay.is_some() && offer.sender == offer.server
}
