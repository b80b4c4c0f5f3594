//! Frames as they lie on the wire, written in place: the fields are those of the other builders of
//! this folder.

use std::net::{IpAddr, SocketAddr};

use super::super::ip::packet;
use super::super::link::{ETHERNET_MINIMUM, IPV4, IPV6, Link, mac};
use super::super::recording::Record;
use super::super::rng::Rng;
use super::super::transport::{ICMP, ICMPV6, TCP, UDP, echo, flags};
use super::payload::{Payload, Pool, words};

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

/// Writes frames.
pub struct Wire {
    pool: Pool,
    snaplen: usize,
}

impl Wire {
    /// Frames are cut to `snaplen` bytes, unless it is 0.
    pub fn new(rng: &mut Rng, snaplen: usize) -> Self {
        Self {
            pool: Pool::new(rng),
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
        let pool = &self.pool;
        // A head before a body has an even length.
        let (head, body, body_sum): (&[u8], &[u8], u32) = match &payload {
            Payload::None => (&[], &[], 0),
            Payload::Random(piece) => (&[], pool.piece(*piece), pool.sum(*piece)),
            Payload::Block(head, piece) => (head, pool.piece(*piece), pool.sum(*piece)),
            Payload::Message(message) => (message.bytes(), &[], 0),
        };
        let mut header = Header::default();
        header.put(&mac(to.ip()));
        header.put(&mac(from.ip()));
        let length = transport.header_length() + head.len() + body.len();
        let addresses = header.ip(from.ip(), to.ip(), transport.protocol(), length);
        let payload_sum = addresses + words(head) + body_sum;
        header.transport(from.port(), to.port(), transport, length, payload_sum);

        let wire_length = (header.length + head.len() + body.len()).max(ETHERNET_MINIMUM);
        let captured = wire_length.min(self.snaplen);
        record.wire_length = wire_length as u32;
        record.bytes.clear();
        for part in [header.since(0), head, body] {
            let room = captured - record.bytes.len();
            record
                .bytes
                .extend_from_slice(&part[..part.len().min(room)]);
        }
        record.bytes.resize(captured, 0);
    }
}

impl Transport {
    fn protocol(self) -> u8 {
        match self {
            Self::Tcp { .. } => TCP,
            Self::Udp => UDP,
        }
    }

    fn header_length(self) -> usize {
        match self {
            Self::Tcp { flags: bits, .. } if bits & flags::SYN != 0 => 24,
            Self::Tcp { .. } => 20,
            Self::Udp => 8,
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
    /// EtherType and IP header before `length` bytes; returns the sum of the addresses.
    fn ip(&mut self, from: IpAddr, to: IpAddr, protocol: u8, length: usize) -> u32 {
        match (from, to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                self.put(&IPV4.to_be_bytes());
                let start = self.length;
                self.put(&[0x45, 0]);
                self.put(&((20 + length) as u16).to_be_bytes());
                self.put(&[0, 0, 0, 0, 64, protocol, 0, 0]);
                self.put(&from.octets());
                self.put(&to.octets());
                self.set(start + 10, folded(words(self.since(start))));
                words(self.since(start + 12))
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                self.put(&IPV6.to_be_bytes());
                self.put(&[0x60, 0, 0, 0]);
                self.put(&(length as u16).to_be_bytes());
                self.put(&[protocol, 64]);
                let start = self.length;
                self.put(&from.octets());
                self.put(&to.octets());
                words(self.since(start))
            }
            _ => panic!("{from} and {to} mix families"),
        }
    }

    /// Header of a message of `length` bytes; `sum` is that of the addresses and the payload.
    fn transport(&mut self, from: u16, to: u16, transport: Transport, length: usize, sum: u32) {
        let start = self.length;
        self.put(&from.to_be_bytes());
        self.put(&to.to_be_bytes());
        let sum_at = match transport {
            Transport::Tcp {
                sequence,
                acknowledgment,
                flags: bits,
            } => {
                let header_length = transport.header_length();
                self.put(&sequence.to_be_bytes());
                self.put(&acknowledgment.to_be_bytes());
                self.put(&[(header_length / 4 * 16) as u8, bits]);
                self.put(&[0xfa, 0xf0, 0, 0, 0, 0]);
                if header_length > 20 {
                    self.put(&[2, 4, 0x05, 0xb4]);
                }
                start + 16
            }
            Transport::Udp => {
                self.put(&(length as u16).to_be_bytes());
                self.put(&[0, 0]);
                start + 6
            }
        };
        let pseudo_header = u32::from(transport.protocol()) + length as u32;
        let sum = folded(sum + pseudo_header + words(self.since(start)));
        let sum = match transport {
            // Zero means "no checksum", so a sum of zero is sent as its complement.
            Transport::Udp if sum == 0 => 0xffff,
            _ => sum,
        };
        self.set(sum_at, sum);
    }

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

/// The checksum of RFC 1071 that a sum gives.
fn folded(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    !(sum as u16)
}
