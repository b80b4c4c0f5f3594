//! Who reads what: the captures laid end to end are one line, cut where the share of each thread
//! ends. Whole captures are taken as they come.

use std::cmp::Reverse;
use std::sync::Arc;

use super::Options;
use super::chain::Chain;
use crate::capture::{Cuts, Reader, Source, Sources};

/// How files are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cutting {
    /// No piece is smaller, in bytes. Below some megabytes a thread takes longer to begin, and its
    /// flows to merge, than the piece takes to read.
    pub smallest_piece: u64,
    /// Bytes that are looked at to guess a cut.
    pub look_bytes: usize,
}

impl Default for Cutting {
    fn default() -> Self {
        Self {
            smallest_piece: 4 << 20,
            look_bytes: Cuts::LOOK_BYTES,
        }
    }
}

/// What is to be read.
pub(super) struct Plan<'a> {
    /// In the order of the sources.
    pub(super) captures: Vec<Capture<'a>>,
    /// What takes longest comes first.
    pub(super) tasks: Vec<Task>,
}

/// A source, cut into pieces.
pub(super) struct Capture<'a> {
    pub(super) source: &'a Source,
    pub(super) cuts: Option<Arc<Cuts>>,
    pub(super) chain: Chain,
}

/// A piece to read.
pub(super) struct Task {
    /// Index of the capture.
    pub(super) capture: usize,
    /// Index of the piece in the capture.
    pub(super) piece: usize,
    /// Stands at the beginning of the piece; `None` for the first one, where the source is still
    /// to be opened.
    pub(super) reader: Option<Reader>,
    /// How much there is to read, as far as that is known.
    bytes: Option<u64>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(sources: &'a Sources, options: &Options) -> Self {
        let wanted = wanted_cuts(&sources.list, options);
        let mut plan = Self {
            captures: Vec::with_capacity(sources.list.len()),
            tasks: Vec::new(),
        };
        for (source, wanted) in sources.list.iter().zip(wanted) {
            plan.add(source, &wanted, options.cutting.look_bytes);
        }
        // What has no size may take longest of all.
        plan.tasks
            .sort_by_key(|task| Reverse(task.bytes.unwrap_or(u64::MAX)));
        plan
    }

    fn add(&mut self, source: &'a Source, wanted: &[u64], look_bytes: usize) {
        let cut = if wanted.is_empty() {
            None
        } else {
            source.cut(wanted, look_bytes)
        };
        let (cuts, readers) = match cut {
            Some((cuts, readers)) => (Some(cuts), readers),
            None => (None, Vec::new()),
        };
        let offsets = cuts.as_ref().map_or(&[][..], |cuts| cuts.offsets());
        let mut begins = vec![0];
        begins.extend_from_slice(offsets);
        let readers = std::iter::once(None).chain(readers.into_iter().map(Some));
        for (piece, reader) in readers.enumerate() {
            let end = begins.get(piece + 1).copied().or(source.size);
            self.tasks.push(Task {
                capture: self.captures.len(),
                piece,
                reader,
                bytes: end.map(|end| end.saturating_sub(begins[piece])),
            });
        }
        self.captures.push(Capture {
            source,
            cuts,
            chain: Chain::new(begins.len()),
        });
    }
}

/// Where each source should be cut.
fn wanted_cuts(sources: &[Source], options: &Options) -> Vec<Vec<u64>> {
    let sizes: Vec<u64> = sources
        .iter()
        .map(|source| source.size.unwrap_or(0))
        .collect();
    shares(
        &sizes,
        options.threads.get(),
        options.cutting.smallest_piece,
    )
}

/// Where files of these sizes are cut, if all of them together are to be shared by `threads`.
fn shares(sizes: &[u64], threads: usize, smallest: u64) -> Vec<Vec<u64>> {
    let total: u128 = sizes.iter().map(|size| u128::from(*size)).sum();
    let mut ends = (1..threads as u128).map(|share| total * share / threads as u128);
    let mut end = ends.next();
    let mut begin = 0;
    let mut wanted = Vec::with_capacity(sizes.len());
    for &size in sizes {
        let mut cuts: Vec<u64> = Vec::new();
        while let Some(at) = end.filter(|at| at - begin < u128::from(size)) {
            // Lies inside the file.
            let at = (at - begin) as u64;
            let before = cuts.last().copied().unwrap_or(0);
            if at - before >= smallest && size - at >= smallest {
                cuts.push(at);
            }
            end = ends.next();
        }
        begin += u128::from(size);
        wanted.push(cuts);
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thread_has_its_share() {
        let none = Vec::new;
        assert_eq!(shares(&[100], 4, 1), [vec![25, 50, 75]]);
        assert_eq!(shares(&[100], 1, 1), [none()]);
        assert_eq!(shares(&[10, 10, 10], 2, 1), [none(), vec![5], none()]);
        assert_eq!(shares(&[10, 10], 2, 1), [none(), none()]);
        let empty_ones = shares(&[0, 90, 0, 10], 3, 1);
        assert_eq!(empty_ones, [none(), vec![33, 66], none(), none()]);
        assert!(shares(&[], 3, 1).is_empty());
    }

    #[test]
    fn no_piece_is_too_small() {
        assert_eq!(shares(&[100], 50, 30), [vec![30, 60]]);
        assert_eq!(shares(&[59], 2, 30), [vec![0_u64; 0]]);
        let huge = shares(&[u64::MAX, u64::MAX], 4, 30);
        assert_eq!(huge, [vec![u64::MAX / 2], vec![u64::MAX / 2]]);
    }
}
