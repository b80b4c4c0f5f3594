//! In a steady state no packet costs an allocation, and a capture that goes on for ever takes no
//! more and more memory. A test binary of its own, with one test, as every allocation of the process
//! is counted.

#[path = "support/mod.rs"]
mod support;

use std::alloc::System;
use std::time::Duration;

use portolan::capture::{Batch, Frame, LinkType, Reader};
use portolan::net::Timestamp;
use portolan::observation::{Part, Piece, Window};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use support::build::{Bulk, Link, Pcap, Pcapng, Profile, Record, Recording, Tftp, at};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Packets that are counted, and the most allocations that they may cost together. Some begin a
/// TFTP transfer or open a connection again, and what is kept of those grows by chunks.
const PACKETS: u64 = 100_000;
const MOST_ALLOCATIONS: usize = 16;

#[test]
fn memory_is_as_bounded_as_it_is_said_to_be() {
    a_steady_state_allocates_nothing_per_packet();
    a_capture_without_end_takes_no_more_and_more_memory();
}

/// Flows that begin, each with a packet of its own; so many in a second.
const FLOWS: u32 = 4_000_000;
const FLOWS_PER_SECOND: u32 = 1_000;

/// Memory grows with the flows of a minute, and the pairs of hosts.
fn a_capture_without_end_takes_no_more_and_more_memory() {
    const MOST_MORE: usize = 1 << 20;
    const MOST: usize = 32 << 20;
    let before = ALLOCATOR.stats();
    let taken = || {
        let change = ALLOCATOR.stats() - before;
        change
            .bytes_allocated
            .wrapping_sub(change.bytes_deallocated)
    };
    let mut collector = live();
    let mut whole = Part::default();
    let mut at_half = 0;
    for flow in 0..FLOWS {
        let time = Timestamp(
            1_700_000_000_000_000_000
                + i64::from(flow) * 1_000_000_000 / i64::from(FLOWS_PER_SECOND),
        );
        let packet = syn(flow);
        collector.add_one(&Frame {
            number: u64::from(flow) + 1,
            time,
            link_type: LinkType(101),
            wire_length: packet.len() as u32,
            data: &packet,
        });
        if flow % 50 == 0 {
            // A request that nobody answers, of which the log keeps all.
            let packet = request(flow);
            collector.add_one(&Frame {
                number: u64::from(flow) + 1,
                time,
                link_type: LinkType(101),
                wire_length: packet.len() as u32,
                data: &packet,
            });
        }
        if flow % 250 == 249 {
            whole.append(collector.take_slice());
        }
        if flow % 10_000 == 9_999 {
            let minute = Duration::from_secs(60);
            let before = Timestamp(time.0 - minute.as_nanos() as i64);
            whole.retire(time, minute, &|_| false);
            whole.retire_log(|entry| entry.at.time >= before);
        }
        if flow == FLOWS / 4 * 3 {
            at_half = taken();
        }
    }
    let at_end = taken();
    assert_eq!(whole.packets(), u64::from(FLOWS + FLOWS / 50));
    assert!(
        at_end < at_half + MOST_MORE,
        "{at_half}, then {at_end} bytes"
    );
    assert!(at_end < MOST, "{at_end} bytes");
}

fn live() -> Part {
    let piece = Piece {
        source: "eth0".to_owned(),
        format: None,
        compression: None,
        first: Timestamp::MAX,
        offset: 0,
    };
    Part::new(piece, Window::default(), usize::MAX)
}

/// A SYN without link layer, of another flow each: 100 clients, 4 servers, and port by port.
fn syn(flow: u32) -> [u8; 40] {
    let mut packet = [0; 40];
    packet[0] = 0x45;
    packet[3] = 40;
    packet[8] = 64;
    packet[9] = 6;
    packet[12..16].copy_from_slice(&[10, 1, 0, (flow % 100) as u8]);
    packet[16..20].copy_from_slice(&[10, 0, 0, (flow / 100 % 4) as u8]);
    let port = 1024 + (flow / 400 % 60_000) as u16;
    packet[20..22].copy_from_slice(&port.to_be_bytes());
    packet[22..24].copy_from_slice(&443_u16.to_be_bytes());
    packet[32] = 0x50;
    packet[33] = 2;
    packet
}

/// A read request without link layer: few clients, and port by port.
fn request(flow: u32) -> Vec<u8> {
    let mut packet = syn(flow)[..20].to_vec();
    let payload = b"\0\x01boot\0octet\0";
    let length = 8 + payload.len() as u16;
    packet[3] = 20 + length as u8;
    packet[9] = 17;
    packet[16..20].copy_from_slice(&[10, 0, 0, 12]);
    let port = 1024 + (flow / 50 % 60_000) as u16;
    for word in [port, 69, length, 0] {
        packet.extend(word.to_be_bytes());
    }
    packet.extend(payload);
    packet
}

fn a_steady_state_allocates_nothing_per_packet() {
    let site = known_flows(Profile::Site, 500);
    let scan = known_flows(Profile::Scan, PACKETS / 2);
    let cases = [
        ("a site, pcap", Pcap::default().encode(&site)),
        ("a site, pcapng", Pcapng::encode(&site)),
        ("a scan", Pcap::default().encode(&scan)),
        ("TFTP transfers", Pcap::default().encode(&transfers())),
    ];
    for (name, file) in cases {
        let (packets, allocations) = second_half(&file);
        assert!(packets >= PACKETS / 2, "{name}: {packets} packets");
        let per_packets = allocations * PACKETS as usize / packets as usize;
        assert!(
            per_packets <= MOST_ALLOCATIONS,
            "{name}: {allocations} allocations for {packets} packets"
        );
    }
}

/// Reads a capture into a part; returns the packets of its second half, and how often memory was
/// asked for while they were read.
fn second_half(file: &[u8]) -> (u64, usize) {
    let mut all = 0;
    reader(file).read(|_| all += 1);
    let piece = Piece {
        source: "counted".to_owned(),
        format: Some("pcap"),
        compression: None,
        first: Timestamp::MAX,
        offset: 0,
    };
    let mut part = Part::new(piece, Window::default(), usize::MAX);
    let mut reader = reader(file);
    let (mut packets, mut before) = (0, None);
    loop {
        let batch = reader.read_batch(|frames| {
            if frames[0].number > all / 2 {
                before.get_or_insert_with(|| ALLOCATOR.stats());
                packets += frames.len() as u64;
            }
            part.add(frames);
        });
        if batch == Batch::End {
            break;
        }
    }
    let change = ALLOCATOR.stats() - before.expect("a second half");
    (packets, change.allocations + change.reallocations)
}

fn reader(file: &[u8]) -> Reader<&[u8]> {
    Reader::new(file, "counted").expect("it is a capture")
}

/// A capture twice over: its second half has no flow that the first has not.
fn known_flows(profile: Profile, flows: u64) -> Vec<Record> {
    let mut records = Bulk {
        profile,
        packets: PACKETS,
        flows: Some(flows),
        ..Bulk::default()
    }
    .records();
    let last = records.last().map_or(0, |record| record.time_ns);
    let duration = last - records[0].time_ns;
    let again: Vec<Record> = records
        .iter()
        .map(|record| Record {
            time_ns: record.time_ns + duration,
            ..record.clone()
        })
        .collect();
    records.extend(again);
    records
}

/// Transfers that run from the first packets to the last, all at the same time.
fn transfers() -> Vec<Record> {
    let mut recording = Recording::new(Link::Ethernet);
    for number in 1..=20_u8 {
        let mut lane = Recording::new(Link::Ethernet);
        lane.now_ns += i64::from(number) * 1_000;
        let client = at(&format!("10.1.0.{number}:2070"));
        let blksize = [("blksize", "512")];
        Tftp {
            asked: &blksize,
            granted: &blksize,
            ..Tftp::new(client, at("10.0.0.12:69"), "boot.wim", 1_300_000)
        }
        .run(&mut lane);
        recording.records.append(&mut lane.records);
    }
    recording.records.sort_by_key(|record| record.time_ns);
    recording.records
}
