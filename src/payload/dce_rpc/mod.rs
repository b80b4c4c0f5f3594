//! DCE/RPC protocol data units: the connection-oriented ones of C706 section 12.6 with MS-RPCE
//! section 2.2.2, and the connectionless ones. One unit at a time: fragments and segments are put
//! together elsewhere. Stub data stays opaque.

mod connectionless;

use super::Uuid;
use super::ndr::{ByteOrder, NdrReader, Width};
use super::reader::{ReadError, Reader};

#[cfg(test)]
pub(crate) use connectionless::build;
pub use connectionless::{
    CONNECTIONLESS_HEADER, CONNECTIONLESS_VERSION, Connectionless, Fragment, looks_connectionless,
};

/// Port of the endpoint mapper (MS-RPCE section 2.1.1.1, 2.1.2.1).
pub const ENDPOINT_MAPPER_PORT: u16 = 135;
/// Major version of connection-oriented units, their first byte.
pub const VERSION: u8 = 5;
/// Bytes of the common header.
pub const HEADER_LENGTH: usize = 16;

/// Units that are passed over in a segment to find a bind: a third authentication leg or the end
/// of a call stands before an alter-context.
const MAX_UNITS_BEFORE_BIND: usize = 4;

/// NDR 2.0 (C706 appendix I).
pub const NDR: Uuid = Uuid::from_fields(
    0x8a885d04,
    0x1ceb,
    0x11c9,
    [0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60],
);
/// NDR64 (MS-RPCE section 2.2.5).
pub const NDR64: Uuid = Uuid::from_fields(
    0x71710533,
    0xbeba,
    0x4937,
    [0x83, 0x19, 0xb5, 0xdb, 0xef, 0x9c, 0xcc, 0x36],
);
/// First fields of a bind time feature negotiation, which carries its features in the last
/// bytes (MS-RPCE section 3.3.1.5.3).
const FEATURE_NEGOTIATION: [u8; 8] = [0x6c, 0xb7, 0x1c, 0x2c, 0x98, 0x12, 0x45, 0x40];

/// Whether a transfer syntax is one of the three that MS-RPCE knows.
pub fn is_known_syntax(syntax: Uuid) -> bool {
    syntax == NDR || syntax == NDR64 || syntax.0[..8] == FEATURE_NEGOTIATION
}

/// `pfc_flags` of the common header.
pub mod flags {
    /// First fragment.
    pub const FIRST: u8 = 0x01;
    /// Last fragment.
    pub const LAST: u8 = 0x02;
    /// The request names an object.
    pub const OBJECT: u8 = 0x80;
}

/// Kind of a unit, C706 section 12.6.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PduType {
    /// 0.
    Request,
    /// 2.
    Response,
    /// 3.
    Fault,
    /// 11.
    Bind,
    /// 12.
    BindAck,
    /// 13.
    BindNak,
    /// 14.
    AlterContext,
    /// 15.
    AlterContextResponse,
    /// 16 to 20: third authentication leg, shutdown, cancel, orphaned, RTS.
    Other(u8),
}

/// The common header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Kind of unit.
    pub kind: PduType,
    /// See [`flags`].
    pub flags: u8,
    /// Byte order of the whole unit.
    pub order: ByteOrder,
    /// Bytes of the unit, this header included.
    pub fragment_length: u16,
    /// Bytes of the authentication value at its end.
    pub auth_length: u16,
    /// Call that it belongs to.
    pub call_id: u32,
}

impl Header {
    /// Reads a header of version 5.0 or 5.1.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut reader = Reader::new(bytes);
        let [major, minor, kind, flags] = reader.array("version and type")?;
        if major != VERSION || minor > 1 {
            return Err(reader.invalid("version", u64::from(major) << 8 | u64::from(minor)));
        }
        let kind = match kind {
            0 => PduType::Request,
            2 => PduType::Response,
            3 => PduType::Fault,
            11 => PduType::Bind,
            12 => PduType::BindAck,
            13 => PduType::BindNak,
            14 => PduType::AlterContext,
            15 => PduType::AlterContextResponse,
            16..=20 => PduType::Other(kind),
            _ => return Err(reader.invalid("unit type", u64::from(kind))),
        };
        let label: [u8; 4] = reader.array("data representation")?;
        // Character set ASCII or EBCDIC, one of four floating-point formats, the rest zero.
        let order = ByteOrder::from_label(label[0])
            .filter(|_| label[0] & 0x0f <= 1 && label[1] <= 3 && label[2..] == [0, 0])
            .ok_or_else(|| reader.invalid("data representation", u64::from(label[0])))?;
        let mut rest = NdrReader::new(reader.peek(), order, Width::Ndr);
        let header = Self {
            kind,
            flags,
            order,
            fragment_length: rest.u16("fragment length")?,
            auth_length: rest.u16("authentication length")?,
            call_id: rest.u32("call identifier")?,
        };
        if usize::from(header.fragment_length) < HEADER_LENGTH {
            let length = u64::from(header.fragment_length);
            return Err(rest.invalid("fragment length", length));
        }
        Ok(header)
    }
}

/// A unit, or as much of it as was captured.
#[derive(Clone, Copy, Debug)]
pub struct Pdu<'a> {
    /// The common header.
    pub header: Header,
    /// What stands between the header and the authentication trailer.
    pub body: &'a [u8],
    /// Authentication level of its trailer (MS-RPCE section 2.2.1.1.8), where that was captured.
    pub auth_level: Option<u8>,
}

impl<'a> Pdu<'a> {
    /// Reads the unit that `bytes` begin with; it may be cut.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ReadError> {
        let header = Header::parse(bytes)?;
        let length = usize::from(header.fragment_length);
        let unit = &bytes[..length.min(bytes.len())];
        let mut end = unit.len();
        let mut auth_level = None;
        if header.auth_length > 0 {
            // The trailer: type, level, pad length, reserved, context; then the value.
            let trailer = length.saturating_sub(usize::from(header.auth_length) + 8);
            auth_level = unit.get(trailer + 1).copied();
            let padding = unit.get(trailer + 2).map_or(0, |&pad| usize::from(pad));
            end = end.min(trailer.saturating_sub(padding));
        }
        Ok(Self {
            header,
            body: &unit[HEADER_LENGTH..end.max(HEADER_LENGTH)],
            auth_level,
        })
    }

    /// Whether the stub may be sealed: at the level of packet privacy, or at one that was not
    /// captured.
    pub fn may_be_sealed(&self) -> bool {
        const PACKET_PRIVACY: u8 = 6;
        self.header.auth_length > 0 && self.auth_level.is_none_or(|level| level == PACKET_PRIVACY)
    }

    /// Presentation contexts that a bind or alter-context proposes, as far as they were captured.
    pub fn contexts(&self) -> Vec<PresentationContext> {
        let mut contexts = Vec::new();
        let mut reader = NdrReader::new(self.body, self.header.order, Width::Ndr);
        // Largest fragments, association group.
        if reader.bytes("fragment sizes and group", 8).is_err() {
            return contexts;
        }
        let Ok(&[count, ..]) = reader.bytes("number of contexts", 4) else {
            return contexts;
        };
        for _ in 0..count {
            let Ok(context) = PresentationContext::read(&mut reader) else {
                break;
            };
            contexts.push(context);
        }
        contexts
    }

    /// Results of a bind-ack or alter-context response, in the order of the contexts proposed.
    pub fn results(&self) -> Vec<ContextResult> {
        let mut results = Vec::new();
        let mut reader = NdrReader::new(self.body, self.header.order, Width::Ndr);
        let mut head = || -> Result<u8, ReadError> {
            reader.bytes("fragment sizes and group", 8)?;
            let address = reader.u16("secondary address length")?;
            reader.bytes("secondary address", usize::from(address))?;
            reader.align(4)?;
            Ok(reader.bytes("number of results", 4)?[0])
        };
        let Ok(count) = head() else {
            return results;
        };
        for _ in 0..count {
            let Ok(result) = ContextResult::read(&mut reader) else {
                break;
            };
            results.push(result);
        }
        results
    }

    /// A request's header and stub; `None` where the unit is another or cut before the stub.
    pub fn request(&self) -> Option<Call<'a>> {
        if self.header.kind != PduType::Request {
            return None;
        }
        let mut reader = NdrReader::new(self.body, self.header.order, Width::Ndr);
        reader.u32("allocation hint").ok()?;
        let context = reader.u16("context").ok()?;
        let operation = reader.u16("operation").ok()?;
        let object = if self.header.flags & flags::OBJECT != 0 {
            Some(reader.uuid("object").ok()?)
        } else {
            None
        };
        Some(Call {
            context,
            operation,
            object,
            stub: reader.bytes("stub", reader.left()).ok()?,
        })
    }

    /// A response's context and stub; `None` where the unit is another or cut before the stub.
    pub fn response(&self) -> Option<(u16, &'a [u8])> {
        if self.header.kind != PduType::Response {
            return None;
        }
        let mut reader = NdrReader::new(self.body, self.header.order, Width::Ndr);
        reader.u32("allocation hint").ok()?;
        let context = reader.u16("context").ok()?;
        reader.u16("cancel count").ok()?;
        Some((context, reader.bytes("stub", reader.left()).ok()?))
    }
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// Presentation context, which names the interface.
    pub context: u16,
    /// Operation number.
    pub operation: u16,
    /// Object, where one is named.
    pub object: Option<Uuid>,
    /// Arguments, in the transfer syntax of the context.
    pub stub: &'a [u8],
}

/// A presentation context proposed by a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentationContext {
    /// Its number in this association.
    pub id: u16,
    /// Interface.
    pub interface: Uuid,
    /// Major version of the interface.
    pub major: u16,
    /// Minor version of the interface.
    pub minor: u16,
    /// Transfer syntaxes that the client speaks.
    pub syntaxes: Vec<Uuid>,
}

impl PresentationContext {
    fn read(reader: &mut NdrReader<'_>) -> Result<Self, ReadError> {
        reader.align(4)?;
        let id = reader.u16("context")?;
        let count = reader.bytes("number of transfer syntaxes", 2)?[0];
        let interface = reader.uuid("interface")?;
        let version = reader.u32("interface version")?;
        let mut syntaxes = Vec::new();
        for _ in 0..count {
            syntaxes.push(reader.uuid("transfer syntax")?);
            reader.u32("transfer syntax version")?;
        }
        Ok(Self {
            id,
            interface,
            major: version as u16,
            minor: (version >> 16) as u16,
            syntaxes,
        })
    }
}

/// What a server made of a presentation context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextResult {
    /// 0 acceptance, 1 user rejection, 2 provider rejection, 3 negotiate acknowledgment.
    pub result: u16,
    /// Transfer syntax chosen; nil where none was.
    pub syntax: Uuid,
}

impl ContextResult {
    /// Whether calls may be made in this context.
    pub fn is_accepted(self) -> bool {
        self.result == 0
    }

    fn read(reader: &mut NdrReader<'_>) -> Result<Self, ReadError> {
        let result = reader.u16("result")?;
        reader.u16("reason")?;
        let syntax = reader.uuid("transfer syntax")?;
        reader.u32("transfer syntax version")?;
        Ok(Self { result, syntax })
    }
}

/// Where in a TCP payload that begins with units the first one stands that sets up or answers
/// presentation contexts: what names the interface behind a port. Cheap, for every packet of any
/// port.
#[inline]
pub fn find_bind(payload: &[u8]) -> Option<usize> {
    if payload.first() != Some(&VERSION) {
        return None;
    }
    let mut at = 0;
    for _ in 0..MAX_UNITS_BEFORE_BIND {
        let header = Header::parse(payload.get(at..)?).ok()?;
        match header.kind {
            PduType::Bind
            | PduType::BindAck
            | PduType::BindNak
            | PduType::AlterContext
            | PduType::AlterContextResponse => return Some(at),
            PduType::Request | PduType::Response | PduType::Fault | PduType::Other(_) => {}
        }
        at += usize::from(header.fragment_length);
    }
    None
}

/// Reads `data` as a unit: the parts lie inside it, and every list ends.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    if let Ok(pdu) = Pdu::parse(data) {
        let length = usize::from(pdu.header.fragment_length);
        assert!(HEADER_LENGTH + pdu.body.len() <= length.min(data.len()));
        assert!(pdu.contexts().len() <= usize::from(u8::MAX));
        assert!(pdu.results().len() * 24 <= data.len());
        if let Some(call) = pdu.request() {
            assert!(pdu.body.ends_with(call.stub));
        }
        if let Some((_, stub)) = pdu.response() {
            assert!(pdu.body.ends_with(stub));
        }
    } else {
        assert_eq!(find_bind(data), None);
    }
    if let Some(at) = find_bind(data) {
        assert_eq!(find_bind(&data[at..]), Some(0));
    }
    if let Ok(unit) = Connectionless::parse(data) {
        assert!(unit.stub.len() + CONNECTIONLESS_HEADER <= data.len());
        assert_eq!(unit.is_whole(), unit.stub.len() == usize::from(unit.length));
        let length = (CONNECTIONLESS_HEADER + usize::from(unit.length)) as u32;
        assert!(!looks_connectionless(data, length + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bind of the endpoint mapper by impacket, little endian.
    const BIND: &[u8] = b"\x05\x00\x0b\x03\x10\x00\x00\x00\x48\x00\x00\x00\x01\x00\x00\x00\
        \xb8\x10\xb8\x10\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x01\x00\
        \x08\x83\xaf\xe1\x1f\x5d\xc9\x11\x91\xa4\x08\x00\x2b\x14\xa0\xfa\x03\x00\x00\x00\
        \x04\x5d\x88\x8a\xeb\x1c\xc9\x11\x9f\xe8\x08\x00\x2b\x10\x48\x60\x02\x00\x00\x00";
    const BIND_ACK: &[u8] = b"\x05\x00\x0c\x03\x10\x00\x00\x00\x3c\x00\x00\x00\x01\x00\x00\x00\
        \xb8\x10\xb8\x10\x00\x40\x00\x00\x04\x00135\x00\x00\x00\x01\x00\x00\x00\
        \x00\x00\x00\x00\x04\x5d\x88\x8a\xeb\x1c\xc9\x11\x9f\xe8\x08\x00\x2b\x10\x48\x60\x02\x00\x00\x00";

    #[test]
    fn a_bind_names_interface_and_syntax() {
        let pdu = Pdu::parse(BIND).expect("a unit");
        assert_eq!((pdu.header.kind, pdu.header.call_id), (PduType::Bind, 1));
        let contexts = pdu.contexts();
        assert_eq!(contexts.len(), 1);
        assert_eq!(
            contexts[0].interface.to_string(),
            "e1af8308-5d1f-11c9-91a4-08002b14a0fa"
        );
        assert_eq!((contexts[0].major, contexts[0].minor), (3, 0));
        assert_eq!(contexts[0].syntaxes, [NDR]);
        assert_eq!((find_bind(BIND), find_bind(BIND_ACK)), (Some(0), Some(0)));
        // Cut inside its context.
        assert!(
            Pdu::parse(&BIND[..40])
                .expect("a unit")
                .contexts()
                .is_empty()
        );
    }

    #[test]
    fn a_bind_ack_says_which_syntax_was_chosen() {
        let results = Pdu::parse(BIND_ACK).expect("a unit").results();
        assert_eq!(results.len(), 1);
        assert!(results[0].is_accepted());
        assert_eq!(results[0].syntax, NDR);
    }

    #[test]
    fn the_stub_ends_before_the_authentication_trailer() {
        // Request with a stub of 5 bytes, 3 of padding, an 8 byte trailer, 4 of value; big endian.
        let unit = b"\x05\x00\x00\x03\x00\x00\x00\x00\x00\x2c\x00\x04\x00\x00\x00\x09\
            \x00\x00\x00\x05\x00\x02\x00\x03abcdePPP\
            \x0a\x05\x03\x00\x00\x00\x00\x00VVVV";
        let pdu = Pdu::parse(unit).expect("a unit");
        assert_eq!(pdu.header.order, ByteOrder::Big);
        let call = pdu.request().expect("a request");
        assert_eq!((call.context, call.operation), (2, 3));
        assert_eq!((call.object, call.stub), (None, &b"abcde"[..]));
        assert_eq!(pdu.response(), None);
        assert_eq!(find_bind(unit), None);
        assert_eq!((pdu.auth_level, pdu.may_be_sealed()), (Some(5), false));
    }

    #[test]
    fn a_request_may_name_an_object() {
        let mut unit = b"\x05\x00\x00\x83\x10\x00\x00\x00\x2a\x00\x00\x00\x01\x00\x00\x00\
            \x02\x00\x00\x00\x00\x00\x04\x00"
            .to_vec();
        unit.extend([7; 16]);
        unit.extend(b"xy");
        let call = Pdu::parse(&unit).expect("a unit").request();
        let call = call.expect("a request");
        assert_eq!((call.object, call.stub), (Some(Uuid([7; 16])), &b"xy"[..]));
    }

    #[test]
    fn refuses_other_versions_types_and_labels() {
        for (place, value) in [(0, 4), (1, 2), (2, 1), (4, 0x20), (5, 4), (6, 1), (8, 15)] {
            let mut unit = BIND.to_vec();
            unit[place] = value;
            assert!(Header::parse(&unit).is_err(), "byte {place} = {value}");
            assert_eq!(find_bind(&unit), None);
        }
        assert!(Header::parse(&BIND[..15]).is_err());
    }

    #[test]
    fn privacy_seals_the_stub_and_so_may_what_was_cut() {
        // A response with 4 bytes of stub, a trailer of 8, a value of 4.
        let unit = |level| {
            let mut unit = b"\x05\x00\x02\x03\x10\x00\x00\x00\x28\x00\x04\x00\x01\x00\x00\x00\
                \x04\x00\x00\x00\x00\x00\x00\x00stub\x0a"
                .to_vec();
            unit.extend([level, 0, 0, 0, 0, 0, 0]);
            unit.extend(b"VVVV");
            unit
        };
        let (integrity, privacy) = (unit(5), unit(6));
        let clear = Pdu::parse(&integrity).expect("a unit");
        assert_eq!(clear.response(), Some((0, &b"stub"[..])));
        assert!(!clear.may_be_sealed());
        assert!(Pdu::parse(&privacy).expect("a unit").may_be_sealed());
        assert!(Pdu::parse(&integrity[..29]).expect("cut").may_be_sealed());
    }

    #[test]
    fn a_bind_is_found_behind_other_units() {
        let third_leg = b"\x05\x00\x10\x03\x10\x00\x00\x00\x14\x00\x00\x00\x01\x00\x00\x00spec";
        assert_eq!(find_bind(third_leg), None);
        assert_eq!(find_bind(&[third_leg, BIND].concat()), Some(20));
        assert_eq!(find_bind(&[third_leg, &BIND[..20]].concat()), Some(20));
        assert_eq!(find_bind(&[&third_leg[..18], BIND].concat()), None);
        assert_eq!(find_bind(&[&third_leg.repeat(9), BIND].concat()), None);
    }
}
