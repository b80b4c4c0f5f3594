//! The key of a flow: protocol and two ends without direction.
//!
//! VLAN tags and, once they are removed on the way, tunnels are no part of the key: one
//! conversation seen on both sides of a router or switch is one flow. Nor is a duplicate of a
//! packet (a mirror port that copies ingress and egress) told apart: it counts twice, as captured.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::net::{Endpoint, FiveTuple, Position, Protocol};

/// A five-tuple without direction, 40 bytes: the end with the smaller address, then port, is `Low`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FlowKey {
    /// High and low half of each end's address; an IPv4 address fills 32 bits.
    addresses: [[u64; 2]; 2],
    /// Ports of both ends, family, protocol: everything that is not an address.
    rest: u64,
}

/// One of the two ends of a [`FlowKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The end with the smaller address, then port.
    Low,
    /// The other end.
    High,
}

impl Side {
    /// `High` where that holds.
    #[inline(always)]
    pub(super) fn high_if(holds: bool) -> Self {
        if holds { Self::High } else { Self::Low }
    }

    /// The other side.
    #[inline(always)]
    pub fn other(self) -> Self {
        match self {
            Self::Low => Self::High,
            Self::High => Self::Low,
        }
    }

    /// 0 or 1.
    #[inline(always)]
    pub fn index(self) -> usize {
        self as usize
    }
}

impl FlowKey {
    /// The key of a packet's flow, and the side that sent the packet.
    #[inline]
    pub fn new(five_tuple: &FiveTuple) -> (Self, Side) {
        let source = halves(five_tuple.source.address);
        let destination = halves(five_tuple.destination.address);
        let (source_port, destination_port) = (five_tuple.source.port, five_tuple.destination.port);
        let side = if (source, source_port) <= (destination, destination_port) {
            Side::Low
        } else {
            Side::High
        };
        let (addresses, low_port, high_port) = match side {
            Side::Low => ([source, destination], source_port, destination_port),
            Side::High => ([destination, source], destination_port, source_port),
        };
        let is_v6 = five_tuple.source.address.is_ipv6();
        let rest = u64::from(low_port) << 48
            | u64::from(high_port) << 32
            | u64::from(is_v6) << 16
            | u64::from(protocol_number(five_tuple.protocol));
        (Self { addresses, rest }, side)
    }

    /// What the two ends speak.
    pub fn protocol(&self) -> Protocol {
        protocol_from(self.rest as u16)
    }

    /// Address and port of one end.
    pub fn endpoint(&self, side: Side) -> Endpoint {
        let [high, low] = self.addresses[side.index()];
        let address = if self.rest >> 16 & 1 == 1 {
            IpAddr::V6(Ipv6Addr::from(u128::from(high) << 64 | u128::from(low)))
        } else {
            IpAddr::V4(Ipv4Addr::from(low as u32))
        };
        let port = match side {
            Side::Low => self.rest >> 48,
            Side::High => self.rest >> 32,
        };
        Endpoint::new(address, port as u16)
    }

    /// The flow in the direction of a packet sent by `source`.
    pub fn five_tuple(&self, source: Side) -> FiveTuple {
        FiveTuple {
            protocol: self.protocol(),
            source: self.endpoint(source),
            destination: self.endpoint(source.other()),
        }
    }
}

impl Hash for FlowKey {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [[a, b], [c, d]] = self.addresses;
        // For IPv4 the upper halves are constant and cost nothing to leave out.
        if self.rest >> 16 & 1 == 0 {
            state.write_u64(b << 32 | d);
        } else {
            state.write_u64(a);
            state.write_u64(b);
            state.write_u64(c);
            state.write_u64(d);
        }
        state.write_u64(self.rest);
    }
}

/// A position that remembers which side sent the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SidedPosition {
    /// Where the packet stands.
    pub at: Position,
    /// The side.
    pub side: Side,
}

/// Past the numbers of IP protocols.
pub(super) const ECHO: u16 = 256;
pub(super) const ICMP_OTHER: u16 = 257;

/// One number for each protocol.
pub(super) fn protocol_number(protocol: Protocol) -> u16 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::IcmpEcho => ECHO,
        Protocol::IcmpOther => ICMP_OTHER,
        Protocol::Other(number) => u16::from(number),
    }
}

/// The protocol of a number.
pub(super) fn protocol_from(number: u16) -> Protocol {
    match number {
        6 => Protocol::Tcp,
        17 => Protocol::Udp,
        ECHO => Protocol::IcmpEcho,
        ICMP_OTHER => Protocol::IcmpOther,
        number => Protocol::Other(number as u8),
    }
}

#[inline]
fn halves(address: IpAddr) -> [u64; 2] {
    match address {
        IpAddr::V4(address) => [0, u64::from(u32::from(address))],
        IpAddr::V6(address) => {
            let bits = u128::from(address);
            [(bits >> 64) as u64, bits as u64]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn five_tuple(protocol: Protocol, source: &str, destination: &str) -> FiveTuple {
        let endpoint = |text: &str| {
            let socket: std::net::SocketAddr = text.parse().unwrap();
            Endpoint::new(socket.ip(), socket.port())
        };
        FiveTuple {
            protocol,
            source: endpoint(source),
            destination: endpoint(destination),
        }
    }

    #[test]
    fn both_directions_share_a_key_and_give_the_ends_back() {
        for (source, destination) in [
            ("10.0.0.2:80", "10.0.0.1:5000"),
            ("10.0.0.1:5000", "10.0.0.1:80"),
            ("[2001:db8::1]:80", "[::1]:65535"),
        ] {
            for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Other(47)] {
                let there = five_tuple(protocol, source, destination);
                let (key, side) = FlowKey::new(&there);
                assert_eq!(FlowKey::new(&there.reversed()), (key, side.other()));
                assert_eq!(key.five_tuple(side), there);
                assert_eq!(key.five_tuple(side.other()), there.reversed());
            }
        }
    }

    #[test]
    fn families_and_protocols_differ() {
        let v4 = FlowKey::new(&five_tuple(Protocol::Tcp, "1.2.3.4:5", "1.2.3.5:6")).0;
        let v6 = FlowKey::new(&five_tuple(Protocol::Tcp, "[::102:304]:5", "[::102:305]:6")).0;
        assert_ne!(v4, v6);
        let echo = FlowKey::new(&five_tuple(Protocol::IcmpEcho, "1.2.3.4:0", "1.2.3.5:0")).0;
        let other = FlowKey::new(&five_tuple(Protocol::IcmpOther, "1.2.3.4:0", "1.2.3.5:0")).0;
        assert_ne!(echo, other);
        assert_eq!(echo.protocol(), Protocol::IcmpEcho);
        assert_eq!(size_of::<FlowKey>(), 40);
    }

    #[test]
    fn a_host_that_talks_to_itself_is_low() {
        let land = five_tuple(Protocol::Tcp, "1.2.3.4:5", "1.2.3.4:5");
        assert_eq!(FlowKey::new(&land).1, Side::Low);
    }
}
