//! What the whole input knows about a single flow, indexed before the first verdict: TFTP
//! transfers, RPC endpoints, machines that boot, earlier contacts with the endpoint mapper,
//! questions asked of a group. Addresses of one machine (`[hosts]`) count as one.

use std::net::IpAddr;
use std::ops::Deref;

use hashbrown::{HashMap, HashSet};

use super::background::{self, Answer};
use super::diagnosis::{Watch, Watched};
use super::port_set::PortSet;
use super::shares::Shares;
use super::ttls::UsualTtls;
use crate::evidence::{Boot, Evidence, JoinedTransfer, LearnedEndpoint, Transfer};
use crate::flow::{Flow, InitiatorBasis, State};
use crate::net::{Endpoint, Position, Protocol, Timestamp};
use crate::observation::Window;
use crate::site::Site;

const ENDPOINT_MAPPER: u16 = 135;

type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;
type Set<K> = HashSet<K, foldhash::fast::RandomState>;

/// The evidence that a verdict may rest on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Proofs<'a> {
    /// TFTP transfers, in time order.
    pub tftp: &'a [Transfer],
    /// TFTP transfers without a request, in time order. They make no flow expected.
    pub tftp_joined: &'a [JoinedTransfer],
    /// RPC endpoints learned, in time order.
    pub rpc: &'a [LearnedEndpoint],
    /// Network boots, in time order.
    pub pxe: &'a [Boot],
    /// Where those come from: it knows servers by the addresses that they answered from, too.
    pub evidence: Option<&'a Evidence>,
    /// Which time is judged: of what happened outside, nothing is said.
    pub window: Window,
}

impl<'a> From<&'a Evidence> for Proofs<'a> {
    fn from(evidence: &'a Evidence) -> Self {
        Self {
            tftp: &evidence.tftp,
            tftp_joined: &evidence.tftp_joined,
            rpc: &evidence.rpc,
            pxe: &evidence.pxe,
            evidence: Some(evidence),
            window: Window::default(),
        }
    }
}

/// What flows say about others. Merges in any order.
#[derive(Clone, Default)]
pub(super) struct Seen {
    /// The first contact of two machines with the second one's endpoint mapper.
    contacts: Map<(IpAddr, IpAddr), Position>,
    /// Who asked a group from which port, and the service's port.
    asked: Set<(Endpoint, u16)>,
    /// What diagnoses ask.
    watched: Watched,
}

impl Seen {
    pub(super) fn merge(&mut self, mut other: Self) {
        if self.contacts.len() < other.contacts.len() {
            std::mem::swap(&mut self.contacts, &mut other.contacts);
        }
        if self.asked.len() < other.asked.len() {
            std::mem::swap(&mut self.asked, &mut other.asked);
        }
        for (pair, first) in other.contacts {
            let known = self.contacts.entry(pair).or_insert(first);
            *known = first.min(*known);
        }
        self.asked.extend(other.asked);
        self.watched.merge(other.watched);
    }
}

/// A flow whose direction may be known better than the flow itself tells. It is mostly borrowed:
/// flows are large, and there are many.
#[derive(Clone, Debug, PartialEq)]
pub enum Directed<'f> {
    /// As it was seen.
    AsSeen(&'f Flow),
    /// By what its payload says.
    Anew(Box<Flow>),
}

impl Deref for Directed<'_> {
    type Target = Flow;

    #[inline]
    fn deref(&self) -> &Flow {
        match self {
            Self::AsSeen(flow) => flow,
            Self::Anew(flow) => flow,
        }
    }
}

#[derive(Clone)]
pub(super) struct Facts<'a> {
    /// By client and server endpoint, in time order.
    transfers: Map<(Endpoint, Endpoint), Vec<&'a Transfer>>,
    /// By client endpoint and server address: what came of its requests.
    requests: Map<(Endpoint, IpAddr), Vec<&'a Transfer>>,
    /// By one end's address and the other end: transfers without a request.
    joined: Set<(IpAddr, Endpoint)>,
    learned: Map<(IpAddr, u16, Protocol), usize>,
    /// Ports of learned endpoints, of any server.
    learned_ports: PortSet,
    proofs: Proofs<'a>,
    booting: Set<IpAddr>,
    seen: Seen,
    watch: Watch,
    machines: Map<IpAddr, IpAddr>,
    /// Of hosts about which failing flows ask.
    pub(super) usual_ttls: UsualTtls,
    /// What clients opened by SMB on distribution points.
    pub(super) shares: Shares,
}

impl<'a> Facts<'a> {
    pub(super) fn new(site: &Site, proofs: Proofs<'a>) -> Self {
        let mut facts = Self {
            transfers: Map::default(),
            requests: Map::default(),
            joined: Set::default(),
            learned: Map::default(),
            learned_ports: PortSet::default(),
            proofs,
            booting: Set::default(),
            seen: Seen::default(),
            watch: Watch::new(proofs.tftp),
            machines: Map::default(),
            usual_ttls: UsualTtls::default(),
            shares: Shares::default(),
        };
        for addresses in site.hosts.values() {
            for address in addresses {
                facts.machines.insert(*address, addresses[0]);
            }
        }
        for transfer in proofs.tftp {
            let ends = (transfer.client, transfer.server);
            facts.transfers.entry(ends).or_default().push(transfer);
            let request = (transfer.client, transfer.server.address);
            facts.requests.entry(request).or_default().push(transfer);
        }
        for JoinedTransfer { client, server, .. } in proofs.tftp_joined {
            facts.joined.insert((client.address, *server));
            facts.joined.insert((server.address, *client));
        }
        for (index, endpoint) in proofs.rpc.iter().enumerate() {
            let key = (
                facts.machine(endpoint.server),
                endpoint.port,
                endpoint.protocol,
            );
            facts.learned_ports.insert(endpoint.port);
            let strength = |index: usize| (proofs.rpc[index].basis, proofs.rpc[index].first);
            facts
                .learned
                .entry(key)
                .and_modify(|known| {
                    if strength(index) < strength(*known) {
                        *known = index;
                    }
                })
                .or_insert(index);
        }
        for boot in proofs.pxe.iter().filter(|boot| boot.client_mac.is_some()) {
            facts.booting.extend(&boot.client_addresses);
        }
        facts
    }

    /// Takes note in `seen` of what a flow says about others.
    pub(super) fn observe(&self, flow: &Flow, seen: &mut Seen) {
        if flow.responder.port == ENDPOINT_MAPPER && reached(flow) {
            let pair = (
                self.machine(flow.initiator.address),
                self.machine(flow.responder.address),
            );
            let first = seen.contacts.entry(pair).or_insert(flow.first);
            *first = flow.first.min(*first);
        }
        seen.asked.extend(background::question(flow));
        self.watch.observe(flow, &mut seen.watched);
    }

    /// What diagnoses asked of flows.
    pub(super) fn watched(&self) -> &Watched {
        &self.seen.watched
    }

    /// Adds what all flows say about others. It must be here before the first verdict.
    pub(super) fn add(&mut self, seen: Seen) {
        self.seen.merge(seen);
    }

    /// One address for all addresses of a machine.
    pub(super) fn machine(&self, address: IpAddr) -> IpAddr {
        if self.machines.is_empty() {
            return address;
        }
        self.machines.get(&address).copied().unwrap_or(address)
    }

    /// The flow with the client of a TFTP transfer as its initiator, where it is one.
    pub(super) fn directed<'f>(&self, flow: &'f Flow) -> Directed<'f> {
        if flow.protocol != Protocol::Udp || self.transfers.is_empty() {
            return Directed::AsSeen(flow);
        }
        let carries = |from, to| self.transfers.contains_key(&(from, to));
        let directed = if carries(flow.initiator, flow.responder) {
            *flow
        } else if carries(flow.responder, flow.initiator) {
            flow.reversed()
        } else {
            return Directed::AsSeen(flow);
        };
        Directed::Anew(Box::new(Flow {
            initiator_basis: InitiatorBasis::Request,
            ..directed
        }))
    }

    /// The transfers that an oriented flow carries.
    pub(super) fn transfers(&self, flow: &Flow) -> &[&'a Transfer] {
        if flow.protocol != Protocol::Udp || self.transfers.is_empty() {
            return &[];
        }
        self.transfers
            .get(&(flow.initiator, flow.responder))
            .map_or(&[], Vec::as_slice)
    }

    /// Whether a TFTP transfer without a request ran between an address and another end.
    pub(super) fn joined(&self, address: IpAddr, other: Endpoint) -> bool {
        self.joined.contains(&(address, other))
    }

    /// What came of the requests that a flow to a TFTP server carries.
    pub(super) fn requests(&self, flow: &Flow) -> &[&'a Transfer] {
        self.requests
            .get(&(flow.initiator, flow.responder.address))
            .map_or(&[], Vec::as_slice)
    }

    /// Index of the RPC endpoint that a flow goes to.
    pub(super) fn learned(&self, server: Endpoint, protocol: Protocol) -> Option<usize> {
        if !self.learned_ports.contains(server.port) {
            return None;
        }
        let named = |address: IpAddr| {
            let key = (self.machine(address), server.port, protocol);
            self.learned.get(&key).copied()
        };
        named(server.address).or_else(|| {
            let evidence = self.proofs.evidence?;
            let endpoint = evidence.learned(server.address, server.port, protocol)?;
            named(endpoint.server)
        })
    }

    pub(super) fn proofs(&self) -> Proofs<'a> {
        self.proofs
    }

    /// Whether what lasted from then to then was under way in the time judged.
    pub(super) fn is_judged(&self, first: Position, last: Timestamp) -> bool {
        self.proofs.window.overlaps(first.time, last)
    }

    /// Whether a machine reached the endpoint mapper of another one.
    pub(super) fn has_reached_endpoint_mapper(&self, from: IpAddr, to: IpAddr) -> bool {
        let pair = (self.machine(from), self.machine(to));
        self.seen.contacts.contains_key(&pair)
    }

    /// The machines whose endpoint mapper was reached by anyone.
    pub(super) fn reached_endpoint_mappers(&self) -> impl Iterator<Item = IpAddr> {
        self.seen.contacts.keys().map(|(_, to)| *to)
    }

    /// Whether the initiator's machine reached the endpoint mapper of the responder's before.
    pub(super) fn reached_endpoint_mapper(&self, flow: &Flow) -> bool {
        let pair = (
            self.machine(flow.initiator.address),
            self.machine(flow.responder.address),
        );
        self.seen
            .contacts
            .get(&pair)
            .is_some_and(|contact| *contact < flow.first)
    }

    /// Whether DHCP shows that the address belongs to a machine that boots from the network.
    pub(super) fn is_booting(&self, address: IpAddr) -> bool {
        !self.booting.is_empty() && self.booting.contains(&address)
    }

    /// The answer to a question that a group was asked, where the flow is one.
    pub(super) fn group_answer(&self, flow: &Flow) -> Option<Answer> {
        background::answers(flow)
            .into_iter()
            .flatten()
            .find(|answer| self.seen.asked.contains(&(answer.answered, answer.port)))
    }
}

fn reached(flow: &Flow) -> bool {
    match flow.protocol {
        Protocol::Tcp => flow.handshake_completed,
        Protocol::Udp => flow.state == State::Answered,
        Protocol::IcmpEcho | Protocol::IcmpOther | Protocol::Other(_) => false,
    }
}
