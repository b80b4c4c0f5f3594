//! TCP (RFC 9293), UDP (RFC 768), ICMP (RFC 792) and ICMPv6 (RFC 4443) messages without the IP
//! header, checksums valid.

use std::net::{IpAddr, SocketAddr};

use super::bytes::checksum;

/// Protocol numbers.
pub const ICMP: u8 = 1;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const ICMPV6: u8 = 58;

/// TCP control bits.
pub mod flags {
    pub const FIN: u8 = 0x01;
    pub const SYN: u8 = 0x02;
    pub const RST: u8 = 0x04;
    pub const PSH: u8 = 0x08;
    pub const ACK: u8 = 0x10;
}

/// What a TCP segment says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Segment<'a> {
    pub sequence: u32,
    pub acknowledgment: u32,
    pub flags: u8,
    pub payload: &'a [u8],
}

pub fn tcp(from: SocketAddr, to: SocketAddr, segment: Segment<'_>) -> Vec<u8> {
    // A SYN carries the maximum segment size, as every stack sends it.
    let options: &[u8] = if segment.flags & flags::SYN == 0 {
        &[]
    } else {
        &[2, 4, 0x05, 0xb4]
    };
    let mut bytes = Vec::with_capacity(24 + segment.payload.len());
    bytes.extend(from.port().to_be_bytes());
    bytes.extend(to.port().to_be_bytes());
    bytes.extend(segment.sequence.to_be_bytes());
    bytes.extend(segment.acknowledgment.to_be_bytes());
    bytes.push(((20 + options.len()) / 4 * 16) as u8);
    bytes.push(segment.flags);
    bytes.extend(0xfaf0_u16.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(options);
    bytes.extend(segment.payload);
    let sum = transport_checksum(from.ip(), to.ip(), TCP, &bytes);
    bytes[16..18].copy_from_slice(&sum.to_be_bytes());
    bytes
}

pub fn udp(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + payload.len());
    bytes.extend(from.port().to_be_bytes());
    bytes.extend(to.port().to_be_bytes());
    bytes.extend(((8 + payload.len()) as u16).to_be_bytes());
    bytes.extend([0; 2]);
    bytes.extend(payload);
    // Zero means "no checksum", so a sum of zero is sent as its complement.
    let sum = match transport_checksum(from.ip(), to.ip(), UDP, &bytes) {
        0 => 0xffff,
        sum => sum,
    };
    bytes[6..8].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// Echo request or reply, ICMP or ICMPv6 by the family of the addresses.
pub fn echo(from: IpAddr, to: IpAddr, reply: bool, sequence: u16) -> Vec<u8> {
    let kind = match (from.is_ipv4(), reply) {
        (true, false) => 8,
        (true, true) => 0,
        (false, false) => 128,
        (false, true) => 129,
    };
    let mut body = vec![0x12, 0x34];
    body.extend(sequence.to_be_bytes());
    body.extend(b"abcdefghijklmnopqrstuvwabcdefghi");
    icmp(from, to, kind, 0, &body)
}

/// Destination unreachable, port unreachable, quoting the first bytes of `packet`.
pub fn icmp_unreachable(from: IpAddr, to: IpAddr, packet: &[u8]) -> Vec<u8> {
    let (kind, code) = if from.is_ipv4() { (3, 3) } else { (1, 4) };
    icmp_error(from, to, kind, code, packet)
}

/// An ICMP or ICMPv6 error, quoting the first bytes of `packet`.
pub fn icmp_error(from: IpAddr, to: IpAddr, kind: u8, code: u8, packet: &[u8]) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend(&packet[..packet.len().min(48)]);
    icmp(from, to, kind, code, &body)
}

/// IPv6 neighbour solicitation, RFC 4861.
pub fn neighbour_solicitation(from: IpAddr, to: IpAddr, target: IpAddr) -> Vec<u8> {
    let IpAddr::V6(target) = target else {
        panic!("{target} is not IPv6");
    };
    let mut body = vec![0; 4];
    body.extend(target.octets());
    icmp(from, to, 135, 0, &body)
}

fn icmp(from: IpAddr, to: IpAddr, kind: u8, code: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, code, 0, 0];
    bytes.extend(body);
    let sum = if from.is_ipv4() {
        checksum(&[&bytes])
    } else {
        transport_checksum(from, to, ICMPV6, &bytes)
    };
    bytes[2..4].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// The checksum over pseudo-header and message.
fn transport_checksum(from: IpAddr, to: IpAddr, protocol: u8, message: &[u8]) -> u16 {
    let length = (message.len() as u32).to_be_bytes();
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => checksum(&[
            &from.octets(),
            &to.octets(),
            &[0, protocol],
            &length,
            message,
        ]),
        (IpAddr::V6(from), IpAddr::V6(to)) => checksum(&[
            &from.octets(),
            &to.octets(),
            &length,
            &[0, protocol],
            message,
        ]),
        _ => panic!("{from} and {to} mix families"),
    }
}
