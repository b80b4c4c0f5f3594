//! Network Data Representation: C706 chapter 14, and NDR64 of MS-RPCE section 2.2.5. Aligned
//! reads in either byte order and either width; knows no interface.

use super::Uuid;
use super::reader::{ReadError, Reader};

/// Order of the bytes of an integer, from the data representation label (C706 section 14.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// Most significant first.
    Big,
    /// Least significant first.
    Little,
}

impl ByteOrder {
    /// From the first byte of the label, where that is a defined one.
    pub fn from_label(label: u8) -> Option<Self> {
        match label >> 4 {
            0 => Some(Self::Big),
            1 => Some(Self::Little),
            _ => None,
        }
    }
}

/// Transfer syntax: how wide pointers and array bounds are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// NDR: 4 bytes.
    Ndr,
    /// NDR64: 8 bytes.
    Ndr64,
}

/// A cursor over an NDR stream, aligned from its first byte on.
#[derive(Clone, Copy, Debug)]
pub struct NdrReader<'a> {
    reader: Reader<'a>,
    order: ByteOrder,
    width: Width,
}

impl<'a> NdrReader<'a> {
    /// Stands before the first byte of a stub.
    pub fn new(stub: &'a [u8], order: ByteOrder, width: Width) -> Self {
        Self {
            reader: Reader::new(stub),
            order,
            width,
        }
    }

    /// Bytes not read yet.
    pub fn left(&self) -> usize {
        self.reader.left()
    }

    /// Passes over what is missing to a multiple of `alignment`.
    pub fn align(&mut self, alignment: usize) -> Result<(), ReadError> {
        let gap = self.reader.position().next_multiple_of(alignment) - self.reader.position();
        self.reader.take("alignment", gap).map(drop)
    }

    /// An unsigned short.
    pub fn u16(&mut self, what: &'static str) -> Result<u16, ReadError> {
        self.align(2)?;
        let bytes = self.reader.array(what)?;
        Ok(match self.order {
            ByteOrder::Big => u16::from_be_bytes(bytes),
            ByteOrder::Little => u16::from_le_bytes(bytes),
        })
    }

    /// An unsigned long.
    pub fn u32(&mut self, what: &'static str) -> Result<u32, ReadError> {
        self.align(4)?;
        let bytes = self.reader.array(what)?;
        Ok(match self.order {
            ByteOrder::Big => u32::from_be_bytes(bytes),
            ByteOrder::Little => u32::from_le_bytes(bytes),
        })
    }

    /// A pointer's referent, or a bound of an array: as wide as the transfer syntax says.
    pub fn wide(&mut self, what: &'static str) -> Result<u64, ReadError> {
        if self.width == Width::Ndr {
            return self.u32(what).map(u64::from);
        }
        self.align(8)?;
        let bytes = self.reader.array(what)?;
        Ok(match self.order {
            ByteOrder::Big => u64::from_be_bytes(bytes),
            ByteOrder::Little => u64::from_le_bytes(bytes),
        })
    }

    /// A universally unique identifier.
    pub fn uuid(&mut self, what: &'static str) -> Result<Uuid, ReadError> {
        self.align(4)?;
        let bytes = self.reader.array(what)?;
        Ok(match self.order {
            ByteOrder::Big => Uuid(bytes),
            ByteOrder::Little => Uuid::from_little_endian(bytes),
        })
    }

    /// Bytes, unaligned.
    pub fn bytes(&mut self, what: &'static str, count: usize) -> Result<&'a [u8], ReadError> {
        self.reader.take(what, count)
    }

    /// The error for a value that the field just read must not have.
    pub fn invalid(&self, what: &'static str, value: u64) -> ReadError {
        self.reader.invalid(what, value)
    }
}

/// Reads in the pattern that `data` asks for: a reader never goes back and never past the end.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    for order in [ByteOrder::Big, ByteOrder::Little] {
        for width in [Width::Ndr, Width::Ndr64] {
            let mut reader = NdrReader::new(data, order, width);
            let mut left = reader.left();
            for step in data {
                let read = match step % 4 {
                    0 => reader.u16("short").is_ok(),
                    1 => reader.u32("long").is_ok(),
                    2 => reader.wide("bound").is_ok(),
                    _ => reader.uuid("identifier").is_ok(),
                };
                assert!(reader.left() <= left && (!read || reader.left() < left));
                left = reader.left();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns_from_the_first_byte_in_both_orders() {
        let stub = [1, 2, 0xff, 0xff, 1, 2, 3, 4, 1, 2];
        let mut little = NdrReader::new(&stub, ByteOrder::Little, Width::Ndr);
        assert_eq!(little.u16("a"), Ok(0x0201));
        assert_eq!(little.u32("b"), Ok(0x0403_0201));
        assert_eq!(little.left(), 2);
        assert!(little.u32("c").is_err());
        let mut big = NdrReader::new(&stub, ByteOrder::Big, Width::Ndr);
        assert_eq!(big.u16("a"), Ok(0x0102));
        assert_eq!(big.wide("b"), Ok(0x0102_0304));
    }

    #[test]
    fn bounds_are_eight_bytes_in_ndr64() {
        let stub = [9, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0];
        let mut reader = NdrReader::new(&stub, ByteOrder::Little, Width::Ndr64);
        assert_eq!(reader.u32("count"), Ok(9));
        assert_eq!(reader.wide("maximum count"), Ok(5));
        assert_eq!(reader.left(), 0);
    }

    #[test]
    fn identifiers_follow_the_byte_order() {
        let wire = *b"\x08\x83\xaf\xe1\x1f\x5d\xc9\x11\x91\xa4\x08\x00\x2b\x14\xa0\xfa";
        let mut reader = NdrReader::new(&wire, ByteOrder::Little, Width::Ndr);
        let uuid = reader.uuid("interface").expect("16 bytes");
        assert_eq!(uuid.to_string(), "e1af8308-5d1f-11c9-91a4-08002b14a0fa");
        let mut reader = NdrReader::new(&uuid.0, ByteOrder::Big, Width::Ndr);
        assert_eq!(reader.uuid("interface"), Ok(uuid));
    }
}
