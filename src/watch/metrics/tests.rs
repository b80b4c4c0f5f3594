//! The file is what Prometheus' text format allows, and says what the audit says.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::*;
use crate::report::sample;

fn written() -> String {
    written_of(["br0", "odd \"name\"\\\n"])
}

fn written_of(names: [&str; 2]) -> String {
    let [first, second] = names.map(str::to_owned);
    let moment = Moment {
        now: Timestamp(1_767_600_060_000_000_000),
        since_start: Duration::from_secs(60),
        interfaces: vec![
            Interface {
                name: first,
                packets: 1757,
                bytes: 1_000_001,
                dropped: Some(84),
                state: InterfaceState::Up,
            },
            Interface {
                name: second,
                packets: u64::MAX,
                bytes: 0,
                dropped: None,
                state: InterfaceState::Gone,
            },
        ],
    };
    text(
        &sample::audit(),
        &moment,
        Timestamp(1_767_600_000_500_000_000),
    )
}

/// A family as it stands in the file.
#[derive(Default)]
struct Family {
    kind: String,
    /// Labels as written, and value.
    samples: Vec<(BTreeMap<String, String>, f64)>,
}

/// Reads the text format strictly: every family once, HELP and TYPE before its samples, no label
/// set twice.
fn read(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    let mut lines = text.lines();
    assert!(text.ends_with('\n'));
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').expect("a name and a text");
            assert!(!help.is_empty() && !help.contains('\\'));
            let kind = lines.next().expect("TYPE follows HELP");
            let kind = kind
                .strip_prefix(&format!("# TYPE {name} "))
                .expect("of the same name");
            assert!(["counter", "gauge"].contains(&kind), "{line}");
            let family = Family {
                kind: kind.to_owned(),
                ..Family::default()
            };
            assert!(
                families.insert(name.to_owned(), family).is_none(),
                "{name} twice"
            );
            assert!(is_name(name), "{name}");
            name.clone_into(&mut current);
            continue;
        }
        let rest = line
            .strip_prefix(current.as_str())
            .expect("a sample of the family above");
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest),
            None => (BTreeMap::new(), rest),
        };
        let value = value.strip_prefix(' ').expect("one blank before the value");
        let value: f64 = value.parse().expect("a number");
        let family = families.get_mut(&current).expect("it is there");
        assert!(
            family.samples.iter().all(|(known, _)| *known != labels),
            "{line}"
        );
        family.samples.push((labels, value));
    }
    families
}

/// Labels after their brace, and what follows.
fn labels(mut rest: &str) -> (BTreeMap<String, String>, &str) {
    let mut labels = BTreeMap::new();
    loop {
        let (name, value) = rest.split_once("=\"").expect("a label");
        assert!(is_name(name), "{name}");
        let mut text = String::new();
        let mut characters = value.char_indices();
        let end = loop {
            match characters.next().expect("a closing quote") {
                (index, '"') => break index,
                (_, '\\') => text.push(match characters.next() {
                    Some((_, 'n')) => '\n',
                    Some((_, escaped @ ('\\' | '"'))) => escaped,
                    other => panic!("{other:?} is no escape"),
                }),
                (_, character) => text.push(character),
            }
        };
        labels.insert(name.to_owned(), text);
        rest = &value[end + 1..];
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None => return (labels, rest.strip_prefix('}').expect("a closing brace")),
        }
    }
}

fn is_name(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[test]
fn the_format_is_kept() {
    let families = read(&written());
    for (name, family) in &families {
        assert!(name.starts_with("portolan_"), "{name}");
        assert!(!family.samples.is_empty(), "{name} has no samples");
        assert_eq!(family.kind == "counter", name.ends_with("_total"), "{name}");
        let labels = family
            .samples
            .iter()
            .map(|(labels, _)| labels.keys().collect());
        let sets: BTreeSet<Vec<&String>> = labels.collect();
        assert_eq!(sets.len(), 1, "{name}: one set of labels");
    }
}

#[test]
fn it_says_what_the_audit_says() {
    let families = read(&written());
    let value = |name: &str, label: &str, text: &str| {
        let samples = &families[&format!("portolan_{name}")].samples;
        let found = samples
            .iter()
            .find(|(labels, _)| labels.get(label).is_some_and(|value| value == text));
        found.map(|(_, value)| *value)
    };
    assert_eq!(value("packets_total", "interface", "br0"), Some(1757.0));
    assert_eq!(
        value("dropped_packets_total", "interface", "br0"),
        Some(84.0)
    );
    let mut odd = families["portolan_packets_total"].samples.iter();
    assert!(odd.any(|(labels, _)| labels["interface"] == "odd \"name\"\\\\u{a}"));
    assert_eq!(families["portolan_dropped_packets_total"].samples.len(), 1);
    assert_eq!(value("flows", "verdict", "expected"), Some(1000.0));
    assert_eq!(value("requirements", "state", "missing"), Some(1.0));
    assert_eq!(
        value("requirement_hosts", "requirement", "pxe-boot/tftp-request"),
        Some(1.0)
    );
    assert_eq!(value("tftp_transfers", "outcome", "complete"), Some(1.0));
    let start = &families["portolan_watch_start_time_seconds"].samples;
    assert_eq!(start[0].1, 1_767_600_000.5);

    let audit = sample::audit();
    for reason in Reason::ALL {
        let told = audit.unexpected.iter();
        let told = told.filter(|one| one.accepted.is_none() && one.reason == *reason);
        let flows: u64 = told.clone().map(|finding| finding.flows).sum();
        assert_eq!(
            value("findings", "reason", reason.code()),
            Some(told.count() as f64)
        );
        assert_eq!(
            value("finding_flows", "reason", reason.code()),
            Some(flows as f64)
        );
    }
}

/// A collector reads the files of all watches on a machine as one.
#[test]
fn watches_of_other_interfaces_have_other_labels() {
    let one = read(&written_of(["br0", "br1"]));
    let other = read(&written_of(["eth0", "eth1"]));
    for (name, family) in &one {
        for (labels, _) in &family.samples {
            let mut others = other[name].samples.iter();
            assert!(others.all(|(others, _)| others != labels), "{name}");
        }
    }
}

#[test]
fn nothing_that_a_packet_chose_is_a_label() {
    let text = written();
    for chosen in ["wdsmgfw", "10.1.0", "52:54:00"] {
        assert!(sample_texts().contains(chosen), "the sample has {chosen}");
        assert!(!text.contains(chosen), "{chosen}");
    }
}

fn sample_texts() -> String {
    format!("{:?}", crate::report::Report::new(&sample::audit()))
}

#[test]
fn the_readme_names_metrics_that_are_written() {
    let families = read(&written());
    let readme = include_str!("../../../README.md");
    let named = readme.split("`portolan_").skip(1);
    let named: Vec<&str> = named.filter_map(|rest| rest.split('`').next()).collect();
    assert!(named.len() > 5);
    for name in named {
        assert!(families.contains_key(&format!("portolan_{name}")), "{name}");
    }
}

/// Prometheus' own checker, where it is installed.
#[test]
fn promtool_finds_nothing() {
    let command = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = command else {
        eprintln!("SKIPPED: promtool is not installed");
        return;
    };
    let mut input = promtool.stdin.take().expect("a pipe");
    input.write_all(written().as_bytes()).expect("it reads");
    drop(input);
    let done = promtool.wait_with_output().expect("it ends");
    let said =
        String::from_utf8_lossy(&done.stderr).into_owned() + &String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}");
    assert_eq!(said, "");
}
