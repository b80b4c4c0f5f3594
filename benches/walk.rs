//! Walking a capture file: records found, nothing decoded.

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portolan::capture::Reader;

use support::build::{Bulk, Pcapng};

fn walk(criterion: &mut Criterion) {
    let bulk = Bulk::default();
    let files = [
        ("pcap", bulk.encode()),
        ("pcapng", Pcapng::encode(&bulk.records())),
    ];
    let mut group = criterion.benchmark_group("walk");
    group.throughput(Throughput::Elements(bulk.packets));
    for (name, file) in files {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut reader = Reader::new(&file[..], name).expect("it is a capture");
                let mut bytes = 0;
                reader.read(|frame| {
                    bytes += black_box(frame.data).len();
                });
                bytes
            });
        });
    }
    group.finish();
}

criterion_group!(benches, walk);
criterion_main!(benches);
