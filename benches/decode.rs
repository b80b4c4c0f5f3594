//! Decoding: from a frame to its five-tuple and payload.

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portolan::decode::{Packet, decode};

use support::build::{Bulk, Profile};
use support::frames::frame;

fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for profile in Profile::ALL {
        let bulk = Bulk {
            profile,
            snaplen: 96,
            ..Bulk::default()
        };
        let records = bulk.records();
        group.throughput(Throughput::Elements(bulk.packets));
        group.bench_function(profile.name(), |bencher| {
            bencher.iter(|| {
                for (index, record) in records.iter().enumerate() {
                    let _ = black_box(decode(&frame(index + 1, record), |packet: Packet<'_>| {
                        black_box(&packet.transport);
                        packet.five_tuple()
                    }));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, frames);
criterion_main!(benches);
