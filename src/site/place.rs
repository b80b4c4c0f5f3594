//! What an address stands for, whoever holds it: a host, many hosts, or one without an address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{AddressRange, Site};

/// What an address stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// One host.
    Host,
    /// One host of this link, under an address that no site lists.
    LinkLocal,
    /// A multicast group.
    Group,
    /// All hosts of a link: the limited broadcast, or the last address of a listed prefix.
    Broadcast,
    /// A host that has no address yet.
    Unspecified,
}

const fn v4(first: [u8; 4], last: [u8; 4]) -> AddressRange {
    let [a, b, c, d] = first;
    let [e, f, g, h] = last;
    AddressRange {
        first: IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        last: IpAddr::V4(Ipv4Addr::new(e, f, g, h)),
    }
}

/// Addresses from the first 16 bits of one to the last address that begins with the other.
const fn v6(first: u16, last: u16) -> AddressRange {
    AddressRange {
        first: IpAddr::V6(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0)),
        last: IpAddr::V6(Ipv6Addr::from_bits((last as u128) << 112 | u128::MAX >> 16)),
    }
}

/// What stands for no single host of the Internet: RFC 1112, RFC 3927, RFC 919, RFC 4291.
const SPECIAL: [(AddressRange, Place); 7] = [
    (v4([224, 0, 0, 0], [239, 255, 255, 255]), Place::Group),
    (v4([169, 254, 0, 0], [169, 254, 255, 255]), Place::LinkLocal),
    (v4([0; 4], [0; 4]), Place::Unspecified),
    (v4([255; 4], [255; 4]), Place::Broadcast),
    (v6(0xff00, 0xffff), Place::Group),
    (v6(0xfe80, 0xfebf), Place::LinkLocal),
    (
        AddressRange {
            first: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            last: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        },
        Place::Unspecified,
    ),
];

/// The addresses that stand for something else than one host, the smallest range first to ask.
pub(super) fn ranges(site: &Site) -> impl Iterator<Item = (AddressRange, Place)> {
    let listed = site.roles.iter();
    let broadcasts = listed.filter_map(|(range, _)| directed_broadcast(*range));
    let broadcasts = broadcasts.map(|address| (AddressRange::single(address), Place::Broadcast));
    SPECIAL.into_iter().chain(broadcasts)
}

/// The last address of a range that is an IPv4 prefix with room for one (RFC 919; RFC 3021 has
/// none in a /31).
fn directed_broadcast(range: AddressRange) -> Option<IpAddr> {
    let has_room = range.first.is_ipv4() && range.extent() >= 3;
    (has_room && range.prefix().is_some()).then_some(range.last)
}

#[cfg(test)]
impl Place {
    /// The same by the standard library, one address at a time.
    pub(super) fn of(address: IpAddr, site: &Site) -> Self {
        let link_local = match address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        };
        let limited = matches!(address, IpAddr::V4(address) if address.is_broadcast());
        let mut listed = site.roles.iter();
        if limited || listed.any(|(range, _)| directed_broadcast(*range) == Some(address)) {
            Self::Broadcast
        } else if address.is_multicast() {
            Self::Group
        } else if address.is_unspecified() {
            Self::Unspecified
        } else if link_local {
            Self::LinkLocal
        } else {
            Self::Host
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: &str, last: &str) -> AddressRange {
        AddressRange {
            first: first.parse().unwrap(),
            last: last.parse().unwrap(),
        }
    }

    #[test]
    fn only_prefixes_with_room_have_a_broadcast_address() {
        let of = |first, last| directed_broadcast(range(first, last));
        let address = |text: &str| Some(text.parse().unwrap());
        assert_eq!(of("10.1.0.0", "10.1.255.255"), address("10.1.255.255"));
        assert_eq!(of("0.0.0.0", "255.255.255.255"), address("255.255.255.255"));
        assert_eq!(of("10.1.0.0", "10.1.0.3"), address("10.1.0.3"));
        assert_eq!(of("10.1.0.0", "10.1.0.1"), None);
        assert_eq!(of("10.1.0.2", "10.1.0.5"), None);
        assert_eq!(of("10.1.0.7", "10.1.0.7"), None);
        assert_eq!(of("2001:db8::", "2001:db8::ff"), None);
    }

    #[test]
    fn special_ranges_are_those_of_the_standard_library() {
        for (range, place) in SPECIAL {
            for address in [range.first, range.last] {
                assert_eq!(Place::of(address, &Site::default()), place, "{address}");
            }
            let beside = match (range.first, range.last) {
                (IpAddr::V4(first), IpAddr::V4(last)) => [
                    first.to_bits().checked_sub(1).map(Ipv4Addr::from_bits),
                    last.to_bits().checked_add(1).map(Ipv4Addr::from_bits),
                ]
                .map(|address| address.map(IpAddr::V4)),
                (IpAddr::V6(first), IpAddr::V6(last)) => [
                    first.to_bits().checked_sub(1).map(Ipv6Addr::from_bits),
                    last.to_bits().checked_add(1).map(Ipv6Addr::from_bits),
                ]
                .map(|address| address.map(IpAddr::V6)),
                _ => panic!("a range has one family"),
            };
            for address in beside.into_iter().flatten() {
                assert_eq!(
                    Place::of(address, &Site::default()),
                    Place::Host,
                    "{address}"
                );
            }
        }
    }
}
