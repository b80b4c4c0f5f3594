//! TFTP transfers as diagnoses look at them: all between two machines together, because one that
//! went well shows that the ports are open.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Case;
use super::words::{list, named};
use crate::evidence::{Transfer, TransferOperation, TransferOutcome};
use crate::net::{Endpoint, Position};
use crate::payload::Text;
use crate::verdict::{Audit, Judge};

/// Frames given for one case.
const FRAMES: usize = 12;

/// Everything that one machine read from another.
#[derive(Default)]
pub(super) struct Path<'a> {
    /// In time order.
    pub reads: Vec<&'a Transfer>,
    pub files: BTreeMap<&'a Text, Tries>,
    /// Transfers by their ends.
    flows: BTreeMap<(Endpoint, Endpoint), usize>,
}

/// How often a machine tried to read a file.
#[derive(Default)]
pub(super) struct Tries {
    pub requests: u64,
    /// The last request that was no repetition.
    last: Option<Position>,
    /// The last that led to the file.
    last_complete: Option<Position>,
}

/// The reads in the time judged, by server and client.
pub(super) fn paths<'a>(judge: &Judge<'_>, audit: &'a Audit) -> Vec<Path<'a>> {
    let mut paths: BTreeMap<(IpAddr, IpAddr), Path<'_>> = BTreeMap::new();
    let reads = audit.tftp.iter();
    let reads = reads.filter(|transfer| {
        let judged = judge.facts.is_judged(transfer.first, transfer.last);
        judged && transfer.operation == TransferOperation::Read
    });
    for read in reads {
        let ends = (read.server.address, read.client.address);
        paths.entry(ends).or_default().add(read);
    }
    paths.into_values().collect()
}

impl<'a> Path<'a> {
    fn add(&mut self, read: &'a Transfer) {
        let tries = self.files.entry(&read.file).or_default();
        tries.requests += read.course.requests;
        tries.last = tries.last.max(Some(read.first));
        if read.outcome == TransferOutcome::Complete {
            tries.last_complete = tries.last_complete.max(Some(read.first));
        }
        *self.flows.entry((read.client, read.server)).or_default() += 1;
        self.reads.push(read);
    }

    /// Whether blocks went one way and acknowledgments the other in any of them.
    pub fn works(&self) -> bool {
        self.reads.iter().any(|read| {
            let acknowledged = read.course.acknowledged >= Some(1);
            read.outcome == TransferOutcome::Complete || acknowledged && read.course.sent >= Some(2)
        })
    }

    /// Whether the machine asks for the same file later.
    pub fn asks_again(&self, read: &Transfer) -> bool {
        let tries = self.files.get(&read.file);
        tries.is_some_and(|tries| tries.last > Some(read.first))
    }

    /// Whether it gets the same file later.
    pub fn gets_later(&self, read: &Transfer) -> bool {
        let tries = self.files.get(&read.file);
        tries.is_some_and(|tries| tries.last_complete > Some(read.first))
    }

    /// What a watched transfer's server sent: packets, and frame bytes on the wire. `None` where
    /// its flow carried other transfers too.
    pub fn sent_by_server(&self, judge: &Judge<'_>, read: &Transfer) -> Option<(u64, u64)> {
        let ends = (read.client, read.server);
        let sent = judge.facts.watched().sent.get(&ends).copied();
        sent.filter(|_| self.flows.get(&ends) == Some(&1))
    }
}

/// Failed transfers of one server that look alike, a case for all of them.
pub(super) struct Alike<'a, K> {
    found: BTreeMap<(IpAddr, K), Vec<&'a Transfer>>,
}

impl<'a, K: Ord + Copy> Alike<'a, K> {
    pub fn new() -> Self {
        Self {
            found: BTreeMap::new(),
        }
    }

    /// Adds one, of which `key` says how it looks.
    pub fn add(&mut self, key: K, read: &'a Transfer) {
        let alike = self.found.entry((read.server.address, key)).or_default();
        alike.push(read);
    }

    /// A case a server and look. `tell` is given the first transfer and its client's name; the
    /// other clients are named after that.
    pub fn cases(
        self,
        judge: &Judge<'_>,
        tell: impl Fn(K, &Transfer, &str) -> String,
    ) -> Vec<Case> {
        let found = self.found.into_iter();
        found
            .map(|((server, key), reads)| {
                let mut clients: Vec<IpAddr> = Vec::new();
                for read in &reads {
                    // Alike transfers of one client follow each other.
                    if clients.last() != Some(&read.client.address) {
                        clients.push(read.client.address);
                    }
                }
                let client = named(judge, clients[0]);
                let mut explanation = tell(key, reads[0], &client);
                if clients.len() > 1 {
                    let others = list(judge, &clients[1..]);
                    explanation.push_str(&format!(" The same holds for {others}."));
                }
                Case {
                    host: Some(server.to_string()),
                    explanation,
                    frames: frames(&reads),
                }
            })
            .collect()
    }
}

fn frames(reads: &[&Transfer]) -> Vec<Position> {
    let mut frames: Vec<Position> = Vec::new();
    for read in reads {
        frames.extend(&read.frames);
        frames.extend(read.course.refused.map(|refused| refused.error.first));
        if frames.len() >= FRAMES {
            break;
        }
    }
    frames.sort_unstable();
    frames.dedup();
    frames.truncate(FRAMES);
    frames
}

/// The block size granted, where one was.
pub(super) fn block_size(read: &Transfer) -> Option<u16> {
    let value = read.options.get("blksize")?.bytes();
    std::str::from_utf8(value).ok()?.parse().ok()
}
