//! Answers of the endpoint mapper over UDP, put together from their datagrams (C706 section 12.5).

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;

use super::association::towers;
use crate::net::FiveTuple;
use crate::payload::Uuid;
use crate::payload::dce_rpc::Connectionless;
use crate::payload::endpoint_mapper::{Answer, Extent, INTERFACE, LOOKUP, MAP};
use crate::payload::ndr::Width;

/// Answers in several datagrams.
const MAX_ANSWERS: usize = 1 << 16;
/// Datagrams of one answer: a full `ept_lookup` answer takes 70.
const MAX_FRAGMENTS: usize = 256;

/// Answers in several datagrams, until they are complete.
#[derive(Default)]
pub(super) struct Datagrams<'a> {
    /// By direction, activity and number of the call.
    answers: HashMap<(FiveTuple, Uuid, u32), Fragments<'a>, RandomState>,
    kept_out: u64,
}

#[derive(Default)]
struct Fragments<'a> {
    stubs: BTreeMap<u16, &'a [u8]>,
    /// Number of the last one.
    last: Option<u16>,
    /// Whether it was read; what comes now came before.
    is_read: bool,
}

impl<'a> Datagrams<'a> {
    /// A datagram from port 135: an answer, where it completes one.
    pub(super) fn read(&mut self, tuple: FiveTuple, payload: &'a [u8]) -> Option<Answer> {
        let unit = Connectionless::parse(payload).ok()?;
        // What is authenticated may be sealed; nobody asks the endpoint mapper in secret.
        if unit.kind != Connectionless::RESPONSE
            || unit.interface != INTERFACE
            || unit.is_authenticated
        {
            return None;
        }
        let Some(fragment) = unit.fragment else {
            let extent = match unit.is_whole() {
                true => Extent::Whole,
                false => Extent::Cut,
            };
            return answer(&unit, unit.stub, extent);
        };
        if !unit.is_whole() {
            return None;
        }
        let key = (tuple, unit.activity, unit.sequence);
        if self.answers.len() == MAX_ANSWERS && !self.answers.contains_key(&key) {
            self.kept_out += 1;
            return None;
        }
        let fragments = self.answers.entry(key).or_default();
        if fragments.is_read {
            return None;
        }
        if fragments.stubs.len() < MAX_FRAGMENTS {
            fragments.stubs.entry(fragment.number).or_insert(unit.stub);
        }
        if fragment.is_last {
            fragments.last = fragments.last.or(Some(fragment.number));
        }
        let last = fragments.last?;
        if fragments.stubs.range(..=last).count() <= usize::from(last) {
            return None;
        }
        fragments.is_read = true;
        let whole = std::mem::take(&mut fragments.stubs);
        let stubs: Vec<&[u8]> = whole.range(..=last).map(|(_, stub)| *stub).collect();
        answer(&unit, &stubs.concat(), Extent::Whole)
    }

    /// Answers that there was no room for.
    pub(super) fn kept_out(&self) -> u64 {
        self.kept_out
    }
}

/// Not every server repeats the operation; then it is told by what fits.
fn answer(unit: &Connectionless<'_>, stub: &[u8], extent: Extent) -> Option<Answer> {
    let operation = Some(unit.operation).filter(|&operation| [MAP, LOOKUP].contains(&operation));
    towers(operation, stub, unit.order, Some(Width::Ndr), extent)
}
