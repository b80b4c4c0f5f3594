//! Frames handed over some at a time: a visitor that has several can overlap what each waits
//! for in memory.

use super::{Frame, LinkType};
use crate::net::Timestamp;

/// Frames handed over at once. Enough to hide the way to memory, few enough for what is kept of
/// each to stay in the first-level cache.
pub(super) const BATCH: usize = 64;

/// Gathers frames of one window and hands them to a visitor.
pub(super) struct Gather<'w, 'v, V> {
    frames: [Frame<'w>; BATCH],
    length: usize,
    visit: &'v mut V,
}

impl<'w, 'v, V: FnMut(&[Frame<'w>])> Gather<'w, 'v, V> {
    pub(super) fn new(visit: &'v mut V) -> Self {
        const NONE: Frame<'_> = Frame {
            number: 0,
            time: Timestamp::UNKNOWN,
            link_type: LinkType(0),
            wire_length: 0,
            data: &[],
        };
        Self {
            frames: [NONE; BATCH],
            length: 0,
            visit,
        }
    }

    /// Adds the next frame.
    #[inline(always)]
    pub(super) fn push(&mut self, frame: Frame<'w>) {
        self.frames[self.length] = frame;
        self.length += 1;
        if self.length == BATCH {
            self.flush();
        }
    }

    /// Hands over what is left.
    #[inline(never)]
    pub(super) fn flush(&mut self) {
        if self.length > 0 {
            (self.visit)(&self.frames[..self.length]);
            self.length = 0;
        }
    }
}
