//! Transfers that were under way when the capture began: no request says what their ports mean,
//! so both directions have to fit. They explain no flow.

use std::collections::BTreeMap;

use super::attempt::is_silent;
use super::model::{JoinedTransfer, TransferOperation};
use super::packet::Packet;
use super::session::{Around, Session, Side};
use crate::evidence::Context;
use crate::flow;
use crate::net::{Endpoint, FiveTuple, Position, Protocol};
use crate::observation::{LogEntry, LogKind, TftpRunKind};
use crate::payload::tftp::{PORT, Tftp};

/// Entries kept of all flows without a request, at some hundred bytes each. The transfers that a
/// capture begins in are few, and take few entries: blocks are run-length coded.
const MAX_ENTRIES: usize = 1 << 20;
/// Entries kept of a flow while only one end has spoken. Nobody sends further ahead than a window.
pub(super) const MAX_ONE_SIDED: u8 = 64;
/// Servers and clients take ports from here on, besides 69 itself.
const FIRST_UNPRIVILEGED_PORT: u16 = 1024;
/// Acknowledged blocks that make a transfer of two directions without a beginning.
const MIN_ACKNOWLEDGED: u64 = 2;
/// RFC 2348.
const MIN_BLOCK_SIZE: u16 = 8;

/// Packets that look like TFTP, of flows that no request opened.
#[derive(Default)]
pub(super) struct Unrequested<'a> {
    /// By the log's flow number.
    flows: Vec<Passed>,
    pub(super) entries: Vec<LogEntry<'a>>,
    /// Entries beyond the bound.
    pub(super) kept_out: u64,
}

/// What passed on a flow, as far as it decides what else is kept.
#[derive(Clone, Copy, Default)]
struct Passed {
    /// Sides of the flow that sent DATA, ACK, anything: a bit each.
    data: u8,
    acks: u8,
    sides: u8,
    entries: u8,
    /// A request led to another transfer of the same flow since.
    is_over: bool,
}

impl Passed {
    /// The sender of DATA sends no ACK, nor its receiver DATA.
    fn contradicts_itself(self) -> bool {
        self.data == 3 || self.acks == 3 || self.data & self.acks != 0
    }
}

impl<'a> Unrequested<'a> {
    /// Name and value of the bound.
    pub(super) const LIMIT: (&'static str, usize) = ("tftp-without-request", MAX_ENTRIES);

    /// Whether a packet to or from a client with a request belongs to what its flow carried before.
    pub(super) fn goes_on(&mut self, entry: &LogEntry<'a>) -> bool {
        let Some(passed) = self.flows.get_mut(entry.flow as usize) else {
            return false;
        };
        if passed.entries == 0 || passed.is_over {
            return false;
        }
        let packet = Packet::read(entry.kind, entry.at.time);
        passed.is_over = packet.is_none_or(Packet::is_beginning);
        !passed.is_over
    }

    /// Takes up a packet that no request explains.
    pub(super) fn take(&mut self, entry: &LogEntry<'a>) {
        let ports = [
            entry.five_tuple.source.port,
            entry.five_tuple.destination.port,
        ];
        let server = ports.iter().filter(|port| **port == PORT).count();
        let high = |port: &&u16| **port >= FIRST_UNPRIVILEGED_PORT;
        if server + ports.iter().filter(high).count() < 2 || server > 1 {
            return;
        }
        let flow = entry.flow as usize;
        if flow >= self.flows.len() {
            self.flows.resize(flow + 1, Passed::default());
        }
        let passed = &mut self.flows[flow];
        let side = 1 << entry.side.index();
        passed.sides |= side;
        match entry.kind {
            LogKind::TftpRun(run) if run.kind == TftpRunKind::Data => passed.data |= side,
            LogKind::TftpRun(_) => passed.acks |= side,
            LogKind::Datagram { .. } | LogKind::Segment { .. } => {}
        }
        let is_full = passed.sides != 3 && passed.entries >= MAX_ONE_SIDED;
        if is_full || passed.contradicts_itself() {
            return;
        }
        passed.entries = passed.entries.saturating_add(1);
        if self.entries.len() < MAX_ENTRIES {
            self.entries.push(*entry);
        } else {
            self.kept_out += 1;
        }
    }

    /// The transfers among them in time order, at most `room`, and how many it left out.
    pub(super) fn read(
        &mut self,
        room: usize,
        context: &impl Context,
    ) -> (Vec<JoinedTransfer>, u64) {
        // Stable: the entries of a flow stay in time order.
        self.entries.sort_by_key(|entry| entry.flow);
        let of_one_flow = |one: &LogEntry<'_>, next: &LogEntry<'_>| one.flow == next.flow;
        let mut flows: Vec<_> = self
            .entries
            .chunk_by(of_one_flow)
            .filter(|entries| {
                let passed = self.flows[entries[0].flow as usize];
                passed.sides == 3 && !passed.contradicts_itself()
            })
            .collect();
        flows.sort_by_key(|entries| entries[0].at);
        let mut left_out = 0;
        let mut transfers = Vec::new();
        for joined in flows.into_iter().filter_map(Joined::read) {
            if transfers.len() < room {
                transfers.push(joined.into_transfer(context));
            } else {
                left_out += 1;
            }
        }
        (transfers, left_out)
    }
}

/// A transfer without a request.
struct Joined {
    client: Endpoint,
    server: Endpoint,
    operation: Option<TransferOperation>,
    session: Session,
}

impl Joined {
    /// Reads a flow that both ends spoke on; `None` where it is no transfer.
    fn read(entries: &[LogEntry<'_>]) -> Option<Self> {
        let packets: Vec<_> = entries
            .iter()
            .filter_map(|entry| Some((entry, Packet::read(entry.kind, entry.at.time)?)))
            .collect();
        let sender = |is_it: fn(&Packet<'_>) -> bool| {
            let first = packets.iter().find(|(_, packet)| is_it(packet));
            first.map(|(entry, _)| entry.side)
        };
        let data =
            sender(|packet| matches!(packet, Packet::Run(run) if run.kind == TftpRunKind::Data));
        let acks =
            sender(|packet| matches!(packet, Packet::Run(run) if run.kind == TftpRunKind::Ack));
        let granting =
            sender(|packet| matches!(packet, Packet::Other(Tftp::OptionAcknowledgment(_))));
        let at_69 = entries.iter().find_map(|entry| match PORT {
            port if port == entry.five_tuple.source.port => Some(entry.side),
            port if port == entry.five_tuple.destination.port => Some(entry.side.other()),
            _ => None,
        });
        // Nothing else tells reading from writing.
        let known = at_69.or(granting);
        let server = known.or(data)?;
        if granting.is_some_and(|side| side != server) {
            return None;
        }
        let operation = match (known, data) {
            (Some(server), Some(data)) if server == data => Some(TransferOperation::Read),
            (Some(_), Some(_)) => Some(TransferOperation::Write),
            // Who writes acknowledges options by its first block.
            (Some(_), None) => Some(TransferOperation::Read),
            (None, _) => None,
        };
        // Only who reads acknowledges options.
        if data.is_none() && acks == Some(server) {
            return None;
        }
        let (first, _) = packets.first()?;
        let ends = first.five_tuple;
        let (server_end, client_end) = match first.side == server {
            true => (ends.source, ends.destination),
            false => (ends.destination, ends.source),
        };
        let block = packets.iter().find_map(|(_, packet)| match packet {
            Packet::Run(run) => Some(run.first_block),
            Packet::Request(..) | Packet::Other(_) => None,
        });
        let mut session = Session::joined(server_end.port, first.at, block?);
        for (entry, packet) in &packets {
            let side = side_of(entry.side, server);
            session.take(side, entry.at, *packet);
        }
        let joined = Self {
            client: client_end,
            server: server_end,
            operation,
            session,
        };
        (joined.is_even(&packets) && joined.fits()).then_some(joined)
    }

    /// Whether all blocks but the last are of one size.
    fn is_even(&self, packets: &[(&LogEntry<'_>, Packet<'_>)]) -> bool {
        let Some((last, _)) = self.session.highest() else {
            return true;
        };
        let runs = || {
            packets.iter().filter_map(|(_, packet)| match packet {
                Packet::Run(run) if run.kind == TftpRunKind::Data => Some(run),
                _ => None,
            })
        };
        let size = runs().map(|run| run.block_length).max().unwrap_or(0);
        let has_several = self.session.data.distinct > 1;
        let mut shorter = runs().filter(|run| run.block_length < size);
        shorter.all(|run| run.advance == 0 && run.first_block == last as u16)
            && (!has_several || size >= MIN_BLOCK_SIZE)
    }

    /// Whether both directions fit: blocks that are acknowledged, or a beginning.
    fn fits(&self) -> bool {
        let (data, acks) = (&self.session.data, &self.session.acknowledged);
        let acknowledged = data.shared(acks);
        let before = data.lowest().and_then(|first| first.checked_sub(1));
        let before = u64::from(before.is_some_and(|before| acks.contains(before)));
        // What is acknowledged and was not sent was lost in the capture, or means something else.
        let others = acks.distinct.saturating_sub(acknowledged + before);
        let first_block = data.lowest() == Some(1);
        let confirmed = first_block || acks.lowest() == Some(0);
        match acknowledged {
            0 => self.session.granted.is_some() && confirmed && others <= 1,
            1 => first_block && others <= 1,
            _ => acknowledged >= MIN_ACKNOWLEDGED && others <= acknowledged,
        }
    }

    fn into_transfer(self, context: &impl Context) -> JoinedTransfer {
        let session = self.session;
        let nothing_requested = BTreeMap::new();
        let size = session.block_size(&nothing_requested, true);
        let options = session
            .granted
            .as_ref()
            .map(|granted| granted.options.clone());
        let options = options.unwrap_or_default();
        let towards_server = FiveTuple {
            protocol: Protocol::Udp,
            source: self.client,
            destination: self.server,
        };
        let around = Around {
            asked_size: options.contains_key("tsize"),
            refused: [towards_server, towards_server.reversed()]
                .iter()
                .filter_map(|quoted| context.icmp_error(quoted))
                .any(|error| error.unreachable && error.first >= session.first),
            silent: is_silent(&session, context),
        };
        let mut frames: Vec<Position> = vec![session.first, session.end];
        frames.dedup();
        JoinedTransfer {
            operation: self.operation,
            client: self.client,
            server: self.server,
            outcome: session.outcome(size, around),
            options,
            bytes: session.bytes,
            blocks: session.data.distinct,
            retransmitted_blocks: session.data.packets - session.data.distinct,
            missing_blocks: session.missing_blocks(),
            first: session.first,
            last: session.last,
            error: session.error.map(|error| (error.code, error.text)),
            frames,
        }
    }
}

fn side_of(side: flow::Side, server: flow::Side) -> Side {
    match side == server {
        true => Side::Server,
        false => Side::Client,
    }
}
