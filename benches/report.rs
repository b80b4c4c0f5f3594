//! Reports: one audit with many findings in each format.

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use portolan::report::FORMATS;

use support::audited::{audit, boundary_site, report};
use support::build::Bulk;
use support::frames::part;

fn formats(criterion: &mut Criterion) {
    let records = Bulk::default().records();
    let observation = part("bench", &records, 0, records.len()).finish();
    // Not the site of these captures: most flows are findings.
    let audit = audit(&boundary_site(), &observation);
    let mut group = criterion.benchmark_group("report");
    for format in &FORMATS {
        group.bench_function(format.name, |bencher| {
            bencher.iter(|| report(&audit, format.name));
        });
    }
    group.finish();
}

criterion_group!(benches, formats);
criterion_main!(benches);
