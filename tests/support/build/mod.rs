//! Captures made from nothing, for tests, benchmarks, fixtures and fuzz seeds: packets with valid
//! checksums, conversations as their peers would hold them, and the containers they are kept in.
//!
//! Everything is a function of its arguments: no clock, no system randomness. It uses nothing of
//! the crate under test, so that the two can't share a mistake.

mod bulk;
mod bytes;
mod container;
pub mod dhcp;
mod ip;
mod link;
pub mod packed;
mod recording;
mod rng;
mod rpc;
mod tcp;
mod tftp;
mod transport;

pub use bulk::{Bulk, Container, Profile};
pub use bytes::ByteOrder;
pub use container::{Pcap, Pcapng, Resolution};
pub use dhcp::{Dhcp, PxeBoot};
pub use ip::{Extension, Ip};
pub use link::Link;
pub use recording::{Record, Recording};
pub use rng::Rng;
pub use rpc::{Tower, Uuid};
pub use tcp::{Side, Tcp};
pub use tftp::Tftp;
pub use transport::{Segment, flags};

/// Raw encoders, for tests that need a message and no conversation around it.
pub mod encode {
    pub use super::ip::{fragments, packet};
    pub use super::link::{arp_request, lldp, spanning_tree};
    pub use super::rpc::{bind, bind_ack, ept_map_request, ept_map_response, request, response};
    pub use super::tftp::{ack, data, error, oack, read_request, write_request};
    pub use super::transport::{echo, icmp_unreachable, neighbour_solicitation, tcp, udp};
}

/// The socket address written in `text`.
pub fn at(text: &str) -> std::net::SocketAddr {
    text.parse().expect("the address is written in a test")
}

/// The address written in `text`.
pub fn host(text: &str) -> std::net::IpAddr {
    text.parse().expect("the address is written in a test")
}
