//! From a capture file to its report in JSON.

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portolan::capture::Reader;
use portolan::pipeline::{Options, observe_reader};

use support::audited::{audit, boundary_site, report};
use support::build::Bulk;

fn whole(criterion: &mut Criterion) {
    let bulk = Bulk::default();
    let file = bulk.encode();
    let site = boundary_site();
    let mut group = criterion.benchmark_group("whole");
    group.throughput(Throughput::Elements(bulk.packets));
    group.bench_function("site", |bencher| {
        bencher.iter(|| {
            let mut reader = Reader::new(&file[..], "bench").expect("it is a capture");
            let options = Options::default();
            let part = observe_reader(&mut reader, "bench", None, &options, &mut |_| {});
            report(&audit(&site, &part.finish()), "json")
        });
    });
    group.finish();
}

criterion_group!(benches, whole);
criterion_main!(benches);
