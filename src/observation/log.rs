//! The log: payload of the packets that trackers read. Whether a packet enters it is decided by
//! that packet alone, never by what another one said; TFTP blocks are run-length coded.

use hashbrown::HashMap;

use super::keep::Keep;
use crate::decode::TcpFlags;
use crate::flow::{FlowKey, Side};
use crate::net::{FiveTuple, Position, Protocol, Timestamp};

mod facts;

pub(super) use facts::{FactKind, LogFact};

/// A fact kept for the trackers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// The packet it comes from; of a run, the first.
    pub at: Position,
    /// In the direction of the packet.
    pub five_tuple: FiveTuple,
    /// What was kept.
    pub kind: LogKind,
}

/// What was kept of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogKind {
    /// A UDP datagram.
    Datagram {
        /// The first bytes of the payload.
        payload: Box<[u8]>,
        /// Payload bytes on the wire; more than kept where it was cut.
        length: u32,
    },
    /// A TCP segment.
    Segment {
        /// Sequence number of the first payload byte (SYN counts as one before it).
        sequence: u32,
        /// Control bits.
        flags: TcpFlags,
        /// The first bytes of the payload.
        payload: Box<[u8]>,
        /// Payload bytes on the wire.
        length: u32,
    },
    /// TFTP DATA or ACK packets of one direction whose block numbers go on.
    TftpRun(TftpRun),
}

/// TFTP packets of one direction in one capture, run-length coded. Block numbers go from 65535 on
/// to 0. DATA goes on by one block of the same length; ACK by up to `MAX_ACK_STEP` blocks, as a
/// window is acknowledged at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TftpRun {
    /// DATA or ACK.
    pub kind: TftpRunKind,
    /// Number of the first block.
    pub first_block: u16,
    /// Blocks from the first packet's to the last one's: that one has `first_block + advance`.
    pub advance: u32,
    /// How many packets.
    pub count: u32,
    /// DATA: payload bytes of each block; ACK: 0.
    pub block_length: u16,
    /// Time of the last packet.
    pub last: Timestamp,
}

/// Which packets a run holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TftpRunKind {
    /// DATA, RFC 1350 opcode 3.
    Data,
    /// ACK, RFC 1350 opcode 4.
    Ack,
}

/// Blocks that one ACK may go on by within a run (RFC 7440 windows; servers grant at most 64).
const MAX_ACK_STEP: u16 = 512;
/// Payload bytes and entries of one flow; past them it is silent. An endpoint-mapper conversation
/// takes a few thousand, and a flow of 65,536 runs is no transfer.
const MAX_BYTES_PER_FLOW: usize = 4 << 20;
/// The same for DHCP, where the clients of a whole site share one flow: 0.0.0.0 to the broadcast
/// address, or a relay and its server. At 600 bytes a message it holds 400,000 of them.
const MAX_BYTES_PER_DHCP_FLOW: usize = 256 << 20;
/// Payload bytes and entries of all flows.
const MAX_BYTES: usize = 512 << 20;

impl TftpRun {
    fn last_block(&self) -> u16 {
        self.first_block.wrapping_add(self.advance as u16)
    }

    /// Adds `next` if it goes on where this one ends. Only neighbours are compared, so that the
    /// runs of a capture are the same wherever it was cut.
    fn join(&mut self, next: &Self) -> bool {
        let step = next.first_block.wrapping_sub(self.last_block());
        let goes_on = match self.kind {
            TftpRunKind::Data => step == 1 && next.block_length == self.block_length,
            TftpRunKind::Ack => (1..=MAX_ACK_STEP).contains(&step),
        };
        if goes_on && self.kind == next.kind {
            self.advance = self
                .advance
                .saturating_add(u32::from(step))
                .saturating_add(next.advance);
            self.count = self.count.saturating_add(next.count);
            self.last = next.last;
        }
        goes_on && self.kind == next.kind
    }
}

#[derive(Clone, Debug)]
struct Entry {
    at: Position,
    side: Side,
    kind: LogKind,
}

#[derive(Clone, Debug, Default)]
struct FlowLog {
    entries: Vec<Entry>,
    bytes: usize,
    /// The run that each side's next DATA or ACK may continue.
    open_runs: [[Option<u32>; 2]; 2],
}

/// The log of a part of the input, by flow.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    flows: HashMap<FlowKey, FlowLog, foldhash::fast::RandomState>,
    bytes: usize,
    /// Facts beyond the bound of all flows.
    pub(super) dropped: u64,
    /// Facts beyond the bound of their flow.
    pub(super) dropped_of_flow: u64,
}

impl Log {
    pub(super) const LIMIT: u64 = MAX_BYTES as u64;
    pub(super) const LIMIT_PER_FLOW: u64 = MAX_BYTES_PER_FLOW as u64;

    /// Keeps a packet's fact. Packets of a part come in frame order.
    pub(super) fn add(&mut self, at: Position, five_tuple: &FiveTuple, keep: Keep<'_>) {
        let (key, side) = FlowKey::new(five_tuple);
        let kind = match keep {
            Keep::Block {
                kind,
                block,
                length,
            } => {
                let run = TftpRun {
                    kind,
                    first_block: block,
                    advance: 0,
                    count: 1,
                    block_length: length,
                    last: at.time,
                };
                let flow = self.flows.get_mut(&key);
                if flow.is_some_and(|flow| flow.continues(side, &run)) {
                    return;
                }
                LogKind::TftpRun(run)
            }
            Keep::Datagram { payload, length } => LogKind::Datagram {
                payload: payload.into(),
                length,
            },
            Keep::Segment {
                sequence,
                flags,
                payload,
                length,
            } => LogKind::Segment {
                sequence,
                flags,
                payload: payload.into(),
                length,
            },
        };
        self.push(key, Entry { at, side, kind });
    }

    fn push(&mut self, key: FlowKey, entry: Entry) {
        let size = entry.size();
        if self.bytes + size > MAX_BYTES {
            // Before the table is touched: past the bound it does not grow by flows either.
            self.dropped += 1;
            return;
        }
        let flow = self.flows.entry(key).or_default();
        if flow.bytes + size > most_of_flow(&key) {
            self.dropped_of_flow += 1;
            return;
        }
        self.bytes += size;
        flow.push(entry);
    }

    pub(super) fn merge(&mut self, mut other: Self) {
        // Merging commutes, so the smaller log moves.
        if self.flows.len() < other.flows.len() {
            std::mem::swap(self, &mut other);
        }
        self.dropped += other.dropped;
        self.dropped_of_flow += other.dropped_of_flow;
        for (key, theirs) in other.flows {
            for entry in theirs.entries {
                self.push(key, entry);
            }
        }
    }

    pub(super) fn renumber(&mut self, new: impl Fn(Position) -> Position) {
        for flow in self.flows.values_mut() {
            flow.entries
                .iter_mut()
                .for_each(|entry| entry.at = new(entry.at));
        }
    }

    /// All facts in time order, runs joined across the pieces of a capture.
    pub(super) fn into_entries(self) -> Vec<LogEntry> {
        let mut all = Vec::new();
        for (key, mut flow) in self.flows {
            flow.join_runs();
            all.extend(flow.entries.into_iter().map(|entry| LogEntry {
                at: entry.at,
                five_tuple: key.five_tuple(entry.side),
                kind: entry.kind,
            }));
        }
        all.sort_by_key(|entry| entry.at);
        all
    }
}

/// Most payload bytes and entries of a flow.
fn most_of_flow(key: &FlowKey) -> usize {
    let is_dhcp = |side| matches!(key.endpoint(side).port, 67 | 68 | 4011);
    let is_shared = key.protocol() == Protocol::Udp && (is_dhcp(Side::Low) || is_dhcp(Side::High));
    if is_shared {
        MAX_BYTES_PER_DHCP_FLOW
    } else {
        MAX_BYTES_PER_FLOW
    }
}

impl Entry {
    fn size(&self) -> usize {
        let payload = match &self.kind {
            LogKind::Datagram { payload, .. } | LogKind::Segment { payload, .. } => payload.len(),
            LogKind::TftpRun(_) => 0,
        };
        size_of::<Self>() + payload
    }
}

impl FlowLog {
    fn push(&mut self, entry: Entry) {
        if self.entries.is_empty() {
            // Most flows of a flood have one entry: room for four, as usual, would be wasted.
            self.entries.reserve_exact(1);
        }
        if let LogKind::TftpRun(run) = &entry.kind {
            self.open_runs[entry.side.index()][run.kind as usize] = Some(self.entries.len() as u32);
        }
        self.bytes += entry.size();
        self.entries.push(entry);
    }

    /// Whether a packet went into the open run of its kind.
    fn continues(&mut self, side: Side, packet: &TftpRun) -> bool {
        let Some(open) = self.open_runs[side.index()][packet.kind as usize] else {
            return false;
        };
        match &mut self.entries[open as usize].kind {
            LogKind::TftpRun(run) => run.join(packet),
            LogKind::Datagram { .. } | LogKind::Segment { .. } => false,
        }
    }

    /// Joins what stands in consecutive pieces of one capture.
    fn join_runs(&mut self) {
        let by_frame = |entry: &Entry| (entry.at.capture(), entry.at.frame());
        self.entries.sort_unstable_by_key(by_frame);
        let mut open: [[Option<(usize, usize)>; 2]; 2] = Default::default();
        let mut joined: Vec<Entry> = Vec::with_capacity(self.entries.len());
        for entry in self.entries.drain(..) {
            if let LogKind::TftpRun(run) = &entry.kind {
                let open = &mut open[entry.side.index()][run.kind as usize];
                let capture = entry.at.capture();
                if let Some((index, _)) = open.filter(|(_, of)| *of == capture)
                    && let LogKind::TftpRun(earlier) = &mut joined[index].kind
                    && earlier.join(run)
                {
                    continue;
                }
                *open = Some((joined.len(), capture));
            }
            joined.push(entry);
        }
        self.entries = joined;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Endpoint;

    fn five_tuple() -> FiveTuple {
        FiveTuple {
            protocol: Protocol::Udp,
            source: Endpoint::new([10, 0, 0, 1].into(), 2000),
            destination: Endpoint::new([10, 0, 0, 2].into(), 3000),
        }
    }

    fn data(block: u16, length: u16) -> Keep<'static> {
        Keep::Block {
            kind: TftpRunKind::Data,
            block,
            length,
        }
    }

    fn ack(block: u16) -> Keep<'static> {
        Keep::Block {
            kind: TftpRunKind::Ack,
            block,
            length: 0,
        }
    }

    fn log(packets: &[(u64, Keep<'static>)]) -> Log {
        let mut log = Log::default();
        for (frame, keep) in packets {
            let at = Position::new(Timestamp(*frame as i64), 0, *frame);
            log.add(at, &five_tuple(), *keep);
        }
        log
    }

    #[test]
    fn blocks_are_run_length_coded() {
        let mut packets: Vec<_> = (0..70_000u64)
            .map(|n| (n + 1, data(n as u16, 512)))
            .collect();
        packets.push((70_001, data(70_000u64 as u16, 100)));
        let entries = log(&packets).into_entries();
        assert_eq!(entries.len(), 2);
        let LogKind::TftpRun(run) = &entries[0].kind else {
            panic!("no run")
        };
        assert_eq!(
            (run.first_block, run.advance, run.count),
            (0, 69_999, 70_000)
        );
    }

    #[test]
    fn a_full_log_does_not_grow_by_flows() {
        let mut log = Log {
            bytes: MAX_BYTES,
            ..Log::default()
        };
        for port in 1..=10 {
            let mut five_tuple = five_tuple();
            five_tuple.source.port = port;
            let at = Position::new(Timestamp(0), 0, u64::from(port));
            log.add(at, &five_tuple, data(1, 512));
        }
        assert_eq!((log.flows.len(), log.dropped), (0, 10));
    }

    #[test]
    fn windows_are_acknowledged_in_one_run_and_repeats_are_not() {
        let acks: Vec<_> = [4u16, 8, 12, 12, 16]
            .iter()
            .enumerate()
            .map(|(n, block)| (n as u64 + 1, ack(*block)))
            .collect();
        let runs: Vec<_> = log(&acks)
            .into_entries()
            .iter()
            .map(|entry| match entry.kind {
                LogKind::TftpRun(run) => (run.first_block, run.advance, run.count),
                _ => panic!("no run"),
            })
            .collect();
        assert_eq!(runs, [(4, 8, 3), (12, 4, 2)]);
    }

    #[test]
    fn a_cut_between_any_two_packets_changes_nothing() {
        let numbers = [1u16, 2, 3, 3, 4, 5, 9, 10, 10, 11];
        let packets: Vec<_> = numbers
            .iter()
            .enumerate()
            .map(|(n, block)| {
                (
                    n as u64 + 1,
                    if n % 3 == 0 {
                        ack(*block)
                    } else {
                        data(*block, 512)
                    },
                )
            })
            .collect();
        let whole = log(&packets).into_entries();
        for cut in 0..=packets.len() {
            for swapped in [false, true] {
                let (mut one, mut two) = (log(&packets[..cut]), log(&packets[cut..]));
                if swapped {
                    std::mem::swap(&mut one, &mut two);
                }
                one.merge(two);
                assert_eq!(one.into_entries(), whole);
            }
        }
    }
    #[test]
    fn clients_that_share_a_flow_are_not_cut_off() {
        let flow_log = |from: u16, to: u16| {
            let five_tuple = FiveTuple {
                protocol: Protocol::Udp,
                source: Endpoint::new([0; 4].into(), from),
                destination: Endpoint::new([255; 4].into(), to),
            };
            let message = Keep::Datagram {
                payload: &[0; 548],
                length: 548,
            };
            let mut log = Log::default();
            for frame in 1..=10_000 {
                let at = Position::new(Timestamp(frame), 0, frame as u64);
                log.add(at, &five_tuple, message);
            }
            log
        };
        let dhcp = flow_log(68, 67);
        assert_eq!((dhcp.dropped, dhcp.dropped_of_flow), (0, 0));
        assert_eq!(dhcp.into_entries().len(), 10_000);
        let other = flow_log(2000, 69);
        let kept = 10_000 - other.dropped_of_flow;
        assert!(other.dropped == 0 && other.bytes <= MAX_BYTES_PER_FLOW);
        assert_eq!(other.into_entries().len() as u64, kept);
    }
}
