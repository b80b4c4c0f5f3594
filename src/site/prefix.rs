//! From an address to what it means at a site: the most specific range that holds it decides on
//! the roles of its host.
//!
//! Everything that an address alone decides is flattened once into disjoint segments; a look-up
//! is one step into a table by the first 16 bits (IPv4) and a binary search among the segments
//! that begin there. What an address costs hardly grows with the number of ranges.

use std::net::IpAddr;

use hashbrown::HashMap;

use super::external::registry;
use super::place::{self, Place};
use super::segments::{Number, Segments};
use super::{AddressRange, Site};
use crate::policy::{RoleSet, Roles};

/// What an address means at a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Meaning {
    /// The roles that the site lists for it, implied ones too.
    pub listed: RoleSet,
    /// The same; those of external parties where the site lists none for it and it is globally
    /// reachable.
    pub roles: RoleSet,
    /// What it stands for.
    pub place: Place,
}

/// The compiled addresses of a site.
#[derive(Clone, Debug)]
pub struct RoleLookup {
    v4: Segments<u32, u32>,
    /// Segment that holds the first address of each /16.
    v4_first_level: Box<[u32]>,
    v6: Segments<u128, u32>,
    /// What the numbers in the segments stand for.
    meanings: Vec<Meaning>,
    external: RoleSet,
}

impl RoleLookup {
    /// Compiles the ranges of a site, with the roles that others imply.
    pub fn new(site: &Site, roles: &Roles) -> Self {
        let mut listed = RoleSet::EMPTY;
        for (_, set) in &site.roles {
            listed = listed.union(*set);
        }
        let external = external_without_addresses(roles, listed);
        let mut meanings = Meanings::default();
        let v4 = flatten(site, roles, external, &mut meanings);
        let v6 = flatten(site, roles, external, &mut meanings);
        let v4_first_level = v4
            .indices((0..=u16::MAX).map(|high| u32::from(high) << 16))
            .collect();
        Self {
            v4,
            v4_first_level,
            v6,
            meanings: meanings.list,
            external,
        }
    }

    /// What an address means.
    pub fn meaning(&self, address: IpAddr) -> Meaning {
        let number = match address {
            IpAddr::V4(address) => {
                let address = u32::from(address);
                let high = (address >> 16) as usize;
                let low = self.v4_first_level[high] as usize;
                let end = match self.v4_first_level.get(high + 1) {
                    Some(next) => *next as usize + 1,
                    None => self.v4.len(),
                };
                self.v4.value_within(address, low, end)
            }
            IpAddr::V6(address) => self.v6.value(u128::from(address)),
        };
        self.meanings[number as usize]
    }

    /// The roles of an address, implied ones too; those of external parties where the site
    /// lists none for it and it is globally reachable; else empty.
    pub fn roles(&self, address: IpAddr) -> RoleSet {
        self.meaning(address).roles
    }

    /// The roles that the site lists for an address, implied ones too.
    pub fn listed(&self, address: IpAddr) -> RoleSet {
        self.meaning(address).listed
    }

    /// The external parties that stand for every other globally reachable address.
    pub fn external(&self) -> RoleSet {
        self.external
    }
}

/// Meanings as they are found, each once.
#[derive(Default)]
struct Meanings {
    list: Vec<Meaning>,
    numbers: HashMap<Meaning, u32, foldhash::fast::RandomState>,
}

impl Meanings {
    fn number(&mut self, meaning: Meaning) -> u32 {
        *self.numbers.entry(meaning).or_insert_with(|| {
            self.list.push(meaning);
            (self.list.len() - 1) as u32
        })
    }
}

/// One family's addresses by their meaning.
fn flatten<N: Number>(
    site: &Site,
    roles: &Roles,
    external: RoleSet,
    meanings: &mut Meanings,
) -> Segments<N, u32> {
    let of_family = |range: &AddressRange| Some((N::of(range.first)?, N::of(range.last)?));
    let ranges: Vec<(N, N, RoleSet)> = site
        .roles
        .iter()
        .filter_map(|(range, set)| {
            let (first, last) = of_family(range)?;
            Some((first, last, roles.with_implied(*set)))
        })
        .collect();
    let places: Vec<(N, N, Place)> = place::ranges(site)
        .filter_map(|(range, place)| {
            let (first, last) = of_family(&range)?;
            Some((first, last, place))
        })
        .collect();
    let reachable: Vec<(N, N, bool)> = registry()
        .filter_map(|(range, reachable)| {
            let (first, last) = of_family(&range)?;
            Some((first, last, reachable))
        })
        .collect();
    let listed = Segments::new(&ranges, RoleSet::EMPTY, RoleSet::union);
    let places = Segments::new(&places, Place::Host, |place, _| place);
    let reachable = Segments::new(&reachable, false, |one, other| one && other);
    let around = places.overlaid(&reachable, |place, reachable| (place, reachable));
    listed.overlaid(&around, |listed, (place, reachable)| {
        let roles = match listed.is_empty() && reachable {
            true => external,
            false => listed,
        };
        meanings.number(Meaning {
            listed,
            roles,
            place,
        })
    })
}

fn external_without_addresses(roles: &Roles, listed: RoleSet) -> RoleSet {
    let mut external = RoleSet::EMPTY;
    for (id, role) in roles.iter() {
        if role.external && !listed.contains(id) {
            external.insert(id);
        }
    }
    external
}

/// The ranges of a list that another range of the same size overlaps, as pairs of indices.
///
/// Neither is more specific, so that the roles of the addresses in both are undecided. The
/// same range twice is no conflict.
pub(super) fn conflicts(ranges: &[AddressRange]) -> Vec<(usize, usize)> {
    let mut order: Vec<usize> = (0..ranges.len()).collect();
    order.sort_by_key(|index| {
        let range = &ranges[*index];
        (range.extent(), range.first, *index)
    });
    // Among ranges of one size in order, one that overlaps any overlaps its neighbour.
    order
        .windows(2)
        .map(|pair| (pair[0].min(pair[1]), pair[0].max(pair[1])))
        .filter(|(one, other)| {
            let (one, other) = (&ranges[*one], &ranges[*other]);
            one != other && one.extent() == other.extent() && one.overlaps(other)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Role, RoleId};
    use crate::site::is_globally_reachable;
    use proptest::prelude::*;

    fn roles() -> Roles {
        let mut roles = Roles::default();
        for (index, id) in ["client", "dp", "dp-pxe", "internet", "azure"]
            .iter()
            .enumerate()
        {
            roles.add(Role {
                id: (*id).to_owned(),
                name: (*id).to_owned(),
                also: if *id == "dp-pxe" {
                    vec![RoleId(1)]
                } else {
                    Vec::new()
                },
                external: index >= 3,
                editions: Vec::new(),
            });
        }
        roles
    }

    fn set(ids: &[u8]) -> RoleSet {
        let mut set = RoleSet::EMPTY;
        for id in ids {
            set.insert(RoleId(*id));
        }
        set
    }

    fn site(ranges: &[(&str, &[u8])]) -> Site {
        let range = |text: &str| match text.parse::<ipnet::IpNet>() {
            Ok(net) => AddressRange {
                first: net.network(),
                last: net.broadcast(),
            },
            Err(_) => AddressRange::single(text.parse().expect("an address")),
        };
        Site {
            roles: ranges
                .iter()
                .map(|(text, ids)| (range(text), set(ids)))
                .collect(),
            ..Site::default()
        }
    }

    #[test]
    fn the_most_specific_range_decides() {
        let lookup = RoleLookup::new(
            &site(&[
                ("10.1.0.0/16", &[0]),
                ("10.1.0.12", &[2]),
                ("10.1.2.0/24", &[1]),
                ("2001:db8::/32", &[0]),
                ("2001:db8::11", &[1]),
            ]),
            &roles(),
        );
        let at = |text: &str| lookup.listed(text.parse().expect("an address"));
        assert_eq!(at("10.1.0.11"), set(&[0]));
        assert_eq!(at("10.1.0.12"), set(&[1, 2]), "not a client, and a dp too");
        assert_eq!(at("10.1.0.13"), set(&[0]));
        assert_eq!(at("10.1.2.255"), set(&[1]));
        assert_eq!(at("10.1.3.0"), set(&[0]));
        assert_eq!(at("10.2.0.0"), RoleSet::EMPTY);
        assert_eq!(at("2001:db8::10"), set(&[0]));
        assert_eq!(at("2001:db8::11"), set(&[1]));
        assert_eq!(at("2001:db9::"), RoleSet::EMPTY);
    }

    #[test]
    fn holds_the_first_and_the_last_address() {
        let lookup = RoleLookup::new(
            &site(&[
                ("0.0.0.0/0", &[0]),
                ("255.255.255.255", &[1]),
                ("::/0", &[0]),
                ("::", &[1]),
            ]),
            &roles(),
        );
        let at = |text: &str| lookup.listed(text.parse().expect("an address"));
        assert_eq!(at("0.0.0.0"), set(&[0]));
        assert_eq!(at("255.255.255.254"), set(&[0]));
        assert_eq!(at("255.255.255.255"), set(&[1]));
        assert_eq!(at("::"), set(&[1]));
        assert_eq!(at("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), set(&[0]));
    }

    #[test]
    fn external_parties_stand_for_the_rest_of_the_internet() {
        let lookup = RoleLookup::new(
            &site(&[("10.0.0.0/8", &[0]), ("20.0.0.0/8", &[4])]),
            &roles(),
        );
        let at = |text: &str| lookup.roles(text.parse().expect("an address"));
        assert_eq!(at("1.1.1.1"), set(&[3]), "azure has addresses of its own");
        assert_eq!(at("20.1.1.1"), set(&[4]));
        assert_eq!(at("10.1.1.1"), set(&[0]));
        assert_eq!(at("192.168.1.1"), RoleSet::EMPTY);
        assert_eq!(at("224.0.0.1"), RoleSet::EMPTY);
        assert_eq!(
            lookup.listed("1.1.1.1".parse().expect("an address")),
            RoleSet::EMPTY
        );
        assert_eq!(lookup.external(), set(&[3]));
    }

    #[test]
    fn finds_ranges_of_one_size_that_overlap() {
        let range = |first: [u8; 4], last: [u8; 4]| AddressRange {
            first: first.into(),
            last: last.into(),
        };
        let a = range([10, 0, 0, 0], [10, 0, 0, 9]);
        let b = range([10, 0, 0, 5], [10, 0, 0, 14]);
        let inside = range([10, 0, 0, 5], [10, 0, 0, 6]);
        let apart = range([10, 0, 0, 20], [10, 0, 0, 29]);
        assert_eq!(conflicts(&[apart, b, inside, a]), [(1, 3)]);
        assert_eq!(conflicts(&[a, a, inside, apart]), []);
    }

    /// Ranges in two small corners, so that they nest, touch and overlap often.
    fn ranges() -> impl Strategy<Value = Vec<(AddressRange, RoleSet)>> {
        let corner = prop_oneof![Just(0u32), Just(0x0a00_fff0), Just(u32::MAX - 63)];
        let range = (corner, 0u32..64, 0u32..64, any::<bool>(), 0u8..4);
        let range = range.prop_map(|(corner, one, other, v6, role)| {
            let address = |offset: u32| -> IpAddr {
                let number = corner.saturating_add(offset);
                match v6 {
                    true => (u128::MAX - u128::from(u32::MAX - number))
                        .to_be_bytes()
                        .into(),
                    false => number.to_be_bytes().into(),
                }
            };
            let (first, last) = (address(one.min(other)), address(one.max(other)));
            (AddressRange { first, last }, set(&[role]))
        });
        prop::collection::vec(range, 0..24)
    }

    proptest! {
        #[test]
        fn agrees_with_a_scan_of_all_ranges(ranges in ranges()) {
            let roles = roles();
            let site = Site { roles: ranges.clone(), ..Site::default() };
            let lookup = RoleLookup::new(&site, &roles);
            let mut probes: Vec<IpAddr> = vec!["0.0.0.0".parse().unwrap(), "::".parse().unwrap()];
            for (range, _) in &ranges {
                probes.extend([range.first, range.last]);
                probes.extend(neighbours(range.first));
                probes.extend(neighbours(range.last));
            }
            for probe in probes {
                let smallest = ranges.iter().filter(|(range, _)| range.contains(probe))
                    .map(|(range, _)| range.extent()).min();
                let expected = ranges.iter()
                    .filter(|(range, _)| range.contains(probe) && Some(range.extent()) == smallest)
                    .fold(RoleSet::EMPTY, |all, (_, set)| all.union(*set));
                let expected = roles.with_implied(expected);
                let meaning = lookup.meaning(probe);
                prop_assert_eq!(meaning.listed, expected, "{}", probe);
                let is_external = expected.is_empty() && is_globally_reachable(probe);
                let expected = if is_external { lookup.external() } else { expected };
                prop_assert_eq!(meaning.roles, expected, "{}", probe);
                prop_assert_eq!(meaning.place, Place::of(probe, &site), "{}", probe);
            }
        }

        #[test]
        fn finds_a_conflict_wherever_a_scan_does(ranges in ranges()) {
            let ranges: Vec<AddressRange> = ranges.into_iter().map(|(range, _)| range).collect();
            let scan = ranges.iter().enumerate().any(|(index, one)| {
                ranges[..index].iter().any(|other| {
                    one != other && one.extent() == other.extent() && one.overlaps(other)
                })
            });
            prop_assert_eq!(!conflicts(&ranges).is_empty(), scan);
        }
    }

    fn neighbours(address: IpAddr) -> Vec<IpAddr> {
        match address {
            IpAddr::V4(address) => {
                let number = u32::from(address);
                let around = [number.checked_sub(1), number.checked_add(1)];
                around
                    .into_iter()
                    .flatten()
                    .map(|n| n.to_be_bytes().into())
                    .collect()
            }
            IpAddr::V6(address) => {
                let number = u128::from(address);
                let around = [number.checked_sub(1), number.checked_add(1)];
                around
                    .into_iter()
                    .flatten()
                    .map(|n| n.to_be_bytes().into())
                    .collect()
            }
        }
    }
}
