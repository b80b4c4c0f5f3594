//! A part → a part file. Everything is in order, so that the same part is the same file to the byte
//! and what follows one another is alike: the log as it was captured, all else sorted.

use std::io::{self, Write};

use serde::Serialize;

use super::container::{Section, Writer};
use super::folded::Packed;
use super::head::{Dropped, PartHead, Totals};
use super::wire::Before;
use super::{entries, errors, flows, folded, fragments};
use crate::flow::{FlowFacts, FlowKey, FlowTable, FoldedFacts, SidedPosition};
use crate::observation::capture::{Placement, join, place};
use crate::observation::{Part, Window};

/// Flows sorted at a time: 50 MB of them. More come in rounds,
const SORTED: usize = 1 << 18;
/// but no more than so many, as each looks at all of them.
const MAX_ROUNDS: usize = 16;

impl Part {
    /// Writes it as a part file. `window` is the one that its packets were judged by.
    pub fn write(mut self, window: Window, out: impl Write) -> io::Result<()> {
        let (captures, placements) = join(std::mem::take(&mut self.pieces));
        self.renumber(|at| place(&placements, at));
        let mut out = Records {
            out: Writer::new(out)?,
            before: Before::default(),
        };
        let head = PartHead {
            name: String::new(),
            window,
            captures,
            totals: self.totals(),
        };
        head.write(&mut out.out)?;
        self.write_flows(&placements, &mut out)?;
        self.write_folded(&placements, &mut out)?;
        self.write_errors(&mut out)?;
        self.write_fragments(&mut out)?;
        self.write_log(&mut out)?;
        out.out.finish()
    }

    fn totals(&self) -> Totals {
        let link = self.link.iter();
        let undecoded = self.undecoded.iter();
        Totals {
            total: self.total,
            icmp_errors: self.icmp_errors,
            snaplen_cut: self.snaplen_cut,
            folded_at: self.flows.folded_at().map(|bound| bound as u64),
            link: link.map(|(protocol, tally)| (*protocol, *tally)).collect(),
            undecoded: undecoded.map(|(reason, count)| (*reason, *count)).collect(),
            dropped: Dropped {
                fragments: self.fragments.dropped,
                errors: self.errors.dropped(),
                errors_outside: self.errors_outside.dropped(),
                log: self.log.dropped,
                log_of_flow: self.log.dropped_of_flow,
            },
        }
    }

    fn write_flows(
        &self,
        placements: &[Placement],
        out: &mut Records<impl Write>,
    ) -> io::Result<()> {
        let (folded, _) = self.flows.folded_counts();
        let rounds = rounds(self.flows.len() - folded as usize);
        let mut some = Vec::new();
        for round in 0..rounds {
            for number in 0..FlowTable::PARTITIONS {
                // As a whole: one by one, each flow would be copied several times on its way.
                let all = self.flows.facts_of(number);
                all.filter(|(key, _)| is_of(key, round, rounds))
                    .for_each(|flow| some.push(flow));
            }
            some.sort_unstable_by_key(|(key, _)| *key);
            for (key, facts) in some.drain(..) {
                let facts = placed(facts, placements);
                out.put(Section::Flows, |before| flows::write(before, key, &facts))?;
            }
        }
        Ok(())
    }

    fn write_folded(
        &self,
        placements: &[Placement],
        out: &mut Records<impl Write>,
    ) -> io::Result<()> {
        let rounds = rounds(self.flows.folded().count());
        let mut some = Vec::new();
        for round in 0..rounds {
            let all = self.flows.folded();
            some.extend(all.filter(|it| is_of(&folded::key(it).0, round, rounds)));
            some.sort_unstable_by_key(folded::order);
            for it in some.drain(..) {
                let packed = Packed::new(it.folding);
                let it = FoldedFacts {
                    facts: placed(it.facts, placements),
                    ..it
                };
                out.put(Section::Folded, |before| {
                    folded::write(before, &it, &packed)
                })?;
            }
        }
        Ok(())
    }

    fn write_errors(&self, out: &mut Records<impl Write>) -> io::Result<()> {
        for (section, quoted) in [
            (Section::Errors, &self.errors),
            (Section::ErrorsOutside, &self.errors_outside),
        ] {
            let mut all: Vec<_> = quoted.seen().collect();
            all.sort_unstable_by_key(|(of, _)| *of);
            for (of, seen) in &all {
                out.put(section, |before| errors::write(before, *of, seen))?;
            }
        }
        Ok(())
    }

    fn write_fragments(&mut self, out: &mut Records<impl Write>) -> io::Result<()> {
        self.fragments.firsts.sort_unstable();
        for first in &self.fragments.firsts {
            out.put(Section::FirstFragments, |before| {
                fragments::write_first(before, first)
            })?;
        }
        self.fragments.later.sort_unstable();
        for later in &self.fragments.later {
            out.put(Section::LaterFragments, |before| {
                fragments::write_later(before, later)
            })?;
        }
        Ok(())
    }

    fn write_log(&mut self, out: &mut Records<impl Write>) -> io::Result<()> {
        self.log.join_runs();
        for entry in self.log.entries() {
            out.put(Section::Log, |before| entries::write(before, entry))?;
        }
        Ok(())
    }
}

/// Records that lean on those before them.
struct Records<W> {
    out: Writer<W>,
    before: Before,
}

impl<W: Write> Records<W> {
    fn put<T: Serialize>(
        &mut self,
        section: Section,
        record: impl FnOnce(&mut Before) -> T,
    ) -> io::Result<()> {
        if self.out.begins_block(section)? {
            self.before = Before::default();
        }
        self.out.record(&record(&mut self.before))
    }
}

/// What was seen of a flow, its frames numbered in whole captures.
fn placed<'a>(facts: FlowFacts<'a>, placements: &[Placement]) -> FlowFacts<'a> {
    let placed = |packet: SidedPosition| SidedPosition {
        at: place(placements, packet.at),
        ..packet
    };
    FlowFacts {
        first: placed(facts.first),
        opened: facts.opened.map(placed),
        ..facts
    }
}

fn rounds(count: usize) -> usize {
    count.div_ceil(SORTED).min(MAX_ROUNDS)
}

/// Whether a flow's turn is in this round. The hash is a fixed one, so that files are the same
/// from run to run; an unlucky choice of keys costs memory, no more than the table takes itself.
fn is_of(key: &FlowKey, round: usize, rounds: usize) -> bool {
    use std::hash::BuildHasher;
    let hash = foldhash::fast::FixedState::with_seed(0).hash_one(key);
    rounds == 1 || hash % rounds as u64 == round as u64
}
