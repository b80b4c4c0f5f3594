//! Follows TFTP from the request to port 69 to the transfer on other ports (RFC 1350, 2347-2349,
//! 7440). Packets are gathered per client port and server address, and each such conversation is
//! read whole, so that what a packet means may depend on what comes after it.

mod attempt;
mod blocks;
mod course;
mod fuzz;
mod joined;
mod model;
mod packet;
mod session;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use self::attempt::{Again, Attempt};
pub(super) use self::fuzz::fuzz;
use self::joined::Unrequested;
pub use self::model::{
    JoinedTransfer, RefusedTransfer, Transfer, TransferCourse, TransferEnd, TransferOperation,
    TransferOutcome,
};
use self::packet::Packet;
use self::session::Side;
use super::{Context, EvidenceLimit};
use crate::net::{Endpoint, Position};
use crate::observation::{LogEntry, LogKind};
use crate::payload::Text;
use crate::payload::tftp::{PORT, Tftp};

/// Transfers kept. A boot needs about thirty; a flood of made-up requests ends here, at some
/// hundred megabytes.
const MAX_TRANSFERS: usize = 1 << 18;

/// Reads TFTP from the log.
#[derive(Default)]
pub(super) struct Tracker<'a> {
    index: HashMap<(Endpoint, IpAddr), usize, RandomState>,
    conversations: Vec<Conversation<'a>>,
    unrequested: Unrequested<'a>,
    kept_out: u64,
}

/// What passed between a client's port and a server, in time order.
struct Conversation<'a> {
    client: Endpoint,
    server: IpAddr,
    packets: Vec<Seen<'a>>,
}

/// A packet of a conversation, or a run of them.
#[derive(Clone, Copy)]
struct Seen<'a> {
    at: Position,
    side: Side,
    server_port: u16,
    kind: LogKind<'a>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// In time order.
    pub(super) transfers: Vec<Transfer>,
    /// The server ports that answered each.
    pub(super) answers: Vec<Box<[Endpoint]>>,
    /// Transfers whose request was not captured, in time order.
    pub(super) joined: Vec<JoinedTransfer>,
    /// Whether requests or packets without one were kept out.
    pub(super) limits: Vec<EvidenceLimit>,
}

impl<'a> Tracker<'a> {
    /// Takes up what may be TFTP.
    pub(super) fn observe(&mut self, entry: &LogEntry<'a>) {
        let tftp = match entry.kind {
            LogKind::Segment { .. } => return,
            LogKind::TftpRun(_) => None,
            LogKind::Datagram { payload, length } => match Tftp::parse(payload, length) {
                Ok(tftp) => Some(tftp),
                Err(_) => return,
            },
        };
        let (source, destination) = (entry.five_tuple.source, entry.five_tuple.destination);
        let request = matches!(tftp, Some(Tftp::ReadRequest(_) | Tftp::WriteRequest(_)));
        let from_client = (source, destination.address);
        let from_server = (destination, source.address);
        let known = if request {
            if destination.port != PORT {
                return;
            }
            self.index.get(&from_client)
        } else {
            let index = &self.index;
            index.get(&from_server).or_else(|| index.get(&from_client))
        };
        match known {
            Some(_) if !request && self.unrequested.goes_on(entry) => self.unrequested.take(entry),
            Some(&known) => self.conversations[known].push(entry),
            None if request => self.open(source, destination.address, entry),
            None => self.unrequested.take(entry),
        }
    }

    fn open(&mut self, client: Endpoint, server: IpAddr, request: &LogEntry<'a>) {
        if self.conversations.len() == MAX_TRANSFERS {
            self.kept_out += 1;
            return;
        }
        self.index
            .insert((client, server), self.conversations.len());
        let mut conversation = Conversation {
            client,
            server,
            packets: Vec::new(),
        };
        conversation.push(request);
        self.conversations.push(conversation);
    }

    /// Reads every conversation.
    pub(super) fn finish(mut self, context: &impl Context) -> Found {
        let mut attempts = Vec::new();
        for conversation in &self.conversations {
            let room = MAX_TRANSFERS - attempts.len();
            self.kept_out += conversation.read(room, &mut attempts);
        }
        attempts.sort_by_key(|attempt| attempt.first);

        let tried_again = tried_again(&attempts);
        let mut found = Found::default();
        for (attempt, again) in attempts.into_iter().zip(tried_again) {
            found.answers.push(attempt.answers().collect());
            found.transfers.push(attempt.into_transfer(context, again));
        }
        let room = MAX_TRANSFERS - found.transfers.len();
        let (joined, left_out) = self.unrequested.read(room, context);
        found.joined = joined;
        for (limit, value, reached) in [
            (Found::LIMIT.0, Found::LIMIT.1, self.kept_out + left_out),
            (
                Unrequested::LIMIT.0,
                Unrequested::LIMIT.1,
                self.unrequested.kept_out,
            ),
        ] {
            if reached > 0 {
                found.limits.push(EvidenceLimit {
                    limit,
                    value: value as u64,
                    reached,
                });
            }
        }
        found
    }
}

impl Found {
    /// Transfers kept at most.
    pub(super) const LIMIT: (&'static str, usize) = ("tftp-transfers", MAX_TRANSFERS);

    /// Client and server port of every answer → its transfer; of several the first.
    pub(super) fn pairs(&self) -> HashMap<(Endpoint, Endpoint), usize, RandomState> {
        let mut pairs = HashMap::default();
        let transfers = self.transfers.iter().zip(&self.answers).enumerate();
        for (index, (transfer, answers)) in transfers {
            for server in answers {
                pairs.entry((transfer.client, *server)).or_insert(index);
            }
        }
        pairs
    }
}

impl<'a> Seen<'a> {
    fn packet(&self) -> Option<Packet<'a>> {
        Packet::read(self.kind, self.at.time)
    }
}

impl<'a> Conversation<'a> {
    fn push(&mut self, entry: &LogEntry<'a>) {
        let (source, destination) = (entry.five_tuple.source, entry.five_tuple.destination);
        let (side, server) = if source == self.client {
            (Side::Client, destination)
        } else {
            (Side::Server, source)
        };
        self.packets.push(Seen {
            at: entry.at,
            side,
            server_port: server.port,
            kind: entry.kind,
        });
    }
}

/// For each attempt, when the same client asked the same server for the same file next.
fn tried_again(attempts: &[Attempt]) -> Vec<Option<Again>> {
    type Asked<'a> = (IpAddr, IpAddr, TransferOperation, &'a Text);
    let mut next: HashMap<Asked<'_>, Again, RandomState> = HashMap::default();
    let mut again: Vec<_> = attempts
        .iter()
        .rev()
        .map(|attempt| {
            let key = (
                attempt.client.address,
                attempt.server,
                attempt.operation,
                &attempt.file,
            );
            let is_heard = attempt.is_heard() || next.get(&key).is_some_and(|next| next.is_heard);
            let first = attempt.first;
            next.insert(key, Again { first, is_heard })
        })
        .collect();
    again.reverse();
    again
}
