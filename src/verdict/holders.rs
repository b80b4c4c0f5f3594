//! Who holds a role, and whether traffic between two roles can be seen from where the capture
//! was taken.

use std::net::IpAddr;

use super::facts::Facts;
use crate::policy::{Party, RoleSet, Roles};
use crate::site::{AddressRange, Site};

/// Whether flows between two parties can be seen at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visibility {
    /// They can.
    Observable,
    /// Nobody holds this side.
    NobodyHolds(Party),
    /// Both sides are on one machine.
    SameMachine,
    /// Both sides are on the same side of the vantage.
    SameSide,
}

/// The holders of roles of one site.
pub(super) struct Holders<'a> {
    site: &'a Site,
    /// Ranges with every role that their hosts have.
    ranges: Vec<(AddressRange, RoleSet)>,
    /// Single addresses with the roles that they are written under, and what those imply.
    written: Vec<(IpAddr, RoleSet)>,
    external: RoleSet,
}

/// Where a holder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    Addresses(AddressRange),
    /// External parties without addresses.
    Outside,
}

impl<'a> Holders<'a> {
    pub fn new(site: &'a Site, roles: &Roles) -> Self {
        let mut external = RoleSet::EMPTY;
        for (id, role) in roles.iter() {
            if role.external {
                external.insert(id);
            }
        }
        Self {
            site,
            ranges: site
                .roles
                .iter()
                .map(|(range, held)| (*range, roles.with_implied(*held)))
                .collect(),
            written: site
                .written_roles
                .iter()
                .filter(|(range, _)| range.first == range.last)
                .map(|(range, written)| (range.first, roles.with_implied(*written)))
                .collect(),
            external,
        }
    }

    /// Machines that the site lists by single addresses under one of `roles`: a server that is a
    /// client by way of `@role` is not listed as a client.
    pub fn single_hosts(&self, roles: RoleSet) -> impl Iterator<Item = IpAddr> {
        let written = self.written.iter();
        written
            .filter(move |(_, written)| written.intersects(roles))
            .map(|(address, _)| *address)
    }

    /// Machines that the site lists by single addresses and that hold the party.
    pub fn single_holders(&self, party: Party) -> impl Iterator<Item = IpAddr> {
        self.ranges
            .iter()
            .filter(move |(range, held)| {
                let holds = match party {
                    Party::Any => true,
                    Party::Role(role) => held.contains(role),
                };
                range.first == range.last && holds
            })
            .map(|(range, _)| range.first)
    }

    /// Whether flows from `from` to `to` can be seen.
    pub fn visibility(&self, facts: &Facts<'_>, from: Party, to: Party) -> Visibility {
        let sources = self.holders(from);
        self.visibility_of(facts, &sources, from, to)
    }

    /// Whether flows from one machine to `to` can be seen, or as well those from `to` to it.
    pub fn visibility_from(&self, facts: &Facts<'_>, from: IpAddr, to: Party) -> Visibility {
        let range = AddressRange::single(from);
        self.visibility_of(facts, &[Where::Addresses(range)], Party::Any, to)
    }

    fn visibility_of(
        &self,
        facts: &Facts<'_>,
        sources: &[Where],
        from: Party,
        to: Party,
    ) -> Visibility {
        let targets = self.holders(to);
        if sources.is_empty() {
            return Visibility::NobodyHolds(from);
        }
        if targets.is_empty() {
            return Visibility::NobodyHolds(to);
        }
        let pairs = || {
            sources
                .iter()
                .flat_map(|source| targets.iter().map(move |target| (*source, *target)))
        };
        let apart = |(source, target): &(Where, Where)| match (source, target) {
            (Where::Addresses(source), Where::Addresses(target)) => {
                source.first != source.last
                    || target.first != target.last
                    || facts.machine(source.first) != facts.machine(target.first)
            }
            (Where::Outside, _) | (_, Where::Outside) => true,
        };
        if !pairs().any(|pair| apart(&pair)) {
            return Visibility::SameMachine;
        }
        if self.site.vantage_inside.is_empty() {
            return Visibility::Observable;
        }
        let crosses = |(source, target): (Where, Where)| {
            let (source, target) = (self.sides(source), self.sides(target));
            source.inside && target.outside || source.outside && target.inside
        };
        if pairs().filter(apart).any(crosses) {
            Visibility::Observable
        } else {
            Visibility::SameSide
        }
    }

    fn holders(&self, party: Party) -> Vec<Where> {
        let listed = |holds: &dyn Fn(RoleSet) -> bool| {
            let ranges = self.ranges.iter().filter(|(_, held)| holds(*held));
            ranges
                .map(|(range, _)| Where::Addresses(*range))
                .collect::<Vec<_>>()
        };
        match party {
            Party::Any => listed(&|held| !held.is_empty()),
            Party::Role(role) => {
                let holders = listed(&|held| held.contains(role));
                match holders.is_empty() && self.external.contains(role) {
                    true => vec![Where::Outside],
                    false => holders,
                }
            }
        }
    }

    fn sides(&self, place: Where) -> Sides {
        let Where::Addresses(range) = place else {
            return Sides {
                inside: false,
                outside: true,
            };
        };
        let inside = &self.site.vantage_inside;
        Sides {
            inside: inside.iter().any(|part| part.overlaps(&range)),
            outside: !inside
                .iter()
                .any(|part| part.contains(range.first) && part.contains(range.last)),
        }
    }
}

/// On which sides of the vantage a range has addresses.
#[derive(Clone, Copy)]
struct Sides {
    inside: bool,
    outside: bool,
}
