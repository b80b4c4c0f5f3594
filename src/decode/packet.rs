//! What a frame holds once its headers are read.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU64;

use super::Undecoded;
use crate::net::{Endpoint, FiveTuple, Protocol};

/// Why there is no packet in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPacket {
    /// It holds a protocol of the link that is not IP.
    Link(LinkProtocol),
    /// It can't be decoded: to be counted, never passed up.
    Undecoded(Undecoded),
}

impl From<LinkProtocol> for NoPacket {
    fn from(protocol: LinkProtocol) -> Self {
        Self::Link(protocol)
    }
}

impl From<Undecoded> for NoPacket {
    fn from(reason: Undecoded) -> Self {
        Self::Undecoded(reason)
    }
}

/// A protocol of the link that is not IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkProtocol {
    /// An EtherType (IEEE 802).
    EtherType(u16),
    /// An LLC destination service access point (IEEE 802.2), 0x42 for spanning tree.
    Llc(u8),
}

/// An IP packet.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Sender's address.
    pub source: IpAddr,
    /// Receiver's address.
    pub destination: IpAddr,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// IPv4 identification; 0 where there is none, as in IPv6.
    pub identification: u16,
    /// Outermost VLAN identifier, where the frame was tagged.
    pub vlan: Option<u16>,
    /// Where it stands in a fragmented datagram; `None` where it is whole.
    pub fragment: Option<Fragment>,
    /// What the packet carries.
    pub transport: Transport<'a>,
}

impl Packet<'_> {
    /// The flow that it belongs to, in its own direction. `None` for a fragment that begins
    /// nothing and for ICMP errors, which are laid at the flow they quote.
    #[inline]
    pub fn five_tuple(&self) -> Option<FiveTuple> {
        let (protocol, source_port, destination_port) = match self.transport {
            Transport::Tcp {
                source_port,
                destination_port,
                ..
            } => (Protocol::Tcp, source_port, destination_port),
            Transport::Udp {
                source_port,
                destination_port,
                ..
            } => (Protocol::Udp, source_port, destination_port),
            Transport::Icmp(IcmpKind::EchoRequest | IcmpKind::EchoReply) => {
                (Protocol::IcmpEcho, 0, 0)
            }
            Transport::Icmp(_) => (Protocol::IcmpOther, 0, 0),
            Transport::Other(number) => (Protocol::Other(number), 0, 0),
            Transport::Fragment | Transport::IcmpError(_) => return None,
        };
        Some(FiveTuple {
            protocol,
            source: Endpoint::new(self.source, source_port),
            destination: Endpoint::new(self.destination, destination_port),
        })
    }
}

/// The part of a packet above IP.
///
/// `payload` is what was captured; `payload_length` what the headers say was sent, in bytes.
#[derive(Clone, Copy, Debug)]
pub enum Transport<'a> {
    /// A TCP segment.
    Tcp {
        /// Sender's port.
        source_port: u16,
        /// Receiver's port.
        destination_port: u16,
        /// SEG.SEQ.
        sequence: u32,
        /// SEG.ACK; meaningless without [`TcpFlags::ACK`].
        acknowledgment: u32,
        /// Control bits.
        flags: TcpFlags,
        /// Checksum, as sent; `None` where the header is cut before it.
        checksum: Option<u16>,
        /// Captured bytes after the header.
        payload: &'a [u8],
        /// Bytes after the header on the wire.
        payload_length: u32,
    },
    /// A UDP datagram, or the first fragment of one.
    Udp {
        /// Sender's port.
        source_port: u16,
        /// Receiver's port.
        destination_port: u16,
        /// Checksum, as sent; `None` where the header is cut before it.
        checksum: Option<u16>,
        /// Captured bytes after the header.
        payload: &'a [u8],
        /// Bytes after the header of the whole datagram.
        payload_length: u32,
    },
    /// An ICMP or ICMPv6 message that is no error.
    Icmp(IcmpKind),
    /// An ICMP or ICMPv6 error.
    IcmpError(IcmpError),
    /// A fragment that does not begin its datagram.
    Fragment,
    /// Another IP protocol.
    Other(u8),
}

/// A packet's place in a fragmented datagram (RFC 791, RFC 8200), in one word: whole packets,
/// which are nearly all, then cost no more than a comparison.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fragment(NonZeroU64);

impl Fragment {
    const FIRST: u64 = 1 << 8;
    /// Set in every fragment, so that none is zero.
    const MARK: NonZeroU64 = NonZeroU64::new(1 << 9).unwrap();

    /// Protocol and identification of the whole datagram, and whether this fragment begins it.
    pub fn new(protocol: u8, identification: u32, first: bool) -> Self {
        let bits = u64::from(identification) << 32
            | u64::from(protocol)
            | if first { Self::FIRST } else { 0 };
        Self(Self::MARK | bits)
    }

    /// Protocol of the whole datagram.
    pub fn protocol(self) -> u8 {
        self.0.get() as u8
    }

    /// Identification.
    pub fn identification(self) -> u32 {
        (self.0.get() >> 32) as u32
    }

    /// Whether this one begins the datagram.
    pub fn is_first(self) -> bool {
        self.0.get() & Self::FIRST != 0
    }
}

impl fmt::Debug for Fragment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Fragment")
            .field("protocol", &self.protocol())
            .field("identification", &self.identification())
            .field("first", &self.is_first())
            .finish()
    }
}

/// An ICMP message that is no error, by what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IcmpKind {
    /// Echo request.
    EchoRequest,
    /// Echo reply.
    EchoReply,
    /// IPv6 neighbour discovery, RFC 4861 (types 133-137).
    NeighbourDiscovery,
    /// IPv6 multicast listener discovery (types 130-132, 143).
    MulticastListener,
    /// Any other type.
    Other(u8),
}

/// An ICMP error (IPv4 types 3, 4, 5, 11, 12; IPv6 types 1-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// Whether it says that the destination can't be reached (IPv4 type 3, IPv6 type 1).
    pub unreachable: bool,
    /// The flow of the packet that it quotes, in that packet's direction, where enough of it is there.
    pub quoted: Option<FiveTuple>,
}

/// TCP control bits, as in the header's byte 13.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// The acknowledgment number counts.
    pub const ACK: u8 = 0x10;

    /// Whether every bit of `bits` is set.
    pub fn has(self, bits: u8) -> bool {
        self.0 & bits == bits
    }
}
