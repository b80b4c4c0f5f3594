//! The keys that the table keeps: a five-tuple without direction, each family in as few bytes
//! as it needs.

use std::hash::{BuildHasher, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use foldhash::SharedSeed;
use foldhash::fast::SeedableRandomState;

use super::key::{FlowKey, Side, protocol_from, protocol_number};
use crate::net::{Endpoint, FiveTuple, Protocol};

/// The seed of every table of this process, drawn at its start: whoever sends packets chooses
/// the keys. Tables that merge share it, so that a flow stands in the same partition of each.
pub(super) fn seed() -> SeedableRandomState {
    SeedableRandomState::with_seed(0, SharedSeed::global_random())
}

/// A key of one address family.
pub(super) trait CompactKey: Copy + PartialEq {
    /// The key in the general form.
    fn flow_key(&self) -> FlowKey {
        FlowKey::new(&FiveTuple {
            protocol: self.protocol(),
            source: self.endpoint(Side::Low),
            destination: self.endpoint(Side::High),
        })
        .0
    }

    /// What the two ends speak.
    #[inline]
    fn protocol(&self) -> Protocol {
        protocol_from(self.rest() as u16)
    }

    /// Address and port of one end.
    #[inline]
    fn endpoint(&self, side: Side) -> Endpoint {
        let port = match side {
            Side::Low => self.rest() >> 32,
            Side::High => self.rest() >> 16,
        };
        Endpoint::new(self.address(side), port as u16)
    }

    fn address(&self, side: Side) -> IpAddr;

    /// What of the key is no address: ports and protocol.
    fn rest(&self) -> u64;

    /// A key in the general form, where it is of this family.
    fn compact(key: &FlowKey) -> Option<Self>;

    fn feed(&self, hasher: &mut impl Hasher);

    #[inline(always)]
    fn hash(&self, seed: &SeedableRandomState) -> u64 {
        let mut hasher = seed.build_hasher();
        self.feed(&mut hasher);
        hasher.finish()
    }
}

/// Two IPv4 ends: the lower one in the upper halves.
#[derive(Clone, Copy)]
pub(super) struct V4 {
    addresses: u64,
    rest: u64,
}

/// Two IPv6 ends: upper and lower half of the lower address, then of the other.
#[derive(Clone, Copy)]
pub(super) struct V6 {
    addresses: [u64; 4],
    rest: u64,
}

impl V4 {
    /// The key, and the side that sent the packet.
    #[inline(always)]
    pub(super) fn new(source: (Ipv4Addr, u16), to: (Ipv4Addr, u16), protocol: u16) -> (Self, Side) {
        let number = |(address, port)| u64::from(u32::from(address)) << 16 | u64::from(port);
        let (source, to): (u64, u64) = (number(source), number(to));
        // Which end is lower is hard to guess, so nothing branches on it.
        let (low, high) = (source.min(to), source.max(to));
        let key = Self {
            addresses: (low >> 16) << 32 | high >> 16,
            rest: rest([low as u16, high as u16], protocol),
        };
        (key, Side::high_if(source > to))
    }
}

impl PartialEq for V4 {
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        (self.addresses ^ other.addresses) | (self.rest ^ other.rest) == 0
    }
}

impl CompactKey for V4 {
    #[inline]
    fn address(&self, side: Side) -> IpAddr {
        let address = match side {
            Side::Low => self.addresses >> 32,
            Side::High => self.addresses,
        };
        IpAddr::V4(Ipv4Addr::from(address as u32))
    }

    #[inline]
    fn rest(&self) -> u64 {
        self.rest
    }

    fn compact(key: &FlowKey) -> Option<Self> {
        let [low, high] = [Side::Low, Side::High].map(|side| key.endpoint(side));
        let (IpAddr::V4(one), IpAddr::V4(other)) = (low.address, high.address) else {
            return None;
        };
        let protocol = protocol_number(key.protocol());
        Some(Self::new((one, low.port), (other, high.port), protocol).0)
    }

    #[inline(always)]
    fn feed(&self, hasher: &mut impl Hasher) {
        hasher.write_u64(self.addresses);
        hasher.write_u64(self.rest);
    }
}

impl V6 {
    /// The key, and the side that sent the packet.
    #[inline]
    pub(super) fn new(source: (Ipv6Addr, u16), to: (Ipv6Addr, u16), protocol: u16) -> (Self, Side) {
        let number = |(address, port): (Ipv6Addr, u16)| (u128::from(address), port);
        let (source, to) = (number(source), number(to));
        let (low, high) = if source <= to {
            (source, to)
        } else {
            (to, source)
        };
        let key = Self {
            addresses: [low.0 >> 64, low.0, high.0 >> 64, high.0].map(|half| half as u64),
            rest: rest([low.1, high.1], protocol),
        };
        (key, Side::high_if(source > to))
    }
}

impl PartialEq for V6 {
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        let differ = self.addresses.iter().zip(&other.addresses);
        differ.fold(self.rest ^ other.rest, |all, (one, two)| all | (one ^ two)) == 0
    }
}

impl CompactKey for V6 {
    #[inline]
    fn address(&self, side: Side) -> IpAddr {
        let [a, b, c, d] = self.addresses.map(u128::from);
        let address = match side {
            Side::Low => a << 64 | b,
            Side::High => c << 64 | d,
        };
        IpAddr::V6(Ipv6Addr::from(address))
    }

    #[inline]
    fn rest(&self) -> u64 {
        self.rest
    }

    fn compact(key: &FlowKey) -> Option<Self> {
        let [low, high] = [Side::Low, Side::High].map(|side| key.endpoint(side));
        let (IpAddr::V6(one), IpAddr::V6(other)) = (low.address, high.address) else {
            return None;
        };
        let protocol = protocol_number(key.protocol());
        Some(Self::new((one, low.port), (other, high.port), protocol).0)
    }

    #[inline(always)]
    fn feed(&self, hasher: &mut impl Hasher) {
        for half in self.addresses {
            hasher.write_u64(half);
        }
        hasher.write_u64(self.rest);
    }
}

/// What of a key is no address.
#[inline(always)]
fn rest(ports: [u16; 2], protocol: u16) -> u64 {
    u64::from(ports[0]) << 32 | u64::from(ports[1]) << 16 | u64::from(protocol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_in_the_general_form() {
        for (source, to) in [
            ("10.0.0.2:80", "10.0.0.1:5000"),
            ("10.0.0.1:5000", "10.0.0.1:80"),
            ("[2001:db8::1]:80", "[::1]:65535"),
        ] {
            for protocol in [Protocol::Tcp, Protocol::IcmpEcho, Protocol::Other(47)] {
                let ends = [source, to].map(|text| {
                    let socket: std::net::SocketAddr = text.parse().unwrap();
                    Endpoint::new(socket.ip(), socket.port())
                });
                let (key, _) = FlowKey::new(&FiveTuple {
                    protocol,
                    source: ends[0],
                    destination: ends[1],
                });
                let v4 = V4::compact(&key).map(|compact| compact.flow_key());
                let v6 = V6::compact(&key).map(|compact| compact.flow_key());
                assert_eq!(
                    (v4.or(v6), v4.is_some()),
                    (Some(key), source.starts_with('1'))
                );
            }
        }
    }

    #[test]
    fn sides_are_those_of_the_general_key() {
        let v4 = |text: &str| text.parse::<Ipv4Addr>().unwrap();
        let (one, other) = ((v4("10.0.0.1"), 9), (v4("10.0.0.1"), 8));
        let (key, side) = V4::new(one, other, 17);
        assert!(side == Side::High && V4::new(other, one, 17) == (key, Side::Low));
        assert_eq!(V4::new(one, one, 17).1, Side::Low);
    }
}
