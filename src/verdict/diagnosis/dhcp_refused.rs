//! A DHCPNAK in place of the address.

use std::net::IpAddr;

use super::machines::{frames, gives_address, machines};
use super::words::named;
use super::{Case, DiagnosisKind, Find};
use crate::evidence::{BootAnswer, BootAnswerKind, BootQuestion, BootQuestionKind};
use crate::verdict::{Audit, Judge};

pub(super) const KIND: DiagnosisKind = DiagnosisKind {
    code: "dhcp-refused",
    meaning: "a DHCP server refused the address that a machine asked for",
    advice: "look for a second DHCP server first; then for leases and scopes that contradict each \
             other",
    find: Find::InAudit(find),
};

fn find(judge: &Judge<'_>, audit: &Audit) -> Vec<Case> {
    let machines = machines(judge, audit).into_iter();
    machines
        .filter_map(|machine| {
            let is_given =
                |answer: &BootAnswer| answer.kind == BootAnswerKind::Ack && gives_address(answer);
            if machine.answers().any(is_given) {
                return None;
            }
            let run = machine.runs.last()?;
            let refusal = run
                .answers
                .iter()
                .find(|answer| answer.kind == BootAnswerKind::Nak)?;
            if !machine.had_time(refusal.at) {
                return None;
            }
            let is_later_offer = |answer: &BootAnswer| {
                answer.kind == BootAnswerKind::AddressOffer && answer.at > refusal.at
            };
            let then = match machine.answers().any(is_later_offer) {
                true => "was offered another, and got none",
                false => "got no other",
            };
            let mut asked = run.questions.iter();
            let asked = asked.rfind(|question| {
                question.kind == BootQuestionKind::Request && question.at <= refusal.at
            });
            let server = named(judge, refusal.server);
            let wanted = asked.and_then(|asked| asked.address);
            let wanted = wanted.map_or("the address".to_owned(), |address| address.to_string());
            let other = asked.and_then(|asked| other_server(judge, asked, refusal.server));
            let why = match other {
                Some(other) => format!(
                    "Its request was for the offer of {other}: two DHCP servers contradict each \
                     other."
                ),
                None => "The address is likely taken, out of the scope, or of another network."
                    .to_owned(),
            };
            Some(Case {
                host: Some(machine.name),
                explanation: format!(
                    "{server} refused it {wanted} (DHCPNAK), and it {then}. {why}"
                ),
                frames: frames(asked.map(|asked| asked.at).into_iter().chain([refusal.at])),
            })
        })
        .collect()
}

/// The server whose offer was asked for, where it is not the one that refused.
fn other_server(judge: &Judge<'_>, asked: &BootQuestion, refused_by: IpAddr) -> Option<String> {
    let server = asked.server?;
    let is_other = judge.facts.machine(server) != judge.facts.machine(refused_by);
    is_other.then(|| named(judge, server))
}
