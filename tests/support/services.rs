//! Services that firewalls, address translation or another site keep from working, one for each
//! diagnosis, with what a test may want to vary.

use std::net::Ipv4Addr;

use super::build::{Link, Recording, Tower, Uuid, at, host};

const CLIENT: &str = "10.1.0.7:50000";
const MANAGEMENT_POINT: &str = "10.0.0.11";

/// The committed capture of each diagnosis, by its code.
pub fn all() -> Vec<(&'static str, Recording)> {
    vec![
        ("firewall-reset", reset_with_ttl(254)),
        ("rpc-ports-closed", rpc_ports_closed()),
        ("dcom-through-nat", dcom_through_nat()),
        ("http-in-place-of-https", http_in_place_of_https()),
        ("smb-to-distribution-point", opened(&["10.0.0.12:445"])),
        ("other-site", opened(&["10.2.0.11:10123", "10.2.0.11:80"])),
    ]
}

/// A client that the management point serves, with a TTL of 126.
pub fn served() -> Recording {
    let mut out = Recording::new(Link::Ethernet);
    out.ttls.insert(host(MANAGEMENT_POINT), 126);
    out.tcp_exchange(at("10.1.0.8:50000"), at("10.0.0.11:80"), b"GET", b"200");
    out
}

/// Resets in its name, with this TTL.
pub fn reset_with_ttl(ttl: u8) -> Recording {
    let mut out = served();
    out.with_ttl(host(MANAGEMENT_POINT), ttl, |out| {
        out.tcp_refused(at(CLIENT), at("10.0.0.11:443"));
        out.tcp_refused(at("10.1.0.9:50000"), at("10.0.0.11:443"));
    });
    out
}

/// The site server asks a site system where a service listens, and is told these towers.
pub fn endpoint_mapper(towers: &[(u16, &str)]) -> Recording {
    let mut out = Recording::new(Link::Ethernet);
    let towers: Vec<Tower> = towers
        .iter()
        .map(|(port, address)| Tower {
            interface: Uuid::WINREG,
            port: *port,
            address: address.parse().expect("an address"),
        })
        .collect();
    let server = Ipv4Addr::new(10, 0, 0, 12);
    out.ept_map(at("10.0.0.10:50000"), server, Uuid::WINREG, &towers);
    out
}

fn rpc_ports_closed() -> Recording {
    let mut out = endpoint_mapper(&[(49664, "10.0.0.12"), (49665, "10.0.0.12")]);
    out.tcp_unanswered(at("10.0.0.10:50001"), at("10.0.0.12:49664"), 3);
    out.tcp_unanswered(at("10.0.0.10:50002"), at("10.0.0.12:49665"), 3);
    out
}

/// The client believes what it is told.
fn dcom_through_nat() -> Recording {
    let mut out = endpoint_mapper(&[(49664, "192.168.7.5")]);
    out.tcp_unanswered(at("10.0.0.10:50001"), at("192.168.7.5:49664"), 2);
    out
}

fn http_in_place_of_https() -> Recording {
    let mut out = Recording::new(Link::Ethernet);
    out.tcp_unanswered(at(CLIENT), at("10.0.0.12:443"), 2);
    out.tcp_exchange(at("10.1.0.7:50001"), at("10.0.0.12:80"), b"GET", b"200");
    out
}

/// What a client opens, each answered.
pub fn opened(to: &[&str]) -> Recording {
    let mut out = Recording::new(Link::Ethernet);
    for (port, to) in (50_000..).zip(to) {
        out.tcp_exchange(at(&format!("10.1.0.7:{port}")), at(to), b"x", b"y");
    }
    out
}
