//! Packets for the tests of the scribe, and what is in the files that it wrote.

use std::fs::File;
use std::ops::Range;
use std::path::Path;

use crate::capture::{Blocks, InterfaceDescription, LinkType, Reader, Section};
use crate::net::Timestamp;

/// A section with so many interfaces.
pub(super) fn header(interfaces: usize) -> Vec<u8> {
    let mut blocks = Blocks::new();
    blocks.section(&Section::default());
    for _ in 0..interfaces {
        blocks.interface(&InterfaceDescription {
            link_type: LinkType::ETHERNET,
            snaplen: 0,
            name: None,
            filter: None,
            os: None,
        });
    }
    blocks.into_bytes()
}

/// Bytes of a packet.
pub(super) const PACKET_BYTES: usize = 60;

/// Packets of an interface, numbered by their time.
pub(super) fn packets(interface: u32, numbers: Range<i64>) -> Vec<u8> {
    let mut blocks = Blocks::new();
    for number in numbers {
        blocks.packet(
            interface,
            Timestamp(number),
            60,
            &[number as u8; PACKET_BYTES],
        );
    }
    blocks.into_bytes()
}

/// What a file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    /// Numbers of its packets.
    pub(super) numbers: Vec<i64>,
    /// Drops that it says.
    pub(super) drops: Option<u64>,
}

/// Reads a file, which must be whole.
pub(super) fn read(path: &Path) -> Content {
    let file = File::open(path).expect("is there");
    let mut reader = Reader::new(file, "test").expect("pcapng");
    let mut numbers = Vec::new();
    reader.read(|frame| {
        numbers.push(frame.time.0);
    });
    assert_eq!(reader.problem(), None, "{}", path.display());
    Content {
        numbers,
        drops: reader.drops().total(),
    }
}
