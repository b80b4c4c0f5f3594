//! Which ports a server listens on for RPC (MS-RPCE): from the endpoint mapper's answers and from
//! DCOM string bindings on port 135, and from clear binds on any other port. Calls themselves are
//! not looked at.
//!
//! ```text
//! TCP 135: segments → stream → framer (units) → conversation → association (answers) ┐
//! UDP 135: datagrams (answers)                                                       ├→ endpoints
//! other ports: binds                                                                 ┘
//! ```

mod association;
mod binds;
mod conversation;
mod datagrams;
mod endpoints;
mod framer;
mod fuzz;
mod model;
mod room;
#[cfg(test)]
mod tests;

use self::association::Learned;
use self::binds::Binds;
use self::conversation::{Connection, Side};
use self::datagrams::Datagrams;
pub(super) use self::endpoints::Endpoints;
use self::endpoints::Found;
pub(super) use self::fuzz::fuzz;
pub use self::model::{LearnedEndpoint, RpcBasis};
use self::room::{ROOM, Room};
use super::EvidenceLimit;
use super::stream::Segment;
use crate::decode::TcpFlags;
use crate::flow::Side as FlowSide;
use crate::net::{FiveTuple, Position};
use crate::observation::{LogEntry, LogKind};
use crate::payload::dce_rpc::{CONNECTIONLESS_VERSION, Connectionless, ENDPOINT_MAPPER_PORT};

/// Connections followed. A large site has thousands of them at a time; a flood of made-up ones
/// ends here.
const MAX_CONNECTIONS: usize = 1 << 18;

/// Reads RPC from the log.
pub(super) struct Tracker<'a> {
    /// From client to server.
    connections: Vec<(FiveTuple, Connection<'a>)>,
    /// Where a connection stands, by flow and the client's side.
    places: Vec<[Place; 2]>,
    room: Room,
    datagrams: Datagrams<'a>,
    binds: Binds,
    endpoints: Endpoints,
    kept_out: u64,
}

/// What is known of a connection.
#[derive(Clone, Copy, Default)]
enum Place {
    #[default]
    Unknown,
    /// The client asked for it; the number of its first byte. Nothing is kept of what nobody
    /// answers: a scan asks everyone.
    Asked(u32),
    /// Its index.
    At(u32),
}

impl<'a> Tracker<'a> {
    /// A tracker that holds so many bytes at most besides the log and fixed state.
    fn with_room(bytes: usize) -> Self {
        Self {
            connections: Vec::new(),
            places: Vec::new(),
            room: Room::new(bytes),
            datagrams: Datagrams::default(),
            binds: Binds::default(),
            endpoints: Endpoints::default(),
            kept_out: 0,
        }
    }

    /// Takes up what may be RPC.
    pub(super) fn observe(&mut self, entry: &LogEntry<'a>) {
        let tuple = entry.five_tuple;
        let from_mapper = tuple.source.port == ENDPOINT_MAPPER_PORT;
        let to_mapper = tuple.destination.port == ENDPOINT_MAPPER_PORT;
        match entry.kind {
            LogKind::TftpRun(_) => {}
            LogKind::Datagram { payload, .. } => {
                if payload.first() == Some(&CONNECTIONLESS_VERSION) {
                    self.datagram(entry.at, tuple, payload);
                }
            }
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
                let opens = flags.has(TcpFlags::SYN);
                // A SYN counts as one before the first byte.
                let sequence = sequence.wrapping_add(u32::from(opens));
                if to_mapper {
                    let place = (entry.flow, entry.side, tuple);
                    self.segment(place, Side::Client, opens, sequence, segment);
                } else if from_mapper {
                    let place = (entry.flow, entry.side.other(), tuple.reversed());
                    self.segment(place, Side::Server, opens, sequence, segment);
                } else {
                    self.binds.segment(tuple, entry.at, payload);
                }
            }
        }
    }

    /// A segment of a conversation with the endpoint mapper.
    #[inline]
    fn segment(
        &mut self,
        (flow, client, key): (u32, FlowSide, FiveTuple),
        side: Side,
        opens: bool,
        sequence: u32,
        segment: Segment<'a>,
    ) {
        let flow = flow as usize;
        if self.places.len() <= flow {
            self.places.resize(flow + 1, [Place::Unknown; 2]);
        }
        let place = &mut self.places[flow][client.index()];
        let index = match *place {
            Place::At(index) => index as usize,
            Place::Unknown | Place::Asked(_) => {
                if opens && side == Side::Client && segment.payload.is_empty() {
                    *place = Place::Asked(sequence);
                    return;
                }
                if self.connections.len() == MAX_CONNECTIONS {
                    self.kept_out += 1;
                    return;
                }
                let mut connection = Connection::default();
                if let Place::Asked(first) = *place {
                    connection.open(Side::Client, first);
                }
                *place = Place::At(self.connections.len() as u32);
                self.connections.push((key, connection));
                self.connections.len() - 1
            }
        };
        let (key, connection) = &mut self.connections[index];
        if opens {
            if connection.is_reopened(side, sequence) {
                // The same ports again: calls and contexts are numbered anew.
                let old = std::mem::take(connection);
                self.endpoints.learn(old, *key, &mut self.room);
            }
            connection.open(side, sequence);
        }
        if !segment.payload.is_empty() {
            connection.push(side, sequence, segment, &mut self.room);
        }
    }

    fn datagram(&mut self, at: Position, tuple: FiveTuple, payload: &'a [u8]) {
        if tuple.source.port == ENDPOINT_MAPPER_PORT {
            if let Some(answer) = self.datagrams.read(tuple, payload) {
                self.endpoints.take(answer, tuple.source.address, at);
            }
        } else if tuple.destination.port != ENDPOINT_MAPPER_PORT
            && let Ok(unit) = Connectionless::parse(payload)
        {
            self.binds.datagram(tuple, at, &unit);
        }
    }

    /// A tracker that knows what was found before.
    pub(super) fn after(endpoints: Endpoints) -> Self {
        Self {
            endpoints,
            ..Self::default()
        }
    }

    /// Reads what is left; gives all that was found, and the bounds that were hit.
    pub(super) fn learned(mut self) -> (Endpoints, Vec<EvidenceLimit>) {
        // What leaves the tracker is put in order: a bound may be hit on the way.
        let room = &mut self.room;
        self.connections
            .retain_mut(|(_, connection)| connection.finish(room));
        self.connections.sort_unstable_by_key(|&(key, _)| key);
        for (key, connection) in self.connections {
            self.endpoints.learn(connection, key, room);
        }
        let kept_out = self.kept_out + self.datagrams.kept_out();
        let kept_out = kept_out + self.binds.finish(&mut self.endpoints);
        let limits = [
            ("rpc-connections", MAX_CONNECTIONS, kept_out),
            ("rpc-bytes", ROOM, self.room.kept_out()),
        ];
        let limits = limits.into_iter().filter(|(_, _, reached)| *reached > 0);
        let limits = limits.map(|(limit, value, reached)| EvidenceLimit {
            limit,
            value: value as u64,
            reached,
        });
        let limits = limits.chain(self.endpoints.limit()).collect();
        (self.endpoints, limits)
    }

    /// All that was found, in time order.
    fn finish(self) -> Found {
        let (endpoints, limits) = self.learned();
        Found {
            limits,
            ..endpoints.finish()
        }
    }
}

impl Default for Tracker<'_> {
    fn default() -> Self {
        Self::with_room(ROOM)
    }
}

impl Endpoints {
    fn learn(&mut self, connection: Connection<'_>, key: FiveTuple, room: &mut Room) {
        let server = key.destination.address;
        for (at, learned) in connection.answers(room) {
            match learned {
                Learned::Towers(answer) => self.take(answer, server, at),
                Learned::Bindings(bindings) => self.bind(&bindings, server, at),
            }
        }
    }
}
