//! Where a pcap file may be cut: what looks like a record.

use super::super::cut::Look;
use super::{
    Big, ByteOrder, Header, Little, MAX_CAPTURED, MODIFIED_RECORD_HEADER, Order, RECORD_HEADER,
};

impl Header {
    /// What the beginning of `bytes` looks like.
    pub(in crate::capture) fn look(&self, bytes: &[u8]) -> Look {
        match self.order {
            Order::Little => self.look_in::<Little>(bytes),
            Order::Big => self.look_in::<Big>(bytes),
        }
    }

    fn look_in<O: ByteOrder>(&self, bytes: &[u8]) -> Look {
        let Some(header) = bytes.first_chunk::<RECORD_HEADER>() else {
            return Look::Beyond;
        };
        let (seconds, fraction) = (O::u32_at(header, 0), O::u32_at(header, 4));
        let (captured, wire_length) = self
            .lengths
            .order(O::u32_at(header, 8), O::u32_at(header, 12));
        let is_likely = captured as usize <= self.limit
            && captured <= wire_length
            && wire_length as usize <= MAX_CAPTURED
            // A real record may be empty; zeros hardly are records.
            && wire_length > 0
            && u64::from(fraction) * u64::from(self.unit_ns) < 1_000_000_000;
        if !is_likely {
            return Look::Unlikely;
        }
        let header = if self.modified {
            MODIFIED_RECORD_HEADER
        } else {
            RECORD_HEADER
        };
        Look::Record {
            length: header + captured as usize,
            time: Some(self.time(seconds, fraction)),
        }
    }
}
