//! A link under load: what was sent was read, or is told as dropped; and what is told live is what
//! is told of the same packets in a file.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::command::{portolan, root};
use crate::support::build::{Bulk, Profile};
use crate::support::wire::{LINK, Watched, Wire, can_run};

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_portolan"))
}

fn report(run: &Watched) -> Value {
    serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{}{}", run.out, run.err))
}

/// Everything is accounted for, whether the reader keeps up (a ring as always) or can't (the
/// smallest one).
#[test]
fn counted_and_dropped_are_what_was_sent() {
    if !can_run() {
        return;
    }
    let site = root().join("benches/site.toml");
    let site = site.to_str().expect("text");
    let bulk = Bulk {
        profile: Profile::Site,
        packets: 20_000,
        flows: Some(500),
        seed: 3,
        snaplen: 0,
        ..Bulk::default()
    };
    for ring in ["32", "1"] {
        let wire = Wire::new();
        let sending = wire.path("sent.pcap");
        fs::write(&sending, bulk.encode()).expect("room");
        let options = ["--site", site, "-i", LINK, "--buffer-size", ring];
        let watch = wire.watch(&program(), &[&options[..], &["--duration", "60s"]].concat());
        let fast = ["--topspeed", "--preload-pcap", "--loop", "100000"];
        let sent = wire.replay(&sending, &[&fast[..], &["--duration", "2"]].concat());
        // The end comes while the last of them lie in the ring.
        let report = report(&watch.end());
        let counted = report["totals"]["packets"].as_u64().expect("a number");
        let dropped = report["loss"]["kernel_drops"].as_u64().expect("a number");
        assert!(counted > 0 && sent > 20_000, "{counted} of {sent}");
        assert_eq!(
            counted + dropped,
            sent,
            "ring of {ring} MiB: {dropped} dropped"
        );
    }
}

#[test]
fn live_and_offline_audits_agree() {
    if !can_run() {
        return;
    }
    let fixtures = root().join("fixtures");
    for (capture, site) in [
        ("clean.pcap", "clean.toml"),
        ("pxe-good.pcap", "pxe.toml"),
        ("pxe-stalled.pcap", "pxe.toml"),
    ] {
        let wire = Wire::new();
        let site = fixtures.join(site);
        let site = site.to_str().expect("text");
        let options = ["--site", site, "-i", LINK, "--write", "kept.pcapng"];
        let watch = wire.watch(&program(), &[&options[..], &["--duration", "60s"]].concat());
        wire.replay(&fixtures.join(capture), &["--topspeed"]);
        let run = watch.end();
        let live = report(&run);
        let kept = wire.path("kept.pcapng");
        let kept = kept.to_str().expect("text");
        let offline = portolan(["audit", "--site", site, "--format", "json", kept]);
        let file: Value = serde_json::from_str(&offline.out).expect("JSON");
        assert_eq!(run.status, offline.status, "{capture}");
        assert_eq!(findings(&live), findings(&file), "{capture}");
    }
}

/// All that a report says of packets, whatever they were read from.
fn findings(report: &Value) -> Value {
    let mut findings = report.clone();
    let all = findings.as_object_mut().expect("an object");
    assert!(all.remove("captures").is_some());
    rename(&mut findings);
    findings
}

/// Captures go by one name.
fn rename(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(capture) = fields.get_mut("capture") {
                *capture = Value::Null;
            }
            fields.values_mut().for_each(rename);
        }
        Value::Array(entries) => entries.iter_mut().for_each(rename),
        _ => {}
    }
}
