//! What is kept of a flow. Every field is a sum, a minimum, a maximum or a union, so that
//! merging records is associative and commutative.

use super::key::{Side, SidedPosition};
use super::openings::Opening;
use super::tcp_state::TcpSeen;
use super::{IcmpKinds, InitiatorBasis};
use crate::decode::{IcmpKind, Packet, Transport};
use crate::net::{Position, Timestamp};

/// What was seen of one flow, by side.
#[derive(Clone, Copy, Debug)]
pub struct FlowRecord {
    /// The first packet, and who sent it.
    pub(super) first: SidedPosition,
    /// The first packet that tells who opens (SYN, SYN-ACK, echo), and who that is.
    pub(super) opened: Option<SidedPosition>,
    pub(super) last: Timestamp,
    pub(super) packets: [u64; 2],
    pub(super) bytes: [u64; 2],
    /// The first distinct SYN; further ones are in the table's [`super::openings::Openings`].
    pub(super) opening: Option<Opening>,
    pub(super) vlan: Option<u16>,
    pub(super) tcp: [TcpSeen; 2],
    pub(super) icmp: IcmpKinds,
}

impl FlowRecord {
    /// A record of one packet.
    #[inline]
    pub(super) fn new(at: Position, side: Side, bytes: u32, packet: &Packet<'_>) -> Self {
        let mut record = Self {
            first: SidedPosition { at, side },
            opened: None,
            last: at.time,
            packets: [0; 2],
            bytes: [0; 2],
            opening: None,
            vlan: packet.vlan,
            tcp: [TcpSeen::default(); 2],
            icmp: IcmpKinds::default(),
        };
        record.add(at, side, bytes, packet);
        record
    }

    /// Adds a packet. Returns a SYN that differs from the one kept, for the table to keep.
    #[inline]
    pub(super) fn add(
        &mut self,
        at: Position,
        side: Side,
        bytes: u32,
        packet: &Packet<'_>,
    ) -> Option<Opening> {
        self.count(SidedPosition { at, side }, u64::from(bytes), packet.vlan);
        match packet.transport {
            Transport::Tcp {
                sequence, flags, ..
            } => {
                self.tcp[side.index()].add(flags);
                let opener = TcpSeen::opener(flags, side)?;
                self.opens(SidedPosition { at, side: opener });
                let opening = Opening::new(side, sequence);
                return if opener == side {
                    self.keep_opening(opening)
                } else {
                    None
                };
            }
            Transport::Icmp(kind) => self.add_icmp(at, side, kind),
            Transport::Udp { .. }
            | Transport::IcmpError(_)
            | Transport::Fragment
            | Transport::Other(_) => {}
        }
        None
    }

    /// Adds a fragment that was found to belong here.
    pub(super) fn add_fragment(&mut self, at: Position, side: Side, bytes: u32) {
        let vlan = self.vlan;
        self.count(SidedPosition { at, side }, u64::from(bytes), vlan);
    }

    #[inline]
    fn count(&mut self, from: SidedPosition, bytes: u64, vlan: Option<u16>) {
        self.packets[from.side.index()] += 1;
        self.bytes[from.side.index()] += bytes;
        self.last = self.last.max(from.at.time);
        if from < self.first {
            self.first = from;
            self.vlan = vlan;
        }
    }

    fn add_icmp(&mut self, at: Position, side: Side, kind: IcmpKind) {
        let seen = match kind {
            IcmpKind::EchoRequest => return self.opens(SidedPosition { at, side }),
            IcmpKind::EchoReply => {
                return self.opens(SidedPosition {
                    at,
                    side: side.other(),
                });
            }
            IcmpKind::NeighbourDiscovery => IcmpKinds::NEIGHBOUR_DISCOVERY,
            IcmpKind::MulticastListener => IcmpKinds::MULTICAST_LISTENER,
            IcmpKind::Other(_) => IcmpKinds::OTHER,
        };
        self.icmp.0 |= seen;
    }

    fn opens(&mut self, opened: SidedPosition) {
        self.opened = Some(self.opened.map_or(opened, |earlier| earlier.min(opened)));
    }

    fn keep_opening(&mut self, opening: Opening) -> Option<Opening> {
        match self.opening {
            Some(kept) => Some(opening).filter(|new| *new != kept),
            None => {
                self.opening = Some(opening);
                None
            }
        }
    }

    /// Adds what another part saw of the same flow. Returns its opening, where it is another one.
    pub(super) fn merge(&mut self, other: &Self) -> Option<Opening> {
        if other.first < self.first {
            self.first = other.first;
            self.vlan = other.vlan;
        }
        if let Some(opened) = other.opened {
            self.opens(opened);
        }
        self.last = self.last.max(other.last);
        for side in [Side::Low, Side::High].map(Side::index) {
            self.packets[side] += other.packets[side];
            self.bytes[side] += other.bytes[side];
            self.tcp[side] = self.tcp[side].union(other.tcp[side]);
        }
        self.icmp.0 |= other.icmp.0;
        other.opening.and_then(|opening| self.keep_opening(opening))
    }

    /// The same record with its positions renumbered.
    pub(super) fn renumber(&mut self, new: impl Fn(Position) -> Position) {
        self.first.at = new(self.first.at);
        if let Some(opened) = &mut self.opened {
            opened.at = new(opened.at);
        }
    }

    /// Whether the opening was seen, and what that makes the basis.
    pub(super) fn opener(&self) -> Option<(Side, InitiatorBasis)> {
        let opened = self.opened?;
        let is_tcp = self.tcp.iter().any(|seen| !seen.is_empty());
        let basis = if is_tcp {
            InitiatorBasis::Handshake
        } else if opened.at == self.first.at && opened.side == self.first.side {
            InitiatorBasis::FirstPacket
        } else {
            InitiatorBasis::Request
        };
        Some((opened.side, basis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_takes_no_more_than_is_promised() {
        assert!(size_of::<(super::super::FlowKey, FlowRecord)>() <= 144);
    }
}
