//! What was still under way is judged by the time until which a capture went on, where its
//! interface statistics say it, and else by its last packet.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;

use portolan::capture::sources;
use portolan::net::Timestamp;
use portolan::observation::Observation;
use portolan::pipeline::{Cutting, Options, observe};
use serde_json::Value;

use crate::command::portolan_in;
use crate::support::boots;
use crate::support::build::{ByteOrder, Link, Pcapng, Record, Recording};

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 24 * 3600 * SECOND;
/// 1 January 2200.
const YEAR_2200: i64 = 7_258_118_400 * SECOND;

/// A boot whose second transfer stops in its middle, with which the capture's packets end.
fn stalling() -> Vec<Record> {
    let mut out = Recording::new(Link::Ethernet);
    let boot = boots::machine();
    boot.negotiate(&mut out);
    boot.transfer(1701, boot.file, 20_000).run(&mut out);
    let whole = out.records.len();
    boot.transfer(1702, "boot.wim", 200_000).run(&mut out);
    let middle = whole + (out.records.len() - whole) / 2;
    out.records.truncate(middle);
    out.records
}

fn last(records: &[Record]) -> i64 {
    records.last().expect("packets").time_ns
}

/// The capture, and the end times that its statistics say.
fn capture(order: ByteOrder, records: &[Record], ends: &[i64]) -> Vec<u8> {
    let mut file = Pcapng::new(order);
    let interface = file.interface(1, 0, 6);
    for record in records {
        file.enhanced(interface, record);
    }
    for end in ends {
        file.ended(interface, *end);
    }
    file.finish()
}

fn observed(path: &Path, threads: usize) -> (Observation, usize) {
    let found = sources(&[path.to_path_buf()]).expect("there are captures");
    let options = Options {
        threads: NonZeroUsize::new(threads).expect("at least one"),
        cutting: Cutting {
            smallest_piece: 2000,
            look_bytes: 8000,
        },
        ..Options::default()
    };
    let mut cuts = 0;
    let observation = observe(&found, &options, &mut |progress| cuts = progress.cuts);
    (observation, cuts)
}

/// State and cause of the step, by the report that `line` makes in `folder`.
fn verdict(folder: &Path, line: &str) -> (String, Option<String>) {
    let site = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/pxe.toml");
    let judge = ["--site", site, "--format", "json"];
    let run = portolan_in(folder, line.split(' ').chain(judge));
    let report: Value = serde_json::from_str(&run.out)
        .unwrap_or_else(|error| panic!("{error}: {}{}", run.out, run.err));
    let mut steps = report["requirements"].as_array().expect("a list").iter();
    let step = steps
        .find(|it| it["step"] == "tftp-transfer")
        .unwrap_or_else(|| panic!("no transfer: {}", report["requirements"]));
    let text = |value: &Value| value.as_str().map(str::to_owned);
    (text(&step["state"]).expect("a state"), text(&step["cause"]))
}

#[test]
fn a_transfer_is_stalled_where_the_capture_went_on() {
    let records = stalling();
    let last = last(&records);
    let open = |ends: &[i64]| (ends.to_vec(), false);
    let stalled = |ends: &[i64]| (ends.to_vec(), true);
    let cases = [
        open(&[]),
        open(&[last + SECOND]),
        stalled(&[last + 60 * SECOND]),
        // The latest counts, and one before the last packet says nothing.
        stalled(&[last + 60 * SECOND, last - 60 * SECOND]),
        open(&[last - 60 * SECOND]),
        open(&[0]),
        stalled(&[last + 3 * DAY]),
        stalled(&[YEAR_2200]),
        stalled(&[i64::MAX]),
    ];
    for (number, (ends, is_stalled)) in cases.into_iter().enumerate() {
        let order = match number % 2 {
            0 => ByteOrder::Little,
            _ => ByteOrder::Big,
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(
            folder.path().join("a.pcapng"),
            capture(order, &records, &ends),
        )
        .expect("writes");
        let audited = verdict(folder.path(), "audit a.pcapng");
        let wanted = match is_stalled {
            true => ("failed", Some("tftp-stalled")),
            false => ("not-observable", None),
        };
        assert_eq!(
            (audited.0.as_str(), audited.1.as_deref()),
            wanted,
            "{ends:?}"
        );
        let shard = portolan_in(folder.path(), ["shard", "a.pcapng", "-o", "a.part"]);
        assert_eq!(shard.status, 0, "{}", shard.err);
        let again = portolan_in(folder.path(), ["merge", "a.part", "-o", "b.part"]);
        assert_eq!(again.status, 0, "{}", again.err);
        for part in ["a.part", "b.part"] {
            assert_eq!(verdict(folder.path(), &format!("merge {part}")), audited);
        }
    }
}

#[test]
fn any_number_of_threads_finds_the_same_end() {
    let records = stalling();
    let end = last(&records) + 60 * SECOND;
    // Between packets too, so that it is another piece that says it.
    for at in [0, 1, records.len() / 3, records.len()] {
        let mut file = Pcapng::new(ByteOrder::Big);
        let interface = file.interface(1, 0, 9);
        for (number, record) in records.iter().enumerate() {
            if number == at {
                file.ended(interface, end);
            }
            file.enhanced(interface, record);
        }
        if at == records.len() {
            file.ended(interface, end);
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.pcapng");
        fs::write(&path, file.finish()).expect("writes");
        for threads in [1, 2, 3, 8] {
            let (observation, cuts) = observed(&path, threads);
            assert_eq!(cuts > 0, threads > 1, "{threads} threads");
            assert_eq!(observation.end(), Timestamp(end), "{threads} threads");
            let said = observation.captures()[0].watched_until;
            assert_eq!(said, Some(Timestamp(end)), "{threads} threads");
        }
    }
}

/// A made-up end reaches no further than a day: what other captures saw after it is not judged by
/// it.
#[test]
fn an_end_far_away_harms_no_other_capture() {
    let records = stalling();
    let mut earlier = Recording::new(Link::Ethernet);
    boots::later(2, &mut earlier);
    let shift = last(&earlier.records) + 7 * DAY - last(&records);
    let mut other = records;
    other.iter_mut().for_each(|record| record.time_ns += shift);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made_up = capture(ByteOrder::Little, &earlier.records, &[YEAR_2200]);
    fs::write(folder.path().join("a.pcapng"), made_up).expect("writes");
    fs::write(
        folder.path().join("b.pcapng"),
        capture(ByteOrder::Little, &other, &[]),
    )
    .expect("writes");
    let alone = verdict(folder.path(), "audit b.pcapng");
    assert_eq!(alone.0, "not-observable");
    assert_eq!(verdict(folder.path(), "audit a.pcapng b.pcapng"), alone);
}
