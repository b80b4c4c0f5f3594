//! DHCP before a client has an address (RFC 2131): 0.0.0.0 and the broadcast address stand for
//! the client that boots and for the servers that listen, and relays speak from 67 to 67.

use super::ends::Ends;
use crate::flow::Flow;
use crate::net::Protocol;
use crate::policy::{Lookup, RoleSet, Roles, RuleList, Wanted};
use crate::site::Place;

const SERVER: u16 = 67;
const CLIENT: u16 = 68;

/// Who is who in DHCP.
#[derive(Clone)]
pub(super) struct Dhcp {
    clients: RoleSet,
    servers: RoleSet,
}

/// One end as DHCP sees it.
#[derive(Clone, Copy)]
enum Side {
    Client,
    Server,
    /// A relay stands for the client behind it, whether the site lists it or not.
    Relay,
}

impl Dhcp {
    pub fn new(roles: &Roles) -> Self {
        let set = |ids: &[&str]| {
            let mut set = RoleSet::EMPTY;
            for id in ids.iter().filter_map(|id| roles.find(id)) {
                set.insert(id);
            }
            roles.with_implied(set)
        };
        Self {
            clients: set(&["client"]),
            servers: set(&[
                "distribution-point-pxe",
                "domain-controller",
                "windows-server",
            ]),
        }
    }

    /// Rules that explain a flow between the ports of DHCP, which fits either way round.
    pub fn rules(&self, lookup: &mut Lookup, flow: &Flow, ends: &Ends) -> Option<RuleList> {
        for (client, server) in sides(flow) {
            let (client, server) = (self.roles(ends, client), self.roles(ends, server));
            let answer = lookup.ask(Wanted::Udp(SERVER), client, server, None);
            let rules = &lookup.answer(answer).listed;
            if !rules.is_empty() {
                return Some(rules.clone());
            }
        }
        None
    }

    /// The ends with the roles that they stand for.
    pub fn stand_ins(&self, flow: &Flow, ends: Ends) -> Ends {
        let mut asked = ends;
        for (client, server) in sides(flow) {
            for side in [client, server] {
                let roles = self.roles(&ends, side);
                let end = match side.0 {
                    Which::Initiator => &mut asked.initiator,
                    Which::Responder => &mut asked.responder,
                };
                end.roles = end.roles.union(roles);
            }
        }
        asked
    }

    fn roles(&self, ends: &Ends, (which, side): (Which, Side)) -> RoleSet {
        let end = match which {
            Which::Initiator => ends.initiator,
            Which::Responder => ends.responder,
        };
        match (side, end.place) {
            (Side::Client, Place::Unspecified | Place::Broadcast) => self.clients,
            (Side::Server, Place::Broadcast) => self.servers,
            (Side::Relay, _) => end.roles.union(self.clients),
            (Side::Client | Side::Server, _) => end.roles,
        }
    }
}

#[derive(Clone, Copy)]
enum Which {
    Initiator,
    Responder,
}

type Part = (Which, Side);

/// Client and server of a flow, every way it can be read.
fn sides(flow: &Flow) -> impl Iterator<Item = (Part, Part)> {
    use Which::{Initiator, Responder};
    let ports = match flow.protocol {
        Protocol::Udp => (flow.initiator.port, flow.responder.port),
        Protocol::Tcp | Protocol::IcmpEcho | Protocol::IcmpOther | Protocol::Other(_) => (0, 0),
    };
    let readings = match ports {
        (CLIENT, SERVER) => [
            Some(((Initiator, Side::Client), (Responder, Side::Server))),
            None,
        ],
        (SERVER, CLIENT) => [
            Some(((Responder, Side::Client), (Initiator, Side::Server))),
            None,
        ],
        (SERVER, SERVER) => [
            Some(((Initiator, Side::Relay), (Responder, Side::Server))),
            Some(((Responder, Side::Relay), (Initiator, Side::Server))),
        ],
        _ => [None, None],
    };
    readings.into_iter().flatten()
}
