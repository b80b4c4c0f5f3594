//! What two ends say to each other, a packet at a time, in a state of fixed size.

use std::net::SocketAddr;

use super::super::rng::Rng;
use super::super::tcp::{SEGMENT_BYTES, Side};
use super::super::transport::flags;
use super::Profile;
use super::hosts::{Answer, Ends, Kind};
use super::payload::{Message, Payload};
use super::wire::{Packet, Transport};

/// Packets of a connection to the endpoint mapper, and of the one to the endpoint that it names.
const MAPPER_PACKETS: u32 = 10;
const RPC_CONNECTION: u32 = 20;

/// What an IPv6 header is longer than one of IPv4.
const V6_HEADER_MORE_BYTES: usize = 20;

/// A conversation and how far it has come.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// Its number: the ends follow from it.
    pub number: u64,
    ends: Ends,
    /// Packets of the flow at hand sent so far.
    step: u32,
    /// Packets that it sends in all, where nothing else ends it.
    budget: u32,
    /// Whether a second flow is still to begin.
    owes_flow: bool,
    /// Whether it was held before, so that its flows are none that begin.
    pub repeated: bool,
    done: bool,
    client_next: u32,
    server_next: u32,
    speaker: Side,
    /// What the speaker still has to say, and how many segments the other has not acknowledged.
    unsaid: usize,
    unacknowledged: u8,
    download: bool,
}

impl Conversation {
    /// `mean` is how many packets a flow has.
    pub fn new(number: u64, ends: Ends, profile: Profile, mean: u64, rng: &mut Rng) -> Self {
        let mean = mean.clamp(2, 1 << 20) as u32;
        // Many short ones, few long ones.
        let budget = match rng.below(100) {
            0..50 => mean / 2,
            50..85 => mean,
            _ => mean * 4,
        };
        Self {
            number,
            ends,
            step: 0,
            budget: match ends.kind {
                Kind::Connection => budget.max(3),
                Kind::Datagrams => 2 * (1 + budget / 32),
                Kind::Unanswered => 1 + rng.below(3) as u32,
                Kind::Tftp { .. } => 1 + 2 * (1 + rng.below(40) as u32),
                Kind::Rpc { .. } => RPC_CONNECTION,
                Kind::Echo => 4,
                Kind::Probe(Answer::Open) => 3,
                Kind::Probe(Answer::Closed) => 2,
                Kind::Probe(Answer::Silent) => 1 + rng.below(3) as u32,
            },
            owes_flow: matches!(ends.kind, Kind::Tftp { .. } | Kind::Rpc { .. }),
            repeated: false,
            done: false,
            client_next: rng.next() as u32,
            server_next: rng.next() as u32,
            speaker: Side::Server,
            unsaid: 0,
            unacknowledged: 0,
            download: profile == Profile::Full,
        }
    }

    /// Whether a second flow is still to begin.
    pub fn owes_flow(&self) -> bool {
        self.owes_flow && !self.repeated
    }

    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Leaves out what stands before the second flow.
    pub fn skip_to_second_flow(&mut self) {
        if let Kind::Rpc { .. } = self.ends.kind {
            self.step = MAPPER_PACKETS;
        }
    }

    /// The next packet.
    pub fn next(&mut self, rng: &mut Rng) -> Packet {
        if let (Kind::Rpc { endpoint_port }, MAPPER_PACKETS) = (self.ends.kind, self.step) {
            self.ends.server.set_port(endpoint_port);
            self.ends.kind = Kind::Connection;
            self.owes_flow = false;
            self.step = 0;
        }
        let step = self.step;
        self.step += 1;
        let packet = match self.ends.kind {
            Kind::Connection => self.connection(step, rng),
            Kind::Datagrams => self.datagram(step, rng),
            Kind::Unanswered => self.again(flags::SYN),
            Kind::Tftp { transfer_port } => self.tftp(step, transfer_port, rng),
            Kind::Rpc { .. } => self.rpc(step),
            Kind::Echo => self.echo(step),
            Kind::Probe(answer) => self.probe(step, answer),
        };
        self.done = self.step >= self.budget && !self.owes_flow;
        packet
    }

    fn connection(&mut self, step: u32, rng: &mut Rng) -> Packet {
        const CLOSING: u32 = 3;
        match step {
            0 => return self.tcp(Side::Client, flags::SYN, Payload::None),
            1 => return self.tcp(Side::Server, flags::SYN | flags::ACK, Payload::None),
            2 => return self.tcp(Side::Client, flags::ACK, Payload::None),
            _ => {}
        }
        // A short budget ends in the middle: the capture shows no end of it.
        if self.budget > 8 {
            match self.budget - step {
                CLOSING => return self.tcp(Side::Client, flags::FIN | flags::ACK, Payload::None),
                2 => return self.tcp(Side::Server, flags::FIN | flags::ACK, Payload::None),
                1 => return self.tcp(Side::Client, flags::ACK, Payload::None),
                _ => {}
            }
        }
        if self.unacknowledged == 2 || (self.unsaid == 0 && self.unacknowledged > 0) {
            self.unacknowledged = 0;
            return self.tcp(self.speaker.other(), flags::ACK, Payload::None);
        }
        if self.unsaid == 0 {
            self.speaker = self.speaker.other();
            self.unsaid = match (self.speaker, self.download) {
                (Side::Client, _) => 50 + rng.below(600) as usize,
                (Side::Server, false) => 200 + rng.below(12_000) as usize,
                (Side::Server, true) => 20_000 + rng.below(200_000) as usize,
            };
        }
        let most = if self.ends.client.is_ipv4() {
            SEGMENT_BYTES
        } else {
            SEGMENT_BYTES - V6_HEADER_MORE_BYTES
        };
        let length = self.unsaid.min(most);
        self.unsaid -= length;
        self.unacknowledged += 1;
        let payload = Payload::random(length, rng);
        self.tcp(self.speaker, flags::PSH | flags::ACK, payload)
    }

    fn datagram(&mut self, step: u32, rng: &mut Rng) -> Packet {
        let (side, length) = if step.is_multiple_of(2) {
            (Side::Client, 40 + rng.below(80))
        } else {
            (Side::Server, 60 + rng.below(400))
        };
        self.udp(side, Payload::random(length as usize, rng))
    }

    /// Request, then blocks and their acknowledgments by turns.
    fn tftp(&mut self, step: u32, transfer_port: u16, rng: &mut Rng) -> Packet {
        if step == 0 {
            return self.udp(Side::Client, Payload::Message(Message::ReadRequest));
        }
        self.ends.server.set_port(transfer_port);
        self.owes_flow = false;
        let block = step.div_ceil(2) as u16;
        if step.is_multiple_of(2) {
            return self.udp(Side::Client, Payload::acknowledgment(block));
        }
        let last = step + 2 >= self.budget;
        let length = if last { rng.below(512) } else { 512 };
        self.udp(Side::Server, Payload::block(block, length as usize, rng))
    }

    /// A connection to the endpoint mapper.
    fn rpc(&mut self, step: u32) -> Packet {
        const ACK: u8 = flags::ACK;
        let (side, bits, message) = match step {
            0 => (Side::Client, flags::SYN, None),
            1 => (Side::Server, flags::SYN | ACK, None),
            2 => (Side::Client, ACK, None),
            3 => (Side::Client, flags::PSH | ACK, Some(Message::Bind)),
            4 => (Side::Server, flags::PSH | ACK, Some(Message::BindAck)),
            5 => (Side::Client, flags::PSH | ACK, Some(Message::MapRequest)),
            6 => (Side::Server, flags::PSH | ACK, Some(Message::MapResponse)),
            7 => (Side::Client, flags::FIN | ACK, None),
            8 => (Side::Server, flags::FIN | ACK, None),
            _ => (Side::Client, ACK, None),
        };
        self.tcp(side, bits, message.map_or(Payload::None, Payload::Message))
    }

    fn echo(&self, step: u32) -> Packet {
        let reply = step % 2 == 1;
        let side = if reply { Side::Server } else { Side::Client };
        let (from, to) = self.ends_of(side);
        Packet::Echo {
            from: from.ip(),
            to: to.ip(),
            reply,
            sequence: (step / 2 + 1) as u16,
        }
    }

    fn probe(&mut self, step: u32, answer: Answer) -> Packet {
        match (answer, step) {
            (Answer::Silent, _) => self.again(flags::SYN),
            (_, 0) => self.tcp(Side::Client, flags::SYN, Payload::None),
            (Answer::Open, 1) => self.tcp(Side::Server, flags::SYN | flags::ACK, Payload::None),
            (Answer::Closed, 1) => self.tcp(Side::Server, flags::RST | flags::ACK, Payload::None),
            (Answer::Open | Answer::Closed, _) => self.tcp(Side::Client, flags::RST, Payload::None),
        }
    }

    /// The client says the same once more.
    fn again(&mut self, bits: u8) -> Packet {
        let next = self.client_next;
        let packet = self.tcp(Side::Client, bits, Payload::None);
        self.client_next = next;
        packet
    }

    fn tcp(&mut self, side: Side, bits: u8, payload: Payload) -> Packet {
        let (from, to) = self.ends_of(side);
        let (own, peer) = match side {
            Side::Client => (&mut self.client_next, self.server_next),
            Side::Server => (&mut self.server_next, self.client_next),
        };
        let sequence = *own;
        let phantom = u32::from(bits & (flags::SYN | flags::FIN) != 0);
        *own = own.wrapping_add(payload.length() as u32 + phantom);
        let transport = Transport::Tcp {
            sequence,
            acknowledgment: if bits & flags::ACK == 0 { 0 } else { peer },
            flags: bits,
        };
        Packet::Transport {
            from,
            to,
            transport,
            payload,
        }
    }

    fn udp(&self, side: Side, payload: Payload) -> Packet {
        let (from, to) = self.ends_of(side);
        Packet::Transport {
            from,
            to,
            transport: Transport::Udp,
            payload,
        }
    }

    fn ends_of(&self, side: Side) -> (SocketAddr, SocketAddr) {
        match side {
            Side::Client => (self.ends.client, self.ends.server),
            Side::Server => (self.ends.server, self.ends.client),
        }
    }
}
