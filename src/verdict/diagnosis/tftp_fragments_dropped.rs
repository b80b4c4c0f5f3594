//! Blocks larger than the MTU travel in IP fragments, and some of those get lost.

use super::transfers::{Alike, Path, block_size};
use super::words::{file_name, named};
use super::{Case, DiagnosisKind, Find};
use crate::evidence::{Transfer, TransferOutcome};
use crate::verdict::Judge;

/// Ethernet's MTU, and what stands before a block's payload: IPv4 or IPv6, UDP, TFTP.
const MTU: u16 = 1500;
const HEADERS: [u16; 2] = [20 + 8 + 4, 40 + 8 + 4];
/// Repetitions after which chance is no explanation.
const REPEATED: u64 = 2;

pub(super) const KIND: DiagnosisKind = DiagnosisKind {
    code: "tftp-fragments-dropped",
    meaning: "a TFTP transfer stalled in blocks that need IP fragments, which are likely dropped",
    advice: "set RamDiskTFTPBlockSize to 1456 (the default is 4096), or let fragments through",
    find: Find::InReads(find),
};

/// Which fragments are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Missing {
    /// All but the first of each block, in the capture already.
    Later,
    /// Whole blocks, in the capture already.
    Blocks,
    /// The capture has them; the client does not go on.
    BehindCapture,
}

fn find(judge: &Judge<'_>, paths: &[Path<'_>]) -> Vec<Case> {
    let mut alike = Alike::new();
    for path in paths {
        for read in &path.reads {
            if let Some(missing) = missing(judge, path, read) {
                alike.add(missing, read);
            }
        }
    }
    alike.cases(judge, |missing, read, client| {
        explain(judge, missing, read, client)
    })
}

fn missing(judge: &Judge<'_>, path: &Path<'_>, read: &Transfer) -> Option<Missing> {
    let headers = HEADERS[usize::from(read.client.address.is_ipv6())];
    let fragmented = block_size(read)? > MTU - headers;
    if !fragmented || read.outcome != TransferOutcome::Stalled || path.gets_later(read) {
        return None;
    }
    let course = &read.course;
    let Some(sent) = course.sent else {
        // The server took the first acknowledgment, or it would repeat its OACK; and small blocks
        // come through.
        let waits = course.acknowledged == Some(0)
            && course.is_awaited
            && course.repeated_acknowledgments >= REPEATED
            && course.server_repeats == 0;
        return (waits && path.works()).then_some(Missing::Blocks);
    };
    let waits = course.is_awaited || path.asks_again(read);
    let unacknowledged = course.acknowledged < Some(sent);
    let repeated = course.repeated_acknowledgments.max(course.server_repeats) >= REPEATED;
    if !(waits && unacknowledged && repeated) {
        return None;
    }
    let (packets, bytes) = path.sent_by_server(judge, read)?;
    if packets < course.server_packets {
        // Part of the flow lies outside of what is judged.
        return None;
    }
    if bytes < course.sent_bytes {
        return Some(Missing::Later);
    }
    // As many packets as datagrams: the frames were large enough, as in a jumbo network.
    (packets > course.server_packets).then_some(Missing::BehindCapture)
}

fn explain(judge: &Judge<'_>, missing: Missing, read: &Transfer, client: &str) -> String {
    let server = named(judge, read.server.address);
    let file = file_name(&read.file);
    let size = block_size(read).unwrap_or_default();
    let got = match read.course.acknowledged.unwrap_or(0) {
        0 => "no block".to_owned(),
        1 => "one block".to_owned(),
        blocks => format!("{blocks} blocks"),
    };
    let begin = format!(
        "{client} got {got} of {file} from {server} and waited for the next. Blocks of {size} \
         bytes need IP fragments"
    );
    match missing {
        Missing::Later => format!(
            "{begin}, and only the first fragments passed the capture point: a firewall or network \
             card between server and capture point drops the others."
        ),
        Missing::Blocks => format!(
            "{begin}, and none reached the capture point, while smaller blocks did: likely a \
             firewall or network card before it drops fragments."
        ),
        Missing::BehindCapture => format!(
            "{begin}; they passed the capture point, again and again, and were not acknowledged: \
             likely a firewall or network card behind it drops fragments."
        ),
    }
}
