//! The two ends of a flow as verdicts see them: roles, and addresses that are no single host.

use std::net::IpAddr;

use hashbrown::HashSet;

use super::facts::Facts;

use crate::flow::Flow;
use crate::policy::{RoleId, RoleSet, Roles, Target};
use crate::site::{AddressRange, RoleLookup, Site};

/// One end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub address: IpAddr,
    pub roles: RoleSet,
    pub place: Place,
}

/// What an address stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// One host.
    Host,
    /// One host of this link, under an address that no site lists.
    LinkLocal,
    /// A multicast group.
    Group,
    /// All hosts of a link: the limited broadcast, or the last address of a listed prefix.
    Broadcast,
    /// A host that has no address yet.
    Unspecified,
}

impl End {
    /// Whether the verdict must look at the other end.
    pub fn defers(self) -> bool {
        self.roles.is_empty()
            && match self.place {
                Place::LinkLocal | Place::Group | Place::Broadcast => true,
                Place::Host | Place::Unspecified => false,
            }
    }

    /// As whom rules are asked: a host first, where it has roles.
    pub fn targets(self) -> impl Iterator<Item = Target> {
        let host = (!self.roles.is_empty()).then_some(Target::Host(self.roles));
        let many = match self.place {
            Place::Broadcast => Some(Target::Broadcast),
            Place::Group => Some(Target::Group),
            Place::Host | Place::LinkLocal | Place::Unspecified => None,
        };
        host.into_iter().chain(many)
    }
}

/// Both ends of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub initiator: End,
    pub responder: End,
}

impl Ends {
    pub fn reversed(self) -> Self {
        Self {
            initiator: self.responder,
            responder: self.initiator,
        }
    }
}

/// Finds what an address stands for at a site.
pub(super) struct EndLookup {
    roles: RoleLookup,
    broadcasts: HashSet<IpAddr, foldhash::fast::RandomState>,
    client: Option<RoleId>,
}

impl EndLookup {
    pub fn new(site: &Site, roles: &Roles) -> Self {
        Self {
            roles: RoleLookup::new(site, roles),
            broadcasts: site
                .roles
                .iter()
                .filter_map(|(range, _)| directed_broadcast(*range))
                .collect(),
            client: roles.find("client"),
        }
    }

    /// The roles that the site lists for an address.
    pub fn listed_roles(&self, address: IpAddr) -> RoleSet {
        self.roles.listed(address)
    }

    pub fn ends(&self, flow: &Flow, facts: &Facts<'_>) -> Ends {
        Ends {
            initiator: self.end(flow.initiator.address, facts),
            responder: self.end(flow.responder.address, facts),
        }
    }

    fn end(&self, address: IpAddr, facts: &Facts<'_>) -> End {
        let mut roles = self.roles.roles(address);
        // A machine that boots from the network counts as a client, whatever it is for later.
        if let Some(client) = self.client
            && facts.is_booting(address)
        {
            roles.insert(client);
        }
        End {
            address,
            roles,
            place: self.place(address),
        }
    }

    pub fn place(&self, address: IpAddr) -> Place {
        let link_local = match address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        };
        let limited = matches!(address, IpAddr::V4(address) if address.is_broadcast());
        if limited || self.broadcasts.contains(&address) {
            Place::Broadcast
        } else if address.is_multicast() {
            Place::Group
        } else if address.is_unspecified() {
            Place::Unspecified
        } else if link_local {
            Place::LinkLocal
        } else {
            Place::Host
        }
    }
}

/// The last address of a range that is an IPv4 prefix with room for one (RFC 919; RFC 3021 has
/// none in a /31).
fn directed_broadcast(range: AddressRange) -> Option<IpAddr> {
    let has_room = range.first.is_ipv4() && range.extent() >= 3;
    (has_room && range.prefix().is_some()).then_some(range.last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: &str, last: &str) -> AddressRange {
        AddressRange {
            first: first.parse().unwrap(),
            last: last.parse().unwrap(),
        }
    }

    #[test]
    fn only_prefixes_with_room_have_a_broadcast_address() {
        let of = |first, last| directed_broadcast(range(first, last));
        let address = |text: &str| Some(text.parse().unwrap());
        assert_eq!(of("10.1.0.0", "10.1.255.255"), address("10.1.255.255"));
        assert_eq!(of("0.0.0.0", "255.255.255.255"), address("255.255.255.255"));
        assert_eq!(of("10.1.0.0", "10.1.0.3"), address("10.1.0.3"));
        assert_eq!(of("10.1.0.0", "10.1.0.1"), None);
        assert_eq!(of("10.1.0.2", "10.1.0.5"), None);
        assert_eq!(of("10.1.0.7", "10.1.0.7"), None);
        assert_eq!(of("2001:db8::", "2001:db8::ff"), None);
    }
}
