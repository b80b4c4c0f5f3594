//! The keys that the table keeps: a five-tuple without direction, each family in as few bytes
//! as it needs.

use std::hash::{BuildHasher, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use foldhash::SharedSeed;
use foldhash::fast::SeedableRandomState;

use super::key::{FlowKey, Side, protocol_from, protocol_number};
use crate::net::{Endpoint, FiveTuple};

/// The seed of every table of this process, drawn at its start: whoever sends packets chooses
/// the keys. Tables that merge share it, so that a flow stands in the same partition of each.
pub(super) fn seed() -> SeedableRandomState {
    SeedableRandomState::with_seed(0, SharedSeed::global_random())
}

/// A key of one address family.
pub(super) trait CompactKey: Copy + Eq {
    /// The key in the general form.
    fn flow_key(&self) -> FlowKey;

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

/// Addresses and ports of the lower end, then the other; `protocol` as in [`protocol_number`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct V4 {
    addresses: [u32; 2],
    ports: [u16; 2],
    protocol: u16,
}

/// The same for IPv6, addresses by halves to be aligned like the record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct V6 {
    addresses: [[u64; 2]; 2],
    ports: [u16; 2],
    protocol: u16,
}

impl V4 {
    /// The key, and the side that sent the packet.
    #[inline(always)]
    pub(super) fn new(source: (Ipv4Addr, u16), to: (Ipv4Addr, u16), protocol: u16) -> (Self, Side) {
        let number = |(address, port)| u64::from(u32::from(address)) << 16 | u64::from(port);
        let (source, to): (u64, u64) = (number(source), number(to));
        let (low, high, side) = if source <= to {
            (source, to, Side::Low)
        } else {
            (to, source, Side::High)
        };
        let key = Self {
            addresses: [(low >> 16) as u32, (high >> 16) as u32],
            ports: [low as u16, high as u16],
            protocol,
        };
        (key, side)
    }
}

impl CompactKey for V4 {
    fn flow_key(&self) -> FlowKey {
        let end = |index: usize| {
            let address = Ipv4Addr::from(self.addresses[index]);
            Endpoint::new(IpAddr::V4(address), self.ports[index])
        };
        flow_key(self.protocol, end(0), end(1))
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
        hasher.write_u64(u64::from(self.addresses[0]) << 32 | u64::from(self.addresses[1]));
        hasher.write_u64(rest(self.ports, self.protocol));
    }
}

impl V6 {
    /// The key, and the side that sent the packet.
    #[inline]
    pub(super) fn new(source: (Ipv6Addr, u16), to: (Ipv6Addr, u16), protocol: u16) -> (Self, Side) {
        let (low, high, side) = if source <= to {
            (source, to, Side::Low)
        } else {
            (to, source, Side::High)
        };
        let halves = |address: Ipv6Addr| {
            let bits = u128::from(address);
            [(bits >> 64) as u64, bits as u64]
        };
        let key = Self {
            addresses: [halves(low.0), halves(high.0)],
            ports: [low.1, high.1],
            protocol,
        };
        (key, side)
    }
}

impl CompactKey for V6 {
    fn flow_key(&self) -> FlowKey {
        let end = |index: usize| {
            let [high, low] = self.addresses[index];
            let address = Ipv6Addr::from(u128::from(high) << 64 | u128::from(low));
            Endpoint::new(IpAddr::V6(address), self.ports[index])
        };
        flow_key(self.protocol, end(0), end(1))
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
        for half in self.addresses.as_flattened() {
            hasher.write_u64(*half);
        }
        hasher.write_u64(rest(self.ports, self.protocol));
    }
}

/// What of a key is no address.
#[inline(always)]
fn rest(ports: [u16; 2], protocol: u16) -> u64 {
    u64::from(ports[0]) << 32 | u64::from(ports[1]) << 16 | u64::from(protocol)
}

fn flow_key(protocol: u16, low: Endpoint, high: Endpoint) -> FlowKey {
    let five_tuple = FiveTuple {
        protocol: protocol_from(protocol),
        source: low,
        destination: high,
    };
    FlowKey::new(&five_tuple).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Protocol;

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
