//! What an ICMP error says in words (RFC 792, RFC 1812, RFC 4443).

use std::net::IpAddr;

use super::words::named;
use crate::flow::IcmpErrorSeen;
use crate::verdict::Judge;

/// Why a packet was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Refusal {
    /// Port unreachable: nobody listens, or a firewall says so.
    Port,
    /// Administratively prohibited: a firewall.
    Prohibited,
    /// No way to the host or its network.
    NoRoute,
}

/// An ICMP error: why, and who sent it.
pub(super) type Refused = (Refusal, IpAddr);

pub(super) fn refused(error: &IcmpErrorSeen) -> Refused {
    let v4 = error.sender.is_ipv4();
    let why = match (v4, error.kind, error.code) {
        (true, 3, 3) | (false, 1, 4) => Refusal::Port,
        (true, 3, 9 | 10 | 13) | (false, 1, 1 | 5 | 6) => Refusal::Prohibited,
        _ => Refusal::NoRoute,
    };
    (why, error.sender)
}

/// `10.0.0.1 answered with ICMP port unreachable`.
pub(super) fn said(judge: &Judge<'_>, (why, sender): Refused) -> String {
    let what = match why {
        Refusal::Port => "port unreachable",
        Refusal::Prohibited => "administratively prohibited",
        Refusal::NoRoute => "destination unreachable",
    };
    format!("ICMP \"{what}\" from {}", named(judge, sender))
}
