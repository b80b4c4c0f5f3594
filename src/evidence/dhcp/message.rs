//! One message of a boot, and what it says.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr};

use super::model::{BootAnswerKind, BootQuestionKind, PxeInstructions};
use crate::net::{FiveTuple, Position};
use crate::payload::Text;
use crate::payload::dhcp::{
    BINL_PORT, CLIENT_PORT, Dhcp, MessageType, SERVER_PORT, boots_over_http, code,
};

/// Boot servers and menu entries kept of option 43.
const MAX_LISTED: usize = 16;

/// A message and where it was seen.
#[derive(Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) at: Position,
    pub(super) tuple: FiveTuple,
    payload: &'a [u8],
    /// Whether the snaplen cut it: what is missing may have been there.
    pub(super) is_cut: bool,
}

/// How a machine boots, as it says in option 60 or else 93.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Tftp,
    Http,
}

impl<'a> Message<'a> {
    /// A datagram between ports of DHCP, of which at least the hardware address is there.
    pub(super) fn new(
        at: Position,
        tuple: FiveTuple,
        payload: &'a [u8],
        length: u32,
    ) -> Option<(Self, Dhcp<'a>)> {
        let ports = [tuple.source.port, tuple.destination.port];
        if !ports
            .iter()
            .any(|port| matches!(*port, SERVER_PORT | CLIENT_PORT | BINL_PORT))
        {
            return None;
        }
        let message = Self {
            at,
            tuple,
            payload,
            is_cut: (payload.len() as u64) < u64::from(length),
        };
        Some((message, Dhcp::parse(payload).ok()?))
    }

    /// Reads it again: what is kept is where it lies.
    pub(super) fn dhcp(&self) -> Option<Dhcp<'a>> {
        Dhcp::parse(self.payload).ok()
    }

    /// Whether it belongs to the exchange on port 4011, which has either port on the client's
    /// side.
    pub(super) fn is_binl(&self) -> bool {
        self.tuple.source.port == BINL_PORT || self.tuple.destination.port == BINL_PORT
    }

    /// Whether it goes to one host: PXE firmware may look for boot servers by multicast.
    pub(super) fn is_to_one(&self) -> bool {
        match self.tuple.destination.address {
            IpAddr::V4(address) => !address.is_broadcast() && !address.is_multicast(),
            IpAddr::V6(address) => !address.is_multicast(),
        }
    }

    /// What the machine asks.
    pub(super) fn question(&self, dhcp: &Dhcp<'_>) -> Option<BootQuestionKind> {
        Some(match dhcp.message_type()? {
            _ if self.is_binl() => BootQuestionKind::Binl,
            MessageType::Discover => BootQuestionKind::Discover,
            MessageType::Request => BootQuestionKind::Request,
            MessageType::Decline => BootQuestionKind::Decline,
            MessageType::Inform => BootQuestionKind::Inform,
            MessageType::Offer | MessageType::Ack | MessageType::Nak | MessageType::Other(_) => {
                return None;
            }
        })
    }

    /// What a server answers.
    pub(super) fn answer(&self, dhcp: &Dhcp<'_>) -> Option<BootAnswerKind> {
        Some(match dhcp.message_type()? {
            MessageType::Nak => BootAnswerKind::Nak,
            MessageType::Offer | MessageType::Ack if self.is_binl() => BootAnswerKind::BinlAck,
            MessageType::Offer if dhcp.yiaddr.is_unspecified() => BootAnswerKind::ProxyOffer,
            MessageType::Offer => BootAnswerKind::AddressOffer,
            MessageType::Ack => BootAnswerKind::Ack,
            MessageType::Discover
            | MessageType::Request
            | MessageType::Decline
            | MessageType::Inform
            | MessageType::Other(_) => return None,
        })
    }

    /// The address that the machine speaks from, where it has one.
    pub(super) fn speaks_from(&self, dhcp: &Dhcp<'_>) -> Option<IpAddr> {
        let source = self.tuple.source;
        let is_client = matches!(source.port, CLIENT_PORT | BINL_PORT);
        used(dhcp.ciaddr)
            .or_else(|| (is_client && !source.address.is_unspecified()).then_some(source.address))
    }
}

/// RFC 4578 section 2: a machine that boots says so in option 60, or sends options 93 and 97.
pub(super) fn asks_to_boot(dhcp: &Dhcp<'_>) -> bool {
    class_begins(dhcp, b"PXEClient")
        || class_begins(dhcp, b"HTTPClient")
        || dhcp.option(code::ARCHITECTURE).is_some()
        || dhcp.option(code::MACHINE_IDENTIFIER).is_some()
}

/// Whether a server names a boot server. `siaddr` alone does not: many DHCP servers always put
/// themselves there. Nor does `sname` alone, where some write their own name.
pub(super) fn names_boot(dhcp: &Dhcp<'_>) -> bool {
    class_begins(dhcp, b"PXEClient")
        || class_begins(dhcp, b"HTTPClient")
        || dhcp.option(code::TFTP_SERVER).is_some()
        || dhcp.boot_file().is_some()
}

pub(super) fn class_begins(dhcp: &Dhcp<'_>, prefix: &[u8]) -> bool {
    dhcp.option(code::VENDOR_CLASS)
        .is_some_and(|class| class.starts_with(prefix))
}

pub(super) fn method(dhcp: &Dhcp<'_>) -> Option<Method> {
    if class_begins(dhcp, b"HTTPClient") {
        Some(Method::Http)
    } else if class_begins(dhcp, b"PXEClient") {
        Some(Method::Tftp)
    } else {
        let by_http = dhcp.architecture().map(boots_over_http)?;
        Some(if by_http { Method::Http } else { Method::Tftp })
    }
}

/// What tells one DHCP client of a machine from another, firmware from boot program: vendor
/// class, user class and the parameters asked for.
pub(super) fn fingerprint(dhcp: &Dhcp<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for code in [code::VENDOR_CLASS, code::USER_CLASS, code::PARAMETER_LIST] {
        dhcp.option(code).hash(&mut hasher);
    }
    hasher.finish()
}

/// The server that the boot file is to come from, as far as it is given as an address.
pub(super) fn boot_server(dhcp: &Dhcp<'_>) -> Option<IpAddr> {
    let named = dhcp.tftp_server().and_then(|(name, _)| {
        let name = std::str::from_utf8(name).ok()?;
        name.parse::<Ipv4Addr>().ok()
    });
    named.and_then(used).or_else(|| used(dhcp.siaddr))
}

pub(super) fn instructions(dhcp: &Dhcp<'_>) -> Option<PxeInstructions> {
    let options = dhcp.pxe_options()?;
    let servers = options.boot_servers().flat_map(|(_, addresses)| addresses);
    let menu = options.menu().map(|(_, text)| Text::from(text));
    Some(PxeInstructions {
        discovery_control: options.discovery_control(),
        boot_servers: servers.filter_map(used).take(MAX_LISTED).collect(),
        menu: menu.take(MAX_LISTED).collect(),
        prompt_seconds: options.prompt().map(|(seconds, _)| seconds),
    })
}

pub(super) fn used(address: Ipv4Addr) -> Option<IpAddr> {
    (!address.is_unspecified()).then_some(IpAddr::V4(address))
}
