//! Frame → packet, or a counted reason. Link layer, IP, transport; nothing is kept
//! between packets. Headers are sliced by etherparse piece by piece; packets cut by
//! the snaplen are used as far as they go, and lengths come from the IP header.

mod icmp;
mod ip;
mod link;
mod packet;
mod transport;
mod undecoded;

pub use packet::{
    Decoded, Fragment, IcmpError, IcmpKind, LinkProtocol, Packet, TcpFlags, Transport,
};
pub use undecoded::Undecoded;

use crate::capture::Frame;

/// Decodes one frame.
///
/// # Errors
/// The reason why there is no packet in it; to be counted, never passed up.
#[inline]
pub fn decode<'a>(frame: &Frame<'a>) -> Result<Decoded<'a>, Undecoded> {
    link::decode(frame)
}

/// Body of the fuzz target: the first byte chooses the link type, the rest is the frame.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else {
        return;
    };
    let link_types = link::LINK_TYPES;
    let frame = Frame {
        number: 1,
        time: crate::net::Timestamp(0),
        link_type: link_types[usize::from(choice) % link_types.len()],
        wire_length: data.len() as u32,
        data,
    };
    let Ok(Decoded::Packet(packet)) = decode(&frame) else {
        return;
    };
    assert_eq!(packet.source.is_ipv4(), packet.destination.is_ipv4());
    match packet.transport {
        Transport::Tcp {
            payload,
            payload_length,
            ..
        }
        | Transport::Udp {
            payload,
            payload_length,
            ..
        } => {
            assert!(payload.len() <= payload_length as usize);
            assert!(payload.len() < data.len());
            assert!(packet.five_tuple().is_some());
        }
        Transport::Fragment => assert!(packet.fragment.is_some_and(|fragment| !fragment.first)),
        Transport::Icmp(_) | Transport::IcmpError(_) | Transport::Other(_) => {}
    }
}
