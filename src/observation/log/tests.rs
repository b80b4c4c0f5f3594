//! Logs by hand: kept, cut, merged and read.

use super::flows::{ENTRY_BYTES, MAX_BYTES_PER_FLOW, most_of_flow};
use super::*;
use crate::decode::TcpFlags;
use crate::net::{Endpoint, Protocol, Timestamp};

const BOUND: u64 = MAX_BYTES_PER_FLOW as u64;

fn udp(from: u16, to: u16) -> FiveTuple {
    FiveTuple {
        protocol: Protocol::Udp,
        source: Endpoint::new([10, 0, 0, 1].into(), from),
        destination: Endpoint::new([10, 0, 0, 2].into(), to),
    }
}

fn run(kind: TftpRunKind, block: u16, block_length: u16) -> LogKind<'static> {
    LogKind::TftpRun(TftpRun {
        kind,
        first_block: block,
        advance: 0,
        count: 1,
        block_length,
        last: Timestamp(0),
    })
}

fn data(block: u16, length: u16) -> LogKind<'static> {
    run(TftpRunKind::Data, block, length)
}

fn ack(block: u16) -> LogKind<'static> {
    run(TftpRunKind::Ack, block, 0)
}

fn datagram(payload: &[u8]) -> LogKind<'_> {
    LogKind::Datagram {
        payload,
        length: payload.len() as u32,
    }
}

/// A packet: capture, time, flow, what is kept. Frames count from 1 on.
type Packet<'a> = (i64, FiveTuple, LogKind<'a>);

/// A piece of a capture whose frames before it are `before`.
fn piece(capture: usize, before: u64, packets: &[Packet<'_>]) -> Log {
    let mut log = Log::default();
    for (index, (time, five_tuple, kind)) in packets.iter().enumerate() {
        let at = Position::new(Timestamp(*time), capture, before + index as u64 + 1);
        log.add(at, five_tuple, at_time(*kind, *time));
    }
    log
}

fn at_time(mut kind: LogKind<'_>, time: i64) -> LogKind<'_> {
    if let LogKind::TftpRun(run) = &mut kind {
        run.last = Timestamp(time);
    }
    kind
}

fn log(packets: &[Packet<'_>]) -> Log {
    piece(0, 0, packets)
}

/// What a log says in the end, in words: numbers of flows differ.
fn said(mut log: Log) -> (Vec<String>, u64, u64) {
    log.settle();
    let dropped = (log.dropped, log.dropped_of_flow);
    let entries = log.ordered();
    let entries = entries
        .iter()
        .map(|entry| format!("{:?} {:?} {:?}", entry.at, entry.five_tuple, entry.kind));
    (entries.collect(), dropped.0, dropped.1)
}

fn runs(mut log: Log) -> Vec<(u16, u32, u32)> {
    log.settle();
    let entries = log.ordered();
    let run = |entry: LogEntry<'_>| match entry.kind {
        LogKind::TftpRun(run) => (run.first_block, run.advance, run.count),
        _ => panic!("no run"),
    };
    entries.iter().map(run).collect()
}

/// Pieces of these packets, cut before each of `cuts`.
fn pieces(packets: &[Packet<'_>], cuts: &[usize]) -> Vec<Log> {
    let mut bounds = vec![0];
    bounds.extend(cuts);
    bounds.push(packets.len());
    bounds.sort_unstable();
    let bounds = bounds.windows(2);
    bounds
        .map(|bound| piece(0, bound[0] as u64, &packets[bound[0]..bound[1]]))
        .collect()
}

fn merged(logs: impl IntoIterator<Item = Log>) -> Log {
    let both = |mut one: Log, two| {
        one.merge(two);
        one
    };
    logs.into_iter().reduce(both).expect("a log")
}

#[test]
fn entries_come_back_as_they_went_in() {
    let payload: Vec<u8> = (0..=u8::MAX).collect();
    let segment = |sequence, length| LogKind::Segment {
        sequence,
        flags: TcpFlags(0x12),
        payload: &payload,
        length,
    };
    let long = vec![7; 65_535];
    // Far apart in time and length, and back in time, so that words are too small for some.
    let packets = [
        (5, udp(68, 67), datagram(&payload)),
        (i64::MAX, udp(67, 68), datagram(&long)),
        (i64::MIN, udp(1, 135), datagram(&[])),
        (6, udp(3000, 2000), data(65_535, 65_464)),
        (1 << 43, udp(2000, 3000), ack(1)),
        (7, udp(135, 9), segment(u32::MAX, 70_000)),
        (8, udp(9, 135), segment(0, 256)),
    ];
    let log = log(&packets);
    let mut expected: Vec<_> = packets
        .iter()
        .enumerate()
        .map(|(index, (time, five_tuple, kind))| {
            let at = Position::new(Timestamp(*time), 0, index as u64 + 1);
            (at, *five_tuple, at_time(*kind, *time))
        })
        .collect();
    let entries: Vec<_> = log
        .entries()
        .map(|(at, key, side, kind)| (at, key.five_tuple(side), kind))
        .collect();
    assert_eq!(entries, expected);
    expected.sort_by_key(|(at, ..)| *at);
    let ordered = log.clone().ordered();
    let entries: Vec<_> = ordered
        .iter()
        .map(|entry| (entry.at, entry.five_tuple, entry.kind))
        .collect();
    assert_eq!(entries, expected);
}

#[test]
fn many_entries_take_little_more_than_their_payload() {
    let payload = [5; 40];
    let packets: Vec<_> = (0..100_000)
        .map(|time| (time * 1000, udp(1, 135), datagram(&payload)))
        .collect();
    let log = log(&packets);
    let used = (40 + 16) * kept(&log);
    let taken: usize = log.chunks.iter().map(|(chunk, _)| chunk.memory()).sum();
    assert_eq!(log.bytes, taken + Flows::BYTES);
    assert!((used..used + (1 << 19)).contains(&taken), "{taken}");
}

fn kept(log: &Log) -> usize {
    log.entries().count()
}

#[test]
fn blocks_are_run_length_coded() {
    let mut packets: Vec<_> = (0..70_000)
        .map(|n| (n, udp(2000, 3000), data(n as u16, 512)))
        .collect();
    packets.push((70_000, udp(2000, 3000), data(70_000_u64 as u16, 100)));
    let log = log(&packets);
    assert_eq!(log.chunks.len(), 1);
    assert_eq!(runs(log), [(0, 69_999, 70_000), (70_000_u64 as u16, 0, 1)]);
}

#[test]
fn windows_are_acknowledged_in_one_run_and_late_repeats_are_not() {
    const SECOND: i64 = 1_000_000_000;
    let acks = [(0, 4), (1, 8), (2, 12), (SECOND, 12), (SECOND + 1, 16)];
    let acks = acks.map(|(time, block)| (time, udp(2000, 3000), ack(block)));
    assert_eq!(runs(log(&acks)), [(4, 8, 3), (12, 4, 2)]);
}

#[test]
fn a_mirror_port_that_shows_packets_twice_makes_no_more_runs() {
    let mut packets = Vec::new();
    for n in 0..70_000_i64 {
        for (copy, late) in [(0, 0), (1, 30_000)] {
            let time = n * 1_000_000 + late;
            packets.push((time, udp(2000, 3000), data(n as u16, 512)));
            packets.push((time + 100 + copy, udp(3000, 2000), ack(n as u16)));
        }
    }
    assert_eq!(runs(log(&packets)), [(0, 69_999, 140_000); 2]);
}

#[test]
fn a_cut_between_any_two_packets_changes_nothing() {
    for apart in [1, 4_000_000, 20_000_000] {
        cut_between_any_two_packets(apart);
    }
}

/// With so many nanoseconds between two packets: some repetitions are near, others far.
fn cut_between_any_two_packets(apart: i64) {
    let numbers = [1, 2, 3, 3, 4, 5, 9, 10, 10, 11, 11, 11];
    let packets: Vec<_> = numbers
        .iter()
        .enumerate()
        .map(|(n, block)| {
            let kind = if n % 3 == 0 {
                ack(*block)
            } else {
                data(*block, 512)
            };
            (n as i64 * apart, udp(2000, 3000), kind)
        })
        .collect();
    let whole = said(log(&packets));
    for one in 0..=packets.len() {
        for two in one..=packets.len() {
            let [a, b, c] = &pieces(&packets, &[one, two])[..] else {
                panic!("three pieces")
            };
            for order in [[a, b, c], [c, a, b], [b, c, a], [c, b, a]] {
                assert_eq!(said(merged(order.map(Clone::clone))), whole);
            }
        }
    }
}

#[test]
fn what_is_kept_at_the_bound_of_a_flow_is_the_same_wherever_it_is_cut() {
    let payload = vec![1; 60_000];
    let tuple = udp(2000, 3000);
    // Datagrams up to just below the bound, and runs that reach it and go on past it.
    let mut packets = vec![(0, tuple, datagram(&payload)); 69];
    packets.extend((0..300).map(|n| (1, tuple, data(n * 7, 512))));
    packets.push((1, tuple, datagram(&payload)));
    packets.extend((0..20).map(|n| (2, tuple, data(2100 + n - 6, 512))));
    packets.extend((0..20).map(|n| (3, tuple.reversed(), ack(n))));
    packets.push((4, tuple, data(0, 1)));
    packets.push((4, tuple, datagram(&[])));
    let whole = said(log(&packets));
    assert!(whole.0.len() < packets.len() && whole.1 == 0 && whole.2 > 0);
    for cut in [1, 68, 70, 360, 371, 390, packets.len()] {
        for further in [0, 31] {
            let cuts = [cut, (cut + further).min(packets.len())];
            let mut logs = pieces(&packets, &cuts);
            assert_eq!(said(merged(logs.clone())), whole, "{cuts:?}");
            logs.rotate_left(1);
            assert_eq!(said(merged(logs)), whole, "{cuts:?}");
        }
    }
}

#[test]
fn a_flood_of_runs_is_bounded_wherever_it_is_cut() {
    let tuple = udp(2000, 3000);
    let packets: Vec<_> = (0..66_000)
        .map(|n| (n, tuple, data((n * 2) as u16, 512)))
        .collect();
    let whole = said(log(&packets));
    assert_eq!(whole.0.len() as u64, BOUND / u64::from(ENTRY_BYTES));
    assert_eq!(whole.2, 66_000 - whole.0.len() as u64);
    for cut in [1, 400, 33_000, 65_535, 65_536, 65_537, 65_999] {
        let mut logs = pieces(&packets, &[cut]);
        logs.reverse();
        assert_eq!(said(merged(logs)), whole, "{cut}");
    }
}

#[test]
fn clients_that_share_a_flow_are_not_cut_off() {
    let payload = [0; 548];
    let flow_log = |from: u16, to: u16| {
        let packets: Vec<_> = (0..10_000)
            .map(|time| (time, udp(from, to), datagram(&payload)))
            .collect();
        said(log(&packets))
    };
    assert_eq!(most_of_flow(&FlowKey::new(&udp(68, 67)).0), 256 << 20);
    let (entries, dropped, dropped_of_flow) = flow_log(68, 67);
    assert_eq!((entries.len(), dropped, dropped_of_flow), (10_000, 0, 0));
    let (entries, dropped, dropped_of_flow) = flow_log(2000, 69);
    let bound = BOUND / (u64::from(ENTRY_BYTES) + 548);
    assert_eq!(
        (entries.len() as u64, dropped, dropped_of_flow),
        (bound, 0, 10_000 - bound)
    );
}

#[test]
fn a_full_log_does_not_grow_by_flows() {
    let mut log = Log {
        bytes: MAX_BYTES,
        ..Log::default()
    };
    for port in 1..=10 {
        let at = Position::new(Timestamp(0), 0, u64::from(port));
        log.add(at, &udp(port, 3000), data(1, 512));
    }
    assert_eq!((log.flows.len(), log.dropped), (0, 10));
}

#[test]
fn a_merge_keeps_the_bound_of_all_flows() {
    let payload = [0; 1000];
    let packets = |port: u16| -> Vec<_> {
        (0..2000)
            .map(|time| (time, udp(port, 3000), datagram(&payload)))
            .collect()
    };
    let mut one = log(&[packets(1), packets(3)[..1].to_vec()].concat());
    let two = piece(1, 0, &[packets(1), packets(2)].concat());
    // As if the first log had nearly all of the bound.
    let other = MAX_BYTES - one.bytes - 1_000_000;
    one.bytes += other;
    one.merge(two);
    assert!(one.bytes <= MAX_BYTES);
    let kept = kept(&one);
    assert_eq!(kept as u64 + one.dropped, 6001);
    assert!((2000..3000).contains(&kept), "{kept}");
}

#[test]
fn captures_of_one_time_are_read_in_time_order() {
    let tuple = udp(2000, 69);
    // Every other packet of a capture goes back in time.
    let capture = |capture| {
        let time = |n: i64| n * 10 + if n % 2 == 0 { 25 } else { 0 } + capture as i64;
        let packets: Vec<_> = (0..20_000)
            .map(|n| (time(n), tuple, datagram(&[1, 2, 3])))
            .collect();
        piece(capture, 0, &packets)
    };
    let log = merged([capture(2), capture(0), capture(1)]);
    let ordered = log.ordered();
    let positions: Vec<_> = ordered.iter().map(|entry| entry.at).collect();
    assert_eq!(positions.len(), 60_000);
    assert!(positions.is_sorted());
}

#[test]
fn entries_go_where_their_pieces_go() {
    let tuple = udp(2000, 69);
    let packets: Vec<_> = (0..1000).map(|n| (n, tuple, datagram(b"x"))).collect();
    let places = |new: &dyn Fn(u64) -> u64| -> Vec<_> {
        let mut log = log(&packets);
        log.renumber(|at| Position::new(at.time, 3, new(at.frame())));
        let ordered = log.ordered();
        let of = |entry: LogEntry<'_>| (entry.at.capture(), entry.at.frame());
        ordered.iter().map(of).collect()
    };
    let further: Vec<_> = (1..=1000).map(|frame| (3, frame + 500)).collect();
    assert_eq!(places(&|frame| frame + 500), further);
    // Two pieces in one chunk that move apart, beyond what its words hold.
    let border = |frame| {
        if frame > 600 {
            frame + (1 << 30)
        } else {
            frame
        }
    };
    let apart: Vec<_> = (1..=1000).map(|frame| (3, border(frame))).collect();
    assert_eq!(places(&border), apart);
}

#[test]
fn a_part_that_was_written_and_read_back_is_the_same() {
    let payload = [3; 300];
    let mut packets = vec![];
    for n in 0..200_u16 {
        packets.push((i64::from(n), udp(2000, 3000), data(n / 3, 512)));
        packets.push((
            i64::from(n),
            udp(68, 67),
            datagram(&payload[usize::from(n)..]),
        ));
    }
    let [a, b, c] = &pieces(&packets, &[77, 301])[..] else {
        panic!("three pieces")
    };
    let part = merged([b.clone(), a.clone()]);
    let mut again = Log::default();
    for (at, key, side, kind) in part.entries() {
        again.restore(at, key, side, kind);
    }
    assert_eq!(said(merged([again, c.clone()])), said(log(&packets)));
}
