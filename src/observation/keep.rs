//! Which packets enter the log, and how much of them: decided by the packet alone.

use super::log::{LogKind, TftpRun, TftpRunKind};
use crate::decode::{Packet, TcpFlags, Transport};
use crate::net::Timestamp;
use crate::payload::{dce_rpc, tftp};

/// Most of a datagram that is kept: DHCP messages and TFTP requests fit an Ethernet frame.
pub(super) const MAX_DATAGRAM: usize = 1500;
/// Most of a segment that is kept: as much as IP can carry.
pub(super) const MAX_SEGMENT: usize = 65_535;
/// Most of a bind on a port other than 135: headers and contexts.
const MAX_BIND: usize = 1500;

const TFTP_PORT: u16 = 69;
const RPC_PORT: u16 = 135;

/// What of `packet`, captured at `time`, enters the log, if anything. Nearly all packets end at
/// two ports and the first byte of the payload.
#[inline(always)]
pub(super) fn keep<'a>(packet: &Packet<'a>, time: Timestamp) -> Option<LogKind<'a>> {
    match packet.transport {
        Transport::Tcp {
            source_port,
            destination_port,
            sequence,
            flags,
            payload,
            payload_length,
            ..
        } => {
            let is_mapper = (source_port == RPC_PORT) | (destination_port == RPC_PORT);
            if !is_mapper && payload.first() != Some(&dce_rpc::VERSION) {
                return None;
            }
            let (at, payload) = segment(is_mapper, flags, payload)?;
            Some(LogKind::Segment {
                sequence: sequence.wrapping_add(at as u32),
                flags,
                payload,
                length: payload_length.saturating_sub(at as u32),
            })
        }
        Transport::Udp {
            source_port,
            destination_port,
            payload,
            payload_length,
            ..
        } => {
            let ports = [source_port, destination_port];
            // The first byte of TFTP is zero.
            if !(is_logged(source_port) | is_logged(destination_port)) {
                match payload.first() {
                    Some(&0) => {}
                    Some(&dce_rpc::CONNECTIONLESS_VERSION) => {
                        return connectionless(ports, payload, payload_length);
                    }
                    _ => return None,
                }
            }
            datagram(ports, payload, payload_length, time)
        }
        _ => None,
    }
}

/// Ports of which every datagram is kept.
#[inline]
fn is_logged(port: u16) -> bool {
    matches!(port, 67..=69 | RPC_PORT | 4011)
}

/// What is kept of a segment, and where in the payload that begins.
#[inline(never)]
fn segment(is_mapper: bool, flags: TcpFlags, payload: &[u8]) -> Option<(usize, &[u8])> {
    let (at, most) = if is_mapper {
        // A SYN tells connections of the same ports apart.
        let is_kept = !payload.is_empty() || flags.has(TcpFlags::SYN);
        (is_kept.then_some(0)?, MAX_SEGMENT)
    } else {
        (dce_rpc::find_bind(payload)?, MAX_BIND)
    };
    let rest = &payload[at..];
    Some((at, &rest[..rest.len().min(most)]))
}

/// RPC over UDP on any other port: its header names the interface. Below 1024 other services
/// live, DNS among them, whose identifiers may begin like anything.
#[inline(never)]
fn connectionless(ports: [u16; 2], payload: &[u8], length: u32) -> Option<LogKind<'_>> {
    let is_rpc =
        ports.iter().all(|port| *port >= 1024) && dce_rpc::looks_connectionless(payload, length);
    is_rpc.then(|| LogKind::Datagram {
        payload: &payload[..dce_rpc::CONNECTIONLESS_HEADER],
        length,
    })
}

#[inline(never)]
fn datagram(ports: [u16; 2], payload: &[u8], length: u32, time: Timestamp) -> Option<LogKind<'_>> {
    let whole = Some(LogKind::Datagram {
        payload: &payload[..payload.len().min(MAX_DATAGRAM)],
        length,
    });
    let tftp_port = ports.contains(&TFTP_PORT);
    if ports
        .iter()
        .any(|port| is_logged(*port) && *port != TFTP_PORT)
    {
        return whole;
    }
    // Transfers use ports from 1024 on, besides 69 itself: other services that happen to begin
    // like TFTP stay out.
    if !tftp_port && ports.iter().any(|port| *port < 1024) {
        return None;
    }
    let run = |kind, high, low, block_length| {
        LogKind::TftpRun(TftpRun {
            kind,
            first_block: u16::from_be_bytes([high, low]),
            advance: 0,
            count: 1,
            block_length,
            last: time,
        })
    };
    match *payload {
        [0, 3, high, low, ..] => {
            let length = u16::try_from(length.saturating_sub(4)).ok()?;
            Some(run(TftpRunKind::Data, high, low, length))
        }
        [0, 4, high, low, ..] if length <= 5 || tftp_port => {
            Some(run(TftpRunKind::Ack, high, low, 0))
        }
        _ if tftp_port || tftp::looks_like_tftp(payload).is_some() => whole,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    /// A bind up to its interface, and a third authentication leg.
    const BIND: &[u8] = b"\x05\x00\x0b\x03\x10\x00\x00\x00\x48\x00\x00\x00\x01\x00\x00\x00";
    const THIRD_LEG: &[u8] = b"\x05\x00\x10\x03\x10\x00\x00\x00\x10\x00\x00\x00\x01\x00\x00\x00";

    fn kept<'a>(transport: Transport<'a>) -> Option<LogKind<'a>> {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let packet = Packet {
            source: address,
            destination: address,
            ttl: 64,
            identification: 0,
            vlan: None,
            fragment: None,
            transport,
        };
        keep(&packet, Timestamp(0))
    }

    fn tcp(destination_port: u16, payload: &[u8]) -> Option<LogKind<'_>> {
        kept(Transport::Tcp {
            source_port: 50_000,
            destination_port,
            sequence: u32::MAX,
            acknowledgment: 0,
            flags: TcpFlags(TcpFlags::ACK),
            payload,
            payload_length: payload.len() as u32,
            checksum: None,
        })
    }

    fn udp(ports: [u16; 2], payload: &[u8], length: u32) -> Option<LogKind<'_>> {
        kept(Transport::Udp {
            source_port: ports[0],
            destination_port: ports[1],
            payload,
            payload_length: length,
            checksum: None,
        })
    }

    fn bytes(kind: LogKind<'_>) -> &[u8] {
        match kind {
            LogKind::Datagram { payload, .. } | LogKind::Segment { payload, .. } => payload,
            LogKind::TftpRun(_) => panic!("no run"),
        }
    }

    #[test]
    fn a_bind_is_kept_from_where_it_begins() {
        let behind = [THIRD_LEG, BIND].concat();
        for (payload, at) in [(BIND, 0), (&behind[..], 16)] {
            let LogKind::Segment {
                sequence,
                payload,
                length,
                ..
            } = tcp(49_160, payload).expect("it is kept")
            else {
                panic!("a segment");
            };
            assert_eq!((payload, length), (BIND, BIND.len() as u32));
            assert_eq!(sequence, u32::MAX.wrapping_add(at));
        }
        assert_eq!(tcp(49_160, THIRD_LEG), None);
        // Everything of port 135 but empty acknowledgments.
        assert!(tcp(135, &behind).is_some_and(|kind| bytes(kind) == behind));
        assert!(tcp(135, b"anything").is_some());
        assert_eq!(tcp(135, b""), None);
    }

    #[test]
    fn the_header_of_rpc_over_udp_is_kept() {
        let mut unit = vec![4, 0, 8, 0, 0x10, 0, 0, 0];
        for _ in 0..3 {
            unit.extend([7, 7, 7, 7, 7, 7, 7, 0x11, 0x80, 7, 7, 7, 7, 7, 7, 7]);
        }
        unit.extend([0; 18]);
        unit.extend([5, 0, 0, 0, 0, 0]);
        unit.extend(b"stub!");
        let length = unit.len() as u32;
        let ports = [50_000, 49_160];
        let kind = udp(ports, &unit, length).expect("it is kept");
        assert_eq!(bytes(kind), &unit[..80]);
        assert!(udp(ports, &unit[..81], length).is_some());
        assert_eq!(udp(ports, &unit[..79], length), None);
        assert_eq!(udp(ports, &unit, length + 1), None);
        // Where other services live it may be anything.
        assert_eq!(udp([50_000, 53], &unit, length), None);
    }
}
