//! Link layers around a packet, and the frames of links that hold no IP.

use std::net::{IpAddr, Ipv4Addr};

use super::bytes::pad;

/// EtherTypes.
pub const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
pub const IPV6: u16 = 0x86dd;
const LLDP: u16 = 0x88cc;
const CUSTOMER_VLAN: u16 = 0x8100;
const SERVICE_VLAN: u16 = 0x88a8;

/// Frames shorter than this are padded by the sender, check sequence not counted (IEEE 802.3).
pub const ETHERNET_MINIMUM: usize = 60;

/// What a packet is put into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    Ethernet,
    /// VLAN identifiers, the outermost first; more than one makes it 802.1ad.
    Vlan(Vec<u16>),
    /// Linux cooked capture, version 1.
    Cooked,
    /// Linux cooked capture, version 2, of interface 1.
    Cooked2,
    RawIp,
    /// BSD loopback, in the byte order of a little-endian host.
    Null,
}

impl Link {
    /// LINKTYPE number.
    pub fn number(&self) -> u16 {
        match self {
            Self::Ethernet | Self::Vlan(_) => 1,
            Self::Cooked => 113,
            Self::Cooked2 => 276,
            Self::RawIp => 101,
            Self::Null => 0,
        }
    }

    /// The frame that carries an IP packet, hardware addresses derived from the IP ones.
    pub fn frame(&self, packet: &[u8]) -> Vec<u8> {
        let (source, destination) = addresses(packet);
        let ether_type = if source.is_ipv4() { IPV4 } else { IPV6 };
        match self {
            Self::Ethernet => self.ethernet(mac(source), mac(destination), ether_type, packet),
            Self::Vlan(_) => self.ethernet(mac(source), mac(destination), ether_type, packet),
            Self::Cooked => {
                // Type "to us", ARPHRD_ETHER, an address of six bytes in a field of eight.
                let mut frame = vec![0, 0, 0, 1, 0, 6];
                frame.extend(mac(source));
                frame.extend([0, 0]);
                frame.extend(ether_type.to_be_bytes());
                frame.extend(packet);
                frame
            }
            Self::Cooked2 => {
                // The interface, ARPHRD_ETHER, type "to us", and an address as above.
                let mut frame = ether_type.to_be_bytes().to_vec();
                frame.extend([0, 0, 0, 0, 0, 1, 0, 1, 0, 6]);
                frame.extend(mac(source));
                frame.extend([0, 0]);
                frame.extend(packet);
                frame
            }
            Self::RawIp => packet.to_vec(),
            Self::Null => {
                let family: u32 = if source.is_ipv4() { 2 } else { 30 };
                let mut frame = family.to_le_bytes().to_vec();
                frame.extend(packet);
                frame
            }
        }
    }

    /// An Ethernet frame with this link's VLAN tags.
    pub fn ethernet(
        &self,
        source: [u8; 6],
        destination: [u8; 6],
        ether_type: u16,
        payload: &[u8],
    ) -> Vec<u8> {
        let mut frame = Vec::with_capacity(18 + payload.len());
        frame.extend(destination);
        frame.extend(source);
        if let Self::Vlan(tags) = self {
            for (index, tag) in tags.iter().enumerate() {
                let outer = index + 1 < tags.len();
                let kind = if outer { SERVICE_VLAN } else { CUSTOMER_VLAN };
                frame.extend(kind.to_be_bytes());
                frame.extend(tag.to_be_bytes());
            }
        }
        frame.extend(ether_type.to_be_bytes());
        frame.extend(payload);
        if frame.len() < ETHERNET_MINIMUM {
            frame.resize(ETHERNET_MINIMUM, 0);
        }
        frame
    }
}

/// Who has `target`? (RFC 826)
pub fn arp_request(sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, 1];
    packet.extend(mac(sender.into()));
    packet.extend(sender.octets());
    packet.extend([0; 6]);
    packet.extend(target.octets());
    Link::Ethernet.ethernet(mac(sender.into()), [0xff; 6], ARP, &packet)
}

/// A switch announcing itself (IEEE 802.1AB).
pub fn lldp(switch: [u8; 6]) -> Vec<u8> {
    let mut units = vec![0x02, 7, 4];
    units.extend(switch);
    units.extend([0x04, 4, 7, b'1', b'/', b'1', 0x06, 2, 0, 120, 0, 0]);
    Link::Ethernet.ethernet(switch, [0x01, 0x80, 0xc2, 0, 0, 0x0e], LLDP, &units)
}

/// A configuration message of the spanning tree (IEEE 802.1D), an 802.3 frame with LLC.
pub fn spanning_tree(switch: [u8; 6]) -> Vec<u8> {
    let mut message = vec![0x42, 0x42, 0x03, 0, 0, 0, 0, 0, 0x80, 0];
    message.extend(switch);
    message.extend([0, 0, 0, 0, 0x80, 0]);
    message.extend(switch);
    message.extend([0x80, 1, 0, 0, 20, 0, 2, 0, 15, 0]);
    let length = message.len() as u16;
    pad(&mut message, 2);
    Link::Ethernet.ethernet(switch, [0x01, 0x80, 0xc2, 0, 0, 0], length, &message)
}

/// The hardware address of a host, or of the group that an address stands for.
pub fn mac(address: IpAddr) -> [u8; 6] {
    match address {
        IpAddr::V4(address) if address.is_broadcast() => [0xff; 6],
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            if address.is_multicast() {
                [0x01, 0x00, 0x5e, b & 0x7f, c, d]
            } else {
                [0x02, 0x00, a, b, c, d]
            }
        }
        IpAddr::V6(address) => {
            let octets = address.octets();
            let last = [octets[12], octets[13], octets[14], octets[15]];
            let first = if address.is_multicast() {
                [0x33, 0x33]
            } else {
                [0x02, 0x06]
            };
            let mut mac = [0; 6];
            mac[..2].copy_from_slice(&first);
            mac[2..].copy_from_slice(&last);
            mac
        }
    }
}

/// Source and destination of an IP packet.
fn addresses(packet: &[u8]) -> (IpAddr, IpAddr) {
    fn take<const N: usize>(packet: &[u8], at: usize) -> [u8; N] {
        packet[at..at + N].try_into().expect("a range of N bytes")
    }
    if packet[0] >> 4 == 4 {
        (take::<4>(packet, 12).into(), take::<4>(packet, 16).into())
    } else {
        (take::<16>(packet, 8).into(), take::<16>(packet, 24).into())
    }
}
