//! Connectionless units (C706 section 12.5): a datagram each, with a header of 80 bytes.

use super::{ByteOrder, NdrReader, ReadError, Reader, Uuid, Width};

/// Bytes of the header.
pub const CONNECTIONLESS_HEADER: usize = 80;
/// Version, the first byte.
pub const CONNECTIONLESS_VERSION: u8 = 4;

/// A connectionless unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connectionless<'a> {
    /// 0 request, 2 response; others as in C706 section 12.5.2.
    pub kind: u8,
    /// Where the stub stands in a call that takes several datagrams.
    pub fragment: Option<Fragment>,
    /// Byte order.
    pub order: ByteOrder,
    /// Interface.
    pub interface: Uuid,
    /// Who calls: the same in every unit of a call.
    pub activity: Uuid,
    /// Number of the call within its activity.
    pub sequence: u32,
    /// Operation number.
    pub operation: u16,
    /// Bytes of stub on the wire.
    pub length: u16,
    /// Whether an authentication value follows the stub, which may be sealed.
    pub is_authenticated: bool,
    /// Stub data, as far as it was captured.
    pub stub: &'a [u8],
}

/// One of several datagrams of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Its number, from 0.
    pub number: u16,
    /// Whether it is the last.
    pub is_last: bool,
}

impl<'a> Connectionless<'a> {
    /// A request, C706 section 12.5.2.
    pub const REQUEST: u8 = 0;
    /// A response.
    pub const RESPONSE: u8 = 2;
    /// `PF_LAST_FRAG` of the first flags byte.
    const LAST_FRAGMENT: u8 = 0x02;
    /// `PF_FRAG`.
    const FRAGMENT: u8 = 0x04;

    /// Reads a datagram of version 4.
    pub fn parse(payload: &'a [u8]) -> Result<Self, ReadError> {
        let mut reader = Reader::new(payload);
        let [version, kind, flags, _] = reader.array("version and type")?;
        if version != CONNECTIONLESS_VERSION {
            return Err(reader.invalid("version", u64::from(version)));
        }
        // From request to cancel acknowledgment.
        if kind > 10 {
            return Err(reader.invalid("unit type", u64::from(kind)));
        }
        // The fourth byte is half of a serial number.
        let [label, floating, reserved, _] = reader.array("data representation")?;
        let order = ByteOrder::from_label(label)
            .filter(|_| label & 0x0f <= 1 && floating <= 3 && reserved == 0)
            .ok_or_else(|| reader.invalid("data representation", u64::from(label)))?;
        let mut rest = NdrReader::new(reader.peek(), order, Width::Ndr);
        rest.uuid("object")?;
        let interface = rest.uuid("interface")?;
        let activity = rest.uuid("activity")?;
        rest.bytes("boot time, interface version", 8)?;
        let sequence = rest.u32("sequence number")?;
        let operation = rest.u16("operation")?;
        rest.bytes("hints", 4)?;
        let length = rest.u16("body length")?;
        let number = rest.u16("fragment number")?;
        let authentication = rest.bytes("authentication protocol, serial number", 2)?[0];
        let captured = rest.left().min(usize::from(length));
        Ok(Self {
            kind,
            fragment: (flags & Self::FRAGMENT != 0).then_some(Fragment {
                number,
                is_last: flags & Self::LAST_FRAGMENT != 0,
            }),
            order,
            interface,
            activity,
            sequence,
            operation,
            length,
            is_authenticated: authentication != 0,
            stub: rest.bytes("stub", captured)?,
        })
    }

    /// Whether all of the stub was captured.
    pub fn is_whole(&self) -> bool {
        self.stub.len() == usize::from(self.length)
    }
}

/// Whether a UDP payload of `length` bytes on the wire is a request or a response that says so
/// in every field: other protocols begin with the same byte. For every datagram.
#[inline]
pub fn looks_connectionless(payload: &[u8], length: u32) -> bool {
    payload.first() == Some(&CONNECTIONLESS_VERSION) && is_connectionless(payload, length)
}

#[inline(never)]
fn is_connectionless(payload: &[u8], length: u32) -> bool {
    let Ok(unit) = Connectionless::parse(payload) else {
        return false;
    };
    let [_, _, flags, more, ..] = *payload else {
        return false;
    };
    // Bits that C706 section 12.5.3.3 leaves to implementations are zero in requests and answers.
    matches!(
        unit.kind,
        Connectionless::REQUEST | Connectionless::RESPONSE
    ) && flags & 0xc1 == 0
        && more & !0x02 == 0
        && is_made_by_rule(unit.interface)
        && is_made_by_rule(unit.activity)
        && !unit.is_authenticated
        && CONNECTIONLESS_HEADER as u32 + u32::from(unit.length) == length
}

/// Whether an identifier is of the DCE or the Microsoft variant.
fn is_made_by_rule(uuid: Uuid) -> bool {
    !uuid.is_nil() && matches!(uuid.0[8] >> 5, 0b100..=0b110)
}

#[cfg(test)]
pub(crate) mod build {
    use super::*;

    /// A unit of an activity; its number is the sequence number, too.
    pub(crate) fn unit(
        order: ByteOrder,
        kind: u8,
        interface: Uuid,
        (activity, operation): (u8, u16),
        fragment: Option<Fragment>,
        stub: &[u8],
    ) -> Vec<u8> {
        let little = order == ByteOrder::Little;
        let short = |value: u16| match little {
            true => value.to_le_bytes(),
            false => value.to_be_bytes(),
        };
        let identifier = |uuid: Uuid| match little {
            true => Uuid::from_little_endian(uuid.0).0,
            false => uuid.0,
        };
        let flags = fragment.map_or(0x08, |fragment| 0x0c | u8::from(fragment.is_last) << 1);
        let mut unit = vec![4, kind, flags, 0, if little { 0x10 } else { 0 }, 0, 0, 0];
        unit.extend([0; 16]);
        unit.extend(identifier(interface));
        let mut own = [activity; 16];
        own[8] = 0x80;
        unit.extend(identifier(Uuid(own)));
        unit.extend([0; 12]);
        unit.extend(short(operation));
        unit.extend([0xff; 4]);
        unit.extend(short(stub.len() as u16));
        unit.extend(short(fragment.map_or(0, |fragment| fragment.number)));
        unit.extend([0, 0]);
        unit.extend(stub);
        unit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPPER: Uuid = crate::payload::endpoint_mapper::INTERFACE;

    #[test]
    fn reads_a_response_in_both_byte_orders() {
        for order in [ByteOrder::Little, ByteOrder::Big] {
            let fragment = Fragment {
                number: 3,
                is_last: true,
            };
            for fragment in [None, Some(fragment)] {
                let unit = build::unit(order, 2, MAPPER, (7, 3), fragment, b"hi");
                let parsed = Connectionless::parse(&unit).expect("a unit");
                assert_eq!((parsed.kind, parsed.operation), (2, 3));
                assert_eq!((parsed.interface, parsed.fragment), (MAPPER, fragment));
                assert_eq!((parsed.stub, parsed.is_whole()), (&b"hi"[..], true));
                let cut = Connectionless::parse(&unit[..81]).expect("its header is there");
                assert_eq!((cut.stub, cut.is_whole()), (&b"h"[..], false));
                assert!(Connectionless::parse(&unit[..79]).is_err());
                assert!(looks_connectionless(&unit, 82));
            }
        }
    }

    #[test]
    fn every_field_must_fit_where_the_port_says_nothing() {
        let unit = build::unit(ByteOrder::Little, 0, MAPPER, (7, 3), None, b"hi");
        assert!(looks_connectionless(&unit, 82));
        // What was cut is still a header; a length that does not fit is none.
        assert!(looks_connectionless(&unit[..80], 82));
        assert!(!looks_connectionless(&unit, 83));
        for (place, value) in [
            (0, 5),
            (1, 1),
            (1, 11),
            (2, 0x40),
            (3, 1),
            (4, 0x20),
            (5, 9),
            (6, 1),
            (32, 0),
            (48, 0xff),
            (78, 10),
        ] {
            let mut other = unit.clone();
            other[place] = value;
            assert!(!looks_connectionless(&other, 82), "byte {place} = {value}");
        }
    }
}
