//! What the trackers find out.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::flow::IcmpErrorSeen;
use crate::net::{Endpoint, Position, Protocol, Timestamp};
use crate::payload::dhcp::NamedIn;
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
    /// What passed, as far as it tells why a transfer fails.
    pub course: TransferCourse,
}

/// What passed between the ends of a transfer, repeated or not: where it fails, this tells whose
/// packets got lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransferCourse {
    /// How often the request was sent.
    pub requests: u64,
    /// Packets of the server, from any port that answered.
    pub server_packets: u64,
    /// Those of them that only repeat what it had sent from the transfer's port.
    pub server_repeats: u64,
    /// Packets of the client to any port that answered.
    pub client_packets: u64,
    /// Acknowledgments that only repeat an earlier one.
    pub repeated_acknowledgments: u64,
    /// Whether one of those came long after what it repeats: who gets the blocks waits for more.
    pub is_awaited: bool,
    /// Highest block sent, from 1 on.
    pub sent: Option<u64>,
    /// Highest block acknowledged; 0 acknowledges the options.
    pub acknowledged: Option<u64>,
    /// Payload bytes of every DATA packet.
    pub sent_bytes: u64,
    /// Who sent the error.
    pub error_from: Option<TransferEnd>,
    /// The ICMP error that met its packets.
    pub refused: Option<RefusedTransfer>,
}

/// An ICMP error that met the packets of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedTransfer {
    /// Whose packets it quotes.
    pub sent_by: TransferEnd,
    /// The error.
    pub error: IcmpErrorSeen,
}

/// An end of a TFTP transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TransferEnd {
    /// Who asked.
    Client,
    /// Who was asked.
    Server,
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

/// One run of a machine's network boot: from the firmware's first question to its last file,
/// with the boot programs (iPXE) that ask again on the way. A machine that starts anew makes
/// another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Hardware address from `chaddr`; `None` where only TFTP was seen.
    pub client_mac: Option<[u8; 6]>,
    /// Addresses that the machine was given or used in this run, in order.
    pub client_addresses: Vec<IpAddr>,
    /// Architecture, DHCP option 93 (RFC 4578), as the firmware says it.
    pub architecture: Option<u16>,
    /// UUID of the machine, DHCP option 97, in the byte order of the wire.
    pub machine_identifier: Option<[u8; 16]>,
    /// Whether it began as UEFI HTTP boot (option 60 `HTTPClient`).
    pub http: bool,
    /// Whether iPXE asked in this run, as firmware or as boot program (options 77, 175).
    pub ipxe: bool,
    /// Server that the boot file is to come from.
    pub boot_server: Option<IpAddr>,
    /// Boot file named: by the last word to the firmware (BINL before ACK before offer), else
    /// to a boot program.
    pub boot_file: Option<Text>,
    /// Steps seen, in time order, the first of each kind.
    pub steps: Vec<BootStep>,
    /// What the machine asked, in time order, the first of each kind and server.
    pub questions: Vec<BootQuestion>,
    /// What servers answered, in time order; equal answers count once.
    pub answers: Vec<BootAnswer>,
    /// Relays that its messages came through (`giaddr`), in order.
    pub relays: Vec<IpAddr>,
    /// Its TFTP reads, as places in [`super::Evidence::tftp`], in time order.
    pub reads: Vec<usize>,
    /// The first packet.
    pub first: Position,
    /// Time of the last packet, of DHCP or of a transfer.
    pub last: Timestamp,
}

impl Boot {
    /// Whether it takes its files over HTTP: by UEFI HTTP boot, or as iPXE that was given a URL
    /// and read nothing by TFTP.
    pub fn is_over_http(&self) -> bool {
        let is_url = |file: &Text| {
            let begins = |scheme: &[u8]| {
                file.bytes()
                    .get(..scheme.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
            };
            begins(b"http://") || begins(b"https://")
        };
        let by_ipxe = || self.ipxe && self.boot_file.as_ref().is_some_and(is_url);
        self.reads.is_empty() && (self.http || by_ipxe())
    }

    /// The questions on port 4011 whose server never answered there.
    pub fn unanswered_binl(&self) -> impl Iterator<Item = &BootQuestion> {
        let asked = self.questions.iter();
        asked.filter(|question| {
            question.kind == BootQuestionKind::Binl
                && !self.answers.iter().any(|answer| {
                    answer.kind == BootAnswerKind::BinlAck
                        && question
                            .server
                            .is_none_or(|server| server == answer.server || server == answer.sender)
                })
        })
    }
}

/// What a booting machine asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootQuestion {
    /// What it asked for.
    pub kind: BootQuestionKind,
    /// Whom: the server identifier, or where a question on port 4011 went to. `None` for all.
    pub server: Option<IpAddr>,
    /// Address asked for or refused (option 50), or the one that it has.
    pub address: Option<IpAddr>,
    /// 1 for the firmware, one more for each boot program that asks again.
    pub round: u32,
    /// The first such question.
    pub at: Position,
}

/// Kinds of questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BootQuestionKind {
    /// DHCPDISCOVER.
    Discover,
    /// DHCPREQUEST of an address.
    Request,
    /// A question on port 4011, asked from 68 or from 4011.
    Binl,
    /// DHCPDECLINE: the address given is in use.
    Decline,
    /// DHCPINFORM, or a request on port 67 for the boot only.
    Inform,
}

impl BootQuestionKind {
    /// Spelling in reports.
    pub fn code(self) -> &'static str {
        match self {
            Self::Discover => "discover",
            Self::Request => "request",
            Self::Binl => "binl",
            Self::Decline => "decline",
            Self::Inform => "inform",
        }
    }
}

/// What a server told a booting machine by DHCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootAnswer {
    /// What kind of answer.
    pub kind: BootAnswerKind,
    /// Who answered: the server identifier (option 54), or else the sender.
    pub server: IpAddr,
    /// The server identifier, where it was sent.
    pub identifier: Option<IpAddr>,
    /// Source address of the first such packet: the server, or a relay's side towards the client.
    pub sender: IpAddr,
    /// Relay (`giaddr`).
    pub relay: Option<IpAddr>,
    /// Address given to the machine (`yiaddr`).
    pub address: Option<IpAddr>,
    /// Whether option 60 says `PXEClient`: it speaks as a PXE server.
    pub pxe_client: bool,
    /// Whether option 60 says `HTTPClient`.
    pub http_client: bool,
    /// Whether it names a boot server: by option 60, a server name in option 66 or a boot file.
    pub names_boot: bool,
    /// Boot server named: an address in option 66 or `sname`, or else `siaddr`, which many DHCP
    /// servers always fill.
    pub boot_server: Option<IpAddr>,
    /// Boot server as option 66 or `sname` spells it.
    pub boot_server_name: Option<Text>,
    /// Where that name stands.
    pub boot_server_in: Option<NamedIn>,
    /// Boot file named.
    pub boot_file: Option<Text>,
    /// Where it stands: option 67, or the `file` field.
    pub boot_file_in: Option<NamedIn>,
    /// PXE options in option 43.
    pub pxe: Option<PxeInstructions>,
    /// 1 for what the firmware was told, one more for each boot program that asks again.
    pub round: u32,
    /// The first such answer.
    pub at: Position,
}

/// Kinds of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BootAnswerKind {
    /// DHCPOFFER with an address.
    AddressOffer,
    /// DHCPOFFER without an address: of a server that only tells how to boot.
    ProxyOffer,
    /// DHCPACK on port 67, with or without an address.
    Ack,
    /// DHCPACK on port 4011.
    BinlAck,
    /// DHCPNAK.
    Nak,
}

impl BootAnswerKind {
    /// Spelling in reports.
    pub fn code(self) -> &'static str {
        match self {
            Self::AddressOffer => "address-offer",
            Self::ProxyOffer => "proxy-offer",
            Self::Ack => "ack",
            Self::BinlAck => "binl-ack",
            Self::Nak => "nak",
        }
    }
}

/// What a PXE server tells the firmware in option 43 (PXE specification 2.1, table 2-1).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PxeInstructions {
    /// Discovery control: bit 0 no broadcast, bit 1 no multicast, bit 2 only the servers listed,
    /// bit 3 take the file of the offer.
    pub discovery_control: Option<u8>,
    /// Boot servers listed; at most 16.
    pub boot_servers: Vec<IpAddr>,
    /// Texts of the boot menu; at most 16.
    pub menu: Vec<Text>,
    /// Seconds that the prompt of the menu waits: 0 not at all, 255 for ever.
    pub prompt_seconds: Option<u8>,
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
    /// DHCPDISCOVER with options of a network boot (60, 93, 97).
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
    /// Whether TFTP shows it, and not DHCP.
    pub fn is_tftp(self) -> bool {
        matches!(self, Self::TftpRequest | Self::TftpTransfer)
    }

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
