//! What many records hold: keys, positions, payload. Keys and positions are written as the
//! difference from those of the record before, which postcard's variable-length integers make
//! short; sorted flows and entries follow one another closely.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize, Serializer};

use super::container::Records;
use super::error::PartFileError;
use crate::flow::{FlowKey, Side};
use crate::net::{Endpoint, FiveTuple, Position, Protocol, Timestamp};
use crate::observation::capture::CapturePiece;

/// A flow's key: `low` and `high` count from the addresses of the record before.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum WireKey {
    /// That of the record before.
    Same,
    V4 {
        protocol: WireProtocol,
        low: u32,
        high: i32,
        ports: [u16; 2],
    },
    V6 {
        protocol: WireProtocol,
        low: u128,
        high: i128,
        ports: [u16; 2],
    },
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum WireProtocol {
    Tcp,
    Udp,
    IcmpEcho,
    IcmpOther,
    Other(u8),
}

/// A position, as its difference from the one before it in the block.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct WirePosition {
    time: i64,
    capture: u32,
    frame: i64,
}

/// Payload.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Payload<'a>(#[serde(borrow)] pub(super) &'a [u8]);

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// The side that something comes from, as it stands in records: whether it is the high one.
pub(super) fn side(is_high: bool) -> Side {
    if is_high { Side::High } else { Side::Low }
}

/// What a record leaves out because the one before it in the block says it; all zero before the
/// first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Before {
    key: Option<FlowKey>,
    v4: [u32; 2],
    v6: [u128; 2],
    time: i64,
    frame: u64,
}

impl Before {
    pub(super) fn write_key(&mut self, key: FlowKey) -> WireKey {
        if self.key == Some(key) {
            return WireKey::Same;
        }
        self.key = Some(key);
        let [low, high] = [Side::Low, Side::High].map(|side| key.endpoint(side));
        let ports = [low.port, high.port];
        let protocol = WireProtocol::from(key.protocol());
        match (low.address, high.address) {
            (IpAddr::V4(low), IpAddr::V4(high)) => {
                let now = [low, high].map(u32::from);
                let [was_low, was_high] = std::mem::replace(&mut self.v4, now);
                WireKey::V4 {
                    protocol,
                    low: now[0].wrapping_sub(was_low),
                    high: now[1].wrapping_sub(was_high) as i32,
                    ports,
                }
            }
            (low, high) => {
                let now = [low, high].map(bits);
                let [was_low, was_high] = std::mem::replace(&mut self.v6, now);
                WireKey::V6 {
                    protocol,
                    low: now[0].wrapping_sub(was_low),
                    high: now[1].wrapping_sub(was_high) as i128,
                    ports,
                }
            }
        }
    }

    pub(super) fn read_key(
        &mut self,
        wire: WireKey,
        records: &Records<'_>,
    ) -> Result<FlowKey, PartFileError> {
        let (protocol, ends, ports): (_, [IpAddr; 2], _) = match wire {
            WireKey::Same => {
                return self
                    .key
                    .ok_or_else(|| records.invalid("a flow is that of no record"));
            }
            WireKey::V4 {
                protocol,
                low,
                high,
                ports,
            } => {
                self.v4[0] = self.v4[0].wrapping_add(low);
                self.v4[1] = self.v4[1].wrapping_add(high as u32);
                let ends = self.v4.map(|end| Ipv4Addr::from(end).into());
                (protocol, ends, ports)
            }
            WireKey::V6 {
                protocol,
                low,
                high,
                ports,
            } => {
                self.v6[0] = self.v6[0].wrapping_add(low);
                self.v6[1] = self.v6[1].wrapping_add(high as u128);
                let ends = self.v6.map(|end| Ipv6Addr::from(end).into());
                (protocol, ends, ports)
            }
        };
        let (key, low) = FlowKey::new(&FiveTuple {
            protocol: protocol.into(),
            source: Endpoint::new(ends[0], ports[0]),
            destination: Endpoint::new(ends[1], ports[1]),
        });
        if low != Side::Low {
            return Err(records.invalid("the ends of a flow are exchanged"));
        }
        self.key = Some(key);
        Ok(key)
    }

    pub(super) fn write_position(&mut self, at: Position) -> WirePosition {
        let wire = WirePosition {
            time: at.time.0.wrapping_sub(self.time),
            capture: at.capture() as u32,
            frame: at.frame().wrapping_sub(self.frame) as i64,
        };
        (self.time, self.frame) = (at.time.0, at.frame());
        wire
    }

    /// Where it stands among the captures of all parts.
    pub(super) fn read_position(
        &mut self,
        wire: WirePosition,
        places: &Places<'_>,
        records: &Records<'_>,
    ) -> Result<Position, PartFileError> {
        self.time = self.time.wrapping_add(wire.time);
        self.frame = self.frame.wrapping_add(wire.frame as u64);
        places.position(Timestamp(self.time), wire.capture, self.frame, records)
    }
}

/// Where the captures of one part stand among those of all.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    pub(super) captures: &'a [CapturePiece],
    /// New index of each.
    pub(super) index: &'a [usize],
}

impl Places<'_> {
    /// The position of a frame that the part's capture of this number has.
    pub(super) fn position(
        &self,
        time: Timestamp,
        capture: u32,
        frame: u64,
        records: &Records<'_>,
    ) -> Result<Position, PartFileError> {
        let known = usize::try_from(capture)
            .ok()
            .and_then(|capture| Some((self.captures.get(capture)?, *self.index.get(capture)?)));
        match known {
            Some((capture, index)) if (1..=capture.frames).contains(&frame) => {
                Ok(Position::new(time, index, frame))
            }
            _ => Err(records.invalid("it names a frame that no capture has")),
        }
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl From<Protocol> for WireProtocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Tcp => Self::Tcp,
            Protocol::Udp => Self::Udp,
            Protocol::IcmpEcho => Self::IcmpEcho,
            Protocol::IcmpOther => Self::IcmpOther,
            Protocol::Other(number) => Self::Other(number),
        }
    }
}

impl From<WireProtocol> for Protocol {
    fn from(protocol: WireProtocol) -> Self {
        match protocol {
            WireProtocol::Tcp => Self::Tcp,
            WireProtocol::Udp => Self::Udp,
            WireProtocol::IcmpEcho => Self::IcmpEcho,
            WireProtocol::IcmpOther => Self::IcmpOther,
            WireProtocol::Other(number) => Self::Other(number),
        }
    }
}
