//! The two ends of a flow as verdicts see them: roles, and addresses that are no single host.

use std::net::IpAddr;

use super::facts::Facts;
use crate::flow::Flow;
use crate::policy::{Many, RoleId, RoleSet, Roles};
use crate::site::{Place, RoleLookup, Site};

/// One end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub address: IpAddr,
    pub roles: RoleSet,
    pub place: Place,
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

    /// The many that the address stands for.
    pub fn many(self) -> Option<Many> {
        match self.place {
            Place::Broadcast => Some(Many::Broadcast),
            Place::Group => Some(Many::Group),
            Place::Host | Place::LinkLocal | Place::Unspecified => None,
        }
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
    addresses: RoleLookup,
    client: Option<RoleId>,
}

impl EndLookup {
    pub fn new(site: &Site, roles: &Roles) -> Self {
        Self {
            addresses: RoleLookup::new(site, roles),
            client: roles.find("client"),
        }
    }

    /// The roles that the site lists for an address.
    pub fn listed_roles(&self, address: IpAddr) -> RoleSet {
        self.addresses.listed(address)
    }

    /// Whether an address stands for many hosts, who do not answer one by one.
    pub fn is_for_many(&self, address: IpAddr) -> bool {
        match self.addresses.meaning(address).place {
            Place::Group | Place::Broadcast => true,
            Place::Host | Place::LinkLocal | Place::Unspecified => false,
        }
    }

    pub fn ends(&self, flow: &Flow, facts: &Facts<'_>) -> Ends {
        Ends {
            initiator: self.end(flow.initiator.address, facts),
            responder: self.end(flow.responder.address, facts),
        }
    }

    #[inline]
    fn end(&self, address: IpAddr, facts: &Facts<'_>) -> End {
        let meaning = self.addresses.meaning(address);
        let mut roles = meaning.roles;
        // A machine that boots from the network counts as a client, whatever it is for later.
        if let Some(client) = self.client
            && facts.is_booting(address)
        {
            roles.insert(client);
        }
        End {
            address,
            roles,
            place: meaning.place,
        }
    }
}
