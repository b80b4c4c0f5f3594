//! Decoding: from a frame to its five-tuple and payload.

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portolan::decode::{Packet, decode};

use support::build::Bulk;
use support::frames::frame;

fn frames(criterion: &mut Criterion) {
    let bulk = Bulk::default();
    let records = bulk.records();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(bulk.packets));
    group.bench_function("ethernet", |bencher| {
        bencher.iter(|| {
            for (index, record) in records.iter().enumerate() {
                let _ = black_box(decode(&frame(index + 1, record), |packet: Packet<'_>| {
                    packet.five_tuple()
                }));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, frames);
criterion_main!(benches);
