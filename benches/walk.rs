//! Walking a capture file: records found, nothing decoded. Cut frames lie close together; of
//! full frames each header is a new line of memory.

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portolan::capture::{Batch, Frame, Reader};

use support::build::{Bulk, Container, Profile};

fn walk(criterion: &mut Criterion) {
    let cut = Bulk {
        snaplen: 96,
        ..Bulk::default()
    };
    let full = Bulk {
        profile: Profile::Full,
        ..Bulk::default()
    };
    let cases = [
        ("pcap, cut frames", cut),
        ("pcap, full frames", full),
        (
            "pcapng, cut frames",
            Bulk {
                container: Container::Pcapng,
                ..cut
            },
        ),
        (
            "pcapng, full frames",
            Bulk {
                container: Container::Pcapng,
                ..full
            },
        ),
    ];
    let mut group = criterion.benchmark_group("walk");
    for (name, bulk) in cases {
        let file = bulk.encode();
        group.throughput(Throughput::Elements(bulk.packets));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut reader = Reader::new(&file[..], name).expect("it is a capture");
                let visit = |frames: &[Frame<'_>]| {
                    black_box(frames);
                };
                while reader.read_batch(visit) == Batch::More {}
                reader.frames()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, walk);
criterion_main!(benches);
