//! Which packets enter the log, and how much of them: decided by the packet alone.

use crate::decode::{Packet, TcpFlags, Transport};
use crate::payload::{dce_rpc, tftp};

use super::log::TftpRunKind;

/// What to keep of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep<'a> {
    /// A datagram.
    Datagram { payload: &'a [u8], length: u32 },
    /// A segment.
    Segment {
        sequence: u32,
        flags: TcpFlags,
        payload: &'a [u8],
        length: u32,
    },
    /// A TFTP block or acknowledgment.
    Block {
        kind: TftpRunKind,
        block: u16,
        length: u16,
    },
}

/// Most of a datagram that is kept: DHCP messages and TFTP requests fit an Ethernet frame.
pub(super) const MAX_DATAGRAM: usize = 1500;
/// Most of a segment that is kept: as much as IP can carry.
pub(super) const MAX_SEGMENT: usize = 65_535;
/// Most of a bind on a port other than 135: headers and contexts.
const MAX_BIND: usize = 1500;

const TFTP_PORT: u16 = 69;
const RPC_PORT: u16 = 135;

/// What of `packet` enters the log, if anything.
#[inline]
pub(super) fn keep<'a>(packet: &Packet<'a>) -> Option<Keep<'a>> {
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
            let rpc_port = source_port == RPC_PORT || destination_port == RPC_PORT;
            let most = if rpc_port && (!payload.is_empty() || flags.has(TcpFlags::SYN)) {
                // A SYN tells connections of the same ports apart.
                MAX_SEGMENT
            } else if dce_rpc::looks_like_bind(payload) {
                MAX_BIND
            } else {
                return None;
            };
            let payload = &payload[..payload.len().min(most)];
            Some(Keep::Segment {
                sequence,
                flags,
                payload,
                length: payload_length,
            })
        }
        Transport::Udp {
            source_port,
            destination_port,
            payload,
            payload_length,
        } => datagram([source_port, destination_port], payload, payload_length),
        _ => None,
    }
}

#[inline]
fn datagram(ports: [u16; 2], payload: &[u8], length: u32) -> Option<Keep<'_>> {
    let whole = Some(Keep::Datagram {
        payload: &payload[..payload.len().min(MAX_DATAGRAM)],
        length,
    });
    if ports
        .iter()
        .any(|port| matches!(*port, 67 | 68 | 4011 | RPC_PORT))
    {
        return whole;
    }
    let tftp_port = ports.contains(&TFTP_PORT);
    // Transfers use ports from 1024 on, besides 69 itself: other services that happen to begin
    // like TFTP stay out.
    if !tftp_port && ports.iter().any(|port| *port < 1024) {
        return None;
    }
    match payload {
        [0, 3, high, low, ..] => Some(Keep::Block {
            kind: TftpRunKind::Data,
            block: u16::from_be_bytes([*high, *low]),
            length: u16::try_from(length.saturating_sub(4)).ok()?,
        }),
        [0, 4, high, low, ..] if length <= 5 || tftp_port => Some(Keep::Block {
            kind: TftpRunKind::Ack,
            block: u16::from_be_bytes([*high, *low]),
            length: 0,
        }),
        _ if tftp_port || tftp::looks_like_tftp(payload).is_some() => whole,
        _ => None,
    }
}
