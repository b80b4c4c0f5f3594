//! Frames as they lie on the wire, written in place. The bytes are those of the other builders of
//! this folder, which a test holds; payload comes from a pool whose sums are known, so that a
//! checksum costs the same for any length.

use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;

use super::super::bytes::ByteOrder;
use super::super::ip::packet;
use super::super::link::{ETHERNET_MINIMUM, IPV4, IPV6, Link, mac};
use super::super::recording::Record;
use super::super::rng::Rng;
use super::super::rpc::{Tower, Uuid, bind, bind_ack, ept_map_request, ept_map_response};
use super::super::tftp;
use super::super::transport::{ICMP, ICMPV6, TCP, UDP, echo, flags};

pub use super::super::tcp::SEGMENT_BYTES;

/// Where random payload may begin in the pool.
const POOL_STARTS: u64 = 8_192;
const POOL_BYTES: usize = 2 * POOL_STARTS as usize + SEGMENT_BYTES;

/// Ethernet, IPv6, and TCP with an option.
const MOST_HEADER_BYTES: usize = 14 + 40 + 24;

/// A packet to be framed.
#[derive(Clone, Copy, Debug)]
pub enum Packet {
    Transport {
        from: SocketAddr,
        to: SocketAddr,
        transport: Transport,
        payload: Payload,
    },
    Echo {
        from: IpAddr,
        to: IpAddr,
        reply: bool,
        sequence: u16,
    },
}

#[derive(Clone, Copy, Debug)]
pub enum Transport {
    Tcp {
        sequence: u32,
        acknowledgment: u32,
        flags: u8,
    },
    Udp,
}

/// What a packet carries.
#[derive(Clone, Copy, Debug)]
pub enum Payload {
    None,
    Random(Piece),
    /// TFTP: opcode and block number, then data.
    Block([u8; 4], Piece),
    Message(Message),
}

/// A piece of the pool; it begins at an even offset.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    start: u16,
    length: u16,
}

/// Messages that are always the same.
#[derive(Clone, Copy, Debug)]
pub enum Message {
    ReadRequest,
    Bind,
    BindAck,
    MapRequest,
    MapResponse,
}

impl Payload {
    /// Bytes that no protocol begins with, at most a segment of them.
    pub fn random(length: usize, rng: &mut Rng) -> Self {
        Self::Random(Piece::new(length, rng))
    }

    pub fn block(number: u16, length: usize, rng: &mut Rng) -> Self {
        let [high, low] = number.to_be_bytes();
        Self::Block([0, 3, high, low], Piece::new(length, rng))
    }

    pub fn acknowledgment(number: u16) -> Self {
        let [high, low] = number.to_be_bytes();
        let nothing = Piece {
            start: 0,
            length: 0,
        };
        Self::Block([0, 4, high, low], nothing)
    }

    pub fn length(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Random(piece) => usize::from(piece.length),
            Self::Block(head, piece) => head.len() + usize::from(piece.length),
            Self::Message(message) => message.bytes().len(),
        }
    }
}

impl Piece {
    fn new(length: usize, rng: &mut Rng) -> Self {
        Self {
            start: 2 * rng.below(POOL_STARTS) as u16,
            length: length.min(SEGMENT_BYTES) as u16,
        }
    }
}

impl Message {
    fn bytes(self) -> &'static [u8] {
        static MESSAGES: LazyLock<[Vec<u8>; 5]> = LazyLock::new(|| {
            let order = ByteOrder::Little;
            let tower = Tower {
                interface: Uuid::WINREG,
                port: super::hosts::RPC_PORT,
                address: std::net::Ipv4Addr::UNSPECIFIED,
            };
            [
                tftp::read_request("boot/wdsmgfw.efi", &[]),
                bind(order, 1, Uuid::ENDPOINT_MAPPER),
                bind_ack(order, 1, "135"),
                ept_map_request(order, 2, Uuid::WINREG),
                ept_map_response(order, 2, &[tower], 0),
            ]
        });
        &MESSAGES[self as usize]
    }
}

/// Writes frames.
pub struct Wire {
    pool: Vec<u8>,
    /// Sum of the words of the pool before each word.
    sums: Vec<u32>,
    snaplen: usize,
}

impl Wire {
    /// Frames are cut to `snaplen` bytes, unless it is 0.
    pub fn new(rng: &mut Rng, snaplen: usize) -> Self {
        let mut pool = rng.bytes(POOL_BYTES);
        // No message that a tracker reads begins with such a byte.
        pool.iter_mut().for_each(|byte| *byte |= 0x80);
        let words = pool.chunks_exact(2).map(word);
        let sums = std::iter::once(0).chain(words.scan(0, |sum, word| {
            *sum += word;
            Some(*sum)
        }));
        Self {
            sums: sums.collect(),
            pool,
            snaplen: if snaplen == 0 { usize::MAX } else { snaplen },
        }
    }

    /// Puts the frame of `packet` in place of what `record` held.
    pub fn frame(&self, packet: &Packet, record: &mut Record) {
        match *packet {
            Packet::Transport {
                from,
                to,
                transport,
                payload,
            } => self.transport(from, to, transport, payload, record),
            Packet::Echo {
                from,
                to,
                reply,
                sequence,
            } => {
                let protocol = if from.is_ipv4() { ICMP } else { ICMPV6 };
                let message = echo(from, to, reply, sequence);
                record.bytes = Link::Ethernet.frame(&self::packet(from, to, protocol, &message));
                record.wire_length = record.bytes.len() as u32;
                record.bytes.truncate(self.snaplen);
            }
        }
    }

    fn transport(
        &self,
        from: SocketAddr,
        to: SocketAddr,
        transport: Transport,
        payload: Payload,
        record: &mut Record,
    ) {
        let (head, body, body_sum): (&[u8], &[u8], u32) = match &payload {
            Payload::None => (&[], &[], 0),
            Payload::Random(piece) => (&[], self.piece(*piece), self.sum(*piece)),
            Payload::Block(head, piece) => (head, self.piece(*piece), self.sum(*piece)),
            Payload::Message(message) => (message.bytes(), &[], 0),
        };
        let payload_length = head.len() + body.len();
        let mut header = Header::default();
        header.put(&mac(to.ip()));
        header.put(&mac(from.ip()));
        let (protocol, transport_length) = match transport {
            Transport::Tcp { flags: bits, .. } if bits & flags::SYN != 0 => (TCP, 24),
            Transport::Tcp { .. } => (TCP, 20),
            Transport::Udp => (UDP, 8),
        };
        let length = transport_length + payload_length;
        // The pseudo-header: addresses, protocol, length.
        let mut sum = u32::from(protocol) + length as u32;
        match (from.ip(), to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                header.put(&IPV4.to_be_bytes());
                let start = header.length;
                header.put(&[0x45, 0]);
                header.put(&((20 + length) as u16).to_be_bytes());
                header.put(&[0, 0, 0, 0, 64, protocol, 0, 0]);
                header.put(&from.octets());
                header.put(&to.octets());
                sum += words(header.since(start + 12));
                header.set(start + 10, folded(words(header.since(start))));
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                header.put(&IPV6.to_be_bytes());
                header.put(&[0x60, 0, 0, 0]);
                header.put(&(length as u16).to_be_bytes());
                header.put(&[protocol, 64]);
                let start = header.length;
                header.put(&from.octets());
                header.put(&to.octets());
                sum += words(header.since(start));
            }
            _ => unreachable!("both ends are of one family"),
        }
        let start = header.length;
        header.put(&from.port().to_be_bytes());
        header.put(&to.port().to_be_bytes());
        let sum_at = match transport {
            Transport::Tcp {
                sequence,
                acknowledgment,
                flags: bits,
            } => {
                header.put(&sequence.to_be_bytes());
                header.put(&acknowledgment.to_be_bytes());
                header.put(&[(transport_length / 4 * 16) as u8, bits]);
                header.put(&[0xfa, 0xf0, 0, 0, 0, 0]);
                if transport_length > 20 {
                    header.put(&[2, 4, 0x05, 0xb4]);
                }
                start + 16
            }
            Transport::Udp => {
                header.put(&(length as u16).to_be_bytes());
                header.put(&[0, 0]);
                start + 6
            }
        };
        // A head before a body has an even length.
        sum += words(header.since(start)) + words(head) + body_sum;
        header.set(
            sum_at,
            match (folded(sum), protocol) {
                // Zero means "no checksum" in UDP.
                (0, UDP) => 0xffff,
                (sum, _) => sum,
            },
        );
        let wire_length = (header.length + payload_length).max(ETHERNET_MINIMUM);
        record.wire_length = wire_length as u32;
        let captured = wire_length.min(self.snaplen);
        record.bytes.clear();
        for part in [header.since(0), head, body] {
            let room = captured - record.bytes.len();
            record
                .bytes
                .extend_from_slice(&part[..part.len().min(room)]);
        }
        record.bytes.resize(captured, 0);
    }

    fn piece(&self, piece: Piece) -> &[u8] {
        &self.pool[usize::from(piece.start)..][..usize::from(piece.length)]
    }

    fn sum(&self, piece: Piece) -> u32 {
        let start = usize::from(piece.start) / 2;
        let end = start + usize::from(piece.length) / 2;
        let sum = self.sums[end] - self.sums[start];
        match self.piece(piece) {
            [.., last] if piece.length % 2 == 1 => sum + (u32::from(*last) << 8),
            _ => sum,
        }
    }
}

/// Bytes of the headers as they are put together.
struct Header {
    bytes: [u8; MOST_HEADER_BYTES],
    length: usize,
}

impl Default for Header {
    fn default() -> Self {
        Self {
            bytes: [0; MOST_HEADER_BYTES],
            length: 0,
        }
    }
}

impl Header {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.length..][..bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    fn set(&mut self, at: usize, value: u16) {
        self.bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
    }

    fn since(&self, start: usize) -> &[u8] {
        &self.bytes[start..self.length]
    }
}

fn word(pair: &[u8]) -> u32 {
    u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |byte| u32::from(*byte))
}

/// Sum of the 16-bit words.
fn words(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(word).sum()
}

/// The checksum of RFC 1071 that a sum gives.
fn folded(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    !(sum as u16)
}
