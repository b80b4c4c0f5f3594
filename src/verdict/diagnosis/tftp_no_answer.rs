//! Requests to port 69 repeat, and nothing comes.

use super::transfers::{Alike, Path};
use super::words::{file_name, named};
use super::{Case, DiagnosisKind, Find};
use crate::evidence::TransferOutcome;
use crate::verdict::Judge;

/// Repetitions of a request by which its silence is told from a capture that lacks the answers.
const REPEATED: u64 = 2;

pub(super) const KIND: DiagnosisKind = DiagnosisKind {
    code: "tftp-no-answer",
    meaning: "TFTP requests are repeated and nothing answers",
    advice: "look whether the server hears the request; then open UDP 69 towards it, or its high \
             ports on the way back",
    find: Find::InReads(find),
};

fn find(judge: &Judge<'_>, paths: &[Path<'_>]) -> Vec<Case> {
    let mut alike = Alike::new();
    for path in paths.iter().filter(|path| is_silent(path)) {
        alike.add((), path.reads[0]);
    }
    alike.cases(judge, |(), read, client| {
        let server = named(judge, read.server.address);
        format!(
            "{server} answers none of the requests that {client} repeated, the first for {}. \
             Either UDP 69 is dropped behind the capture point, or the server's answers, which \
             leave from a high port, are dropped before they reach it: on the wire both look \
             alike, and so does a server that is off.",
            file_name(&read.file)
        )
    })
}

/// Whether a server never answers a machine. A capture that lacks the answers shows many files,
/// each asked for once: the machine goes on from one to the next.
pub(super) fn is_silent(path: &Path<'_>) -> bool {
    let mut reads = path.reads.iter();
    let repeated = path.files.values();
    let repeated = repeated.filter(|tries| tries.requests > REPEATED).count();
    reads.all(|read| read.outcome == TransferOutcome::Unanswered) && repeated * 2 > path.files.len()
}
