//! Logs for the trackers' tests, built from packets as the log stage would keep them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use super::Context;
use crate::decode::TcpFlags;
use crate::flow::{FlowKey, IcmpErrorSeen};
use crate::net::{Endpoint, FiveTuple, Position, Protocol, Timestamp};
use crate::observation::{LogEntry, LogKind, TftpRun, TftpRunKind};
use crate::payload::tftp::Tftp;

/// Nanoseconds of a millisecond.
pub(crate) const MS: i64 = 1_000_000;

/// 10.0.0.`host`, with a port.
pub(crate) fn at(host: u8, port: u16) -> Endpoint {
    Endpoint::new(address(host), port)
}

/// 10.0.0.`host`.
pub(crate) fn address(host: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, host))
}

/// A datagram as sent: its ends, what was captured of it, and its length.
pub(crate) type Sent = (Endpoint, Endpoint, Vec<u8>, u32);

/// An entry with its payload; empty for a run.
struct Entry {
    at: Position,
    five_tuple: FiveTuple,
    payload: Vec<u8>,
    kind: Kind,
}

/// What else an entry says.
enum Kind {
    Datagram { length: u32 },
    Segment { sequence: u32, flags: u8 },
    Run(TftpRun),
}

/// Packets, one a millisecond unless time is moved on.
#[derive(Default)]
pub(crate) struct Packets {
    entries: Vec<Entry>,
    sent: Vec<Sent>,
    now: i64,
    frame: u64,
    /// Entries that a later packet of the same direction may belong to, by direction.
    open: HashMap<FiveTuple, usize>,
    cuts: Vec<u64>,
}

impl Packets {
    /// A log in which no run goes on into these frames, as at the end of a capture.
    pub(crate) fn cut_before(frames: Vec<u64>) -> Self {
        Self {
            cuts: frames,
            ..Self::default()
        }
    }

    /// Moves time on.
    pub(crate) fn wait(&mut self, ms: i64) -> &mut Self {
        self.now += ms * MS;
        self
    }

    fn next(&mut self) -> Position {
        self.now += MS;
        self.frame += 1;
        if self.cuts.contains(&self.frame) {
            self.open.clear();
        }
        Position::new(Timestamp(self.now), 0, self.frame)
    }

    /// A UDP datagram, whole.
    pub(crate) fn udp(
        &mut self,
        source: Endpoint,
        destination: Endpoint,
        payload: &[u8],
    ) -> &mut Self {
        self.udp_cut(source, destination, payload, payload.len() as u32)
    }

    /// A UDP datagram of which only `payload` was captured. DATA and ACK are run-length coded.
    pub(crate) fn udp_cut(
        &mut self,
        source: Endpoint,
        destination: Endpoint,
        payload: &[u8],
        length: u32,
    ) -> &mut Self {
        let at = self.next();
        self.sent
            .push((source, destination, payload.to_vec(), length));
        let five_tuple = FiveTuple {
            protocol: Protocol::Udp,
            source,
            destination,
        };
        let (kind, block, block_length) = match Tftp::parse(payload, length) {
            Ok(Tftp::Data { block, length }) => (TftpRunKind::Data, block, length as u16),
            Ok(Tftp::Acknowledgment { block, .. }) => (TftpRunKind::Ack, block, 0),
            _ => {
                self.entries.push(Entry {
                    at,
                    five_tuple,
                    payload: payload.into(),
                    kind: Kind::Datagram { length },
                });
                return self;
            }
        };
        if let Some(&open) = self.open.get(&five_tuple)
            && let Kind::Run(run) = &mut self.entries[open].kind
            && run.kind == kind
            && run.block_length == block_length
            && run.first_block.wrapping_add(run.count as u16) == block
        {
            run.count += 1;
            run.advance += 1;
            run.last = at.time;
            return self;
        }
        self.open.insert(five_tuple, self.entries.len());
        self.entries.push(Entry {
            at,
            five_tuple,
            payload: Vec::new(),
            kind: Kind::Run(TftpRun {
                kind,
                first_block: block,
                advance: 0,
                count: 1,
                block_length,
                last: at.time,
            }),
        });
        self
    }

    /// A TCP segment, whole.
    pub(crate) fn tcp(
        &mut self,
        source: Endpoint,
        destination: Endpoint,
        sequence: u32,
        payload: &[u8],
    ) -> &mut Self {
        self.segment(source, destination, sequence, TcpFlags::ACK, payload)
    }

    /// SYN or SYN-ACK.
    pub(crate) fn syn(
        &mut self,
        source: Endpoint,
        destination: Endpoint,
        sequence: u32,
    ) -> &mut Self {
        self.segment(source, destination, sequence, TcpFlags::SYN, b"")
    }

    fn segment(
        &mut self,
        source: Endpoint,
        destination: Endpoint,
        sequence: u32,
        flags: u8,
        payload: &[u8],
    ) -> &mut Self {
        let at = self.next();
        self.entries.push(Entry {
            at,
            five_tuple: FiveTuple {
                protocol: Protocol::Tcp,
                source,
                destination,
            },
            payload: payload.into(),
            kind: Kind::Segment { sequence, flags },
        });
        self
    }

    /// Every datagram, in order.
    pub(crate) fn sent(&self) -> &[Sent] {
        &self.sent
    }

    /// The log in time order.
    pub(crate) fn log(&self) -> impl Iterator<Item = LogEntry<'_>> {
        let mut flows = HashMap::new();
        self.entries.iter().map(move |entry| {
            let (key, side) = FlowKey::new(&entry.five_tuple);
            let number = flows.len() as u32;
            let payload = &entry.payload[..];
            LogEntry {
                at: entry.at,
                five_tuple: entry.five_tuple,
                flow: *flows.entry(key).or_insert(number),
                side,
                kind: match entry.kind {
                    Kind::Datagram { length } => LogKind::Datagram { payload, length },
                    Kind::Segment { sequence, flags } => LogKind::Segment {
                        sequence,
                        flags: TcpFlags(flags),
                        payload,
                        length: payload.len() as u32,
                    },
                    Kind::Run(run) => LogKind::TftpRun(run),
                },
            }
        })
    }

    /// The time of the last packet, as the end of the input.
    pub(crate) fn end(&self) -> Input {
        Input {
            end: Timestamp(self.now),
            icmp: HashMap::new(),
        }
    }
}

/// The rest of an input.
#[derive(Clone)]
pub(crate) struct Input {
    end: Timestamp,
    icmp: HashMap<FiveTuple, IcmpErrorSeen>,
}

impl Input {
    /// With an ICMP "port unreachable" for packets of this direction, sent at a time.
    pub(crate) fn unreachable(mut self, source: Endpoint, destination: Endpoint, ms: i64) -> Self {
        self.icmp.insert(
            FiveTuple {
                protocol: Protocol::Udp,
                source,
                destination,
            },
            IcmpErrorSeen {
                first: Position::new(Timestamp(ms * MS), 0, 1),
                sender: destination.address,
                ttl: 64,
                kind: 3,
                code: 3,
                unreachable: true,
                count: 1,
            },
        );
        self
    }
}

impl Context for Input {
    fn icmp_error(&self, quoted: &FiveTuple) -> Option<IcmpErrorSeen> {
        self.icmp.get(quoted).copied()
    }

    fn end(&self) -> Timestamp {
        self.end
    }
}
