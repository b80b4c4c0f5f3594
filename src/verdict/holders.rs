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
    ranges: Vec<(RoleSet, Place)>,
    /// Single addresses with the roles that they are written under, and what those imply.
    written: Vec<(IpAddr, RoleSet)>,
    external: RoleSet,
}

/// Roles that somebody holds: a host of the site, or an external party, whose addresses need not
/// be listed.
pub(super) fn held(site: &Site, roles: &Roles) -> RoleSet {
    let listed = site.roles.iter();
    let mut held = listed.fold(RoleSet::EMPTY, |held, (_, written)| {
        held.union(roles.with_implied(*written))
    });
    for (id, role) in roles.iter() {
        if role.external {
            held.insert(id);
        }
    }
    held
}

/// Where a holder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// None for external parties without addresses.
    range: Option<AddressRange>,
    sides: Sides,
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
                .map(|(range, held)| (roles.with_implied(*held), Place::of(site, *range)))
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
            .filter(move |(held, _)| match party {
                Party::Any => true,
                Party::Role(role) => held.contains(role),
            })
            .filter_map(|(_, place)| place.single())
    }

    /// The ranges that hold a party, with every role of theirs.
    pub fn ranges_of(&self, party: Party) -> impl Iterator<Item = (RoleSet, &AddressRange)> {
        let holding = self.ranges.iter().filter(move |(held, _)| match party {
            Party::Any => !held.is_empty(),
            Party::Role(role) => held.contains(role),
        });
        holding.filter_map(|(held, place)| Some((*held, place.range.as_ref()?)))
    }

    /// Whether flows from `from` to `to` can be seen.
    pub fn visibility(&self, facts: &Facts<'_>, from: Party, to: Party) -> Visibility {
        let sources = self.holders(from);
        self.visibility_of(facts, &sources, from, to)
    }

    /// Whether flows from one machine to `to` can be seen, or as well those from `to` to it.
    pub fn visibility_from(&self, facts: &Facts<'_>, from: IpAddr, to: Party) -> Visibility {
        let place = Place::of(self.site, AddressRange::single(from));
        self.visibility_of(facts, &[place], Party::Any, to)
    }

    fn visibility_of(
        &self,
        facts: &Facts<'_>,
        sources: &[Place],
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
        let apart = |(source, target): &(Place, Place)| match (source.single(), target.single()) {
            (Some(source), Some(target)) => facts.machine(source) != facts.machine(target),
            _ => true,
        };
        if !pairs().any(|pair| apart(&pair)) {
            return Visibility::SameMachine;
        }
        if self.site.vantage_inside.is_empty() {
            return Visibility::Observable;
        }
        // Looking at pairs takes long where there are many, and most often all are on one side.
        let (from, to) = (Sides::of_all(sources), Sides::of_all(&targets));
        let crosses = |(source, target): (Place, Place)| source.sides.crosses(target.sides);
        if from.crosses(to) && pairs().filter(apart).any(crosses) {
            Visibility::Observable
        } else {
            Visibility::SameSide
        }
    }

    fn holders(&self, party: Party) -> Vec<Place> {
        let ranges = self.ranges.iter();
        let holders: Vec<Place> = ranges
            .filter(|(held, _)| match party {
                Party::Any => !held.is_empty(),
                Party::Role(role) => held.contains(role),
            })
            .map(|(_, place)| *place)
            .collect();
        match party {
            Party::Role(role) if holders.is_empty() && self.external.contains(role) => {
                vec![Place::OUTSIDE]
            }
            Party::Any | Party::Role(_) => holders,
        }
    }
}

impl Place {
    /// External parties without addresses.
    const OUTSIDE: Self = Self {
        range: None,
        sides: Sides {
            inside: false,
            outside: true,
        },
    };

    fn of(site: &Site, range: AddressRange) -> Self {
        let inside = &site.vantage_inside;
        Self {
            range: Some(range),
            sides: Sides {
                inside: inside.iter().any(|part| part.overlaps(&range)),
                outside: !inside
                    .iter()
                    .any(|part| part.contains(range.first) && part.contains(range.last)),
            },
        }
    }

    /// The address, where it is only one.
    fn single(&self) -> Option<IpAddr> {
        let range = self.range?;
        (range.first == range.last).then_some(range.first)
    }
}

/// On which sides of the vantage a range has addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sides {
    inside: bool,
    outside: bool,
}

impl Sides {
    fn of_all(places: &[Place]) -> Self {
        Self {
            inside: places.iter().any(|place| place.sides.inside),
            outside: places.iter().any(|place| place.sides.outside),
        }
    }

    fn crosses(self, other: Self) -> bool {
        self.inside && other.outside || self.outside && other.inside
    }
}
