//! What the table takes from a packet.

use super::IcmpKinds;
use super::facts::{FlowFacts, Ttls};
use super::key::{ECHO, ICMP_OTHER, Side, SidedPosition, protocol_number};
use super::opening::Opening;
use super::tcp_state::TcpSeen;
use crate::decode::{IcmpKind, Packet, Transport};
use crate::net::{Position, Protocol};

/// What a packet adds to its flow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) at: Position,
    pub(super) side: Side,
    /// Frame bytes on the wire.
    pub(super) bytes: u32,
    /// Outermost VLAN identifier; 0 where there is none.
    pub(super) vlan: u16,
    /// Time to live or hop limit; 0 where it tells nothing.
    pub(super) ttl: u8,
    /// Whether it is a TCP reset.
    pub(super) is_reset: bool,
    /// Whether it is a fragment that begins nothing.
    pub(super) is_fragment: bool,
    /// Kinds of segments or messages, low side of TCP in the lower half.
    pub(super) seen: u8,
    pub(super) opens: Opens,
    /// Of the segment; it counts where that is a SYN of its sender.
    pub(super) sequence: u32,
}

/// Who opens the flow, as far as a packet tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opens {
    /// It does not tell.
    No,
    /// Its sender, by a SYN.
    BySyn,
    /// Its sender.
    Sender,
    /// Its receiver.
    Receiver,
}

impl Arrival {
    /// What the packet alone says of its flow; its SYN is no opening.
    pub(super) fn facts(&self) -> FlowFacts<'static> {
        let first = SidedPosition {
            at: self.at,
            side: self.side,
        };
        let (mut packets, mut bytes) = ([0; 2], [0; 2]);
        packets[self.side.index()] = 1;
        bytes[self.side.index()] = u64::from(self.bytes);
        let mut ttls = [Ttls::default(); 2];
        ttls[self.side.index()].add(self.ttl, self.is_reset);
        FlowFacts {
            first,
            opened: self.opener().map(|side| SidedPosition { side, ..first }),
            last: self.at.time,
            packets,
            bytes,
            ttls,
            opening: None,
            further: &[],
            vlan: Some(self.vlan).filter(|vlan| *vlan != 0),
            seen: self.seen,
        }
    }

    pub(super) fn opener(&self) -> Option<Side> {
        match self.opens {
            Opens::No => None,
            Opens::BySyn | Opens::Sender => Some(self.side),
            Opens::Receiver => Some(self.side.other()),
        }
    }

    pub(super) fn opening(&self) -> Option<Opening> {
        (self.opens == Opens::BySyn).then(|| Opening::new(self.side, self.sequence))
    }
}

/// What the transport of a packet says.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    pub(super) protocol: u16,
    /// The sender's, then the receiver's.
    pub(super) ports: [u16; 2],
    /// Bits of TCP or ICMP, by the sender's view.
    bits: u8,
    is_reset: bool,
    /// By how much they move where the high side sent them.
    shift: u8,
    opens: Opens,
    sequence: u32,
}

impl Seen {
    /// `None` for what belongs to no flow by itself.
    #[inline(always)]
    pub(super) fn new(transport: &Transport<'_>) -> Option<Self> {
        let plain = |protocol, ports| Self {
            protocol,
            ports,
            bits: 0,
            is_reset: false,
            shift: 0,
            opens: Opens::No,
            sequence: 0,
        };
        Some(match *transport {
            Transport::Tcp {
                source_port,
                destination_port,
                sequence,
                flags,
                ..
            } => Self {
                bits: TcpSeen::bit(flags),
                is_reset: TcpSeen::is_reset(flags),
                shift: TcpSeen::BITS,
                opens: match (TcpSeen::is_syn(flags), TcpSeen::is_syn_ack(flags)) {
                    (false, _) => Opens::No,
                    (true, false) => Opens::BySyn,
                    (true, true) => Opens::Receiver,
                },
                sequence,
                ..plain(6, [source_port, destination_port])
            },
            Transport::Udp {
                source_port,
                destination_port,
                ..
            } => plain(17, [source_port, destination_port]),
            Transport::Icmp(kind) => Self::icmp(kind, plain(ICMP_OTHER, [0; 2])),
            Transport::Other(number) => plain(protocol_number(Protocol::Other(number)), [0; 2]),
            Transport::Fragment | Transport::IcmpError(_) => return None,
        })
    }

    fn icmp(kind: IcmpKind, other: Self) -> Self {
        let echo = |opens| Self {
            protocol: ECHO,
            opens,
            ..other
        };
        let seen = |bits| Self { bits, ..other };
        match kind {
            IcmpKind::EchoRequest => echo(Opens::Sender),
            IcmpKind::EchoReply => echo(Opens::Receiver),
            IcmpKind::NeighbourDiscovery => seen(IcmpKinds::NEIGHBOUR_DISCOVERY),
            IcmpKind::MulticastListener => seen(IcmpKinds::MULTICAST_LISTENER),
            IcmpKind::Other(_) => seen(IcmpKinds::OTHER),
        }
    }

    /// What the packet adds to its flow.
    #[inline(always)]
    pub(super) fn arrival(
        self,
        at: Position,
        side: Side,
        bytes: u32,
        packet: &Packet<'_>,
    ) -> Arrival {
        Arrival {
            at,
            side,
            bytes,
            vlan: packet.vlan.unwrap_or(0),
            ttl: packet.ttl,
            is_reset: self.is_reset,
            is_fragment: false,
            seen: self.bits << (self.shift * side.index() as u8),
            opens: self.opens,
            sequence: self.sequence,
        }
    }
}
