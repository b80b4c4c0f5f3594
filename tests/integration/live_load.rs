//! A link under load: what was sent was read, or is told as dropped; and what is told live is what
//! is told of the same packets in a file.

use std::fs;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use portolan::capture::live::{LiveCapture, LiveOptions};
use portolan::net::Timestamp;
use portolan::pipeline::live::{Live, LiveInput, Tap};
use serde_json::Value;

use crate::command::{portolan, root};
use crate::support::build::{Bulk, Profile};
use crate::support::namespaces::wait_until;
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

/// What lies in the ring while the disk holds up who keeps the packets is no silence on the wire:
/// nothing is judged by a time until which the wire was not read.
#[test]
fn what_was_not_read_yet_is_no_silence() {
    if !can_run() {
        return;
    }
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let here = socket.local_addr().expect("an address");
    let options = LiveOptions {
        filter: Some(format!("udp port {}", here.port())),
        ..LiveOptions::default()
    };
    let capture = LiveCapture::open("lo", &options).expect("opens");
    let (holds_up, held_up) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let tap: Tap = Arc::new(move |_| {
        let _ = holds_up.send(Timestamp::now());
        // Comes back once nobody could say so any more.
        let _ = released.lock().map(|released| released.recv());
    });
    let input = LiveInput {
        max_flows: 1000,
        packets: None,
        tap: Some(tap),
    };
    let mut live = Live::start(vec![capture], input).expect("starts");
    socket.send_to(b"one", here).expect("sends");
    let since = held_up.recv().expect("it is read");
    while live.take_next(Duration::ZERO) {}
    assert!(live.observation().end() <= since);
    drop(release);
    wait_until("reading goes on, though nothing comes", || {
        live.take_next(Duration::from_millis(10));
        live.observation().end() > since
    });
    let end = Timestamp::now();
    live.stop();
    while live.is_running() {
        live.take_next(Duration::from_millis(10));
    }
    let seen = live.observation();
    assert!(seen.end() >= end);
    assert_eq!(seen.total().packets, 1);
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
