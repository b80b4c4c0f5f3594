//! ICMP errors in a part file, by the flows that they quote.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::budget::Budget;
use super::container::Records;
use super::error::PartFileError;
use super::wire::{Before, Places, WireKey, WirePosition, side};
use crate::flow::{FlowKey, IcmpErrorSeen, Side};

/// Errors that quote what one side of a flow sent.
#[derive(Serialize, Deserialize)]
pub(super) struct WireError {
    key: WireKey,
    is_high: bool,
    first: WirePosition,
    sender: IpAddr,
    ttl: u8,
    kind: u8,
    code: u8,
    unreachable: bool,
    count: u64,
}

pub(super) fn write(
    before: &mut Before,
    (key, side): (FlowKey, Side),
    seen: &IcmpErrorSeen,
) -> WireError {
    WireError {
        key: before.write_key(key),
        is_high: side == Side::High,
        first: before.write_position(seen.first),
        sender: seen.sender,
        ttl: seen.ttl,
        kind: seen.kind,
        code: seen.code,
        unreachable: seen.unreachable,
        count: seen.count,
    }
}

pub(super) fn read(
    before: &mut Before,
    wire: WireError,
    places: &Places<'_>,
    budget: &mut Budget,
    records: &Records<'_>,
) -> Result<((FlowKey, Side), IcmpErrorSeen), PartFileError> {
    let key = before.read_key(wire.key, records)?;
    let first = before.read_position(wire.first, places, records)?;
    if !budget.spend(wire.count, 0) || wire.count == 0 {
        return Err(records.invalid("they are more than there are packets"));
    }
    let seen = IcmpErrorSeen {
        first,
        sender: wire.sender,
        ttl: wire.ttl,
        kind: wire.kind,
        code: wire.code,
        unreachable: wire.unreachable,
        count: wire.count,
    };
    Ok(((key, side(wire.is_high)), seen))
}
