//! A site file after validation.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::net::{Protocol, Timestamp};
use crate::policy::{Party, PortRange, RoleId, RoleSet};

/// A validated site.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// Name given by the user; that of the file where none is given.
    pub name: String,
    /// The policy as the site names it: `configmgr` or a path.
    pub catalogue: String,
    /// Ranges that hold roles, each once, implied roles left out; the most specific one decides.
    pub roles: Vec<(AddressRange, RoleSet)>,
    /// The same ranges with only the roles that they are written under, not by way of `@role`.
    pub written_roles: Vec<(AddressRange, RoleSet)>,
    /// Names of machines with their addresses.
    pub hosts: BTreeMap<String, Vec<IpAddr>>,
    /// Judge only flows that touch these; `None` judges all.
    pub scope: Option<(RoleSet, Vec<AddressRange>)>,
    /// Custom ports by service id.
    pub ports: BTreeMap<String, Vec<u16>>,
    /// Custom ports by responder role and service id.
    pub role_ports: BTreeMap<RoleId, BTreeMap<String, Vec<u16>>>,
    /// RPC dynamic ranges and the weakest basis that counts.
    pub rpc: RpcSettings,
    /// Note 5: who may open between site server and site systems.
    pub site_server_initiates: SiteServerInitiates,
    /// Capture taken at the border of these; empty where the vantage is unknown.
    pub vantage_inside: Vec<AddressRange>,
    /// What must be seen.
    pub require: RequirementsWanted,
    /// Reviewed exceptions, in file order.
    pub accept: Vec<Acceptance>,
}

/// Addresses from `first` to `last` of one family, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressRange {
    /// First address.
    pub first: IpAddr,
    /// Last address.
    pub last: IpAddr,
}

impl AddressRange {
    /// Whether the address lies within (and is of the same family).
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && self.first <= address && address <= self.last
    }
}

/// RPC settings of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcSettings {
    /// Dynamic ports of every role without ranges of its own.
    pub dynamic: Vec<PortRange>,
    /// Dynamic ports by responder role.
    pub roles: BTreeMap<RoleId, Vec<PortRange>>,
    /// Weakest basis that counts as expected.
    pub minimum: RpcMinimum,
    /// The same between two roles, in file order.
    pub pairs: Vec<RpcPair>,
}

/// One entry of `[rpc.pairs]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RpcPair {
    /// Who opens.
    pub from: Party,
    /// Who listens.
    pub to: Party,
    /// Weakest basis that counts as expected.
    pub minimum: RpcMinimum,
}

impl RpcSettings {
    /// The entry that sets the weakest basis between two hosts; `None` where none does, and
    /// [`minimum`](Self::minimum) holds. An entry with two roles wins, then one with the
    /// responder's, then one with the initiator's; of several alike the strictest.
    pub fn pair(&self, from: RoleSet, to: RoleSet) -> Option<&RpcPair> {
        let holds = |party, roles: RoleSet| match party {
            Party::Any => true,
            Party::Role(role) => roles.contains(role),
        };
        let fitting = self.pairs.iter();
        let fitting = fitting.filter(|pair| holds(pair.from, from) && holds(pair.to, to));
        fitting.min_by_key(|pair| (pair.to == Party::Any, pair.from == Party::Any, pair.minimum))
    }

    /// Weakest basis that counts as expected between two hosts.
    pub fn minimum_between(&self, from: RoleSet, to: RoleSet) -> RpcMinimum {
        let pair = self.pair(from, to);
        pair.map_or(self.minimum, |pair| pair.minimum)
    }
}

impl Default for RpcSettings {
    fn default() -> Self {
        Self {
            dynamic: vec![PortRange {
                low: 49152,
                high: 65535,
            }],
            roles: BTreeMap::new(),
            minimum: RpcMinimum::Inferred,
            pairs: Vec::new(),
        }
    }
}

/// Weakest RPC basis that counts as expected, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RpcMinimum {
    /// Endpoint-mapper answers only.
    Endpoint,
    /// DCOM string bindings too.
    Binding,
    /// Clear binds too.
    Interface,
    /// An earlier contact with port 135 too.
    Inferred,
    /// The range alone.
    Range,
}

impl RpcMinimum {
    /// Every basis, strongest first.
    pub const ALL: [Self; 5] = [
        Self::Endpoint,
        Self::Binding,
        Self::Interface,
        Self::Inferred,
        Self::Range,
    ];

    /// Spelling in site files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Binding => "binding",
            Self::Interface => "interface",
            Self::Inferred => "inferred",
            Self::Range => "range",
        }
    }
}

/// `[direction] site-server-initiates`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SiteServerInitiates {
    /// Either side opens.
    #[default]
    No,
    /// Only the site server opens towards every site system.
    All,
    /// Only the site server opens towards systems of these roles.
    Roles(RoleSet),
}

/// `[require]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequirementsWanted {
    /// Scenario names.
    pub scenarios: Vec<String>,
    /// Section anchors, `anchor/service`, or rule ids, as spelt in the policy.
    pub rules: Vec<String>,
    /// Judge rules for each host of the initiator role.
    pub per_host: bool,
}

/// One `[[accept]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// The text of `match`.
    pub text: String,
    /// Initiator.
    pub from: AcceptedParty,
    /// Responder.
    pub to: AcceptedParty,
    /// Protocol; `None` for any.
    pub protocol: Option<Protocol>,
    /// Responder ports.
    pub ports: AcceptedPorts,
    /// Why it is accepted.
    pub reason: String,
    /// End of the day of `expires`, UTC: a flow whose first packet is later is not accepted.
    pub expires: Option<Timestamp>,
    /// `expires` as written.
    pub expires_text: Option<String>,
}

/// One side of an exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AcceptedParty {
    /// Anyone.
    Any,
    /// Hosts with a role.
    Role(RoleId),
    /// Addresses.
    Range(AddressRange),
}

/// Ports of an exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptedPorts {
    /// Every port, and protocols without ports.
    Any,
    /// These.
    Range(PortRange),
}
