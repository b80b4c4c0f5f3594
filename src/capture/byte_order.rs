//! Byte order as a type, so that a reader's inner loop is compiled once for each order and
//! never asks for it.

/// Reads integers of one byte order.
pub(super) trait ByteOrder {
    fn u16(bytes: [u8; 2]) -> u16;
    fn u32(bytes: [u8; 4]) -> u32;
    fn u64(bytes: [u8; 8]) -> u64;

    /// The `u16` at `at`, which must lie inside.
    #[inline(always)]
    fn u16_at(bytes: &[u8], at: usize) -> u16 {
        Self::u16([bytes[at], bytes[at + 1]])
    }

    /// The `u32` at `at`, which must lie inside.
    #[inline(always)]
    fn u32_at(bytes: &[u8], at: usize) -> u32 {
        Self::u32([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
    }
}

/// Least significant byte first.
pub(super) struct Little;

impl ByteOrder for Little {
    #[inline(always)]
    fn u16(bytes: [u8; 2]) -> u16 {
        u16::from_le_bytes(bytes)
    }

    #[inline(always)]
    fn u32(bytes: [u8; 4]) -> u32 {
        u32::from_le_bytes(bytes)
    }

    #[inline(always)]
    fn u64(bytes: [u8; 8]) -> u64 {
        u64::from_le_bytes(bytes)
    }
}

/// Most significant byte first.
pub(super) struct Big;

impl ByteOrder for Big {
    #[inline(always)]
    fn u16(bytes: [u8; 2]) -> u16 {
        u16::from_be_bytes(bytes)
    }

    #[inline(always)]
    fn u32(bytes: [u8; 4]) -> u32 {
        u32::from_be_bytes(bytes)
    }

    #[inline(always)]
    fn u64(bytes: [u8; 8]) -> u64 {
        u64::from_be_bytes(bytes)
    }
}

/// Byte order as a value: what a file or section header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}
