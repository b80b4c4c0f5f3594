//! Part files: whatever captures they hold, in whatever grouping and order, merging them is one
//! audit of all captures; and no bytes do harm.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use portolan::capture::sources;
use portolan::observation::{
    Merging, Observation, Part, PartFile, PartFileError, Trouble, Window, fuzz_part,
};
use portolan::pipeline::{self, MAX_FLOWS, Options};
use portolan::site::LoadedSite;
use proptest::prelude::*;

use crate::merge::{Event, Seen, event, record};
use crate::support::audited::{audit, boundary_site, report};
use crate::support::build::{Record, Rng};
use crate::support::frames::part;
use crate::support::seeds;
use crate::support::shared::captures;

pub fn write(part: Part, window: Window) -> Vec<u8> {
    let mut file = Vec::new();
    part.write(window, &mut file).expect("a vector takes it");
    file
}

/// What the part files hold together.
fn merge(files: &[Vec<u8>]) -> Result<Part, PartFileError> {
    merge_bounded(files, MAX_FLOWS)
}

/// The same, in a table of so many flows.
pub fn merge_bounded(files: &[Vec<u8>], max_flows: usize) -> Result<Part, PartFileError> {
    let open = |number: usize| PartFile::open(&files[number][..], &format!("{number}.part"));
    let files: Vec<_> = (0..files.len()).map(open).collect::<Result<_, _>>()?;
    let heads = files.iter().map(|file| file.head().clone()).collect();
    let mut merging = Merging::new(heads, max_flows)?;
    for (number, file) in files.into_iter().enumerate() {
        merging.add(number, file, &mut |_| {})?;
    }
    Ok(merging.finish())
}

fn json(observation: &Observation) -> String {
    static SITE: LazyLock<LoadedSite> = LazyLock::new(boundary_site);
    report(&audit(&SITE, observation), "json")
}

/// Spreads the items over some groups, and shuffles both.
fn grouped<T>(mut items: Vec<T>, rng: &mut Rng) -> Vec<Vec<T>> {
    let count = 1 + rng.below(items.len() as u64);
    let mut groups: Vec<Vec<T>> = (0..count).map(|_| Vec::new()).collect();
    while !items.is_empty() {
        let item = items.swap_remove(rng.below(items.len() as u64) as usize);
        let group = rng.below(count) as usize;
        groups[group].push(item);
    }
    groups
}

#[test]
fn fixtures_and_real_captures_in_parts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let names = [
        "boundary.pcapng",
        "clean.pcap",
        "pxe-good.pcap",
        "pxe-stalled.pcap",
    ];
    let fixtures = names.map(|name| folder.join(name)).to_vec();
    for (seed, paths) in [fixtures.clone(), [fixtures, captures()].concat()]
        .into_iter()
        .enumerate()
    {
        let observe = |paths: &[PathBuf]| {
            let sources = sources(paths).expect("captures are there");
            pipeline::part(&sources, &Options::default(), &mut |_| {})
        };
        let whole = observe(&paths).finish();
        let (expected, whole) = (json(&whole), Seen::of(&whole));
        for round in 0..3 {
            let mut rng = Rng::new(seed as u64 * 10 + round);
            let files: Vec<_> = grouped(paths.clone(), &mut rng)
                .into_iter()
                .filter(|group| !group.is_empty())
                .map(|group| write(observe(&group), Window::default()))
                .collect();
            let merged = merge(&files).expect("parts fit");
            // A part of parts holds the same.
            let again = merge(&[write(merged.clone(), Window::default())]).expect("a part");
            for part in [merged, again] {
                let observation = part.finish();
                let text = json(&observation);
                let seen = Seen::of(&observation);
                assert!(whole == seen, "{}", whole.difference(&seen));
                assert!(expected == text, "seed {seed}, round {round}");
            }
        }
    }
}

proptest! {
    // Each case makes two reports.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn generated_captures_in_parts(
        all in prop::collection::vec(prop::collection::vec(event(), 1..40), 1..6),
        cut in 0..40_usize,
        order in any::<u64>(),
    ) {
        let all: Vec<Vec<Record>> = all.iter().map(|events| record(events)).collect();
        let names: Vec<String> = (0..all.len()).map(|number| format!("{number}.pcap")).collect();
        let whole = |index: usize| {
            let records = &all[index];
            // Threads make several pieces of one capture; they are written as one.
            let cut = cut.min(records.len());
            part(&names[index], records, cut, records.len())
                .merge(part(&names[index], records, 0, cut))
        };
        let once = (0..all.len()).map(whole).reduce(Part::merge).expect("a capture").finish();
        let (expected, once) = (json(&once), Seen::of(&once));
        let mut rng = Rng::new(order);
        let files: Vec<_> = grouped((0..all.len()).collect(), &mut rng)
            .into_iter()
            .map(|group| group.into_iter().map(whole).fold(Part::default(), Part::merge))
            .map(|part| write(part, Window::default()))
            .collect();
        let observation = merge(&files).expect("parts fit").finish();
        let text = json(&observation);
        let seen = Seen::of(&observation);
        prop_assert!(once == seen, "{}", once.difference(&seen));
        prop_assert!(expected == text);
    }
}

/// A part with something in every section.
fn every_section() -> Vec<u8> {
    let (_, _, seed) = seeds::all()
        .into_iter()
        .find(|(target, ..)| *target == "part")
        .expect("a seed of the target");
    seed
}

#[test]
fn the_seed_has_every_section() {
    let file = every_section();
    let mut at = 17 + usize::from(file[16]);
    let mut sections = Vec::new();
    while let [section, length @ ..] = &file[at..] {
        let length = length.first_chunk().expect("a length");
        at += 5 + u32::from_le_bytes(*length) as usize + 4;
        sections.push(*section);
    }
    assert_eq!(sections, (1..=11).collect::<Vec<u8>>());
}

#[test]
fn every_cut_is_refused() {
    let file = every_section();
    for length in 0..file.len() {
        let error = merge(&[file[..length].to_vec()]).expect_err("it is cut");
        let is_told = match error.trouble {
            Trouble::NotAPart => length < 14,
            Trouble::Cut { after } => length >= 14 && after <= length as u64,
            _ => false,
        };
        assert!(is_told, "{length}: {error}");
    }
    let longer = [&file[..], b"x"].concat();
    assert!(merge(&[longer]).is_err());
}

#[test]
fn every_changed_byte_is_refused() {
    let file = every_section();
    for at in 0..file.len() {
        for change in [1, 0x80, 0xff] {
            let mut changed = file.clone();
            changed[at] ^= change;
            assert!(merge(&[changed]).is_err(), "byte {at}");
        }
    }
}

/// As a part made to do harm has it: the fuzz target reads with checksums made right, too.
#[test]
fn changed_bytes_with_right_checksums_do_no_harm() {
    let file = every_section();
    fuzz_part(&file);
    for at in 0..file.len() {
        for change in [1, 2, 0x10, 0x80, 0xff] {
            let mut changed = file.clone();
            changed[at] ^= change;
            fuzz_part(&changed);
        }
        // Counts as large as they can be written.
        let mut changed = file.clone();
        changed.splice(
            at..at + 1,
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        );
        fuzz_part(&changed);
    }
}

#[test]
fn the_same_captures_are_the_same_file() {
    let records = some_records();
    let end = records.len();
    let once = write(part("a", &records, 0, end), Window::default());
    // Wherever threads cut them.
    for cut in 0..=end {
        let second = part("a", &records, cut, end);
        let both = second.merge(part("a", &records, 0, cut));
        assert!(once == write(both, Window::default()), "cut at {cut}");
    }
}

fn some_records() -> Vec<Record> {
    let events: Vec<_> = (0..40).map(Event::numbered).collect();
    record(&events)
}

#[test]
fn what_may_not_be_merged_is_named() {
    let records = some_records();
    let named = |name: &str, window| write(part(name, &records, 0, records.len()), window);
    let error = |files: &[Vec<u8>]| merge(files).expect_err("refused").to_string();
    let everything = Window::default();
    assert_eq!(
        error(&[
            named("a", everything),
            named("b", everything),
            named("a", everything)
        ]),
        "2.part: holds a, which 0.part holds too: its packets would count twice"
    );
    let later = Window {
        from: Some(portolan::net::Timestamp(0)),
        to: None,
    };
    assert_eq!(
        error(&[named("a", everything), named("b", later)]),
        "1.part: judges packets from 1970-01-01T00:00:00.000000000Z on, 0.part those of any time"
    );
    let mut other = named("a", everything);
    other[14] = 200;
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        error(&[other]),
        format!(
            "0.part: a part file of format 200, made by portolan {version}; this one, {version}, \
             reads format 3"
        )
    );
    assert_eq!(
        error(&[b"\xd4\xc3\xb2\xa1".repeat(9)]),
        "0.part: not a part file"
    );
}

#[test]
fn copies_of_a_capture_look_alike() {
    let records = some_records();
    let file = |name| write(part(name, &records, 0, records.len()), Window::default());
    let (one, two) = (file("a"), file("b"));
    let heads = [&one, &two].map(|file| {
        let file = PartFile::open(&file[..], "x").expect("a part");
        file.head().clone()
    });
    let merging = Merging::new(heads.to_vec(), MAX_FLOWS).expect("different names");
    // Parts of one name are one part to its user.
    assert!(merging.look_alikes().is_empty());
    let second = PartFile::open(&two[..], "y")
        .expect("a part")
        .head()
        .clone();
    let merging = Merging::new(vec![heads[0].clone(), second], MAX_FLOWS).expect("different names");
    assert_eq!(merging.look_alikes(), [[("a", "x"), ("b", "y")]]);
}

#[test]
fn a_renamed_capture_finds_its_place() {
    let records = some_records();
    let both = |name: &str| {
        let (half, end) = (records.len() / 2, records.len());
        // The same first time: names alone order them.
        part(name, &records, half, end).merge(part("a", &records, 0, half))
    };
    let renamed = Seen::of(&both("-").rename("-", "b").finish());
    let expected = Seen::of(&both("b").finish());
    assert!(renamed == expected, "{}", expected.difference(&renamed));
}
