//! Records as the frames that the crate reads, and back.

use std::fs::File;

use portolan::capture::{Frame, LinkType, Reader};
use portolan::net::Timestamp;
use portolan::observation::{Part, Piece, Window};

use super::build::Record;

/// Frames that a reader hands over at once.
const BATCH: usize = 64;

/// The record as a frame with this number.
pub fn frame(number: usize, record: &Record) -> Frame<'_> {
    Frame {
        number: number as u64,
        time: Timestamp(record.time_ns),
        link_type: LinkType(record.link_type),
        wire_length: record.wire_length,
        data: &record.bytes,
    }
}

/// The records of a capture file.
pub fn read(reader: &mut Reader<File>) -> Vec<Record> {
    let mut records = Vec::new();
    reader.read(|frame| {
        records.push(Record {
            time_ns: frame.time.0,
            link_type: frame.link_type.0,
            wire_length: frame.wire_length,
            bytes: frame.data.to_vec(),
        });
    });
    records
}

/// What is seen in the records from `from` up to `to` of a capture of this name. A piece numbers
/// its frames from 1, as a reader of it does.
pub fn bounded_part(
    name: &str,
    records: &[Record],
    from: usize,
    to: usize,
    max_flows: usize,
) -> Part {
    let piece = Piece {
        source: name.to_owned(),
        format: Some("pcap"),
        compression: None,
        first: Timestamp(records.first().map_or(i64::MAX, |record| record.time_ns)),
        offset: from as u64,
    };
    let mut part = Part::new(piece, Window::default(), max_flows);
    let frames: Vec<Frame<'_>> = records[from..to]
        .iter()
        .enumerate()
        .map(|(index, record)| frame(index + 1, record))
        .collect();
    for batch in frames.chunks(BATCH) {
        part.add(batch);
    }
    part.close((to - from) as u64, None, None);
    part
}

/// The same in a table of any size.
pub fn part(name: &str, records: &[Record], from: usize, to: usize) -> Part {
    bounded_part(name, records, from, to, usize::MAX)
}
