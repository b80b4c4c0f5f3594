//! What can be said only of the whole log: runs that go on across the pieces of a capture, and
//! what of a flow lies within its bound.

use std::collections::HashMap;

use super::entry::LogKind;
use super::flows::{Flows, most_of_flow, size};
use super::{Log, translate};

/// What is known of a flow while its entries pass by in the order of capture and frame.
#[derive(Default)]
struct Passed {
    bytes: u32,
    is_reached: bool,
    /// The last run of each side and kind.
    open: [[Option<LastRun>; 2]; 2],
}

#[derive(Clone, Copy)]
struct LastRun {
    capture: usize,
    chunk: usize,
    offset: usize,
    is_kept: bool,
}

impl Log {
    /// Joins the runs of consecutive pieces, and drops what lies beyond the bound of its flow.
    /// Every part is merged, and the captures stand in their order.
    pub(in crate::observation) fn settle(&mut self) {
        self.settle_those(|flows, flow| flows.joins(flow) || flows.is_beyond(flow));
    }

    /// Joins the runs of consecutive pieces, where their captures are whole and stand in their
    /// order. Other parts may follow: a flow beyond its bound stays as it is, as what is dropped of
    /// it depends on them.
    pub(in crate::observation) fn join_runs(&mut self) {
        self.settle_those(|flows, flow| flows.joins(flow) && !flows.is_beyond(flow));
    }

    fn settle_those(&mut self, is_open: impl Fn(&Flows, u32) -> bool) {
        let flows = 0..self.flows.len() as u32;
        let open = flows.filter(|flow| is_open(&self.flows, *flow));
        let mut open: HashMap<u32, Passed, foldhash::fast::RandomState> =
            open.map(|flow| (flow, Passed::default())).collect();
        if open.is_empty() {
            return;
        }
        for chunk in self.chunks_in_order() {
            let mut offset = 0;
            while let Some(next) = self.settle_entry(chunk, offset, &mut open) {
                offset = next;
            }
        }
    }

    /// Returns where the next entry of the chunk begins.
    fn settle_entry(
        &mut self,
        chunk: usize,
        offset: usize,
        open: &mut HashMap<u32, Passed, foldhash::fast::RandomState>,
    ) -> Option<usize> {
        let (bytes, table) = &self.chunks[chunk];
        let entry = bytes.read(offset)?;
        let end = Some(entry.end);
        let Some(flow) = translate(&self.tables, *table, entry.flow) else {
            return end;
        };
        let Some(passed) = open.get_mut(&flow) else {
            return end;
        };
        let (size, packets, capture) =
            (size(&entry.kind), entry.kind.packets(), entry.at.capture());
        let sum = passed.bytes.saturating_add(size);
        let from = entry.at.time;
        let is_kept = !passed.is_reached && sum <= most_of_flow(self.flows.key(flow));
        if let LogKind::TftpRun(run) = entry.kind {
            let open = &mut passed.open[entry.side.index()][run.kind as usize];
            if let Some(last) = open
                && last.capture == capture
                && self.chunks[last.chunk].0.join(last.offset, &run, from)
            {
                self.dropped_of_flow += if last.is_kept { 0 } else { packets };
                self.chunks[chunk].0.bury(offset);
                return end;
            }
            *open = Some(LastRun {
                capture,
                chunk,
                offset,
                is_kept,
            });
        }
        if is_kept {
            passed.bytes = sum;
        } else {
            passed.is_reached = true;
            self.dropped_of_flow += packets;
            self.chunks[chunk].0.bury(offset);
        }
        end
    }
}
