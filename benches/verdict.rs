//! Verdicts: every flow judged by the built-in policy, few clients and many.

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portolan::evidence::Evidence;

use support::audited::{boundary_site, verdict};
use support::build::Bulk;
use support::frames::part;

fn judge(criterion: &mut Criterion) {
    let site = boundary_site();
    let mut group = criterion.benchmark_group("verdict");
    for clients in [10, 100_000] {
        let records = Bulk {
            clients,
            ..Bulk::default()
        }
        .records();
        let observation = part("bench", &records, 0, records.len()).finish();
        let evidence = Evidence::collect(observation.log(), &observation);
        group.throughput(Throughput::Elements(observation.flow_count() as u64));
        group.bench_function(format!("{clients} clients"), |bencher| {
            bencher.iter(|| verdict(&site, &observation, &evidence));
        });
    }
    group.finish();
}

criterion_group!(benches, judge);
criterion_main!(benches);
