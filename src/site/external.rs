//! Which addresses lie outside: globally reachable ones.
//!
//! Follows IANA's special-purpose address registries (RFC 6890, RFC 8190), as of 2025. Where a
//! registry says neither true nor false (6to4, Teredo, ORCHID: obsolete, or reachable only
//! through a relay) an address counts as not reachable. Multicast is no host and stands in no
//! registry; nor does IPv6 space that IANA has not given out (outside 2000::/3, RFC 4291).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::AddressRange;

/// Whether the address of a single host is reachable over the Internet.
pub fn is_globally_reachable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => longest_match(&IPV4, 32, u128::from(u32::from(address))),
        IpAddr::V6(address) => longest_match(&IPV6, 128, u128::from(address)),
    }
}

/// The rows of both registries as ranges, and whether each is globally reachable; the smallest
/// that holds an address decides.
pub(super) fn registry() -> impl Iterator<Item = (AddressRange, bool)> {
    let last = |network: u128, width: u32, length: u32| {
        let host_bits = 1_u128.checked_shl(width - length);
        network | host_bits.map_or(u128::MAX, |bit| bit - 1)
    };
    let v4 = IPV4.iter().map(move |Row(network, length, reachable)| {
        let [first, last] = [*network, last(*network, 32, *length)]
            .map(|address| IpAddr::V4(Ipv4Addr::from_bits(address as u32)));
        (AddressRange { first, last }, *reachable)
    });
    let v6 = IPV6.iter().map(move |Row(network, length, reachable)| {
        let [first, last] = [*network, last(*network, 128, *length)]
            .map(|address| IpAddr::V6(Ipv6Addr::from_bits(address)));
        (AddressRange { first, last }, *reachable)
    });
    v4.chain(v6)
}

/// A prefix, its length, and whether it is globally reachable.
struct Row(u128, u32, bool);

fn longest_match(rows: &[Row], width: u32, address: u128) -> bool {
    rows.iter()
        .filter(|Row(network, length, _)| {
            let host_bits = width - length;
            address.checked_shr(host_bits) == network.checked_shr(host_bits)
        })
        .max_by_key(|Row(_, length, _)| *length)
        .is_some_and(|Row(_, _, reachable)| *reachable)
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u32, reachable: bool) -> Row {
    Row(u32::from_be_bytes([a, b, c, d]) as u128, length, reachable)
}

/// The first four groups and the last one.
const fn v6(groups: [u16; 4], last: u16, length: u32, reachable: bool) -> Row {
    let [a, b, c, d] = groups;
    let high = (a as u128) << 112 | (b as u128) << 96 | (c as u128) << 80 | (d as u128) << 64;
    Row(high | last as u128, length, reachable)
}

/// iana-ipv4-special-registry.
const IPV4: [Row; 24] = [
    v4(0, 0, 0, 0, 0, true),           // everything that no other row holds
    v4(0, 0, 0, 0, 8, false),          // "this network", RFC 791
    v4(10, 0, 0, 0, 8, false),         // private use, RFC 1918
    v4(100, 64, 0, 0, 10, false),      // shared address space, RFC 6598
    v4(127, 0, 0, 0, 8, false),        // loopback, RFC 1122
    v4(169, 254, 0, 0, 16, false),     // link local, RFC 3927
    v4(172, 16, 0, 0, 12, false),      // private use, RFC 1918
    v4(192, 0, 0, 0, 24, false),       // IETF protocol assignments, RFC 6890
    v4(192, 0, 0, 9, 32, true),        // Port Control Protocol anycast, RFC 7723
    v4(192, 0, 0, 10, 32, true),       // TURN anycast, RFC 8155
    v4(192, 0, 2, 0, 24, false),       // documentation, RFC 5737
    v4(192, 31, 196, 0, 24, true),     // AS112, RFC 7535
    v4(192, 52, 193, 0, 24, true),     // AMT, RFC 7450
    v4(192, 88, 99, 0, 24, false),     // 6to4 relay anycast, RFC 7526
    v4(192, 168, 0, 0, 16, false),     // private use, RFC 1918
    v4(192, 175, 48, 0, 24, true),     // AS112, RFC 7534
    v4(198, 18, 0, 0, 15, false),      // benchmarking, RFC 2544
    v4(198, 51, 100, 0, 24, false),    // documentation, RFC 5737
    v4(203, 0, 113, 0, 24, false),     // documentation, RFC 5737
    v4(224, 0, 0, 0, 4, false),        // multicast, RFC 5771
    v4(240, 0, 0, 0, 4, false),        // reserved, RFC 1112
    v4(255, 255, 255, 255, 32, false), // limited broadcast, RFC 919
    v4(192, 0, 0, 170, 32, false),     // NAT64 discovery, RFC 7050
    v4(192, 0, 0, 171, 32, false),     // NAT64 discovery, RFC 7050
];

/// iana-ipv6-special-registry.
const IPV6: [Row; 22] = [
    v6([0x2000, 0, 0, 0], 0, 3, true),       // global unicast, RFC 4291
    v6([0, 0, 0, 0], 1, 128, false),         // loopback, RFC 4291
    v6([0, 0, 0, 0], 0, 128, false),         // unspecified, RFC 4291
    v6([0x64, 0xff9b, 0, 0], 0, 96, true),   // IPv4 translation, RFC 6052
    v6([0x64, 0xff9b, 1, 0], 0, 48, false),  // local translation, RFC 8215
    v6([0x100, 0, 0, 0], 0, 64, false),      // discard only, RFC 6666
    v6([0x100, 0, 0, 1], 0, 64, false),      // dummy prefix, RFC 9780
    v6([0x2001, 0, 0, 0], 0, 23, false),     // IETF protocol assignments, RFC 2928
    v6([0x2001, 1, 0, 0], 1, 128, true),     // Port Control Protocol anycast, RFC 7723
    v6([0x2001, 1, 0, 0], 2, 128, true),     // TURN anycast, RFC 8155
    v6([0x2001, 1, 0, 0], 3, 128, true),     // DNS-SD registration anycast, RFC 9665
    v6([0x2001, 2, 0, 0], 0, 48, false),     // benchmarking, RFC 5180
    v6([0x2001, 3, 0, 0], 0, 32, true),      // AMT, RFC 7450
    v6([0x2001, 4, 0x112, 0], 0, 48, true),  // AS112, RFC 7535
    v6([0x2001, 0x20, 0, 0], 0, 28, true),   // ORCHIDv2, RFC 7343
    v6([0x2001, 0x30, 0, 0], 0, 28, true),   // drone remote identification, RFC 9374
    v6([0x2001, 0xdb8, 0, 0], 0, 32, false), // documentation, RFC 3849
    v6([0x2002, 0, 0, 0], 0, 16, false),     // 6to4, RFC 3056
    v6([0x3fff, 0, 0, 0], 0, 20, false),     // documentation, RFC 9637
    v6([0x5f00, 0, 0, 0], 0, 16, false),     // segment routing, RFC 9602
    v6([0xfc00, 0, 0, 0], 0, 7, false),      // unique local, RFC 4193
    v6([0xfe80, 0, 0, 0], 0, 10, false),     // link local, RFC 4291
];

#[cfg(test)]
mod tests {
    use super::*;

    fn reachable(text: &str) -> bool {
        is_globally_reachable(text.parse().expect("an address"))
    }

    #[test]
    fn knows_the_borders_of_the_registries() {
        for outside in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.0.9",
            "192.0.0.10",
            "192.0.1.0",
            "192.31.196.7",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2000::",
            "2001:1::1",
            "2001:1::3",
            "2001:3::1",
            "2001:4:112::1",
            "2001:20::1",
            "2001:30::1",
            "2001:200::",
            "2606:4700::1111",
            "2620:4f:8000::1",
            "3ffe::1",
            "3fff:1000::",
            "64:ff9b::808:808",
        ] {
            assert!(reachable(outside), "{outside}");
        }
        for inside in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.1.1",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.0",
            "192.0.0.8",
            "192.0.0.11",
            "192.0.0.170",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.0",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::2",
            "::ffff:1.1.1.1",
            "64:ff9b:1::1",
            "100::1",
            "100:0:0:1::1",
            "2001::1",
            "2001:1::4",
            "2001:2::1",
            "2001:10::1",
            "2001:1ff::1",
            "2001:db8::1",
            "2002:101:101::1",
            "3fff::1",
            "3fff:fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "1fff::1",
        ] {
            assert!(!reachable(inside), "{inside}");
        }
    }

    #[test]
    fn every_row_is_a_prefix() {
        for (rows, width) in [(&IPV4[..], 32), (&IPV6[..], 128)] {
            for Row(network, length, _) in rows {
                let host_bits = width - length;
                let low = network
                    & 1u128
                        .checked_shl(host_bits)
                        .map_or(u128::MAX, |bit| bit - 1);
                assert_eq!(low, 0, "{network:x}/{length}");
            }
        }
    }
}
