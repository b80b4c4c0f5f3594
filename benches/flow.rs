//! The flow table: packets laid at their flows, few flows and many.

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portolan::decode::{Packet, Whole, decode};
use portolan::flow::FlowTable;
use portolan::net::{Position, Timestamp};

use support::build::Bulk;
use support::frames::frame;

fn add(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("flow");
    for clients in [10, 100_000] {
        let records = Bulk {
            clients,
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
        group.bench_function(format!("{clients} clients"), |bencher| {
            bencher.iter(|| {
                let mut table = FlowTable::default();
                for (at, bytes, packet) in &packets {
                    table.add(*at, *bytes, packet);
                }
                table.settle();
                table.len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, add);
criterion_main!(benches);
