//! Verdicts: every flow judged by the built-in policy. Flows of a site, and of a scan; what a
//! flow costs as rules, prefixes and threads grow.

#[path = "../tests/support/mod.rs"]
mod support;

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZero;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portolan::config::Source;
use portolan::evidence::Evidence;
use portolan::flow::{Flow, IcmpKinds, InitiatorBasis, State, Ttls};
use portolan::net::{Endpoint, Position, Protocol, Timestamp};
use portolan::site::{LoadedSite, Site};
use portolan::verdict::{Audit, Counted, Partitions, Proofs, Strictness, judge};

use support::audited::{boundary_site, verdict};
use support::build::{Bulk, Rng};
use support::frames::part;

const FLOWS: u32 = 200_000;
const PARTITIONS: usize = 64;

fn site(criterion: &mut Criterion) {
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

/// Half of the flows come from four hosts that try every port of a network, half from many
/// hosts that each try a few.
fn scan() -> Vec<Vec<Flow>> {
    let mut rng = Rng::new(1);
    let mut partitions = vec![Vec::new(); PARTITIONS];
    for index in 0..FLOWS {
        let from = match index % 2 {
            0 => 0x0a01_c800 + rng.below(4) as u32,
            _ => 0x0a01_0000 + rng.below(65_536) as u32,
        };
        let to = 0x0a00_0000 + rng.below(256) as u32;
        let end = |address: u32, port| Endpoint::new(IpAddr::V4(Ipv4Addr::from(address)), port);
        let at = Position::new(Timestamp(i64::from(index)), 0, u64::from(index) + 1);
        partitions[index as usize % PARTITIONS].push(Flow {
            protocol: Protocol::Tcp,
            initiator: end(from, 40_000),
            responder: end(to, rng.below(65_536) as u16),
            initiator_basis: InitiatorBasis::Handshake,
            first: at,
            last: at.time,
            initiator_packets: 1,
            responder_packets: 1,
            initiator_bytes: 60,
            responder_bytes: 60,
            initiator_ttls: Ttls::default(),
            responder_ttls: Ttls::default(),
            connections: 1,
            state: State::Refused,
            handshake_completed: false,
            icmp_error: None,
            vlan: None,
            icmp_kinds: IcmpKinds::default(),
            flows: 1,
            responders: 1,
        });
    }
    partitions
}

fn audit(site: &LoadedSite, flows: &[Vec<Flow>], threads: usize) -> Audit {
    judge(
        &site.policy,
        &site.site,
        Proofs::default(),
        Counted::default(),
        Strictness::Normal,
        &Partitions {
            count: flows.len(),
            flows: |partition: usize, _| flows[partition].iter().copied(),
        },
        NonZero::new(threads).expect("at least one thread"),
    )
}

/// A site of many prefixes among which the scanned addresses lie.
fn prefixes(count: u32) -> LoadedSite {
    let mut text =
        "version = 1\nname = \"prefixes\"\n[roles]\nclient = [\"10.1.0.0/16\"".to_owned();
    for index in 0..count {
        let address = Ipv4Addr::from(0x0a01_0000 + index * 5);
        let _ = write!(text, ", \"{address}\"");
    }
    text += "]\nmanagement-point = [\"10.0.0.10-10.0.0.13\"]\n";
    Site::read(&Source::new("site.toml", text), Path::new("")).expect("it has no errors")
}

fn growth(criterion: &mut Criterion) {
    let flows = scan();
    let mut group = criterion.benchmark_group("scan");
    group.throughput(Throughput::Elements(u64::from(FLOWS)));
    group.sample_size(20);
    for count in [10, 100, 1_000, 10_000] {
        let site = prefixes(count);
        group.bench_function(format!("{count} prefixes"), |bencher| {
            bencher.iter(|| audit(&site, &flows, 1));
        });
    }
    for rules in [1, 10, 200] {
        let mut site = prefixes(10);
        site.policy.rules.truncate(rules);
        site.policy.scenarios.clear();
        group.bench_function(format!("{rules} rules"), |bencher| {
            bencher.iter(|| audit(&site, &flows, 1));
        });
    }
    let site = prefixes(10);
    for threads in [1, 2] {
        group.bench_function(format!("{threads} threads"), |bencher| {
            bencher.iter(|| audit(&site, &flows, threads));
        });
    }
    group.finish();
}

criterion_group!(benches, site, growth);
criterion_main!(benches);
