//! A flow as the later stages see it: who opened it, and how it went.

use super::compact::CompactKey;
use super::facts::{FlowFacts, Ttls};
use super::key::Side;
use super::tcp_state::{self, TcpSeen};
use super::{IcmpErrorSeen, IcmpErrors};
use crate::net::{Endpoint, Position, Protocol, ServicePorts, Timestamp};

/// One bidirectional conversation, from the initiator's side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flow {
    /// What the two ends speak.
    pub protocol: Protocol,
    /// The end that opened the flow.
    pub initiator: Endpoint,
    /// The end that answers on the service port.
    pub responder: Endpoint,
    /// How the initiator is known.
    pub initiator_basis: InitiatorBasis,
    /// The first packet.
    pub first: Position,
    /// Time of the last packet.
    pub last: Timestamp,
    /// Packets sent by the initiator.
    pub initiator_packets: u64,
    /// Packets sent by the responder.
    pub responder_packets: u64,
    /// Frame bytes on the wire sent by the initiator.
    pub initiator_bytes: u64,
    /// Frame bytes on the wire sent by the responder.
    pub responder_bytes: u64,
    /// Time to live of what the initiator sent.
    pub initiator_ttls: Ttls,
    /// Time to live of what the responder sent.
    pub responder_ttls: Ttls,
    /// Openings seen (TCP), at least 1.
    pub connections: u32,
    /// How it went.
    pub state: State,
    /// Whether a TCP three-way handshake was completed.
    pub handshake_completed: bool,
    /// The ICMP errors laid at this flow.
    pub icmp_error: Option<IcmpErrorSeen>,
    /// Outermost VLAN identifier of the first packet.
    pub vlan: Option<u16>,
    /// Kinds of ICMP seen, where the protocol is [`Protocol::IcmpOther`].
    pub icmp_kinds: IcmpKinds,
    /// How many five-tuples it stands for: 1, or those folded beyond the bound of the table,
    /// where everything above is the sum of all. The initiator's port is then the lowest of
    /// them, or that of the first packet where they were not kept.
    pub flows: u64,
    /// Addresses of responders that it stands for: 1, or an estimate of those that were folded.
    pub responders: u64,
}

impl Flow {
    /// Packets of both sides.
    pub fn packets(&self) -> u64 {
        self.initiator_packets + self.responder_packets
    }

    /// Frame bytes on the wire of both sides.
    pub fn bytes(&self) -> u64 {
        self.initiator_bytes + self.responder_bytes
    }

    /// The port of the initiator; `None` where several five-tuples were folded.
    pub fn initiator_port(&self) -> Option<u16> {
        (self.flows == 1).then_some(self.initiator.port)
    }

    /// Whether both ends sent something.
    pub fn is_two_sided(&self) -> bool {
        self.initiator_packets > 0 && self.responder_packets > 0
    }

    /// The same flow with initiator and responder exchanged.
    pub fn reversed(&self) -> Self {
        Self {
            initiator: self.responder,
            responder: self.initiator,
            initiator_packets: self.responder_packets,
            responder_packets: self.initiator_packets,
            initiator_bytes: self.responder_bytes,
            responder_bytes: self.initiator_bytes,
            initiator_ttls: self.responder_ttls,
            responder_ttls: self.initiator_ttls,
            ..*self
        }
    }
}

/// Reads flows from what was seen of them.
#[derive(Clone, Copy)]
pub struct Resolver<'a, Place> {
    /// Errors laid at the flows they quote.
    pub errors: &'a IcmpErrors,
    /// Ports that tell who answers.
    pub services: &'a ServicePorts,
    /// Gives the first packet its place in the whole input.
    pub place: Place,
}

impl<Place: Fn(Position) -> Position> Resolver<'_, Place> {
    /// The flow of a key; `quoted` where an ICMP error quotes it.
    #[inline]
    pub(super) fn flow(&self, key: &impl CompactKey, quoted: bool, facts: &FlowFacts<'_>) -> Flow {
        let (side, basis) = facts.initiator(key, self.services);
        let ends = [key.endpoint(side), key.endpoint(side.other())];
        let icmp_error = quoted.then(|| self.errors.of_flow(&key.flow_key()));
        let icmp_error = icmp_error.flatten();
        self.between(key.protocol(), ends, (side, basis), icmp_error, facts)
    }

    /// The flow between initiator, which is that side, and responder.
    #[inline(always)]
    pub(super) fn between(
        &self,
        protocol: Protocol,
        [initiator_end, responder_end]: [Endpoint; 2],
        (side, initiator_basis): (Side, InitiatorBasis),
        icmp_error: Option<IcmpErrorSeen>,
        facts: &FlowFacts<'_>,
    ) -> Flow {
        let (from, to) = (side.index(), side.other().index());
        let tcp = TcpSeen::sides(facts.seen);
        let (initiator, responder) = (tcp[from], tcp[to]);
        let answered = facts.packets[from] > 0 && facts.packets[to] > 0;
        let state = match protocol {
            Protocol::Tcp => tcp_state::state(initiator, responder),
            _ if answered => State::Answered,
            _ if icmp_error.is_some_and(|error| error.unreachable) => State::Unreachable,
            _ => State::Unanswered,
        };
        Flow {
            protocol,
            initiator: initiator_end,
            responder: responder_end,
            initiator_basis,
            first: (self.place)(facts.first.at),
            last: facts.last,
            initiator_packets: facts.packets[from],
            responder_packets: facts.packets[to],
            initiator_bytes: facts.bytes[from],
            responder_bytes: facts.bytes[to],
            initiator_ttls: facts.ttls[from],
            responder_ttls: facts.ttls[to],
            connections: facts.connections(),
            state,
            handshake_completed: protocol == Protocol::Tcp
                && tcp_state::handshake_completed(initiator, responder),
            icmp_error,
            vlan: facts.vlan,
            icmp_kinds: match protocol {
                Protocol::IcmpOther => IcmpKinds(facts.seen),
                _ => IcmpKinds::default(),
            },
            flows: 1,
            responders: 1,
        }
    }
}

/// How the initiator of a flow is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InitiatorBasis {
    /// TCP with SYN or SYN-ACK.
    Handshake,
    /// The client of a TFTP transfer, or the sender of an echo request.
    Request,
    /// Exactly one port is a service port.
    ServicePort,
    /// The sender of the first packet.
    FirstPacket,
}

impl InitiatorBasis {
    /// Spelling in reports.
    pub fn code(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Request => "request",
            Self::ServicePort => "service-port",
            Self::FirstPacket => "first-packet",
        }
    }
}

/// How a flow went. TCP: all but `Answered` and `Unreachable`; others: `Answered`,
/// `Unanswered`, `Unreachable`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Handshake completed, not reset.
    Established,
    /// Handshake completed, then reset.
    Reset,
    /// Joined after the handshake.
    MidStream,
    /// Both sides sent something.
    Answered,
    /// The responder reset the opening.
    Refused,
    /// An ICMP error came in place of an answer.
    Unreachable,
    /// Nothing came back.
    Unanswered,
}

impl State {
    /// Spelling in reports.
    pub fn code(self) -> &'static str {
        match self {
            Self::Established => "established",
            Self::Reset => "reset",
            Self::MidStream => "mid-stream",
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Unanswered => "unanswered",
        }
    }
}

/// A set of ICMP kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IcmpKinds(pub u8);

impl IcmpKinds {
    /// IPv6 neighbour discovery.
    pub const NEIGHBOUR_DISCOVERY: u8 = 1;
    /// IPv6 multicast listener discovery.
    pub const MULTICAST_LISTENER: u8 = 2;
    /// Anything else.
    pub const OTHER: u8 = 4;
    /// Every kind.
    pub const ALL: u8 = Self::NEIGHBOUR_DISCOVERY | Self::MULTICAST_LISTENER | Self::OTHER;

    /// Whether only link maintenance was seen: neighbour or listener discovery.
    pub fn is_maintenance(self) -> bool {
        self.0 != 0 && self.0 & Self::OTHER == 0
    }
}
