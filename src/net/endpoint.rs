//! An address with a port, and two of them under one protocol.

use std::fmt;
use std::net::IpAddr;

use super::Protocol;

/// One end of a flow. `port` is 0 where the protocol has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// IPv4 or IPv6 address.
    pub address: IpAddr,
    /// TCP or UDP port; 0 for protocols without ports.
    pub port: u16,
}

impl Endpoint {
    /// An endpoint from its parts.
    pub fn new(address: IpAddr, port: u16) -> Self {
        Self { address, port }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            IpAddr::V4(address) => write!(out, "{address}:{}", self.port),
            IpAddr::V6(address) => write!(out, "[{address}]:{}", self.port),
        }
    }
}

/// A protocol and two ends, in the direction of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FiveTuple {
    /// What the two ends speak.
    pub protocol: Protocol,
    /// The end that sent the packet.
    pub source: Endpoint,
    /// The end it was sent to.
    pub destination: Endpoint,
}

impl FiveTuple {
    /// The same conversation seen from the other side.
    pub fn reversed(self) -> Self {
        Self {
            protocol: self.protocol,
            source: self.destination,
            destination: self.source,
        }
    }
}
