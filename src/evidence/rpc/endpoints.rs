//! Learned endpoints, each once, whatever the order in which they are found.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use super::model::{LearnedEndpoint, RpcBasis};
use crate::evidence::EvidenceLimit;
use crate::evidence::interfaces;
use crate::net::{Position, Protocol};
use crate::payload::Uuid;
use crate::payload::dcom::StringBinding;
use crate::payload::endpoint_mapper::{Answer, TowerTransport};

/// Endpoints kept. A server has about a hundred.
const MAX_ENDPOINTS: usize = 1 << 18;
/// What was found.
#[derive(Debug, Default)]
pub(in crate::evidence) struct Found {
    /// In time order.
    pub(in crate::evidence) endpoints: Vec<LearnedEndpoint>,
    /// Server, port, protocol → the strongest endpoint. The server is also who answered, where
    /// the tower names another address.
    pub(in crate::evidence) ports: HashMap<(IpAddr, u16, Protocol), usize>,
    /// Bounds that were hit.
    pub(super) limits: Vec<EvidenceLimit>,
}

/// Endpoints, each once.
#[derive(Clone, Debug, Default)]
pub(in crate::evidence) struct Endpoints {
    known: BTreeMap<(IpAddr, u16, Protocol, Option<Uuid>), Known>,
    kept_out: u64,
}

#[derive(Clone, Debug)]
struct Known {
    endpoint: LearnedEndpoint,
    /// Who answered, where that is not the endpoint's server.
    others: Vec<IpAddr>,
}

/// Addresses that answered with one and the same tower; a machine has a few.
const MAX_OTHERS: usize = 8;

impl Endpoints {
    /// The towers of an answer.
    pub(super) fn take(&mut self, answer: Answer, answered: IpAddr, first: Position) {
        for tower in answer.towers {
            let (protocol, port) = match tower.transport {
                TowerTransport::Tcp(port) => (Protocol::Tcp, port),
                TowerTransport::Udp(port) => (Protocol::Udp, port),
                TowerTransport::Pipe | TowerTransport::Http(_) | TowerTransport::Other(_) => {
                    continue;
                }
            };
            if port == 0 {
                continue;
            }
            let server = tower.address.map(IpAddr::V4).filter(is_usable);
            let server = server.unwrap_or(answered);
            let endpoint = LearnedEndpoint {
                server,
                port,
                protocol,
                interface: Some(tower.interface),
                name: interfaces::name(tower.interface),
                basis: RpcBasis::Endpoint,
                first,
            };
            self.add(endpoint, answered);
        }
    }

    /// The string bindings of an object exporter. A host name means the server that answered.
    pub(super) fn bind(&mut self, bindings: &[StringBinding], answered: IpAddr, first: Position) {
        for binding in bindings {
            let server = binding.address.filter(is_usable).unwrap_or(answered);
            let endpoint = LearnedEndpoint {
                server,
                port: binding.port,
                protocol: binding.protocol,
                interface: None,
                name: None,
                basis: RpcBasis::Binding,
                first,
            };
            self.add(endpoint, answered);
        }
    }

    /// Keeps the strongest basis, and of equal ones the earliest packet: the order in which
    /// connections come does not matter.
    pub(super) fn add(&mut self, endpoint: LearnedEndpoint, answered: IpAddr) {
        let key = (
            endpoint.server,
            endpoint.port,
            endpoint.protocol,
            endpoint.interface,
        );
        if !self.known.contains_key(&key) && self.known.len() == MAX_ENDPOINTS {
            self.kept_out += 1;
            return;
        }
        let rank = |endpoint: &LearnedEndpoint| (endpoint.basis, endpoint.first);
        let known = self.known.entry(key).or_insert_with(|| Known {
            endpoint: endpoint.clone(),
            others: Vec::new(),
        });
        if answered != endpoint.server
            && known.others.len() < MAX_OTHERS
            && !known.others.contains(&answered)
        {
            known.others.push(answered);
        }
        if rank(&endpoint) < rank(&known.endpoint) {
            known.endpoint = endpoint;
        }
    }

    /// The bound, where it was hit.
    pub(super) fn limit(&self) -> Option<EvidenceLimit> {
        (self.kept_out > 0).then_some(EvidenceLimit {
            limit: "rpc-endpoints",
            value: MAX_ENDPOINTS as u64,
            reached: self.kept_out,
        })
    }

    /// In time order.
    pub(in crate::evidence) fn finish(self) -> Found {
        let mut sorted: Vec<_> = self.known.into_iter().collect();
        sorted.sort_by_key(|(key, known)| (known.endpoint.first, *key));
        let mut found = Found::default();
        for (index, (_, known)) in sorted.into_iter().enumerate() {
            let Known { endpoint, others } = known;
            for server in others.into_iter().chain([endpoint.server]) {
                let best = found
                    .ports
                    .entry((server, endpoint.port, endpoint.protocol))
                    .or_insert(index);
                let strongest = found.endpoints.get(*best);
                if strongest
                    .is_some_and(|strongest: &LearnedEndpoint| endpoint.basis < strongest.basis)
                {
                    *best = index;
                }
            }
            found.endpoints.push(endpoint);
        }
        found
    }
}

/// Whether clients can reach a server by an address that it names itself.
fn is_usable(address: &IpAddr) -> bool {
    if address.is_unspecified() || address.is_loopback() || address.is_multicast() {
        return false;
    }
    match address {
        IpAddr::V4(address) => !(address.is_broadcast() || address.is_link_local()),
        IpAddr::V6(address) => !address.is_unicast_link_local(),
    }
}
