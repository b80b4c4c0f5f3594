//! Work on the partitions of the flows by several threads. What they find is joined in no
//! particular order, so that it must be the same in any.

use std::hash::{BuildHasher, Hash};
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use hashbrown::HashSet;

/// Walks every partition once, on at most `threads` threads. Each begins with `start`, takes one
/// partition after the other, and what they made is merged two by two as they finish.
pub(super) fn fold<S: Send>(
    partitions: usize,
    threads: NonZero<usize>,
    start: impl Fn() -> S + Sync,
    walk: impl Fn(&mut S, usize) + Sync,
    merge: impl Fn(&mut S, S) + Sync,
) -> S {
    let next = AtomicUsize::new(0);
    let finished: Mutex<Option<S>> = Mutex::new(None);
    let put = |made: S| {
        let mut finished = finished.lock().unwrap_or_else(PoisonError::into_inner);
        match finished.take() {
            Some(other) => Some((made, other)),
            None => {
                *finished = Some(made);
                None
            }
        }
    };
    let work = || {
        let mut made = start();
        loop {
            let partition = next.fetch_add(1, Ordering::Relaxed);
            if partition >= partitions {
                break;
            }
            walk(&mut made, partition);
        }
        while let Some((mut both, other)) = put(made) {
            merge(&mut both, other);
            made = both;
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.get().min(partitions) {
            // Where the system has no thread left, there is one fewer.
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    let finished = finished.into_inner();
    let finished = finished.unwrap_or_else(PoisonError::into_inner);
    finished.unwrap_or_else(start)
}

/// Adds a set to another. The smaller one moves.
pub(super) fn unite<T: Eq + Hash, S: BuildHasher>(
    mine: &mut HashSet<T, S>,
    mut theirs: HashSet<T, S>,
) {
    if mine.len() < theirs.len() {
        std::mem::swap(mine, &mut theirs);
    }
    mine.extend(theirs);
}

/// Items that a thread takes at once.
const CHUNK: usize = 128;

/// What comes of every item, in their order, on at most `threads` threads.
pub(super) fn map<T: Sync, U: Send>(
    items: &[T],
    threads: NonZero<usize>,
    make: impl Fn(&T) -> U + Sync,
) -> Vec<U> {
    let chunks: Vec<&[T]> = items.chunks(CHUNK).collect();
    let mut made = fold(
        chunks.len(),
        threads,
        Vec::new,
        |made, index| {
            let chunk: Vec<U> = chunks[index].iter().map(&make).collect();
            made.push((index, chunk));
        },
        |made, other| made.extend(other),
    );
    made.sort_unstable_by_key(|(index, _)| *index);
    made.into_iter().flat_map(|(_, chunk)| chunk).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_keep_their_order() {
        let items: Vec<usize> = (0..1000).collect();
        for threads in [1, 3] {
            let threads = NonZero::new(threads).expect("not 0");
            let doubled = map(&items, threads, |item| item * 2);
            assert!(doubled.into_iter().eq(items.iter().map(|item| item * 2)));
        }
    }

    #[test]
    fn every_partition_is_walked_once() {
        for partitions in [0, 1, 2, 64] {
            for threads in [1, 2, 3, 8, 100] {
                let mut walked = fold(
                    partitions,
                    NonZero::new(threads).expect("not 0"),
                    Vec::new,
                    Vec::push,
                    Vec::extend,
                );
                walked.sort_unstable();
                assert!(walked.into_iter().eq(0..partitions));
            }
        }
    }
}
