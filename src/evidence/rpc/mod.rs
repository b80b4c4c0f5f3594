//! Which ports a server listens on for RPC (MS-RPCE): from the endpoint mapper's answers and from
//! DCOM string bindings on port 135, and from clear binds on any other TCP port. Calls themselves are not looked at.

mod conversation;
mod endpoints;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use foldhash::fast::RandomState;

use self::conversation::{Connection, Learned, Side, answer};
use self::endpoints::Endpoints;
pub(super) use self::endpoints::Found;
use super::fuzz::Script;
use super::interfaces;
use super::model::{EvidenceLimit, LearnedEndpoint, RpcBasis};
use super::stream::Segment;
use crate::decode::TcpFlags;
use crate::flow::Side as FlowSide;
use crate::net::{FiveTuple, Position};
use crate::observation::{LogEntry, LogKind};
use crate::payload::Uuid;
use crate::payload::dce_rpc::{
    Connectionless, ENDPOINT_MAPPER_PORT, Pdu, PduType, is_known_syntax,
};
use crate::payload::endpoint_mapper::INTERFACE;
use crate::payload::ndr::Width;

/// Connections followed. A large site has thousands of them at a time; a flood of made-up ones
/// ends here.
const MAX_CONNECTIONS: usize = 1 << 18;
const UNKNOWN: u32 = u32::MAX;

/// Reads RPC from the log.
#[derive(Default)]
pub(super) struct Tracker<'a> {
    /// From client to server.
    connections: Vec<(FiveTuple, Connection<'a>)>,
    /// Index of a connection by flow and the client's side.
    indices: Vec<[u32; 2]>,
    binds: HashMap<FiveTuple, Bind, RandomState>,
    endpoints: Endpoints,
    kept_out: u64,
}

impl<'a> Tracker<'a> {
    /// Takes up what may be RPC.
    pub(super) fn observe(&mut self, entry: &LogEntry<'a>) {
        let tuple = entry.five_tuple;
        let from_mapper = tuple.source.port == ENDPOINT_MAPPER_PORT;
        let to_mapper = tuple.destination.port == ENDPOINT_MAPPER_PORT;
        match entry.kind {
            LogKind::TftpRun(_) => {}
            LogKind::Datagram { payload, .. } if from_mapper => {
                self.datagram(entry.at, tuple, payload);
            }
            LogKind::Datagram { .. } => {}
            LogKind::Segment {
                sequence,
                flags,
                payload,
                ..
            } => {
                let segment = Segment {
                    at: entry.at,
                    payload,
                };
                if to_mapper {
                    let index = self.connection(entry.flow, entry.side, tuple);
                    let opens = flags.has(TcpFlags::SYN);
                    self.segment(index, Side::Client, opens, sequence, segment);
                } else if from_mapper {
                    let client = entry.side.other();
                    let index = self.connection(entry.flow, client, tuple.reversed());
                    self.segment(index, Side::Server, false, sequence, segment);
                } else {
                    self.bind(tuple, entry.at, payload);
                }
            }
        }
    }

    /// Index of a connection, opened where it is new and there is room.
    #[inline]
    fn connection(&mut self, flow: u32, client: FlowSide, key: FiveTuple) -> Option<usize> {
        let flow = flow as usize;
        if self.indices.len() <= flow {
            self.indices.resize(flow + 1, [UNKNOWN; 2]);
        }
        let index = &mut self.indices[flow][client.index()];
        if *index == UNKNOWN {
            if self.connections.len() == MAX_CONNECTIONS {
                return None;
            }
            *index = self.connections.len() as u32;
            self.connections.push((key, Connection::default()));
        }
        Some(*index as usize)
    }

    /// A segment of a conversation with the endpoint mapper.
    #[inline]
    fn segment(
        &mut self,
        index: Option<usize>,
        side: Side,
        opens: bool,
        sequence: u32,
        segment: Segment<'a>,
    ) {
        let Some(index) = index else {
            self.kept_out += 1;
            return;
        };
        let (key, connection) = &mut self.connections[index];
        if opens && connection.is_reopened(sequence) {
            // The same ports again: calls and contexts are numbered anew.
            let old = std::mem::replace(connection, Connection::opened(sequence));
            self.endpoints.learn(old, *key);
        }
        connection.push(side, sequence, segment);
    }

    /// An answer of the endpoint mapper over UDP.
    fn datagram(&mut self, at: Position, tuple: FiveTuple, payload: &[u8]) {
        let Ok(unit) = Connectionless::parse(payload) else {
            return;
        };
        const RESPONSE: u8 = 2;
        if unit.kind == RESPONSE && !unit.is_fragment && unit.interface == INTERFACE {
            let answer = answer(
                Some(unit.operation),
                unit.stub,
                unit.order,
                Some(Width::Ndr),
            );
            if let Some(answer) = answer {
                self.endpoints.take(answer, tuple.source.address, at);
            }
        }
    }

    /// A segment of any other connection: only what names an interface counts.
    fn bind(&mut self, tuple: FiveTuple, at: Position, payload: &[u8]) {
        let Ok(pdu) = Pdu::parse(payload) else {
            return;
        };
        match pdu.header.kind {
            PduType::Bind | PduType::AlterContext => {
                let mut contexts = pdu.contexts();
                contexts.retain(|context| context.syntaxes.iter().copied().any(is_known_syntax));
                if contexts.is_empty() {
                    return;
                }
                if self.binds.len() == MAX_CONNECTIONS && !self.binds.contains_key(&tuple) {
                    self.kept_out += 1;
                    return;
                }
                let bind = self.binds.entry(tuple).or_insert_with(|| Bind {
                    interfaces: Vec::new(),
                    answer: None,
                });
                for context in contexts {
                    let mut seen = bind.interfaces.iter();
                    let known = seen.any(|&(interface, _)| interface == context.interface);
                    if !known && bind.interfaces.len() < MAX_INTERFACES {
                        bind.interfaces.push((context.interface, at));
                    }
                }
            }
            PduType::BindAck | PduType::AlterContextResponse => {
                self.answered(tuple, BindAnswer::Accepted);
            }
            PduType::BindNak => self.answered(tuple, BindAnswer::Refused),
            PduType::Request | PduType::Response | PduType::Fault | PduType::Other(_) => {}
        }
    }

    fn answered(&mut self, tuple: FiveTuple, answer: BindAnswer) {
        if let Some(bind) = self.binds.get_mut(&tuple.reversed()) {
            bind.answer = bind.answer.max(Some(answer));
        }
    }

    /// Reads what is left, and sorts all that was found.
    pub(super) fn finish(mut self) -> Found {
        // What leaves the tracker is put in order: a bound may be hit on the way.
        self.connections
            .retain_mut(|(_, connection)| connection.finish());
        self.connections.sort_unstable_by_key(|&(key, _)| key);
        for (key, connection) in self.connections {
            self.endpoints.learn(connection, key);
        }
        let mut binds: Vec<_> = self.binds.into_iter().collect();
        binds.sort_unstable_by_key(|&(key, _)| key);
        for (tuple, bind) in binds {
            // Where only the client's side was captured, its bind has to do.
            if bind.answer == Some(BindAnswer::Refused) {
                continue;
            }
            for (interface, first) in bind.interfaces {
                let server = tuple.destination;
                let endpoint = LearnedEndpoint {
                    server: server.address,
                    port: server.port,
                    protocol: tuple.protocol,
                    interface: Some(interface),
                    name: interfaces::name(interface),
                    basis: RpcBasis::Interface,
                    first,
                };
                self.endpoints.add(endpoint, server.address);
            }
        }
        let connections = (self.kept_out > 0).then_some(EvidenceLimit {
            limit: "rpc-connections",
            value: MAX_CONNECTIONS as u64,
            reached: self.kept_out,
        });
        self.endpoints.finish(connections)
    }
}

/// Interfaces kept of one connection; a client uses one or two.
const MAX_INTERFACES: usize = 64;

/// A bind on a port other than 135.
struct Bind {
    /// Interfaces with the packet that named each.
    interfaces: Vec<(Uuid, Position)>,
    answer: Option<BindAnswer>,
}

/// What the server said to a bind; an acceptance outweighs an earlier refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum BindAnswer {
    Refused,
    Accepted,
}

impl Endpoints {
    fn learn(&mut self, connection: Connection<'_>, key: FiveTuple) {
        let server = key.destination.address;
        for (at, learned) in connection.answers() {
            match learned {
                Learned::Towers(answer) => self.take(answer, server, at),
                Learned::Bindings(bindings) => self.bind(&bindings, server, at),
            }
        }
    }
}

/// Reads packets that any bytes describe, and panics where what is found contradicts itself.
pub(super) fn fuzz(data: &[u8]) {
    let script = Script::new(data);
    let mut tracker = Tracker::default();
    for entry in script.log() {
        tracker.observe(&entry);
    }
    let found = tracker.finish();
    assert!(found.endpoints.iter().all(|endpoint| endpoint.port != 0));
}
