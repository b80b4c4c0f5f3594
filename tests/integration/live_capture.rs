//! Frames of real interfaces: what was sent over a link is what is captured, whole, tagged, cut or
//! filtered as asked; interfaces go down, come back and go away; and what can't be captured is told.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use portolan::capture::{LinkType, Reader};
use serde_json::Value;

use crate::command::root;
use crate::support::build::{Link, Pcap, Recording, Segment, at};
use crate::support::namespaces;
use crate::support::wire::{LINK, Watched, Wire, can_run};

/// Longest that a test may watch.
const MOST: [&str; 2] = ["--duration", "60s"];

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_portolan"))
}

fn site() -> String {
    let path = root().join("fixtures/clean.toml");
    path.to_str().expect("text").to_owned()
}

/// A captured frame, owned.
struct Captured {
    time_ns: i64,
    link_type: LinkType,
    wire_length: u32,
    bytes: Vec<u8>,
}

/// What was captured, and the report.
struct Seen {
    frames: Vec<Captured>,
    report: Value,
    run: Watched,
}

impl Seen {
    /// Frames as bytes.
    fn bytes(&self) -> Vec<&[u8]> {
        self.frames.iter().map(|frame| &frame.bytes[..]).collect()
    }
}

fn report(run: &Watched) -> Value {
    serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{}{}", run.out, run.err))
}

/// Watches an interface while something happens; the packets are kept, too.
fn watch(wire: &Wire, interface: &str, options: &[&str], happens: impl FnOnce(&Wire)) -> Seen {
    let site = site();
    let mut arguments = vec!["--site", &site, "-i", interface, "--write", "kept.pcapng"];
    arguments.extend(MOST);
    arguments.extend(options);
    let watch = wire.watch(&program(), &arguments);
    happens(wire);
    let run = watch.end();
    kept(wire, run)
}

fn kept(wire: &Wire, run: Watched) -> Seen {
    let file = fs::read(wire.path("kept.pcapng")).unwrap_or_else(|_| panic!("{}", run.err));
    let mut reader = Reader::new(&file[..], "kept").expect("it is a capture");
    let mut frames = Vec::new();
    reader.read(|frame| {
        frames.push(Captured {
            time_ns: frame.time.0,
            link_type: frame.link_type,
            wire_length: frame.wire_length,
            bytes: frame.data.to_vec(),
        });
    });
    assert_eq!(reader.problem(), None);
    Seen {
        frames,
        report: report(&run),
        run,
    }
}

/// Two ends that no other packet has.
fn ends() -> (SocketAddr, SocketAddr) {
    (at("10.1.0.21:50000"), at("10.0.0.11:443"))
}

/// Sends the frames from the far end, in order.
fn send(wire: &Wire, recording: &Recording) {
    let path = wire.path("sent.pcap");
    fs::write(&path, Pcap::default().encode(&recording.records)).expect("room");
    let sent = wire.replay(&path, &["--pps", "1000"]);
    assert_eq!(sent, recording.records.len() as u64);
}

fn sent(recording: &Recording) -> Vec<&[u8]> {
    let records = recording.records.iter();
    records.map(|record| &record.bytes[..]).collect()
}

/// Datagrams of many lengths, the longest that fit an Ethernet frame among them.
fn datagrams(link: Link, count: usize) -> Recording {
    let (client, server) = ends();
    let mut out = Recording::new(link);
    for index in 0..count {
        let length = [0, 18, 300, 1464][index % 4];
        out.udp(client, server, &vec![index as u8; length]);
    }
    out
}

fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_nanos() as i64
}

#[test]
fn frames_are_captured_whole_and_in_order_with_their_times() {
    if !can_run() {
        return;
    }
    let sending = datagrams(Link::Ethernet, 64);
    let begin = now_ns();
    let seen = watch(&Wire::new(), LINK, &[], |wire| send(wire, &sending));
    assert_eq!(seen.bytes(), sent(&sending), "{}", seen.run.err);
    let times: Vec<i64> = seen.frames.iter().map(|frame| frame.time_ns).collect();
    assert!(times.is_sorted() && begin < times[0] && times[63] < now_ns());
    let finer_than_microseconds = times.iter().filter(|time| *time % 1000 != 0);
    assert!(finer_than_microseconds.count() > 32);
    let capture = &seen.report["captures"][0];
    assert_eq!(capture["source"], LINK);
    assert_eq!(capture["packets"], 64);
    assert_eq!(capture["link_types"], serde_json::json!(["ETHERNET"]));
    assert_eq!(capture["complete"], true);
    assert_eq!(seen.report["loss"]["kernel_drops"], 0);
}

#[test]
fn filter_and_snaplen_are_the_kernels() {
    if !can_run() {
        return;
    }
    let (client, server) = ends();
    let mut sending = Recording::new(Link::Ethernet);
    for _ in 0..8 {
        sending.udp(client, server, &[1; 500]);
        sending.tcp(client, server, Segment::default());
    }
    let options = ["--filter", "udp port 443", "--snaplen", "64"];
    let seen = watch(&Wire::new(), LINK, &options, |wire| send(wire, &sending));
    assert_eq!(seen.frames.len(), 8, "{}", seen.run.err);
    let udp = &sending.records[0];
    for frame in &seen.frames {
        assert_eq!(frame.bytes, udp.bytes[..64]);
        assert_eq!(frame.wire_length, udp.wire_length);
    }
    assert_eq!(seen.report["loss"]["snaplen_cut"], 8);
}

/// The kernel takes the outer tag off before it shows the frame; it is put back.
#[test]
fn tags_are_where_they_were() {
    if !can_run() {
        return;
    }
    for tags in [vec![7], vec![110, 7]] {
        let sending = datagrams(Link::Vlan(tags.clone()), 4);
        let wire = Wire::new();
        let seen = watch(&wire, LINK, &[], |wire| send(wire, &sending));
        assert_eq!(seen.bytes(), sent(&sending), "{tags:?}");
        assert_eq!(flow_tags(&wire), [u64::from(tags[0])]);

        let seen = watch(&wire, "any", &[], |wire| send(wire, &sending));
        assert_eq!(seen.frames.len(), 4, "{tags:?}");
        assert!(
            seen.frames
                .iter()
                .all(|frame| frame.link_type == LinkType::LINUX_SLL)
        );
        assert_eq!(flow_tags(&wire), [u64::from(tags[0])], "any, {tags:?}");
    }
}

/// VLAN identifiers of the flows in what was kept.
fn flow_tags(wire: &Wire) -> Vec<u64> {
    let output = wire
        .command(program())
        .args(["flows", "--format", "jsonl", "kept.pcapng"])
        .output()
        .expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let flows = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let tags = flows.map(|flow: Value| flow["vlan"].as_u64().unwrap_or_default());
    tags.collect()
}

#[test]
fn any_shows_every_interface() {
    if !can_run() {
        return;
    }
    let wire = Wire::new();
    wire.ip("link set lo up");
    let sending = datagrams(Link::Ethernet, 5);
    let seen = watch(&wire, "any", &[], |wire| {
        send(wire, &sending);
        let local = "echo here > /dev/udp/127.0.0.1/4444";
        let status = wire.command("bash").args(["-c", local]).status();
        assert!(status.is_ok_and(|status| status.success()));
    });
    // What was said on the loopback met a closed port, which was said there, too.
    assert_eq!(seen.report["captures"][0]["packets"], 7, "{}", seen.run.err);
    assert_eq!(seen.report["totals"]["undecoded"], serde_json::json!({}));
    let data: Vec<_> = seen.frames.iter().map(|frame| &frame.bytes[16..]).collect();
    for (frame, sent) in data.iter().zip(sent(&sending)) {
        // The cooked header takes the place of the Ethernet header.
        assert_eq!(*frame, &sent[14..]);
    }
}

/// Those beyond the number, which the rings hold too, are neither counted nor kept.
#[test]
fn ends_after_so_many_packets_of_all_interfaces() {
    if !can_run() {
        return;
    }
    let wire = Wire::new();
    wire.ip("link set lo up");
    let site = site();
    let both = ["--site", &site, "-i", LINK, "-i", "lo", "--packets", "6"];
    let arguments = [&both[..], &["--write", "kept.pcapng"], &MOST].concat();
    let watch = wire.watch(&program(), &arguments);
    send(&wire, &datagrams(Link::Ethernet, 5));
    let local = "for _ in 1 2 3; do echo here > /dev/udp/127.0.0.1/4444; done";
    let status = wire.command("bash").args(["-c", local]).status();
    assert!(status.is_ok_and(|status| status.success()));
    let seen = kept(&wire, watch.wait());
    let said = &seen.run.err;
    assert!(said.contains("ended       packets  6 packets"), "{said}");
    assert_eq!(seen.frames.len(), 6);
    assert_eq!(seen.report["totals"]["packets"], 6);
    assert_eq!(seen.report["complete"], true);
    let captures = seen.report["captures"].as_array().expect("a list");
    let packets = captures.iter().map(|capture| capture["packets"].as_u64());
    assert_eq!((captures.len(), packets.sum()), (2, Some(6)));
}

/// What is said of the interface.
fn state(code: &str) -> String {
    format!("  {code:<12}{LINK}\n")
}

#[test]
fn stays_down_to_the_end() {
    if !can_run() {
        return;
    }
    let wire = Wire::new();
    // The end comes before any look at it, and after one.
    for waits in [false, true] {
        wire.ip(&format!("link set {LINK} up"));
        let site = site();
        let arguments = ["--site", &site, "-i", LINK, "--metrics", "metrics"];
        let watch = wire.watch(&program(), &[&arguments[..], &MOST].concat());
        send(&wire, &datagrams(Link::Ethernet, 5));
        wire.ip(&format!("link set {LINK} down"));
        if waits {
            watch.wait_for(&state("down"));
        }
        let run = watch.end();
        assert!(run.err.contains(&state("down")), "{}", run.err);
        assert!(!run.err.contains(&state("up")), "{}", run.err);
        let metrics = fs::read_to_string(wire.path("metrics")).expect("they are written");
        let down = format!("portolan_interface_up{{interface=\"{LINK}\"}} 0\n");
        assert!(metrics.contains(&down), "{metrics}");
        assert_eq!(report(&run)["captures"][0]["packets"], 5);
    }
}

#[test]
fn goes_on_after_an_interface_was_down() {
    if !can_run() {
        return;
    }
    let wire = Wire::new();
    let site = site();
    let arguments = [
        &["--site", &site, "-i", LINK, "--write", "kept.pcapng"],
        &MOST[..],
    ]
    .concat();
    let watch = wire.watch(&program(), &arguments);
    let sending = datagrams(Link::Ethernet, 5);
    // The last frames are still in the ring when it goes down, and nothing comes to say that it is
    // up again.
    send(&wire, &sending);
    wire.ip(&format!("link set {LINK} down"));
    watch.wait_for(&state("down"));
    wire.ip(&format!("link set {LINK} up"));
    watch.wait_for(&state("up"));
    send(&wire, &sending);
    let seen = kept(&wire, watch.end());
    assert_eq!(seen.run.err.matches(&state("down")).count(), 1);
    assert_eq!(seen.bytes(), [sent(&sending), sent(&sending)].concat());
    assert_eq!(seen.report["captures"][0]["problem"], Value::Null);
    assert_eq!(seen.report["complete"], true);
}

/// One of the same name that comes after it is another interface.
#[test]
fn ends_where_the_interface_is_removed() {
    if !can_run() {
        return;
    }
    for comes_again in [false, true] {
        let wire = Wire::new();
        let site = site();
        let kept_too = ["--site", &site, "-i", LINK, "--write", "kept.pcapng"];
        let watch = wire.watch(&program(), &[&kept_too, &MOST[..]].concat());
        let sending = datagrams(Link::Ethernet, 5);
        send(&wire, &sending);
        wire.ip(&format!("link delete {LINK}"));
        if comes_again {
            wire.connect();
        }
        let seen = kept(&wire, watch.wait());
        // The last of them lay in the kernel still.
        assert_eq!(seen.bytes(), sent(&sending), "{comes_again}");
        let problem = seen.report["captures"][0]["problem"].to_string();
        assert!(problem.contains("the interface is gone"), "{problem}");
        assert_eq!(seen.run.status, 2, "{}", seen.run.err);
    }
}

/// What `watch` says on standard error where it can't begin; it ends with status 2.
fn refusal(wire: &Wire, prefix: &[&str], program: &Path, options: &[&str]) -> String {
    let site = site();
    let mut words = prefix.to_vec();
    words.push(program.to_str().expect("text"));
    words.extend(["watch", "--site", &site]);
    words.extend(MOST);
    words.extend(options);
    let output = wire
        .command(words[0])
        .args(&words[1..])
        .output()
        .expect("it runs");
    let text = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(output.stdout.is_empty(), "{text}");
    text
}

#[test]
fn says_why_an_interface_is_not_captured() {
    if !can_run() {
        return;
    }
    let wire = Wire::new();
    let said = refusal(&wire, &[], &program(), &["-i", "lnik0"]);
    assert!(said.contains("lnik0: no such interface"), "{said}");
    assert!(
        said.contains(LINK) && said.contains("--list-interfaces"),
        "{said}"
    );
    let said = refusal(
        &wire,
        &[],
        &program(),
        &["-i", LINK, "--filter", "port foo"],
    );
    assert!(said.contains("unknown port 'foo'"), "{said}");
    let tagged = ["-i", LINK, "-i", "any", "--filter", "vlan 10"];
    let said = refusal(&wire, &[], &program(), &tagged);
    assert!(said.contains("any: filter `vlan 10`"), "{said}");
    // The log of the packet filter, which libpcap opens.
    let said = refusal(&wire, &[], &program(), &["-i", "nflog"]);
    assert!(said.contains("nflog: no such interface"), "{said}");
    wire.ip(&format!("link set {LINK} down"));
    let said = refusal(&wire, &[], &program(), &["-i", LINK]);
    assert!(said.contains(&format!("ip link set {LINK} up")), "{said}");
}

/// Runs a program beside an interface that says it is a radio in monitor mode.
const RADIO: &str = r#"
import fcntl, os, struct, subprocess, sys
SET_NAME, SET_TYPE, TAP, NO_HEADER, RADIOTAP = 0x400454ca, 0x400454cd, 2, 0x1000, 803
tunnel = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tunnel, SET_NAME, struct.pack("16sH22x", b"radio0", TAP | NO_HEADER))
fcntl.ioctl(tunnel, SET_TYPE, RADIOTAP)
subprocess.run(["ip", "link", "set", "radio0", "up"], check=True)
sys.exit(subprocess.call(sys.argv[1:]))
"#;

#[test]
fn refuses_frames_in_which_nothing_is_found() {
    if !can_run() || !namespaces::can_run(&["python3", "/dev/net/tun"]) {
        return;
    }
    let beside = ["python3", "-c", RADIO];
    let said = refusal(&Wire::new(), &beside, &program(), &["-i", "radio0"]);
    assert!(
        said.contains("radio0: its frames are not decoded (link type IEEE802_11_RADIOTAP)"),
        "{said}"
    );
}

#[test]
fn says_what_right_is_missing() {
    if !can_run() {
        return;
    }
    let wire = Wire::new();
    let without = ["setpriv", "--bounding-set=-all"];
    let said = refusal(&wire, &without, &program(), &["-i", LINK]);
    assert!(said.contains("CAP_NET_RAW"), "{said}");

    // Another user may not enter where tests are built.
    let copy = wire.path("portolan");
    fs::copy(program(), &copy).expect("room");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).expect("owned");
    fs::copy(site(), wire.path("portolan.toml")).expect("room");
    fs::set_permissions(
        wire.path("portolan.toml"),
        fs::Permissions::from_mode(0o644),
    )
    .expect("owned");
    let other = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    let output = wire
        .command(other[0])
        .args(&other[1..])
        .arg(&copy)
        .args(["watch", "-i", LINK])
        .args(MOST)
        .output()
        .expect("it runs");
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("CAP_NET_RAW") && said.contains("setcap"),
        "{said}"
    );
}

#[test]
fn lists_interfaces() {
    if !can_run() {
        return;
    }
    let wire = Wire::new();
    wire.ip(&format!("address add 10.77.0.1/24 dev {LINK}"));
    let output = wire
        .command(program())
        .args(["watch", "--list-interfaces"])
        .output()
        .expect("it runs");
    let said = String::from_utf8(output.stdout).expect("text");
    let line = |name: &str| {
        let mut lines = said.lines();
        let line = lines.find(|line| line.trim_start().starts_with(name));
        line.unwrap_or_else(|| panic!("no {name}: {said}"))
    };
    assert!(
        line(LINK).contains("10.77.0.1") && line(LINK).contains("up"),
        "{said}"
    );
    assert!(
        line("lo").contains("loopback") && line("lo").contains("down"),
        "{said}"
    );
    assert!(line("any").contains("Pseudo-device"), "{said}");
}
