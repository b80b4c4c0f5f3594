//! The log, with all that a packet passes before it: TFTP blocks that become runs, segments of the
//! endpoint mapper that are kept whole, and segments of which none is kept.

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use support::build::{Link, Record, Recording, Segment, Tftp, at, flags};
use support::frames::part;

fn log(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("log");
    let inputs = [
        ("tftp", transfers()),
        ("mapper", segments(135)),
        ("none", segments(443)),
    ];
    for (name, records) in &inputs {
        group.throughput(Throughput::Elements(records.len() as u64));
        group.bench_function(*name, |bencher| {
            bencher.iter(|| part("bench", records, 0, records.len()));
        });
        // The order in time, on top.
        group.bench_function(format!("{name}, finished"), |bencher| {
            bencher.iter(|| {
                let observation = part("bench", records, 0, records.len()).finish();
                observation.log().count()
            });
        });
    }
    group.finish();
}

fn transfers() -> Vec<Record> {
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
    recording.records
}

/// A hundred connections at once to a port, with bytes of no protocol.
fn segments(port: u16) -> Vec<Record> {
    const LENGTH: usize = 200;
    let mut recording = Recording::new(Link::Ethernet);
    let server = at(&format!("10.0.0.12:{port}"));
    for round in 0..300_u32 {
        for number in 1..=100_u8 {
            let client = at(&format!("10.1.0.{number}:50000"));
            let segment = Segment {
                sequence: round * LENGTH as u32,
                flags: flags::ACK,
                payload: &[number; LENGTH],
                ..Segment::default()
            };
            recording.tcp(client, server, segment);
        }
    }
    recording.records
}

criterion_group!(benches, log);
criterion_main!(benches);
