//! Entries of the log in a part file, in the order of capture and frame.

use serde::{Deserialize, Serialize};

use super::budget::Budget;
use super::container::Records;
use super::error::PartFileError;
use super::wire::{Before, Payload, Places, WireKey, WirePosition, side};
use crate::decode::TcpFlags;
use crate::flow::{FlowKey, Side};
use crate::net::{Position, Protocol, Timestamp};
use crate::observation::keep::{MAX_DATAGRAM, MAX_SEGMENT};
use crate::observation::{LogKind, TftpRun, TftpRunKind};

#[derive(Serialize, Deserialize)]
pub(super) struct WireEntry<'a> {
    key: WireKey,
    is_high: bool,
    at: WirePosition,
    #[serde(borrow)]
    kind: WireKind<'a>,
}

#[derive(Serialize, Deserialize)]
enum WireKind<'a> {
    Datagram {
        #[serde(borrow)]
        payload: Payload<'a>,
        length: u32,
    },
    Segment {
        sequence: u32,
        flags: u8,
        #[serde(borrow)]
        payload: Payload<'a>,
        length: u32,
    },
    TftpRun {
        is_ack: bool,
        first_block: u16,
        advance: u32,
        count: u32,
        block_length: u16,
        /// Nanoseconds from the first packet to the last, which may be before it.
        lasts: i64,
    },
}

pub(super) fn write<'a>(
    before: &mut Before,
    (at, key, side, kind): (Position, &FlowKey, Side, LogKind<'a>),
) -> WireEntry<'a> {
    WireEntry {
        key: before.write_key(*key),
        is_high: side == Side::High,
        at: before.write_position(at),
        kind: match kind {
            LogKind::Datagram { payload, length } => WireKind::Datagram {
                payload: Payload(payload),
                length,
            },
            LogKind::Segment {
                sequence,
                flags,
                payload,
                length,
            } => WireKind::Segment {
                sequence,
                flags: flags.0,
                payload: Payload(payload),
                length,
            },
            LogKind::TftpRun(run) => WireKind::TftpRun {
                is_ack: run.kind == TftpRunKind::Ack,
                first_block: run.first_block,
                advance: run.advance,
                count: run.count,
                block_length: run.block_length,
                lasts: run.last.0.wrapping_sub(at.time.0),
            },
        },
    }
}

pub(super) fn read<'a>(
    before: &mut Before,
    wire: WireEntry<'a>,
    places: &Places<'_>,
    budget: &mut Budget,
    records: &Records<'_>,
) -> Result<(Position, FlowKey, Side, LogKind<'a>), PartFileError> {
    let key = before.read_key(wire.key, records)?;
    let at = before.read_position(wire.at, places, records)?;
    let fits =
        |payload: &[u8], length: u32, most: usize| payload.len() <= most.min(length as usize);
    let mut packets = 1;
    let (kind, possible) = match wire.kind {
        WireKind::Datagram {
            payload: Payload(payload),
            length,
        } => (
            LogKind::Datagram { payload, length },
            key.protocol() == Protocol::Udp && fits(payload, length, MAX_DATAGRAM),
        ),
        WireKind::Segment {
            sequence,
            flags,
            payload: Payload(payload),
            length,
        } => (
            LogKind::Segment {
                sequence,
                flags: TcpFlags(flags),
                payload,
                length,
            },
            key.protocol() == Protocol::Tcp && fits(payload, length, MAX_SEGMENT),
        ),
        WireKind::TftpRun {
            is_ack,
            first_block,
            advance,
            count,
            block_length,
            lasts,
        } => {
            let kind = match is_ack {
                true => TftpRunKind::Ack,
                false => TftpRunKind::Data,
            };
            let run = TftpRun {
                kind,
                first_block,
                advance,
                count,
                block_length,
                last: Timestamp(at.time.0.wrapping_add(lasts)),
            };
            let possible = key.protocol() == Protocol::Udp && run.is_possible();
            packets = u64::from(count);
            (LogKind::TftpRun(run), possible)
        }
    };
    if !possible || !budget.spend(packets, 0) {
        return Err(records.invalid("an entry is none that packets can make"));
    }
    Ok((at, key, side(wire.is_high), kind))
}
