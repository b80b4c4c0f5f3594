//! One row of a document under one protocol.

use super::RoleId;

/// Allows an initiator to open ports of a responder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    /// `anchor/service/protocol`, with `/n` where that is not unique in its edition.
    pub id: String,
    /// Anchor of the section in the document, as spelt there.
    pub anchor: String,
    /// Edition it belongs to.
    pub edition: String,
    /// Who opens.
    pub initiator: Party,
    /// Who listens.
    pub responder: Party,
    /// Whether either side may open.
    pub direction: Direction,
    /// Transport.
    pub protocol: RuleProtocol,
    /// Responder ports as written; empty for RPC dynamic ports and ICMP.
    pub ports: Vec<PortRange>,
    /// What kind of ports.
    pub kind: Kind,
    /// Service id, `http`, `smb` …
    pub service: String,
    /// Whether a site may use another port.
    pub alternate_port: bool,
    /// Whether the ports are a choice (`80 or 8530`) rather than all in use.
    pub alternatives: bool,
    /// Notes of the document that bear on it.
    pub notes: Vec<String>,
    /// When it applies, in words.
    pub condition: Option<String>,
    /// Services of the same section that may be used in its place (`http` for
    /// `client-notification`).
    pub fallback: Vec<String>,
    /// File name of the document, or of the user's policy file.
    pub document: String,
}

impl Rule {
    /// Which custom ports of a site take the place of the listed ones. Ports that are a choice
    /// are those of WSUS (note 3 of the documents), which each server sets for itself.
    pub fn custom_ports(&self) -> CustomPorts {
        match (self.alternate_port, self.alternatives) {
            (_, true) => CustomPorts::OfRole,
            (true, false) => CustomPorts::Any,
            (false, false) => CustomPorts::Never,
        }
    }
}

/// One side of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// Any host with a role.
    Any,
    /// Hosts with this role.
    Role(RoleId),
}

/// Who may open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Only the initiator (`-->`).
    OneWay,
    /// Either side, towards the listed port of the other (`<-->`).
    Either,
}

impl Direction {
    /// Spelling in policy files and reports.
    pub fn code(self) -> &'static str {
        match self {
            Self::OneWay => "one-way",
            Self::Either => "either",
        }
    }
}

/// Transport of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleProtocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP echo.
    Icmp,
}

impl RuleProtocol {
    /// Spelling in rule ids and reports.
    pub fn code(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
        }
    }
}

/// What kind of ports a rule opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Ports by number.
    Fixed,
    /// The RPC dynamic range of the responder.
    RpcDynamic,
    /// ICMP echo.
    IcmpEcho,
    /// A range named for RPC that opens nothing by itself (`bkmk_discovery`).
    RpcRange,
}

impl Kind {
    /// Spelling in reports.
    pub fn code(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::RpcDynamic => "rpc-dynamic",
            Self::IcmpEcho => "icmp-echo",
            Self::RpcRange => "rpc-range",
        }
    }
}

/// Which custom ports of a site take the place of a rule's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CustomPorts {
    /// None.
    Never,
    /// Those of the service, for every responder or for one role.
    Any,
    /// Only those given for the responder's role: WSUS, whose HTTP and HTTPS ports are a pair.
    OfRole,
}

/// Ports from `low` to `high`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    /// First port.
    pub low: u16,
    /// Last port, not below `low`.
    pub high: u16,
}

impl PortRange {
    /// Whether the port lies within.
    pub fn contains(self, port: u16) -> bool {
        (self.low..=self.high).contains(&port)
    }
}
