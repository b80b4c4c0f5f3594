//! The time to live that hosts usually show, for those about which a failing flow asks. It tells
//! what a host sent from what something in between sent in its name.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZero;

use hashbrown::HashMap;

use super::assemble::Partitions;
use super::workers;
use crate::flow::{Flow, HostFilter};
use crate::net::Protocol;

type Hosts = HashMap<IpAddr, Shown, foldhash::fast::RandomState>;

/// What some hosts show beside resets and ICMP errors.
#[derive(Clone, Debug, Default)]
pub(super) struct UsualTtls(Hosts);

/// Flows of a host by the time to live of what it sent in them.
#[derive(Clone, Debug, Default)]
struct Shown {
    /// Whether it sent anything at all, resets and what goes to groups included.
    sent: bool,
    tcp: BTreeMap<u8, u64>,
    /// Of all else. Stacks may give ICMP and link-local services a time to live of their own, so
    /// it counts where no TCP is.
    other: BTreeMap<u8, u64>,
}

impl UsualTtls {
    /// Walks the flows for these hosts, on at most `threads` threads; not at all where there is no
    /// host.
    pub fn of<Flows: Iterator<Item = Flow>>(
        hosts: impl Iterator<Item = IpAddr>,
        partitions: &Partitions<impl Fn(usize, HostFilter) -> Flows + Sync>,
        threads: NonZero<usize>,
    ) -> Self {
        let asked = Self(hosts.map(|host| (host, Shown::default())).collect());
        if asked.0.is_empty() {
            return asked;
        }
        let of = HostFilter::of(asked.0.keys().copied());
        workers::fold(
            partitions.count,
            threads,
            || asked.clone(),
            |usual, partition| {
                (partitions.flows)(partition, of).for_each(|flow| usual.add(&flow));
            },
            Self::merge,
        )
    }

    fn add(&mut self, flow: &Flow) {
        for (host, packets) in [
            (flow.initiator.address, flow.initiator_packets),
            (flow.responder.address, flow.responder_packets),
        ] {
            if packets > 0
                && let Some(shown) = self.0.get_mut(&host)
            {
                shown.sent = true;
            }
        }
        // What goes to a group stays on the link, with a time to live of its own.
        let to = flow.responder.address;
        if to.is_multicast() || matches!(to, IpAddr::V4(to) if to.is_broadcast()) {
            return;
        }
        for (host, ttls) in [
            (flow.initiator.address, flow.initiator_ttls),
            (to, flow.responder_ttls),
        ] {
            if ttls.others > 0
                && let Some(shown) = self.0.get_mut(&host)
            {
                let of = match flow.protocol {
                    Protocol::Tcp => &mut shown.tcp,
                    _ => &mut shown.other,
                };
                *of.entry(ttls.others).or_default() += flow.flows;
            }
        }
    }

    fn merge(&mut self, other: Self) {
        for (host, more) in other.0 {
            let known = self.0.entry(host).or_default();
            known.sent |= more.sent;
            for (known, more) in [(&mut known.tcp, more.tcp), (&mut known.other, more.other)] {
                for (ttl, flows) in more {
                    *known.entry(ttl).or_default() += flows;
                }
            }
        }
    }

    /// The time to live that a host usually shows, against which `ttl` is held: the same where it
    /// ever showed that, as it may be seen at several places; else that of most of its flows.
    pub fn usual(&self, host: IpAddr, ttl: u8) -> Option<u8> {
        let shown = self.0.get(&host)?;
        let flows = match shown.tcp.is_empty() {
            true => &shown.other,
            false => &shown.tcp,
        };
        if flows.contains_key(&ttl) {
            return Some(ttl);
        }
        let most = flows.iter().max_by_key(|(_, flows)| **flows);
        most.map(|(ttl, _)| *ttl)
    }

    /// Whether the flows were walked for a host: of others nothing is known.
    pub fn is_asked(&self, host: IpAddr) -> bool {
        self.0.contains_key(&host)
    }

    /// Whether anything that a host sent was seen, beside ICMP errors.
    pub fn has_sent(&self, host: IpAddr) -> bool {
        self.0.get(&host).is_some_and(|shown| shown.sent)
    }
}

/// What a stack gave a packet that came with `ttl`: one of the values in use, the smallest that
/// holds it.
pub(super) fn initial(ttl: u8) -> u8 {
    let in_use = [32, 64, 128];
    let holding = in_use.into_iter().find(|initial| ttl <= *initial);
    holding.unwrap_or(u8::MAX)
}
