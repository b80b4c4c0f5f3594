//! ICMP (RFC 792) and ICMPv6 (RFC 4443): what a message is for, and whom an error quotes.

use super::ip::{Body, Depth, packet};
use super::link::Bytes;
use super::{IcmpError, IcmpKind, Packet, Transport, Undecoded};

/// Bytes of an ICMP error before the packet that it quotes.
const HEADER_LENGTH: usize = 8;

pub(super) fn v4(body: Body<'_>) -> Result<Transport<'_>, Undecoded> {
    let (kind, code) = kind_and_code(body)?;
    // Code 4 asks for smaller packets; time exceeded (11) means that none arrived.
    let unreachable = (kind == 3 && code != 4) || kind == 11;
    Ok(match kind {
        8 => Transport::Icmp(IcmpKind::EchoRequest),
        0 => Transport::Icmp(IcmpKind::EchoReply),
        3 | 4 | 5 | 11 | 12 => error(body, kind, code, unreachable),
        other => Transport::Icmp(IcmpKind::Other(other)),
    })
}

pub(super) fn v6(body: Body<'_>) -> Result<Transport<'_>, Undecoded> {
    let (kind, code) = kind_and_code(body)?;
    Ok(match kind {
        128 => Transport::Icmp(IcmpKind::EchoRequest),
        129 => Transport::Icmp(IcmpKind::EchoReply),
        130..=132 | 143 => Transport::Icmp(IcmpKind::MulticastListener),
        133..=137 => Transport::Icmp(IcmpKind::NeighbourDiscovery),
        1..=4 => error(body, kind, code, matches!(kind, 1 | 3)),
        other => Transport::Icmp(IcmpKind::Other(other)),
    })
}

fn kind_and_code(body: Body<'_>) -> Result<(u8, u8), Undecoded> {
    match body.data {
        [kind, code, ..] => Ok((*kind, *code)),
        _ => Err(Undecoded::TransportHeaderCut),
    }
}

fn error(body: Body<'_>, kind: u8, code: u8, unreachable: bool) -> Transport<'_> {
    // An error never answers an error (RFC 1122 3.2.2), so one level is enough.
    let quoted = match (body.depth, body.data.get(HEADER_LENGTH..)) {
        (Depth::Wire, Some(data)) => {
            let bytes = Bytes {
                data,
                wire_length: body.length.saturating_sub(HEADER_LENGTH).max(data.len()),
            };
            packet(bytes, None, Depth::Quoted, |packet: Packet<'_>| {
                packet.five_tuple()
            })
            .ok()
            .flatten()
        }
        _ => None,
    };
    Transport::IcmpError(IcmpError {
        kind,
        code,
        unreachable,
        quoted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Protocol;

    fn body(data: &[u8], is_v6: bool) -> Body<'_> {
        Body {
            protocol: 1,
            data,
            length: data.len(),
            is_v6,
            fragment: None,
            depth: Depth::Wire,
        }
    }

    #[test]
    fn an_error_names_the_flow_it_quotes() {
        let mut message = vec![3, 3, 0, 0, 0, 0, 0, 0];
        // The quoted packet is cut after the eight bytes that RFC 792 asks for.
        message.extend([
            0x45, 0, 1, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1,
        ]);
        message.extend([0xc0, 0, 0, 69, 0, 236, 0, 0]);
        let Ok(Transport::IcmpError(error)) = v4(body(&message, false)) else {
            panic!("no error")
        };
        let quoted = error.quoted.unwrap();
        assert!(error.unreachable);
        assert_eq!(quoted.protocol, Protocol::Udp);
        assert_eq!(quoted.source.to_string(), "10.0.0.2:49152");
        assert_eq!(quoted.destination.to_string(), "10.0.0.1:69");
    }

    #[test]
    fn errors_inside_errors_end() {
        let mut message = vec![3, 1, 0, 0, 0, 0, 0, 0];
        message.extend([
            0x45, 0, 0, 48, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1,
        ]);
        message.extend(message.clone());
        let Ok(Transport::IcmpError(error)) = v4(body(&message, false)) else {
            panic!("no error")
        };
        assert!(error.quoted.is_none());
    }

    #[test]
    fn kinds_by_family() {
        let kind = |data: &[u8], is_v6: bool| match if is_v6 {
            v6(body(data, true))
        } else {
            v4(body(data, false))
        } {
            Ok(Transport::Icmp(kind)) => Some(kind),
            _ => None,
        };
        assert_eq!(kind(&[8, 0], false), Some(IcmpKind::EchoRequest));
        assert_eq!(kind(&[128, 0], true), Some(IcmpKind::EchoRequest));
        assert_eq!(kind(&[135, 0], true), Some(IcmpKind::NeighbourDiscovery));
        assert_eq!(kind(&[143, 0], true), Some(IcmpKind::MulticastListener));
        assert_eq!(kind(&[13, 0], false), Some(IcmpKind::Other(13)));
        assert_eq!(kind(&[3, 4], false), None);
        assert_eq!(
            v4(body(&[8], false)).unwrap_err(),
            Undecoded::TransportHeaderCut
        );
    }
}
