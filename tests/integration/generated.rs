//! The captures that benchmarks are run on: always the same, valid, with as many packets and
//! flows as asked for.

use std::collections::BTreeSet;

use etherparse::{IpNumber, NetSlice, SlicedPacket, TransportSlice};
use portolan::capture::Reader;
use portolan::pipeline::{Options, observe_reader};
use sha1::{Digest, Sha1};

use crate::support::build::{Bulk, Container, Profile};

/// Packets and flows asked for: one flow, as many flows as packets, and between.
const SIZES: [(u64, u64); 6] = [
    (1, 1),
    (500, 1),
    (500, 2),
    (3_000, 3_000),
    (5_000, 4_321),
    (40_000, 900),
];

fn sha1(bytes: &[u8]) -> String {
    let digest = Sha1::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn packets_and_flows_are_as_asked() {
    for profile in Profile::ALL {
        for (packets, flows) in SIZES {
            for (seed, container) in [(1, Container::Pcap), (2, Container::Pcapng)] {
                let bulk = Bulk {
                    profile,
                    packets,
                    flows: Some(flows),
                    seed,
                    container,
                    snaplen: 96,
                    ..Bulk::default()
                };
                let file = bulk.encode();
                let mut reader = Reader::new(&file[..], "generated").expect("it is a capture");
                let options = Options::default();
                let part = observe_reader(&mut reader, "generated", None, &options, &mut |_| {});
                let observation = part.finish();
                let capture = &observation.captures()[0];
                assert_eq!(capture.problem, None, "{bulk:?}");
                assert_eq!(capture.packets, packets, "{bulk:?}");
                assert_eq!(observation.flow_count() as u64, flows, "{bulk:?}");
            }
        }
    }
}

#[test]
fn the_same_options_give_the_same_bytes() {
    let bulk = |profile, container| Bulk {
        profile,
        container,
        packets: 20_000,
        ..Bulk::default()
    };
    let digests = Profile::ALL.map(|profile| sha1(&bulk(profile, Container::Pcap).encode()));
    // Change them where the generator changes, and take the README's figures anew.
    insta::assert_debug_snapshot!(digests);
    let pcapng = bulk(Profile::Site, Container::Pcapng);
    assert_eq!(pcapng.encode(), pcapng.encode());
    let other = Bulk { seed: 2, ..pcapng };
    assert_ne!(other.encode(), pcapng.encode());
}

#[test]
fn both_containers_hold_the_same_frames() {
    let pcap = Bulk {
        packets: 2_000,
        ..Bulk::default()
    };
    let read = |file: &[u8]| {
        let mut reader = Reader::new(file, "generated").expect("it is a capture");
        let mut frames = Vec::new();
        reader.read(|frame| frames.push((frame.time, frame.wire_length, frame.data.to_vec())));
        frames
    };
    let pcapng = Bulk {
        container: Container::Pcapng,
        ..pcap
    };
    assert_eq!(read(&pcap.encode()), read(&pcapng.encode()));
}

#[test]
fn lengths_and_checksums_are_valid() {
    for profile in Profile::ALL {
        let bulk = Bulk {
            profile,
            packets: 20_000,
            ..Bulk::default()
        };
        let mut protocols = BTreeSet::new();
        let mut longest = 0;
        for record in bulk.records() {
            assert_eq!(record.bytes.len(), record.wire_length as usize);
            longest = longest.max(record.bytes.len());
            let frame = SlicedPacket::from_ethernet(&record.bytes).expect("lengths add up");
            protocols.insert(check(&frame));
        }
        assert_eq!(longest, 1514, "{profile:?}");
        assert!(protocols.len() >= 4, "{profile:?}: {protocols:?}");
    }
}

/// Recalculates every checksum of a frame; returns whether it is IPv4, and its protocol.
fn check(frame: &SlicedPacket<'_>) -> (bool, u8) {
    let transport = frame.transport.as_ref().expect("a transport layer");
    let protocol = match transport {
        TransportSlice::Tcp(_) => IpNumber::TCP,
        TransportSlice::Udp(_) => IpNumber::UDP,
        TransportSlice::Icmpv4(_) => IpNumber::ICMP,
        TransportSlice::Icmpv6(_) | TransportSlice::Igmp(_) => panic!("not generated"),
    };
    match frame.net.as_ref().expect("a network layer") {
        NetSlice::Ipv4(packet) => {
            let header = packet.header().to_header();
            assert_eq!(header.header_checksum, header.calc_header_checksum());
            let (source, destination) = (header.source, header.destination);
            match transport {
                TransportSlice::Tcp(tcp) => {
                    let sum = tcp.calc_checksum_ipv4(source, destination);
                    assert_eq!(tcp.checksum(), sum.expect("short enough"));
                }
                TransportSlice::Udp(udp) => {
                    let header = udp.to_header();
                    let sum = header.calc_checksum_ipv4_raw(source, destination, udp.payload());
                    assert_eq!(udp.checksum(), sum.expect("short enough"));
                }
                TransportSlice::Icmpv4(icmp) => {
                    let sum = icmp.icmp_type().calc_checksum(icmp.payload());
                    assert_eq!(icmp.checksum(), sum);
                }
                TransportSlice::Icmpv6(_) | TransportSlice::Igmp(_) => panic!("not generated"),
            }
            (true, protocol.0)
        }
        NetSlice::Ipv6(packet) => {
            let header = packet.header().to_header();
            let (source, destination) = (header.source, header.destination);
            let TransportSlice::Tcp(tcp) = transport else {
                panic!("clients use TCP alone on IPv6");
            };
            let sum = tcp.calc_checksum_ipv6(source, destination);
            assert_eq!(tcp.checksum(), sum.expect("short enough"));
            (false, protocol.0)
        }
        NetSlice::Arp(_) => panic!("no ARP is generated"),
    }
}

#[test]
fn options_that_can_not_hold_are_refused() {
    let wrong = [
        Bulk {
            flows: Some(11),
            packets: 10,
            ..Bulk::default()
        },
        Bulk {
            flows: Some(0),
            ..Bulk::default()
        },
        Bulk {
            clients: 1,
            packets: 100_000,
            flows: Some(20_000),
            ..Bulk::default()
        },
        Bulk {
            clients: 0,
            ..Bulk::default()
        },
    ];
    for bulk in wrong {
        assert!(bulk.check().is_err(), "{bulk:?}");
    }
}
