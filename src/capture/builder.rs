//! Writes containers for this stage's tests, from the documents and not from the readers.

use super::{Frame, LinkType, ReadError, Reader};
use crate::net::Timestamp;

/// A frame that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) number: u64,
    pub(super) time: Timestamp,
    pub(super) link_type: LinkType,
    pub(super) wire_length: u32,
    pub(super) data: Vec<u8>,
}

impl From<Frame<'_>> for Kept {
    fn from(frame: Frame<'_>) -> Self {
        Self {
            number: frame.number,
            time: frame.time,
            link_type: frame.link_type,
            wire_length: frame.wire_length,
            data: frame.data.to_vec(),
        }
    }
}

/// Reads `bytes` with a buffer of `capacity`: the frames, and the reader as it is afterwards.
pub(super) fn read(bytes: &[u8], capacity: usize) -> Result<(Vec<Kept>, Reader<&[u8]>), ReadError> {
    let mut reader = Reader::with_capacity(bytes, "test", capacity)?;
    let mut frames = Vec::new();
    reader.read(|frame| {
        frames.push(frame.into());
    });
    Ok((frames, reader))
}

/// Bytes being written in one byte order.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    pub(super) big: bool,
    pub(super) bytes: Vec<u8>,
    /// Offsets at which a record or block ends.
    pub(super) borders: Vec<usize>,
}

impl Writer {
    pub(super) fn new(big: bool) -> Self {
        Self {
            big,
            bytes: Vec::new(),
            borders: Vec::new(),
        }
    }

    pub(super) fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes.extend(match self.big {
            true => value.to_be_bytes(),
            false => value.to_le_bytes(),
        });
        self
    }

    pub(super) fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes.extend(match self.big {
            true => value.to_be_bytes(),
            false => value.to_le_bytes(),
        });
        self
    }

    pub(super) fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes.extend(match self.big {
            true => value.to_be_bytes(),
            false => value.to_le_bytes(),
        });
        self
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Bytes and what fills them up to a multiple of four.
    pub(super) fn padded(&mut self, bytes: &[u8]) -> &mut Self {
        self.raw(bytes);
        self.raw(&[0; 3][..bytes.len().next_multiple_of(4) - bytes.len()])
    }

    fn border(&mut self) -> &mut Self {
        self.borders.push(self.bytes.len());
        self
    }

    /// pcap file header.
    pub(super) fn pcap_header(
        &mut self,
        magic: u32,
        (major, minor): (u16, u16),
        network: u32,
    ) -> &mut Self {
        self.u32(magic).u16(major).u16(minor);
        self.u32(0).u32(0).u32(65535).u32(network).border()
    }

    /// pcap record; `extra` follows the usual header.
    pub(super) fn pcap_record(
        &mut self,
        (seconds, fraction): (u32, u32),
        (captured, wire): (u32, u32),
        extra: &[u8],
        data: &[u8],
    ) -> &mut Self {
        self.u32(seconds).u32(fraction).u32(captured).u32(wire);
        self.raw(extra).raw(data).border()
    }

    /// pcapng block, with its length before and after the body that `body` writes.
    pub(super) fn block(&mut self, kind: u32, body: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.bytes.len();
        self.u32(kind).u32(0);
        body(self);
        let length = (self.bytes.len() - start + 4) as u32;
        self.u32(length);
        let field = match self.big {
            true => length.to_be_bytes(),
            false => length.to_le_bytes(),
        };
        self.bytes[start + 4..start + 8].copy_from_slice(&field);
        self.border()
    }

    pub(super) fn section(&mut self) -> &mut Self {
        self.block(0x0a0d_0d0a, |it| {
            it.u32(0x1a2b_3c4d).u16(1).u16(0).u64(u64::MAX);
        })
    }

    /// `options`: code and value.
    pub(super) fn interface(
        &mut self,
        link_type: u16,
        snaplen: u32,
        options: &[(u16, &[u8])],
    ) -> &mut Self {
        self.block(1, |it| {
            it.u16(link_type).u16(0).u32(snaplen).options(options);
        })
    }

    pub(super) fn statistics(&mut self, interface: u32, options: &[(u16, &[u8])]) -> &mut Self {
        self.block(5, |it| {
            it.u32(interface).u64(0).options(options);
        })
    }

    fn options(&mut self, options: &[(u16, &[u8])]) -> &mut Self {
        for (code, value) in options {
            self.u16(*code).u16(value.len() as u16).padded(value);
        }
        match options.is_empty() {
            true => self,
            false => self.u32(0),
        }
    }

    pub(super) fn enhanced_packet(
        &mut self,
        interface: u32,
        ticks: u64,
        wire: u32,
        data: &[u8],
    ) -> &mut Self {
        self.block(6, |it| {
            it.u32(interface)
                .u32((ticks >> 32) as u32)
                .u32(ticks as u32);
            it.u32(data.len() as u32).u32(wire).padded(data);
        })
    }

    pub(super) fn obsolete_packet(
        &mut self,
        interface: u16,
        ticks: u64,
        wire: u32,
        data: &[u8],
    ) -> &mut Self {
        self.block(2, |it| {
            it.u16(interface).u16(0xffff);
            it.u32((ticks >> 32) as u32).u32(ticks as u32);
            it.u32(data.len() as u32).u32(wire).padded(data);
        })
    }

    pub(super) fn simple_packet(&mut self, wire: u32, data: &[u8]) -> &mut Self {
        self.block(3, |it| {
            it.u32(wire).padded(data);
        })
    }
}
