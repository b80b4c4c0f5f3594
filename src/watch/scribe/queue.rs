//! Packets on their way to the disk: what came while the disk was busy goes to it in large pieces.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::InterfaceCounts;
use super::client::lock;

/// Bytes that may wait. Beyond that whoever sends waits, and behind it the capture's own buffer.
const MAX_WAITING: usize = 32 << 20;
/// Bytes of a piece, or a little more: a slow disk takes one in a second or so, and there is room
/// for the next.
const PIECE: usize = 1 << 20;

/// How often it is asked whether to wait on.
const LOOK: Duration = Duration::from_millis(200);

/// Blocks that wait to be written.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Whole blocks, in pieces.
    pieces: VecDeque<Vec<u8>>,
    /// Bytes of all pieces.
    bytes: usize,
    /// Room that was used before.
    spare: Vec<u8>,
    counts: Option<Vec<InterfaceCounts>>,
    ended: bool,
}

/// What is to be written next.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Batch {
    /// Whole blocks.
    pub(super) blocks: Vec<u8>,
    /// What interfaces had counted by then.
    pub(super) counts: Option<Vec<InterfaceCounts>>,
}

impl Queue {
    /// Adds whole blocks; waits while there is no room, and not in vain. `false` where it was.
    pub(super) fn push(&self, blocks: &[u8], mut is_in_vain: impl FnMut() -> bool) -> bool {
        let full =
            |waiting: &mut Waiting| waiting.bytes > 0 && waiting.bytes + blocks.len() > MAX_WAITING;
        let mut waiting = lock(&self.waiting);
        loop {
            let waited = self.changed.wait_timeout_while(waiting, LOOK, full);
            let (guard, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            if !timeout.timed_out() {
                waiting = guard;
                break;
            }
            drop(guard);
            if is_in_vain() {
                return false;
            }
            waiting = lock(&self.waiting);
        }
        waiting.bytes += blocks.len();
        match waiting.pieces.back_mut() {
            Some(last) if last.len() < PIECE => last.extend_from_slice(blocks),
            _ => {
                let mut piece = std::mem::take(&mut waiting.spare);
                piece.extend_from_slice(blocks);
                waiting.pieces.push_back(piece);
            }
        }
        self.changed.notify_all();
        true
    }

    /// Says what interfaces counted.
    pub(super) fn count(&self, counts: Vec<InterfaceCounts>) {
        lock(&self.waiting).counts = Some(counts);
        self.changed.notify_all();
    }

    /// Says that nothing follows.
    pub(super) fn end(&self) {
        lock(&self.waiting).ended = true;
        self.changed.notify_all();
    }

    /// Takes the next piece, and is waited for; `None` at the end. `spare` is room that what
    /// follows is put into.
    pub(super) fn take(&self, mut spare: Vec<u8>) -> Option<Batch> {
        spare.clear();
        let idle = |waiting: &mut Waiting| {
            waiting.pieces.is_empty() && waiting.counts.is_none() && !waiting.ended
        };
        let waiting = lock(&self.waiting);
        let mut waiting = match self.changed.wait_while(waiting, idle) {
            Ok(waiting) => waiting,
            Err(poisoned) => poisoned.into_inner(),
        };
        let blocks = waiting.pieces.pop_front().unwrap_or_default();
        waiting.bytes -= blocks.len();
        waiting.spare = spare;
        let batch = Batch {
            blocks,
            counts: waiting.counts.take(),
        };
        self.changed.notify_all();
        (!batch.blocks.is_empty() || batch.counts.is_some()).then_some(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_what_waits_in_one_piece_and_then_the_end() {
        let queue = Queue::default();
        assert!(queue.push(b"one", || true));
        assert!(queue.push(b"two", || true));
        queue.count(vec![InterfaceCounts::default()]);
        queue.end();
        let batch = queue.take(Vec::new()).expect("waits");
        assert_eq!(batch.blocks, b"onetwo");
        assert_eq!(batch.counts.map(|counts| counts.len()), Some(1));
        assert_eq!(queue.take(Vec::new()), None);
    }

    #[test]
    fn whoever_sends_waits_until_there_is_room() {
        let queue = Queue::default();
        let half = vec![7; MAX_WAITING / 2 + 1];
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..4 {
                    assert!(queue.push(&half, || false));
                }
                queue.end();
            });
            let mut taken = 0;
            while let Some(batch) = queue.take(Vec::new()) {
                assert!(batch.blocks.len() <= MAX_WAITING);
                taken += batch.blocks.len();
            }
            assert_eq!(taken, 4 * half.len());
        });
    }

    #[test]
    fn whoever_sends_does_not_wait_in_vain() {
        let queue = Queue::default();
        let half = vec![7; MAX_WAITING / 2 + 1];
        assert!(queue.push(&half, || false));
        let mut asked = 0;
        let is_taken = queue.push(&half, || {
            asked += 1;
            asked == 3
        });
        assert!(!is_taken);
        assert_eq!(asked, 3);
        // What waited is there.
        let batch = queue.take(Vec::new()).expect("waits");
        assert_eq!(batch.blocks.len(), half.len());
    }
}
