//! Any cut of any input into parts, merged in any order and grouping, is the same observation.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use portolan::capture::Reader;
use portolan::decode::{LinkProtocol, Undecoded};
use portolan::flow::Flow;
use portolan::net::{Protocol, ServicePorts};
use portolan::observation::{CaptureRecord, LimitReached, LogEntry, Observation, Tally};
use proptest::prelude::*;
use serde_json::Value;

use crate::command::portolan;
use crate::support::audited::{audit, boundary_site, report};
use crate::support::build::{
    Dhcp, Ip, Link, Pcapng, Record, Recording, Rng, Segment, Tftp, encode, host,
};
use crate::support::frames::{part, read};
use crate::support::shared::captures;

/// Pieces that a real capture is cut into.
const CUTS: [usize; 3] = [2, 3, 17];

#[test]
fn real_captures_in_pieces() {
    for (seed, path) in captures().iter().enumerate() {
        let name = path.to_string_lossy();
        let file = File::open(path).expect("the capture is there");
        let mut reader = Reader::new(file, &name).expect("it is a capture");
        let records = read(&mut reader);
        let captures = [(&*name, &records[..])];
        let whole = Seen::of(&merged(&captures, &[vec![]], &mut Rng::new(0)));
        for pieces in CUTS {
            let mut rng = Rng::new(seed as u64 * 100 + pieces as u64);
            let cuts = (1..pieces)
                .map(|_| rng.below(records.len() as u64 + 1) as usize)
                .collect();
            let again = Seen::of(&merged(&captures, &[cuts], &mut rng));
            assert!(
                whole == again,
                "{name} in {pieces} pieces\n{}",
                whole.difference(&again)
            );
        }
    }
}

/// What people and machines read, and not only what the stages hand on.
#[test]
fn reports_of_pieces_are_the_same_to_the_byte() {
    let site = boundary_site();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    for name in ["boundary.pcapng", "pxe-good.pcap", "pxe-stalled.pcap"] {
        let file = File::open(folder.join(name)).expect("the fixture is there");
        let mut reader = Reader::new(file, name).expect("it is a capture");
        let records = read(&mut reader);
        let captures = [(name, &records[..])];
        let json = |cuts: Vec<usize>, rng: &mut Rng| {
            report(&audit(&site, &merged(&captures, &[cuts], rng)), "json")
        };
        let whole = json(vec![], &mut Rng::new(0));
        assert!(whole.contains("portolan.report.v1"));
        for seed in 1..=10 {
            let mut rng = Rng::new(seed);
            let cuts = (0..seed)
                .map(|_| rng.below(records.len() as u64) as usize)
                .collect();
            assert_eq!(whole, json(cuts, &mut rng), "{name}, seed {seed}");
        }
    }
}

#[test]
fn a_capture_cut_into_files_is_the_same_audit() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let of_trackers = ["tftp", "rpc", "dhcp", "pxe"];
    let real = captures().into_iter().filter(|path| {
        let name = path.to_string_lossy();
        of_trackers.iter().any(|tracker| name.contains(tracker))
    });
    let fixtures = ["boundary.pcapng", "clean.pcap", "pxe-good.pcap"].map(|name| root.join(name));
    for path in fixtures.into_iter().chain(real) {
        let name = path.to_string_lossy();
        let file = File::open(&path).expect("the capture is there");
        let records = read(&mut Reader::new(file, &name).expect("it is a capture"));
        // Records without a time can't be written with one.
        if records.len() < 2 || records.iter().any(|record| record.time_ns == i64::MIN) {
            continue;
        }
        let whole = audit_of(&[&records]);
        for pieces in [2, 17] {
            let size = records.len().div_ceil(pieces);
            let files: Vec<_> = records.chunks(size).collect();
            assert!(whole == audit_of(&files), "{name} in {pieces} files");
        }
    }
}

/// What the audit says of these files, without what may differ (`captures`, `frames`, `loss`,
/// `undecoded`).
pub fn audit_of(files: &[&[Record]]) -> Value {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (number, records) in files.iter().enumerate() {
        let file = folder.path().join(format!("{number:02}.pcapng"));
        fs::write(file, Pcapng::encode(records)).expect("writes");
    }
    let folder = folder.path().to_str().expect("it is text");
    let run = portolan(["audit", "--site", "pxe.toml", "--format", "json", folder]);
    let mut report = serde_json::from_str(&run.out)
        .unwrap_or_else(|error| panic!("{error}: {}{}", run.out, run.err));
    drop_what_may_differ(&mut report);
    report
}

pub fn drop_what_may_differ(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for key in ["captures", "frames", "loss", "undecoded"] {
                members.remove(key);
            }
            members.values_mut().for_each(drop_what_may_differ);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_what_may_differ),
        _ => {}
    }
}

proptest! {
    #[test]
    fn generated_captures_in_pieces(
        events in prop::collection::vec(event(), 1..80),
        cuts in prop::collection::vec(0..80_usize, 0..12),
        order in any::<u64>(),
    ) {
        let records = record(&events);
        let captures = [("a.pcap", &records[..])];
        let whole = Seen::of(&merged(&captures, &[vec![]], &mut Rng::new(0)));
        let again = Seen::of(&merged(&captures, &[cuts], &mut Rng::new(order)));
        prop_assert!(whole == again, "{}", whole.difference(&again));
    }

    /// Two captures of the same time, so that positions of one lie between those of the other.
    #[test]
    fn several_captures_in_any_order(
        first in prop::collection::vec(event(), 1..40),
        second in prop::collection::vec(event(), 1..40),
        cuts in prop::collection::vec(0..40_usize, 0..6),
        order in any::<u64>(),
    ) {
        let (first, second) = (record(&first), record(&second));
        let captures = [("a.pcap", &first[..]), ("b.pcap", &second[..])];
        let uncut = [vec![], vec![]];
        let whole = Seen::of(&merged(&captures, &uncut, &mut Rng::new(0)));
        let again = Seen::of(&merged(&captures, &[cuts.clone(), cuts], &mut Rng::new(order)));
        prop_assert!(whole == again, "{}", whole.difference(&again));
    }
}

#[test]
fn a_generated_capture_reaches_every_kind_of_entry() {
    // What the properties above hold over: were a kind missing, they would say less than they seem.
    // 1999 is no multiple of five: nothing is cut by the snaplen.
    let mut rng = Rng::new(1);
    let mut below = |bound: u8| rng.below(u64::from(bound)) as u8;
    let events: Vec<_> = (0..1999)
        .map(|_| Event {
            kind: below(KINDS),
            from: below(HOSTS),
            to: below(HOSTS),
            number: below(8),
            later: u32::from(below(4)),
        })
        .collect();
    let records = record(&events);
    let seen = Seen::of(&merged(&[("a", &records)], &[vec![]], &mut Rng::new(0)));
    for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::IcmpEcho] {
        assert!(seen.flows.iter().any(|flow| flow.protocol == protocol));
    }
    assert!(seen.flows.iter().any(|flow| flow.icmp_error.is_some()));
    assert!(seen.flows.iter().any(|flow| flow.connections > 1));
    assert!(
        seen.undecoded
            .contains_key(&Undecoded::FragmentWithoutFirst)
    );
    assert!(!seen.log.is_empty() && !seen.link.is_empty());
}

/// Everything that an observation says.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    captures: Vec<CaptureRecord>,
    flows: Vec<Flow>,
    /// Without the numbers of flows, which differ from log to log.
    log: Vec<String>,
    link: BTreeMap<LinkProtocol, Tally>,
    icmp_errors: Tally,
    undecoded: BTreeMap<Undecoded, u64>,
    total: Tally,
    snaplen_cut: u64,
    limits: Vec<LimitReached>,
}

impl Seen {
    pub(super) fn of(observation: &Observation) -> Self {
        let mut services = ServicePorts::empty();
        for port in [53, 67, 69, 135, 443] {
            services.insert(Protocol::Tcp, port);
            services.insert(Protocol::Udp, port);
        }
        let mut flows: Vec<_> = observation.flows(&services).collect();
        flows.sort_by_key(|flow| (flow.protocol, flow.initiator, flow.responder));
        Self {
            captures: observation.captures().to_vec(),
            flows,
            log: observation.log().map(|entry| in_words(&entry)).collect(),
            link: observation.link().clone(),
            icmp_errors: observation.icmp_errors(),
            undecoded: observation.undecoded().clone(),
            total: observation.total(),
            snaplen_cut: observation.snaplen_cut(),
            limits: observation.limits().to_vec(),
        }
    }

    /// The first lines that differ.
    pub(super) fn difference(&self, other: &Self) -> String {
        let (left, right) = (format!("{self:#?}"), format!("{other:#?}"));
        left.lines()
            .zip(right.lines())
            .filter(|(left, right)| left != right)
            .take(6)
            .map(|(left, right)| format!("{left}   |   {right}\n"))
            .collect()
    }
}

fn in_words(entry: &LogEntry<'_>) -> String {
    format!("{:?} {:?} {:?}", entry.at, entry.five_tuple, entry.kind)
}

/// Cuts each capture at the given frames and merges the pieces two by two, in an order that `rng`
/// draws, until one is left.
pub fn merged(captures: &[(&str, &[Record])], cuts: &[Vec<usize>], rng: &mut Rng) -> Observation {
    let mut parts = Vec::new();
    for ((name, records), cuts) in captures.iter().zip(cuts) {
        let mut bounds: Vec<usize> = cuts.iter().map(|cut| (*cut).min(records.len())).collect();
        bounds.extend([0, records.len()]);
        bounds.sort_unstable();
        for bound in bounds.windows(2) {
            parts.push(part(name, records, bound[0], bound[1]));
        }
    }
    while parts.len() > 1 {
        let left = parts.swap_remove(rng.below(parts.len() as u64) as usize);
        let right = parts.swap_remove(rng.below(parts.len() as u64) as usize);
        parts.push(left.merge(right));
    }
    parts.pop().expect("every capture has a piece").finish()
}

/// Kinds of packets that a generated capture is made of.
const KINDS: u8 = 9;
/// Few hosts and ports, so that packets meet in flows.
const HOSTS: u8 = 3;

/// One packet, in terms that proptest can shrink.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    kind: u8,
    from: u8,
    to: u8,
    number: u8,
    /// Milliseconds since the packet before; 0 is frequent, so that times are equal.
    later: u32,
}

impl Event {
    /// One of a sequence in which every kind comes up.
    pub(super) fn numbered(number: u8) -> Self {
        Self {
            kind: number % KINDS,
            from: number % HOSTS,
            to: number / KINDS % HOSTS,
            number: number % 7,
            later: 1,
        }
    }
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    (0..KINDS, 0..HOSTS, 0..HOSTS, 0..8_u8, 0..4_u32).prop_map(|(kind, from, to, number, later)| {
        Event {
            kind,
            from,
            to,
            number,
            later,
        }
    })
}

/// The capture of these events. Times go back now and then, as those of several queues do.
pub(super) fn record(events: &[Event]) -> Vec<Record> {
    let mut out = Recording::new(Link::Ethernet);
    for event in events {
        let back = if event.number == 7 { 3 } else { 0 };
        let before = out.now_ns;
        out.wait_ms(i64::from(event.later) - back);
        add(event, &mut out);
        // Builders move the clock on; here only `later` does.
        out.now_ns = before + i64::from(event.later) * 1_000_000;
    }
    if events.len().is_multiple_of(5) {
        out.cut(60);
    }
    out.records
}

fn add(event: &Event, out: &mut Recording) {
    let address = |number: u8| host(&format!("10.0.0.{number}"));
    let end = |number: u8, port: u16| std::net::SocketAddr::new(address(number), port);
    let ports = [69, 135, 443, 2070, 50_000];
    let (low, high) = (
        end(event.from, ports[usize::from(event.number) % ports.len()]),
        end(
            event.to,
            ports[usize::from(event.to + event.number) % ports.len()],
        ),
    );
    let block = u16::from(event.number).wrapping_sub(3);
    match event.kind {
        0 => out.tcp(
            low,
            high,
            Segment {
                sequence: event.later * 1000,
                flags: [0x02, 0x12, 0x10, 0x18, 0x11, 0x04, 0x14, 0x02][usize::from(event.number)],
                ..Segment::default()
            },
        ),
        1 => out.udp(low, high, b"payload"),
        2 => out.udp(low, high, &encode::data(block, &[0; 24])),
        3 => out.udp(high, low, &encode::ack(block)),
        4 => Tftp::new(low, end(event.to, 69), "file", 0).ask(out),
        5 => {
            let datagram = encode::udp(low, high, &[event.number; 60]);
            let identification = u32::from(event.number % 4);
            let packet = Ip {
                identification,
                ..Ip::new(low.ip(), high.ip(), 17, &datagram)
            };
            let pieces = packet.fragments(24);
            out.packet(&pieces[usize::from(event.number) % pieces.len()]);
        }
        6 => {
            let quoted = encode::packet(low.ip(), high.ip(), 17, &encode::udp(low, high, b"?"));
            let message = encode::icmp_unreachable(high.ip(), low.ip(), &quoted);
            out.icmp(high.ip(), low.ip(), &message);
        }
        7 => out.echo(low.ip(), high.ip(), 1),
        _ => {
            let message = Dhcp::new(1, 1 + event.number % 5, 7, [2, 0, 0, 0, 0, event.from]);
            out.udp(end(event.from, 68), end(event.to, 67), &message.encode());
            out.frame(encode::lldp([event.from; 6]));
        }
    }
}
