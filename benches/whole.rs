//! From a capture file to its report in JSON, each profile of traffic.

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portolan::capture::Reader;
use portolan::pipeline::{Options, observe_reader};

use support::audited::{audit, generated_site, report};
use support::build::{Bulk, Profile};

fn whole(criterion: &mut Criterion) {
    let site = generated_site();
    let mut group = criterion.benchmark_group("whole");
    for profile in Profile::ALL {
        let bulk = Bulk {
            profile,
            ..Bulk::default()
        };
        let file = bulk.encode();
        group.throughput(Throughput::Elements(bulk.packets));
        group.bench_function(profile.name(), |bencher| {
            bencher.iter(|| {
                let mut reader = Reader::new(&file[..], "bench").expect("it is a capture");
                let options = Options::default();
                let part = observe_reader(&mut reader, "bench", None, &options, &mut |_| {});
                report(&audit(&site, &part.finish()), "json")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, whole);
criterion_main!(benches);
