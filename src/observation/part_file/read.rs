//! Part files → one part. The beginnings of all files are read first, so that captures have their
//! place among all; then flow after flow goes straight into the one table.

use std::io::Read;

use super::budget::Budget;
use super::container::{Reader, Section};
use super::error::{PartFileError, Trouble};
use super::head::{PartHead, sum};
use super::wire::{Before, Places};
use super::{entries, errors, flows, folded, fragments};
use crate::flow::FlowTable;
use crate::net::Position;
use crate::observation::capture::CapturePiece;
use crate::observation::{Part, Tally};

/// A part file whose beginning was read.
pub struct PartFile<R> {
    head: PartHead,
    input: Reader<R>,
}

impl<R: Read> PartFile<R> {
    /// Reads the beginning. `name` is for errors.
    ///
    /// # Errors
    /// Where it is no part file, one of another version, cut or damaged.
    pub fn open(input: R, name: &str) -> Result<Self, PartFileError> {
        let mut input = Reader::new(input, name)?;
        let head = PartHead::read(&mut input)?;
        Ok(Self { head, input })
    }

    /// Its beginning.
    pub fn head(&self) -> &PartHead {
        &self.head
    }
}

/// Part files on their way into one part.
pub struct Merging {
    heads: Vec<PartHead>,
    /// New index of every capture, by part.
    index: Vec<Vec<usize>>,
    part: Part,
}

impl Merging {
    /// Finds the place of every capture among those of all parts. At most `max_flows` flows of
    /// all of them stand one by one.
    ///
    /// # Errors
    /// Where parts judge different packets, or hold the same capture.
    pub fn new(heads: Vec<PartHead>, max_flows: usize) -> Result<Self, PartFileError> {
        check_windows(&heads)?;
        check_sums(&heads)?;
        let (pieces, index) = interleave(&heads)?;
        let mut part = Part {
            flows: FlowTable::bounded(max_flows),
            ..Part::default()
        };
        for head in &heads {
            add_totals(&mut part, head);
        }
        part.pieces = pieces;
        Ok(Self { heads, index, part })
    }

    /// Captures of different parts and names that look the same all the same: as many packets and
    /// bytes from the same first to the same last nanosecond. Each with the part that holds it.
    pub fn look_alikes(&self) -> Vec<[(&str, &str); 2]> {
        let mut all: Vec<_> = self
            .heads
            .iter()
            .flat_map(|head| head.captures.iter().map(move |capture| (capture, head)))
            .filter(|(capture, _)| capture.record.packets > 0)
            .map(|(CapturePiece { record, .. }, head)| {
                let looks = (record.first, record.last, record.packets, record.bytes);
                (looks, record.source.as_str(), head.name.as_str())
            })
            .collect();
        all.sort_unstable();
        all.windows(2)
            .filter(|pair| pair[0].0 == pair[1].0 && pair[0].2 != pair[1].2)
            .map(|pair| [(pair[0].1, pair[0].2), (pair[1].1, pair[1].2)])
            .collect()
    }

    /// Adds what the part of number `index` saw; says in between how many bytes more were read.
    ///
    /// # Errors
    /// Where the file is cut or damaged, or not the one whose beginning was given. Nothing of
    /// the merge is of use then.
    pub fn add<R: Read>(
        &mut self,
        index: usize,
        file: PartFile<R>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), PartFileError> {
        let PartFile { head, mut input } = file;
        let known = &self.heads[index];
        if head != *known {
            return Err(PartFileError::new(input.name(), Trouble::Changed));
        }
        let places = Places {
            captures: &known.captures,
            index: &self.index[index],
        };
        let part = &mut self.part;
        let mut judged = Budget::new(head.totals.total);
        let captured = head.captured().unwrap_or_default();
        let mut quoting = Budget::new(captured);
        let mut logged = Budget::new(captured);
        let mut logged_to = (0, 0);
        let folded_at = head.totals.folded_at;
        let bound = folded_at.and_then(|bound| usize::try_from(bound).ok());
        // As it was in the part, before it meets what other parts folded.
        let mut of_part = FlowTable::bounded(bound.unwrap_or(usize::MAX));
        let mut openings = Vec::new();
        let mut read = 0;
        loop {
            let section = input.next()?;
            progress(input.offset() - read);
            read = input.offset();
            let mut records = input.records();
            let before = &mut Before::default();
            match section {
                Section::Flows => {
                    while let Some(wire) = records.next()? {
                        let (key, facts) = flows::read(
                            before,
                            &wire,
                            &places,
                            &mut judged,
                            &records,
                            &mut openings,
                        )?;
                        part.flows.insert(&key, &facts);
                    }
                }
                Section::Folded => {
                    if folded_at.is_none() {
                        return Err(records.invalid("no bound folds them"));
                    }
                    while let Some(wire) = records.next()? {
                        let table = &mut of_part;
                        folded::read(before, &wire, &places, &mut judged, &records, table)?;
                    }
                }
                Section::Errors | Section::ErrorsOutside => {
                    let errors = match section {
                        Section::Errors => &mut part.errors,
                        _ => &mut part.errors_outside,
                    };
                    while let Some(wire) = records.next()? {
                        let (of, seen) =
                            errors::read(before, wire, &places, &mut quoting, &records)?;
                        errors.insert(of, seen);
                    }
                }
                Section::FirstFragments => {
                    while let Some(wire) = records.next()? {
                        let first = fragments::read_first(before, wire, &places, &records)?;
                        part.fragments.push_first(first);
                    }
                }
                Section::LaterFragments => {
                    while let Some(wire) = records.next()? {
                        let later =
                            fragments::read_later(before, wire, &places, &mut judged, &records)?;
                        part.fragments.push_later(later);
                    }
                }
                Section::Log => {
                    while let Some(wire) = records.next()? {
                        let (at, key, side, kind) =
                            entries::read(before, wire, &places, &mut logged, &records)?;
                        let place = (at.capture(), at.frame());
                        if place < logged_to {
                            return Err(records.invalid("its entries are not in order"));
                        }
                        logged_to = place;
                        part.log.restore(at, &key, side, kind);
                    }
                }
                Section::End => {
                    part.flows.merge_folded(of_part);
                    return Ok(());
                }
                Section::Window | Section::Captures | Section::Totals => {
                    return Err(records.invalid("it stands where another belongs"));
                }
            }
        }
    }

    /// What all parts saw.
    pub fn finish(mut self) -> Part {
        self.part.flows.settle_folded();
        self.part
    }
}

fn check_windows(heads: &[PartHead]) -> Result<(), PartFileError> {
    let Some(first) = heads.first() else {
        return Ok(());
    };
    match heads.iter().find(|head| head.window != first.window) {
        None => Ok(()),
        Some(other) => Err(PartFileError::new(
            &other.name,
            Trouble::Window {
                window: other.window,
                other: first.name.clone(),
                other_window: first.window,
            },
        )),
    }
}

/// Each part adds up by itself; all together must too.
fn check_sums(heads: &[PartHead]) -> Result<(), PartFileError> {
    let mut all = Tally::default();
    let mut captures = 0_usize;
    for head in heads {
        captures = captures.saturating_add(head.captures.len());
        let both = [Some(all), head.captured()].into_iter().flatten();
        match sum(both) {
            Some(more) if captures <= Position::MAX_CAPTURES => all = more,
            _ => return Err(PartFileError::new(&head.name, Trouble::TooMuch)),
        }
    }
    Ok(())
}

/// The captures of all parts in their order, and the new index of each by part.
fn interleave(heads: &[PartHead]) -> Result<(Vec<CapturePiece>, Vec<Vec<usize>>), PartFileError> {
    let mut all: Vec<(&CapturePiece, usize, usize)> = Vec::new();
    for (part, head) in heads.iter().enumerate() {
        let captures = head.captures.iter().enumerate();
        all.extend(captures.map(|(number, capture)| (capture, part, number)));
    }
    all.sort_by(|a, b| a.0.order.cmp(&b.0.order));
    for pair in all.windows(2) {
        let [(one, part, _), (other, other_part, _)] = *pair else {
            continue;
        };
        // Without packets nothing counts twice: two sources that failed may well have one name.
        if one.is_of(other) && one.frames > 0 && other.frames > 0 {
            let trouble = Trouble::Twice {
                capture: one.record.source.clone(),
                other: heads[part].name.clone(),
            };
            return Err(PartFileError::new(&heads[other_part].name, trouble));
        }
    }
    let mut index: Vec<_> = heads
        .iter()
        .map(|head| vec![0; head.captures.len()])
        .collect();
    for (new, (_, part, number)) in all.iter().enumerate() {
        index[*part][*number] = new;
    }
    let pieces = all.into_iter().map(|(capture, ..)| capture.clone());
    Ok((pieces.collect(), index))
}

fn add_totals(part: &mut Part, head: &PartHead) {
    let totals = &head.totals;
    part.window = head.window;
    part.total.merge(totals.total);
    part.icmp_errors.merge(totals.icmp_errors);
    part.snaplen_cut += totals.snaplen_cut;
    for (protocol, tally) in &totals.link {
        part.link.entry(*protocol).or_default().merge(*tally);
    }
    for (reason, count) in &totals.undecoded {
        *part.undecoded.entry(*reason).or_default() += count;
    }
    part.fragments.dropped += totals.dropped.fragments;
    part.errors.add_dropped(totals.dropped.errors);
    part.errors_outside
        .add_dropped(totals.dropped.errors_outside);
    part.log.dropped += totals.dropped.log;
    part.log.dropped_of_flow += totals.dropped.log_of_flow;
}
