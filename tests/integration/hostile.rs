//! Input made to do harm, through the real program: every run ends with a status of the contract,
//! and nothing that acts on a terminal comes out.

use std::fs;

use serde_json::Value;

use crate::command::{Run, fixture, portolan, portolan_in, portolan_reading, root};
use crate::support::build::{
    ByteOrder, Dhcp, Link, Pcap, Pcapng, Record, Recording, Rng, at, encode,
};

const FORMATS: [&str; 4] = ["text", "json", "jsonl", "csv"];

/// Audits a capture on standard input, in any format.
fn audit(site: &str, format: &str, capture: Vec<u8>) -> Run {
    let arguments = ["audit", "--site", site, "--format", format, "-"];
    checked(portolan_reading(
        &root().join("fixtures"),
        arguments,
        capture,
    ))
}

/// A run that ended as runs may end.
fn checked(run: Run) -> Run {
    assert!((0..=2).contains(&run.status), "{}: {}", run.status, run.err);
    assert!(!run.err.contains("panicked"), "{}", run.err);
    for text in [&run.out, &run.err] {
        // Lines of CSV end with a carriage return as well (RFC 4180).
        let acts = text.replace("\r\n", "\n").chars().find(|character| {
            (character.is_control() && *character != '\n')
                || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        });
        assert_eq!(acts, None, "{text}");
    }
    run
}

fn pcap(recording: &Recording) -> Vec<u8> {
    Pcap::default().encode(&recording.records)
}

fn record(bytes: &[u8]) -> Record {
    Record {
        time_ns: 0,
        link_type: 1,
        wire_length: bytes.len() as u32,
        bytes: bytes.to_vec(),
    }
}

#[test]
fn cut_and_changed_captures() {
    let mut rng = Rng::new(1);
    for name in ["boundary.pcapng", "pxe-good.pcap"] {
        let whole = fixture(name);
        for round in 0..30 {
            let mut bytes = whole.clone();
            if round % 2 == 0 {
                bytes.truncate(rng.below(whole.len() as u64) as usize);
            }
            for _ in 0..round * 4 {
                if !bytes.is_empty() {
                    let place = rng.below(bytes.len() as u64) as usize;
                    bytes[place] = rng.below(256) as u8;
                }
            }
            let format = FORMATS[round % FORMATS.len()];
            audit("boundary.toml", format, bytes);
        }
    }
}

#[test]
fn containers_that_claim_what_they_do_not_hold() {
    let header = Pcap::default().header(1);
    let claims = |length: u32| {
        let mut bytes = header.clone();
        bytes.extend([0; 8]);
        bytes.extend(length.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes
    };
    let after_section = |bytes: &[u8]| {
        let mut file = Pcapng::new(ByteOrder::Little).finish();
        file.extend(bytes);
        file
    };
    let mut without_interface = Pcapng::new(ByteOrder::Little);
    without_interface.simple(&record(&[0; 60]));
    let damaged = [
        Vec::new(),
        vec![0; 4096],
        b"no capture".to_vec(),
        claims(u32::MAX),
        claims(1 << 24),
        after_section(&[6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        after_section(&[0xff; 64]),
        without_interface.finish(),
    ];
    for (number, bytes) in damaged.into_iter().enumerate() {
        let run = audit("clean.toml", "text", bytes);
        assert_eq!(run.status, 2, "{number}: {}", run.err);
        assert!(run.err.contains("error: -: "), "{number}: {}", run.err);
    }
}

#[test]
fn times_at_both_ends() {
    // Powers of ten and of two, as far as the field goes (pcapng if_tsresol).
    for resolution in [0, 6, 9, 18, 19, 127, 128, 128 + 63, 128 + 64, 255_u8] {
        let mut file = Pcapng::new(ByteOrder::Little);
        let option = [9, 0, 1, 0, resolution, 0, 0, 0];
        file.block(1, &[&[1, 0, 0, 0, 0, 0, 0, 0], &option[..]].concat());
        for time in [0, i64::MAX as u64, u64::MAX] {
            let words = [0, (time >> 32) as u32, time as u32, 60, 60];
            let mut body: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            body.extend(encode::lldp([2; 6]));
            body.resize(20 + 60, 0);
            file.block(6, &body);
        }
        let run = audit("clean.toml", "json", file.finish());
        let report: Value = serde_json::from_str(&run.out).expect("JSON");
        assert_eq!(report["totals"]["packets"], 3, "{resolution}");
        assert_eq!(report["complete"], true, "{resolution}: {}", run.err);
    }
}

#[test]
fn text_of_packets_acts_nowhere() {
    let names: [&[u8]; 8] = [
        b"\x1b[2J\x1b]0;title\x07",
        b"=HYPERLINK(\"http://host\")",
        b"\t=1+1",
        b"a\r\nb,c\"d",
        b"<script>alert(1)</script>",
        "\u{202e}ife.exe\u{200b}".as_bytes(),
        b"\xff\xfe\xc2\x9b31m",
        b"",
    ];
    let mut recording = Recording::new(Link::Ethernet);
    let server = at("10.0.0.12:69");
    for (number, name) in names.iter().enumerate() {
        let client = at(&format!("10.1.0.{}:2000", number + 1));
        let text = [&b"\0\x01"[..], name, b"\0octet\0blksize\0", name, b"\0"].concat();
        recording.udp(client, server, &text);
        let error = [&b"\0\x05\0\x01"[..], name, b"\0"].concat();
        recording.udp(at("10.0.0.12:3000"), client, &error);
    }
    for format in FORMATS {
        let run = audit("pxe.toml", format, pcap(&recording));
        assert_eq!(run.status, 1, "{}", run.err);
        assert!(run.out.contains("10.1.0.1"), "{format}");
        let mut cells = run.out.lines().flat_map(|line| line.split(','));
        let formula = cells.find(|cell| cell.trim_matches('"').starts_with(['=', '@']));
        assert_eq!(formula, None, "{format}");
    }
}

#[test]
fn made_up_machines_are_bounded_and_counted() {
    const MACHINES: usize = 3000;
    const STEPS: usize = 7;
    const BOUND: usize = 10_000;
    let mut recording = Recording::new(Link::Ethernet);
    for number in 0..MACHINES {
        let [high, low] = (number as u16).to_be_bytes();
        let mac = [2, 0, 0, 0, high, low];
        let message = Dhcp::new(1, 1, number as u32, mac).option(60, b"PXEClient");
        recording.udp(
            at("0.0.0.0:68"),
            at("255.255.255.255:67"),
            &message.encode(),
        );
    }
    let run = audit("pxe.toml", "json", pcap(&recording));
    let report: Value = serde_json::from_str(&run.out).expect("JSON");
    let requirements = report["requirements"].as_array().expect("a list");
    assert_eq!(requirements.len(), BOUND);
    let limits = report["limits"].as_array().expect("a list");
    let limit = limits.iter().find(|entry| entry["limit"] == "requirements");
    let kept_out = MACHINES * STEPS - BOUND;
    assert_eq!(limit.expect("the bound was hit")["reached"], kept_out);
}

#[test]
fn site_files_made_to_do_harm() {
    let head =
        "version = 1\nname = \"\\u001b[31m\\n=x\\u202e\"\n[roles]\nclient = [\"10.1.0.0/16\"]\n";
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sites: [(Vec<u8>, i32); 9] = [
        (
            format!("{head}[hosts]\n\"\\u001b[2J\" = [\"10.1.0.1\"]\n").into(),
            0,
        ),
        (format!("x = {}", "[".repeat(100_000)).into(), 2),
        (format!("[{}a]", "a.".repeat(100_000)).into(), 2),
        (vec![b'#'; 9 << 20], 2),
        ([head.as_bytes(), b"# \xff\xfe"].concat(), 2),
        ([head.as_bytes(), b"\0"].concat(), 2),
        (format!("{head}client = []\n").into(), 2),
        (
            format!("{head}site-server = [\"@site-server\"]\n").into(),
            2,
        ),
        (
            format!("{head}[policy]\nextend = [\"site.toml\"]\n").into(),
            2,
        ),
    ];
    for (number, (text, status)) in sites.into_iter().enumerate() {
        fs::write(folder.path().join("site.toml"), text).expect("a temporary file");
        let run = checked(portolan_in(folder.path(), ["site", "check", "site.toml"]));
        assert_eq!(run.status, status, "{number}: {}", run.err);
    }
}

#[test]
fn reports_that_cannot_be_written() {
    for path in ["json=/nonexistent/report.json", "json=."] {
        let run = checked(portolan([
            "audit",
            "--quiet",
            "--site",
            "clean.toml",
            "--report",
            path,
            "clean.pcap",
        ]));
        assert_eq!(run.status, 2, "{path}");
        assert!(
            run.err.contains("the report can't be written"),
            "{}",
            run.err
        );
    }
}

#[test]
fn a_folder_of_lost_captures_keeps_the_good_one() {
    const LOST: usize = 500;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, bytes: &[u8]| {
        fs::write(folder.path().join(name), bytes).expect("a temporary file");
    };
    write("b.pcap", &fixture("clean.pcap"));
    for number in 0..LOST {
        write(&format!("{}{number:03}.pcap", ["a", "c"][number % 2]), b"");
        write(&format!("none{number:03}.pcap"), &Pcap::default().header(1));
    }
    let site = root().join("fixtures/clean.toml");
    let folder = folder.path().as_os_str();
    let run = checked(portolan([
        "audit".as_ref(),
        "--format=json".as_ref(),
        "--site".as_ref(),
        site.as_os_str(),
        folder,
    ]));
    assert_eq!(run.status, 2);
    let report: Value = serde_json::from_str(&run.out).expect("JSON");
    let captures = report["captures"].as_array().expect("a list");
    assert_eq!(captures.len(), 2 * LOST + 1);
    assert!(
        captures[0]["source"]
            .as_str()
            .is_some_and(|name| name.ends_with("b.pcap"))
    );
    let lost = captures
        .iter()
        .filter(|capture| capture["complete"] == false);
    assert_eq!(lost.count(), LOST);
}
