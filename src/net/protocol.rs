//! The protocol of a flow, as far as it separates flows.

use std::fmt;

/// What two ends speak. ICMP and ICMPv6 count as one protocol; echo is apart
/// because it is a service, the other types are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP, RFC 9293.
    Tcp,
    /// UDP, RFC 768.
    Udp,
    /// ICMP or ICMPv6 echo request and reply.
    IcmpEcho,
    /// Every other ICMP or ICMPv6 type that is not an error.
    IcmpOther,
    /// Any other IP protocol, by IANA's number.
    Other(u8),
}

impl fmt::Display for Protocol {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::IcmpEcho => "icmp",
            Protocol::IcmpOther => "icmp-other",
            Protocol::Other(number) => match number {
                2 => "igmp",
                4 => "ipv4",
                41 => "ipv6",
                47 => "gre",
                50 => "esp",
                51 => "ah",
                88 => "eigrp",
                89 => "ospf",
                103 => "pim",
                112 => "vrrp",
                132 => "sctp",
                _ => return write!(out, "ip-{number}"),
            },
        };
        out.pad(name)
    }
}
