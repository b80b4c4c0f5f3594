//! Two DHCP servers that offer addresses to one machine.

use super::machines::{frames, gives_address, is_signed, machines};
use super::words::named;
use super::{Case, DiagnosisKind, Find};
use crate::evidence::{Boot, BootAnswer, BootAnswerKind};
use crate::verdict::{Audit, Judge};

pub(super) const KIND: DiagnosisKind = DiagnosisKind {
    code: "two-dhcp-servers",
    meaning: "two DHCP servers offered one machine different addresses",
    advice: "turn one off, unless both are meant to serve the network and share its addresses",
    find: Find::InAudit(find),
};

fn find(judge: &Judge<'_>, audit: &Audit) -> Vec<Case> {
    let machines = machines(judge, audit).into_iter();
    machines
        .filter_map(|machine| {
            let offers = machine
                .runs
                .iter()
                .map(|run| several(judge, run))
                .find(|offers| offers.len() > 1)?;
            let told: Vec<String> = offers.iter().map(|offer| tell(judge, offer)).collect();
            Some(Case {
                host: Some(machine.name),
                explanation: format!(
                    "{} DHCP servers offered it addresses of their own: {}. It takes one, and \
                     with it what that server says of gateway, name server and boot.",
                    told.len(),
                    told.join("; ")
                ),
                frames: frames(offers.iter().map(|offer| offer.at)),
            })
        })
        .collect()
}

/// The first offer of each server of a run. Partners that share their leases offer the same
/// address, and stand for one.
fn several<'a>(judge: &Judge<'_>, run: &'a Boot) -> Vec<&'a BootAnswer> {
    let mut offers: Vec<&BootAnswer> = Vec::new();
    for answer in &run.answers {
        let is_offer = answer.kind == BootAnswerKind::AddressOffer;
        let same = |other: &&BootAnswer| {
            let machines = [other, answer].map(|one| judge.facts.machine(one.server));
            machines[0] == machines[1] || other.address == answer.address
        };
        if is_offer && gives_address(answer) && is_signed(answer) && !offers.iter().any(same) {
            offers.push(answer);
        }
    }
    offers
}

fn tell(judge: &Judge<'_>, offer: &BootAnswer) -> String {
    let address = offer.address.map(|address| format!("{address} by "));
    let server = named(judge, offer.server);
    let stranger = match judge.ends.listed_roles(offer.server).is_empty() {
        true => ", which has no role in the site file",
        false => "",
    };
    format!("{}{server}{stranger}", address.unwrap_or_default())
}
