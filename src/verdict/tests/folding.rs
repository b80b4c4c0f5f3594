//! Findings: what folds, what stays apart, and that the order of flows can't matter.

use std::net::Ipv4Addr;

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
