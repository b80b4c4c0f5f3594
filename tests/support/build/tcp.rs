//! A TCP connection as its two ends would hold it.

use std::net::SocketAddr;

use super::recording::Recording;
use super::transport::{Segment, flags};

/// The most payload that one segment takes on a link with 1500 bytes.
pub const SEGMENT_BYTES: usize = 1460;

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

/// A connection with the sequence numbers of both ends.
#[derive(Clone, Debug)]
pub struct Tcp {
    client: SocketAddr,
    server: SocketAddr,
    client_next: u32,
    server_next: u32,
}

impl Tcp {
    /// A connection not opened yet; sequence numbers are derived from the ports.
    pub fn new(client: SocketAddr, server: SocketAddr) -> Self {
        let seed = u32::from(client.port()) << 16 | u32::from(server.port());
        Self {
            client,
            server,
            client_next: seed.wrapping_mul(2_654_435_761),
            server_next: seed.wrapping_mul(40_503),
        }
    }

    /// Three-way handshake.
    pub fn open(client: SocketAddr, server: SocketAddr, out: &mut Recording) -> Self {
        let mut connection = Self::new(client, server);
        connection.send(Side::Client, flags::SYN, &[], out);
        connection.send(Side::Server, flags::SYN | flags::ACK, &[], out);
        connection.send(Side::Client, flags::ACK, &[], out);
        connection
    }

    /// One side sends, the other acknowledges.
    pub fn say(&mut self, side: Side, payload: &[u8], out: &mut Recording) {
        for piece in payload.chunks(SEGMENT_BYTES) {
            self.send(side, flags::PSH | flags::ACK, piece, out);
        }
        self.send(side.other(), flags::ACK, &[], out);
    }

    /// Both sides finish.
    pub fn close(&mut self, out: &mut Recording) {
        self.send(Side::Client, flags::FIN | flags::ACK, &[], out);
        self.send(Side::Server, flags::FIN | flags::ACK, &[], out);
        self.send(Side::Client, flags::ACK, &[], out);
    }

    /// One side resets.
    pub fn reset(&mut self, side: Side, out: &mut Recording) {
        self.send(side, flags::RST | flags::ACK, &[], out);
    }

    /// One segment with the right numbers.
    pub fn send(&mut self, side: Side, bits: u8, payload: &[u8], out: &mut Recording) {
        let (from, to, sequence, acknowledgment) = match side {
            Side::Client => (self.client, self.server, self.client_next, self.server_next),
            Side::Server => (self.server, self.client, self.server_next, self.client_next),
        };
        let acknowledges = bits & flags::ACK != 0;
        let segment = Segment {
            sequence,
            acknowledgment: if acknowledges { acknowledgment } else { 0 },
            flags: bits,
            payload,
        };
        out.tcp(from, to, segment);
        let phantom = u32::from(bits & (flags::SYN | flags::FIN) != 0);
        let next = match side {
            Side::Client => &mut self.client_next,
            Side::Server => &mut self.server_next,
        };
        *next = next.wrapping_add(payload.len() as u32 + phantom);
    }
}

impl Side {
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

impl Recording {
    /// A whole connection: open, ask, answer, close.
    pub fn tcp_exchange(
        &mut self,
        client: SocketAddr,
        server: SocketAddr,
        ask: &[u8],
        answer: &[u8],
    ) {
        let mut connection = Tcp::open(client, server, self);
        connection.say(Side::Client, ask, self);
        connection.say(Side::Server, answer, self);
        connection.close(self);
    }

    /// An opening that the server resets.
    pub fn tcp_refused(&mut self, client: SocketAddr, server: SocketAddr) {
        let mut connection = Tcp::new(client, server);
        connection.send(Side::Client, flags::SYN, &[], self);
        connection.reset(Side::Server, self);
    }

    /// The same opening `times` over, with no answer.
    pub fn tcp_unanswered(&mut self, client: SocketAddr, server: SocketAddr, times: usize) {
        for attempt in 0..times {
            Tcp::new(client, server).send(Side::Client, flags::SYN, &[], self);
            self.wait_ms(1000 << attempt.min(5));
        }
    }
}
