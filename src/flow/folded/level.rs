//! One level of folded flows: found by key, standing in a list.

use std::hash::Hash;

use hashbrown::HashMap;

use super::sided::Sided;
use super::{FoldedFacts, Folding};
use crate::flow::apart::Apart;
use crate::flow::record::{ApartOf, Record};
use crate::net::{Endpoint, Position, Protocol};

#[derive(Clone)]
pub(super) struct Level<K, D> {
    pub(super) numbers: HashMap<K, u32, foldhash::fast::RandomState>,
    pub(super) flows: Vec<Fold<D>>,
}

#[derive(Clone)]
pub(super) struct Fold<D> {
    pub(super) protocol: Protocol,
    /// Initiator and responder of the first packet.
    pub(super) ends: [Endpoint; 2],
    pub(super) record: Record,
    pub(super) apart: Option<Box<Apart>>,
    pub(super) distinct: D,
}

impl<K, D> Default for Level<K, D> {
    fn default() -> Self {
        Self {
            numbers: HashMap::default(),
            flows: Vec::new(),
        }
    }
}

pub(super) struct ApartOfFold<'a>(&'a mut Option<Box<Apart>>);

impl ApartOf for ApartOfFold<'_> {
    fn apart(&mut self) -> &mut Apart {
        self.0.get_or_insert_default()
    }
}

impl<K: Copy + Eq + Hash, D> Level<K, D> {
    pub(super) fn find(&self, key: &K) -> Option<usize> {
        self.numbers.get(key).map(|number| *number as usize)
    }

    /// Lays a flow at the one of `key`, which `add` tells of it; `false` where there is none, nor
    /// room for one, of at most `bound`.
    pub(super) fn lay(
        &mut self,
        key: K,
        flow: &Sided<'_>,
        bound: usize,
        new: impl FnOnce() -> D,
        add: impl FnOnce(&mut D),
    ) -> bool {
        let number = match self.find(&key) {
            Some(number) => number,
            None if self.flows.len() < bound => {
                let number = self.flows.len();
                self.numbers.insert(key, number as u32);
                self.flows.push(Fold {
                    protocol: flow.protocol,
                    ends: [flow.initiator, flow.responder],
                    record: Record::blank(&flow.facts),
                    apart: None,
                    distinct: new(),
                });
                number
            }
            None => return false,
        };
        let fold = &mut self.flows[number];
        fold.lay(flow);
        add(&mut fold.distinct);
        true
    }
}

impl<K: Copy + Eq + Hash, D> Level<K, D> {
    /// Takes out the flow of a number, which the last one gets.
    pub(super) fn take(&mut self, number: usize, key: impl Fn(&Fold<D>) -> K) -> Fold<D> {
        let fold = self.flows.swap_remove(number);
        self.numbers.remove(&key(&fold));
        if let Some(moved) = self.flows.get(number) {
            self.numbers.insert(key(moved), number as u32);
        }
        fold
    }
}

impl<D> Fold<D> {
    pub(super) fn lay(&mut self, flow: &Sided<'_>) {
        if flow.facts.first < self.record.first() {
            self.ends = [flow.initiator, flow.responder];
        }
        let apart = &mut ApartOfFold(&mut self.apart);
        self.record.merge(&flow.facts, apart);
    }

    pub(super) fn view<'a>(&'a self, folding: Folding<'a>) -> FoldedFacts<'a> {
        FoldedFacts {
            protocol: self.protocol,
            initiator: self.ends[0],
            responder: self.ends[1],
            facts: self.record.facts(self.apart.as_deref()),
            folding,
        }
    }

    pub(super) fn renumber(&mut self, new: impl Fn(Position) -> Position) {
        self.record.renumber(&new);
        if let Some(apart) = &mut self.apart {
            apart.renumber(&new);
        }
    }
}
