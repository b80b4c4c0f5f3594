//! Boots whose packets are shuffled, repeated, dropped and cut.

use proptest::prelude::*;

use super::check::check;
use super::tests::{CLIENT, DHCP, MAC, PXE, discover, everybody, lease, nobody, proxy};
use crate::evidence::testing::{Packets, at};
use crate::evidence::{Boot, Evidence};
use crate::net::Endpoint;
use crate::payload::dhcp::{build::message, code};

/// What a packet is; each has its own wait before it, in milliseconds.
#[derive(Clone, Debug)]
struct Step {
    act: usize,
    wait: i64,
    transaction: u8,
}

type Packet = (Endpoint, Endpoint, Vec<u8>);

const OTHER: [u8; 6] = [0x52, 0x54, 0, 9, 9, 9];

/// Everything that may be sent: whole boots come out of it in any order.
fn packets_of(step: &Step) -> Vec<Packet> {
    let port = 2000 + u16::from(step.transaction);
    let mut asks = discover();
    let plain = message(1, &[(28, &MAC)], &[(code::MESSAGE_TYPE, &[1])]);
    let ipxe = message(
        1,
        &[(28, &MAC)],
        &[
            (code::MESSAGE_TYPE, &[1]),
            (code::ARCHITECTURE, &[0, 7]),
            (code::IPXE, &[1, 1, 1]),
        ],
    );
    let http = message(
        1,
        &[(28, &MAC)],
        &[
            (code::MESSAGE_TYPE, &[1]),
            (code::VENDOR_CLASS, b"HTTPClient:Arch:00016"),
        ],
    );
    let nak = message(2, &[(28, &MAC)], &[(code::MESSAGE_TYPE, &[6])]);
    let elsewhere = message(
        2,
        &[(28, &OTHER), (16, &[10, 0, 0, CLIENT])],
        &[(code::MESSAGE_TYPE, &[5])],
    );
    let to_all = everybody(68);
    let mut relayed = discover();
    relayed[24..28].copy_from_slice(&[10, 0, 0, 254]);
    let mut sent = match step.act {
        0 => vec![(nobody(), everybody(67), asks)],
        1 => vec![(at(DHCP, 67), to_all, lease(2))],
        2 => vec![(at(PXE, 67), to_all, proxy(2, b"boot"))],
        3 => vec![(at(DHCP, 67), to_all, lease(5))],
        4 => {
            asks[12..16].copy_from_slice(&[10, 0, 0, CLIENT]);
            asks[242] = 3;
            vec![(at(CLIENT, 4011), at(PXE, 4011), asks)]
        }
        5 => vec![(at(PXE, 4011), at(CLIENT, 68), proxy(5, b"boot"))],
        6 => vec![(nobody(), everybody(67), plain)],
        7 => vec![(nobody(), everybody(67), ipxe)],
        8 => vec![(nobody(), everybody(67), http)],
        9 => vec![(at(DHCP, 67), to_all, nak)],
        10 => vec![(at(DHCP, 67), to_all, elsewhere)],
        11 => vec![(at(254, 67), at(DHCP, 67), relayed)],
        12 => vec![(at(CLIENT, port), at(PXE, 69), b"\0\x01a\0octet\0".to_vec())],
        _ => vec![
            (at(CLIENT, port), at(PXE, 69), b"\0\x01b\0octet\0".to_vec()),
            (
                at(PXE, port + 1),
                at(CLIENT, port),
                b"\0\x03\0\x01abc".to_vec(),
            ),
            (
                at(CLIENT, port),
                at(PXE, port + 1),
                b"\0\x04\0\x01".to_vec(),
            ),
        ],
    };
    for (.., payload) in sent.iter_mut().filter(|(.., payload)| payload.len() > 200) {
        payload[7] = step.transaction;
    }
    sent
}

/// No sum of waits comes near a time that the tracker looks at, but for the last.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let waits = prop::sample::select(&[0, 0, 100, 100, 6_000, 400_000][..]);
    let step = (0_usize..14, waits, 1_u8..4).prop_map(|(act, wait, transaction)| Step {
        act,
        wait,
        transaction,
    });
    prop::collection::vec(step, 0..30)
}

fn collect(packets: &Packets) -> Evidence {
    let log: Vec<_> = packets.log().collect();
    let evidence = Evidence::collect(packets.log(), &packets.end());
    check(&evidence, &log);
    evidence
}

/// A boot without its times.
fn told(boot: &Boot) -> impl PartialEq + std::fmt::Debug + use<> {
    let steps = boot.steps.iter().map(|step| step.kind);
    let questions = boot.questions.iter();
    let answers = boot.answers.iter();
    (
        boot.client_mac,
        boot.client_addresses.clone(),
        (boot.http, boot.ipxe, boot.architecture),
        (boot.boot_server, boot.boot_file.clone()),
        steps.collect::<Vec<_>>(),
        questions
            .map(|question| (question.kind, question.server, question.round))
            .collect::<Vec<_>>(),
        answers
            .map(|answer| (answer.kind, answer.server, answer.round))
            .collect::<Vec<_>>(),
        (boot.relays.clone(), boot.reads.clone()),
    )
}

proptest! {
    #[test]
    fn what_no_packet_shows_is_not_told(
        steps in steps().prop_shuffle(),
        cuts in prop::collection::vec(prop::option::weighted(0.3, 0_usize..400), 90),
        dropped in prop::collection::vec(prop::bool::weighted(0.2), 90),
    ) {
        let mut packets = Packets::default();
        let mut changes = cuts.iter().zip(dropped);
        for step in &steps {
            packets.wait(step.wait);
            for (from, to, payload) in packets_of(step) {
                let (cut, dropped) = changes.next().expect("three a step");
                if dropped {
                    continue;
                }
                let end = cut.unwrap_or(payload.len()).min(payload.len());
                packets.udp_cut(from, to, &payload[..end], payload.len() as u32);
            }
        }
        collect(&packets);
    }

    #[test]
    fn a_packet_seen_again_changes_nothing(
        steps in steps(),
        again in prop::collection::vec(0_usize..3, 90),
    ) {
        let (mut once, mut often) = (Packets::default(), Packets::default());
        let mut again = again.iter();
        for step in &steps {
            once.wait(step.wait);
            often.wait(step.wait);
            for (from, to, payload) in packets_of(step) {
                once.udp(from, to, &payload);
                for _ in 0..=*again.next().expect("three a step") {
                    often.udp(from, to, &payload);
                }
            }
        }
        let (once, often) = (collect(&once), collect(&often));
        let tell = |evidence: &Evidence| evidence.pxe.iter().map(told).collect::<Vec<_>>();
        prop_assert_eq!(tell(&once), tell(&often));
    }
}
