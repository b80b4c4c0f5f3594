//! Community ID v1 (<https://github.com/corelight/community-id-spec>): a hash by which other
//! tools name the same flow.

use std::net::IpAddr;

use base64::Engine as _;
use sha1::{Digest as _, Sha1};

use crate::net::{Endpoint, Protocol};

/// The Community ID of a flow under seed 0; `None` where the protocol has none here.
///
/// ICMP flows of a pair of addresses hold several messages, so only echo has one: that of a request.
/// SCTP has none: its ports are part of the hash, and no part of the flow.
pub fn community_id(protocol: Protocol, a: Endpoint, b: Endpoint) -> Option<String> {
    const ECHO_V4: (u16, u16) = (8, 0);
    const ECHO_V6: (u16, u16) = (128, 129);
    const SCTP: u8 = 132;
    let (number, ports) = match protocol {
        Protocol::Tcp => (6, Some((a.port, b.port))),
        Protocol::Udp => (17, Some((a.port, b.port))),
        Protocol::IcmpEcho if a.address.is_ipv4() => (1, Some(ECHO_V4)),
        Protocol::IcmpEcho => (58, Some(ECHO_V6)),
        Protocol::IcmpOther | Protocol::Other(SCTP) => return None,
        Protocol::Other(number) => (number, None),
    };
    let (from, to) = (octets(a.address), octets(b.address));
    let (port_from, port_to) = ports.unwrap_or_default();
    let in_order = (&from, port_from) <= (&to, port_to);
    let (from, to, port_from, port_to) = if in_order {
        (from, to, port_from, port_to)
    } else {
        (to, from, port_to, port_from)
    };
    let mut hash = Sha1::new();
    hash.update([0, 0]);
    hash.update(&from);
    hash.update(&to);
    hash.update([number, 0]);
    if ports.is_some() {
        hash.update(port_from.to_be_bytes());
        hash.update(port_to.to_be_bytes());
    }
    Some(format!(
        "1:{}",
        base64::engine::general_purpose::STANDARD.encode(hash.finalize())
    ))
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(address: &str, port: u16) -> Endpoint {
        Endpoint::new(address.parse().unwrap(), port)
    }

    /// Values published with the specification's baseline.
    #[test]
    fn agrees_with_the_published_baseline() {
        let (a, b) = (end("128.232.110.120", 34855), end("66.35.250.204", 80));
        let expected = Some("1:LQU9qZlK+B5F3KDmev6m5PMibrg=".to_owned());
        assert_eq!(community_id(Protocol::Tcp, a, b), expected);
        assert_eq!(community_id(Protocol::Tcp, b, a), expected);
        let (a, b) = (end("192.168.1.52", 54585), end("8.8.8.8", 53));
        assert_eq!(
            community_id(Protocol::Udp, a, b).as_deref(),
            Some("1:d/FP5EW3wiY1vCndhwleRRKHowQ=")
        );
    }

    #[test]
    fn a_hash_that_needs_what_the_flow_lacks_is_not_made_up() {
        let (a, b) = (end("10.0.0.1", 0), end("10.0.0.2", 0));
        assert!(community_id(Protocol::Other(47), a, b).is_some());
        assert_eq!(community_id(Protocol::Other(132), a, b), None);
        assert_eq!(community_id(Protocol::IcmpOther, a, b), None);
        // An echo request's, whichever end has the smaller address.
        let echo = |a, b| community_id(Protocol::IcmpEcho, a, b);
        assert_ne!(echo(a, b), echo(b, a));
    }
}
