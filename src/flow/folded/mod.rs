//! Flows beyond the bound of the table: folded, so that memory stays bounded whatever is sent.
//!
//! Three levels, each with less said of a flow. What finds no room in one goes to the next:
//! 1. by protocol, initiator, responder and responder port; the initiator's ports are a set;
//! 2. by protocol, initiator and responder port; five-tuples and responders are estimated;
//! 3. by protocol and address family, which are few; the same estimates.
//!
//! Packets, bytes and times are exact on every level. The low side is the initiator.

mod level;
mod sided;
#[cfg(test)]
mod tests;
mod view;

use std::cell::Cell;
use std::hash::{Hash, Hasher};

pub use view::{FoldedFacts, Folding, Spread};

use self::level::{Fold, Level};
use self::sided::{InitiatorKey, PairKey, RestKey, Sided};
use super::facts::FlowFacts;
use super::key::{FlowKey, Side};
use super::ports::Ports;
use super::sketch::Mix;
use crate::net::{Position, Protocol};

/// How much is folded on each level before the next one takes over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Flows of the first level: 200 MiB of them, and a scan of 16 ports of 65,536 hosts.
    pub(super) pairs: usize,
    /// Memory of their sets of ports, in bytes.
    pub(super) port_bytes: usize,
    /// Flows of the second level: 2 KiB each at most.
    pub(super) initiators: usize,
}

impl Bounds {
    pub(super) const DEFAULT: Self = Self {
        pairs: 1 << 20,
        port_bytes: 64 << 20,
        initiators: 1 << 15,
    };
}

impl Default for Bounds {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Flows beyond the bound.
#[derive(Clone, Default)]
pub(super) struct Folded {
    pairs: Level<PairKey, Ports>,
    port_bytes: usize,
    initiators: Level<InitiatorKey, Spread>,
    rest: Level<RestKey, Spread>,
    bounds: Bounds,
}

/// A folded flow of which every five-tuple stands in the table.
pub(super) struct Taken {
    /// One of them.
    pub(super) key: FlowKey,
    initiator: Side,
    fold: Fold<Ports>,
}

impl Taken {
    /// What was seen of all of them, by the sides of the key.
    pub(super) fn facts(&self) -> FlowFacts<'_> {
        let facts = self.fold.record.facts(self.fold.apart.as_deref());
        facts.seen_from(self.initiator, self.fold.protocol)
    }
}

impl Folded {
    /// Folds what was seen of a flow.
    pub(super) fn add(&mut self, key: &FlowKey, facts: &FlowFacts<'_>) {
        if self.add_to_pair(key, facts) {
            return;
        }
        let by_side = [Side::Low, Side::High].map(|side| Sided::new(key, side, facts));
        let told = facts.opened.map(|opened| opened.side);
        // The answer to what is folded already comes the other way round.
        let choose = |known: [bool; 2]| {
            let side = told.unwrap_or(match known {
                [true, false] => Side::Low,
                [false, true] => Side::High,
                _ => likely_initiator(key, facts.first.side),
            });
            by_side[side.index()]
        };
        let known = by_side.map(|flow| self.pairs.find(&flow.pair()).is_some());
        let flow = choose(known);
        if self.lay_at_pair(&flow, &Ports::new(flow.initiator.port)) {
            return;
        }
        let known = by_side.map(|flow| self.initiators.find(&flow.port_of_initiator()).is_some());
        let flow = choose(known);
        self.lay_beyond(&flow, |spread| {
            spread.flows.insert(hash_of(key));
            spread.responders.insert(hash_of(&flow.responder.address));
        });
    }

    /// Adds to what was folded of a flow before; `false` where nothing was.
    pub(super) fn add_existing(&mut self, key: &FlowKey, facts: &FlowFacts<'_>) -> bool {
        if self.add_to_pair(key, facts) {
            return true;
        }
        [Side::Low, Side::High].into_iter().any(|side| {
            let flow = Sided::new(key, side, facts);
            let known = self.initiators.find(&flow.port_of_initiator());
            known.is_some_and(|number| {
                self.initiators.flows[number].lay(&flow);
                true
            })
        }) || {
            let flow = Sided::new(key, likely_initiator(key, facts.first.side), facts);
            let known = self.rest.find(&flow.rest());
            known.is_some_and(|number| {
                self.rest.flows[number].lay(&flow);
                true
            })
        }
    }

    /// Adds what goes on in a five-tuple that a pair holds; `false` where none does, or the pair's
    /// initiator begins anew.
    pub(super) fn go_on(&mut self, key: &FlowKey, facts: &FlowFacts<'_>) -> bool {
        let Some((_, initiator)) = self.pair_of(key) else {
            return false;
        };
        let begins = match key.protocol() {
            Protocol::Tcp => facts.opened.is_some(),
            _ => facts.first.side == initiator,
        };
        !begins && self.add_to_pair(key, facts)
    }

    /// The pair that holds this very five-tuple, and which side of it the initiator is.
    pub(super) fn pair_of(&self, key: &FlowKey) -> Option<(usize, Side)> {
        [Side::Low, Side::High].into_iter().find_map(|side| {
            let (initiator, responder) = (key.endpoint(side), key.endpoint(side.other()));
            let number = self.pairs.find(&PairKey {
                protocol: key.protocol(),
                initiator: initiator.address,
                responder: responder.address,
                port: responder.port,
            })?;
            let holds = self.pairs.flows[number].distinct.contains(initiator.port);
            holds.then_some((number, side))
        })
    }

    /// Adds to the pair that holds this very five-tuple.
    fn add_to_pair(&mut self, key: &FlowKey, facts: &FlowFacts<'_>) -> bool {
        [Side::Low, Side::High].into_iter().any(|side| {
            let flow = Sided::new(key, side, facts);
            let Some(number) = self.pairs.find(&flow.pair()) else {
                return false;
            };
            let fold = &mut self.pairs.flows[number];
            let holds = fold.distinct.contains(flow.initiator.port);
            if holds {
                fold.lay(&flow);
            }
            holds
        })
    }

    /// Adds what was folded elsewhere.
    pub(super) fn insert(&mut self, folded: &FoldedFacts<'_>) {
        let flow = folded.sided();
        match folded.folding {
            Folding::InitiatorPorts(ports) => self.insert_pair(&flow, ports),
            Folding::Responders(spread) => self.lay_beyond(&flow, |all| all.merge(spread)),
            Folding::Ends(spread) => self.lay_at_rest(&flow, |all| all.merge(spread)),
        }
    }

    /// Takes back what was folded, on the level and with the initiator that it had.
    pub(super) fn restore(&mut self, folded: &FoldedFacts<'_>) {
        let flow = folded.sided();
        match folded.folding {
            Folding::InitiatorPorts(ports) => self.lay_pair(&flow, ports),
            Folding::Responders(spread) => self.lay_beyond(&flow, |all| all.merge(spread)),
            Folding::Ends(spread) => self.lay_at_rest(&flow, |all| all.merge(spread)),
        }
    }

    fn insert_pair(&mut self, flow: &Sided<'_>, ports: &Ports) {
        // Another part may have taken the other end for the initiator.
        let left = match ports.only() {
            Some(_) => None,
            None => ports.clone().retain(|port| !self.holds_turned(flow, port)),
        };
        let Some(left) = left else {
            let port = ports.iter().next().unwrap_or_default();
            let (key, side) = flow.with_port(port).key();
            return self.add(&key, &flow.facts.seen_from(side, flow.protocol));
        };
        self.lay_pair(flow, &left);
    }

    /// Lays flows at the pair that they name, or beyond.
    fn lay_pair(&mut self, flow: &Sided<'_>, ports: &Ports) {
        if self.lay_at_pair(flow, ports) {
            return;
        }
        self.lay_beyond(flow, |spread| {
            for port in ports.iter() {
                spread.flows.insert(hash_of(&flow.with_port(port).key().0));
            }
            spread.responders.insert(hash_of(&flow.responder.address));
        });
    }

    /// Whether the five-tuple with that port of the initiator is folded the other way round.
    fn holds_turned(&self, flow: &Sided<'_>, port: u16) -> bool {
        let turned = PairKey {
            protocol: flow.protocol,
            initiator: flow.responder.address,
            responder: flow.initiator.address,
            port,
        };
        let number = self.pairs.find(&turned);
        number.is_some_and(|number| {
            let ports = &self.pairs.flows[number].distinct;
            ports.contains(flow.responder.port)
        })
    }

    fn lay_at_pair(&mut self, flow: &Sided<'_>, ports: &Ports) -> bool {
        if self.port_bytes >= self.bounds.port_bytes {
            return false;
        }
        let bytes = &mut self.port_bytes;
        let is_new = Cell::new(false);
        let new = || {
            is_new.set(true);
            ports.clone()
        };
        let add = |all: &mut Ports| {
            let before = if is_new.get() { 0 } else { all.heap_bytes() };
            ports.iter().for_each(|port| all.insert(port));
            *bytes += all.heap_bytes() - before.min(all.heap_bytes());
        };
        self.pairs
            .lay(flow.pair(), flow, self.bounds.pairs, new, add)
    }

    fn lay_beyond(&mut self, flow: &Sided<'_>, add: impl Fn(&mut Spread)) {
        let key = flow.port_of_initiator();
        let bound = self.bounds.initiators;
        if !self.initiators.lay(key, flow, bound, Spread::default, &add) {
            self.lay_at_rest(flow, add);
        }
    }

    fn lay_at_rest(&mut self, flow: &Sided<'_>, add: impl FnOnce(&mut Spread)) {
        self.rest
            .lay(flow.rest(), flow, usize::MAX, Spread::default, add);
    }

    /// Takes out the five-tuples that stand in the table one by one, as they do where a part
    /// folded what another one did not; the flows of which nothing is left come back.
    pub(super) fn take_standing(&mut self, stands: impl Fn(&FlowKey) -> bool) -> Vec<Taken> {
        let pairs = std::mem::take(&mut self.pairs);
        self.port_bytes = 0;
        let mut taken = Vec::new();
        for mut fold in pairs.flows {
            let flow = fold.view(Folding::InitiatorPorts(&fold.distinct)).sided();
            let (pair, mut standing) = (flow.pair(), None);
            let left = fold.distinct.clone().retain(|port| {
                let (key, side) = flow.with_port(port).key();
                let stands = stands(&key);
                if stands {
                    standing = Some((key, side));
                }
                !stands
            });
            match (left, standing) {
                (Some(ports), _) => {
                    self.port_bytes += ports.heap_bytes();
                    fold.distinct = ports;
                    let number = self.pairs.flows.len() as u32;
                    self.pairs.numbers.insert(pair, number);
                    self.pairs.flows.push(fold);
                }
                (None, Some((key, initiator))) => taken.push(Taken {
                    key,
                    initiator,
                    fold,
                }),
                (None, None) => {}
            }
        }
        taken
    }

    /// The same, where fewer stand than are folded.
    pub(super) fn take_returned(&mut self, standing: impl Iterator<Item = FlowKey>) -> Vec<Taken> {
        let find = |key: FlowKey| {
            let (pair, initiator) = self.pair_of(&key)?;
            Some((pair, key.endpoint(initiator).port, key, initiator))
        };
        let mut returned: Vec<_> = standing.filter_map(find).collect();
        // From the last pair on: one that is taken out gives its place to the last.
        returned.sort_unstable_by_key(|(pair, port, ..)| std::cmp::Reverse((*pair, *port)));
        let mut taken = Vec::new();
        for of_pair in returned.chunk_by(|(one, ..), (other, ..)| one == other) {
            let (pair, _, key, initiator) = of_pair[0];
            let fold = &mut self.pairs.flows[pair];
            let is_back = |port: u16| {
                let by_port = |(_, back, ..): &(_, u16, _, _)| std::cmp::Reverse(*back);
                let found = of_pair.binary_search_by_key(&std::cmp::Reverse(port), by_port);
                found.is_ok()
            };
            let bytes = fold.distinct.heap_bytes();
            self.port_bytes = self.port_bytes.saturating_sub(bytes);
            match fold.distinct.clone().retain(|port| !is_back(port)) {
                Some(ports) => {
                    self.port_bytes += ports.heap_bytes();
                    fold.distinct = ports;
                }
                None => taken.push(Taken {
                    key,
                    initiator,
                    fold: self.pairs.take(pair, |fold| {
                        fold.view(Folding::InitiatorPorts(&fold.distinct))
                            .sided()
                            .pair()
                    }),
                }),
            }
        }
        taken
    }

    /// All that is folded, level by level.
    pub(super) fn views(&self) -> impl Iterator<Item = FoldedFacts<'_>> {
        self.views_of(0, 1)
    }

    /// One of so many shares of all that is folded.
    pub(super) fn views_of(
        &self,
        share: usize,
        shares: usize,
    ) -> impl Iterator<Item = FoldedFacts<'_>> {
        let pairs = part(&self.pairs.flows, share, shares).iter();
        let initiators = part(&self.initiators.flows, share, shares).iter();
        let rest = part(&self.rest.flows, share, shares).iter();
        pairs
            .map(|fold| fold.view(Folding::InitiatorPorts(&fold.distinct)))
            .chain(initiators.map(|fold| fold.view(Folding::Responders(&fold.distinct))))
            .chain(rest.map(|fold| fold.view(Folding::Ends(&fold.distinct))))
    }

    /// The same flows with their positions renumbered.
    pub(super) fn renumber(&mut self, new: impl Fn(Position) -> Position) {
        self.pairs.flows.iter_mut().for_each(|it| it.renumber(&new));
        let spread = self.initiators.flows.iter_mut().chain(&mut self.rest.flows);
        spread.for_each(|it| it.renumber(&new));
    }

    /// How many folded flows there are, whatever each stands for.
    pub(super) fn size(&self) -> usize {
        self.pairs.flows.len() + self.initiators.flows.len() + self.rest.flows.len()
    }

    /// How many flows are folded, and how many of them beyond the first level: estimated there.
    pub(super) fn counts(&self) -> (u64, u64) {
        let pairs: u64 = self.pairs.flows.iter().map(|it| it.distinct.count()).sum();
        let spread = self.initiators.flows.iter().chain(&self.rest.flows);
        let beyond = spread.map(|it| it.view(Folding::Ends(&it.distinct)).flows());
        let beyond: u64 = beyond.sum();
        (pairs + beyond, beyond)
    }
}

/// Who opened, where no packet tells: in TCP the end with the higher port, since services have
/// the lower ones; else who sent first, unless it alone speaks from a well-known port.
fn likely_initiator(key: &FlowKey, first: Side) -> Side {
    const FIRST_UNPRIVILEGED_PORT: u16 = 1024;
    let (from, to) = (key.endpoint(first).port, key.endpoint(first.other()).port);
    let answers = match key.protocol() {
        Protocol::Tcp => from < to,
        _ => from < FIRST_UNPRIVILEGED_PORT && FIRST_UNPRIVILEGED_PORT <= to,
    };
    if answers { first.other() } else { first }
}

fn part<T>(all: &[T], share: usize, shares: usize) -> &[T] {
    let border = |share: usize| all.len() * share / shares;
    &all[border(share)..border(share + 1)]
}

fn hash_of(value: &impl Hash) -> u64 {
    let mut hash = Mix::default();
    value.hash(&mut hash);
    hash.finish()
}
