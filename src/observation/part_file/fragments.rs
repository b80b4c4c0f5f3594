//! Fragments in a part file: those that begin a datagram with their flow, the others with the
//! addresses by which they look for it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::budget::Budget;
use super::container::Records;
use super::error::PartFileError;
use super::wire::{Before, Places, WireKey, WirePosition, side};
use crate::flow::Side;
use crate::observation::fragment::{Datagram, First, Later};

/// A first fragment; its addresses are those of its flow.
#[derive(Serialize, Deserialize)]
pub(super) struct WireFirst {
    key: WireKey,
    is_high: bool,
    protocol: u8,
    identification: u32,
    at: WirePosition,
}

/// A later fragment.
#[derive(Serialize, Deserialize)]
pub(super) struct WireLater {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    identification: u32,
    at: WirePosition,
    bytes: u32,
}

pub(super) fn write_first(before: &mut Before, first: &First) -> WireFirst {
    WireFirst {
        key: before.write_key(first.flow),
        is_high: first.side == Side::High,
        protocol: first.datagram.protocol,
        identification: first.datagram.identification,
        at: before.write_position(first.at),
    }
}

pub(super) fn read_first(
    before: &mut Before,
    wire: WireFirst,
    places: &Places<'_>,
    records: &Records<'_>,
) -> Result<First, PartFileError> {
    let flow = before.read_key(wire.key, records)?;
    let side = side(wire.is_high);
    let (source, destination) = (flow.endpoint(side), flow.endpoint(side.other()));
    Ok(First {
        datagram: Datagram {
            source: source.address,
            destination: destination.address,
            protocol: wire.protocol,
            identification: wire.identification,
        },
        at: before.read_position(wire.at, places, records)?,
        flow,
        side,
    })
}

pub(super) fn write_later(before: &mut Before, later: &Later) -> WireLater {
    WireLater {
        source: later.datagram.source,
        destination: later.datagram.destination,
        protocol: later.datagram.protocol,
        identification: later.datagram.identification,
        at: before.write_position(later.at),
        bytes: later.bytes,
    }
}

pub(super) fn read_later(
    before: &mut Before,
    wire: WireLater,
    places: &Places<'_>,
    budget: &mut Budget,
    records: &Records<'_>,
) -> Result<Later, PartFileError> {
    if !budget.spend(1, u64::from(wire.bytes)) {
        return Err(records.invalid("they are more than there are packets"));
    }
    Ok(Later {
        datagram: Datagram {
            source: wire.source,
            destination: wire.destination,
            protocol: wire.protocol,
            identification: wire.identification,
        },
        at: before.read_position(wire.at, places, records)?,
        bytes: wire.bytes,
    })
}
