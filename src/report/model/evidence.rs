//! What the trackers found out: transfers, RPC endpoints.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{FrameReference, Places, time};
use crate::evidence::{JoinedTransfer, RpcBasis, Transfer, TransferOperation};
use crate::net::{Endpoint, Timestamp};
use crate::payload::Text;
use crate::report::escape;
use crate::verdict::RpcUse;

/// A TFTP transfer.
#[derive(Clone, Debug, Serialize)]
pub struct Tftp {
    /// `read` or `write`; null where the request was not captured and nothing else tells.
    pub operation: Option<&'static str>,
    /// File asked for; null where the request was not captured.
    pub file: Option<String>,
    /// Transfer mode; null where the request was not captured.
    pub mode: Option<String>,
    /// Who asked; where that can't be told, who got the blocks.
    pub client: Peer,
    /// Who answered, with the transfer's port.
    pub server: Peer,
    /// Options granted.
    pub options: BTreeMap<String, String>,
    /// Options asked for.
    pub options_requested: BTreeMap<String, String>,
    /// How it ended.
    pub outcome: &'static str,
    /// Payload bytes of distinct blocks.
    pub bytes: u64,
    /// Distinct blocks.
    pub blocks: u64,
    /// Blocks sent or captured again.
    pub retransmitted_blocks: u64,
    /// Blocks that were acknowledged, or that others followed, and were never captured.
    pub missing_blocks: u64,
    /// `bytes` over the time from first to last packet; null where no time passed.
    pub bytes_per_second: Option<u64>,
    /// The request; the first packet where that was not captured.
    pub first: Option<String>,
    /// The last packet.
    pub last: Option<String>,
    /// The error, where one was sent.
    pub error: Option<TftpError>,
}

/// One end of a transfer.
#[derive(Clone, Debug, Serialize)]
pub struct Peer {
    /// Address.
    pub address: String,
    /// Port.
    pub port: u16,
}

/// A TFTP ERROR packet.
#[derive(Clone, Debug, Serialize)]
pub struct TftpError {
    /// Code, RFC 1350 appendix.
    pub code: u16,
    /// Text.
    pub message: String,
}

impl Tftp {
    /// A transfer.
    pub fn new(transfer: &Transfer) -> Self {
        Self {
            operation: Some(transfer.operation.code()),
            file: Some(escape::bytes(transfer.file.bytes())),
            mode: Some(escape::bytes(transfer.mode.bytes())),
            client: peer(transfer.client),
            server: peer(transfer.server),
            options: options(&transfer.options),
            options_requested: options(&transfer.options_requested),
            outcome: transfer.outcome.code(),
            bytes: transfer.bytes,
            blocks: transfer.blocks,
            retransmitted_blocks: transfer.retransmitted_blocks,
            missing_blocks: transfer.missing_blocks,
            bytes_per_second: rate(transfer.bytes, transfer.first.time, transfer.last),
            first: time(transfer.first.time),
            last: time(transfer.last),
            error: transfer.error.as_ref().map(error),
        }
    }

    /// A transfer whose request was not captured.
    pub fn joined(transfer: &JoinedTransfer) -> Self {
        Self {
            operation: transfer.operation.map(TransferOperation::code),
            file: None,
            mode: None,
            client: peer(transfer.client),
            server: peer(transfer.server),
            options: options(&transfer.options),
            options_requested: BTreeMap::new(),
            outcome: transfer.outcome.code(),
            bytes: transfer.bytes,
            blocks: transfer.blocks,
            retransmitted_blocks: transfer.retransmitted_blocks,
            missing_blocks: transfer.missing_blocks,
            bytes_per_second: rate(transfer.bytes, transfer.first.time, transfer.last),
            first: time(transfer.first.time),
            last: time(transfer.last),
            error: transfer.error.as_ref().map(error),
        }
    }
}

fn error((code, message): &(u16, Text)) -> TftpError {
    TftpError {
        code: *code,
        message: escape::bytes(message.bytes()),
    }
}

/// Bytes per second, rounded down.
fn rate(bytes: u64, first: Timestamp, last: Timestamp) -> Option<u64> {
    let rate = (u128::from(bytes) * 1_000_000_000).checked_div(u128::from(last.since_ns(first)))?;
    Some(u64::try_from(rate).unwrap_or(u64::MAX))
}

fn peer(endpoint: Endpoint) -> Peer {
    Peer {
        address: endpoint.address.to_string(),
        port: endpoint.port,
    }
}

fn options(options: &BTreeMap<String, Text>) -> BTreeMap<String, String> {
    options
        .iter()
        .map(|(name, value)| (escape::bytes(name.as_bytes()), escape::bytes(value.bytes())))
        .collect()
}

/// An RPC endpoint read from the wire.
#[derive(Clone, Debug, Serialize)]
pub struct Rpc {
    /// Who answered, or the tower's address where it is usable.
    pub server: String,
    /// Port it listens on.
    pub port: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// UUID of the interface.
    pub interface: Option<String>,
    /// Its well-known name.
    pub name: Option<&'static str>,
    /// What told it, as the basis of a verdict.
    pub basis: &'static str,
    /// When it became known.
    pub first: Option<String>,
    /// The packet that told it.
    pub frames: Vec<FrameReference>,
    /// Flows that it explains.
    pub used_by_flows: u64,
}

impl Rpc {
    /// An endpoint of an audit with these captures.
    pub fn new(learned: &RpcUse, places: &Places) -> Self {
        let endpoint = &learned.endpoint;
        Self {
            server: endpoint.server.to_string(),
            port: endpoint.port,
            protocol: endpoint.protocol.to_string(),
            interface: endpoint.interface.map(|interface| interface.to_string()),
            name: endpoint.name,
            basis: match endpoint.basis {
                RpcBasis::Endpoint => "rpc-endpoint",
                RpcBasis::Binding => "rpc-binding",
                RpcBasis::Interface => "rpc-interface",
            },
            first: time(endpoint.first.time),
            frames: places.frames(&[endpoint.first]),
            used_by_flows: learned.used_by_flows,
        }
    }
}
