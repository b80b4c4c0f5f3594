//! The trackers, over the log of a capture with many network boots.

#[path = "../tests/support/mod.rs"]
mod support;

use std::net::Ipv4Addr;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portolan::evidence::Evidence;

use support::build::{Link, PxeBoot, Recording, Tftp, Tower, Uuid, at};
use support::frames::part;

fn trackers(criterion: &mut Criterion) {
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
    let records = recording.records;
    let observation = part("bench", &records, 0, records.len()).finish();
    let mut group = criterion.benchmark_group("trackers");
    group.throughput(Throughput::Elements(observation.log().len() as u64));
    group.bench_function("boots", |bencher| {
        bencher.iter(|| Evidence::collect(observation.log(), &observation));
    });
    group.finish();
}

criterion_group!(benches, trackers);
criterion_main!(benches);
