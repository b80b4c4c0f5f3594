//! The trackers: busy with many network boots, and idle over segments of port 135 that are no RPC.

#[path = "../tests/support/mod.rs"]
mod support;

use std::net::Ipv4Addr;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portolan::evidence::Evidence;

use support::build::{Bulk, Link, PxeBoot, Record, Recording, Tftp, Tower, Uuid, at};
use support::frames::part;

fn trackers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("trackers");
    for (name, records) in [("boots", boots()), ("idle", Bulk::default().records())] {
        let observation = part("bench", &records, 0, records.len()).finish();
        group.throughput(Throughput::Elements(observation.log().count() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| Evidence::collect(observation.log(), &observation));
        });
    }
    group.finish();
}

fn boots() -> Vec<Record> {
    let mut recording = Recording::new(Link::Ethernet);
    let server = Ipv4Addr::new(10, 0, 0, 12);
    for number in 1..=200_u8 {
        let boot = PxeBoot {
            mac: [2, 0, 0, 0, 0, number],
            address: Ipv4Addr::new(10, 1, 0, number),
            dhcp_server: Ipv4Addr::new(10, 0, 0, 13),
            boot_server: server,
            architecture: 7,
            file: "boot/wdsmgfw.efi",
        };
        boot.negotiate(&mut recording);
        Tftp {
            granted: &[("blksize", "1456")],
            ..boot.transfer(2070, boot.file, 50_000)
        }
        .run(&mut recording);
        let tower = Tower {
            interface: Uuid::WINREG,
            port: 49_664,
            address: server,
        };
        let client = at(&format!("10.1.0.{number}:50000"));
        recording.ept_map(client, server, Uuid::WINREG, &[tower]);
    }
    recording.records
}

criterion_group!(benches, trackers);
criterion_main!(benches);
