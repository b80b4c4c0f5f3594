//! What the DHCP tracker finds out.

use std::net::IpAddr;

use crate::net::{Position, Timestamp};
use crate::payload::Text;
use crate::payload::dhcp::NamedIn;

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
    /// Its TFTP reads, as places in [`crate::evidence::Evidence::tftp`], in time order.
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
