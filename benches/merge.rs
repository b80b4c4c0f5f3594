//! Merging parts into one observation: parts of one capture, whose flows go on from one to the
//! next, and parts that have no flow in common.

#[path = "../tests/support/mod.rs"]
mod support;

use std::hash::{DefaultHasher, Hash, Hasher};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use portolan::decode::{Packet, decode};
use portolan::observation::Part;

use support::build::{Bulk, Record};
use support::frames::{frame, part};

fn merge(criterion: &mut Criterion) {
    let bulk = Bulk {
        packets: 200_000,
        flows: Some(50_000),
        snaplen: 96,
        ..Bulk::default()
    };
    let records = bulk.records();
    let mut group = criterion.benchmark_group("merge");
    group.throughput(Throughput::Elements(bulk.flow_count()));
    for count in [2, 8] {
        let cases = [
            ("shared flows", cut(&records, count)),
            ("disjoint flows", sorted_out(&records, count)),
        ];
        for (name, parts) in cases {
            group.bench_function(format!("{count} parts, {name}"), |bencher| {
                bencher.iter_batched(
                    || parts.clone(),
                    |parts| parts.into_iter().reduce(Part::merge).map(Part::finish),
                    BatchSize::LargeInput,
                );
            });
        }
    }
    group.finish();
}

/// So many pieces of one capture, one after the other.
fn cut(records: &[Record], count: usize) -> Vec<Part> {
    let length = records.len().div_ceil(count);
    (0..count)
        .map(|index| {
            let end = (index + 1) * length;
            part("bench", records, index * length, end.min(records.len()))
        })
        .collect()
}

/// So many captures, each flow in one of them.
fn sorted_out(records: &[Record], count: usize) -> Vec<Part> {
    let mut captures = vec![Vec::new(); count];
    for record in records {
        captures[flow_hash(record) as usize % count].push(record.clone());
    }
    captures
        .iter()
        .enumerate()
        .map(|(index, records)| part(&format!("bench {index}"), records, 0, records.len()))
        .collect()
}

/// The same for both directions of a flow.
fn flow_hash(record: &Record) -> u64 {
    let five_tuple = decode(&frame(1, record), |packet: Packet<'_>| packet.five_tuple());
    let Some(five_tuple) = five_tuple.ok().flatten() else {
        return 0;
    };
    let mut ends = [five_tuple.source, five_tuple.destination].map(|end| (end.address, end.port));
    ends.sort_unstable();
    let mut hasher = DefaultHasher::new();
    ends.hash(&mut hasher);
    hasher.finish()
}

criterion_group!(benches, merge);
criterion_main!(benches);
