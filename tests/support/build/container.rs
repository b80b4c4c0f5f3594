//! Capture files: pcap in every variant, pcapng block by block.

use super::bytes::{ByteOrder, pad};
use super::recording::Record;

/// Unit of the fraction of a second in a pcap record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    Micro,
    Nano,
}

/// A pcap file in one of its variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pcap {
    pub order: ByteOrder,
    pub resolution: Resolution,
    /// Alexey Kuznetzov's variant with eight more bytes a record (microseconds only).
    pub modified: bool,
    pub snaplen: u32,
}

impl Default for Pcap {
    fn default() -> Self {
        Self {
            order: ByteOrder::Little,
            resolution: Resolution::Micro,
            modified: false,
            snaplen: 262_144,
        }
    }
}

impl Pcap {
    /// The file with these records; they share the link type of the first one.
    pub fn encode(&self, records: &[Record]) -> Vec<u8> {
        let link_type = records.first().map_or(1, |record| record.link_type);
        let mut file = self.header(link_type);
        for record in records {
            self.record(record, &mut file);
        }
        file
    }

    pub fn header(&self, link_type: u16) -> Vec<u8> {
        let magic = match (self.modified, self.resolution) {
            (true, _) => 0xa1b2_cd34,
            (false, Resolution::Micro) => 0xa1b2_c3d4,
            (false, Resolution::Nano) => 0xa1b2_3c4d,
        };
        let order = self.order;
        let mut file = order.u32(magic).to_vec();
        file.extend(order.u16(2));
        file.extend(order.u16(4));
        file.extend([0; 8]);
        file.extend(order.u32(self.snaplen));
        file.extend(order.u32(u32::from(link_type)));
        file
    }

    pub fn record(&self, record: &Record, file: &mut Vec<u8>) {
        let order = self.order;
        let fraction = record.time_ns.rem_euclid(1_000_000_000) as u32;
        file.extend(order.u32(record.time_ns.div_euclid(1_000_000_000) as u32));
        file.extend(order.u32(match self.resolution {
            Resolution::Micro => fraction / 1000,
            Resolution::Nano => fraction,
        }));
        file.extend(order.u32(record.bytes.len() as u32));
        file.extend(order.u32(record.wire_length));
        if self.modified {
            // Interface index, link protocol, packet type, padding.
            file.extend(order.u32(2));
            file.extend([0; 4]);
        }
        file.extend(&record.bytes);
    }
}

/// A pcapng file, written block by block.
#[derive(Clone, Debug)]
pub struct Pcapng {
    order: ByteOrder,
    file: Vec<u8>,
    /// Digits after the second of each interface of the section.
    digits: Vec<u8>,
}

impl Pcapng {
    /// A file that begins with a section header.
    pub fn new(order: ByteOrder) -> Self {
        let mut file = Self {
            order,
            file: Vec::new(),
            digits: Vec::new(),
        };
        file.section(order);
        file
    }

    /// The file with these records, one interface for each link type, nanoseconds.
    pub fn encode(records: &[Record]) -> Vec<u8> {
        let mut file = Self::new(ByteOrder::Little);
        let mut links: Vec<u16> = Vec::new();
        for record in records {
            if !links.contains(&record.link_type) {
                links.push(record.link_type);
                file.interface(record.link_type, 0, 9);
            }
        }
        for record in records {
            let interface = links.iter().position(|link| *link == record.link_type);
            file.enhanced(interface.expect("collected above") as u32, record);
        }
        file.finish()
    }

    /// Begins a section, whose interfaces count from 0 again.
    pub fn section(&mut self, order: ByteOrder) {
        self.order = order;
        self.digits.clear();
        let mut body = order.u32(0x1a2b_3c4d).to_vec();
        body.extend(order.u16(1));
        body.extend(order.u16(0));
        // Length unknown.
        body.extend([0xff; 8]);
        self.block(0x0a0d_0d0a, &body);
    }

    /// Describes an interface whose times have `digits` decimal digits; returns its number.
    pub fn interface(&mut self, link_type: u16, snaplen: u32, digits: u8) -> u32 {
        let order = self.order;
        let mut body = order.u16(link_type).to_vec();
        body.extend([0, 0]);
        body.extend(order.u32(snaplen));
        self.option(9, &[digits], &mut body);
        self.option(0, &[], &mut body);
        self.block(1, &body);
        self.digits.push(digits);
        self.digits.len() as u32 - 1
    }

    /// Enhanced packet block.
    pub fn enhanced(&mut self, interface: u32, record: &Record) {
        let order = self.order;
        let captured = record.bytes.len();
        let length = order.u32((captured.next_multiple_of(4) + 32) as u32);
        let time = self.time(interface, record.time_ns);
        self.file.extend(order.u32(6));
        self.file.extend(length);
        self.file.extend(order.u32(interface));
        self.file.extend(time);
        self.file.extend(order.u32(captured as u32));
        self.file.extend(order.u32(record.wire_length));
        self.file.extend(&record.bytes);
        self.file
            .extend(&[0; 3][..captured.next_multiple_of(4) - captured]);
        self.file.extend(length);
    }

    /// Simple packet block: first interface, no time.
    pub fn simple(&mut self, record: &Record) {
        let mut body = self.order.u32(record.wire_length).to_vec();
        body.extend(&record.bytes);
        self.block(3, &body);
    }

    /// The obsolete packet block.
    pub fn obsolete(&mut self, interface: u16, record: &Record) {
        let mut body = self.order.u16(interface).to_vec();
        body.extend([0xff; 2]);
        body.extend(self.time(u32::from(interface), record.time_ns));
        body.extend(self.order.u32(record.bytes.len() as u32));
        body.extend(self.order.u32(record.wire_length));
        body.extend(&record.bytes);
        self.block(2, &body);
    }

    /// Interface statistics with received and dropped packets.
    pub fn statistics(&mut self, interface: u32, received: u64, dropped: u64) {
        let mut body = self.order.u32(interface).to_vec();
        body.extend([0; 8]);
        self.option(4, &self.u64(received), &mut body);
        self.option(5, &self.u64(dropped), &mut body);
        self.option(0, &[], &mut body);
        self.block(5, &body);
    }

    /// Interface statistics that say when the capture ended, and no more.
    pub fn ended(&mut self, interface: u32, time_ns: i64) {
        let mut body = self.order.u32(interface).to_vec();
        let time = self.time(interface, time_ns);
        body.extend(time);
        self.option(3, &time, &mut body);
        self.option(0, &[], &mut body);
        self.block(5, &body);
    }

    /// Any block.
    pub fn block(&mut self, kind: u32, body: &[u8]) {
        let order = self.order;
        let mut body = body.to_vec();
        pad(&mut body, 4);
        let length = order.u32(body.len() as u32 + 12);
        self.file.extend(order.u32(kind));
        self.file.extend(length);
        self.file.extend(body);
        self.file.extend(length);
    }

    /// What is written so far, for a caller who moves it on and empties it.
    pub fn written(&mut self) -> &mut Vec<u8> {
        &mut self.file
    }

    pub fn finish(self) -> Vec<u8> {
        self.file
    }

    /// High word, low word, in the unit of the interface.
    fn time(&self, interface: u32, time_ns: i64) -> [u8; 8] {
        let digits = self.digits[interface as usize];
        let ticks = time_ns as u64 / 10_u64.pow(9 - u32::from(digits));
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&self.order.u32((ticks >> 32) as u32));
        bytes[4..].copy_from_slice(&self.order.u32(ticks as u32));
        bytes
    }

    fn u64(&self, value: u64) -> [u8; 8] {
        match self.order {
            ByteOrder::Little => value.to_le_bytes(),
            ByteOrder::Big => value.to_be_bytes(),
        }
    }

    fn option(&self, code: u16, value: &[u8], body: &mut Vec<u8>) {
        body.extend(self.order.u16(code));
        body.extend(self.order.u16(value.len() as u16));
        body.extend(value);
        pad(body, 4);
    }
}
