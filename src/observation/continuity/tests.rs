//! What counts as a gap and as a duplicate, and that pieces say what the whole does.

use std::net::IpAddr;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{Continuity, Directions};
use crate::decode::{Packet, TcpFlags, Transport};
use crate::net::Timestamp;

const ACK: u8 = TcpFlags::ACK;

/// A packet, its time in microseconds.
#[derive(Clone, Copy, Debug)]
struct Sent {
    time_us: i64,
    flow: u16,
    identification: u16,
    checksum: u16,
    transport: Of,
}

#[derive(Clone, Copy, Debug)]
enum Of {
    Tcp {
        sequence: u32,
        flags: u8,
        length: u32,
    },
    Udp {
        length: u32,
    },
}

impl Sent {
    fn packet(&self) -> Packet<'static> {
        let (source_port, destination_port) = (self.flow, 80);
        let checksum = Some(self.checksum);
        Packet {
            source: IpAddr::from([10, 0, 0, 1]),
            destination: IpAddr::from([10, 0, 0, 2]),
            ttl: 64,
            identification: self.identification,
            vlan: None,
            fragment: None,
            transport: match self.transport {
                Of::Tcp {
                    sequence,
                    flags,
                    length,
                } => Transport::Tcp {
                    source_port,
                    destination_port,
                    sequence,
                    acknowledgment: 0,
                    flags: TcpFlags(flags),
                    checksum,
                    payload: &[],
                    payload_length: length,
                },
                Of::Udp { length } => Transport::Udp {
                    source_port,
                    destination_port,
                    checksum,
                    payload: &[],
                    payload_length: length,
                },
            },
        }
    }
}

fn add(directions: &mut Directions, sent: &[Sent]) {
    for sent in sent {
        directions.add(Timestamp(sent.time_us * 1000), &sent.packet());
    }
}

fn continuity(sent: &[Sent]) -> Continuity {
    let mut directions = Directions::new(true);
    add(&mut directions, sent);
    directions.continuity()
}

/// The same, read in pieces that begin at the cuts.
fn in_pieces(sent: &[Sent], cuts: &[Index]) -> Continuity {
    let mut bounds: Vec<usize> = cuts.iter().map(|cut| cut.index(sent.len() + 1)).collect();
    bounds.extend([0, sent.len()]);
    bounds.sort_unstable();
    let mut pieces = bounds.windows(2).enumerate().map(|(piece, bound)| {
        let mut directions = Directions::new(piece == 0);
        add(&mut directions, &sent[bound[0]..bound[1]]);
        directions
    });
    let mut whole = pieces.next().expect("a first piece");
    pieces.for_each(|piece| whole.append(piece));
    whole.continuity()
}

/// Segments of one direction a second apart, each with an identification and checksum of its own.
fn segments(of: &[(u32, u8, u32)]) -> Vec<Sent> {
    let numbered = of.iter().enumerate();
    numbered
        .map(|(number, &(sequence, flags, length))| Sent {
            time_us: number as i64 * 1_000_000,
            flow: 5000,
            identification: number as u16 | 1,
            checksum: (number as u16).wrapping_mul(7) | 1,
            transport: Of::Tcp {
                sequence,
                flags,
                length,
            },
        })
        .collect()
}

fn gaps(of: &[(u32, u8, u32)]) -> u64 {
    let continuity = continuity(&segments(of));
    assert_eq!((continuity.duplicates, continuity.beyond), (0, 0));
    assert_eq!(continuity.followed, of.len() as u64);
    continuity.sequence_gaps
}

#[test]
fn a_segment_that_is_missing_is_one_gap() {
    const SYN: u8 = TcpFlags::SYN;
    const FIN: u8 = TcpFlags::FIN | ACK;
    let connection = [
        (99, SYN, 0),
        (100, ACK, 0),
        (100, ACK, 50),
        (150, ACK, 50),
        (200, ACK, 50),
        (250, FIN, 0),
        (251, ACK, 0),
    ];
    assert_eq!(gaps(&connection), 0);
    for missing in 0..connection.len() {
        let mut rest = connection.to_vec();
        let (_, flags, length) = rest.remove(missing);
        // Without the SYN nothing says what came before; an acknowledgment takes no number.
        let leaves = u64::from(flags != SYN && (length > 0 || flags == FIN));
        assert_eq!(gaps(&rest), leaves, "without {missing}");
    }
    // Numbers come round, and a SYN may carry payload.
    let round = u32::MAX - 49;
    assert_eq!(
        gaps(&[(round - 20, SYN, 19), (round, ACK, 50), (0, ACK, 9)]),
        0
    );
    assert_eq!(gaps(&[(round, ACK, 50), (1, ACK, 9)]), 1);
}

#[test]
fn what_only_comes_again_or_out_of_order_is_no_gap() {
    let all = [(0, ACK, 10), (10, ACK, 10), (20, ACK, 10), (30, ACK, 10)];
    let [one, two, three, four] = all;
    assert_eq!(gaps(&[one, two, three, two, three, four]), 0);
    assert_eq!(gaps(&[one, two, three, two, four]), 0);
    // As in Wireshark, a packet that overtook another shows a gap until the other comes.
    assert_eq!(gaps(&[one, three, two, four]), 1);
    // Keep-alives, with and without their byte, however many.
    let alive = [(19, ACK, 0), (19, ACK, 1)].repeat(20);
    assert_eq!(gaps(&[&[one, two], &alive[..], &[three]].concat()), 0);
    // Another segment size on the second try.
    assert_eq!(
        gaps(&[one, (10, ACK, 20), (10, ACK, 10), (20, ACK, 10), four]),
        0
    );
}

#[test]
fn another_connection_begins_anew() {
    let syn = (7_000_000, TcpFlags::SYN, 0);
    let reset = (9000, TcpFlags::RST | ACK, 0);
    let data = (0, ACK, 10);
    assert_eq!(gaps(&[data, syn, (7_000_001, ACK, 10)]), 0);
    assert_eq!(gaps(&[data, syn, (7_000_011, ACK, 10)]), 1);
    assert_eq!(gaps(&[data, reset, (9500, ACK, 10)]), 0);
    assert_eq!(gaps(&[data, ((1 << 30) + 9, ACK, 10)]), 1);
    assert_eq!(gaps(&[data, ((1 << 30) + 10, ACK, 10)]), 0);
}

/// A packet, then the same again after so many microseconds, changed by `change`.
fn again(first: Sent, after_us: i64, change: impl Fn(&mut Sent)) -> u64 {
    let mut second = Sent {
        time_us: first.time_us + after_us,
        ..first
    };
    change(&mut second);
    let continuity = continuity(&[first, second]);
    assert_eq!((continuity.sequence_gaps, continuity.followed), (0, 2));
    continuity.duplicates
}

#[test]
fn a_copy_is_told_from_what_its_sender_repeats() {
    let segment = segments(&[(5, ACK, 10)])[0];
    let datagram = Sent {
        transport: Of::Udp { length: 10 },
        ..segment
    };
    for packet in [segment, datagram] {
        assert_eq!(again(packet, 3, |_| {}), 1);
        // Interfaces have clocks of their own.
        assert_eq!(again(packet, -3, |_| {}), 1);
        assert_eq!(again(packet, 900, |_| {}), 1);
        assert_eq!(again(packet, 2000, |_| {}), 0);
        assert_eq!(again(packet, 3, |again| again.identification += 1), 0);
        assert_eq!(again(packet, 3, |again| again.checksum += 1), 0);
        assert_eq!(again(packet, 3, |again| again.flow += 1), 0);
    }
    // Checksums left to the network card may be all the same.
    assert_eq!(
        again(segment, 3, |again| again.transport =
            segments(&[(15, ACK, 10)])[0].transport),
        0
    );
    assert_eq!(
        again(datagram, 3, |again| again.transport =
            Of::Udp { length: 11 }),
        0
    );
    // Without an identification only a segment says which one it is.
    let nameless = |packet: Sent| Sent {
        identification: 0,
        ..packet
    };
    assert_eq!(again(nameless(segment), 3, |_| {}), 1);
    assert_eq!(again(nameless(datagram), 3, |_| {}), 0);
    assert_eq!(again(nameless(segments(&[(5, ACK, 0)])[0]), 3, |_| {}), 0);
    // Without a checksum nothing says what is in a datagram.
    let unchecked = Sent {
        checksum: 0,
        ..datagram
    };
    assert_eq!(again(unchecked, 3, |_| {}), 0);
}

#[test]
fn every_copy_counts_but_the_first() {
    let all: Vec<Sent> = segments(&[(0, ACK, 10), (10, ACK, 10), (20, ACK, 10)]);
    let thrice: Vec<Sent> = all.iter().flat_map(|sent| [*sent; 3]).collect();
    assert_eq!(continuity(&thrice).duplicates, 6);
    // A burst comes before the copies of its packets.
    let burst = all.iter().map(|sent| Sent {
        time_us: 0,
        ..*sent
    });
    let twice: Vec<Sent> = burst.clone().chain(burst).collect();
    let both = continuity(&twice);
    assert_eq!((both.duplicates, both.sequence_gaps), (3, 0));
}

#[test]
fn packets_without_a_time_have_no_copies() {
    let mut directions = Directions::new(true);
    let packet = segments(&[(0, ACK, 10)])[0].packet();
    for _ in 0..2 {
        directions.add(Timestamp::UNKNOWN, &packet);
    }
    let continuity = directions.continuity();
    assert_eq!((continuity.duplicates, continuity.followed), (0, 2));
}

#[test]
fn the_sample_is_the_same_on_every_machine() {
    // Another value means another format of part files, as they hold what came of the sample.
    let ends = |text: &str| text.parse().expect("an address");
    let v4 = [ends("10.0.0.1"), ends("10.0.0.2")];
    let v6 = [ends("2001:db8::1"), ends("2001:db8::2")];
    assert_eq!(super::hash(v4, [5000, 80], 6), V4_HASH);
    assert_eq!(super::hash(v6, [5000, 80], 6), V6_HASH);
}

const V4_HASH: u64 = 10_203_837_756_323_075_533;
const V6_HASH: u64 = 8_537_083_220_406_300_729;

/// A packet of one of a few flows, mostly with what it could be mistaken by.
fn sent() -> impl Strategy<Value = Sent> {
    let flags = prop_oneof![
        8 => Just(ACK),
        1 => Just(TcpFlags::SYN),
        1 => Just(TcpFlags::FIN | ACK),
        1 => Just(TcpFlags::RST),
    ];
    let tcp = (0..12_u32, flags, 0..3_u32).prop_map(|(sequence, flags, length)| Of::Tcp {
        sequence: sequence.wrapping_sub(6),
        flags,
        length,
    });
    let transport = prop_oneof![4 => tcp, 1 => (0..2_u32).prop_map(|length| Of::Udp { length })];
    (0..3_i64, 0..3_u16, 0..2_u16, 0..2_u16, transport).prop_map(
        |(time, flow, identification, checksum, transport)| Sent {
            time_us: time * 900,
            flow,
            identification,
            checksum,
            transport,
        },
    )
}

proptest! {
    #[test]
    fn pieces_say_what_the_whole_says(
        sent in vec(sent(), 0..150),
        cuts in vec(any::<Index>(), 0..20),
    ) {
        prop_assert_eq!(in_pieces(&sent, &cuts), continuity(&sent));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// More directions than are followed, in every order.
    #[test]
    fn the_sample_does_not_depend_on_pieces(
        step in 1..40_000_usize,
        cuts in vec(any::<Index>(), 0..6),
    ) {
        const FLOWS: usize = 3 * Directions::LIMIT;
        let mut all = Vec::with_capacity(3 * FLOWS);
        for number in 0..3 * FLOWS {
            // 40,009 is a prime, so that flows come in another order for each step.
            let flow = number * step % 40_009 % FLOWS;
            // Two numbers on for one byte: whatever the step, something is missing.
            let [packet] = segments(&[(number as u32 / 7 * 2, ACK, 1)])[..] else {
                panic!("not one packet");
            };
            all.push(Sent { flow: flow as u16, ..packet });
        }
        let alone = continuity(&all);
        prop_assert!(alone.beyond > 0 && alone.sequence_gaps > 0);
        prop_assert!(alone.followed + alone.beyond == all.len() as u64);
        prop_assert_eq!(in_pieces(&all, &cuts), alone);
    }
}
