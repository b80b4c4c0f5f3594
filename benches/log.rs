//! The log: packets that trackers read, among them TFTP data, which is run-length coded.

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use support::build::{Link, Recording, Tftp, at};
use support::frames::part;

fn log(criterion: &mut Criterion) {
    let mut recording = Recording::new(Link::Ethernet);
    for number in 1..=20_u8 {
        let client = at(&format!("10.1.0.{number}:2070"));
        Tftp {
            asked: &[("blksize", "1456")],
            granted: &[("blksize", "1456")],
            ..Tftp::new(client, at("10.0.0.12:69"), "boot.wim", 2_000_000)
        }
        .run(&mut recording);
    }
    let records = recording.records;
    let mut group = criterion.benchmark_group("log");
    group.throughput(Throughput::Elements(records.len() as u64));
    group.bench_function("tftp", |bencher| {
        bencher.iter(|| part("bench", &records, 0, records.len()));
    });
    group.finish();
}

criterion_group!(benches, log);
criterion_main!(benches);
