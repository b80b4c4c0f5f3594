//! IPv4 (RFC 791) and IPv6 (RFC 8200) packets, whole or in fragments.

use std::net::IpAddr;

use super::bytes::checksum;

/// Protocol numbers of the extension headers.
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION: u8 = 60;

/// Everything of an IP packet that a test may want to set.
#[derive(Clone, Debug)]
pub struct Ip<'a> {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub protocol: u8,
    pub ttl: u8,
    pub identification: u32,
    /// IPv4: options, in whole words.
    pub options: &'a [u8],
    /// IPv6: extension headers in their order.
    pub extensions: &'a [Extension],
    pub payload: &'a [u8],
}

/// An IPv6 extension header of the smallest size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    HopByHop,
    Routing,
    Destination,
    /// A fragment header on a packet that is whole (RFC 6946).
    AtomicFragment,
}

impl<'a> Ip<'a> {
    pub fn new(source: IpAddr, destination: IpAddr, protocol: u8, payload: &'a [u8]) -> Self {
        Self {
            source,
            destination,
            protocol,
            ttl: 64,
            identification: 0,
            options: &[],
            extensions: &[],
            payload,
        }
    }

    /// The packet.
    pub fn encode(&self) -> Vec<u8> {
        self.piece(None, self.payload)
    }

    /// The datagram in fragments whose payload is at most `size` bytes, a multiple of 8.
    pub fn fragments(&self, size: usize) -> Vec<Vec<u8>> {
        assert!(size > 0 && size.is_multiple_of(8), "offsets count 8 bytes");
        let pieces = self.payload.chunks(size);
        let last = pieces.len().saturating_sub(1);
        pieces
            .enumerate()
            .map(|(index, piece)| self.piece(Some((index * size, index < last)), piece))
            .collect()
    }

    /// `place`: offset in bytes, and whether more follow.
    fn piece(&self, place: Option<(usize, bool)>, payload: &[u8]) -> Vec<u8> {
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                self.v4(source.octets(), destination.octets(), place, payload)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                self.v6(source.octets(), destination.octets(), place, payload)
            }
            _ => panic!("{} and {} mix families", self.source, self.destination),
        }
    }

    fn v4(
        &self,
        source: [u8; 4],
        destination: [u8; 4],
        place: Option<(usize, bool)>,
        payload: &[u8],
    ) -> Vec<u8> {
        let header_length = 20 + self.options.len();
        let (offset, more) = place.unwrap_or((0, false));
        let fragment = (offset / 8) as u16 | if more { 0x2000 } else { 0 };
        let mut packet = vec![0x40 | (header_length / 4) as u8, 0];
        packet.extend(((header_length + payload.len()) as u16).to_be_bytes());
        packet.extend((self.identification as u16).to_be_bytes());
        packet.extend(fragment.to_be_bytes());
        packet.extend([self.ttl, self.protocol, 0, 0]);
        packet.extend(source);
        packet.extend(destination);
        packet.extend(self.options);
        let sum = checksum(&[&packet]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet.extend(payload);
        packet
    }

    fn v6(
        &self,
        source: [u8; 16],
        destination: [u8; 16],
        place: Option<(usize, bool)>,
        payload: &[u8],
    ) -> Vec<u8> {
        let mut chain: Vec<(u8, [u8; 8])> = self
            .extensions
            .iter()
            .map(|extension| extension.header(self.identification))
            .collect();
        if let Some((offset, more)) = place {
            let word = offset as u16 | u16::from(more);
            chain.push((FRAGMENT, fragment_header(word, self.identification)));
        }
        let next = |index: usize, chain: &[(u8, [u8; 8])]| {
            chain.get(index).map_or(self.protocol, |header| header.0)
        };
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend(((chain.len() * 8 + payload.len()) as u16).to_be_bytes());
        packet.extend([next(0, &chain), self.ttl]);
        packet.extend(source);
        packet.extend(destination);
        for (index, (_, header)) in chain.iter().enumerate() {
            packet.push(next(index + 1, &chain));
            packet.extend(&header[1..]);
        }
        packet.extend(payload);
        packet
    }
}

impl Extension {
    /// Protocol number, and the header with its first byte (the next header) left open.
    fn header(self, identification: u32) -> (u8, [u8; 8]) {
        // One PadN option of four bytes fills what the length and type fields leave.
        let options = [0, 0, 1, 4, 0, 0, 0, 0];
        match self {
            Self::HopByHop => (HOP_BY_HOP, options),
            Self::Destination => (DESTINATION, options),
            // Type 0 with no segment left: the destination is final.
            Self::Routing => (ROUTING, [0; 8]),
            Self::AtomicFragment => (FRAGMENT, fragment_header(0, identification)),
        }
    }
}

fn fragment_header(offset_and_more: u16, identification: u32) -> [u8; 8] {
    let mut header = [0; 8];
    header[2..4].copy_from_slice(&offset_and_more.to_be_bytes());
    header[4..].copy_from_slice(&identification.to_be_bytes());
    header
}

/// A packet with nothing unusual in its header.
pub fn packet(source: IpAddr, destination: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    Ip::new(source, destination, protocol, payload).encode()
}

/// A datagram in fragments whose payload is at most `size` bytes, a multiple of 8.
pub fn fragments(
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    payload: &[u8],
    size: usize,
    identification: u32,
) -> Vec<Vec<u8>> {
    Ip {
        identification,
        ..Ip::new(source, destination, protocol, payload)
    }
    .fragments(size)
}
