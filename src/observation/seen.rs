//! All that was seen in the input, complete and in order.

use std::collections::BTreeMap;

use super::capture::{Placement, place};
use super::log::{LogEntries, Ordered};
use super::{CaptureRecord, Continuity, Window};
use crate::decode::{LinkProtocol, Undecoded};
use crate::flow::{Flow, FlowTable, HostFilter, IcmpErrorSeen, IcmpErrors, Resolver};
use crate::net::{FiveTuple, ServicePorts, Timestamp};

/// Packets and their frame bytes on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets.
    pub packets: u64,
    /// Frame bytes on the wire.
    pub bytes: u64,
}

impl Tally {
    #[inline]
    pub(super) fn add(&mut self, bytes: u32) {
        self.packets += 1;
        self.bytes += u64::from(bytes);
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
    }
}

/// A bound that was hit while reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitReached {
    /// Name of the bound.
    pub limit: &'static str,
    /// Its value.
    pub value: u64,
    /// How many things it kept out.
    pub reached: u64,
}

/// All that was seen in the input.
#[derive(Clone, Debug)]
pub struct Observation {
    pub(super) captures: Vec<CaptureRecord>,
    pub(super) window: Window,
    pub(super) flows: FlowTable,
    /// Where the pieces that the flows' first packets are numbered in stand.
    pub(super) placements: Vec<Placement>,
    pub(super) errors: IcmpErrors,
    pub(super) errors_outside: IcmpErrors,
    pub(super) log: Ordered,
    pub(super) link: BTreeMap<LinkProtocol, Tally>,
    pub(super) icmp_errors: Tally,
    pub(super) undecoded: BTreeMap<Undecoded, u64>,
    pub(super) total: Tally,
    pub(super) snaplen_cut: u64,
    pub(super) watched: Option<Timestamp>,
    pub(super) continuity: Continuity,
    pub(super) limits: Vec<LimitReached>,
}

impl Observation {
    /// Captures by first packet, then name; [`crate::net::Position::capture`] is an index into them.
    pub fn captures(&self) -> &[CaptureRecord] {
        &self.captures
    }

    /// Which packets are judged. The log holds the others, too.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Every flow from its initiator's side, in no particular order.
    pub fn flows<'a>(&'a self, services: &'a ServicePorts) -> impl Iterator<Item = Flow> + 'a {
        (0..self.flow_partitions())
            .flat_map(|partition| self.flows_of(partition, HostFilter::ALL, services))
    }

    /// How many partitions the flows stand in; each can be read by a thread of its own.
    pub fn flow_partitions(&self) -> usize {
        FlowTable::PARTITIONS
    }

    /// The flows of one partition from their initiators' sides, in no particular order: at least
    /// those `of` these hosts.
    pub fn flows_of<'a>(
        &'a self,
        partition: usize,
        of: HostFilter,
        services: &'a ServicePorts,
    ) -> impl Iterator<Item = Flow> + 'a {
        let resolver = Resolver {
            errors: &self.errors,
            services,
            place: |at| place(&self.placements, at),
        };
        self.flows.flows_of(partition, of, resolver)
    }

    /// How many flows there are.
    pub fn flow_count(&self) -> usize {
        self.flows.len()
    }

    /// What was kept for the trackers, in time order.
    pub fn log(&self) -> LogEntries<'_> {
        self.log.iter()
    }

    /// ICMP errors that quote packets of `five_tuple`'s direction, in the window or outside.
    pub fn icmp_error(&self, five_tuple: &FiveTuple) -> Option<IcmpErrorSeen> {
        let sets = [&self.errors, &self.errors_outside];
        let seen = sets
            .into_iter()
            .filter_map(|errors| errors.quoting(five_tuple));
        seen.reduce(IcmpErrorSeen::merged)
    }

    /// Until when the input was watched: by the clock of whoever watched it, else the latest
    /// [`CaptureRecord::end`].
    pub fn end(&self) -> Timestamp {
        let ends = self.captures.iter().filter_map(CaptureRecord::end);
        let end = self.watched.or_else(|| ends.max());
        end.unwrap_or(Timestamp::UNKNOWN)
    }

    /// Packets of protocols that are not IP.
    pub fn link(&self) -> &BTreeMap<LinkProtocol, Tally> {
        &self.link
    }

    /// ICMP errors, which are no flows themselves.
    pub fn icmp_errors(&self) -> Tally {
        self.icmp_errors
    }

    /// Frames that could not be decoded, by reason.
    pub fn undecoded(&self) -> &BTreeMap<Undecoded, u64> {
        &self.undecoded
    }

    /// All frames judged.
    pub fn total(&self) -> Tally {
        self.total
    }

    /// Frames cut by the snaplen.
    pub fn snaplen_cut(&self) -> u64 {
        self.snaplen_cut
    }

    /// What the packets of all captures say of their loss. Captures are not compared with each
    /// other.
    pub fn continuity(&self) -> Continuity {
        self.continuity
    }

    /// Bounds that were hit.
    pub fn limits(&self) -> &[LimitReached] {
        &self.limits
    }
}
