//! Trackers, run once over the merged log in time order: what those bytes mean. They keep no
//! state between inputs, call no clock, and leave judging to the verdict stage.

mod context;
mod dhcp;
mod frozen;
mod fuzz;
mod interfaces;
mod limit;
mod rpc;
mod stream;
mod tftp;
#[cfg(test)]
mod testing;

use std::collections::HashMap;
use std::net::IpAddr;

pub use context::Context;
pub use dhcp::{
    Boot, BootAnswer, BootAnswerKind, BootQuestion, BootQuestionKind, BootStep, BootStepKind,
    PxeInstructions, ReadsEnd,
};
pub use frozen::{Frozen, Needed};
pub use limit::EvidenceLimit;
pub use rpc::{LearnedEndpoint, RpcBasis};
pub use tftp::{
    JoinedTransfer, RefusedTransfer, Transfer, TransferCourse, TransferEnd, TransferOperation,
    TransferOutcome,
};

pub use crate::payload::Uuid;
pub use crate::payload::dhcp::{NamedIn, architecture_name};

use crate::flow::Flow;
use crate::net::{Endpoint, Protocol};
use crate::observation::LogEntry;
#[doc(hidden)]
pub use crate::payload::FuzzBody;

/// Every tracker's fuzz body by name. The fuzz crate and the tests below walk it.
#[doc(hidden)]
pub const FUZZ: &[(&str, FuzzBody)] = &[
    ("tracker_tftp", tftp::fuzz),
    ("tracker_rpc", rpc::fuzz),
    ("tracker_dhcp", dhcp::fuzz),
];

/// Runs the fuzz body of that name.
#[doc(hidden)]
pub fn fuzz(name: &str, data: &[u8]) {
    let named = FUZZ.iter().find(|(known, _)| *known == name);
    named.expect("it stands in the list").1(data);
}

/// What the trackers found out.
#[derive(Debug, Default)]
pub struct Evidence {
    /// TFTP transfers, in time order.
    pub tftp: Vec<Transfer>,
    /// TFTP transfers whose request was not captured, in time order. They explain no flow.
    pub tftp_joined: Vec<JoinedTransfer>,
    /// RPC endpoints, in time order.
    pub rpc: Vec<LearnedEndpoint>,
    /// Network boots, in time order: one a run.
    pub pxe: Vec<Boot>,
    /// Bounds that were hit.
    pub limits: Vec<EvidenceLimit>,
    tftp_pairs: HashMap<(Endpoint, Endpoint), usize, foldhash::fast::RandomState>,
    rpc_ports: HashMap<(IpAddr, u16, Protocol), usize>,
}

impl Evidence {
    /// Reads a log in time order.
    pub fn collect<'a>(
        log: impl IntoIterator<Item = LogEntry<'a>>,
        context: &impl Context,
    ) -> Self {
        Self::collect_after(&Frozen::default(), log, context)
    }

    /// Reads what is left of a log in time order, after what is frozen.
    pub fn collect_after<'a>(
        frozen: &Frozen,
        log: impl IntoIterator<Item = LogEntry<'a>>,
        context: &impl Context,
    ) -> Self {
        let collected = Collected::of(frozen, log, context);
        let rpc = collected.rpc.finish();
        Self {
            limits: collected.limits,
            tftp_pairs: collected.tftp.pairs(),
            tftp: collected.tftp.transfers,
            tftp_joined: collected.tftp.joined,
            rpc: rpc.endpoints,
            pxe: collected.boots,
            rpc_ports: rpc.ports,
        }
    }

    /// The TFTP transfer that a flow carries, whichever way round the flow is. The request's own
    /// flow is one only where the server answered from port 69.
    pub fn explains_tftp(&self, flow: &Flow) -> Option<&Transfer> {
        if flow.protocol != Protocol::Udp {
            return None;
        }
        self.transfer_between(flow.initiator, flow.responder)
    }

    /// The client's end of the TFTP transfer between two ends.
    pub fn transfer_initiator(&self, a: Endpoint, b: Endpoint) -> Option<Endpoint> {
        self.transfer_between(a, b).map(|transfer| transfer.client)
    }

    /// The strongest evidence that a server listens for RPC on a port. A server is also known by
    /// the address it answered from, where its answer names another.
    pub fn learned(
        &self,
        server: IpAddr,
        port: u16,
        protocol: Protocol,
    ) -> Option<&LearnedEndpoint> {
        let index = *self.rpc_ports.get(&(server, port, protocol))?;
        self.rpc.get(index)
    }

    /// Endpoints whose server named another address than the one it answered from, with that one,
    /// in time order.
    pub fn named_elsewhere(&self) -> Vec<(IpAddr, &LearnedEndpoint)> {
        let mut named: Vec<_> = self
            .rpc_ports
            .iter()
            .filter_map(|((answered, ..), index)| Some((*answered, *index, self.rpc.get(*index)?)))
            .filter(|(answered, _, endpoint)| *answered != endpoint.server)
            .collect();
        named.sort_unstable_by_key(|(answered, index, _)| (*index, *answered));
        let named = named.into_iter();
        named
            .map(|(answered, _, endpoint)| (answered, endpoint))
            .collect()
    }

    fn transfer_between(&self, a: Endpoint, b: Endpoint) -> Option<&Transfer> {
        let index = self
            .tftp_pairs
            .get(&(a, b))
            .or_else(|| self.tftp_pairs.get(&(b, a)))?;
        self.tftp.get(*index)
    }
}

/// What the trackers found, and what they know to go on.
struct Collected {
    tftp: tftp::Found,
    rpc: rpc::Endpoints,
    boots: Vec<Boot>,
    dhcp: dhcp::Before,
    limits: Vec<EvidenceLimit>,
}

impl Collected {
    fn of<'a>(
        frozen: &Frozen,
        log: impl IntoIterator<Item = LogEntry<'a>>,
        context: &impl Context,
    ) -> Self {
        let mut tftp = tftp::Tracker::default();
        let mut rpc = rpc::Tracker::after(frozen.rpc.clone());
        let until = frozen.until(context.end());
        let mut dhcp = dhcp::Tracker::after(frozen.dhcp.as_of(until));
        for entry in log {
            tftp.observe(&entry);
            rpc.observe(&entry);
            dhcp.observe(&entry);
        }
        let (mut tftp, places) = tftp.finish(context).join(&frozen.tftp, until);
        let (rpc, rpc_limits) = rpc.learned();
        let (found, dhcp) = dhcp.finish(&tftp.transfers, |place| {
            places.binary_search(&place).is_ok()
        });
        let mut boots = frozen.boots.clone();
        dhcp.name(&mut boots);
        for read in boots.iter_mut().flat_map(|boot| &mut boot.reads) {
            *read = places[*read];
        }
        let is_new = |boot: &Boot| {
            let known = frozen
                .boots
                .binary_search_by_key(&boot.first, |it| it.first);
            known.is_err()
        };
        boots.extend(found.boots.into_iter().filter(is_new));
        boots.sort_by_key(|boot| boot.first);
        let limits = std::mem::take(&mut tftp.limits).into_iter();
        let limits = limits.chain(rpc_limits).chain(found.limits);
        Self {
            tftp,
            rpc,
            boots,
            dhcp,
            limits: frozen.limits_with(limits),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::FUZZ;

    proptest! {
        #[test]
        fn fuzz_bodies_hold_for_any_bytes(data in prop::collection::vec(any::<u8>(), 0..600)) {
            for (_, body) in FUZZ {
                body(&data);
            }
        }
    }
}
