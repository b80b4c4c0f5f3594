//! Link maintenance, and what only looks like it.

use std::num::NonZero;

use super::*;
use crate::decode::LinkProtocol;

fn kind(flows: &[Flow]) -> Option<&'static str> {
    match last_of(&site(""), Proofs::default(), flows).verdict {
        Verdict::Background(kind) => Some(kind),
        _ => None,
    }
}

fn icmp(kinds: u8) -> Flow {
    Flow {
        icmp_kinds: IcmpKinds(kinds),
        ..flow(Protocol::IcmpOther, "fe80::1", "ff02::1")
    }
}

#[test]
fn groups_of_the_link() {
    let of = |protocol, to: &str| kind(&[flow(protocol, "10.1.0.7", to)]);
    let to = |to: &str| kind(&[udp("10.1.0.7:5353", to)]);
    assert_eq!(to("224.0.0.251:5353"), Some("mdns"));
    assert_eq!(to("[ff02::fb]:5353"), Some("mdns"));
    assert_eq!(to("224.0.0.252:5355"), Some("llmnr"));
    assert_eq!(to("[ff02::1:2]:547"), Some("dhcpv6"));
    assert_eq!(to("239.255.255.250:1900"), Some("ssdp"));
    assert_eq!(to("239.255.255.250:3702"), Some("ws-discovery"));
    assert_eq!(to("224.0.0.2:1985"), Some("hsrp"));
    assert_eq!(of(Protocol::Other(2), "224.0.0.22"), Some("igmp"));
    assert_eq!(of(Protocol::Other(89), "224.0.0.5"), Some("ospf"));
    assert_eq!(of(Protocol::Other(103), "224.0.0.13"), Some("pim"));
    assert_eq!(of(Protocol::Other(112), "224.0.0.18"), Some("vrrp"));
    assert_eq!(of(Protocol::Other(88), "224.0.0.10"), Some("eigrp"));
    assert_eq!(kind(&[icmp(1)]), Some("neighbour-discovery"));
    assert_eq!(kind(&[icmp(2)]), Some("multicast-listener-discovery"));
    assert_eq!(kind(&[icmp(5)]), None);
}

#[test]
fn a_well_known_port_alone_is_no_hiding_place() {
    assert_eq!(kind(&[udp("10.1.0.7:5353", "10.1.0.8:5353")]), None);
    assert_eq!(kind(&[udp("10.1.0.7:5353", "8.8.8.8:5353")]), None);
    assert_eq!(kind(&[udp("10.1.0.7:5353", "239.9.9.9:5353")]), None);
    assert_eq!(
        kind(&[flow(Protocol::Other(89), "10.1.0.7", "10.1.0.8")]),
        None
    );
    assert_eq!(
        kind(&[flow(Protocol::Other(2), "10.1.0.7", "10.1.0.8")]),
        None
    );
}

#[test]
fn unicast_answers_to_one_who_asked_the_group() {
    let question = udp("10.1.0.7:50000", "239.255.255.250:1900");
    let answer = udp("10.1.0.8:1900", "10.1.0.7:50000");
    assert_eq!(kind(&[question, answer]), Some("ssdp"));
    assert_eq!(
        kind(&[question, udp("10.1.0.8:1900", "10.1.0.7:50001")]),
        None
    );
    assert_eq!(
        kind(&[question, udp("10.1.0.8:1901", "10.1.0.7:50000")]),
        None
    );
    // Nobody beyond the link answers.
    assert_eq!(
        kind(&[question, udp("8.8.8.8:1900", "10.1.0.7:50000")]),
        None
    );
}

#[test]
fn strict_audits_list_it() {
    let loaded = site("");
    let listed = flow(Protocol::Other(89), "10.1.0.7", "224.0.0.5");
    let unknown = flow(Protocol::Other(89), "172.31.0.7", "224.0.0.5");
    let link_local = flow(Protocol::Other(89), "fe80::7", "ff02::5");
    let mut judge = Judge::new(
        &loaded.policy,
        &loaded.site,
        Proofs::default(),
        Strictness::Strict,
    );
    for (hello, reason) in [
        (listed, Reason::PortNotListed),
        (unknown, Reason::UnknownHost),
        (link_local, Reason::PortNotListed),
    ] {
        judge.observe(&hello);
        let verdict = judge.verdict(&hello).verdict;
        assert_eq!(verdict, Verdict::Unexpected(reason));
    }
}

#[test]
fn what_is_not_ip_is_counted_by_kind() {
    let loaded = site("");
    let link = [
        (LinkProtocol::EtherType(0x0806), (3, 180)),
        (LinkProtocol::EtherType(0x88cc), (1, 60)),
        (LinkProtocol::EtherType(0x1234), (1, 60)),
        (LinkProtocol::Llc(0x42), (2, 120)),
    ];
    let counted = Counted {
        link: link.into(),
        ..Counted::default()
    };
    let audited = super::super::judge(
        &loaded.policy,
        &loaded.site,
        Proofs::default(),
        counted,
        Strictness::Normal,
        &Partitions {
            count: 0,
            flows: |_, _| std::iter::empty(),
        },
        NonZero::<usize>::MIN,
    );
    let found: Vec<_> = audited
        .background
        .iter()
        .map(|entry| (entry.kind.as_str(), entry.flows, entry.packets, entry.bytes))
        .collect();
    assert_eq!(
        found,
        [
            ("arp", 0, 3, 180),
            ("ethertype-0x1234", 0, 1, 60),
            ("lldp", 0, 1, 60),
            ("stp", 0, 2, 120)
        ]
    );
}
