//! Slices of a part: what was seen of a live capture since the last look, handed on while the
//! capture goes on.

use super::Part;
use super::capture::CapturePiece;
use crate::capture::Frame;
use crate::net::Timestamp;

impl Part {
    /// Adds the next frame of the piece. [`Part::settle`] or [`Part::take_slice`] must come before
    /// anything is read of the part.
    #[inline]
    pub fn add_one(&mut self, frame: &Frame<'_>) {
        self.add_unsettled(std::slice::from_ref(frame));
    }

    /// Takes out what was seen since the last slice. The part goes on in the same piece, and knows
    /// what came before wherever that matters for what follows; the slice says of the capture
    /// what holds up to now, not only since the last one.
    pub fn take_slice(&mut self) -> Self {
        self.settle();
        let next = Self {
            window: self.window,
            flows: self.flows.following(),
            watched: self.watched,
            last_link_type: self.last_link_type,
            ..Self::default()
        };
        let mut slice = std::mem::replace(self, next);
        self.pieces = slice.pieces.iter_mut().map(CapturePiece::go_on).collect();
        slice
    }

    /// Adds the next slice of the same captures, at a cost that depends on the slice and not on
    /// what is there. An empty part takes the first one.
    pub fn append(&mut self, mut slice: Self) {
        self.flows.append(std::mem::take(&mut slice.flows));
        self.log.append(&std::mem::take(&mut slice.log));
        self.pieces = std::mem::take(&mut slice.pieces);
        self.add_sums(slice);
    }

    /// Says that all packets up to this time were seen: what is under way is judged by it, and not
    /// by the last packet, which a silent wire may have carried long ago.
    pub fn watched_until(&mut self, now: Timestamp) {
        self.watched = Some(now);
    }

    /// Frames of its captures, those of earlier slices too.
    pub fn packets(&self) -> u64 {
        self.captures().map(|capture| capture.packets).sum()
    }
}
