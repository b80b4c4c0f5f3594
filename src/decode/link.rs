//! Link layers: from a frame to the packet it carries. One function per link type, and
//! the table that names them.

use etherparse::{Ethernet2HeaderSlice, SingleVlanHeaderSlice};

use super::ip::{self, Depth};
use super::{LinkProtocol, NoPacket, Take, Undecoded};
use crate::capture::{Frame, LinkType};

/// Link types that are decoded (<https://www.tcpdump.org/linktypes.html>).
pub(super) const LINK_TYPES: [LinkType; 10] = [
    LinkType(0),   // NULL
    LinkType(1),   // ETHERNET
    LinkType(12),  // RAW as written by some systems
    LinkType(14),  // RAW on OpenBSD
    LinkType(101), // RAW
    LinkType(108), // LOOP
    LinkType(113), // LINUX_SLL
    LinkType(228), // IPV4
    LinkType(229), // IPV6
    LinkType(276), // LINUX_SLL2
];

/// Tags in a row. Two are usual (802.1ad); each takes four bytes, so this only bounds nonsense.
const MAX_VLAN_TAGS: usize = 8;
/// Smallest EtherType; below it the field is a length (IEEE 802.3).
const MIN_ETHER_TYPE: u16 = 0x0600;

/// Hands over the packet in a frame.
#[inline(always)]
pub(super) fn packet<'a, T: Take<'a>>(frame: &Frame<'a>, take: T) -> Result<T::Output, NoPacket> {
    let place = match frame.link_type.0 {
        1 => ethernet(frame.data),
        _ => other_link(frame.link_type, frame.data),
    }?;
    // Headers that were captured were on the wire.
    let wire_length = frame.wire_length.max(frame.data.len() as u32) as usize;
    let bytes = Bytes {
        data: &frame.data[place.offset..],
        wire_length: wire_length - place.offset,
    };
    let vlan = Some(place.vlan).filter(|id| *id != 0);
    Ok(ip::packet(bytes, vlan, Depth::Wire, take)?)
}

/// What is left of a frame: captured bytes, and how many there were on the wire.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a> {
    pub(super) data: &'a [u8],
    pub(super) wire_length: usize,
}

/// Where IP begins in a frame, at most at its end.
#[derive(Clone, Copy)]
struct Place {
    offset: usize,
    /// Outermost VLAN identifier; 0 where there is none.
    vlan: u16,
}

impl Place {
    fn at(offset: usize) -> Self {
        Self { offset, vlan: 0 }
    }
}

/// Links that are rarer than Ethernet: kept out of its way.
#[inline(never)]
fn other_link(link_type: LinkType, data: &[u8]) -> Result<Place, NoPacket> {
    match link_type.0 {
        0 | 108 => loopback(data),
        12 | 14 | 101 | 228 | 229 => Ok(Place::at(0)),
        113 => linux_cooked(data),
        276 => linux_cooked_2(data),
        _ => Err(Undecoded::LinkType.into()),
    }
}

/// Ethernet II and IEEE 802.3.
#[inline(always)]
fn ethernet(data: &[u8]) -> Result<Place, NoPacket> {
    const HEADER_LENGTH: usize = 14;
    let header = Ethernet2HeaderSlice::from_slice(data).map_err(|_| Undecoded::LinkHeaderCut)?;
    match header.ether_type().0 {
        0x0800 | 0x86dd => Ok(Place::at(HEADER_LENGTH)),
        kind => ether_type(kind, data, HEADER_LENGTH),
    }
}

/// Linux cooked capture, version 1. Read by hand: etherparse refuses hardware types other than five,
/// and loopback (772) and tunnels (65534) are common.
fn linux_cooked(data: &[u8]) -> Result<Place, NoPacket> {
    const HEADER_LENGTH: usize = 16;
    let header = data.get(..HEADER_LENGTH).ok_or(Undecoded::LinkHeaderCut)?;
    let (hardware, protocol) = ([header[2], header[3]], [header[14], header[15]]);
    cooked(data, HEADER_LENGTH, hardware, protocol)
}

/// Linux cooked capture, version 2. The number of the interface in it is passed over.
fn linux_cooked_2(data: &[u8]) -> Result<Place, NoPacket> {
    const HEADER_LENGTH: usize = 20;
    let header = data.get(..HEADER_LENGTH).ok_or(Undecoded::LinkHeaderCut)?;
    let (protocol, hardware) = ([header[0], header[1]], [header[8], header[9]]);
    cooked(data, HEADER_LENGTH, hardware, protocol)
}

/// What follows a cooked header, by the hardware type (ARPHRD) and the protocol in it.
fn cooked(
    data: &[u8],
    length: usize,
    hardware: [u8; 2],
    protocol: [u8; 2],
) -> Result<Place, NoPacket> {
    // Where the hardware is a Netlink monitor, Frame Relay or a radio, the protocol is no EtherType.
    if matches!(u16::from_be_bytes(hardware), 770 | 803 | 824) {
        return Err(Undecoded::LinkType.into());
    }
    // Below the EtherTypes, 4 stands for an LLC frame, 1 for raw 802.3 (IPX).
    match u16::from_be_bytes(protocol) {
        4 => llc(data, Place::at(length)),
        kind => {
            let place = ether_type(kind, data, length)?;
            let named = match place.offset == length {
                true => protocol,
                // The last tag's.
                false => [data[place.offset - 2], data[place.offset - 1]],
            };
            Ok(past_unnamed_tag(data, place, named))
        }
    }
}

/// Of two tags Linux (from 6.11 on) takes off the outer one and names what follows the inner one,
/// which is still there. Seen by what would be no header of the IP that was named.
fn past_unnamed_tag(data: &[u8], place: Place, named: [u8; 2]) -> Place {
    match (named, &data[place.offset..]) {
        ([0x08, 0x00], [control, _, 0x08, 0x00, first, ..])
            if control >> 4 != 4 && first >> 4 == 4 => {}
        ([0x86, 0xdd], [control, _, 0x86, 0xdd, first, ..])
            if control >> 4 != 6 && first >> 4 == 6 => {}
        _ => return place,
    }
    Place {
        offset: place.offset + 4,
        ..place
    }
}

/// BSD loopback: an address family of four bytes in the byte order of whoever captured (NULL),
/// or big-endian (LOOP).
fn loopback(data: &[u8]) -> Result<Place, NoPacket> {
    let family: [u8; 4] = *data.first_chunk().ok_or(Undecoded::LinkHeaderCut)?;
    // Families are small numbers, so exactly one reading is below 2^16.
    let family = u32::from_le_bytes(family).min(u32::from_be_bytes(family));
    match family {
        // AF_INET; AF_INET6 on Linux, NetBSD and OpenBSD, FreeBSD, macOS.
        2 | 10 | 24 | 28 | 30 => Ok(Place::at(4)),
        _ => Err(Undecoded::LinkHeader.into()),
    }
}

/// What follows a frame's type field that ends at `offset`, through VLAN tags.
#[inline(never)]
fn ether_type(mut kind: u16, data: &[u8], offset: usize) -> Result<Place, NoPacket> {
    let mut place = Place::at(offset);
    for _ in 0..=MAX_VLAN_TAGS {
        match kind {
            0x0800 | 0x86dd => return Ok(place),
            // 802.1Q, 802.1ad, and the tag that preceded 802.1ad.
            0x8100 | 0x88a8 | 0x9100 => {
                let tag = SingleVlanHeaderSlice::from_slice(&data[place.offset..])
                    .map_err(|_| Undecoded::LinkHeaderCut)?;
                if place.vlan == 0 {
                    // Identifier 0 marks a priority, no VLAN (IEEE 802.1Q 9.6).
                    place.vlan = tag.vlan_identifier().value();
                }
                kind = tag.ether_type().0;
                place.offset += 4;
            }
            _ if kind < MIN_ETHER_TYPE => return llc(data, place),
            _ => return Err(LinkProtocol::EtherType(kind).into()),
        }
    }
    Err(Undecoded::TooDeep.into())
}

/// IEEE 802.2, and the EtherType inside where it is SNAP.
fn llc(data: &[u8], place: Place) -> Result<Place, NoPacket> {
    const SNAP: [u8; 6] = [0xaa, 0xaa, 0x03, 0, 0, 0];
    const SNAP_LENGTH: usize = 8;
    let data = &data[place.offset..];
    let access_point = *data.first().ok_or(Undecoded::LinkHeaderCut)?;
    match data.get(..SNAP_LENGTH) {
        Some(header) if header.starts_with(&SNAP) => {
            match u16::from_be_bytes([header[6], header[7]]) {
                0x0800 | 0x86dd => Ok(Place {
                    offset: place.offset + SNAP_LENGTH,
                    ..place
                }),
                kind => Err(LinkProtocol::EtherType(kind).into()),
            }
        }
        _ => Err(LinkProtocol::Llc(access_point).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Packet, Transport};
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
        let said = packet(&frame, |packet: Packet<'_>| {
            assert!(matches!(packet.transport, Transport::Other(99)));
            format!("{} vlan {:?}", packet.destination, packet.vlan)
        });
        match said {
            Ok(said) => Ok(said),
            Err(NoPacket::Link(protocol)) => Ok(format!("{protocol:?}")),
            Err(NoPacket::Undecoded(reason)) => Err(reason),
        }
    }

    fn after(header: &[u8]) -> Vec<u8> {
        [header, &IPV4].concat()
    }

    #[test]
    fn link_types_that_are_decoded_are_listed() {
        for number in 0..=u16::MAX {
            let is_decoded = decoded(number, &[]) != Err(Undecoded::LinkType);
            let is_listed = LINK_TYPES.contains(&LinkType(number));
            assert_eq!(is_decoded, is_listed, "{number}");
        }
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
    fn cooked_version_2() {
        // EtherType, interface 3, hardware type 1 (Ethernet), to us, an address of six bytes.
        let mut cooked = [8, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0u8];
        assert_eq!(decoded(276, &after(&cooked)).unwrap(), "10.0.0.2 vlan None");
        assert_eq!(decoded(276, &cooked[..19]), Err(Undecoded::LinkHeaderCut));
        cooked[..2].copy_from_slice(&[0x81, 0]);
        let tagged = [&cooked[..], &[0, 7, 8, 0]].concat();
        assert_eq!(
            decoded(276, &after(&tagged)).unwrap(),
            "10.0.0.2 vlan Some(7)"
        );
        cooked[..2].copy_from_slice(&[0, 4]);
        let llc = [&cooked[..], &[0x42, 0x42, 3]].concat();
        assert_eq!(decoded(276, &llc).unwrap(), "Llc(66)");
        // A radio, whose headers follow.
        cooked[8..10].copy_from_slice(&803u16.to_be_bytes());
        assert_eq!(decoded(276, &after(&cooked)), Err(Undecoded::LinkType));
    }

    /// Long ones, as the kernel makes one of several that it received.
    #[test]
    fn cooked_packets_that_look_like_tags() {
        let mut v4 = IPV4.to_vec();
        v4[2..5].copy_from_slice(&[0x86, 0xdd, 0x60]);
        v4.resize(0x86dd, 0);
        let mut v6 = vec![0x60, 0, 0x08, 0x00, 0x41, 0, 99, 64];
        v6.resize(40 + 0x4100, 0);
        v6[39] = 2;
        let said = [
            (v4, [0x08, 0x00], "10.0.0.2 vlan None"),
            (v6, [0x86, 0xdd], "::2 vlan None"),
        ];
        for (packet, named, said) in said {
            let mut cooked = [0; 16];
            cooked[14..].copy_from_slice(&named);
            let frame = [&cooked[..], &packet].concat();
            assert_eq!(decoded(113, &frame).as_deref(), Ok(said));
            let mut cooked = [0; 20];
            cooked[..2].copy_from_slice(&named);
            let frame = [&cooked[..], &packet].concat();
            assert_eq!(decoded(276, &frame).as_deref(), Ok(said));
        }
    }

    #[test]
    fn cooked_raw_and_loopback() {
        // Packet type 0, hardware type 772 (loopback), address length 6.
        let mut cooked = [0u8; 16];
        cooked[2..4].copy_from_slice(&772u16.to_be_bytes());
        cooked[14..16].copy_from_slice(&[8, 0]);
        assert_eq!(decoded(113, &after(&cooked)).unwrap(), "10.0.0.2 vlan None");
        assert_eq!(decoded(113, &cooked[..15]), Err(Undecoded::LinkHeaderCut));
        // Two tags, as Linux shows them: the outer one, what follows both, the inner one.
        let tags = [0x88, 0xa8, 0, 110, 8, 0, 0, 7, 8, 0];
        let tagged = after(&[&cooked[..14], &tags].concat());
        assert_eq!(decoded(113, &tagged).unwrap(), "10.0.0.2 vlan Some(110)");
        // Netlink, of which protocol 0x0800 is none.
        cooked[2..4].copy_from_slice(&824u16.to_be_bytes());
        assert_eq!(decoded(113, &after(&cooked)), Err(Undecoded::LinkType));
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
