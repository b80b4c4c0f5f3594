//! Answers of the endpoint mapper (C706 appendix O, MS-RPCE section 2.2.1.2): `ept_map` and
//! `ept_lookup`, with their towers (C706 appendix L). Strict about the answer: what does not add
//! up is an error, so that an answer may be recognised without its request. A tower of a form
//! that nobody knows spoils itself only.

use std::net::Ipv4Addr;

use super::Uuid;
use super::ndr::{ByteOrder, NdrReader, Width};
use super::reader::{ReadError, Reader};

/// The endpoint mapper's own interface, version 3.
pub const INTERFACE: Uuid = Uuid::from_fields(
    0xe1af8308,
    0x5d1f,
    0x11c9,
    [0x91, 0xa4, 0x08, 0x00, 0x2b, 0x14, 0xa0, 0xfa],
);
/// Operation number of `ept_lookup`.
pub const LOOKUP: u16 = 2;
/// Operation number of `ept_map`.
pub const MAP: u16 = 3;

/// Floors of a tower: interface, transfer syntax, RPC protocol, port, address; some have more.
const MAX_FLOORS: u16 = 16;
/// Context handle that a next call goes on with.
const HANDLE_LENGTH: usize = 20;

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Towers, in the answer's order.
    pub towers: Vec<Tower>,
    /// Towers of another form.
    pub unread: usize,
    /// 0, or why there are none; `None` where the answer was cut before it.
    pub status: Option<u32>,
}

/// A way to reach an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tower {
    /// Interface.
    pub interface: Uuid,
    /// Major version of the interface.
    pub major: u16,
    /// Transport and its endpoint.
    pub transport: TowerTransport,
    /// Address, where the tower has one; often 0.0.0.0.
    pub address: Option<Ipv4Addr>,
}

/// Transport of a tower, by the protocol identifiers of C706 appendix I.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TowerTransport {
    /// TCP port (0x07).
    Tcp(u16),
    /// UDP port (0x08).
    Udp(u16),
    /// Named pipe over SMB (0x0f, 0x10).
    Pipe,
    /// RPC over HTTP, TCP port (0x1f).
    Http(u16),
    /// Any other protocol identifier.
    Other(u8),
}

/// How much of an answer there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// Its beginning: towers are read as far as they go.
    Cut,
}

/// Reads the stub of an `ept_map` response.
pub fn parse_map(
    stub: &[u8],
    order: ByteOrder,
    width: Width,
    extent: Extent,
) -> Result<Answer, ReadError> {
    let mut reader = NdrReader::new(stub, order, width);
    reader.bytes("handle", HANDLE_LENGTH)?;
    let count = array(&mut reader)?;
    let mut referents = 0;
    for _ in 0..count {
        referents += usize::from(reader.wide("tower pointer")? != 0);
    }
    finish(reader, referents, extent)
}

/// Reads the stub of an `ept_lookup` response.
pub fn parse_lookup(
    stub: &[u8],
    order: ByteOrder,
    width: Width,
    extent: Extent,
) -> Result<Answer, ReadError> {
    let mut reader = NdrReader::new(stub, order, width);
    reader.bytes("handle", HANDLE_LENGTH)?;
    let count = array(&mut reader)?;
    let mut referents = 0;
    for _ in 0..count {
        if width == Width::Ndr64 {
            reader.align(8)?;
        }
        reader.uuid("object")?;
        referents += usize::from(reader.wide("tower pointer")? != 0);
        reader.wide("annotation offset")?;
        let length = reader.wide("annotation length")?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        reader.bytes("annotation", length)?;
    }
    finish(reader, referents, extent)
}

/// The number of elements that an array says it holds. The array itself ends where the bytes do.
fn array(reader: &mut NdrReader<'_>) -> Result<u64, ReadError> {
    let announced = u64::from(reader.u32("number of towers")?);
    let maximum = reader.wide("maximum count")?;
    let offset = reader.wide("offset")?;
    let count = reader.wide("actual count")?;
    if offset != 0 || count > maximum || count != announced {
        return Err(reader.invalid("actual count", count));
    }
    Ok(count)
}

/// The towers that the pointers defer to, and the status.
fn finish(
    mut reader: NdrReader<'_>,
    referents: usize,
    extent: Extent,
) -> Result<Answer, ReadError> {
    let mut answer = Answer {
        towers: Vec::new(),
        unread: 0,
        status: None,
    };
    for _ in 0..referents {
        match octets(&mut reader).map(Tower::parse) {
            Ok(Ok(tower)) => answer.towers.push(tower),
            Ok(Err(_)) => answer.unread += 1,
            Err(ReadError::Short { .. }) if extent == Extent::Cut => return Ok(answer),
            Err(error) => return Err(error),
        }
    }
    match reader.u32("status") {
        Ok(status) => answer.status = Some(status),
        Err(_) if extent == Extent::Cut => return Ok(answer),
        Err(error) => return Err(error),
    }
    // Some servers pad the stub to a multiple of eight.
    if reader.left() >= 8 {
        return Err(reader.invalid("bytes after the status", reader.left() as u64));
    }
    Ok(answer)
}

/// The octets of a tower.
fn octets<'a>(reader: &mut NdrReader<'a>) -> Result<&'a [u8], ReadError> {
    let maximum = reader.wide("tower maximum count")?;
    let length = reader.u32("tower length")?;
    if u64::from(length) != maximum {
        return Err(reader.invalid("tower length", u64::from(length)));
    }
    reader.bytes("tower", length as usize)
}

impl Tower {
    /// Reads a tower. Its numbers are little endian whatever the unit says, ports and addresses
    /// big endian.
    pub fn parse(octets: &[u8]) -> Result<Self, ReadError> {
        let mut reader = Reader::new(octets);
        let count = reader.u16_le("number of floors")?;
        if !(3..=MAX_FLOORS).contains(&count) {
            return Err(reader.invalid("number of floors", u64::from(count)));
        }
        let (interface, major) = Self::identifier(&mut reader)?;
        Self::identifier(&mut reader)?;
        let (protocol, _) = floor(&mut reader)?;
        // Connectionless, connection-oriented, local.
        if !(0x0a..=0x0c).contains(&protocol) {
            return Err(reader.invalid("RPC protocol", u64::from(protocol)));
        }
        let mut transport = TowerTransport::Other(protocol);
        let mut address = None;
        for index in 3..count {
            let (protocol, data) = floor(&mut reader)?;
            match (protocol, data) {
                (0x07, &[high, low]) => {
                    transport = TowerTransport::Tcp(u16::from_be_bytes([high, low]));
                }
                (0x08, &[high, low]) => {
                    transport = TowerTransport::Udp(u16::from_be_bytes([high, low]));
                }
                (0x1f, &[high, low]) => {
                    transport = TowerTransport::Http(u16::from_be_bytes([high, low]));
                }
                (0x09, &[a, b, c, d]) => address = Some(Ipv4Addr::new(a, b, c, d)),
                (0x0f | 0x10, _) => transport = TowerTransport::Pipe,
                _ if index == 3 => transport = TowerTransport::Other(protocol),
                _ => {}
            }
        }
        Ok(Self {
            interface,
            major,
            transport,
            address,
        })
    }

    /// A floor that names an interface or a transfer syntax.
    fn identifier(reader: &mut Reader<'_>) -> Result<(Uuid, u16), ReadError> {
        let length = reader.u16_le("floor length")?;
        let mut left = Reader::new(reader.take("floor", usize::from(length))?);
        let protocol = left.u8("floor protocol")?;
        if protocol != 0x0d {
            return Err(reader.invalid("floor protocol", u64::from(protocol)));
        }
        let uuid = Uuid::from_little_endian(left.array("identifier")?);
        let major = left.u16_le("version")?;
        let length = reader.u16_le("floor data length")?;
        reader.take("floor data", usize::from(length))?;
        Ok((uuid, major))
    }
}

/// Protocol identifier and data of a floor.
fn floor<'a>(reader: &mut Reader<'a>) -> Result<(u8, &'a [u8]), ReadError> {
    let length = reader.u16_le("floor length")?;
    let protocol = Reader::new(reader.take("floor", usize::from(length))?).u8("floor protocol")?;
    let length = reader.u16_le("floor data length")?;
    let data = reader.take("floor data", usize::from(length))?;
    Ok((protocol, data))
}

/// Reads `data` as both answers in every representation: a tower needs its bytes, and what is
/// read of a beginning is the beginning of what is read of the whole.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    for order in [ByteOrder::Big, ByteOrder::Little] {
        for width in [Width::Ndr, Width::Ndr64] {
            for parse in [parse_map, parse_lookup] {
                let Ok(whole) = parse(data, order, width, Extent::Whole) else {
                    continue;
                };
                assert!(whole.status.is_some());
                // A pointer, two lengths and three floors.
                assert!(whole.towers.len() * 60 + whole.unread * 12 <= data.len());
                assert_eq!(parse(data, order, width, Extent::Cut).as_ref(), Ok(&whole));
                for end in [data.len() / 2, data.len().saturating_sub(9)] {
                    let cut = parse(&data[..end], order, width, Extent::Cut);
                    assert!(cut.is_err() || whole.towers.starts_with(&cut.unwrap().towers));
                }
            }
        }
    }
}

/// Builds answers for the tests of this stage and the next.
#[cfg(test)]
pub(crate) mod build {
    use super::*;

    /// The octets of a tower of `samr`.
    pub(crate) fn tower(protocol: u8, port: &[u8], address: [u8; 4]) -> Vec<u8> {
        let mut octets = b"\x05\x00".to_vec();
        octets.extend(b"\x13\x00\x0d\x78\x57\x34\x12\x34\x12\xcd\xab\xef\x00\x01\x23\x45\x67\x89\xac\x01\x00\x02\x00\x00\x00");
        octets.extend(b"\x13\x00\x0d\x04\x5d\x88\x8a\xeb\x1c\xc9\x11\x9f\xe8\x08\x00\x2b\x10\x48\x60\x02\x00\x02\x00\x00\x00");
        octets.extend(b"\x01\x00\x0b\x02\x00\x00\x00");
        octets.extend([1, 0, protocol, port.len() as u8, 0]);
        octets.extend(port);
        octets.extend(b"\x01\x00\x09\x04\x00");
        octets.extend(address);
        octets
    }

    /// The stub of an `ept_map` response.
    pub(crate) fn map(towers: &[Vec<u8>], order: ByteOrder, width: Width) -> Vec<u8> {
        let mut stub = vec![0; HANDLE_LENGTH];
        let put = |stub: &mut Vec<u8>, value: u64, size: usize| {
            stub.resize(stub.len().next_multiple_of(size), 0);
            match order {
                ByteOrder::Big => stub.extend(&value.to_be_bytes()[8 - size..]),
                ByteOrder::Little => stub.extend(&value.to_le_bytes()[..size]),
            }
        };
        let wide = if width == Width::Ndr { 4 } else { 8 };
        let count = towers.len() as u64;
        put(&mut stub, count, 4);
        for bound in [count.max(4), 0, count] {
            put(&mut stub, bound, wide);
        }
        for referent in 0..count {
            put(&mut stub, referent + 3, wide);
        }
        for tower in towers {
            put(&mut stub, tower.len() as u64, wide);
            put(&mut stub, tower.len() as u64, 4);
            stub.extend(tower);
        }
        put(&mut stub, 0, 4);
        stub
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn towers_follow_all_their_pointers() {
        let towers = [
            build::tower(0x07, &49154_u16.to_be_bytes(), [0, 0, 0, 0]),
            build::tower(0x0f, b"\\pipe\\lsass\0", [0, 0, 0, 0]),
            build::tower(0x08, &50000_u16.to_be_bytes(), [10, 0, 0, 9]),
            build::tower(0x1f, &593_u16.to_be_bytes(), [10, 0, 0, 9]),
        ];
        for order in [ByteOrder::Big, ByteOrder::Little] {
            for width in [Width::Ndr, Width::Ndr64] {
                let stub = build::map(&towers, order, width);
                let answer = parse_map(&stub, order, width, Extent::Whole).expect("an answer");
                let transports: Vec<_> = answer.towers.iter().map(|t| t.transport).collect();
                assert_eq!(
                    transports,
                    [
                        TowerTransport::Tcp(49154),
                        TowerTransport::Pipe,
                        TowerTransport::Udp(50000),
                        TowerTransport::Http(593)
                    ]
                );
                assert_eq!(answer.towers[0].address, Some(Ipv4Addr::UNSPECIFIED));
                assert_eq!(
                    answer.towers[0].interface.to_string(),
                    "12345778-1234-abcd-ef00-0123456789ac"
                );
                assert_eq!((answer.towers[0].major, answer.status), (1, Some(0)));
                // Neither another width nor a shorter stub reads as well.
                for end in 0..stub.len() - 4 {
                    assert!(parse_map(&stub[..end], order, width, Extent::Whole).is_err());
                    if let Ok(cut) = parse_map(&stub[..end], order, width, Extent::Cut) {
                        assert!(answer.towers.starts_with(&cut.towers), "{end}");
                        assert_eq!(cut.status, None);
                    }
                }
                let cut = parse_map(&stub[..stub.len() - 20], order, width, Extent::Cut);
                assert_eq!(cut.expect("a beginning").towers, answer.towers[..3]);
            }
        }
        let stub = build::map(&towers, ByteOrder::Little, Width::Ndr);
        let (order, width) = (ByteOrder::Little, Width::Ndr64);
        assert!(parse_map(&stub, order, width, Extent::Whole).is_err());
    }

    #[test]
    fn an_answer_without_towers_has_a_status() {
        let mut stub = build::map(&[], ByteOrder::Little, Width::Ndr);
        let end = stub.len();
        stub[end - 4..].copy_from_slice(&0x16c9_a0d6_u32.to_le_bytes());
        let (order, width) = (ByteOrder::Little, Width::Ndr);
        let answer = parse_map(&stub, order, width, Extent::Whole).expect("an answer");
        assert_eq!(answer.status, Some(0x16c9_a0d6));
        assert!(answer.towers.is_empty());
    }

    #[test]
    fn a_count_that_the_bytes_do_not_hold_is_an_error() {
        let mut stub = vec![0; HANDLE_LENGTH];
        for value in [u32::MAX, u32::MAX, 0, u32::MAX] {
            stub.extend(value.to_le_bytes());
        }
        for parse in [parse_map, parse_lookup] {
            for extent in [Extent::Whole, Extent::Cut] {
                assert!(parse(&stub, ByteOrder::Little, Width::Ndr, extent).is_err());
            }
        }
    }

    #[test]
    fn lookup_entries_carry_object_and_annotation() {
        let tower = build::tower(0x07, &49664_u16.to_be_bytes(), [10, 0, 0, 16]);
        let mut stub = vec![0; HANDLE_LENGTH];
        let put = |stub: &mut Vec<u8>, value: u32| stub.extend(value.to_le_bytes());
        for value in [2, 500, 0, 2] {
            put(&mut stub, value);
        }
        for annotation in [&b"Impl\0"[..], b"\0"] {
            stub.resize(stub.len().next_multiple_of(4), 0);
            stub.extend([0; 16]);
            for value in [7, 0, annotation.len() as u32] {
                put(&mut stub, value);
            }
            stub.extend(annotation);
        }
        for _ in 0..2 {
            stub.resize(stub.len().next_multiple_of(4), 0);
            put(&mut stub, tower.len() as u32);
            put(&mut stub, tower.len() as u32);
            stub.extend(&tower);
        }
        stub.resize(stub.len().next_multiple_of(4), 0);
        put(&mut stub, 0);
        let (order, width) = (ByteOrder::Little, Width::Ndr);
        let answer = parse_lookup(&stub, order, width, Extent::Whole).expect("an answer");
        assert_eq!(answer.towers.len(), 2);
        assert_eq!(answer.towers[1].transport, TowerTransport::Tcp(49664));
        assert_eq!(answer.towers[1].address, Some(Ipv4Addr::new(10, 0, 0, 16)));
    }

    #[test]
    fn null_pointers_defer_to_no_tower() {
        for order in [ByteOrder::Big, ByteOrder::Little] {
            for (width, size) in [(Width::Ndr, 4), (Width::Ndr64, 8)] {
                let tower = build::tower(7, &[0xc0, 2], [0; 4]);
                let two = build::map(&[tower.clone(), tower.clone()], order, width);
                let one = build::map(&[tower], order, width);
                // Two pointers of which the first is null, and the one tower.
                let pointers = if size == 4 { 36 } else { 48 };
                let mut stub = two[..pointers].to_vec();
                stub.extend(vec![0; size]);
                stub.extend(&two[pointers + size..pointers + 2 * size]);
                stub.extend(&one[pointers + size..]);
                let answer = parse_map(&stub, order, width, Extent::Whole).expect("an answer");
                assert_eq!(answer.towers.len(), 1);
                assert_eq!(answer.towers[0].transport, TowerTransport::Tcp(49154));
            }
        }
    }

    #[test]
    fn a_tower_of_another_form_spoils_itself_only() {
        let mut odd = build::tower(7, &[0xc0, 2], [0; 4]);
        odd[4] = 0x05;
        let towers = [odd, build::tower(7, &[0xc0, 3], [0; 4])];
        let (order, width) = (ByteOrder::Little, Width::Ndr);
        let stub = build::map(&towers, order, width);
        let answer = parse_map(&stub, order, width, Extent::Whole).expect("an answer");
        assert_eq!((answer.towers.len(), answer.unread), (1, 1));
        assert_eq!(answer.towers[0].transport, TowerTransport::Tcp(49155));
    }
}
