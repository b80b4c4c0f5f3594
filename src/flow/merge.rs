//! Merging tables: partition by partition, each by one thread.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::thread;

use foldhash::fast::SeedableRandomState;

use super::partition::{Entry, Partition};
use crate::net::Position;

/// Gives the positions of a part their numbers among all parts; `None` where they keep them.
pub type Renumber<'a> = Option<&'a (dyn Fn(Position) -> Position + Sync)>;

/// Merges the same partitions of several parts into `merged`.
pub(super) fn partitions<E: Entry + Send, const N: usize>(
    merged: &mut [Partition<E>],
    parts: Vec<(Box<[Partition<E>; N]>, Renumber<'_>)>,
    threads: NonZeroUsize,
    seed: &SeedableRandomState,
) {
    let threads = threads.get().min(merged.len());
    let mut parts: Vec<_> = parts
        .into_iter()
        .map(|(partitions, new)| (partitions.into_iter(), new))
        .collect();
    // Handed out one by one: partitions are alike, but threads may not be.
    let tasks = Mutex::new(merged.iter_mut().map(|merged| {
        let same = parts
            .iter_mut()
            .filter_map(|(partitions, new)| Some((partitions.next()?, *new)));
        (merged, same.collect::<Vec<_>>())
    }));
    let work = || {
        loop {
            let task = tasks.lock().ok().and_then(|mut tasks| tasks.next());
            let Some((merged, same)) = task else { return };
            for (mut partition, new) in same {
                if let Some(new) = new {
                    partition.renumber(new);
                }
                merged.merge(partition, seed);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            // Where the system has no thread left, there is one fewer.
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
}
