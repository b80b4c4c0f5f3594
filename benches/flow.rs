//! The flow table: packets laid at their flows. Few flows stay in the cache, many don't, and a
//! scan begins one with every other packet.

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portolan::decode::{Packet, Whole, decode};
use portolan::flow::FlowTable;
use portolan::net::{Position, Timestamp};

use support::build::{Bulk, Profile};
use support::frames::frame;

fn add(criterion: &mut Criterion) {
    let cases = [
        ("few flows", Profile::Site, 300_000, 1_000),
        ("many flows", Profile::Site, 300_000, 100_000),
        ("scan", Profile::Scan, 300_000, 150_000),
    ];
    let mut group = criterion.benchmark_group("flow");
    for (name, profile, packets, flows) in cases {
        let records = Bulk {
            profile,
            packets,
            flows: Some(flows),
            snaplen: 96,
            ..Bulk::default()
        }
        .records();
        let packets: Vec<(Position, u32, Packet<'_>)> = records
            .iter()
            .enumerate()
            .filter_map(|(index, record)| {
                let packet = decode(&frame(index + 1, record), Whole).ok()?;
                let at = Position::new(Timestamp(record.time_ns), 0, index as u64 + 1);
                Some((at, record.wire_length, packet))
            })
            .collect();
        group.throughput(Throughput::Elements(packets.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut table = FlowTable::default();
                for (at, bytes, packet) in &packets {
                    table.add(*at, *bytes, packet);
                }
                table.settle();
                assert_eq!(table.len() as u64, flows);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, add);
criterion_main!(benches);
