//! Link layers: from a frame to the packet it carries. One function per link type, and
//! the table that names them.

use etherparse::{Ethernet2HeaderSlice, SingleVlanHeaderSlice};

use super::{Decoded, LinkProtocol, Packet, Undecoded, ip};
use crate::capture::{Frame, LinkType};

/// Link types that are decoded (<https://www.tcpdump.org/linktypes.html>).
pub(super) const LINK_TYPES: [LinkType; 9] = [
    LinkType(0),   // NULL
    LinkType(1),   // ETHERNET
    LinkType(12),  // RAW as written by some systems
    LinkType(14),  // RAW on OpenBSD
    LinkType(101), // RAW
    LinkType(108), // LOOP
    LinkType(113), // LINUX_SLL
    LinkType(228), // IPV4
    LinkType(229), // IPV6
];

/// Tags in a row. Two are usual (802.1ad); each takes four bytes, so this only bounds nonsense.
const MAX_VLAN_TAGS: usize = 8;
/// Smallest EtherType; below it the field is a length (IEEE 802.3).
const MIN_ETHER_TYPE: u16 = 0x0600;

pub(super) fn decode<'a>(frame: &Frame<'a>) -> Result<Decoded<'a>, Undecoded> {
    let wire_length = frame.wire_length.max(frame.data.len() as u32) as usize;
    let bytes = Bytes {
        data: frame.data,
        wire_length,
    };
    match frame.link_type.0 {
        1 => ethernet(bytes),
        0 | 108 => loopback(bytes),
        12 | 14 | 101 | 228 | 229 => raw(bytes),
        113 => linux_cooked(bytes),
        _ => Err(Undecoded::LinkType),
    }
}

/// What is left of a frame: captured bytes, and how many there were on the wire.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a> {
    pub(super) data: &'a [u8],
    pub(super) wire_length: usize,
}

impl<'a> Bytes<'a> {
    /// Without the first `length` bytes, which must have been captured.
    fn after(self, length: usize) -> Self {
        Self {
            data: &self.data[length..],
            wire_length: self.wire_length - length,
        }
    }
}

/// Ethernet II and IEEE 802.3.
#[inline]
fn ethernet(bytes: Bytes<'_>) -> Result<Decoded<'_>, Undecoded> {
    let header =
        Ethernet2HeaderSlice::from_slice(bytes.data).map_err(|_| Undecoded::LinkHeaderCut)?;
    ether_type(header.ether_type().0, bytes.after(14))
}

/// Linux cooked capture v1. Read by hand: etherparse refuses hardware types other than five, and
/// loopback (772) and tunnels (65534) are common.
fn linux_cooked(bytes: Bytes<'_>) -> Result<Decoded<'_>, Undecoded> {
    const HEADER_LENGTH: usize = 16;
    let header = bytes
        .data
        .get(..HEADER_LENGTH)
        .ok_or(Undecoded::LinkHeaderCut)?;
    let protocol = u16::from_be_bytes([header[14], header[15]]);
    // Below the EtherTypes, 4 stands for an LLC frame, 1 for raw 802.3 (IPX).
    if protocol == 4 {
        return llc(bytes.after(HEADER_LENGTH), None);
    }
    ether_type(protocol, bytes.after(HEADER_LENGTH))
}

/// BSD loopback: an address family of four bytes in the byte order of whoever captured (NULL),
/// or big-endian (LOOP).
fn loopback(bytes: Bytes<'_>) -> Result<Decoded<'_>, Undecoded> {
    let family: [u8; 4] = bytes
        .data
        .get(..4)
        .and_then(|family| family.try_into().ok())
        .ok_or(Undecoded::LinkHeaderCut)?;
    // Families are small numbers, so exactly one reading is below 2^16.
    let family = u32::from_le_bytes(family).min(u32::from_be_bytes(family));
    match family {
        // AF_INET; AF_INET6 on Linux, NetBSD and OpenBSD, FreeBSD, macOS.
        2 | 10 | 24 | 28 | 30 => raw(bytes.after(4)),
        _ => Err(Undecoded::LinkHeader),
    }
}

/// IP without a link layer.
fn raw(bytes: Bytes<'_>) -> Result<Decoded<'_>, Undecoded> {
    ip::decode(bytes, None).map(Decoded::Packet)
}

/// What follows a frame's type field, through VLAN tags.
#[inline]
fn ether_type(mut kind: u16, mut bytes: Bytes<'_>) -> Result<Decoded<'_>, Undecoded> {
    let mut vlan = None;
    for _ in 0..=MAX_VLAN_TAGS {
        match kind {
            0x0800 | 0x86dd => return ip::decode(bytes, vlan).map(Decoded::Packet),
            // 802.1Q, 802.1ad, and the tag that preceded 802.1ad.
            0x8100 | 0x88a8 | 0x9100 => {
                let tag = SingleVlanHeaderSlice::from_slice(bytes.data)
                    .map_err(|_| Undecoded::LinkHeaderCut)?;
                // Identifier 0 marks a priority, no VLAN (IEEE 802.1Q 9.6).
                vlan = vlan.or(Some(tag.vlan_identifier().value()).filter(|id| *id != 0));
                kind = tag.ether_type().0;
                bytes = bytes.after(4);
            }
            _ if kind < MIN_ETHER_TYPE => return llc(bytes, vlan),
            _ => return Ok(Decoded::Link(LinkProtocol::EtherType(kind))),
        }
    }
    Err(Undecoded::TooDeep)
}

/// IEEE 802.2, and the EtherType inside where it is SNAP.
fn llc(bytes: Bytes<'_>, vlan: Option<u16>) -> Result<Decoded<'_>, Undecoded> {
    const SNAP: [u8; 6] = [0xaa, 0xaa, 0x03, 0, 0, 0];
    let access_point = *bytes.data.first().ok_or(Undecoded::LinkHeaderCut)?;
    if let Some(header) = bytes
        .data
        .get(..8)
        .filter(|header| header.starts_with(&SNAP))
    {
        let kind = u16::from_be_bytes([header[6], header[7]]);
        return match kind {
            0x0800 | 0x86dd => ip::decode(bytes.after(8), vlan).map(Decoded::Packet),
            _ => Ok(Decoded::Link(LinkProtocol::EtherType(kind))),
        };
    }
    Ok(Decoded::Link(LinkProtocol::Llc(access_point)))
}

impl<'a> Packet<'a> {
    /// The same packet as carried by a frame of that VLAN.
    #[inline]
    pub(super) fn in_vlan(self, vlan: Option<u16>) -> Self {
        Self { vlan, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Transport;
    use super::*;
    use crate::net::Timestamp;

    /// 10.0.0.1 → 10.0.0.2, protocol 99, no payload.
    const IPV4: [u8; 20] = [
        0x45, 0, 0, 20, 0, 0, 0, 0, 64, 99, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
    ];

    fn decoded(link_type: u16, data: &[u8]) -> Result<String, Undecoded> {
        let frame = Frame {
            number: 1,
            time: Timestamp(0),
            link_type: LinkType(link_type),
            wire_length: data.len() as u32,
            data,
        };
        decode(&frame).map(|decoded| match decoded {
            Decoded::Packet(packet) => {
                assert!(matches!(packet.transport, Transport::Other(99)));
                format!("{} vlan {:?}", packet.destination, packet.vlan)
            }
            Decoded::Link(protocol) => format!("{protocol:?}"),
        })
    }

    fn after(header: &[u8]) -> Vec<u8> {
        [header, &IPV4].concat()
    }

    #[test]
    fn ethernet_with_and_without_tags() {
        let addresses = [2u8; 12];
        let with = |types: &[u8]| after(&[&addresses[..], types].concat());
        assert_eq!(decoded(1, &with(&[8, 0])).unwrap(), "10.0.0.2 vlan None");
        assert_eq!(
            decoded(1, &with(&[0x81, 0, 0x20, 7, 8, 0])).unwrap(),
            "10.0.0.2 vlan Some(7)"
        );
        let double = [0x88, 0xa8, 0, 9, 0x81, 0, 0, 7, 8, 0];
        assert_eq!(decoded(1, &with(&double)).unwrap(), "10.0.0.2 vlan Some(9)");
        let priority = [0x81, 0, 0xe0, 0, 8, 0];
        assert_eq!(decoded(1, &with(&priority)).unwrap(), "10.0.0.2 vlan None");
        assert_eq!(decoded(1, &with(&[8, 6])).unwrap(), "EtherType(2054)");
        let deep = [[0x81, 0, 0, 1]; 9].concat();
        assert_eq!(
            decoded(1, &with(&[&deep[..], &[8, 0]].concat())),
            Err(Undecoded::TooDeep)
        );
        assert_eq!(decoded(1, &addresses), Err(Undecoded::LinkHeaderCut));
    }

    #[test]
    fn llc_and_snap() {
        let addresses = [2u8; 12];
        let frame = |rest: &[u8]| [&addresses[..], rest].concat();
        assert_eq!(
            decoded(1, &frame(&[0, 3, 0x42, 0x42, 3])).unwrap(),
            "Llc(66)"
        );
        let snap = [0, 28, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
        assert_eq!(
            decoded(1, &after(&frame(&snap))).unwrap(),
            "10.0.0.2 vlan None"
        );
        assert_eq!(decoded(1, &frame(&[0, 0])), Err(Undecoded::LinkHeaderCut));
    }

    #[test]
    fn cooked_raw_and_loopback() {
        // Packet type 0, hardware type 772 (loopback), address length 6.
        let mut cooked = [0u8; 16];
        cooked[2..4].copy_from_slice(&772u16.to_be_bytes());
        cooked[14..16].copy_from_slice(&[8, 0]);
        assert_eq!(decoded(113, &after(&cooked)).unwrap(), "10.0.0.2 vlan None");
        for raw in [12, 14, 101, 228] {
            assert_eq!(decoded(raw, &IPV4).unwrap(), "10.0.0.2 vlan None");
        }
        for family in [[2, 0, 0, 0], [0, 0, 0, 2]] {
            assert_eq!(decoded(0, &after(&family)).unwrap(), "10.0.0.2 vlan None");
        }
        assert_eq!(
            decoded(0, &after(&[7, 0, 0, 0])),
            Err(Undecoded::LinkHeader)
        );
        assert_eq!(decoded(227, &IPV4), Err(Undecoded::LinkType));
    }
}
