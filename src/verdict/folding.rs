//! The unexpected flows of one initiator, by responder and port. Past a bound ports fold into
//! ranges and responders into a count. What is kept depends on the set of flows alone, not on
//! the order or grouping in which they came.

use std::net::IpAddr;

use hashbrown::HashSet;

use super::port_set::PortSet;
use super::tally::Tally;
use super::workers;
use crate::flow::Flow;
use crate::net::Position;
use crate::policy::RoleSet;

/// Past this many ports of one pair of hosts, the ports are folded into ranges.
const MAX_PORTS: usize = 64;
/// Past this many responders of one initiator, the responders are folded into a count.
const MAX_RESPONDERS: usize = 64;

/// A flow between two hosts, as far as those don't tell it: its first packet, and the ports of
/// initiator, unless several were folded, and responder.
pub(super) type PairSample = (Position, Option<u16>, u16);
/// A flow of one initiator: its first packet, the initiator's port, the responder and its port.
type Sample = (Position, Option<u16>, IpAddr, u16);

/// The unexpected flows of one initiator under one reason and protocol.
#[derive(Debug)]
pub(super) struct Group {
    pub roles: RoleSet,
    responders: Responders,
}

#[derive(Debug)]
enum Responders {
    /// In the order of their addresses.
    Few(Vec<Pair>),
    Many(Box<Folded>),
}

/// The flows to one responder.
#[derive(Debug)]
pub(super) struct Pair {
    pub address: IpAddr,
    pub roles: RoleSet,
    ports: Ports,
}

#[derive(Debug)]
enum Ports {
    One(u16, Tally<PairSample>),
    /// In order.
    Few(Vec<(u16, Tally<PairSample>)>),
    Many(Box<(PortSet, Tally<PairSample>)>),
}

/// The flows to many responders.
#[derive(Debug, Default)]
pub(super) struct Folded {
    addresses: AddressSet,
    /// Addresses that flows folded beyond the bound of the flow table stand for besides their
    /// own: those of one port, as the others mostly have the same ones.
    beyond: u64,
    pub roles: RoleSet,
    pub ports: PortSet,
    pub tally: Tally<Sample>,
}

impl Group {
    /// A group of one flow, to a responder with these roles.
    pub fn new(flow: &Flow, roles: RoleSet, responder_roles: RoleSet) -> Self {
        let mut group = Self {
            roles,
            responders: Responders::Few(vec![Pair::new(flow, responder_roles)]),
        };
        group.stand_for(flow.responders);
        group
    }

    /// Adds a flow to a responder with these roles.
    pub fn add(&mut self, flow: &Flow, roles: RoleSet) {
        match &mut self.responders {
            Responders::Few(pairs) => {
                let address = flow.responder.address;
                match pairs.binary_search_by_key(&address, |pair| pair.address) {
                    Ok(place) => pairs[place].ports.add(flow),
                    Err(place) => {
                        grow(pairs);
                        pairs.insert(place, Pair::new(flow, roles));
                    }
                }
            }
            Responders::Many(folded) => folded.add(flow, roles),
        }
        self.fold();
        self.stand_for(flow.responders);
    }

    /// Adds the flows of the same initiator that were seen elsewhere.
    pub fn merge(&mut self, other: Self) {
        match (&mut self.responders, other.responders) {
            (Responders::Few(pairs), Responders::Few(more)) => {
                for pair in more {
                    match pairs.binary_search_by_key(&pair.address, |known| known.address) {
                        Ok(place) => pairs[place].ports.merge(pair.ports),
                        Err(place) => pairs.insert(place, pair),
                    }
                }
            }
            (Responders::Many(folded), Responders::Many(more)) => folded.merge(*more),
            (Responders::Many(folded), Responders::Few(pairs)) => {
                pairs.iter().for_each(|pair| folded.add_pair(pair));
            }
            (Responders::Few(pairs), Responders::Many(mut folded)) => {
                pairs.iter().for_each(|pair| folded.add_pair(pair));
                self.responders = Responders::Many(folded);
            }
        }
        self.fold();
    }

    /// A flow stands for so many responders.
    fn stand_for(&mut self, responders: u64) {
        if responders > 1 {
            self.fold_past(0);
        }
        if let Responders::Many(folded) = &mut self.responders {
            folded.beyond = folded.beyond.max(responders - 1);
        }
    }

    fn fold(&mut self) {
        self.fold_past(MAX_RESPONDERS);
    }

    fn fold_past(&mut self, bound: usize) {
        if let Responders::Few(pairs) = &self.responders
            && pairs.len() > bound
        {
            let mut folded = Box::<Folded>::default();
            pairs.iter().for_each(|pair| folded.add_pair(pair));
            self.responders = Responders::Many(folded);
        }
    }
}

/// A part of a group that is an entry of its own.
#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    /// One port of one responder.
    Port(&'a Pair, u16, &'a Tally<PairSample>),
    /// Many ports of one responder.
    Ports(&'a Pair, &'a (PortSet, Tally<PairSample>)),
    /// Many responders.
    Responders(&'a Folded),
}

impl Group {
    /// Walks the parts that are entries of their own.
    pub fn parts<'a>(&'a self, mut take: impl FnMut(Part<'a>)) {
        let pairs = match &self.responders {
            Responders::Few(pairs) => pairs,
            Responders::Many(folded) => return take(Part::Responders(folded)),
        };
        for pair in pairs {
            match &pair.ports {
                Ports::One(port, tally) => take(Part::Port(pair, *port, tally)),
                Ports::Few(ports) => {
                    for (port, tally) in ports {
                        take(Part::Port(pair, *port, tally));
                    }
                }
                Ports::Many(all) => take(Part::Ports(pair, all)),
            }
        }
    }
}

/// Makes room by a quarter: there are very many short lists.
fn grow<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact(1 + list.len() / 4);
    }
}

impl Pair {
    fn new(flow: &Flow, roles: RoleSet) -> Self {
        Self {
            address: flow.responder.address,
            roles,
            ports: Ports::One(flow.responder.port, Tally::of(flow, pair_sample(flow))),
        }
    }
}

fn pair_sample(flow: &Flow) -> PairSample {
    (flow.first, flow.initiator_port(), flow.responder.port)
}

impl Ports {
    fn add(&mut self, flow: &Flow) {
        let (port, sample) = (flow.responder.port, pair_sample(flow));
        match self {
            Self::One(known, tally) if *known == port => tally.add(flow, sample),
            Self::One(..) => self.insert(port, Tally::of(flow, sample)),
            Self::Few(ports) => match ports.binary_search_by_key(&port, |(port, _)| *port) {
                Ok(place) => ports[place].1.add(flow, sample),
                Err(_) => self.insert(port, Tally::of(flow, sample)),
            },
            Self::Many(folded) => {
                folded.0.insert(port);
                folded.1.add(flow, sample);
            }
        }
    }

    /// Adds a port.
    fn insert(&mut self, port: u16, tally: Tally<PairSample>) {
        match self {
            Self::One(known, first) if *known == port => first.merge(&tally),
            Self::One(known, first) => {
                let mut ports = vec![(*known, first.clone()), (port, tally)];
                ports.sort_unstable_by_key(|(port, _)| *port);
                *self = Self::Few(ports);
            }
            Self::Few(ports) => {
                match ports.binary_search_by_key(&port, |(port, _)| *port) {
                    Ok(place) => ports[place].1.merge(&tally),
                    Err(place) => {
                        grow(ports);
                        ports.insert(place, (port, tally));
                    }
                }
                if ports.len() > MAX_PORTS {
                    self.fold();
                }
            }
            Self::Many(folded) => {
                folded.0.insert(port);
                folded.1.merge(&tally);
            }
        }
    }

    fn merge(&mut self, other: Self) {
        match other {
            Self::One(port, tally) => self.insert(port, tally),
            Self::Few(ports) => {
                for (port, tally) in ports {
                    self.insert(port, tally);
                }
            }
            Self::Many(mut more) => {
                if let Self::Many(folded) = self {
                    folded.0.merge(more.0);
                    folded.1.merge(&more.1);
                    return;
                }
                self.each(|port, tally| {
                    more.0.insert(port);
                    more.1.merge(tally);
                });
                *self = Self::Many(more);
            }
        }
    }

    fn fold(&mut self) {
        let mut folded = Box::<(PortSet, Tally<PairSample>)>::default();
        self.each(|port, tally| {
            folded.0.insert(port);
            folded.1.merge(tally);
        });
        *self = Self::Many(folded);
    }

    /// Walks the ports that have a tally of their own.
    fn each(&self, mut take: impl FnMut(u16, &Tally<PairSample>)) {
        match self {
            Self::One(port, tally) => take(*port, tally),
            Self::Few(ports) => ports.iter().for_each(|(port, tally)| take(*port, tally)),
            Self::Many(_) => {}
        }
    }
}

impl Folded {
    fn add(&mut self, flow: &Flow, roles: RoleSet) {
        let (address, port) = (flow.responder.address, flow.responder.port);
        self.addresses.insert(address);
        self.roles = self.roles.union(roles);
        self.ports.insert(port);
        let sample = (flow.first, flow.initiator_port(), address, port);
        self.tally.add(flow, sample);
    }

    fn add_pair(&mut self, pair: &Pair) {
        self.addresses.insert(pair.address);
        self.roles = self.roles.union(pair.roles);
        let shown = |(at, from, to)| (at, from, pair.address, to);
        if let Ports::Many(all) = &pair.ports {
            self.ports.merge(all.0.clone());
            self.tally.merge_shown(&all.1, shown);
        }
        pair.ports.each(|port, tally| {
            self.ports.insert(port);
            self.tally.merge_shown(tally, shown);
        });
    }

    fn merge(&mut self, other: Self) {
        self.addresses.merge(other.addresses);
        self.beyond = self.beyond.max(other.beyond);
        self.roles = self.roles.union(other.roles);
        self.ports.merge(other.ports);
        self.tally.merge(&other.tally);
    }

    /// How many responders there are.
    pub fn addresses(&self) -> u64 {
        self.addresses.len() + self.beyond
    }
}

/// A set of addresses; an IPv4 address takes four bytes in it.
#[derive(Debug, Default)]
struct AddressSet {
    v4: HashSet<u32, foldhash::fast::RandomState>,
    v6: HashSet<u128, foldhash::fast::RandomState>,
}

impl AddressSet {
    fn insert(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.v4.insert(address.into()),
            IpAddr::V6(address) => self.v6.insert(address.into()),
        };
    }

    fn merge(&mut self, other: Self) {
        workers::unite(&mut self.v4, other.v4);
        workers::unite(&mut self.v6, other.v6);
    }

    fn len(&self) -> u64 {
        (self.v4.len() + self.v6.len()) as u64
    }
}
