//! Network boots, by hardware address: DHCP with the PXE options (RFC 2131, RFC 4578, PXE
//! specification 2.1) and the TFTP transfers that follow. Says which steps were seen; which one is
//! missing is for the verdict stage.

mod before;
mod check;
mod message;
mod model;
mod reads;
mod run;

pub(super) use self::before::Before;
pub use self::reads::ReadsEnd;

use std::collections::BTreeMap;
use std::net::IpAddr;

use self::before::Who;
use self::message::{Message, used};
pub use self::model::{
    Boot, BootAnswer, BootAnswerKind, BootQuestion, BootQuestionKind, BootStep, BootStepKind,
    PxeInstructions,
};
use self::run::{Event, Runs};
use super::fuzz::Script;
use super::{Evidence, EvidenceLimit, Transfer, TransferOperation};
use crate::net::{Position, Protocol};
use crate::observation::{LogEntry, LogKind};

/// Machines kept, booting or not. A site's largest subnet plan fits; made-up hardware addresses
/// end here.
const MAX_MACHINES: usize = 1 << 16;
/// Changes kept of who has which address.
const MAX_LEASES: usize = 1 << 18;
/// Boots kept of all machines, and of one.
const MAX_BOOTS: usize = 1 << 16;
pub(super) const BOOTS_LIMIT: (&str, usize) = ("network-boots", MAX_BOOTS);
const MAX_BOOTS_OF_ONE: usize = 1 << 10;

/// Reads DHCP from the log.
#[derive(Default)]
pub(super) struct Tracker<'a> {
    /// What each machine said and was told, in time order.
    machines: BTreeMap<[u8; 6], Vec<Message<'a>>>,
    before: Before,
    kept_out: u64,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// In time order.
    pub(super) boots: Vec<Boot>,
    /// Bounds that kept things out.
    pub(super) limits: Vec<EvidenceLimit>,
}

impl<'a> Tracker<'a> {
    /// A tracker that knows what went before.
    pub(super) fn after(before: Before) -> Self {
        Self {
            before,
            ..Self::default()
        }
    }

    /// Takes up what may be DHCP.
    pub(super) fn observe(&mut self, entry: &LogEntry<'a>) {
        let tuple = entry.five_tuple;
        let LogKind::Datagram { payload, length } = entry.kind else {
            return;
        };
        if tuple.protocol != Protocol::Udp {
            return;
        }
        let Some((message, dhcp)) = Message::new(entry.at, tuple, payload, length) else {
            return;
        };
        let Some(mac) = dhcp.hardware_address() else {
            return;
        };
        if self.before.is_over(Who::Machine(mac), entry.at.time) {
            return;
        }
        if self.machines.len() == MAX_MACHINES && !self.machines.contains_key(&mac) {
            self.kept_out += 1;
            return;
        }
        self.machines.entry(mac).or_default().push(message);
        if self.before.knows_leases_of(entry.at.time) {
            return;
        }
        let Before { given, offered, .. } = &mut self.before;
        if dhcp.op == 1 {
            if let Some(address) = message.speaks_from(&dhcp) {
                given.add(address, mac, entry.at);
            }
        } else if let Some(address) = used(dhcp.yiaddr) {
            match message.answer(&dhcp) {
                Some(BootAnswerKind::Ack) => given.add(address, mac, entry.at),
                Some(BootAnswerKind::AddressOffer) => offered.add(address, mac, entry.at),
                // Cut before its type, it may be either.
                None if message.is_cut => offered.add(address, mac, entry.at),
                _ => {}
            }
        }
    }

    /// Joins the boots with the transfers of the same machines.
    /// Of transfers that are frozen only those count that a boot that goes on may need.
    pub(super) fn finish(
        mut self,
        transfers: &'a [Transfer],
        is_frozen: impl Fn(usize) -> bool,
    ) -> (Found, Before) {
        let mut others: BTreeMap<IpAddr, Vec<Event<'a>>> = BTreeMap::new();
        let mut reads: BTreeMap<[u8; 6], Vec<Event<'a>>> = BTreeMap::new();
        for (place, transfer) in transfers.iter().enumerate() {
            if transfer.operation != TransferOperation::Read {
                continue;
            }
            let address = transfer.client.address;
            let holder = self.before.holder(address, transfer.first);
            // Whose address it is may have been said since the last was frozen.
            let whose = [
                holder.map_or(Who::Address(address), Who::Machine),
                Who::Address(address),
            ];
            let is_over = |who: &Who| self.before.is_over(*who, transfer.first.time);
            let needs_more = |who: &Who| self.before.needs_more_of(*who);
            if whose.iter().all(is_over) || is_frozen(place) && !whose.iter().any(needs_more) {
                continue;
            }
            let events = match holder {
                Some(mac) => reads.entry(mac).or_default(),
                None => others.entry(address).or_default(),
            };
            events.push(Event::Read(place, transfer));
        }

        let mut found = Found::default();
        let mut kept_out = RunsKeptOut::default();
        for (mac, messages) in std::mem::take(&mut self.machines) {
            let mut events: Vec<_> = messages.into_iter().map(Event::Message).collect();
            events.extend(reads.remove(&mac).into_iter().flatten());
            // Stable: a message before the read of the same packet time.
            events.sort_by_key(Event::at);
            found.add(Some(mac), events, &mut kept_out);
        }
        // Machines of which nothing but a lease is known any more.
        for (mac, events) in reads {
            found.add(Some(mac), events, &mut kept_out);
        }
        for events in others.into_values() {
            found.add(None, events, &mut kept_out);
        }
        found.boots.retain(|boot| !self.before.has_frozen(boot));
        // Stable: of equal times the lower hardware address comes first.
        found.boots.sort_by_key(|boot| boot.first);
        let limits = [
            ("dhcp-machines", MAX_MACHINES, self.kept_out),
            (
                "dhcp-leases",
                MAX_LEASES,
                self.before.given.kept_out + self.before.offered.kept_out,
            ),
            (BOOTS_LIMIT.0, BOOTS_LIMIT.1, kept_out.of_all),
            (
                "network-boots-of-a-machine",
                MAX_BOOTS_OF_ONE,
                kept_out.of_one,
            ),
        ];
        found.limits = limits
            .into_iter()
            .filter(|(_, _, reached)| *reached > 0)
            .map(|(limit, value, reached)| EvidenceLimit {
                limit,
                value: value as u64,
                reached,
            })
            .collect();
        (found, self.before)
    }
}

/// Messages and reads that would have begun a boot too many.
#[derive(Default)]
struct RunsKeptOut {
    of_all: u64,
    of_one: u64,
}

impl Found {
    fn add(&mut self, mac: Option<[u8; 6]>, events: Vec<Event<'_>>, kept_out: &mut RunsKeptOut) {
        let most = MAX_BOOTS.saturating_sub(self.boots.len());
        let runs = Runs::cut(events.into_iter(), most.min(MAX_BOOTS_OF_ONE));
        if most < MAX_BOOTS_OF_ONE {
            kept_out.of_all += runs.kept_out;
        } else {
            kept_out.of_one += runs.kept_out;
        }
        self.boots.extend(runs.boots(mac));
    }
}

/// Who had an address from when on, in time order.
#[derive(Clone, Debug, Default)]
struct Leases {
    by_address: BTreeMap<IpAddr, Vec<Lease>>,
    count: usize,
    kept_out: u64,
}

#[derive(Clone, Debug)]
struct Lease {
    from: Position,
    mac: [u8; 6],
}

impl Leases {
    fn add(&mut self, address: IpAddr, mac: [u8; 6], from: Position) {
        let known = self.by_address.get(&address).and_then(|list| list.last());
        if known.is_some_and(|last| last.mac == mac) {
            return;
        }
        if self.count == MAX_LEASES {
            self.kept_out += 1;
            return;
        }
        self.count += 1;
        let leases = self.by_address.entry(address).or_default();
        leases.push(Lease { from, mac });
    }

    /// The machine that had an address at a time, or else the one that had it next.
    fn holder(&self, address: IpAddr, at: Position) -> Option<[u8; 6]> {
        let leases = self.by_address.get(&address)?;
        let later = leases.partition_point(|lease| lease.from <= at);
        let lease = leases.get(later.saturating_sub(1))?;
        Some(lease.mac)
    }
}

/// Reads packets that any bytes describe, and panics where what is found contradicts them or
/// itself.
pub(super) fn fuzz(data: &[u8]) {
    let script = Script::new(data);
    let log: Vec<_> = script.log().collect();
    let evidence = Evidence::collect(script.log(), &script);
    check::check(&evidence, &log);
}

#[cfg(test)]
mod ends;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
