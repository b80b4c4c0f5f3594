//! The pieces of one capture: which of them begin where they should. The first one does; another
//! does where the piece before it ended, if that one begins where it should.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Pieces of a capture while they are read, each by any thread.
pub(super) struct Chain {
    pieces: Vec<State>,
    links: Mutex<Links>,
}

#[derive(Default)]
struct State {
    is_wrong: AtomicBool,
    bytes_read: AtomicU64,
}

struct Links {
    /// For each piece that was read: where the next one begins, or how many pieces there are.
    next: Vec<Option<usize>>,
    /// The last piece that is known to begin where it should.
    right: usize,
}

impl Chain {
    /// So many pieces, at least one.
    pub(super) fn new(pieces: usize) -> Self {
        Self {
            pieces: (0..pieces).map(|_| State::default()).collect(),
            links: Mutex::new(Links {
                next: vec![None; pieces],
                right: 0,
            }),
        }
    }

    /// Takes note that a piece was read up to where `next` begins, or to the end of the capture
    /// where it is `None`.
    pub(super) fn ended(&self, piece: usize, next: Option<usize>) {
        let count = self.pieces.len();
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.next[piece] = Some(next.unwrap_or(count));
        while let Some(Some(next)) = links.next.get(links.right).copied() {
            for passed in &self.pieces[links.right + 1..next] {
                passed.is_wrong.store(true, Ordering::Relaxed);
            }
            links.right = next;
        }
    }

    /// Whether the piece is known to begin where it should not.
    pub(super) fn is_wrong(&self, piece: usize) -> bool {
        self.pieces[piece].is_wrong.load(Ordering::Relaxed)
    }

    /// Takes note of how many bytes of a piece are read.
    pub(super) fn set_bytes_read(&self, piece: usize, bytes: u64) {
        self.pieces[piece]
            .bytes_read
            .store(bytes, Ordering::Relaxed);
    }

    /// Bytes read of the pieces that are not known to be wrong, and how many are.
    pub(super) fn progress(&self) -> (u64, usize) {
        let mut progress = (0, 0);
        for piece in &self.pieces {
            if piece.is_wrong.load(Ordering::Relaxed) {
                progress.1 += 1;
            } else {
                progress.0 += piece.bytes_read.load(Ordering::Relaxed);
            }
        }
        progress
    }

    /// How many pieces there are.
    pub(super) fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// The pieces that together are the capture, in their order, once all were read.
    pub(super) fn right_pieces(&self) -> Vec<usize> {
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let next = |piece: &usize| links.next[*piece].filter(|next| *next < self.pieces.len());
        std::iter::successors(Some(0), next).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which pieces are known to be wrong.
    fn wrong(chain: &Chain) -> Vec<usize> {
        let pieces = 0..chain.pieces();
        pieces.filter(|piece| chain.is_wrong(*piece)).collect()
    }

    #[test]
    fn pieces_that_follow_each_other_are_right_in_whatever_order_they_end() {
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let chain = Chain::new(3);
            for piece in order {
                chain.ended(piece, Some(piece + 1).filter(|next| *next < 3));
            }
            assert_eq!(chain.right_pieces(), [0, 1, 2]);
            assert!(wrong(&chain).is_empty());
        }
    }

    #[test]
    fn what_only_a_wrong_piece_says_is_not_believed() {
        let chain = Chain::new(5);
        chain.set_bytes_read(1, 100);
        chain.set_bytes_read(2, 10);
        // The second piece passes over the third, but nobody says that it begins right itself.
        chain.ended(1, Some(3));
        assert!(wrong(&chain).is_empty());
        chain.ended(0, Some(2));
        assert_eq!((wrong(&chain), chain.progress()), (vec![1], (10, 1)));
        chain.ended(2, None);
        assert_eq!(wrong(&chain), [1, 3, 4]);
        assert_eq!(chain.right_pieces(), [0, 2]);
    }
}
