//! The captures of an observation: what each held, and in which order they stand.

use std::collections::BTreeSet;

use super::continuity::{Continuity, Directions};
use crate::capture::LinkType;
use crate::net::{Position, Timestamp};

/// A capture is taken to go on for so long after its last packet at most, whatever it says: far
/// more than anything under way is waited for. A wrong clock or a made-up time can't reach into
/// captures that were taken on other days then, while those that were silent for longer are still
/// known to have been silent.
const MAX_SILENCE_NS: i64 = 24 * 3600 * 1_000_000_000;

/// One capture file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureRecord {
    /// Path as the user named it, or `-`.
    pub source: String,
    /// `pcap`, `pcapng`, or `None` where it was not recognised.
    pub format: Option<&'static str>,
    /// `gzip`, `zstd`, `lz4`, or `None`.
    pub compression: Option<&'static str>,
    /// Link types of its frames.
    pub link_types: BTreeSet<LinkType>,
    /// Frames read.
    pub packets: u64,
    /// Frame bytes on the wire.
    pub bytes: u64,
    /// Smallest packet time.
    pub first: Option<Timestamp>,
    /// Largest packet time.
    pub last: Option<Timestamp>,
    /// Until when it went on, where the file says so: not checked.
    pub watched_until: Option<Timestamp>,
    /// Packets that the capturing kernel or interface dropped, where the file says so.
    pub kernel_drops: Option<u64>,
    /// What its packets say of its loss.
    pub continuity: Continuity,
    /// Why it was not read to its end, where, and what to do.
    pub problem: Option<String>,
}

impl CaptureRecord {
    /// Names of its link types, each once: raw IP has several numbers.
    pub fn link_type_names(&self) -> Vec<String> {
        let mut names: Vec<_> = self
            .link_types
            .iter()
            .map(|kind| kind.name().into_owned())
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// Until when it went on: by its last packet, or after that and by a day at most as the file
    /// says. `None` where no packet has a time.
    pub fn end(&self) -> Option<Timestamp> {
        let last = self.last?;
        let latest = Timestamp(last.0.saturating_add(MAX_SILENCE_NS));
        let until = self.watched_until.unwrap_or(last);
        Some(until.clamp(last, latest))
    }

    /// Whether it was read to its end.
    pub fn is_complete(&self) -> bool {
        self.problem.is_none()
    }
}

/// A capture file, or a piece of one, as it stands in a part.
#[derive(Clone, Debug)]
pub(super) struct CapturePiece {
    pub(super) order: Order,
    pub(super) record: CaptureRecord,
    /// Number of its last frame: more than packets where Wireshark numbers other blocks too.
    pub(super) frames: u64,
    /// What the pieces before and after it have to know of it; `None` where it is a whole capture
    /// and the record says what came of it.
    pub(super) directions: Option<Box<Directions>>,
}

/// Where a piece stands among all: captures by first packet, then name; pieces by offset.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Order {
    pub(super) first: Timestamp,
    pub(super) source: String,
    pub(super) offset: u64,
}

/// As far as part files hold them: what waits for other pieces is not compared.
impl PartialEq for CapturePiece {
    fn eq(&self, other: &Self) -> bool {
        (&self.order, &self.record, self.frames) == (&other.order, &other.record, other.frames)
    }
}

impl Eq for CapturePiece {}

impl CapturePiece {
    /// Says that no other piece of the capture is to come: what only those need is dropped.
    pub(super) fn seal(&mut self) {
        if let Some(mut directions) = self.directions.take() {
            self.record.continuity.add(directions.continuity());
        }
    }

    /// Leaves what holds of the capture up to now; what is needed to go on is taken out.
    pub(super) fn go_on(&mut self) -> Self {
        let mut directions = self.directions.take();
        let before = self.clone();
        if let Some(directions) = &mut directions {
            self.record.continuity.add(directions.continuity());
        }
        Self {
            directions,
            ..before
        }
    }

    pub(super) fn is_of(&self, other: &Self) -> bool {
        (self.order.first, &self.order.source) == (other.order.first, &other.order.source)
    }
}

/// All pieces in order, and for each list the new index of each old one.
pub(super) fn interleave(lists: Vec<Vec<CapturePiece>>) -> (Vec<CapturePiece>, Vec<Vec<usize>>) {
    let mut new_indices: Vec<Vec<usize>> =
        lists.iter().map(|pieces| vec![0; pieces.len()]).collect();
    let mut all: Vec<((usize, usize), CapturePiece)> = Vec::new();
    for (list, pieces) in lists.into_iter().enumerate() {
        let numbered = pieces.into_iter().enumerate();
        all.extend(numbered.map(|(old, piece)| ((list, old), piece)));
    }
    all.sort_by(|a, b| a.1.order.cmp(&b.1.order));
    for (new, ((list, old), _)) in all.iter().enumerate() {
        new_indices[*list][*old] = new;
    }
    let pieces = all.into_iter().map(|(_, piece)| piece).collect();
    (pieces, new_indices)
}

/// Where the frames of a piece stand in their capture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placement {
    capture: usize,
    frames_before: u64,
}

/// A position numbered by piece, in its capture.
pub(super) fn place(placements: &[Placement], at: Position) -> Position {
    let piece = &placements[at.capture()];
    Position::new(at.time, piece.capture, piece.frames_before + at.frame())
}

/// Pieces joined into whole captures; none is missing.
pub(super) fn join(pieces: Vec<CapturePiece>) -> (Vec<CapturePiece>, Vec<Placement>) {
    let mut captures: Vec<CapturePiece> = Vec::new();
    let mut placements = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match captures.last_mut().filter(|capture| capture.is_of(&piece)) {
            Some(capture) => {
                let frames_before = capture.frames;
                capture.frames += piece.frames;
                extend(&mut capture.record, piece.record);
                match (&mut capture.directions, piece.directions) {
                    (Some(before), Some(next)) => before.append(*next),
                    (_, None) => {}
                    (before, next) => *before = next,
                }
                placements.push(Placement {
                    capture: captures.len() - 1,
                    frames_before,
                });
            }
            None => {
                placements.push(Placement {
                    capture: captures.len(),
                    frames_before: 0,
                });
                captures.push(piece);
            }
        }
    }
    captures.iter_mut().for_each(CapturePiece::seal);
    (captures, placements)
}

fn extend(capture: &mut CaptureRecord, next: CaptureRecord) {
    capture.link_types.extend(next.link_types);
    capture.packets += next.packets;
    capture.bytes += next.bytes;
    capture.first = [capture.first, next.first].into_iter().flatten().min();
    capture.last = capture.last.max(next.last);
    capture.watched_until = capture.watched_until.max(next.watched_until);
    capture.kernel_drops = match (capture.kernel_drops, next.kernel_drops) {
        // Whoever wrote the capture chose both.
        (Some(mine), Some(theirs)) => Some(mine.saturating_add(theirs)),
        (mine, theirs) => mine.or(theirs),
    };
    capture.continuity.add(next.continuity);
    capture.problem = capture.problem.take().or(next.problem);
}
