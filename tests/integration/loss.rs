//! What the packets of a capture say of its loss: segments left out, packets captured twice.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;

use portolan::capture::sources;
use portolan::observation::{Continuity, Observation};
use portolan::pipeline::{Cutting, Options, observe};
use serde_json::Value;
use tempfile::TempDir;

use crate::command::{portolan_in, root};
use crate::support::build::{Link, Pcap, Record, Recording, Side, Tcp, at};

/// Where the IPv4 header of an Ethernet frame has its identification, and its TTL.
const IDENTIFICATION: usize = 14 + 4;
const TTL: usize = 14 + 8;
/// Ethernet, IPv4 and TCP headers, without options and with all of them.
const HEADERS: usize = 54;
const LONGEST_HEADERS: usize = 94;

/// Connections and datagrams; every packet has an identification of its own.
fn traffic() -> Vec<Record> {
    let mut out = Recording::new(Link::Ethernet);
    for port in 50_000..50_020 {
        let (client, server) = (at(&format!("10.1.0.21:{port}")), at("10.0.0.11:443"));
        let mut connection = Tcp::open(client, server, &mut out);
        connection.say(Side::Client, &[1; 300], &mut out);
        connection.say(Side::Server, &[2; 14_000], &mut out);
        connection.close(&mut out);
        out.udp_exchange(client, at("10.0.0.12:53"), b"who?", b"me");
    }
    for (number, record) in (1_u16..).zip(&mut out.records) {
        record.bytes[IDENTIFICATION..][..2].copy_from_slice(&number.to_be_bytes());
    }
    out.records
}

/// Every packet, and 5 µs later its copy from the other side of a router.
fn doubled(records: &[Record]) -> Vec<Record> {
    let both = records.iter().flat_map(|record| {
        let mut copy = record.clone();
        copy.time_ns += 5_000;
        copy.bytes[TTL] -= 1;
        [record.clone(), copy]
    });
    both.collect()
}

/// Numbers of the segments with payload.
fn with_payload(records: &[Record]) -> Vec<usize> {
    let is_tcp = |record: &Record| record.bytes[TTL + 1] == 6;
    let numbers = 0..records.len();
    numbers
        .filter(|&number| is_tcp(&records[number]) && records[number].bytes.len() > LONGEST_HEADERS)
        .collect()
}

fn without(records: &[Record], left_out: &[usize]) -> Vec<Record> {
    let mut rest = records.to_vec();
    for number in left_out.iter().rev() {
        rest.remove(*number);
    }
    rest
}

fn write(folder: &TempDir, name: &str, records: &[Record]) {
    fs::write(folder.path().join(name), Pcap::default().encode(records)).expect("writes");
}

fn observed(path: &Path, options: &Options) -> (Observation, usize) {
    let found = sources(&[path.to_owned()]).expect("there is a capture");
    let mut cuts = 0;
    let observation = observe(&found, options, &mut |progress| cuts = progress.cuts);
    (observation, cuts)
}

fn continuity(records: &[Record]) -> Continuity {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(&folder, "a.pcap", records);
    let (observation, _) = observed(&folder.path().join("a.pcap"), &Options::default());
    observation.continuity()
}

#[test]
fn every_segment_left_out_is_one_gap() {
    let all = traffic();
    let whole = continuity(&all);
    let none = Continuity {
        followed: all.len() as u64,
        ..Continuity::default()
    };
    assert_eq!(whole, none);
    let payload = with_payload(&all);
    for number in payload.iter().take(12) {
        let gaps = continuity(&without(&all, &[*number])).sequence_gaps;
        assert_eq!(gaps, 1, "without frame {}", number + 1);
    }
    // Far enough apart to be a gap each.
    let some: Vec<usize> = payload.into_iter().step_by(12).collect();
    let gaps = continuity(&without(&all, &some)).sequence_gaps;
    assert_eq!(gaps, some.len() as u64);
}

#[test]
fn every_copy_is_a_duplicate() {
    let all = traffic();
    let count = all.len() as u64;
    let expected = Continuity {
        duplicates: count,
        followed: 2 * count,
        ..Continuity::default()
    };
    assert_eq!(continuity(&doubled(&all)), expected);
    // What the snaplen leaves is enough.
    let mut cut = doubled(&all);
    for record in &mut cut {
        record.bytes.truncate(HEADERS);
    }
    assert_eq!(continuity(&cut), expected);
}

#[test]
fn fixtures_hold_no_duplicates() {
    for name in [
        "boundary.pcapng",
        "clean.pcap",
        "pxe-good.pcap",
        "pxe-stalled.pcap",
    ] {
        let path = root().join("fixtures").join(name);
        let (observation, _) = observed(&path, &Options::default());
        let continuity = observation.continuity();
        assert!(continuity.followed > 0, "{name}");
        assert_eq!(continuity.duplicates, 0, "{name}");
    }
}

#[test]
fn pieces_of_a_file_are_joined_exactly() {
    let all = traffic();
    let some: Vec<usize> = with_payload(&all).into_iter().step_by(3).collect();
    let records = doubled(&without(&all, &some));
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(&folder, "a.pcap", &records);
    let run = |threads| {
        let options = Options {
            threads: NonZeroUsize::new(threads).expect("at least one"),
            cutting: Cutting {
                smallest_piece: 2_000,
                look_bytes: 16_000,
            },
            ..Options::default()
        };
        let (observation, cuts) = observed(&folder.path().join("a.pcap"), &options);
        (observation.continuity(), cuts)
    };
    let (alone, _) = run(1);
    assert!(alone.sequence_gaps > 20 && alone.duplicates > 100);
    let mut most_cuts = 0;
    for threads in 2..=8 {
        let (together, cuts) = run(threads);
        assert_eq!(together, alone, "{threads} threads");
        most_cuts = most_cuts.max(cuts);
    }
    assert!(most_cuts > 4, "{most_cuts} cuts");
}

#[test]
fn loss_is_reported_and_duplicates_are_none() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let all = traffic();
    let left_out = with_payload(&all)[3];
    write(&folder, "whole.pcap", &all);
    write(&folder, "doubled.pcap", &doubled(&all));
    write(&folder, "lossy.pcap", &without(&all, &[left_out]));
    let site = root().join("fixtures/clean.toml");
    let site = site.to_str().expect("text");
    let run = |arguments: &str| {
        let arguments = arguments.replace("SITE", site);
        portolan_in(folder.path(), arguments.split(' '))
    };
    let loss = |arguments: &str| {
        let out = run(&format!("{arguments} --site SITE --format json")).out;
        let report: Value = serde_json::from_str(&out).expect("JSON");
        report["loss"].clone()
    };
    let count = all.len() as u64;
    let cases = [
        ("whole", 0, 0, count, 0),
        ("doubled", 0, count, 2 * count, 0),
        ("lossy", 1, 0, count - 1, 1),
    ];
    for (name, gaps, duplicates, followed, status) in cases {
        let audited = loss(&format!("audit {name}.pcap"));
        assert_eq!(audited["sequence_gaps"], gaps, "{name}");
        assert_eq!(audited["duplicates"], duplicates, "{name}");
        assert_eq!(audited["followed_packets"], followed, "{name}");
        let shard = run(&format!("shard {name}.pcap -o {name}.part"));
        assert_eq!(shard.status, 0, "{}", shard.err);
        assert_eq!(loss(&format!("merge {name}.part")), audited, "{name}");
        let text = run(&format!("audit --site SITE --fail-on loss {name}.pcap"));
        assert_eq!(text.status, status, "{name}: {}", text.out);
        let advised = text
            .out
            .contains("let the mirror port copy one direction only");
        assert_eq!(advised, duplicates > 0, "{}", text.out);
    }
    // Captures are not compared with each other.
    fs::copy(
        folder.path().join("whole.pcap"),
        folder.path().join("again.pcap"),
    )
    .expect("copies");
    let both = loss("audit whole.pcap again.pcap");
    assert_eq!(both["duplicates"], 0);
    assert_eq!(both["followed_packets"], 2 * count);
}
