//! Any bytes as a script of packets, for the trackers' fuzz targets: a few hosts and ports that
//! meet each other, whatever the payload.
//!
//! A packet is a head of five bytes and its payload: which way and between which ports, what else
//! (`SYN`, a cut, an ICMP error, a longer wait), how far the TCP sequence number is off, and in two
//! bytes the length of the payload.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use super::Context;
use crate::decode::TcpFlags;
use crate::flow::{FlowKey, IcmpErrorSeen};
use crate::net::{Endpoint, FiveTuple, Position, Protocol, Timestamp};
use crate::observation::{LogEntry, LogKind, TftpRun, TftpRunKind};
use crate::payload::tftp::Tftp;

/// Client's and server's port, and what they speak.
const PORTS: [(u16, u16, Protocol); 8] = [
    (2000, 69, Protocol::Udp),
    (2000, 1024, Protocol::Udp),
    (2000, 1025, Protocol::Udp),
    (68, 67, Protocol::Udp),
    (4011, 4011, Protocol::Udp),
    (3000, 135, Protocol::Udp),
    (3000, 135, Protocol::Tcp),
    (3001, 49_160, Protocol::Tcp),
];
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// Of the second byte of a head.
const OPENS: u8 = 1;
const CUT: u8 = 2;
const REFUSED: u8 = 4;
const WAITS: u8 = 8;

/// Packets that bytes describe.
pub(super) struct Script<'a> {
    packets: Vec<Packet<'a>>,
    refused: HashMap<FiveTuple, IcmpErrorSeen>,
    end: Timestamp,
}

struct Packet<'a> {
    at: Position,
    five_tuple: FiveTuple,
    sequence: u32,
    flags: TcpFlags,
    payload: &'a [u8],
    length: u32,
}

impl<'a> Script<'a> {
    /// Reads the script; the last packet may be cut off.
    pub(super) fn new(mut data: &'a [u8]) -> Self {
        let mut script = Self {
            packets: Vec::new(),
            refused: HashMap::new(),
            end: Timestamp(0),
        };
        let mut sequences: HashMap<FiveTuple, u32> = HashMap::new();
        while let Some((&[way, what, off, high, low], rest)) = data.split_first_chunk() {
            let length = u16::from_be_bytes([high, low]);
            let (payload, rest) = rest.split_at(rest.len().min(usize::from(length)));
            let length = payload.len() as u32;
            data = rest;
            let (from, to, protocol) = PORTS[usize::from(way & 7)];
            let request = FiveTuple {
                protocol,
                source: Endpoint::new(IpAddr::V4(CLIENT), from),
                destination: Endpoint::new(IpAddr::V4(SERVER), to),
            };
            let five_tuple = match way & 8 {
                0 => request,
                _ => request.reversed(),
            };
            let wait = if what & WAITS == 0 { 1 } else { 10_000 };
            script.end = Timestamp(script.end.0 + wait * 1_000_000);
            let at = Position::new(script.end, 0, script.packets.len() as u64 + 1);
            let next = sequences.entry(five_tuple).or_insert(1);
            let sequence = next.wrapping_add_signed(i32::from(off as i8));
            *next = sequence.wrapping_add(length);
            if what & REFUSED != 0 {
                let error = script.refusal(at);
                script.refused.entry(five_tuple).or_insert(error).count += 1;
            }
            let opens = if what & OPENS == 0 { 0 } else { TcpFlags::SYN };
            let captured = match what & CUT {
                0 => payload,
                _ => &payload[..payload.len() / 2],
            };
            script.packets.push(Packet {
                at,
                five_tuple,
                sequence,
                flags: TcpFlags(TcpFlags::ACK | opens),
                payload: captured,
                length,
            });
        }
        script
    }

    fn refusal(&self, first: Position) -> IcmpErrorSeen {
        IcmpErrorSeen {
            first,
            sender: IpAddr::V4(SERVER),
            ttl: 64,
            kind: 3,
            code: 3,
            unreachable: true,
            count: 0,
        }
    }

    /// The log in time order.
    pub(super) fn log(&self) -> impl Iterator<Item = LogEntry<'_>> {
        let mut flows = HashMap::new();
        self.packets.iter().map(move |packet| {
            let (key, side) = FlowKey::new(&packet.five_tuple);
            let number = flows.len() as u32;
            LogEntry {
                at: packet.at,
                five_tuple: packet.five_tuple,
                flow: *flows.entry(key).or_insert(number),
                side,
                kind: packet.kind(),
            }
        })
    }
}

impl<'a> Packet<'a> {
    fn kind(&self) -> LogKind<'a> {
        let (payload, length) = (self.payload, self.length);
        if self.five_tuple.protocol == Protocol::Tcp {
            return LogKind::Segment {
                sequence: self.sequence,
                flags: self.flags,
                payload,
                length,
            };
        }
        let (kind, first_block, block_length) = match Tftp::parse(payload, length) {
            Ok(Tftp::Data { block, length }) => (TftpRunKind::Data, block, length as u16),
            Ok(Tftp::Acknowledgment { block, .. }) => (TftpRunKind::Ack, block, 0),
            _ => return LogKind::Datagram { payload, length },
        };
        LogKind::TftpRun(TftpRun {
            kind,
            first_block,
            advance: 0,
            count: 1,
            block_length,
            last: self.at.time,
        })
    }
}

impl Context for Script<'_> {
    fn icmp_error(&self, quoted: &FiveTuple) -> Option<IcmpErrorSeen> {
        self.refused.get(quoted).copied()
    }

    fn end(&self) -> Timestamp {
        self.end
    }
}
