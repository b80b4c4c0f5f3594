//! `[hosts]`: the addresses of one machine, by name.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::ops::Range;

use super::Site;
use super::address::read_address;
use crate::config::{Table, quoted};

/// Machines by any of their addresses.
#[derive(Clone, Debug, Default)]
pub struct HostLookup {
    hosts: Vec<(String, Vec<IpAddr>)>,
    by_address: HashMap<IpAddr, usize>,
}

impl HostLookup {
    /// Compiles the hosts of a site.
    pub fn new(site: &Site) -> Self {
        let mut lookup = Self::default();
        for (name, addresses) in &site.hosts {
            for address in addresses {
                lookup.by_address.insert(*address, lookup.hosts.len());
            }
            lookup.hosts.push((name.clone(), addresses.clone()));
        }
        lookup
    }

    /// Name of the machine with this address.
    pub fn name(&self, address: IpAddr) -> Option<&str> {
        let index = self.by_address.get(&address)?;
        Some(&self.hosts[*index].0)
    }

    /// All addresses of the machine with this address, in file order; empty where the site
    /// does not name it.
    pub fn addresses(&self, address: IpAddr) -> &[IpAddr] {
        match self.by_address.get(&address) {
            Some(index) => &self.hosts[*index].1,
            None => &[],
        }
    }

    /// Whether both are addresses of one machine.
    pub fn same_machine(&self, one: IpAddr, other: IpAddr) -> bool {
        one == other || self.addresses(one).contains(&other)
    }
}

/// Reads `[hosts]`. An address belongs to one machine.
pub(super) fn read(table: &Table<'_>) -> BTreeMap<String, Vec<IpAddr>> {
    let problems = table.problems();
    let mut owners: HashMap<IpAddr, (&str, Range<usize>)> = HashMap::new();
    let mut hosts = BTreeMap::new();
    for entry in table.entries() {
        let name = entry.key.value;
        let Some(texts) = entry.value.strings() else {
            continue;
        };
        if texts.is_empty() {
            let message = format!("the host {} has no address", quoted(name));
            problems.error(entry.value.span(), message);
        }
        let mut addresses = Vec::new();
        for text in texts {
            let Some(address) = read_address(problems, &text) else {
                continue;
            };
            match owners.get(&address) {
                None => {
                    owners.insert(address, (name, text.span));
                    addresses.push(address);
                }
                Some((owner, place)) => {
                    let (line, column) = problems.source().position(place.start);
                    let message = format!(
                        "`{address}` is already an address of {} (line {line}, column {column})",
                        quoted(owner)
                    );
                    problems.error(text.span, message);
                }
            }
        }
        hosts.insert(name.to_owned(), addresses);
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_machine_by_any_address() {
        let one: IpAddr = "10.0.0.11".parse().expect("an address");
        let other: IpAddr = "2001:db8::11".parse().expect("an address");
        let stranger: IpAddr = "10.0.0.12".parse().expect("an address");
        let site = Site {
            hosts: BTreeMap::from([("mp1".to_owned(), vec![one, other])]),
            ..Site::default()
        };
        let hosts = HostLookup::new(&site);
        assert_eq!(hosts.name(other), Some("mp1"));
        assert_eq!(hosts.addresses(other), [one, other]);
        assert!(hosts.same_machine(one, other) && hosts.same_machine(stranger, stranger));
        assert!(!hosts.same_machine(one, stranger));
        assert_eq!(
            (hosts.name(stranger), hosts.addresses(stranger)),
            (None, &[][..])
        );
    }
}
