//! Findings: what folds, what stays apart, and that the order of flows can't matter.

use std::net::Ipv4Addr;
use std::num::NonZero;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

fn sums(audited: &Audit) -> u64 {
    audited.unexpected.iter().map(|entry| entry.flows).sum()
}

#[test]
fn a_scan_of_every_port_is_one_entry() {
    let loaded = site("");
    let flows: Vec<Flow> = (0..=u16::MAX)
        .map(|port| tcp("10.9.0.1:50000", &format!("10.0.0.11:{port}")))
        .collect();
    let audited = audit(&loaded, Proofs::default(), &flows);
    let [entry] = audited.unexpected.as_slice() else {
        panic!("{}", audited.unexpected.len())
    };
    assert_eq!((entry.flows, entry.responder.port), (65536, None));
    assert_eq!(entry.responder.ports, [(0, 65535)]);
    assert_eq!(entry.responder.address, Some("10.0.0.11".parse().unwrap()));
    assert_eq!(entry.frames.len(), 10);
    assert_eq!(entry.community_ids.len(), 10);
}

#[test]
fn a_scan_of_many_hosts_is_one_entry() {
    let loaded = site("");
    let target = |index: u32| Ipv4Addr::from(0x0a09_0000 + index);
    let flows: Vec<Flow> = (1..=100_000)
        .map(|index| tcp("10.1.0.7:50000", &format!("{}:445", target(index))))
        .collect();
    let audited = audit(&loaded, Proofs::default(), &flows);
    let [entry] = audited.unexpected.as_slice() else {
        panic!("{}", audited.unexpected.len())
    };
    assert_eq!(entry.responder.address, None);
    assert_eq!(entry.responder.addresses, Some(100_000));
    assert_eq!(entry.responder.port, Some(445));
    assert_eq!(entry.flows, 100_000);
}

/// As the flow table folds them beyond its bound.
#[test]
fn a_flow_that_stands_for_many_counts_as_many() {
    let loaded = site("");
    let mut flows: Vec<Flow> = [22, 445]
        .map(|port| Flow {
            flows: 3000,
            responders: 1000,
            ..tcp("10.9.0.1:50000", &format!("10.0.0.11:{port}"))
        })
        .to_vec();
    flows.push(tcp("10.9.0.1:50001", "10.0.0.12:22"));
    for _ in 0..flows.len() {
        let audited = audit(&loaded, Proofs::default(), &flows);
        let [entry] = audited.unexpected.as_slice() else {
            panic!("{}", audited.unexpected.len())
        };
        assert_eq!((audited.totals.flows, entry.flows), (6001, 6001));
        assert_eq!(entry.responder.address, None);
        assert_eq!(entry.responder.addresses, Some(1001));
        assert_eq!(entry.responder.ports, [(22, 22), (445, 445)]);
        assert_eq!((entry.frames.len(), entry.community_ids.len()), (3, 1));
        flows.rotate_left(1);
    }
}

#[test]
fn sixty_four_ports_and_responders_stay_apart() {
    let loaded = site("");
    let ports: Vec<Flow> = (1..=64)
        .map(|port| tcp("10.9.0.1:50000", &format!("10.0.0.11:{}", port * 2)))
        .collect();
    assert_eq!(
        audit(&loaded, Proofs::default(), &ports).unexpected.len(),
        64
    );
    let hosts: Vec<Flow> = (1..=64)
        .map(|host| tcp("10.9.0.1:50000", &format!("10.0.1.{host}:445")))
        .collect();
    assert_eq!(
        audit(&loaded, Proofs::default(), &hosts).unexpected.len(),
        64
    );
}

#[test]
fn what_does_not_fit_is_counted() {
    let loaded = site("");
    let flows: Vec<Flow> = (0..10_050_u32)
        .map(|index| {
            let from = Ipv4Addr::from(0x0a09_0000 + index);
            tcp(&format!("{from}:50000"), "10.0.0.11:445")
        })
        .collect();
    let forward = audit(&loaded, Proofs::default(), &flows);
    let backward: Vec<Flow> = flows.iter().rev().copied().collect();
    let backward = audit(&loaded, Proofs::default(), &backward);
    assert_eq!(forward.unexpected.len(), 10_000);
    assert_eq!(forward.totals.unexpected, 10_050);
    assert_eq!(sums(&forward), 10_000);
    assert_eq!(forward.limits[0].limit, "findings");
    assert_eq!(forward.limits[0].reached, 50);
    assert_eq!(forward.unexpected, backward.unexpected);
}

#[test]
fn entries_come_by_weight() {
    let loaded = site("");
    let flows = [
        tcp("10.1.0.7:50000", "10.0.0.11:9999"),
        tcp("10.1.0.7:50001", "10.0.0.11:9998"),
        tcp("10.1.0.7:50002", "10.0.0.11:9998"),
        tcp("10.9.0.1:50000", "10.0.0.11:443"),
    ];
    let audited = audit(&loaded, Proofs::default(), &flows);
    let found: Vec<_> = audited
        .unexpected
        .iter()
        .map(|entry| (entry.reason, entry.responder.port, entry.flows))
        .collect();
    assert_eq!(
        found,
        [
            (Reason::UnknownHost, Some(443), 1),
            (Reason::PortNotListed, Some(9998), 2),
            (Reason::PortNotListed, Some(9999), 1),
        ]
    );
}

#[test]
fn ids_rest_on_endpoints_alone() {
    let loaded = site("");
    let one = tcp("10.1.0.7:50000", "10.0.0.11:9999");
    let again = seen_at(99, tcp("10.1.0.7:51000", "10.0.0.11:9999"));
    let id = |flows: &[Flow]| {
        audit(&loaded, Proofs::default(), flows).unexpected[0]
            .id
            .clone()
    };
    assert_eq!(id(&[one]), id(&[one, again]));
    assert_ne!(id(&[one]), id(&[tcp("10.1.0.7:50000", "10.0.0.11:9998")]));
}

#[test]
fn explanations_name_parties_and_the_nearest_rules() {
    let loaded = site("");
    let flows = [tcp("10.1.0.7:50000", "10.0.0.11:9999")];
    let audited = audit(&loaded, Proofs::default(), &flows);
    let entry = &audited.unexpected[0];
    assert!(
        entry.explanation.starts_with(
            "10.1.0.7 (client) opened TCP 9999 on 10.0.0.11 (management-point): these roles have \
             rules, but none for this port. Nearest: "
        ),
        "{}",
        entry.explanation
    );
    assert_eq!(entry.responder.name.as_deref(), Some("mp1"));
    assert!(!entry.nearest_rules.is_empty() && entry.nearest_rules.len() <= 3);
    assert!(entry.nearest_rules[0].starts_with("BKMK_PortsClient-MP/client-notification"));
}

#[test]
fn a_host_that_talks_to_itself_is_named_once() {
    let loaded = site("");
    let flows = [tcp("127.0.0.1:50000", "127.0.0.1:9999")];
    let audited = audit(&loaded, Proofs::default(), &flows);
    assert_eq!(
        audited.unexpected[0].explanation,
        "127.0.0.1 opened TCP 9999 on 127.0.0.1: 127.0.0.1 has no role in the site file."
    );
}

/// Flows of three scanners, in two orders.
fn flows_in_two_orders() -> impl Strategy<Value = (Vec<Flow>, Vec<Flow>)> {
    let flow = (0..3_u8, 0..90_u16, 0..90_u8, 1..200_i64).prop_map(|(from, port, to, time)| {
        let to = format!("10.9.1.{to}:{port}");
        seen_at(time, tcp(&format!("10.9.0.{from}:50000"), &to))
    });
    prop::collection::vec(flow, 1..400)
        .prop_flat_map(|flows| (Just(flows.clone()), Just(flows).prop_shuffle()))
}

#[test]
fn order_does_not_matter() {
    let loaded = site("");
    let mut runner = TestRunner::new(Config::with_cases(48));
    let outcome = runner.run(&flows_in_two_orders(), |(flows, shuffled)| {
        let one = audit(&loaded, Proofs::default(), &flows);
        let other = audit(&loaded, Proofs::default(), &shuffled);
        prop_assert_eq!(sums(&one), flows.len() as u64);
        prop_assert_eq!(&one.unexpected, &other.unexpected);
        Ok(())
    });
    outcome.unwrap_or_else(|found| panic!("{found}"));
}

/// The same flows, parted by `parts` and judged on so many threads.
fn audit_parted(loaded: &LoadedSite, flows: &[Flow], parts: &[usize], threads: usize) -> Audit {
    let count = parts.iter().max().map_or(1, |last| last + 1);
    let partitions: Vec<Vec<Flow>> = (0..count)
        .map(|part| {
            let of_part = flows.iter().zip(parts).filter(|(_, of)| **of == part);
            of_part.map(|(flow, _)| *flow).collect()
        })
        .collect();
    super::super::judge(
        &loaded.policy,
        &loaded.site,
        Proofs::default(),
        Counted::default(),
        Strictness::Normal,
        &Partitions {
            count,
            flows: |partition: usize, _| partitions[partition].iter().copied(),
        },
        NonZero::new(threads).expect("at least one thread"),
    )
}

/// Flows of every verdict: expected and failing ones, RPC after a contact with 135, answers to a
/// group, exceptions, scans that fold and scans that do not, guessed directions.
fn any_flow() -> impl Strategy<Value = Flow> {
    let client = (0..6_u8).prop_map(|host| format!("10.1.0.{}:50000", host + 7));
    let server = prop::sample::select(vec![
        "10.0.0.11:443",
        "10.0.0.11:10123",
        "10.0.0.12:80",
        "10.0.0.12:135",
        "10.0.0.12:49200",
        "10.0.0.13:53",
        "10.0.0.14:8530",
        "10.0.0.11:9999",
        "[2001:db8::11]:443",
    ]);
    let served = (client, server).prop_map(|(client, server)| tcp(&client, server));
    let pushed =
        (0..3_u8, prop::sample::select(vec![135_u16, 445, 49300])).prop_map(|(client, port)| {
            tcp("10.0.0.10:50000", &format!("10.1.0.{}:{port}", client + 7))
        });
    let scan = (0..3_u8, 0..70_u16, 0..70_u8).prop_map(|(from, port, to)| {
        tcp(&format!("10.9.0.{from}:5"), &format!("10.9.1.{to}:{port}"))
    });
    let question = prop::sample::select(vec![
        udp("10.1.0.7:50000", "239.255.255.250:1900"),
        udp("10.1.0.8:1900", "10.1.0.7:50000"),
        udp("10.1.0.7:5353", "224.0.0.251:5353"),
        flow(Protocol::IcmpEcho, "10.0.0.10", "10.1.0.7"),
        udp("10.1.0.7:137", "10.1.255.255:137"),
    ]);
    let any = prop_oneof![2 => served, 1 => pushed, 3 => scan, 1 => question];
    let changes = (1..200_i64, 0..4_u8, 1..5_u64);
    (any, changes).prop_map(|(flow, (time, change, packets))| {
        let flow = Flow {
            initiator_packets: packets,
            ..seen_at(time, flow)
        };
        match change {
            0 => unanswered(flow),
            1 if flow.protocol == Protocol::Tcp => Flow {
                initiator_basis: InitiatorBasis::FirstPacket,
                state: State::MidStream,
                ..flow.reversed()
            },
            _ => flow,
        }
    })
}

#[test]
fn neither_partitions_nor_threads_matter() {
    let loaded = site(
        "[require]\nscenarios = [\"client-push\", \"client-policy\"]\n\
         rules = [\"BKMK_PortsClient-MP\"]\nper-host = true\n\
         [[accept]]\nmatch = \"10.9.0.1 -> any tcp/10-40\"\nreason = \"a\"\n\
         [[accept]]\nmatch = \"10.9.0.2 -> any tcp/*\"\nreason = \"b\"\nexpires = 1970-01-01\n",
    );
    let parted = prop::collection::vec((any_flow(), 0..7_usize), 1..300);
    let mut runner = TestRunner::new(Config::with_cases(32));
    let outcome = runner.run(&(parted, 1..9_usize), |(parted, threads)| {
        let (mut flows, parts): (Vec<Flow>, Vec<usize>) = parted.into_iter().unzip();
        // No two flows of an input share their first packet.
        for (flow, frame) in flows.iter_mut().zip(1..) {
            flow.first = Position::new(flow.first.time, 0, frame);
        }
        let whole = audit(&loaded, Proofs::default(), &flows);
        let parted = audit_parted(&loaded, &flows, &parts, threads);
        prop_assert_eq!(format!("{:#?}", whole), format!("{:#?}", parted));
        Ok(())
    });
    outcome.unwrap_or_else(|found| panic!("{found}"));
}

#[test]
fn more_initiators_than_entries_are_the_same_in_any_partitions() {
    let loaded = site("");
    let flows: Vec<Flow> = (0..25_000_u32)
        .map(|index| {
            let from = Ipv4Addr::from(0x0a09_0000 + index.wrapping_mul(7919) % 12_500);
            let to = format!("10.0.0.11:{}", 445 + index % 3);
            seen_at(i64::from(index), tcp(&format!("{from}:50000"), &to))
        })
        .collect();
    let whole = audit(&loaded, Proofs::default(), &flows);
    let parts: Vec<usize> = (0..flows.len()).map(|index| index * 31 % 5).collect();
    let parted = audit_parted(&loaded, &flows, &parts, 3);
    assert_eq!(whole.unexpected, parted.unexpected);
    assert_eq!(whole.limits, parted.limits);
    assert!(whole.limits[0].reached > 0);
}

#[test]
fn flows_that_wait_for_others_are_judged_once_however_many_there_are() {
    let loaded = site("");
    let client = |index: u32| Ipv4Addr::from(0x0a01_0100 + index);
    let flows: Vec<Flow> = (0..6_000_u32)
        .flat_map(|index| {
            let contact = tcp("10.0.0.10:50000", &format!("{}:135", client(index)));
            let rpc = tcp("10.0.0.10:50001", &format!("{}:49300", client(index)));
            let before = if index % 3 == 0 { 99 } else { 5 };
            [seen_at(before, contact), seen_at(50, rpc)]
        })
        .collect();
    let together = vec![0; flows.len()];
    let apart: Vec<usize> = (0..flows.len()).map(|index| index * 31 % 64).collect();
    let whole = audit_parted(&loaded, &flows, &together, 1);
    let parted = audit_parted(&loaded, &flows, &apart, 4);
    assert_eq!(whole.totals.flows, 12_000);
    assert_eq!(whole.totals.expected, 10_000);
    assert_eq!(whole.totals.unexpected, 2_000);
    assert_eq!(format!("{whole:?}"), format!("{parted:?}"));
}
