//! A request and what came of it; and how the packets of one client port and one server fall
//! into requests and their answers.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::model::{Transfer, TransferOperation, TransferOutcome};
use super::packet::Packet;
use super::session::{Around, BlockSize, Ending, Session, Side, by_name};
use super::{Conversation, Seen};
use crate::evidence::Context;
use crate::flow::IcmpErrorSeen;
use crate::net::{Endpoint, FiveTuple, Position, Protocol, Timestamp};
use crate::payload::Text;
use crate::payload::tftp::{PORT, Request};

/// Server ports that may answer one request: as many as it was repeated, up to this.
const MAX_ANSWERS: usize = 8;
/// Attempts that a packet is looked up in, counted from the latest. Clients that keep their port
/// make one transfer after another.
const RECENT_ATTEMPTS: usize = 64;
/// How far to look ahead for what the client sends next; between two of its packets there are
/// at most a window of blocks.
pub(super) const LOOK_AHEAD: usize = 4096;
/// Silence after which a transfer that began counts as stalled. Peers repeat a lost packet after
/// one to five seconds.
const STALL_NS: u64 = 5_000_000_000;

/// When the same client asked the same server for the same file next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Again {
    pub(super) first: Position,
    /// Whether an answer to it, or to one after it, reached the client.
    pub(super) is_heard: bool,
}

/// A request and what came of it.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) operation: TransferOperation,
    pub(super) file: Text,
    pub(super) client: Endpoint,
    pub(super) server: IpAddr,
    /// The request.
    pub(super) first: Position,
    mode: Text,
    requested: BTreeMap<String, Text>,
    request_cut: bool,
    /// The last repetition of the request.
    last: Timestamp,
    pub(super) requests: usize,
    pub(super) sessions: Vec<Session>,
    /// The next request from the same port to the same server.
    next: Position,
}

impl Conversation<'_> {
    /// Adds the attempts of this conversation, at most `room`; returns how many it left out.
    pub(super) fn read(&self, room: usize, attempts: &mut Vec<Attempt>) -> u64 {
        let begin = attempts.len();
        let mut kept_out = 0;
        let next = self.next_of_client();
        for (index, seen) in self.packets.iter().enumerate() {
            let Some(packet) = seen.packet() else {
                continue;
            };
            let own = &mut attempts[begin..];
            if let Packet::Request(operation, request) = packet {
                let next = next[index].and_then(|next| self.packets.get(next));
                let repeated = own.last_mut().filter(|last| {
                    last.asks_the_same(operation, request)
                        && (last.goes_on_after(seen.at.time) || !self.restarts(last, next))
                });
                if let Some(last) = repeated {
                    last.requests += 1;
                    last.last = last.last.max(seen.at.time);
                } else if own.len() < room {
                    if let Some(last) = own.last_mut() {
                        last.next = seen.at;
                    }
                    attempts.push(self.attempt(operation, request, seen.at));
                } else {
                    kept_out += 1;
                }
                continue;
            }
            if let Some(session) = session(own, seen, packet) {
                session.take(seen.side, seen.at, packet);
            }
        }
        kept_out
    }

    fn attempt(&self, operation: TransferOperation, request: Request<'_>, at: Position) -> Attempt {
        Attempt {
            operation,
            file: request.file.into(),
            client: self.client,
            server: self.server,
            first: at,
            mode: request.mode.into(),
            requested: by_name(request.options),
            request_cut: request.options.is_cut(),
            last: at.time,
            requests: 1,
            sessions: Vec::new(),
            next: Position::MAX,
        }
    }

    /// Whether a request like the last attempt's is a new one: data had been acknowledged, and
    /// the client does not go on with it in its `next` packet that is no request.
    fn restarts(&self, last: &Attempt, next: Option<&Seen<'_>>) -> bool {
        let Some(session) = last.session() else {
            return false;
        };
        if !session.has_acknowledged_data() {
            return false;
        }
        let next = next.and_then(|next| Some((next.server_port, next.packet()?)));
        !matches!(next, Some((port, Packet::Run(run))) if port == session.port && run.first_block > 1)
    }

    /// For each entry the client's next one that is no request, at most [`LOOK_AHEAD`] on. Found
    /// from the end, because a client may repeat its request as often as it likes.
    fn next_of_client(&self) -> Vec<Option<usize>> {
        let mut next = None;
        let packets = self.packets.iter().enumerate().rev();
        let mut all: Vec<_> = packets
            .map(|(index, seen)| {
                let near = next.filter(|next| next - index <= LOOK_AHEAD);
                let request = |packet| matches!(packet, Packet::Request(..));
                if seen.side == Side::Client && seen.packet().is_some_and(|packet| !request(packet))
                {
                    next = Some(index);
                }
                near
            })
            .collect();
        all.reverse();
        all
    }
}

/// The session that a packet belongs to, opened where the packet is an answer.
fn session<'s>(
    attempts: &'s mut [Attempt],
    seen: &Seen<'_>,
    packet: Packet<'_>,
) -> Option<&'s mut Session> {
    let port = seen.server_port;
    let known = attempts
        .iter()
        .rev()
        .take(RECENT_ATTEMPTS)
        .position(|attempt| attempt.sessions.iter().any(|session| session.port == port))
        .map(|from_end| attempts.len() - 1 - from_end);
    let latest = attempts.len().checked_sub(1)?;
    // The client's packets open it too: the server's first may be missing.
    let opens = if attempts[latest].sessions.is_empty() {
        known.is_none_or(|known| {
            packet.is_beginning() && (port == PORT || attempts[known].is_over())
        })
    } else {
        let answers = attempts[latest].requests.min(MAX_ANSWERS);
        known.is_none() && attempts[latest].sessions.len() < answers
    };
    let chosen = if opens { latest } else { known? };
    let sessions = &mut attempts[chosen].sessions;
    if opens {
        sessions.push(Session::new(port, seen.at));
    }
    sessions.iter_mut().find(|session| session.port == port)
}

impl Attempt {
    /// The server ports that answered.
    pub(super) fn answers(&self) -> impl Iterator<Item = Endpoint> + '_ {
        let sessions = self.sessions.iter();
        sessions.map(|session| Endpoint::new(self.server, session.port))
    }

    /// The transfer it led to. `again` is when the same file was asked for next.
    pub(super) fn into_transfer(self, context: &impl Context, again: Option<Again>) -> Transfer {
        let outcome = self.outcome(context, again);
        let session = self.session();
        let mut frames = vec![self.first];
        frames.extend(
            session
                .iter()
                .flat_map(|session| [session.first, session.end]),
        );
        frames.dedup();
        let course = self.course(context);
        let distinct = session.map_or(0, |session| session.data.distinct);
        let sent = session.map_or(0, |session| session.data.packets);
        Transfer {
            operation: self.operation,
            client: self.client,
            server: Endpoint::new(self.server, session.map_or(PORT, |session| session.port)),
            options: session
                .and_then(|session| session.granted.as_ref())
                .map(|granted| granted.options.clone())
                .unwrap_or_default(),
            outcome,
            bytes: session.map_or(0, |session| session.bytes),
            blocks: distinct,
            retransmitted_blocks: sent - distinct,
            missing_blocks: session.map_or(0, Session::missing_blocks),
            first: self.first,
            last: session.map_or(self.last, |session| session.last.max(self.last)),
            error: session
                .and_then(|session| session.error.as_ref())
                .map(|error| (error.code, error.text.clone())),
            frames,
            course,
            file: self.file,
            mode: self.mode,
            options_requested: self.requested,
        }
    }

    fn outcome(&self, context: &impl Context, again: Option<Again>) -> TransferOutcome {
        let Some(session) = self.session() else {
            return match self.refusal(context, PORT) {
                Some(_) => TransferOutcome::Unreachable,
                None => TransferOutcome::Unanswered,
            };
        };
        let size = session.block_size(&self.requested, self.request_cut);
        let around = Around {
            asked_size: self.operation == TransferOperation::Read
                && (self.requested.contains_key("tsize") || self.request_cut),
            refused: self.refusal(context, session.port).is_some(),
            silent: is_silent(session, context)
                || again.is_some_and(|again| again.first.time > session.progress()),
        };
        let outcome = session.outcome(size, around);
        let probed_in_silence = outcome == TransferOutcome::Stalled
            && around.asked_size
            && !around.refused
            && again.is_some_and(|again| again.is_heard)
            && session.client_packets == 0
            && self.last <= session.first.time;
        match probed_in_silence {
            true => TransferOutcome::Aborted,
            false => outcome,
        }
    }

    /// Whether an answer reached the client: it sent something there.
    pub(super) fn is_heard(&self) -> bool {
        self.session()
            .is_some_and(|session| session.client_packets > 0)
    }

    /// The ICMP error that met packets between the client's port and this server port.
    pub(super) fn refusal(
        &self,
        context: &impl Context,
        port: u16,
    ) -> Option<(Side, IcmpErrorSeen)> {
        let request = FiveTuple {
            protocol: Protocol::Udp,
            source: self.client,
            destination: Endpoint::new(self.server, port),
        };
        [(Side::Client, request), (Side::Server, request.reversed())]
            .iter()
            .filter_map(|(side, quoted)| Some((*side, context.icmp_error(quoted)?)))
            .find(|(_, error)| {
                // A client may use its port for one request after another.
                error.unreachable
                    && error.first < self.next
                    && (error.first >= self.first || error.count > 1)
            })
    }

    fn asks_the_same(&self, operation: TransferOperation, request: Request<'_>) -> bool {
        self.operation == operation
            && self.file.bytes() == request.file
            && self.mode.bytes() == request.mode
    }

    /// Whether one of its runs reaches past a time: both ends are in the middle of it.
    fn goes_on_after(&self, time: Timestamp) -> bool {
        self.session().is_some_and(|session| session.last > time)
    }

    fn is_over(&self) -> bool {
        self.session().is_some_and(|session| {
            let size = session.block_size(&self.requested, self.request_cut);
            session.error.is_some()
                || matches!(session.ending(size), Ending::Complete)
                || size == BlockSize::Unknown
        })
    }

    /// Whether every block was sent.
    pub(super) fn is_all_sent(&self, session: &Session) -> bool {
        session.is_all_sent(session.block_size(&self.requested, self.request_cut))
    }

    /// Of several answers to a repeated request the one that the client took up.
    pub(super) fn session(&self) -> Option<&Session> {
        // `max_by_key` prefers the last of equals, the first answer is wanted.
        let sessions = self.sessions.iter().rev();
        sessions.max_by_key(|session| (!session.is_turned_away(), session.client_packets))
    }
}

/// Whether nothing new came for so long that more would have.
pub(super) fn is_silent(session: &Session, context: &impl Context) -> bool {
    context.end().since_ns(session.progress()) >= STALL_NS
}
