//! Link maintenance that no port table speaks of: what hosts and routers of one link say to each
//! other. Only traffic to the well-known group counts, and the unicast answer to one who asked
//! the group from that port; the port alone would be a hiding place.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::decode::LinkProtocol;
use crate::flow::{Flow, IcmpKinds};
use crate::net::{Endpoint, Protocol};

/// The kind of a protocol of the link that is not IP.
pub(super) fn link_kind(protocol: LinkProtocol) -> Cow<'static, str> {
    let kind = match protocol {
        LinkProtocol::EtherType(number) => match number {
            0x0806 => "arp",
            0x2000 => "cdp",
            0x8035 => "rarp",
            0x8808 => "flow-control",
            0x8809 => "lacp",
            0x888e => "eapol",
            0x88cc => "lldp",
            0x88e5 => "macsec",
            0x88f7 => "ptp",
            0x9000 => "loopback",
            _ => return format!("ethertype-{number:#06x}").into(),
        },
        LinkProtocol::Llc(number) => match number {
            0x42 => "stp",
            _ => return format!("llc-{number:#04x}").into(),
        },
    };
    kind.into()
}

/// A service that hosts or routers of one link offer each other through a group.
struct GroupService {
    kind: &'static str,
    protocol: Protocol,
    /// 0 where the protocol has no ports.
    port: u16,
    groups: &'static [IpAddr],
}

const fn v4(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(224, 0, 0, last))
}

const fn v6(scope: u16, last: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(0xff00 | scope, 0, 0, 0, 0, 0, 0, last))
}

const LLMNR_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 3));
/// All DHCP relay agents and servers of the link (RFC 8415, section 7.1).
const DHCP_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2));
/// SSDP and WS-Discovery share one group.
const DISCOVERY: &[IpAddr] = &[
    IpAddr::V4(Ipv4Addr::new(239, 255, 255, 250)),
    v6(2, 0xc),
    v6(5, 0xc),
    v6(8, 0xc),
    v6(0xe, 0xc),
];

/// Groups by IANA's registries of IPv4 and IPv6 multicast addresses.
const SERVICES: [GroupService; 12] = [
    service("mdns", Protocol::Udp, 5353, &[v4(251), v6(2, 0xfb)]),
    service("llmnr", Protocol::Udp, 5355, &[v4(252), LLMNR_V6]),
    service("ssdp", Protocol::Udp, 1900, DISCOVERY),
    service("ws-discovery", Protocol::Udp, 3702, DISCOVERY),
    // A machine whose firmware also tries IPv6 asks for DHCP there, and no port table lists it.
    service("dhcpv6", Protocol::Udp, 547, &[DHCP_V6]),
    service("hsrp", Protocol::Udp, 1985, &[v4(2), v4(102)]),
    service("hsrp", Protocol::Udp, 2029, &[v6(2, 0x66)]),
    service(
        "ospf",
        Protocol::Other(89),
        0,
        &[v4(5), v4(6), v6(2, 5), v6(2, 6)],
    ),
    service("eigrp", Protocol::Other(88), 0, &[v4(10), v6(2, 0xa)]),
    service("pim", Protocol::Other(103), 0, &[v4(13), v6(2, 0xd)]),
    service("vrrp", Protocol::Other(112), 0, &[v4(18), v6(2, 0x12)]),
    service("rip", Protocol::Udp, 520, &[v4(9)]),
];

const fn service(
    kind: &'static str,
    protocol: Protocol,
    port: u16,
    groups: &'static [IpAddr],
) -> GroupService {
    GroupService {
        kind,
        protocol,
        port,
        groups,
    }
}

/// The kind of link maintenance that a flow is by its addresses and ports alone.
pub(super) fn kind(flow: &Flow) -> Option<&'static str> {
    match flow.protocol {
        Protocol::IcmpOther if flow.icmp_kinds.is_maintenance() => {
            let discovery = flow.icmp_kinds.0 & IcmpKinds::NEIGHBOUR_DISCOVERY != 0;
            Some(if discovery {
                "neighbour-discovery"
            } else {
                "multicast-listener-discovery"
            })
        }
        Protocol::Other(2) if flow.responder.address.is_multicast() => Some("igmp"),
        _ => group_service(flow).map(|service| service.kind),
    }
}

/// Of a flow that asks a group: who asked from which port, and the service's port. Answers to it
/// come from that port.
pub(super) fn question(flow: &Flow) -> Option<(Endpoint, u16)> {
    let service = group_service(flow)?;
    (service.protocol == Protocol::Udp).then_some((flow.initiator, service.port))
}

/// Of a unicast flow that answers someone: who is answered, the service's port, its kind, and
/// who answers.
pub(super) fn answers(flow: &Flow) -> [Option<Answer>; 2] {
    let answer = |answered: Endpoint, answering: Endpoint| {
        let service = SERVICES.iter().find(|service| {
            service.protocol == Protocol::Udp
                && flow.protocol == Protocol::Udp
                && service.port == answering.port
        })?;
        Some(Answer {
            answered,
            answering: answering.address,
            port: service.port,
            kind: service.kind,
        })
    };
    [
        answer(flow.responder, flow.initiator),
        answer(flow.initiator, flow.responder),
    ]
}

/// What may be a unicast answer to a question that a group was asked.
pub(super) struct Answer {
    /// Who asked, if anyone did.
    pub answered: Endpoint,
    /// Who answers.
    pub answering: IpAddr,
    /// Port of the service.
    pub port: u16,
    /// Kind of link maintenance.
    pub kind: &'static str,
}

fn group_service(flow: &Flow) -> Option<&'static GroupService> {
    if !flow.responder.address.is_multicast() {
        return None;
    }
    SERVICES.iter().find(|service| {
        service.protocol == flow.protocol
            && service.port == flow.responder.port
            && service.groups.contains(&flow.responder.address)
    })
}
