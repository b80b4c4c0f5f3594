//! Writes pcapng, in little-endian order and nanoseconds: blocks in memory, which whoever keeps
//! them puts into a file. Follows draft-ietf-opsawg-pcapng.

use super::{
    BYTE_ORDER_MAGIC, ENHANCED_PACKET, FRAMING, INTERFACE_DESCRIPTION, INTERFACE_STATISTICS,
    SECTION_HEADER,
};
use crate::capture::LinkType;
use crate::capture::buffer::MAX_RECORD_BYTES;
use crate::net::Timestamp;

/// Most that is kept of a packet: its block is one that our reader takes.
const MAX_PACKET_BYTES: usize = MAX_RECORD_BYTES - FRAMING - 20;

/// Length of a section that is not known beforehand.
const UNKNOWN_LENGTH: u64 = u64::MAX;

/// 10^-9 seconds.
const NANOSECONDS: u8 = 9;

/// How `if_filter` begins where the filter is text as libpcap takes it.
const LIBPCAP_FILTER: u8 = 0;

const END_OF_OPTIONS: u16 = 0;
const SHB_HARDWARE: u16 = 2;
const SHB_OS: u16 = 3;
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const IF_FILTER: u16 = 11;
const IF_OS: u16 = 12;
const ISB_STARTTIME: u16 = 2;
const ISB_ENDTIME: u16 = 3;
const ISB_IFRECV: u16 = 4;
const ISB_IFDROP: u16 = 5;
const ISB_USRDELIV: u16 = 8;

/// Blocks of a pcapng file, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blocks {
    bytes: Vec<u8>,
}

/// Where a section was captured, and with what. Texts of more than 65,535 bytes are left out, here
/// and below.
#[derive(Clone, Copy, Debug, Default)]
pub struct Section<'a> {
    /// The machine.
    pub hardware: Option<&'a str>,
    /// The operating system.
    pub os: Option<&'a str>,
    /// The program, with its version.
    pub application: Option<&'a str>,
}

/// An interface that packets are captured on.
#[derive(Clone, Copy, Debug)]
pub struct InterfaceDescription<'a> {
    /// What its packets begin with.
    pub link_type: LinkType,
    /// Most bytes captured of a packet; 0 where there is no limit.
    pub snaplen: u32,
    /// Its name on that machine.
    pub name: Option<&'a str>,
    /// The filter, as libpcap takes it.
    pub filter: Option<&'a str>,
    /// The operating system of the machine that it belongs to.
    pub os: Option<&'a str>,
}

/// What an interface counted from the begin of a section on.
#[derive(Clone, Copy, Debug)]
pub struct InterfaceStatistics {
    /// Its number: 0 is the first one described.
    pub interface: u32,
    /// When the section begins.
    pub begin: Timestamp,
    /// When these numbers were taken.
    pub end: Timestamp,
    /// Packets received.
    pub received: Option<u64>,
    /// Packets dropped, for want of room.
    pub dropped: Option<u64>,
    /// Packets delivered: those in the section.
    pub delivered: Option<u64>,
}

impl Blocks {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// All of them, as they stand in a file.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All of them, as they stand in a file.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Forgets them. Their room is kept.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Begins a section; a file does with it.
    pub fn section(&mut self, section: &Section<'_>) {
        self.block(SECTION_HEADER, |bytes| {
            bytes.extend(BYTE_ORDER_MAGIC.to_le_bytes());
            // Version 1.0.
            bytes.extend(1_u16.to_le_bytes());
            bytes.extend(0_u16.to_le_bytes());
            bytes.extend(UNKNOWN_LENGTH.to_le_bytes());
            text(bytes, SHB_HARDWARE, section.hardware);
            text(bytes, SHB_OS, section.os);
            text(bytes, SHB_USERAPPL, section.application);
            end_of_options(bytes);
        });
    }

    /// Describes the next interface of the section: the first one is number 0.
    pub fn interface(&mut self, interface: &InterfaceDescription<'_>) {
        self.block(INTERFACE_DESCRIPTION, |bytes| {
            bytes.extend(interface.link_type.0.to_le_bytes());
            bytes.extend(0_u16.to_le_bytes());
            bytes.extend(interface.snaplen.to_le_bytes());
            text(bytes, IF_NAME, interface.name);
            option(bytes, IF_TSRESOL, &[NANOSECONDS]);
            if let Some(filter) = interface.filter {
                let mut value = vec![LIBPCAP_FILTER];
                value.extend_from_slice(filter.as_bytes());
                option(bytes, IF_FILTER, &value);
            }
            text(bytes, IF_OS, interface.os);
            end_of_options(bytes);
        });
    }

    /// Adds a packet of an interface. Times before 1970 and unknown ones become 1970; what goes
    /// beyond 16 MiB of it is cut off.
    #[inline]
    pub fn packet(&mut self, interface: u32, time: Timestamp, wire_length: u32, data: &[u8]) {
        let data = &data[..data.len().min(MAX_PACKET_BYTES)];
        let captured = length(data.len());
        self.block(ENHANCED_PACKET, |bytes| {
            bytes.extend(interface.to_le_bytes());
            ticks(bytes, time);
            bytes.extend(captured.to_le_bytes());
            // What was captured was on the wire.
            bytes.extend(wire_length.max(captured).to_le_bytes());
            padded(bytes, data);
        });
    }

    /// Adds what an interface counted.
    pub fn statistics(&mut self, statistics: &InterfaceStatistics) {
        self.block(INTERFACE_STATISTICS, |bytes| {
            bytes.extend(statistics.interface.to_le_bytes());
            ticks(bytes, statistics.end);
            for (code, time) in [
                (ISB_STARTTIME, statistics.begin),
                (ISB_ENDTIME, statistics.end),
            ] {
                let mut value = Vec::with_capacity(8);
                ticks(&mut value, time);
                option(bytes, code, &value);
            }
            for (code, count) in [
                (ISB_IFRECV, statistics.received),
                (ISB_IFDROP, statistics.dropped),
                (ISB_USRDELIV, statistics.delivered),
            ] {
                if let Some(count) = count {
                    option(bytes, code, &count.to_le_bytes());
                }
            }
            end_of_options(bytes);
        });
    }

    /// A block around what `body` writes, whose length is a multiple of four.
    #[inline]
    fn block(&mut self, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
        let begin = self.bytes.len();
        self.bytes.extend(kind.to_le_bytes());
        self.bytes.extend([0; 4]);
        body(&mut self.bytes);
        let length = length(self.bytes.len() - begin + 4).to_le_bytes();
        self.bytes.extend(length);
        self.bytes[begin + 4..begin + 8].copy_from_slice(&length);
    }
}

/// A length that bounds keep far below 4 GiB: 16 MiB of a packet, or a few options.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("packets and options are bounded")
}

/// Nanoseconds since 1970, the upper half first.
fn ticks(bytes: &mut Vec<u8>, time: Timestamp) {
    let ticks = u64::try_from(time.0).unwrap_or(0);
    bytes.extend(((ticks >> 32) as u32).to_le_bytes());
    bytes.extend((ticks as u32).to_le_bytes());
}

fn text(bytes: &mut Vec<u8>, code: u16, text: Option<&str>) {
    if let Some(text) = text {
        option(bytes, code, text.as_bytes());
    }
}

/// An option; left out where its value is too long for one: half a filter would be another one.
fn option(bytes: &mut Vec<u8>, code: u16, value: &[u8]) {
    if let Ok(length) = u16::try_from(value.len()) {
        bytes.extend(code.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        padded(bytes, value);
    }
}

fn end_of_options(bytes: &mut Vec<u8>) {
    option(bytes, END_OF_OPTIONS, &[]);
}

#[inline]
fn padded(bytes: &mut Vec<u8>, value: &[u8]) {
    bytes.extend_from_slice(value);
    bytes.extend_from_slice(&[0; 3][..value.len().next_multiple_of(4) - value.len()]);
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::capture::builder::{Kept, read};

    const INTERFACE: InterfaceDescription<'_> = InterfaceDescription {
        link_type: LinkType::ETHERNET,
        snaplen: 0,
        name: None,
        filter: None,
        os: None,
    };

    /// A section with one Ethernet interface.
    fn section() -> Blocks {
        let mut blocks = Blocks::new();
        blocks.section(&Section::default());
        blocks.interface(&INTERFACE);
        blocks
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            texts in vec(proptest::option::of(".{0,20}"), 6),
            links in vec((any::<u16>(), any::<u32>()), 1..4),
            packets in vec(
                (any::<u32>(), any::<i64>(), any::<u32>(), vec(any::<u8>(), 0..70)), 0..30
            ),
            counts in vec(proptest::option::of(any::<u32>()), 3),
        ) {
            let text = |index: usize| texts[index].as_deref();
            let mut blocks = Blocks::new();
            blocks.section(&Section { hardware: text(0), os: text(1), application: text(2) });
            for (link_type, snaplen) in &links {
                blocks.interface(&InterfaceDescription {
                    link_type: LinkType(*link_type),
                    snaplen: *snaplen,
                    name: text(3),
                    filter: text(4),
                    os: text(5),
                });
            }
            let count = |index: usize| counts[index].map(u64::from);
            let mut written = Vec::new();
            for (number, (interface, time, wire, data)) in packets.iter().enumerate() {
                let interface = *interface as usize % links.len();
                blocks.packet(interface as u32, Timestamp(*time), *wire, data);
                written.push(Kept {
                    number: number as u64 + 1,
                    time: Timestamp((*time).max(0)),
                    link_type: LinkType(links[interface].0),
                    wire_length: (*wire).max(data.len() as u32),
                    data: data.clone(),
                });
            }
            for interface in 0..links.len() {
                blocks.statistics(&InterfaceStatistics {
                    interface: interface as u32,
                    begin: Timestamp(0),
                    end: Timestamp::MAX,
                    received: count(0),
                    dropped: count(1),
                    delivered: count(2),
                });
            }
            let (frames, reader) = read(blocks.as_bytes(), 64).expect("pcapng");
            prop_assert!(reader.problem().is_none(), "{:?}", reader.problem());
            prop_assert_eq!(frames, written);
            let dropped = count(1).map(|dropped| dropped * links.len() as u64);
            prop_assert_eq!(reader.drops().total(), dropped);
        }
    }

    #[test]
    fn what_is_too_long_is_cut_or_left_out() {
        let long = "x".repeat(65_536);
        let mut blocks = Blocks::new();
        blocks.section(&Section {
            application: Some(&long),
            ..Section::default()
        });
        let fits = "x".repeat(65_535);
        blocks.interface(&InterfaceDescription {
            name: Some(&fits),
            // One byte more with the one that says what it is.
            filter: Some(&fits),
            ..INTERFACE
        });
        assert!(blocks.as_bytes().len() < 66_000);
        blocks.packet(0, Timestamp(1), 0, &vec![7; MAX_RECORD_BYTES]);
        let (frames, reader) = read(blocks.as_bytes(), 64).expect("pcapng");
        assert!(reader.problem().is_none(), "{:?}", reader.problem());
        assert_eq!(frames[0].data.len(), MAX_PACKET_BYTES);
    }

    #[test]
    fn an_unknown_time_becomes_the_first() {
        let mut blocks = section();
        blocks.packet(0, Timestamp::UNKNOWN, 4, &[1, 2, 3, 4]);
        let (frames, _) = read(blocks.as_bytes(), 64).expect("pcapng");
        assert_eq!(frames[0].time, Timestamp(0));
        blocks.clear();
        assert!(blocks.is_empty());
    }
}
