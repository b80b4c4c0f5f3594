//! What was seen in a part of the input. Parts merge associatively, in any order and grouping.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use super::capture::{CapturePiece, CaptureRecord, Order, interleave, join, place};
use super::continuity::{Continuity, Directions};
use super::fragment::Fragments;
use super::keep::keep;
use super::log::{Log, LogKind};
use super::seen::{LimitReached, Observation, Tally};
use crate::capture::{Frame, LinkType};
use crate::decode::{LinkProtocol, NoPacket, Packet, Take, Transport, Undecoded, decode};
use crate::flow::{FlowKey, FlowTable, IcmpErrors};
use crate::net::{Position, Timestamp};

/// Which piece of which capture a part begins with.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Path as the user named it, or `-`.
    pub source: String,
    /// `pcap`, `pcapng`, or `None` where it was not recognised.
    pub format: Option<&'static str>,
    /// `gzip`, `zstd`, `lz4`, or `None`.
    pub compression: Option<&'static str>,
    /// Time of the first frame of the whole capture: captures stand in this order.
    /// [`Timestamp::MAX`] where it has none, or none yet.
    pub first: Timestamp,
    /// Where the piece begins in its capture, in bytes or any unit that grows; 0 for a whole one.
    pub offset: u64,
}

/// Which packets are judged. Those outside still reach the trackers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// First time judged.
    pub from: Option<Timestamp>,
    /// Last time judged.
    pub to: Option<Timestamp>,
}

impl Window {
    #[inline]
    fn holds(&self, time: Timestamp) -> bool {
        self.overlaps(time, time)
    }

    /// Whether something that lasted from `first` to `last` was under way in it.
    #[inline]
    pub fn overlaps(&self, first: Timestamp, last: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= last) && self.to.is_none_or(|to| first <= to)
    }
}

/// Adds the packet of a frame to a part.
struct Add<'p> {
    part: &'p mut Part,
    at: Position,
    bytes: u32,
    judged: bool,
}

impl<'a> Take<'a> for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn take(self, packet: Packet<'a>) {
        self.part
            .add_packet(self.at, self.bytes, &packet, self.judged);
    }
}

/// What was seen in a part of the input.
#[derive(Clone, Debug, Default)]
pub struct Part {
    pub(super) pieces: Vec<CapturePiece>,
    pub(super) window: Window,
    pub(super) flows: FlowTable,
    pub(super) errors: IcmpErrors,
    /// Errors outside the window: for the trackers, not for the flows.
    pub(super) errors_outside: IcmpErrors,
    pub(super) fragments: Fragments,
    pub(super) log: Log,
    pub(super) link: BTreeMap<LinkProtocol, Tally>,
    pub(super) icmp_errors: Tally,
    pub(super) undecoded: BTreeMap<Undecoded, u64>,
    pub(super) total: Tally,
    pub(super) snaplen_cut: u64,
    /// How long flows were silent that were retired, in seconds.
    pub(super) idle: Option<u64>,
    /// Until when the input was watched, where that is known better than by its last packet.
    pub(super) watched: Option<Timestamp>,
    pub(super) last_link_type: Option<LinkType>,
    /// Those of the piece, while frames are added.
    pub(super) directions: Option<Box<Directions>>,
}

impl Part {
    /// An empty part of `piece`, in which at most `max_flows` flows stand one by one.
    pub fn new(piece: Piece, window: Window, max_flows: usize) -> Self {
        let order = Order {
            first: piece.first,
            source: piece.source.clone(),
            offset: piece.offset,
        };
        let begins = piece.offset == 0;
        let record = CaptureRecord {
            source: piece.source,
            format: piece.format,
            compression: piece.compression,
            link_types: Default::default(),
            packets: 0,
            bytes: 0,
            first: None,
            last: None,
            watched_until: None,
            kernel_drops: None,
            continuity: Continuity::default(),
            problem: None,
        };
        Self {
            pieces: vec![CapturePiece {
                order,
                record,
                frames: 0,
                directions: Some(Box::new(Directions::new(begins))),
            }],
            window,
            flows: FlowTable::bounded(max_flows),
            ..Self::default()
        }
    }

    /// Adds the next frames of the piece, numbered from the piece's beginning.
    #[inline]
    pub fn add(&mut self, frames: &[Frame<'_>]) {
        self.add_unsettled(frames);
        self.settle();
    }

    /// The same, but leaves look-ups of flows waiting for others: [`Self::settle`] must come before
    /// anything is read of the part.
    #[inline]
    pub(super) fn add_unsettled(&mut self, frames: &[Frame<'_>]) {
        self.count(frames);
        self.directions = self.pieces[0].directions.take();
        for frame in frames {
            self.add_frame(frame);
        }
        self.pieces[0].directions = self.directions.take();
    }

    /// Lays the packets that wait at their flows.
    pub fn settle(&mut self) {
        self.flows.settle();
    }

    #[inline(always)]
    fn add_frame(&mut self, frame: &Frame<'_>) {
        let at = Position::new(frame.time, 0, frame.number);
        let judged = self.window.holds(frame.time);
        if judged {
            self.total.add(frame.wire_length);
            self.snaplen_cut += u64::from(frame.data.len() < frame.wire_length as usize);
        }
        let bytes = frame.wire_length;
        let part = &mut *self;
        let decoded = decode(
            frame,
            Add {
                part,
                at,
                bytes,
                judged,
            },
        );
        if let Err(reason) = decoded
            && judged
        {
            self.add_no_packet(bytes, reason);
        }
    }

    fn count(&mut self, frames: &[Frame<'_>]) {
        let piece = &mut self.pieces[0];
        let record = &mut piece.record;
        for frame in frames {
            if piece.order.first == Timestamp::MAX {
                // A live capture begins before its first frame comes.
                piece.order.first = frame.time;
            }
            piece.frames = frame.number;
            record.packets += 1;
            record.bytes += u64::from(frame.wire_length);
            if frame.time.is_known() {
                record.first = Some(
                    record
                        .first
                        .map_or(frame.time, |first| first.min(frame.time)),
                );
                record.last = record.last.max(Some(frame.time));
            }
            if self.last_link_type != Some(frame.link_type) {
                self.last_link_type = Some(frame.link_type);
                record.link_types.insert(frame.link_type);
            }
        }
    }

    #[inline(always)]
    fn add_packet(&mut self, at: Position, bytes: u32, packet: &Packet<'_>, judged: bool) {
        if packet.fragment.is_some() || matches!(packet.transport, Transport::IcmpError(_)) {
            self.add_special(at, bytes, packet, judged);
        } else if judged {
            // First, as most packets leave it soon: what it would read of them is not read then.
            if let Some(directions) = &mut self.directions {
                directions.add(at.time, packet);
            }
            self.flows.add(at, bytes, packet);
        }
        if let Some(kept) = keep(packet, at.time) {
            self.keep(at, packet, kept);
        }
    }

    #[cold]
    fn keep(&mut self, at: Position, packet: &Packet<'_>, kept: LogKind<'_>) {
        if let Some(five_tuple) = packet.five_tuple() {
            self.log.add(at, &five_tuple, kept);
        }
    }

    #[cold]
    fn add_no_packet(&mut self, bytes: u32, reason: NoPacket) {
        match reason {
            NoPacket::Link(protocol) => self.link.entry(protocol).or_default().add(bytes),
            NoPacket::Undecoded(reason) => *self.undecoded.entry(reason).or_default() += 1,
        }
    }

    /// Fragments, and ICMP errors, which belong to no flow by themselves.
    #[cold]
    fn add_special(&mut self, at: Position, bytes: u32, packet: &Packet<'_>, judged: bool) {
        if let Transport::IcmpError(error) = &packet.transport {
            let errors = if judged {
                self.icmp_errors.add(bytes);
                &mut self.errors
            } else {
                &mut self.errors_outside
            };
            return errors.add(at, packet.source, packet.ttl, error);
        }
        let Some(fragment) = packet.fragment.filter(|_| judged) else {
            return;
        };
        let (source, destination) = (packet.source, packet.destination);
        let fragments = &mut self.fragments;
        match packet.five_tuple() {
            Some(five_tuple) => {
                self.flows.add(at, bytes, packet);
                let flow = FlowKey::new(&five_tuple);
                fragments.add_first(at, source, destination, fragment, flow);
            }
            None => fragments.add_later(at, source, destination, fragment, bytes),
        }
    }

    /// Says how the piece ended: number of its last frame, packets dropped before they were
    /// captured, why it could not be read on.
    pub fn close(&mut self, frames: u64, kernel_drops: Option<u64>, problem: Option<String>) {
        let piece = &mut self.pieces[0];
        piece.frames = frames;
        let record = &mut piece.record;
        record.kernel_drops = kernel_drops;
        record.problem = problem;
    }

    /// Says until when the capture went on, as far as the piece itself says so; the latest time of
    /// all pieces counts.
    pub fn went_on_until(&mut self, end: Option<Timestamp>) {
        self.pieces[0].record.watched_until = end;
    }

    /// Says that the part is a capture from its beginning to its end. What only its other pieces
    /// would need is dropped then, and not kept until all parts are merged.
    pub fn seal(&mut self) {
        self.pieces[0].seal();
    }

    /// What both parts saw.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self::merge_all(vec![self, other], NonZeroUsize::MIN)
    }

    /// What all parts saw, merged on so many threads.
    #[must_use]
    pub fn merge_all(mut parts: Vec<Self>, threads: NonZeroUsize) -> Self {
        let pieces = parts
            .iter_mut()
            .map(|part| std::mem::take(&mut part.pieces));
        let (pieces, new_indices) = interleave(pieces.collect());
        let renumberings: Vec<_> = new_indices
            .iter()
            .map(|new_index| {
                let moved = new_index.iter().enumerate().any(|(old, new)| old != *new);
                moved.then_some(|at: Position| {
                    Position::new(at.time, new_index[at.capture()], at.frame())
                })
            })
            .collect();
        let mut whole = Self {
            pieces,
            ..Self::default()
        };
        let mut flows = Vec::with_capacity(parts.len());
        for (mut part, new) in parts.into_iter().zip(&renumberings) {
            let table = std::mem::take(&mut part.flows);
            flows.push((table, new.as_ref().map(|new| new as _)));
            if let Some(new) = new {
                part.renumber(new);
            }
            whole.add_part(part);
        }
        whole.flows = FlowTable::merge(flows, threads);
        whole
    }

    /// Adds all but pieces and flows.
    fn add_part(&mut self, mut other: Self) {
        self.log.merge(std::mem::take(&mut other.log));
        self.add_sums(other);
    }

    /// Adds all but pieces, flows and log.
    pub(super) fn add_sums(&mut self, other: Self) {
        self.window = other.window;
        self.watched = self.watched.max(other.watched);
        self.idle = self.idle.max(other.idle);
        self.errors.merge(other.errors);
        self.errors_outside.merge(other.errors_outside);
        self.fragments.merge(other.fragments);
        for (protocol, tally) in other.link {
            self.link.entry(protocol).or_default().merge(tally);
        }
        for (reason, count) in other.undecoded {
            *self.undecoded.entry(reason).or_default() += count;
        }
        self.icmp_errors.merge(other.icmp_errors);
        self.total.merge(other.total);
        self.snaplen_cut += other.snaplen_cut;
    }

    /// The whole, once every part is merged: fragments laid at their flows, the log in time order.
    pub fn finish(mut self) -> Observation {
        let (captures, placements) = join(std::mem::take(&mut self.pieces));
        let captures: Vec<_> = captures.into_iter().map(|piece| piece.record).collect();
        let mut continuity = Continuity::default();
        for capture in &captures {
            continuity.add(capture.continuity);
        }
        // Flows are many: their positions are placed as they are read.
        let in_capture = |at| place(&placements, at);
        self.errors.renumber(in_capture);
        self.errors_outside.renumber(in_capture);
        self.log.renumber(in_capture);
        self.log.settle();
        self.flows.settle_retired();
        let limits = self.limits();
        let fragments = std::mem::take(&mut self.fragments);
        let without_first = fragments.settle(&mut self.flows);
        self.count_without_first(without_first);
        self.flows.mark_quoted(&self.errors);
        Observation {
            captures,
            window: self.window,
            flows: self.flows,
            placements,
            errors: self.errors,
            errors_outside: self.errors_outside,
            log: self.log.ordered(),
            link: self.link,
            icmp_errors: self.icmp_errors,
            undecoded: self.undecoded,
            total: self.total,
            snaplen_cut: self.snaplen_cut,
            watched: self.watched,
            continuity,
            limits,
        }
    }

    pub(super) fn count_without_first(&mut self, fragments: u64) {
        if fragments > 0 {
            let undecoded = &mut self.undecoded;
            *undecoded
                .entry(Undecoded::FragmentWithoutFirst)
                .or_default() += fragments;
        }
    }

    /// What it says of its captures, or of pieces of them.
    pub fn captures(&self) -> impl Iterator<Item = &CaptureRecord> {
        self.pieces.iter().map(|piece| &piece.record)
    }

    /// Calls the capture of this name by another one.
    #[must_use]
    pub fn rename(mut self, name: &str, new: &str) -> Self {
        let pieces = self.pieces.iter_mut();
        for piece in pieces.filter(|piece| piece.order.source == name) {
            new.clone_into(&mut piece.order.source);
            new.clone_into(&mut piece.record.source);
            if let Some(problem) = &mut piece.record.problem
                && let Some(rest) = problem.strip_prefix(name)
            {
                *problem = format!("{new}{rest}");
            }
        }
        if self.pieces.is_sorted_by(|a, b| a.order <= b.order) {
            self
        } else {
            Self::merge_all(vec![self], NonZeroUsize::MIN)
        }
    }

    /// Gives all but pieces and flows their new numbers.
    pub(super) fn renumber(&mut self, new: impl Fn(Position) -> Position) {
        self.errors.renumber(&new);
        self.errors_outside.renumber(&new);
        self.fragments.renumber(&new);
        self.log.renumber(&new);
    }

    fn limits(&self) -> Vec<LimitReached> {
        let limit = |limit, value, reached| LimitReached {
            limit,
            value,
            reached,
        };
        let (folded, folded_more) = self.flows.folded_counts();
        let retired = self.flows.retired();
        [
            limit("fragments", Fragments::LIMIT, self.fragments.dropped),
            limit(
                "icmp-errors",
                IcmpErrors::LIMIT,
                self.errors.dropped() + self.errors_outside.dropped(),
            ),
            limit("folded-flows", FlowTable::FOLDED_LIMIT, folded_more),
            limit("log-bytes", Log::LIMIT, self.log.dropped),
            limit(
                "log-bytes-per-flow",
                Log::LIMIT_PER_FLOW,
                self.log.dropped_of_flow,
            ),
            limit(
                "max-flows",
                self.flows.folded_at().unwrap_or_default() as u64,
                folded.saturating_sub(retired),
            ),
            limit(
                "openings-per-flow",
                FlowTable::OPENINGS_LIMIT,
                self.flows.flows_at_openings_limit(),
            ),
            limit("retired-flows", self.idle.unwrap_or_default(), retired),
        ]
        .into_iter()
        .filter(|limit| limit.reached > 0)
        .collect()
    }
}
