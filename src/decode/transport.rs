//! TCP (RFC 9293), UDP (RFC 768), and the hand-over to ICMP.

use etherparse::{TcpHeaderSlice, UdpHeaderSlice};

use super::ip::{Body, Depth};
use super::{TcpFlags, Transport, Undecoded, icmp};

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP_V6: u8 = 58;

/// The segment of a whole packet, where its header is there and in order.
#[inline(always)]
pub(super) fn whole_tcp(body: Body<'_>) -> Option<Transport<'_>> {
    if body.protocol != TCP || body.fragment.is_some() {
        return None;
    }
    let header = TcpHeaderSlice::from_slice(body.data).ok()?;
    Some(tcp(body, &header))
}

/// The datagram of a whole packet, where its header is there and in order.
#[inline(always)]
pub(super) fn whole_udp(body: Body<'_>) -> Option<Transport<'_>> {
    if body.protocol != UDP || body.fragment.is_some() {
        return None;
    }
    let header = UdpHeaderSlice::from_slice(body.data).ok()?;
    (header.length() >= 8).then(|| udp(body, &header))
}

/// What [`whole_tcp`] and [`whole_udp`] leave.
#[inline(never)]
pub(super) fn rare(body: Body<'_>) -> Result<Transport<'_>, Undecoded> {
    if body.fragment.is_some_and(|fragment| !fragment.is_first()) {
        return Ok(Transport::Fragment);
    }
    match body.protocol {
        TCP => rare_tcp(body),
        UDP => rare_udp(body),
        ICMP if !body.is_v6 => icmp::v4(body),
        ICMP_V6 if body.is_v6 => icmp::v6(body),
        protocol => Ok(Transport::Other(protocol)),
    }
}

#[inline(always)]
fn tcp<'a>(body: Body<'a>, header: &TcpHeaderSlice<'a>) -> Transport<'a> {
    let bytes = header.slice();
    let payload = &body.data[bytes.len()..];
    Transport::Tcp {
        source_port: header.source_port(),
        destination_port: header.destination_port(),
        sequence: header.sequence_number(),
        acknowledgment: header.acknowledgment_number(),
        flags: TcpFlags(bytes[13]),
        checksum: Some(header.checksum()),
        payload,
        payload_length: body.length.saturating_sub(bytes.len()).max(payload.len()) as u32,
    }
}

fn rare_tcp(body: Body<'_>) -> Result<Transport<'_>, Undecoded> {
    use etherparse::err::tcp::HeaderSliceError;
    match TcpHeaderSlice::from_slice(body.data) {
        Ok(header) => Ok(tcp(body, &header)),
        Err(HeaderSliceError::Len(_)) => cut_tcp(body),
        // An ICMP error quotes no more than ports may need.
        Err(HeaderSliceError::Content(_)) if body.depth == Depth::Quoted => cut_tcp(body),
        Err(HeaderSliceError::Content(_)) => Err(Undecoded::TransportHeader),
    }
}

/// A segment that ends inside its header: as much as the ports say, flags where they are there.
fn cut_tcp(body: Body<'_>) -> Result<Transport<'_>, Undecoded> {
    let word = |at: usize| {
        body.data.get(at..at + 4).map_or(0, |word| {
            u32::from_be_bytes([word[0], word[1], word[2], word[3]])
        })
    };
    if body.data.len() < 4 {
        return Err(Undecoded::TransportHeaderCut);
    }
    let header_length = body
        .data
        .get(12)
        .map_or(20, |offset| usize::from(offset >> 4) * 4);
    Ok(Transport::Tcp {
        source_port: (word(0) >> 16) as u16,
        destination_port: word(0) as u16,
        sequence: word(4),
        acknowledgment: word(8),
        flags: TcpFlags(body.data.get(13).copied().unwrap_or(0)),
        checksum: body
            .data
            .get(16..18)
            .map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]])),
        payload: &[],
        payload_length: body.length.saturating_sub(header_length) as u32,
    })
}

#[inline(always)]
fn udp<'a>(body: Body<'a>, header: &UdpHeaderSlice<'a>) -> Transport<'a> {
    let available = body.length.max(body.data.len()) - 8;
    // 0 means offload or a jumbogram (RFC 2675). Of a fragmented datagram the header tells
    // the length of the whole, else no more can be there than IP says.
    let payload_length = match usize::from(header.length()) {
        0 => available,
        length if body.fragment.is_none() => length.saturating_sub(8).min(available),
        length => length.saturating_sub(8),
    };
    let payload = &body.data[8..];
    Transport::Udp {
        source_port: header.source_port(),
        destination_port: header.destination_port(),
        checksum: Some(header.checksum()),
        payload: payload.get(..payload_length).unwrap_or(payload),
        payload_length: payload_length as u32,
    }
}

fn rare_udp(body: Body<'_>) -> Result<Transport<'_>, Undecoded> {
    match UdpHeaderSlice::from_slice(body.data) {
        Ok(header) if matches!(header.length(), 1..8) && body.depth == Depth::Wire => {
            Err(Undecoded::TransportHeader)
        }
        Ok(header) => Ok(udp(body, &header)),
        Err(_) => cut_udp(body),
    }
}

/// A datagram that ends inside its header, which has ports first.
fn cut_udp(body: Body<'_>) -> Result<Transport<'_>, Undecoded> {
    let ports = body.data.get(..4).ok_or(Undecoded::TransportHeaderCut)?;
    Ok(Transport::Udp {
        source_port: u16::from_be_bytes([ports[0], ports[1]]),
        destination_port: u16::from_be_bytes([ports[2], ports[3]]),
        checksum: None,
        payload: &[],
        payload_length: body.length.saturating_sub(8) as u32,
    })
}
