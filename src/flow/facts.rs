//! All that was seen of one flow, in plain fields: what the record packs.

use super::InitiatorBasis;
use super::compact::CompactKey;
use super::key::{Side, SidedPosition};
use super::opening::{MAX_OPENINGS_PER_FLOW, Opening};
use super::tcp_state::TcpSeen;
use crate::net::{Protocol, ServicePorts, Timestamp};

/// What was seen of one flow, by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowFacts<'a> {
    /// The first packet, and who sent it.
    pub first: SidedPosition,
    /// The first packet that tells who opens (SYN, SYN-ACK, echo), and who that is.
    pub opened: Option<SidedPosition>,
    /// Time of the last packet.
    pub last: Timestamp,
    /// Packets of each side.
    pub packets: [u64; 2],
    /// Frame bytes on the wire of each side.
    pub bytes: [u64; 2],
    /// Time to live of what each side sent.
    pub ttls: [Ttls; 2],
    /// One of the distinct SYNs.
    pub opening: Option<Opening>,
    /// The others, in order; the first one may stand here too.
    pub further: &'a [Opening],
    /// Outermost VLAN identifier of the first packet.
    pub vlan: Option<u16>,
    /// Kinds of TCP segments (low side in the lower half), or of ICMP messages.
    pub seen: u8,
}

/// Time to live (IPv4) or hop limit (IPv6) of what one side of a flow sent, as captured: the
/// highest, which is that of the shortest way and of a packet seen before a router that mirrors it
/// on both sides. 0 is none: no such packet is on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ttls {
    /// Of TCP resets.
    pub resets: u8,
    /// Of all other packets.
    pub others: u8,
}

impl Ttls {
    #[inline(always)]
    pub(super) fn add(&mut self, ttl: u8, is_reset: bool) {
        let highest = match is_reset {
            true => &mut self.resets,
            false => &mut self.others,
        };
        *highest = ttl.max(*highest);
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.resets = self.resets.max(other.resets);
        self.others = self.others.max(other.others);
    }
}

impl FlowFacts<'_> {
    /// The same facts with `low` as their low side, of a flow without openings: its sides, or
    /// those of a key it is laid at, may be the other way round.
    #[must_use]
    pub(super) fn seen_from(self, low: Side, protocol: Protocol) -> Self {
        if low == Side::Low {
            return self;
        }
        let turned = |it: SidedPosition| SidedPosition {
            side: it.side.other(),
            ..it
        };
        let [low_packets, high_packets] = self.packets;
        let [low_bytes, high_bytes] = self.bytes;
        let [low_ttls, high_ttls] = self.ttls;
        Self {
            first: turned(self.first),
            opened: self.opened.map(turned),
            packets: [high_packets, low_packets],
            bytes: [high_bytes, low_bytes],
            ttls: [high_ttls, low_ttls],
            seen: match protocol {
                Protocol::Tcp => self.seen.rotate_left(u32::from(TcpSeen::BITS)),
                _ => self.seen,
            },
            ..self
        }
    }

    /// All openings, one of them perhaps twice.
    pub(super) fn openings(&self) -> impl Iterator<Item = Opening> {
        self.opening.into_iter().chain(self.further.iter().copied())
    }

    /// Distinct openings, at least 1, at most as many as are counted.
    pub(super) fn connections(&self) -> u32 {
        let further = self.further.iter();
        let others = further.filter(|it| Some(**it) != self.opening).count();
        let all = others + usize::from(self.opening.is_some());
        all.clamp(1, MAX_OPENINGS_PER_FLOW) as u32
    }

    /// Who opened the flow, and how that is known: by the opening; else by the only port that is
    /// a service (TCP joined mid-stream, or UDP seen from the answer on); else by the first packet.
    pub(super) fn initiator(
        &self,
        key: &impl CompactKey,
        services: &ServicePorts,
    ) -> (Side, InitiatorBasis) {
        let protocol = key.protocol();
        if let Some(opened) = self.opened {
            let basis = match protocol {
                Protocol::Tcp => InitiatorBasis::Handshake,
                _ if opened == self.first => InitiatorBasis::FirstPacket,
                _ => InitiatorBasis::Request,
            };
            return (opened.side, basis);
        }
        let first = self.first.side;
        let is_service = |side: Side| services.contains(protocol, key.endpoint(side).port);
        match (is_service(first), is_service(first.other()), protocol) {
            (true, false, _) => (first.other(), InitiatorBasis::ServicePort),
            (false, true, Protocol::Tcp) => (first, InitiatorBasis::ServicePort),
            _ => (first, InitiatorBasis::FirstPacket),
        }
    }
}
