//! IPv4 (RFC 791) and IPv6 (RFC 8200) with extension headers, down to the transport.

use std::net::IpAddr;

use etherparse::{
    IpAuthHeaderSlice, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6HeaderSlice,
    Ipv6RawExtHeaderSlice,
};

use super::link::Bytes;
use super::{Fragment, Packet, Take, Undecoded, transport};

/// Extension headers in a row. RFC 8200 4.1 lists seven, none but one more than once.
const MAX_EXTENSION_HEADERS: usize = 12;

/// How deep an ICMP error may quote: the packet on the wire, and the one inside its error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    Wire,
    Quoted,
}

/// Hands over the IP packet at the start of `bytes`.
#[inline(always)]
pub(super) fn packet<'a, T: Take<'a>>(
    bytes: Bytes<'a>,
    vlan: Option<u16>,
    depth: Depth,
    take: T,
) -> Result<T::Output, Undecoded> {
    match bytes.data.first() {
        Some(first) if first >> 4 == 4 => v4(bytes, vlan, depth, take),
        Some(first) if first >> 4 == 6 => Ok(rarely(take, v6(bytes, vlan, depth)?)),
        None => Err(Undecoded::IpHeaderCut),
        Some(_) => Err(Undecoded::IpHeader),
    }
}

/// One copy of what takes a packet, for all that is not usual.
#[inline(never)]
fn rarely<'a, T: Take<'a>>(take: T, packet: Packet<'a>) -> T::Output {
    take.take(packet)
}

/// What an IP packet carries: the protocol, the captured bytes, the bytes sent.
#[derive(Clone, Copy)]
pub(super) struct Body<'a> {
    pub(super) protocol: u8,
    pub(super) data: &'a [u8],
    pub(super) length: usize,
    pub(super) is_v6: bool,
    pub(super) fragment: Option<Fragment>,
    pub(super) depth: Depth,
}

#[inline(always)]
fn v4<'a, T: Take<'a>>(
    bytes: Bytes<'a>,
    vlan: Option<u16>,
    depth: Depth,
    take: T,
) -> Result<T::Output, Undecoded> {
    let header = Ipv4HeaderSlice::from_slice(bytes.data).map_err(|error| match error {
        etherparse::err::ipv4::HeaderSliceError::Len(_) => Undecoded::IpHeaderCut,
        etherparse::err::ipv4::HeaderSliceError::Content(_) => Undecoded::IpHeader,
    })?;
    let header_length = header.slice().len();
    // A sending host with segmentation offload writes 0: then the frame's length counts.
    let total_length = match usize::from(header.total_len()) {
        0 => bytes.wire_length,
        length => length,
    };
    let length = total_length
        .checked_sub(header_length)
        .ok_or(Undecoded::IpHeader)?;
    let offset = header.fragments_offset().value();
    let fragment = (offset > 0 || header.more_fragments()).then(|| {
        let identification = u32::from(header.identification());
        Fragment::new(header.protocol().0, identification, offset == 0)
    });
    let body = Body {
        protocol: header.protocol().0,
        data: upto(&bytes.data[header_length..], length),
        length,
        is_v6: false,
        fragment,
        depth,
    };
    let packet = |transport| Packet {
        source: IpAddr::V4(header.source_addr()),
        destination: IpAddr::V4(header.destination_addr()),
        ttl: header.ttl(),
        identification: header.identification(),
        vlan,
        fragment,
        transport,
    };
    if let Some(transport) = transport::whole_tcp(body) {
        return Ok(take.take(packet(transport)));
    }
    if let Some(transport) = transport::whole_udp(body) {
        return Ok(take.take(packet(transport)));
    }
    Ok(rarely(take, packet(transport::rare(body)?)))
}

#[inline(never)]
fn v6(bytes: Bytes<'_>, vlan: Option<u16>, depth: Depth) -> Result<Packet<'_>, Undecoded> {
    let header = Ipv6HeaderSlice::from_slice(bytes.data).map_err(|_| Undecoded::IpHeaderCut)?;
    let header_length = header.slice().len();
    // 0 means a jumbogram (RFC 2675) or segmentation offload: then the frame's length counts.
    let length = match usize::from(header.payload_length()) {
        0 if header.next_header().0 != NO_NEXT_HEADER => bytes.wire_length - header_length,
        length => length,
    };
    let mut body = Body {
        protocol: header.next_header().0,
        data: upto(&bytes.data[header_length..], length),
        length,
        is_v6: true,
        fragment: None,
        depth,
    };
    skip_extension_headers(&mut body)?;
    let usual = transport::whole_tcp(body).or_else(|| transport::whole_udp(body));
    Ok(Packet {
        source: IpAddr::V6(header.source_addr()),
        destination: IpAddr::V6(header.destination_addr()),
        ttl: header.hop_limit(),
        identification: 0,
        vlan,
        fragment: body.fragment,
        transport: usual.map_or_else(|| transport::rare(body), Ok)?,
    })
}

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const NO_NEXT_HEADER: u8 = 59;
const DESTINATION_OPTIONS: u8 = 60;
const MOBILITY: u8 = 135;
const HIP: u8 = 139;
const SHIM6: u8 = 140;

fn skip_extension_headers(body: &mut Body<'_>) -> Result<(), Undecoded> {
    for _ in 0..=MAX_EXTENSION_HEADERS {
        // What follows in a fragment that begins nothing is no header.
        if body.fragment.is_some_and(|fragment| !fragment.is_first()) {
            return Ok(());
        }
        let (next, length) = match body.protocol {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | MOBILITY | HIP | SHIM6 => {
                let header = Ipv6RawExtHeaderSlice::from_slice(body.data)
                    .map_err(|_| Undecoded::IpHeaderCut)?;
                (header.next_header().0, header.slice().len())
            }
            FRAGMENT => {
                let header = Ipv6FragmentHeaderSlice::from_slice(body.data)
                    .map_err(|_| Undecoded::IpHeaderCut)?;
                let offset = header.fragment_offset().value();
                // Offset 0 without more to come is an atomic fragment, a whole packet (RFC 6946).
                if offset > 0 || header.more_fragments() {
                    body.fragment = Some(Fragment::new(
                        header.next_header().0,
                        header.identification(),
                        offset == 0,
                    ));
                }
                (header.next_header().0, header.slice().len())
            }
            AUTHENTICATION => {
                let header =
                    IpAuthHeaderSlice::from_slice(body.data).map_err(|error| match error {
                        etherparse::err::ip_auth::HeaderSliceError::Len(_) => {
                            Undecoded::IpHeaderCut
                        }
                        etherparse::err::ip_auth::HeaderSliceError::Content(_) => {
                            Undecoded::IpHeader
                        }
                    })?;
                (header.next_header().0, header.slice().len())
            }
            _ => return Ok(()),
        };
        body.protocol = next;
        body.data = &body.data[length..];
        body.length = body.length.checked_sub(length).ok_or(Undecoded::IpHeader)?;
    }
    Err(Undecoded::TooDeep)
}

/// Without what lies past `length`: Ethernet pads short packets.
#[inline(always)]
fn upto(data: &[u8], length: usize) -> &[u8] {
    data.get(..length).unwrap_or(data)
}

#[cfg(test)]
mod tests {
    use super::super::Transport;
    use super::*;

    fn decoded(data: &[u8], wire_length: usize) -> Result<Packet<'_>, Undecoded> {
        packet(Bytes { data, wire_length }, None, Depth::Wire, |packet| {
            packet
        })
    }

    fn udp_v4(total_length: u16, fragment: u16) -> Vec<u8> {
        let mut packet = vec![
            0x45, 0, 0, 0, 0x12, 0x34, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        ];
        packet[2..4].copy_from_slice(&total_length.to_be_bytes());
        packet[6..8].copy_from_slice(&fragment.to_be_bytes());
        packet.extend([0, 69, 0xc0, 0, 0, 12, 0, 0, 1, 2, 3, 4]);
        packet
    }

    #[test]
    fn padding_is_no_payload() {
        let mut packet = udp_v4(32, 0);
        packet.extend([0; 14]);
        let Transport::Udp {
            payload,
            payload_length,
            source_port,
            ..
        } = decoded(&packet, packet.len()).unwrap().transport
        else {
            panic!("not UDP");
        };
        assert_eq!(
            (payload, payload_length, source_port),
            (&[1, 2, 3, 4][..], 4, 69)
        );
    }

    #[test]
    fn cut_packets_keep_their_length() {
        let packet = udp_v4(32, 0);
        let cut = decoded(&packet[..30], 32).unwrap();
        let Transport::Udp {
            payload,
            payload_length,
            ..
        } = cut.transport
        else {
            panic!("not UDP")
        };
        assert_eq!((payload.len(), payload_length), (2, 4));
        assert_eq!(
            decoded(&packet[..19], 32).unwrap_err(),
            Undecoded::IpHeaderCut
        );
        assert_eq!(
            decoded(&packet[..23], 32).unwrap_err(),
            Undecoded::TransportHeaderCut
        );
    }

    #[test]
    fn length_zero_is_offload() {
        let packet = udp_v4(0, 0);
        assert!(matches!(
            decoded(&packet, 32).unwrap().transport,
            Transport::Udp { .. }
        ));
        assert_eq!(
            decoded(&udp_v4(19, 0), 32).unwrap_err(),
            Undecoded::IpHeader
        );
    }

    #[test]
    fn fragments_are_told_apart() {
        let first = udp_v4(32, 0x2000);
        let first = decoded(&first, 32).unwrap();
        assert!(first.fragment.unwrap().is_first());
        assert!(matches!(first.transport, Transport::Udp { .. }));
        let later = udp_v4(32, 0x2001);
        let later = decoded(&later, 32).unwrap();
        assert_eq!(later.fragment.unwrap().identification(), 0x1234);
        assert!(matches!(later.transport, Transport::Fragment));
    }

    #[test]
    fn extension_headers_are_walked_and_bounded() {
        let mut packet = vec![0x60, 0, 0, 0, 0, 0, HOP_BY_HOP, 64];
        packet.extend([0xfd; 32]);
        packet.extend([DESTINATION_OPTIONS, 0, 1, 4, 0, 0, 0, 0]);
        packet.extend([FRAGMENT, 0, 1, 4, 0, 0, 0, 0]);
        packet.extend([17, 0, 0, 0, 0, 0, 0, 9]);
        packet.extend([0, 67, 0, 68, 0, 9, 0, 0, 7]);
        packet[5] = (packet.len() - 40) as u8;
        let atomic = decoded(&packet, packet.len()).unwrap();
        assert!(atomic.fragment.is_none());
        assert!(matches!(
            atomic.transport,
            Transport::Udp { payload: [7], .. }
        ));

        let mut deep = packet[..40].to_vec();
        deep.extend([HOP_BY_HOP, 0, 1, 4, 0, 0, 0, 0].repeat(20));
        deep[5] = 160;
        assert_eq!(decoded(&deep, deep.len()).unwrap_err(), Undecoded::TooDeep);
    }
}
