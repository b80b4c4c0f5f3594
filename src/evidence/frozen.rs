//! Evidence of packets that the log no longer holds, for captures that go on for weeks.
//!
//! What ended long ago is *frozen*: it stays as it was found, and the packets that show it are
//! dropped, but for those that something unfinished needs. From then on the trackers read what is
//! left of the log, and what they find there joins what is frozen. Both together are what the
//! whole log would have said, as long as nothing goes on after a silence as long as that.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::dhcp::{self, Before};
use super::rpc::Endpoints;
use super::tftp::Found as Tftp;
use super::{Boot, Collected, Context, EvidenceLimit, Transfer};
use crate::flow::{FlowKey, Side};
use crate::net::{Endpoint, FiveTuple, Protocol, Timestamp};
use crate::observation::{LogEntry, LogKind};

const TFTP_PORT: u16 = 69;
/// Past so many bytes of a flow, counted as the log counts them, what is old is dropped even where
/// it might still tell something: else the log's bound would keep out what is new.
const MUCH_OF_A_FLOW: u64 = 2 << 20;
const ENTRY_BYTES: u64 = 64;

/// Evidence of what was dropped from the log.
#[derive(Clone, Debug, Default)]
pub struct Frozen {
    /// Transfers whose last packet came before are here, others in the log.
    pub(super) until: Option<Timestamp>,
    pub(super) tftp: Tftp,
    pub(super) rpc: Endpoints,
    pub(super) boots: Vec<Boot>,
    pub(super) dhcp: Before,
    pub(super) limits: Vec<EvidenceLimit>,
}

/// What is needed besides what is frozen: entries of the log, and flows.
#[derive(Debug)]
pub struct Needed {
    until: Timestamp,
    /// Entries of a flow are needed from then on; none of a flow that is not here.
    from: HashMap<FlowKey, Timestamp, foldhash::fast::RandomState>,
    dhcp: Before,
    transfers: HashSet<FlowKey, foldhash::fast::RandomState>,
}

impl Frozen {
    /// Freezes what ended before a time, of the whole log so far. What is not [`Needed`] afterwards
    /// may be dropped from it. That time should be ten minutes ago at the least: machines wait for
    /// minutes in the middle of a boot.
    pub fn freeze<'a>(
        &mut self,
        log: impl IntoIterator<Item = LogEntry<'a>>,
        context: &impl Context,
        before: Timestamp,
    ) -> Needed {
        let mut touched = Touched::default();
        let log = log.into_iter().inspect(|entry| touched.observe(entry));
        let mut collected = Collected::of(self, log, context);
        let frozen = self.until(context.end());
        let until = frozen.map_or(before, |until| until.max(before));
        self.until = Some(until);
        let (boots, transfers) = (&collected.boots, &collected.tftp.transfers);
        let unfinished = collected.dhcp.freeze(boots, transfers, until, &self.boots);
        let mut place = 0;
        collected.boots.retain(|_| {
            place += 1;
            !unfinished[place - 1]
        });
        let from = touched.needed(&collected.tftp, until);
        let transfers = collected.tftp.flows().collect();
        collected
            .tftp
            .freeze(&mut collected.boots, until, &self.tftp);
        collected.limits.append(&mut collected.tftp.limits);
        self.tftp = collected.tftp;
        self.rpc = collected.rpc;
        self.boots = collected.boots;
        self.dhcp = collected.dhcp;
        self.limits = collected.limits;
        self.drop_oldest();
        Needed {
            until,
            from,
            dhcp: self.dhcp.clone(),
            transfers,
        }
    }
}

impl Frozen {
    /// What ended before is frozen; `None` where nothing is, or the clock has gone back behind it:
    /// then all that the log holds counts, as it came since.
    pub(super) fn until(&self, now: Timestamp) -> Option<Timestamp> {
        self.until.filter(|until| *until <= now)
    }

    /// Bounds that were hit, now or before.
    pub(super) fn limits_with(
        &self,
        now: impl Iterator<Item = EvidenceLimit>,
    ) -> Vec<EvidenceLimit> {
        let mut all: Vec<_> = now.collect();
        for before in &self.limits {
            match all.iter_mut().find(|limit| limit.limit == before.limit) {
                // What is still in the log is kept out again.
                Some(limit) => limit.reached = limit.reached.max(before.reached),
                None => all.push(*before),
            }
        }
        all
    }

    /// Forgets boots beyond their bound.
    fn drop_oldest(&mut self) {
        let (limit, most) = dhcp::BOOTS_LIMIT;
        let beyond = self.boots.len().saturating_sub(most);
        if beyond > 0 {
            self.boots.drain(..beyond);
            self.limits.push(EvidenceLimit {
                limit,
                value: most as u64,
                reached: beyond as u64,
            });
        }
        // Each bound once, with all that it ever kept out.
        let mut sums: Vec<EvidenceLimit> = Vec::new();
        for limit in std::mem::take(&mut self.limits) {
            match sums.iter_mut().find(|sum| sum.limit == limit.limit) {
                Some(sum) => sum.reached += limit.reached,
                None => sums.push(limit),
            }
        }
        self.limits = sums;
    }
}

impl Needed {
    /// Whether an entry of the log is needed.
    pub fn holds(&self, entry: &LogEntry<'_>) -> bool {
        let last = last(entry);
        if last >= self.until {
            return true;
        }
        if let Some(needed) = self.dhcp.needs(entry) {
            return needed;
        }
        let (key, _) = FlowKey::new(&entry.five_tuple);
        self.from.get(&key).is_some_and(|from| last >= *from)
    }

    /// Whether a transfer is known by this flow, which is to stand by itself.
    pub fn is_transfer(&self, flow: &FlowKey) -> bool {
        self.transfers.contains(flow)
    }
}

fn last(entry: &LogEntry<'_>) -> Timestamp {
    match entry.kind {
        LogKind::TftpRun(run) => entry.at.time.max(run.last),
        LogKind::Datagram { .. } | LogKind::Segment { .. } => entry.at.time,
    }
}

/// When the flows of a log were last heard, by number.
#[derive(Default)]
struct Touched(Vec<Option<TouchedFlow>>);

#[derive(Clone, Copy)]
struct TouchedFlow {
    key: FlowKey,
    last: Timestamp,
    bytes: u64,
}

impl Touched {
    fn observe(&mut self, entry: &LogEntry<'_>) {
        let number = entry.flow as usize;
        if number >= self.0.len() {
            self.0.resize(number + 1, None);
        }
        let flow = self.0[number].get_or_insert_with(|| TouchedFlow {
            key: FlowKey::new(&entry.five_tuple).0,
            last: Timestamp::UNKNOWN,
            bytes: 0,
        });
        flow.last = flow.last.max(last(entry));
        let payload = match entry.kind {
            LogKind::Datagram { payload, .. } | LogKind::Segment { payload, .. } => payload.len(),
            LogKind::TftpRun(_) => 0,
        };
        flow.bytes += ENTRY_BYTES + payload as u64;
    }

    /// From when on entries of which flows are needed: those of transfers that are not over, by
    /// client port and server; and all of other flows that were heard of late.
    fn needed(
        &self,
        tftp: &Tftp,
        until: Timestamp,
    ) -> HashMap<FlowKey, Timestamp, foldhash::fast::RandomState> {
        let mut conversations: HashMap<(Endpoint, IpAddr), Timestamp> = HashMap::new();
        for transfer in tftp.transfers.iter().filter(|it| it.last >= until) {
            let key = (transfer.client, transfer.server.address);
            let from = conversations.entry(key).or_insert(transfer.first.time);
            *from = transfer.first.time.min(*from);
        }
        let from = |flow: &TouchedFlow| {
            let by_side = |side: Side| {
                let (client, server) = (flow.key.endpoint(side), flow.key.endpoint(side.other()));
                conversations.get(&(client, server.address)).copied()
            };
            let is_udp = flow.key.protocol() == Protocol::Udp;
            let of_transfer = is_udp
                .then(|| {
                    by_side(Side::Low)
                        .into_iter()
                        .chain(by_side(Side::High))
                        .min()
                })
                .flatten();
            match of_transfer {
                Some(from) => Some(from),
                None if flow.last < until => None,
                None if flow.bytes > MUCH_OF_A_FLOW => Some(until),
                None => Some(Timestamp::UNKNOWN),
            }
        };
        let flows = self.0.iter().flatten();
        flows
            .filter_map(|flow| Some((flow.key, from(flow)?)))
            .collect()
    }
}

impl Tftp {
    /// The flows that transfers and their requests ran on.
    fn flows(&self) -> impl Iterator<Item = FlowKey> {
        let transfers = self.transfers.iter().zip(&self.answers);
        let requested = transfers.flat_map(|(transfer, answers)| {
            let request = Endpoint::new(transfer.server.address, TFTP_PORT);
            let servers = answers.iter().copied().chain([request, transfer.server]);
            servers.map(|server| (transfer.client, server))
        });
        let joined = self.joined.iter().map(|it| (it.client, it.server));
        requested.chain(joined).map(|(source, destination)| {
            FlowKey::new(&FiveTuple {
                protocol: Protocol::Udp,
                source,
                destination,
            })
            .0
        })
    }

    /// Keeps what is over, the latest where that is too much; the reads of boots go with it.
    fn freeze(&mut self, boots: &mut [Boot], until: Timestamp, before: &Self) {
        let known = |first| before.transfers.binary_search_by_key(&first, |it| it.first);
        let is_over = |it: &Transfer| it.last < until || known(it.first).is_ok();
        let mut places = Vec::with_capacity(self.transfers.len());
        let mut kept = 0;
        let (limit, most) = Self::LIMIT;
        let over = self.transfers.iter().filter(|it| is_over(it)).count();
        let beyond = over.saturating_sub(most);
        let mut passed = 0;
        for transfer in &self.transfers {
            let is_over = is_over(transfer);
            passed += usize::from(is_over);
            let stays = is_over && passed > beyond;
            places.push(stays.then_some(kept));
            kept += usize::from(stays);
        }
        let mut stays = places.iter().map(Option::is_some);
        self.answers.retain(|_| stays.next().unwrap_or_default());
        let mut stays = places.iter().map(Option::is_some);
        self.transfers.retain(|_| stays.next().unwrap_or_default());
        let known = |first| before.joined.binary_search_by_key(&first, |it| it.first);
        self.joined
            .retain(|it| it.last < until || known(it.first).is_ok());
        let beyond_joined = self.joined.len().saturating_sub(most);
        self.joined.drain(..beyond_joined);
        if beyond + beyond_joined > 0 {
            self.limits.push(EvidenceLimit {
                limit,
                value: most as u64,
                reached: (beyond + beyond_joined) as u64,
            });
        }
        for boot in boots {
            boot.reads = boot.reads.iter().filter_map(|read| places[*read]).collect();
        }
    }

    /// These, as far as they go on, and those that were frozen, in time order; and the new places
    /// of the latter.
    pub(super) fn join(self, before: &Self, until: Option<Timestamp>) -> (Self, Vec<usize>) {
        if before.transfers.is_empty() && before.joined.is_empty() && until.is_none() {
            return (self, Vec::new());
        }
        let goes_on = |last: Timestamp| until.is_none_or(|until| last >= until);
        let old = before
            .transfers
            .iter()
            .cloned()
            .zip(before.answers.iter().cloned());
        let old = old.enumerate().map(|(place, it)| (Some(place), it));
        let new = self.transfers.into_iter().zip(self.answers);
        let known = |first| before.transfers.binary_search_by_key(&first, |it| it.first);
        let new = new.filter(|(it, _)| goes_on(it.last) && known(it.first).is_err());
        let mut all: Vec<_> = old.chain(new.map(|it| (None, it))).collect();
        all.sort_by_key(|(_, (transfer, _))| transfer.first);
        let mut places = vec![0; before.transfers.len()];
        for (new, (old, _)) in all.iter().enumerate() {
            if let Some(old) = old {
                places[*old] = new;
            }
        }
        let (transfers, answers) = all.into_iter().map(|(_, it)| it).unzip();
        let known = |first| before.joined.binary_search_by_key(&first, |it| it.first);
        let joined = self.joined.into_iter();
        let joined = joined.filter(|it| goes_on(it.last) && known(it.first).is_err());
        let mut joined: Vec<_> = before.joined.iter().cloned().chain(joined).collect();
        joined.sort_by_key(|joined| joined.first);
        let all = Self {
            transfers,
            answers,
            joined,
            limits: self.limits,
        };
        (all, places)
    }
}
