//! Compressed captures, through the library and the real program: the same report as of the plain
//! ones, and of what is cut or damaged all that stands before.

use std::fs;
use std::io::Write;
use std::path::Path;

use portolan::capture::{ProblemKind, Source, fuzz_compression, sources};
use portolan::pipeline::{Options, Progress, observe};
use serde_json::Value;

use crate::command::{Run, fixture, portolan, portolan_reading, root};
use crate::support::build::{Link, Pcap, Pcapng, Record, Recording, Rng, at, packed};

type Pack = fn(&[u8]) -> Vec<u8>;

/// Name in reports, and a compressor.
const COMPRESSIONS: [(&str, Pack); 3] = [("gzip", gzip), ("zstd", zstd), ("lz4", lz4)];

/// What [`COMPRESSIONS`] name, with nothing compressed.
const STORED: [(&str, Pack); 3] = [
    ("gzip", packed::gzip),
    ("zstd", packed::zstd),
    ("lz4", packed::lz4),
];

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(content).expect("a vector takes every byte");
    gzip.finish().expect("a vector takes every byte")
}

fn zstd(content: &[u8]) -> Vec<u8> {
    let mut zstd = zstd::Encoder::new(Vec::new(), 3).expect("there is memory");
    zstd.include_checksum(true).expect("a parameter of zstd");
    zstd.write_all(content).expect("a vector takes every byte");
    zstd.finish().expect("a vector takes every byte")
}

fn lz4(content: &[u8]) -> Vec<u8> {
    let layout = lz4_flex::frame::FrameInfo::new().content_checksum(true);
    let mut lz4 = lz4_flex::frame::FrameEncoder::with_frame_info(layout, Vec::new());
    lz4.write_all(content).expect("a vector takes every byte");
    lz4.finish().expect("a vector takes every byte")
}

/// Questions and answers, with bytes that don't compress well.
fn records(exchanges: u16) -> Vec<Record> {
    let mut rng = Rng::new(7);
    let mut recording = Recording::new(Link::Ethernet);
    for number in 0..exchanges {
        let client = at(&format!("10.1.0.{}:{}", 1 + number % 200, 2000 + number));
        let ask: Vec<u8> = (0..60).map(|_| rng.below(256) as u8).collect();
        recording.udp_exchange(client, at("10.0.0.13:53"), &ask, b"an answer");
    }
    recording.records
}

fn containers() -> [(&'static str, Vec<u8>); 2] {
    let records = records(40);
    [
        ("pcap", Pcap::default().encode(&records)),
        ("pcapng", Pcapng::encode(&records)),
    ]
}

/// The JSON report of a capture on standard input, or in a file of this name.
fn report(file: Option<&str>, capture: &[u8]) -> Value {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(file.unwrap_or("unused"));
    fs::write(&path, capture).expect("a temporary file");
    let path = path.to_str().expect("temporary folders have plain names");
    let audit = ["audit", "--site=clean.toml", "--format=json"];
    let run = match file {
        Some(_) => portolan(audit.into_iter().chain([path])),
        None => {
            let audit = audit.into_iter().chain(["-"]);
            portolan_reading(&root().join("fixtures"), audit, capture.to_vec())
        }
    };
    assert_eq!(run.err, "");
    let text = run.out.replace(path, "NAME").replace("\"-\"", "\"NAME\"");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn the_report_is_that_of_the_plain_capture() {
    for (format, capture) in containers() {
        let mut plain = report(Some("plain.pcap"), &capture);
        let record = &plain["captures"][0];
        assert_eq!(
            (&record["format"], &record["compression"]),
            (&format.into(), &Value::Null)
        );
        assert_eq!(record["packets"], 80);
        for (name, pack) in COMPRESSIONS.into_iter().chain(STORED) {
            plain["captures"][0]["compression"] = name.into();
            let packed = pack(&capture);
            // The name says something else on purpose.
            assert_eq!(
                report(Some("other.pcap"), &packed),
                plain,
                "{format} {name}"
            );
            assert_eq!(report(None, &packed), plain, "{format} {name}");
            let (first, rest) = capture.split_at(capture.len() / 3);
            let parts = [pack(first), pack(&[]), pack(rest)].concat();
            assert_eq!(report(Some("parts.gz"), &parts), plain, "{format} {name}");
        }
    }
}

#[test]
fn the_text_report_names_the_compression() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("clean");
    fs::write(&path, zstd(&fixture("clean.pcap"))).expect("a temporary file");
    let run = portolan([
        "audit",
        "--site",
        "clean.toml",
        path.to_str().expect("a name"),
    ]);
    assert_eq!((run.status, &*run.err), (0, ""));
    assert!(run.out.contains("(pcap, zstd, ETHERNET)"), "{}", run.out);
}

/// The one source in a file with these bytes.
fn source(folder: &Path, bytes: &[u8]) -> Result<Source, String> {
    let path = folder.join("capture");
    fs::write(&path, bytes).expect("a temporary file");
    let found = sources(&[path]).map_err(|error| error.to_string())?;
    assert!(found.failed.is_empty());
    Ok(found.list.into_iter().next().expect("at least one"))
}

#[test]
fn a_capture_cut_anywhere_is_used_up_to_there() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (format, capture) in containers() {
        for (name, pack) in COMPRESSIONS.into_iter().chain(STORED) {
            let (first, rest) = capture.split_at(capture.len() / 2);
            let (first, rest) = (pack(first), pack(rest));
            let whole = [&first[..], &rest].concat();
            let mut last = 0;
            for cut in (5..whole.len())
                .step_by(whole.len() / 61)
                .chain([first.len()])
            {
                let source = match source(folder.path(), &whole[..cut]) {
                    Ok(source) => source,
                    Err(error) => {
                        let expected = format!("the {name} data ends before its end");
                        assert!(error.contains(&expected), "{format} {cut}: {error}");
                        assert_eq!(last, 0);
                        continue;
                    }
                };
                assert_eq!(source.compression.map(|it| it.name()), Some(name));
                let mut reader = source.open().expect("what was looked into can be read");
                let mut frames = 0;
                reader.read(|frame| {
                    frames += 1;
                    assert_eq!(frame.number, frames);
                });
                assert_eq!(source.first.is_some(), frames > 0);
                let problem = reader.problem().expect("half of it at most is there");
                // A pcap file cut inside its header has no last record to end in.
                let headless = format == "pcap" && reader.bytes_read() == 0;
                let expected = if headless {
                    ProblemKind::Damaged
                } else {
                    ProblemKind::Truncated
                };
                assert_eq!(problem.kind, expected, "{format} {name} {cut}: {problem}");
                assert!(reader.bytes_read() <= capture.len() as u64);
                if cut < first.len() {
                    assert!(frames >= last, "{format} {name} {cut}");
                    last = frames;
                } else {
                    assert!(frames >= 39, "{format} {name} {cut}: {frames}");
                }
            }
        }
    }
}

/// Audits what is on standard input.
fn audit(capture: Vec<u8>, more: &[&str]) -> Run {
    let audit = ["audit", "--site=clean.toml", "--format=json", "-"];
    let audit = audit.iter().chain(more);
    portolan_reading(&root().join("fixtures"), audit, capture)
}

#[test]
fn what_is_cut_or_damaged_is_said() {
    let [(_, capture), _] = containers();
    for (name, pack) in COMPRESSIONS {
        let whole = pack(&capture);
        let cut = whole[..whole.len() - 1].to_vec();
        let run = audit(cut.clone(), &[]);
        assert_eq!(run.status, 2, "{}", run.err);
        let expected = format!("the {name} data ends before its end, after ");
        assert!(run.err.contains(&expected), "{}", run.err);
        assert!(run.err.contains("--accept-truncated"), "{}", run.err);
        let report: Value = serde_json::from_str(&run.out).expect("JSON");
        assert_eq!(report["captures"][0]["packets"], 80, "{name}");
        assert_eq!(report["captures"][0]["compression"], name);

        let run = audit(cut, &["--accept-truncated"]);
        assert_eq!((run.status, &*run.err), (1, ""));

        for (damaged, words) in [
            (
                [&whole[..], b"something else"].concat(),
                "is followed by something else",
            ),
            (
                changed(&whole, whole.len() - 1 - 4 * usize::from(name == "gzip")),
                "is damaged near",
            ),
        ] {
            let run = audit(damaged, &["--accept-truncated"]);
            assert_eq!(run.status, 2, "{}", run.err);
            assert!(run.err.contains(words), "{name}: {}", run.err);
            assert!(
                run.err.contains("what stands before was used"),
                "{}",
                run.err
            );
            let report: Value = serde_json::from_str(&run.out).expect("JSON");
            assert_eq!(report["captures"][0]["packets"], 80, "{name}");
        }
    }
}

fn changed(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 0x55;
    bytes
}

#[test]
fn changed_bytes_end_in_a_report() {
    let mut rng = Rng::new(3);
    let [(_, pcap), (_, pcapng)] = containers();
    for (number, (_, pack)) in COMPRESSIONS.into_iter().chain(STORED).enumerate() {
        let whole = pack(if number % 2 == 0 { &pcap } else { &pcapng });
        for round in 0..40 {
            let mut bytes = whole.clone();
            for _ in 0..=round {
                let place = 4 + rng.below(bytes.len() as u64 - 4) as usize;
                bytes[place] = rng.below(256) as u8;
            }
            fuzz_compression(&bytes);
            if round % 8 == 0 {
                let run = audit(bytes, &[]);
                assert!((0..=2).contains(&run.status), "{}", run.err);
                assert!(!run.err.contains("panicked"), "{}", run.err);
            }
        }
    }
}

#[test]
fn what_holds_no_capture_is_refused_sensibly() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, pack) in COMPRESSIONS.into_iter().chain(STORED) {
        let said = format!("(said of what the {name} data holds)");
        for (content, words) in [
            (&b""[..], "the file is empty (0 bytes)"),
            (&[0; 100], "the file holds zeros"),
            (
                b"text",
                "not a pcap or pcapng capture (it begins with 74 65 78 74)",
            ),
            (b"GMBU\0\x02\0\0", "Network Monitor 2 files are not read"),
            (
                &gzip(b"again"),
                "doubly compressed files are not read; unpack it first",
            ),
        ] {
            let bytes = pack(content);
            let error = source(folder.path(), &bytes).expect_err("it holds no capture");
            assert!(error.contains(words) && error.ends_with(&said), "{error}");
            let run = audit(bytes, &[]);
            assert_eq!(run.status, 2);
            assert!(run.err.contains(words), "{}", run.err);
        }
        let head = &pack(&Pcap::default().header(1))[..6];
        let error = source(folder.path(), head).expect_err("nothing can be unpacked");
        let cut = format!("the {name} data ends before its end, after ");
        assert!(
            error.contains(&cut) && error.ends_with("check the file"),
            "{error}"
        );
    }
}

#[test]
fn folders_hold_both_and_say_what_was_lost() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, bytes: &[u8]| {
        fs::write(folder.path().join(name), bytes).expect("a temporary file");
    };
    let records = records(3);
    let minute = |number: usize| Pcap::default().encode(&records[number * 2..][..2]);
    write("c.pcap.gz", &gzip(&minute(0)));
    write("b.pcap", &minute(1));
    write("a.zst", &zstd(&minute(2)));
    write("lost.pcap.lz4", &lz4(b""));
    write("cut.pcapng.gz", &gzip(&minute(0))[..12]);
    write("notes.gz", &gzip(b"notes"));
    write("cut.gz", &gzip(b"notes")[..12]);
    let found = sources(&[folder.path().to_path_buf()]).expect("three captures");
    let names: Vec<_> = found
        .list
        .iter()
        .map(|source| {
            (
                source.name.rsplit('/').next(),
                source.compression.map(|it| it.name()),
            )
        })
        .collect();
    assert_eq!(
        names,
        [
            (Some("c.pcap.gz"), Some("gzip")),
            (Some("b.pcap"), None),
            (Some("a.zst"), Some("zstd")),
        ]
    );
    let failed: Vec<_> = found.failed.iter().map(ToString::to_string).collect();
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert!(
        failed[0].contains("cut.pcapng.gz: the gzip data ends"),
        "{failed:?}"
    );
    assert!(
        failed[1].contains("lost.pcap.lz4: the file is empty"),
        "{failed:?}"
    );
    assert_eq!(found.warnings.len(), 2, "{:?}", found.warnings);
}

#[test]
fn progress_counts_what_lies_in_the_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let capture = Pcap::default().encode(&records(20_000));
    for (name, pack) in COMPRESSIONS {
        let packed = pack(&capture);
        let path = folder.path().join(name);
        fs::write(&path, &packed).expect("a temporary file");
        let found = sources(&[path]).expect("a capture");
        assert_eq!(found.list[0].size, Some(packed.len() as u64));
        let mut read = 0;
        let observation = observe(&found, &Options::default(), &mut |event: Progress<'_>| {
            assert!(event.bytes >= read, "{name}");
            read = event.bytes;
        });
        assert!(observation.captures()[0].is_complete());
        assert_eq!(read, packed.len() as u64, "{name}");
    }
}
