//! What the RPC tracker finds out.

use std::net::IpAddr;

use crate::net::{Position, Protocol};
use crate::payload::Uuid;

/// An RPC endpoint read from the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearnedEndpoint {
    /// Who answered, or the tower's address where it is usable.
    pub server: IpAddr,
    /// Port it listens on.
    pub port: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Interface behind it, where known.
    pub interface: Option<Uuid>,
    /// Well-known name of the interface.
    pub name: Option<&'static str>,
    /// What told it.
    pub basis: RpcBasis,
    /// The packet that told it first.
    pub first: Position,
}

/// How an RPC endpoint became known, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RpcBasis {
    /// An endpoint-mapper answer.
    Endpoint,
    /// A DCOM string binding.
    Binding,
    /// A clear bind on the port.
    Interface,
}
