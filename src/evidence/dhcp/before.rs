//! What is known of machines whose messages the log no longer holds.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::message::Message;
use super::run::NEW_RUN_AFTER;
use super::{Boot, Leases};
use crate::evidence::{Transfer, TransferOutcome};
use crate::net::{Position, Protocol, Timestamp};
use crate::observation::{LogEntry, LogKind};

/// A boot whose last file did not come may go on whenever its user chooses from a menu; after so
/// long nobody does. One day.
const WAITS_NS: u64 = 86_400_000_000_000;

/// What went before the messages that the log holds.
#[derive(Clone, Debug, Default)]
pub(in crate::evidence) struct Before {
    /// Boots that ended before are frozen.
    until: Option<Timestamp>,
    /// Those of whom more is needed.
    since: BTreeMap<Who, Since>,
    /// Who had which address: by ACK, or by its own word.
    pub(super) given: Leases,
    /// Who was offered which address, for reads that follow where no ACK was seen.
    pub(super) offered: Leases,
}

/// A machine, or an address of one that no DHCP names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Machine([u8; 6]),
    Address(IpAddr),
}

#[derive(Clone, Copy, Debug)]
struct Since {
    /// Messages and reads from then on are needed: the boot before tells where the next begins.
    events: Timestamp,
    /// Boots from there on are not frozen.
    boots: Position,
}

impl Who {
    fn of(boot: &Boot) -> Option<Self> {
        match boot.client_mac {
            Some(mac) => Some(Self::Machine(mac)),
            None => boot.client_addresses.first().copied().map(Self::Address),
        }
    }
}

impl Before {
    /// The same where boots are frozen that ended before; none are where the clock went back.
    pub(in crate::evidence) fn as_of(&self, until: Option<Timestamp>) -> Self {
        let mut before = self.clone();
        if until.is_none() {
            before.until = None;
            before.since.clear();
        }
        before
    }

    /// Whether what someone did at a time is of a boot that is frozen.
    pub(super) fn is_over(&self, who: Who, at: Timestamp) -> bool {
        match self.since.get(&who) {
            Some(since) => at < since.events,
            None => self.until.is_some_and(|until| at < until),
        }
    }

    /// Whether a boot goes on.
    pub(super) fn needs_more_of(&self, who: Who) -> bool {
        self.since.contains_key(&who)
    }

    /// Whether leases of that time are known.
    pub(super) fn knows_leases_of(&self, at: Timestamp) -> bool {
        self.until.is_some_and(|until| at < until)
    }

    /// Whether a boot, as far as the log still shows it, is frozen.
    pub(super) fn has_frozen(&self, boot: &Boot) -> bool {
        match Who::of(boot).and_then(|who| self.since.get(&who)) {
            // One that began before, but went on, was nobody's yet.
            Some(since) => boot.first < since.boots && self.ended(boot),
            None => self.ended(boot),
        }
    }

    fn ended(&self, boot: &Boot) -> bool {
        self.until.is_some_and(|until| boot.last < until)
    }

    /// The machine that had an address at a time, as far as any DHCP says.
    pub(super) fn holder(&self, address: IpAddr, at: Position) -> Option<[u8; 6]> {
        let given = self.given.holder(address, at);
        given.or_else(|| self.offered.holder(address, at))
    }

    /// Says whose those frozen boots are of which nothing but an address was known.
    pub(in crate::evidence) fn name(&self, boots: &mut [Boot]) {
        for boot in boots.iter_mut().filter(|boot| boot.client_mac.is_none()) {
            let address = boot.client_addresses.first();
            boot.client_mac = address.and_then(|address| self.holder(*address, boot.first));
        }
    }

    /// Whether an entry of the log is needed; `None` where it is no message of DHCP.
    pub(in crate::evidence) fn needs(&self, entry: &LogEntry<'_>) -> Option<bool> {
        let LogKind::Datagram { payload, length } = entry.kind else {
            return None;
        };
        if entry.five_tuple.protocol != Protocol::Udp {
            return None;
        }
        let (_, dhcp) = Message::new(entry.at, entry.five_tuple, payload, length)?;
        let mac = dhcp.hardware_address()?;
        Some(!self.is_over(Who::Machine(mac), entry.at.time))
    }

    /// Says which boots, in time order, go on: all others end before `until`, or were `frozen`.
    pub(in crate::evidence) fn freeze(
        &mut self,
        boots: &[Boot],
        transfers: &[Transfer],
        until: Timestamp,
        frozen: &[Boot],
    ) -> Vec<bool> {
        let is_frozen = |boot: &Boot| {
            let known = frozen.binary_search_by_key(&boot.first, |it| it.first);
            known.is_ok()
        };
        let mut by_machine: BTreeMap<Who, Vec<usize>> = BTreeMap::new();
        for (place, boot) in boots.iter().enumerate() {
            if let Some(who) = Who::of(boot) {
                by_machine.entry(who).or_default().push(place);
            }
        }
        let mut goes_on = vec![false; boots.len()];
        self.since.clear();
        for (who, places) in by_machine {
            let is_last = |index: usize| index + 1 == places.len();
            let unfinished = (0..places.len()).find(|index| {
                let boot = &boots[places[*index]];
                let goes_on =
                    boot.last >= until || is_last(*index) && waits(boot, transfers, until);
                goes_on && !is_frozen(boot)
            });
            let Some(index) = unfinished else {
                continue;
            };
            for place in &places[index..] {
                goes_on[*place] = !is_frozen(&boots[*place]);
            }
            let first = boots[places[index]].first;
            let before = index.checked_sub(1).map(|before| &boots[places[before]]);
            let near = before.filter(|it| first.time.since_ns(it.last) <= NEW_RUN_AFTER);
            let events = near.map_or(first.time, |near| near.first.time);
            let since = Since {
                events,
                boots: first,
            };
            self.since.insert(who, since);
        }
        self.until = Some(until);
        let needed = self.since.values().map(|since| since.events).min();
        let needed = needed.map_or(until, |needed| needed.min(until));
        self.given.forget(needed);
        self.offered.forget(needed);
        goes_on
    }
}

/// Whether a read goes on with the boot after any silence.
fn waits(boot: &Boot, transfers: &[Transfer], until: Timestamp) -> bool {
    let has_dhcp = !(boot.questions.is_empty() && boot.answers.is_empty());
    let last = boot.reads.last().and_then(|read| transfers.get(*read));
    let came = last.is_some_and(|last| {
        matches!(
            last.outcome,
            TransferOutcome::Complete | TransferOutcome::Aborted
        )
    });
    has_dhcp && !came && until.since_ns(boot.last) < WAITS_NS
}

impl Leases {
    /// Forgets who had an address before the one who had it at a time.
    fn forget(&mut self, at: Timestamp) {
        for leases in self.by_address.values_mut() {
            let later = leases.partition_point(|lease| lease.from.time < at);
            let forgotten = later.saturating_sub(1);
            leases.drain(..forgotten);
            self.count -= forgotten;
        }
    }
}
