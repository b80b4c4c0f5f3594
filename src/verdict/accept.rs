//! What the site file says about single flows beside roles: scope and reviewed exceptions.

use super::ends::{End, Ends};
use crate::flow::Flow;
use crate::net::{Endpoint, Protocol};
use crate::site::{Acceptance, AcceptedParty, AcceptedPorts, Site};

/// What the exceptions of a site say of an unexpected flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Accepted {
    /// None matches.
    No,
    /// The one with this index accepts it.
    By(usize),
    /// The one with this index matches, but the flow began after its date.
    Expired(usize),
}

/// Whether the audit is asked about the flow.
pub(super) fn in_scope(site: &Site, ends: &Ends) -> bool {
    let Some((roles, ranges)) = &site.scope else {
        return true;
    };
    [ends.initiator, ends.responder].iter().any(|end| {
        roles.intersects(end.roles) || ranges.iter().any(|range| range.contains(end.address))
    })
}

/// The first exception that still holds; else the first that held once.
pub(super) fn accepted(site: &Site, flow: &Flow, ends: &Ends, either_way: bool) -> Accepted {
    let fits = |entry: &Acceptance| {
        matches(entry, flow.protocol, ends, flow.responder)
            || (either_way && matches(entry, flow.protocol, &ends.reversed(), flow.initiator))
    };
    let mut found = Accepted::No;
    for (index, entry) in site
        .accept
        .iter()
        .enumerate()
        .filter(|(_, entry)| fits(entry))
    {
        if entry.expires.is_none_or(|date| flow.first.time <= date) {
            return Accepted::By(index);
        }
        if found == Accepted::No {
            found = Accepted::Expired(index);
        }
    }
    found
}

fn matches(entry: &Acceptance, protocol: Protocol, ends: &Ends, responder: Endpoint) -> bool {
    let ports = match entry.ports {
        AcceptedPorts::Any => true,
        AcceptedPorts::Range(range) => {
            matches!(protocol, Protocol::Tcp | Protocol::Udp) && range.contains(responder.port)
        }
    };
    ports
        && entry.protocol.is_none_or(|wanted| wanted == protocol)
        && is_party(&entry.from, ends.initiator)
        && is_party(&entry.to, ends.responder)
}

fn is_party(party: &AcceptedParty, end: End) -> bool {
    match party {
        AcceptedParty::Any => true,
        AcceptedParty::Role(role) => end.roles.contains(*role),
        AcceptedParty::Range(range) => range.contains(end.address),
    }
}
