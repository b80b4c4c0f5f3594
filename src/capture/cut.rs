//! Cuts of a file, so that several threads can read it at once. Captures have no index: a cut is
//! guessed where a chain of plausible records begins. A reader that comes from before it proves
//! it right by landing on it exactly, or reads on over it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use super::pcap::{self, FILE_HEADER, is_pcap};
use super::pcapng::{Pcapng, is_pcapng};
use super::reader::Container;
use super::{ReadError, Reader, Source};
use crate::net::Timestamp;

/// Bytes at the beginning of a pcapng file in which the first packet must stand. Interfaces take
/// a few hundred, TLS secrets some thousands.
const MAX_LEAD: usize = 1 << 20;

/// Records that a chain must have, however long they are.
const MIN_CHAIN: usize = 3;

/// Two records in a row are hardly further apart in time, nor is the second one earlier by more.
const MAX_APART_NS: u64 = 24 * 3600 * 1_000_000_000;

/// Where a file is cut, as far as that can be guessed, and what a reader has to know that begins
/// there.
pub struct Cuts {
    container: Container,
    offsets: Vec<u64>,
}

/// What bytes look like, taken for the beginning of a record.
pub(super) enum Look {
    /// A record of so many bytes, its header included.
    Record {
        length: usize,
        time: Option<Timestamp>,
    },
    /// Hardly a record.
    Unlikely,
    /// Too few bytes to say.
    Beyond,
}

impl Cuts {
    /// Bytes to look at for a cut. A chain of records must go on through half of them: more than
    /// the longest record that is usual (256 KiB), so that a capture inside a packet is not taken
    /// for the one around it.
    pub const LOOK_BYTES: usize = 1 << 20;

    /// Offsets in the file, ascending.
    pub fn offsets(&self) -> &[u64] {
        &self.offsets
    }

    pub(super) fn container(&self) -> &Container {
        &self.container
    }

    /// Guesses the first cut at or after each of `wanted`, which ascend, looking at `look_bytes`
    /// there. `None` where `input` is no capture that can be cut.
    pub(super) fn guess(
        input: &mut (impl Read + Seek),
        wanted: &[u64],
        look_bytes: usize,
    ) -> io::Result<Option<Self>> {
        let Some(container) = before_packets(input)? else {
            return Ok(None);
        };
        let mut cuts = Self {
            container,
            offsets: Vec::with_capacity(wanted.len()),
        };
        for &wanted in wanted {
            // No record begins before that.
            let wanted = wanted.max(FILE_HEADER as u64);
            let (from, step) = match &cuts.container {
                Container::Pcap(_) => (wanted, 1),
                Container::Pcapng(_) => {
                    let step = Pcapng::ALIGNMENT;
                    (wanted.next_multiple_of(step as u64), step)
                }
            };
            let window = read_at(input, from, look_bytes)?;
            let found = first_chain(&window, step, |bytes| match &cuts.container {
                Container::Pcap(Some(header)) => header.look(bytes),
                Container::Pcap(None) => Look::Unlikely,
                Container::Pcapng(pcapng) => pcapng.look(bytes),
            });
            let found = found.map(|at| from + at as u64);
            // Two may lead to the same place.
            cuts.offsets
                .extend(found.filter(|at| cuts.offsets.last().is_none_or(|last| last < at)));
        }
        Ok(Some(cuts))
    }
}

impl Source {
    /// Guesses where the source can be cut, at or soon after each of `wanted`, which ascend, from
    /// `look_bytes` there. A file of its own is opened for every piece but the first. `None` where
    /// it can't be cut: a stream, a compressed file, nothing that looks like records.
    pub fn cut(&self, wanted: &[u64], look_bytes: usize) -> Option<(Arc<Cuts>, Vec<Reader>)> {
        let open = || File::open(self.path()?).ok();
        // What can't be read is said by who reads it from its beginning.
        let mut cuts = Cuts::guess(&mut open()?, wanted, look_bytes).ok()??;
        let mut files = Vec::with_capacity(cuts.offsets.len());
        cuts.offsets.retain(|&offset| {
            let file = open().and_then(|mut file| {
                file.seek(SeekFrom::Start(offset)).ok()?;
                Some(file)
            });
            let opened = file.is_some();
            files.extend(file);
            opened
        });
        if files.is_empty() {
            return None;
        }
        let cuts = Arc::new(cuts);
        let readers = files
            .into_iter()
            .enumerate()
            .map(|(index, file)| Reader::begin_at(Box::new(file) as Box<_>, &cuts, index))
            .collect();
        Some((cuts, readers))
    }

    /// Begins to read it, up to the first of `cuts` that proves right.
    pub fn open_up_to(&self, cuts: &Arc<Cuts>) -> Result<Reader, ReadError> {
        let mut reader = self.open()?;
        reader.stop_at(cuts, 0);
        Ok(reader)
    }
}

/// What a reader knows before the first packet.
fn before_packets(input: &mut (impl Read + Seek)) -> io::Result<Option<Container>> {
    let head = read_at(input, 0, FILE_HEADER)?;
    if is_pcap(&head) {
        let header = head.first_chunk().map(pcap::Header::parse);
        let header = header.and_then(Result::ok);
        return Ok(header.map(|header| Container::Pcap(Some(header))));
    }
    if !is_pcapng(&head) {
        return Ok(None);
    }
    let state = Pcapng::before_packets(&read_at(input, 0, MAX_LEAD)?);
    Ok(state.map(|state| Container::Pcapng(Box::new(state))))
}

/// So many bytes from `offset` on, fewer where the input ends.
fn read_at(input: &mut (impl Read + Seek), offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.seek(SeekFrom::Start(offset))?;
    input.take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Where in the first half of `window` a chain of records begins that goes on to its end. Records
/// begin at multiples of `step`.
fn first_chain(window: &[u8], step: usize, look: impl Fn(&[u8]) -> Look) -> Option<usize> {
    // Chains meet: one that comes to a place where another went wrong goes wrong too. So every
    // place is looked at once at most from there, whatever an attacker wrote.
    let mut seen = vec![false; window.len()];
    (0..window.len() / 2)
        .step_by(step)
        .find(|&start| is_chain(window, start, &mut seen, &look))
}

fn is_chain(window: &[u8], start: usize, seen: &mut [bool], look: impl Fn(&[u8]) -> Look) -> bool {
    let (mut at, mut records, mut before) = (start, 0, None);
    while at < window.len() {
        if seen[at] {
            return false;
        }
        match look(&window[at..]) {
            Look::Unlikely => return false,
            Look::Beyond => break,
            Look::Record { length, time } => {
                if let (Some(before), Some(time)) = (before, time)
                    && !are_close(before, time)
                {
                    return false;
                }
                seen[at] = true;
                at += length;
                records += 1;
                before = time.or(before);
            }
        }
    }
    records >= MIN_CHAIN
}

fn are_close(one: Timestamp, other: Timestamp) -> bool {
    one.0.abs_diff(other.0) <= MAX_APART_NS
}
