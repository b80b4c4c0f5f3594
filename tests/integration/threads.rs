//! Any number of threads gives the same observation and the same report, to the byte, of one file
//! that is cut for them and of many.

use std::cell::Cell;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use portolan::capture::{Source, sources};
use portolan::observation::Observation;
use portolan::pipeline::{Cutting, Options, observe};
use portolan::site::LoadedSite;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use crate::command::portolan;
use crate::merge::{Event, Seen, event, record};
use crate::support::audited::{audit, boundary_site, report};
use crate::support::build::{Bulk, ByteOrder, Pcap, Pcapng, Profile, Record, Resolution};
use crate::support::shared::shared;

/// Besides one.
const THREADS: [usize; 3] = [2, 3, 8];

static SITE: LazyLock<LoadedSite> = LazyLock::new(boundary_site);

/// What was seen, and how reading went.
struct Run {
    observation: Observation,
    bytes: u64,
    cuts: usize,
    wrong_cuts: usize,
}

fn run(paths: &[PathBuf], threads: usize, cutting: Cutting) -> Run {
    let found = sources(paths).expect("there are captures");
    let options = Options {
        threads: NonZeroUsize::new(threads).expect("at least one"),
        cutting,
        ..Options::default()
    };
    let (mut bytes, mut cuts, mut wrong_cuts) = (0, 0, 0);
    let observation = observe(&found, &options, &mut |progress| {
        bytes = progress.bytes;
        (cuts, wrong_cuts) = (progress.cuts, progress.wrong_cuts);
    });
    Run {
        observation,
        bytes,
        cuts,
        wrong_cuts,
    }
}

/// Checks that all numbers of threads agree; how many cuts were guessed, and how many were wrong.
fn check(paths: &[PathBuf], cutting: Cutting) -> Result<(usize, usize), TestCaseError> {
    let alone = run(paths, 1, cutting);
    prop_assert_eq!(alone.cuts, 0);
    let seen = Seen::of(&alone.observation);
    let json = |run: &Run| report(&audit(&SITE, &run.observation), "json");
    let (mut cuts, mut wrong_cuts) = (0, 0);
    for threads in THREADS {
        let together = run(paths, threads, cutting);
        let same = Seen::of(&together.observation);
        prop_assert!(
            seen == same,
            "{threads} threads, {paths:?}\n{}",
            seen.difference(&same)
        );
        prop_assert_eq!(alone.bytes, together.bytes);
        // A report takes longer than all the rest.
        if threads == THREADS[2] {
            prop_assert!(json(&alone) == json(&together), "{paths:?}");
        }
        cuts += together.cuts;
        wrong_cuts += together.wrong_cuts;
    }
    Ok((cuts, wrong_cuts))
}

/// The same of a folder with files that hold these bytes.
fn check_files(files: &[Vec<u8>], cutting: Cutting) -> Result<(usize, usize), TestCaseError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (number, bytes) in files.iter().enumerate() {
        let path = folder.path().join(format!("{number}.pcap"));
        fs::write(path, bytes).expect("writes");
    }
    check(&[folder.path().into()], cutting)
}

/// Runs a property over files that hold these bytes; how many cuts were guessed in all.
fn over_files<S>(strategy: S, cutting: impl Strategy<Value = Cutting>) -> usize
where
    S: Strategy<Value = Vec<Vec<u8>>>,
{
    // Each case is four runs over files, and two reports.
    let config = Config {
        cases: 48,
        failure_persistence: None,
        ..Config::default()
    };
    let total = Cell::new(0);
    let result = TestRunner::new(config).run(&(strategy, cutting), |(files, cutting)| {
        let (cuts, _) = check_files(&files, cutting)?;
        total.set(total.get() + cuts);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    total.get()
}

/// Small files are cut, and so little is looked at that many a guess is wrong.
fn cutting() -> impl Strategy<Value = Cutting> {
    (
        100..1000_u64,
        prop_oneof![9 => 200..900_usize, 1 => Just(1 << 20)],
    )
        .prop_map(|(smallest_piece, look_bytes)| Cutting {
            smallest_piece,
            look_bytes,
        })
}

/// Packets, some of which hold the beginning of the capture as it was so far, or times from
/// nowhere, or nothing.
fn records() -> impl Strategy<Value = Vec<Record>> {
    let odd = (any::<Index>(), 0..8_u8, any::<u32>());
    (vec(event(), 1..120), vec(odd, 0..6)).prop_map(|(events, odd): (Vec<Event>, _)| {
        let mut records = record(&events);
        for (index, kind, number) in odd {
            let at = index.index(records.len());
            match kind {
                0 => records[at].time_ns = i64::from(number) * 1_000_000_000,
                1 => {
                    records[at].bytes.clear();
                    records[at].wire_length = number % 2;
                }
                _ => {
                    let nested = match kind {
                        2..5 => Pcap::default().encode(&records[..at]),
                        _ => Pcapng::encode(&records[..at]),
                    };
                    let room = 2000.min(nested.len());
                    let start = number as usize % (nested.len() - room + 1);
                    let record = &mut records[at];
                    record.bytes.extend(&nested[start..start + room]);
                    record.wire_length = record.bytes.len() as u32;
                }
            }
        }
        records
    })
}

fn order() -> impl Strategy<Value = ByteOrder> {
    prop_oneof![Just(ByteOrder::Little), Just(ByteOrder::Big)]
}

fn pcap() -> impl Strategy<Value = Vec<u8>> {
    let resolution = prop_oneof![Just(Resolution::Micro), Just(Resolution::Nano)];
    (records(), order(), resolution, any::<bool>()).prop_map(
        |(records, order, resolution, modified)| {
            let variant = Pcap {
                order,
                resolution,
                modified,
                ..Pcap::default()
            };
            variant.encode(&records)
        },
    )
}

/// Blocks of all kinds; now and then an interface more or a section, more often counters.
fn pcapng() -> impl Strategy<Value = Vec<u8>> {
    (records(), order(), vec(any::<u8>(), 1..200), any::<bool>()).prop_map(
        |(records, order, kinds, changes)| {
            let mut file = Pcapng::new(order);
            let mut interfaces = 0;
            for (number, record) in records.iter().enumerate() {
                let kind = kinds[number % kinds.len()];
                if changes && kind > 251 {
                    file.section([ByteOrder::Little, ByteOrder::Big][number % 2]);
                    interfaces = 0;
                }
                if interfaces < 2 || changes && kind > 247 {
                    let digits = [6, 9, 3][number % 3];
                    file.interface(record.link_type, 0, digits);
                    file.interface(record.link_type, 96, 9);
                    interfaces += 2;
                }
                let interface = u32::from(kind) % interfaces;
                match kind % 16 {
                    0 => file.obsolete(interface as u16, record),
                    1 => file.simple(record),
                    2 => file.statistics(interface, 7, u64::from(kind) * number as u64),
                    3 => file.block(0xbad, &[0; 8]),
                    _ => file.enhanced(interface, record),
                }
            }
            file.finish()
        },
    )
}

#[test]
fn pcap_files() {
    let cuts = over_files(vec(pcap(), 1), cutting());
    assert!(cuts > 50, "only {cuts} cuts");
}

#[test]
fn pcapng_files() {
    let cuts = over_files(vec(pcapng(), 1), cutting());
    assert!(cuts > 50, "only {cuts} cuts");
}

#[test]
fn several_files() {
    let files = vec(prop_oneof![pcap(), pcapng()], 2..5);
    let cuts = over_files(files, cutting());
    assert!(cuts > 50, "only {cuts} cuts");
}

#[test]
fn cut_off_and_damaged_files() {
    let damage = vec((any::<Index>(), any::<u8>()), 0..3);
    let damaged = (
        prop_oneof![pcap(), pcapng()],
        damage,
        0..3_u8,
        any::<Index>(),
    );
    let damaged = damaged.prop_map(|(mut bytes, damage, cut, length)| {
        if cut == 0 {
            bytes.truncate(length.index(bytes.len()).max(24));
        }
        for (index, value) in damage {
            // What is no capture at all is left out, and not what this is about.
            let at = 24 + index.index(bytes.len().saturating_sub(24).max(1));
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        vec![bytes]
    });
    let cuts = over_files(damaged, cutting());
    assert!(cuts > 50, "only {cuts} cuts");
}

/// A capture that is fetched while it is captured, and of which more is seen at once than is
/// looked at for a cut.
#[test]
fn a_guess_inside_a_packet_costs_nothing() {
    let events = |count| -> Vec<Event> { (0..count).map(Event::numbered).collect() };
    let pcap: fn(&[Record]) -> Vec<u8> = |records| Pcap::default().encode(records);
    for encode in [pcap, Pcapng::encode] {
        let mut records = record(&events(30));
        let middle = records.len() / 2;
        records[middle].bytes = encode(&record(&events(90)));
        records[middle].wire_length = records[middle].bytes.len() as u32;
        let cutting = Cutting {
            smallest_piece: 100,
            look_bytes: 1200,
        };
        let checked = check_files(&[encode(&records)], cutting);
        let (cuts, wrong) = checked.unwrap_or_else(|error| panic!("{error}"));
        assert!(wrong > 2, "{wrong} of {cuts} cuts were wrong");
    }
}

/// As files are cut by the program, but smaller: a guess from so much is right, but for sections
/// that change what is known of the capture.
#[test]
fn generated_traffic() {
    for profile in [Profile::Site, Profile::Full, Profile::Scan] {
        let bulk = Bulk {
            profile,
            packets: 20_000,
            ..Bulk::default()
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("generated.pcap");
        fs::write(&path, bulk.encode()).expect("writes");
        let cutting = Cutting {
            smallest_piece: 64 << 10,
            ..Cutting::default()
        };
        let json = |threads| {
            let run = run(std::slice::from_ref(&path), threads, cutting);
            (run.cuts, report(&audit(&SITE, &run.observation), "json"))
        };
        let (_, alone) = json(1);
        for threads in THREADS {
            let (cuts, together) = json(threads);
            assert!(cuts > 0 && together == alone, "{threads} threads");
        }
    }
}

#[test]
fn real_captures() {
    let Some(folder) = shared("captures") else {
        return;
    };
    let folders = [folder.clone(), folder.join("lab"), folder.join("malformed")];
    let found = sources(&folders).expect("there are captures");
    let (mut cuts, mut wrong, mut files) = (0, 0, 0);
    for source in &found.list {
        let Some((path, size)) = path_and_size(source) else {
            continue;
        };
        let cutting = Cutting {
            smallest_piece: (size / 20).max(100),
            ..Cutting::default()
        };
        let (these, wrong_ones) = check(&[path], cutting).unwrap_or_else(|error| panic!("{error}"));
        cuts += these;
        files += usize::from(these > 0);
        if !source.name.contains("malformed") {
            wrong += wrong_ones;
        }
    }
    eprintln!("{cuts} cuts in {files} captures, {wrong} wrong where nothing is malformed");
    assert!(files > 100, "only {files} captures were cut");
    assert!(wrong * 20 < cuts, "{wrong} of {cuts} guesses were wrong");
}

/// All of them at once, whole and in pieces.
#[test]
fn a_folder_of_real_captures() {
    let Some(folder) = shared("captures") else {
        return;
    };
    for smallest_piece in [1 << 10, 4 << 20] {
        let cutting = Cutting {
            smallest_piece,
            ..Cutting::default()
        };
        check(std::slice::from_ref(&folder), cutting).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn the_program_says_the_same_with_any_number_of_threads() {
    let audited = |threads: &str| {
        let site = ["audit", "--site", "boundary.toml", "--format", "json"];
        let captures = ["boundary.pcapng", "clean.pcap", "pxe-good.pcap"];
        let arguments = site
            .into_iter()
            .chain(captures)
            .chain(["--threads", threads]);
        let run = portolan(arguments);
        assert_eq!(run.status, 1, "{}", run.err);
        run.out
    };
    let alone = audited("1");
    for threads in ["2", "3", "1000"] {
        assert_eq!(alone, audited(threads), "{threads} threads");
    }
    let refused = portolan(["audit", "--threads", "0", "clean.pcap"]);
    assert_eq!(refused.status, 2);
    assert!(refused.err.contains("a number from 1"), "{}", refused.err);
}

fn path_and_size(source: &Source) -> Option<(PathBuf, u64)> {
    Some((source.path().map(Path::to_path_buf)?, source.size?))
}
