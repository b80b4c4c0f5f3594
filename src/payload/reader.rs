//! The bounded cursor that every view reads with. It never panics, and its errors name what
//! was being read. Knows no protocol.

use thiserror::Error;

/// Why bytes could not be read as what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// The bytes end before the field does.
    #[error("{what}: {wanted} bytes wanted at offset {at}, {left} left")]
    Short {
        /// The field.
        what: &'static str,
        /// Where it begins.
        at: usize,
        /// Bytes it needs.
        wanted: usize,
        /// Bytes there are.
        left: usize,
    },
    /// The field holds a value that its protocol forbids.
    #[error("{what}: {value:#x} is not allowed at offset {at}")]
    Invalid {
        /// The field.
        what: &'static str,
        /// Where it ends.
        at: usize,
        /// Its value.
        value: u64,
    },
}

/// A cursor over bytes of a packet.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Stands before the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Bytes not read yet.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `count` bytes.
    pub fn take(&mut self, what: &'static str, count: usize) -> Result<&'a [u8], ReadError> {
        let rest = self.peek();
        if count > rest.len() {
            return Err(ReadError::Short {
                what,
                at: self.at,
                wanted: count,
                left: rest.len(),
            });
        }
        self.at += count;
        Ok(&rest[..count])
    }

    /// The next `N` bytes, by value.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], ReadError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(what, N)?);
        Ok(array)
    }

    /// One byte.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, ReadError> {
        Ok(self.array::<1>(what)?[0])
    }

    /// Two bytes, most significant first.
    pub fn u16_be(&mut self, what: &'static str) -> Result<u16, ReadError> {
        Ok(u16::from_be_bytes(self.array(what)?))
    }

    /// Two bytes, least significant first.
    pub fn u16_le(&mut self, what: &'static str) -> Result<u16, ReadError> {
        Ok(u16::from_le_bytes(self.array(what)?))
    }

    /// Four bytes, most significant first.
    pub fn u32_be(&mut self, what: &'static str) -> Result<u32, ReadError> {
        Ok(u32::from_be_bytes(self.array(what)?))
    }

    /// The bytes up to the next zero byte, which is passed over.
    pub fn until_nul(&mut self, what: &'static str) -> Result<&'a [u8], ReadError> {
        let rest = self.peek();
        match rest.iter().position(|&byte| byte == 0) {
            Some(length) => {
                self.at += length + 1;
                Ok(&rest[..length])
            }
            None => Err(ReadError::Short {
                what,
                at: self.at,
                wanted: rest.len() + 1,
                left: rest.len(),
            }),
        }
    }

    /// All that is left, without passing over it.
    pub fn peek(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        let rest = self.peek();
        self.at = self.bytes.len();
        rest
    }

    /// The error for a value that the field just read must not have.
    pub fn invalid(&self, what: &'static str, value: u64) -> ReadError {
        ReadError::Invalid {
            what,
            at: self.at,
            value,
        }
    }
}

/// Reads in the pattern that `data` itself asks for; what was read and what is left add up.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let mut reader = Reader::new(data);
    let mut read = 0;
    while let Ok(step) = reader.u8("step") {
        read += 1;
        match step % 4 {
            0 => {
                read += reader
                    .take("bytes", usize::from(step))
                    .map_or(0, <[u8]>::len)
            }
            1 => read += reader.u16_be("word").map_or(0, |_| 2),
            2 => read += reader.u32_be("double word").map_or(0, |_| 4),
            _ => read += reader.until_nul("text").map_or(0, |text| text.len() + 1),
        }
        assert_eq!(reader.position(), read);
        assert_eq!(reader.position() + reader.left(), data.len());
    }
    assert_eq!(reader.left(), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_byte_orders_and_text() {
        let mut reader = Reader::new(b"\x01\x02\x01\x02\x00\x00\x01\x00name\x00rest");
        assert_eq!(reader.u16_be("a"), Ok(0x0102));
        assert_eq!(reader.u16_le("b"), Ok(0x0201));
        assert_eq!(reader.u32_be("c"), Ok(256));
        assert_eq!(reader.until_nul("d"), Ok(&b"name"[..]));
        assert_eq!(reader.left(), 4);
        assert_eq!(reader.rest(), b"rest");
        assert_eq!(reader.left(), 0);
    }

    #[test]
    fn a_failed_read_names_the_field_and_moves_nothing() {
        let mut reader = Reader::new(&[1, 2, 3]);
        reader.u8("first").expect("three bytes");
        let error = reader.u32_be("length").unwrap_err();
        assert_eq!(
            error.to_string(),
            "length: 4 bytes wanted at offset 1, 2 left"
        );
        assert_eq!(reader.until_nul("name").unwrap_err(), {
            ReadError::Short {
                what: "name",
                at: 1,
                wanted: 3,
                left: 2,
            }
        });
        assert_eq!(reader.position(), 1);
        assert_eq!(
            reader.invalid("version", 9).to_string(),
            "version: 0x9 is not allowed at offset 1"
        );
    }
}
