//! Port 69 is open and the high ports are not: the server answers from one, and answer or
//! acknowledgment is lost.

use std::net::IpAddr;

use super::refusal::{Refused, refused, said};
use super::transfers::{Alike, Path};
use super::words::{file_name, named};
use super::{Case, DiagnosisKind, Find};
use crate::evidence::{Transfer, TransferEnd, TransferOutcome};
use crate::verdict::Judge;

const REQUEST_PORT: u16 = 69;
/// Repetitions of both ends after which chance is no explanation, nor that every packet was
/// captured twice.
const REPEATED: u64 = 2;

pub(super) const KIND: DiagnosisKind = DiagnosisKind {
    code: "tftp-high-ports-closed",
    meaning: "a TFTP server answered from a high port, and that port is closed in one direction",
    advice: "open UDP between the clients and the server's high ports, both ways, or let the \
             firewall follow TFTP",
    find: Find::InReads(find),
};

/// Which packets get lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lost {
    /// The server's, met by an ICMP error or not.
    Answers(Option<Refused>),
    /// The client's.
    Acknowledgments(Option<Refused>),
}

fn find(judge: &Judge<'_>, paths: &[Path<'_>]) -> Vec<Case> {
    let mut alike = Alike::new();
    for path in paths.iter().filter(|path| !path.works()) {
        for read in &path.reads {
            if let Some(lost) = lost(read, path.asks_again(read)) {
                alike.add(lost, read);
            }
        }
    }
    alike.cases(judge, |lost, read, client| {
        explain(judge, lost, read, client)
    })
}

fn lost(read: &Transfer, asked_again: bool) -> Option<Lost> {
    let course = &read.course;
    let failed = matches!(
        read.outcome,
        TransferOutcome::Stalled | TransferOutcome::Unreachable
    );
    if !failed || read.server.port == REQUEST_PORT || course.server_packets == 0 {
        return None;
    }
    let refused_of = |end| {
        let refusal = course.refused.filter(|refusal| refusal.sent_by == end);
        refusal.map(|refusal| refused(&refusal.error))
    };
    if course.client_packets == 0 {
        let refused = refused_of(TransferEnd::Server);
        let ignored = course.server_packets >= REPEATED && (course.requests > 1 || asked_again);
        return (refused.is_some() || ignored).then_some(Lost::Answers(refused));
    }
    // The first answer is acknowledged, so it arrived: OACK with block 0, DATA 1 with block 1.
    let first = course.sent.unwrap_or(0);
    if first > 1 || course.acknowledged != Some(first) {
        return None;
    }
    let refused = refused_of(TransferEnd::Client);
    let repeated = course.is_awaited
        && course.server_repeats >= REPEATED
        && course.repeated_acknowledgments >= REPEATED;
    (refused.is_some() || repeated).then_some(Lost::Acknowledgments(refused))
}

fn explain(judge: &Judge<'_>, lost: Lost, read: &Transfer, client: &str) -> String {
    let server = named(judge, read.server.address);
    let port = read.server.port;
    let file = file_name(&read.file);
    let course = &read.course;
    let asked = format!("{client} asked for {file}, the server answered from UDP port {port}");
    let of_answers = format!("UDP from the high ports of {server} to its clients is closed");
    let of_clients = format!("UDP to the high ports of {server} is closed");
    match lost {
        Lost::Answers(None) => format!(
            "{of_answers}, by a firewall between the capture point and them, or on them: {asked}, \
             its answers were never acknowledged, and the request came again."
        ),
        Lost::Answers(Some(refused)) => {
            let by = match is_machine(judge, refused, read.client.address) {
                true => "the client, or a NAT in its place, takes answers from port 69 only",
                false => "a firewall there rejects it",
            };
            let said = said(judge, refused);
            format!("{of_answers}; {by}: {asked}, and {said} met the answer.")
        }
        Lost::Acknowledgments(None) => format!(
            "{of_clients}, by a firewall between the capture point and the server, or on it: \
             {asked} and sent the answer {} times more, although {client} acknowledged it \
             {} times.",
            course.server_repeats,
            course.repeated_acknowledgments + 1
        ),
        Lost::Acknowledgments(Some(refused)) => {
            let by = match is_machine(judge, refused, read.server.address) {
                true => "its own firewall rejects it, or its TFTP service ended",
                false => "a firewall there rejects it",
            };
            let said = said(judge, refused);
            format!("{of_clients}; {by}: {asked}, and {said} met the acknowledgment.")
        }
    }
}

fn is_machine(judge: &Judge<'_>, (_, sender): Refused, address: IpAddr) -> bool {
    judge.facts.machine(sender) == judge.facts.machine(address)
}
