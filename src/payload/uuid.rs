//! DCE universally unique identifiers (C706 appendix A), which name RPC interfaces.

use std::fmt;

/// A DCE universally unique identifier, fields as printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// From its printed fields: the first three as numbers, the rest as bytes.
    pub const fn from_fields(first: u32, second: u16, third: u16, rest: [u8; 8]) -> Self {
        let (a, b, c) = (
            first.to_be_bytes(),
            second.to_be_bytes(),
            third.to_be_bytes(),
        );
        let r = rest;
        Self([
            a[0], a[1], a[2], a[3], b[0], b[1], c[0], c[1], r[0], r[1], r[2], r[3], r[4], r[5],
            r[6], r[7],
        ])
    }

    /// From its printed form, in lower or upper case.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('-').collect();
        let lengths = parts.iter().map(|part| part.len());
        if !lengths.eq([8, 4, 4, 4, 12]) || !text.is_ascii() {
            return None;
        }
        let digits = parts.concat();
        let mut bytes = [0; 16];
        for (byte, index) in bytes.iter_mut().zip((0..).step_by(2)) {
            let pair = &digits[index..index + 2];
            // A sign would be a number, too.
            if !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// From its wire form with the first three fields least significant byte first.
    pub const fn from_little_endian(wire: [u8; 16]) -> Self {
        let w = wire;
        Self([
            w[3], w[2], w[1], w[0], w[5], w[4], w[7], w[6], w[8], w[9], w[10], w[11], w[12], w[13],
            w[14], w[15],
        ])
    }

    /// Whether it is the nil identifier.
    pub fn is_nil(self) -> bool {
        self.0 == [0; 16]
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                out.write_str("-")?;
            }
            write!(out, "{byte:02x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_alike_from_fields_and_from_the_wire() {
        let printed = "e1af8308-5d1f-11c9-91a4-08002b14a0fa";
        let fields = Uuid::from_fields(
            0xe1af8308,
            0x5d1f,
            0x11c9,
            [0x91, 0xa4, 0x08, 0x00, 0x2b, 0x14, 0xa0, 0xfa],
        );
        let wire = Uuid::from_little_endian(
            *b"\x08\x83\xaf\xe1\x1f\x5d\xc9\x11\x91\xa4\x08\x00\x2b\x14\xa0\xfa",
        );
        assert_eq!(fields.to_string(), printed);
        assert_eq!(Uuid::parse(printed), Some(fields));
        assert_eq!(Uuid::parse(&printed.to_uppercase()), Some(fields));
        for wrong in [
            "",
            "e1af8308",
            "e1af83085d1f-11c9-91a4-08002b14a0fa-",
            &printed[1..],
        ] {
            assert_eq!(Uuid::parse(wrong), None);
        }
        assert_eq!(Uuid::parse(&printed.replace("e1", "+1")), None);
        assert_eq!(wire, fields);
        assert!(!wire.is_nil() && Uuid([0; 16]).is_nil());
    }
}
