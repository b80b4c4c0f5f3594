//! Microsoft's variable window extension, granted, and then the transfer stalls (KB4489882).

use super::transfers::{Alike, Path};
use super::words::{file_name, named};
use super::{Case, DiagnosisKind, Find};
use crate::evidence::{Transfer, TransferOutcome};
use crate::verdict::Judge;

/// Name of the option.
const OPTION: &str = "msftwindow";

pub(super) const KIND: DiagnosisKind = DiagnosisKind {
    code: "tftp-variable-window",
    meaning: "a TFTP transfer stalled with Microsoft's variable window, likely because of it",
    advice: "run wdsutil /Set-TransportServer /EnableTftpVariableWindowExtension:No on the server \
             (KB4489882)",
    find: Find::InReads(find),
};

fn find(judge: &Judge<'_>, paths: &[Path<'_>]) -> Vec<Case> {
    let mut alike = Alike::new();
    for path in paths {
        for read in &path.reads {
            let waits = read.course.is_awaited || path.asks_again(read);
            if is_stalled(read) && waits && !path.gets_later(read) {
                alike.add((), read);
            }
        }
    }
    alike.cases(judge, |(), read, client| {
        format!(
            "{client} got {} blocks of {} from {}, which then stopped while the machine waited. \
             Both ends had agreed on the variable window, which is known to end transfers so.",
            read.blocks,
            file_name(&read.file),
            named(judge, read.server.address)
        )
    })
}

/// Whether it stalled in the middle: where not even the first window came, other causes are
/// nearer.
fn is_stalled(read: &Transfer) -> bool {
    read.outcome == TransferOutcome::Stalled
        && read.options.contains_key(OPTION)
        && read.course.acknowledged >= Some(1)
}
