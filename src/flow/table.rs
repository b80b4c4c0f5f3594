//! The table of flows of a part of the input.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::initiator::initiator;
use super::key::{FlowKey, Side};
use super::openings::{MAX_OPENINGS_PER_FLOW, Openings};
use super::record::FlowRecord;
use super::{Flow, IcmpErrors, State, tcp_state};
use crate::decode::Packet;
use crate::net::{FiveTuple, Position, Protocol, ServicePorts};

/// Flows by five-tuple. The hash is seeded by the process: whoever sends packets chooses the keys.
#[derive(Clone, Debug, Default)]
pub struct FlowTable {
    flows: HashMap<FlowKey, FlowRecord, foldhash::fast::RandomState>,
    openings: Openings,
}

impl FlowTable {
    /// Openings of one flow are counted up to this.
    pub const OPENINGS_LIMIT: u64 = MAX_OPENINGS_PER_FLOW as u64;

    /// Adds a packet of `bytes` on the wire to its flow.
    #[inline]
    pub fn add(&mut self, at: Position, five_tuple: &FiveTuple, bytes: u32, packet: &Packet<'_>) {
        let (key, side) = FlowKey::new(five_tuple);
        let further = match self.flows.entry(key) {
            Entry::Occupied(mut entry) => entry.get_mut().add(at, side, bytes, packet),
            Entry::Vacant(entry) => {
                entry.insert(FlowRecord::new(at, side, bytes, packet));
                None
            }
        };
        if let Some(opening) = further {
            self.openings.insert(key, opening);
        }
    }

    /// Adds a fragment sent by `side` of a flow; `false` where there is no such flow.
    pub fn add_fragment(&mut self, at: Position, key: &FlowKey, side: Side, bytes: u32) -> bool {
        match self.flows.get_mut(key) {
            Some(record) => {
                record.add_fragment(at, side, bytes);
                true
            }
            None => false,
        }
    }

    /// Adds the flows of another part.
    pub fn merge(&mut self, mut other: Self) {
        // Merging commutes, so the smaller table moves.
        if self.flows.len() < other.flows.len() {
            std::mem::swap(self, &mut other);
        }
        self.openings.merge(other.openings);
        for (key, record) in other.flows {
            match self.flows.entry(key) {
                Entry::Occupied(mut entry) => {
                    if let Some(opening) = entry.get_mut().merge(&record) {
                        self.openings.insert(key, opening);
                    }
                }
                Entry::Vacant(entry) => {
                    entry.insert(record);
                }
            }
        }
    }

    /// The same flows with their positions renumbered.
    pub fn renumber(&mut self, new: impl Fn(Position) -> Position) {
        for record in self.flows.values_mut() {
            record.renumber(&new);
        }
    }

    /// How many flows there are.
    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// Whether there is no flow.
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// Flows whose openings are no longer counted.
    pub fn flows_at_openings_limit(&self) -> u64 {
        self.openings.saturated()
    }

    /// How many partitions the flows stand in.
    pub const PARTITIONS: usize = 1;

    /// The flows of one partition from their initiators' sides, in no particular order.
    pub fn flows_of<'a>(
        &'a self,
        partition: usize,
        errors: &'a IcmpErrors,
        services: &'a ServicePorts,
    ) -> impl Iterator<Item = Flow> + 'a {
        debug_assert!(partition < Self::PARTITIONS);
        self.flows(errors, services)
    }

    /// Every flow from its initiator's side, in no particular order.
    pub fn flows<'a>(
        &'a self,
        errors: &'a IcmpErrors,
        services: &'a ServicePorts,
    ) -> impl Iterator<Item = Flow> + 'a {
        self.flows
            .iter()
            .map(move |(key, record)| self.resolve(key, record, errors, services))
    }

    fn resolve(
        &self,
        key: &FlowKey,
        record: &FlowRecord,
        errors: &IcmpErrors,
        services: &ServicePorts,
    ) -> Flow {
        let (side, initiator_basis) = initiator(key, record, services);
        let (from, to) = (side.index(), side.other().index());
        let protocol = key.protocol();
        let icmp_error = errors.of_flow(key);
        let tcp = [record.tcp[from], record.tcp[to]];
        let answered = record.packets[from] > 0 && record.packets[to] > 0;
        let state = match protocol {
            Protocol::Tcp => tcp_state::state(tcp[0], tcp[1]),
            _ if answered => State::Answered,
            _ if icmp_error.is_some_and(|error| error.unreachable) => State::Unreachable,
            _ => State::Unanswered,
        };
        Flow {
            protocol,
            initiator: key.endpoint(side),
            responder: key.endpoint(side.other()),
            initiator_basis,
            first: record.first.at,
            last: record.last,
            initiator_packets: record.packets[from],
            responder_packets: record.packets[to],
            initiator_bytes: record.bytes[from],
            responder_bytes: record.bytes[to],
            connections: self.openings.count(key, record.opening),
            state,
            handshake_completed: protocol == Protocol::Tcp
                && tcp_state::handshake_completed(tcp[0], tcp[1]),
            icmp_error,
            vlan: record.vlan,
            icmp_kinds: record.icmp,
        }
    }
}
