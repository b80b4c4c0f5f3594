//! Compressed captures: gzip (RFC 1952), zstd (RFC 8878), lz4 (its frame format), recognised by
//! content and unpacked as a stream. What is packed is not asked here.
//!
//! The libraries, by speed on a capture of 1 GB cut at 96 bytes: `flate2` on zlib-rs 530 MB/s
//! (miniz_oxide 360), `zstd` 960 (ruzstd 280), `lz4_flex` with safe code only 2,200.

mod gzip;
mod input;
mod lz4;
mod read_ahead;
mod unpack;
mod zstd;

#[cfg(test)]
mod tests;

pub(super) use read_ahead::{Packed, ReadAhead};
pub(super) use unpack::{Fault, Unpack};

use input::is_skippable;

/// Bytes that [`Compression::recognise`] wants to see.
pub(super) const RECOGNISED_BY: usize = 24;

/// How a capture is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// gzip, of one member or more.
    Gzip,
    /// Zstandard, of one frame or more.
    Zstd,
    /// LZ4 frames.
    Lz4,
}

impl Compression {
    /// Stable name, as in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
        }
    }

    /// The compression of an input that begins with `bytes`: its first [`RECOGNISED_BY`], or all
    /// where it is shorter.
    pub(super) fn recognise(bytes: &[u8]) -> Option<Self> {
        let known = [Self::Gzip, Self::Zstd, Self::Lz4];
        let found = known.into_iter().find(|it| bytes.starts_with(it.magic()));
        if found.is_some() || !is_skippable(bytes) {
            return found;
        }
        // zstd and lz4 have the same skippable frames; pzstd begins with one.
        let length = bytes.get(4..8)?.first_chunk().copied()?;
        let next = usize::try_from(u32::from_le_bytes(length)).ok()?;
        let next = bytes.get(8..).and_then(|rest| rest.get(next..));
        next.and_then(Self::recognise).or(Some(Self::Zstd))
    }

    /// With what a member or frame begins.
    fn magic(self) -> &'static [u8] {
        match self {
            Self::Gzip => &[0x1f, 0x8b],
            Self::Zstd => &[0x28, 0xb5, 0x2f, 0xfd],
            Self::Lz4 => &[0x04, 0x22, 0x4d, 0x18],
        }
    }

    /// Whether frames of other people's data may stand between its own.
    fn has_skippable_frames(self) -> bool {
        match self {
            Self::Gzip => false,
            Self::Zstd | Self::Lz4 => true,
        }
    }
}
