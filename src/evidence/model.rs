//! What the trackers find out.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::net::{Endpoint, Position, Protocol, Timestamp};
use crate::payload::{Text, Uuid};

/// A TFTP request and the transfer it led to (RFC 1350, 2347-2349, 7440).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Read or write.
    pub operation: TransferOperation,
    /// File asked for.
    pub file: Text,
    /// Transfer mode asked for.
    pub mode: Text,
    /// The client's transfer identifier.
    pub client: Endpoint,
    /// The server's transfer identifier; the request's port while nobody answered.
    pub server: Endpoint,
    /// Options that the server granted, by lower-case name.
    pub options: BTreeMap<String, Text>,
    /// Options that the client asked for, by lower-case name.
    pub options_requested: BTreeMap<String, Text>,
    /// How it ended.
    pub outcome: TransferOutcome,
    /// Payload bytes of distinct blocks.
    pub bytes: u64,
    /// Distinct blocks.
    pub blocks: u64,
    /// Blocks sent again.
    pub retransmitted_blocks: u64,
    /// The request.
    pub first: Position,
    /// Time of the last packet.
    pub last: Timestamp,
    /// Error code and text, where one was sent.
    pub error: Option<(u16, Text)>,
    /// The packets that prove it: request, answer, end.
    pub frames: Vec<Position>,
}

/// A TFTP transfer that was under way when the capture began. No request explains it, so it
/// explains no flow: its ends are known by what passed between them alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedTransfer {
    /// Read or write, where the capture shows which end is the server: by an OACK, or port 69.
    pub operation: Option<TransferOperation>,
    /// The client's transfer identifier; where that can't be told, the end that got the blocks.
    pub client: Endpoint,
    /// The other end.
    pub server: Endpoint,
    /// Options that the server granted, by lower-case name, where that was captured.
    pub options: BTreeMap<String, Text>,
    /// How it ended, as far as it can be told.
    pub outcome: TransferOutcome,
    /// Payload bytes of distinct blocks that were captured.
    pub bytes: u64,
    /// Distinct blocks that were captured.
    pub blocks: u64,
    /// Blocks sent again.
    pub retransmitted_blocks: u64,
    /// The first packet that was captured.
    pub first: Position,
    /// Time of the last packet.
    pub last: Timestamp,
    /// Error code and text, where one was sent.
    pub error: Option<(u16, Text)>,
    /// The first packet, and the end.
    pub frames: Vec<Position>,
}

/// Direction of a TFTP transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransferOperation {
    /// RRQ.
    Read,
    /// WRQ.
    Write,
}

impl TransferOperation {
    /// Spelling in reports.
    pub fn code(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// How a TFTP transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferOutcome {
    /// The last block was acknowledged.
    Complete,
    /// One side sent ERROR.
    Error,
    /// The client asked for the size only, and stopped (harmless).
    Aborted,
    /// It began and went silent.
    Stalled,
    /// Nobody answered the request.
    Unanswered,
    /// An ICMP error came in place of an answer.
    Unreachable,
    /// The capture ends before it does, or its end can't be told.
    Open,
}

impl TransferOutcome {
    /// Spelling in reports.
    pub fn code(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Error => "error",
            Self::Aborted => "aborted",
            Self::Stalled => "stalled",
            Self::Unanswered => "unanswered",
            Self::Unreachable => "unreachable",
            Self::Open => "open",
        }
    }
}

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

/// One machine's network boots, by hardware address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Hardware address from `chaddr`; `None` where only TFTP was seen.
    pub client_mac: Option<[u8; 6]>,
    /// Addresses that the machine was given or used, in order.
    pub client_addresses: Vec<IpAddr>,
    /// Architecture, DHCP option 93 (RFC 4578).
    pub architecture: Option<u16>,
    /// Whether it asked by UEFI HTTP boot (option 60 `HTTPClient`).
    pub http: bool,
    /// Server that the boot file is to come from.
    pub boot_server: Option<IpAddr>,
    /// Boot file named.
    pub boot_file: Option<Text>,
    /// Steps seen, in time order, the first of each kind.
    pub steps: Vec<BootStep>,
}

/// What a server offered a booting machine by DHCP; equal offers count once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootOffer {
    /// Hardware address of the machine.
    pub client_mac: [u8; 6],
    /// Who offered: the server identifier, or else the sender.
    pub server: IpAddr,
    /// Address offered; `None` in a proxy offer.
    pub address: Option<IpAddr>,
    /// Whether it names a boot server.
    pub names_boot: bool,
    /// Boot file named.
    pub boot_file: Option<Text>,
    /// The first such offer.
    pub at: Position,
}

/// A step of a network boot that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootStep {
    /// Which step.
    pub kind: BootStepKind,
    /// The packet that shows it.
    pub at: Position,
}

/// The steps of a network boot, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BootStepKind {
    /// DHCPDISCOVER with option 60 `PXEClient` or `HTTPClient`.
    DhcpDiscover,
    /// DHCPOFFER with an address.
    DhcpOffer,
    /// An offer that names a boot server, with or without an address.
    BootOffer,
    /// DHCPACK of the address.
    DhcpAck,
    /// DHCPNAK in place of it.
    DhcpNak,
    /// Answer on port 4011.
    Binl,
    /// TFTP read request.
    TftpRequest,
    /// Every file's last attempt ended well.
    TftpTransfer,
}

impl BootStepKind {
    /// Spelling in reports.
    pub fn code(self) -> &'static str {
        match self {
            Self::DhcpDiscover => "dhcp-discover",
            Self::DhcpOffer => "dhcp-offer",
            Self::BootOffer => "boot-offer",
            Self::DhcpAck => "dhcp-ack",
            Self::DhcpNak => "dhcp-nak",
            Self::Binl => "binl",
            Self::TftpRequest => "tftp-request",
            Self::TftpTransfer => "tftp-transfer",
        }
    }
}

/// A bound of a tracker that was hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvidenceLimit {
    /// Name of the bound.
    pub limit: &'static str,
    /// Its value.
    pub value: u64,
    /// How many things it kept out.
    pub reached: u64,
}
