//! Merging: eight pieces of one capture into one observation.

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use portolan::observation::Part;

use support::build::Bulk;
use support::frames::part;

const PIECES: usize = 8;

fn merge(criterion: &mut Criterion) {
    let records = Bulk::default().records();
    let length = records.len().div_ceil(PIECES);
    let parts: Vec<Part> = (0..PIECES)
        .map(|index| {
            let to = (index + 1) * length;
            part("bench", &records, index * length, to.min(records.len()))
        })
        .collect();
    let mut group = criterion.benchmark_group("merge");
    group.throughput(Throughput::Elements(records.len() as u64));
    group.bench_function("eight pieces", |bencher| {
        bencher.iter_batched(
            || parts.clone(),
            |parts| parts.into_iter().reduce(Part::merge).map(Part::finish),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, merge);
criterion_main!(benches);
