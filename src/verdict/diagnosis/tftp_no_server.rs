//! ICMP says that port 69 can't be reached.

use super::refusal::{Refusal, refused, said};
use super::transfers::{Alike, Path};
use super::words::{file_name, named};
use super::{Case, DiagnosisKind, Find};
use crate::evidence::{TransferEnd, TransferOutcome};
use crate::verdict::Judge;

pub(super) const KIND: DiagnosisKind = DiagnosisKind {
    code: "tftp-no-server",
    meaning: "TFTP requests are refused: nothing listens on UDP 69, or a firewall rejects it",
    advice: "start the server's PXE service, or name the right server; then ask the firewall that \
             says no",
    find: Find::InReads(find),
};

fn find(judge: &Judge<'_>, paths: &[Path<'_>]) -> Vec<Case> {
    let mut alike = Alike::new();
    for path in paths {
        if path.reads.iter().any(|read| read.course.server_packets > 0) {
            continue;
        }
        for read in &path.reads {
            let refusal = read.course.refused;
            let refusal = refusal.filter(|refusal| {
                read.outcome == TransferOutcome::Unreachable
                    && refusal.sent_by == TransferEnd::Client
            });
            if let Some(refusal) = refusal {
                alike.add(refused(&refusal.error), read);
            }
        }
    }
    alike.cases(judge, |(why, sender), read, client| {
        let server = named(judge, read.server.address);
        let own = judge.facts.machine(sender) == judge.facts.machine(read.server.address);
        let cause = match (why, own) {
            (Refusal::Port, true) => format!(
                "Nothing listens on UDP 69 of {server}: its PXE service does not run, or it is \
                 the wrong server; a firewall on it that rejects looks the same"
            ),
            (Refusal::Port | Refusal::Prohibited, _) => {
                format!("A firewall rejects UDP 69 to {server}")
            }
            (Refusal::NoRoute, _) => format!("{server} is off, or there is no route to it"),
        };
        format!(
            "{cause}. {client} asked it for {}, and {} came back.",
            file_name(&read.file),
            said(judge, (why, sender))
        )
    })
}
