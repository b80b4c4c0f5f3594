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
    Fragment, IcmpError, IcmpKind, LinkProtocol, NoPacket, Packet, TcpFlags, Transport,
};
pub use undecoded::Undecoded;

use crate::capture::{Frame, LinkType};

/// Whether packets are found in frames of that link type.
pub fn is_decoded(link_type: LinkType) -> bool {
    link::LINK_TYPES.contains(&link_type)
}

/// Takes the packet of a frame.
///
/// A packet is handed over rather than returned because it is large: each usual kind meets its
/// own copy of what takes it, with the fields in registers.
pub trait Take<'a> {
    /// What comes of it.
    type Output;

    /// Takes the packet. Implementations are best inlined.
    fn take(self, packet: Packet<'a>) -> Self::Output;
}

impl<'a, R, F: FnOnce(Packet<'a>) -> R> Take<'a> for F {
    type Output = R;

    #[inline(always)]
    fn take(self, packet: Packet<'a>) -> R {
        self(packet)
    }
}

/// Gives the packet back as it is.
#[derive(Clone, Copy, Debug)]
pub struct Whole;

impl<'a> Take<'a> for Whole {
    type Output = Packet<'a>;

    #[inline(always)]
    fn take(self, packet: Packet<'a>) -> Packet<'a> {
        packet
    }
}

/// Decodes one frame and hands its packet to `take`.
///
/// # Errors
/// The reason why there is no packet in it; nothing was taken.
#[inline(always)]
pub fn decode<'a, T: Take<'a>>(frame: &Frame<'a>, take: T) -> Result<T::Output, NoPacket> {
    link::packet(frame, take)
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
    let Ok(packet) = decode(&frame, Whole) else {
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
        Transport::Fragment => {
            assert!(packet.fragment.is_some_and(|fragment| !fragment.is_first()))
        }
        Transport::Icmp(_) | Transport::IcmpError(_) | Transport::Other(_) => {}
    }
}
