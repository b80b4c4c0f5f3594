//! `--max-flows`: what is beyond the bound is folded, and the audit stays right.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use portolan::flow::Flow;
use portolan::net::Protocol;
use portolan::observation::{Observation, Part, Window};
use portolan::pipeline::MAX_FLOWS;
use portolan::policy::service_ports;
use portolan::verdict::Audit;
use proptest::prelude::*;
use serde_json::Value;

use crate::command::{fixture, portolan, portolan_in};
use crate::part_file::{merge_bounded, write};
use crate::support::audited::{audit, boundary_site, report};
use crate::support::build::{Link, Pcapng, Record, Recording, Rng, Segment, flags};
use crate::support::frames::bounded_part;

fn end(a: u8, b: u8, c: u8, d: u8, port: u16) -> SocketAddr {
    (Ipv4Addr::new(a, b, c, d), port).into()
}

/// Clients at work, then scans of hosts and of ports, from random ports, then clients again.
pub fn scans() -> Vec<Record> {
    let mut rng = Rng::new(7);
    let mut out = Recording::new(Link::Ethernet);
    let clients = |rng: &mut Rng, out: &mut Recording| {
        for client in 0..150_u32 {
            let port = 1024 + rng.below(60_000) as u16;
            let from = end(10, 1, 0, (client % 50) as u8, port);
            out.tcp_exchange(from, end(10, 0, 0, 11, 443), b"policy?", b"policy");
        }
        for client in 0..20 {
            out.tcp_refused(end(10, 1, 1, client, 50_000), end(10, 0, 0, 15, 8530));
        }
    };
    clients(&mut rng, &mut out);
    let own = |rng: &mut Rng| 1024 + rng.below(60_000) as u16;
    for host in 0..200 {
        for port in [22, 445] {
            let refused = rng.percent(50);
            for _ in 0..1 + rng.below(3) {
                let (from, to) = (end(10, 1, 3, 7, own(&mut rng)), end(10, 0, 2, host, port));
                match refused {
                    true => out.tcp_refused(from, to),
                    false => out.tcp_unanswered(from, to, 2),
                }
            }
        }
    }
    for port in 1..=300 {
        let (from, to) = (end(10, 9, 0, 1, own(&mut rng)), end(10, 0, 0, 11, port));
        out.tcp_refused(from, to);
        let from: SocketAddr = format!("[2001:db8:9::1]:{}", own(&mut rng))
            .parse()
            .unwrap();
        let to: SocketAddr = format!("[2001:db8::11]:{port}").parse().unwrap();
        out.tcp_unanswered(from, to, 1);
    }
    for port in 20_000..20_100 {
        let (from, to) = (end(10, 9, 0, 2, 50_000), end(10, 0, 0, 12, port));
        out.udp_unreachable(from, to, to.ip());
    }
    // Guesses at a password, and the few that stay below every limit of a finding.
    for _ in 0..600 {
        let (from, to) = (end(10, 9, 0, 3, own(&mut rng)), end(10, 0, 0, 13, 3389));
        out.tcp_exchange(from, to, b"user", b"no");
    }
    for port in [7, 9, 13] {
        out.udp(
            end(10, 9, 0, 4, own(&mut rng)),
            end(10, 0, 0, 14, port),
            b"?",
        );
        out.echo(
            IpAddr::V4(Ipv4Addr::new(10, 9, 0, 5)),
            end(10, 0, 0, port as u8, 0).ip(),
            2,
        );
    }
    clients(&mut rng, &mut out);
    out.records
}

/// All records in parts cut evenly, each with its own bound.
fn observed(records: &[Record], parts: usize, max_flows: usize) -> Observation {
    let border = |part: usize| records.len() * part / parts;
    (0..parts)
        .map(|part| bounded_part("a.pcap", records, border(part), border(part + 1), max_flows))
        .reduce(Part::merge)
        .expect("a part")
        .finish()
}

/// The same records as captures of their own, each in a part file; merged with another bound.
fn observed_in_files(records: &[Record], parts: usize, bounds: [usize; 2]) -> Observation {
    let [shard, merge] = bounds;
    let files: Vec<_> = captures(records, parts)
        .map(|(name, records)| bounded_part(&name, records, 0, records.len(), shard))
        .map(|part| write(part, Window::default()))
        .collect();
    merge_bounded(&files, merge).expect("they fit").finish()
}

/// The records cut evenly into captures.
fn captures(records: &[Record], count: usize) -> impl Iterator<Item = (String, &[Record])> {
    let border = move |part: usize| records.len() * part / count;
    let filled = move |part: &usize| border(*part) < border(part + 1);
    (0..count).filter(filled).map(move |part| {
        let records = &records[border(part)..border(part + 1)];
        (format!("{part}.pcapng"), records)
    })
}

/// Everything but the frames and the names of single flows.
pub fn comparable(audit: &Audit) -> Value {
    comparable_report(&report(audit, "json"))
}

fn comparable_report(report: &str) -> Value {
    let mut value: Value = serde_json::from_str(report).expect("JSON");
    value
        .as_object_mut()
        .expect("an object")
        .remove("limits")
        .expect("a key");
    strip(&mut value);
    value
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("frames");
            members.remove("community_ids");
            members.values_mut().for_each(strip);
        }
        Value::Array(values) => values.iter_mut().for_each(strip),
        _ => {}
    }
}

fn reached(observation: &Observation, name: &str) -> Option<(u64, u64)> {
    let mut limits = observation.limits().iter();
    let hit = limits.find(|hit| hit.limit == name)?;
    Some((hit.value, hit.reached))
}

#[test]
fn an_audit_of_scans_does_not_depend_on_the_bound() {
    let records = scans();
    let site = boundary_site();
    let whole = observed(&records, 1, usize::MAX);
    let flows = whole.flow_count() as u64;
    assert!(flows > 2_000 && whole.limits().is_empty());
    let wanted = comparable(&audit(&site, &whole));
    for bound in [1, 300, 1_500] {
        for parts in [1, 2, 5] {
            let observation = observed(&records, parts, bound);
            assert_eq!(observation.flow_count() as u64, flows);
            let (value, folded) = reached(&observation, "max-flows").expect("the bound was hit");
            assert_eq!(value, bound as u64);
            // Merging may fold a few more than it must.
            assert!((0..128).contains(&(folded - (flows - value))), "{folded}");
            let found = comparable(&audit(&site, &observation));
            assert_eq!(found, wanted, "bound {bound}, {parts} parts");
        }
    }
}

#[test]
fn a_bound_that_holds_all_changes_nothing() {
    let records = scans();
    let whole = observed(&records, 1, usize::MAX);
    let flows = whole.flow_count();
    let site = boundary_site();
    let wanted = report(&audit(&site, &whole), "json");
    for parts in [1, 3] {
        let found = observed(&records, parts, flows);
        assert_eq!(report(&audit(&site, &found), "json"), wanted);
    }
}

#[test]
fn the_program_folds_and_says_so() {
    let arguments = ["--site", "boundary.toml", "boundary.pcapng"];
    let json = |more: &[&str]| -> Value {
        let run = portolan(
            ["audit", "--format", "json"]
                .iter()
                .chain(&arguments)
                .chain(more),
        );
        serde_json::from_str(&run.out).expect("JSON")
    };
    let (whole, bounded) = (json(&[]), json(&["--max-flows", "10"]));
    for key in ["flows", "packets", "bytes"] {
        assert_eq!(whole["totals"][key], bounded["totals"][key], "{key}");
    }
    let flows = whole["totals"]["flows"].as_u64().expect("a count");
    let limit = serde_json::json!([{"limit": "max-flows", "value": 10, "reached": flows - 10}]);
    assert_eq!(
        (&whole["limits"], &bounded["limits"]),
        (&serde_json::json!([]), &limit)
    );
}

/// A shard for every gate, each with the bound, and the merge with it: findings are those of an
/// audit without one.
#[test]
fn merged_parts_of_scans_are_one_audit() {
    const BOUND: usize = 300;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = |line: &str, status: i32| {
        let run = portolan_in(folder.path(), line.split(' '));
        assert_eq!((run.status, run.err.as_str()), (status, ""), "{line}");
        run.out
    };
    std::fs::write(folder.path().join("site.toml"), fixture("boundary.toml")).expect("writes");
    let records = scans();
    for (name, records) in captures(&records, 4) {
        std::fs::write(folder.path().join(name), Pcapng::encode(records)).expect("writes");
    }
    let names = "0.pcapng 1.pcapng 2.pcapng 3.pcapng";
    let judge = "--site site.toml --format json";
    let whole = comparable_report(&run(&format!("audit {judge} {names}"), 1));
    let bound = format!("--max-flows {BOUND}");
    let bounded = run(&format!("audit {judge} {bound} {names}"), 1);
    assert_eq!(comparable_report(&bounded), whole);

    for (captures, part) in [
        ("0.pcapng", "a"),
        ("1.pcapng 3.pcapng", "b"),
        ("2.pcapng", "c"),
    ] {
        run(&format!("shard {bound} {captures} -o {part}.part"), 0);
    }
    run(&format!("merge {bound} c.part a.part -o ca.part"), 0);
    let flows = whole["totals"]["flows"].as_u64().expect("a count");
    for parts in [
        "a.part b.part c.part",
        "c.part b.part a.part",
        "b.part ca.part",
    ] {
        // What a part folded stays so, however much room there is afterwards.
        for bound in [bound.as_str(), "--max-flows 5000"] {
            let merged = run(&format!("merge {judge} {bound} {parts}"), 1);
            assert_eq!(comparable_report(&merged), whole, "{bound} {parts}");
            let limits: Value = serde_json::from_str(&merged).expect("JSON");
            let [limit] = &limits["limits"].as_array().expect("a list")[..] else {
                panic!("{limits}");
            };
            assert_eq!(
                (&limit["limit"], &limit["value"]),
                (&"max-flows".into(), &BOUND.into())
            );
            let folded = limit["reached"].as_u64().expect("a count");
            assert!((1..=flows - 1).contains(&folded), "{folded}");
        }
    }
}

#[test]
fn a_folded_flow_has_no_port_of_its_own() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("a.pcapng"), Pcapng::encode(&scans())).expect("writes");
    let table = |more: &[&str]| {
        let flows = ["flows", "--format", "jsonl", "a.pcapng"];
        let run = portolan_in(folder.path(), flows.iter().chain(more));
        assert_eq!(run.status, 0, "{}", run.err);
        let records = run.out.lines();
        let records = records.map(|line| serde_json::from_str(line).expect("JSON"));
        (records.collect::<Vec<Value>>(), run.err)
    };
    let (whole, silence) = table(&[]);
    let (bounded, warning) = table(&["--max-flows", "10"]);
    assert_eq!(silence, "");
    let beyond = whole.len() - 10;
    let wanted = format!("max-flows: the bound of 10 was reached, {beyond} beyond it are folded");
    assert!(warning.contains(&wanted), "{warning}");
    let sum = |records: &[Value], keys: &[&str]| -> u64 {
        let values = records
            .iter()
            .flat_map(|it| keys.iter().map(|key| &it[*key]));
        values.filter_map(Value::as_u64).sum()
    };
    let packets = ["initiator_packets", "responder_packets"];
    assert_eq!(sum(&whole, &packets), sum(&bounded, &packets));
    assert_eq!(sum(&bounded, &["connections"]), whole.len() as u64);
    let is_folded = |record: &&Value| {
        let has_ports = record["protocol"] == "tcp" || record["protocol"] == "udp";
        has_ports && record["initiator"]["port"].is_null()
    };
    assert_eq!(whole.iter().filter(is_folded).count(), 0);
    let folded: Vec<_> = bounded.iter().filter(is_folded).collect();
    assert!(!folded.is_empty());
    for record in folded {
        assert!(record["community_id"].is_null() && record["connections"].as_u64() > Some(1));
        assert!(record["responder"]["port"].is_u64());
    }
    let none = portolan_in(folder.path(), ["flows", "--max-flows", "0", "a.pcapng"]);
    assert_eq!(none.status, 2);
}

/// A packet between few ends, so that flows meet.
pub fn records(packets: &[(u8, u8, u8, u8, u8)]) -> Vec<Record> {
    let mut out = Recording::new(Link::Ethernet);
    for (from, from_port, to, to_port, kind) in packets {
        let port = |number: u8| [22, 443, 8530, 40_000, 50_000, 60_000][usize::from(number)];
        let (from, to) = (
            end(10, 0, 0, *from, port(*from_port)),
            end(10, 0, 0, *to, port(*to_port)),
        );
        let segment = |flags| Segment {
            flags,
            ..Segment::default()
        };
        match kind {
            0 => out.udp(from, to, b"x"),
            1 => out.tcp(from, to, segment(flags::SYN)),
            2 => out.tcp(from, to, segment(flags::SYN | flags::ACK)),
            3 => out.tcp(from, to, segment(flags::ACK)),
            _ => out.echo(from.ip(), to.ip(), 1),
        }
    }
    out.records
}

/// Packets and bytes by protocol and pair of addresses, whichever end is the initiator.
pub fn by_pair(observation: &Observation) -> BTreeMap<(Protocol, IpAddr, IpAddr), [u64; 3]> {
    let services = service_ports();
    let mut pairs = BTreeMap::new();
    for flow in observation.flows(&services) {
        let Flow {
            initiator: one,
            responder: other,
            ..
        } = flow;
        let (low, high) = (
            one.address.min(other.address),
            one.address.max(other.address),
        );
        let sums: &mut [u64; 3] = pairs.entry((flow.protocol, low, high)).or_default();
        for (sum, more) in sums
            .iter_mut()
            .zip([flow.flows, flow.packets(), flow.bytes()])
        {
            *sum += more;
        }
    }
    pairs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn nothing_is_lost_at_any_bound(
        packets in prop::collection::vec((0..4_u8, 0..6_u8, 0..4_u8, 0..6_u8, 0..5_u8), 1..200),
        bound in 1..40_usize,
        parts in 1..5_usize,
    ) {
        let records = records(&packets);
        let whole = observed(&records, 1, usize::MAX);
        let bounded = observed(&records, parts, bound);
        prop_assert_eq!(by_pair(&whole), by_pair(&bounded));
        let folded = reached(&bounded, "max-flows").map_or(0, |(_, folded)| folded);
        prop_assert_eq!(folded > 0, whole.flow_count() > bound);
        for bounds in [[bound, bound], [bound, MAX_FLOWS], [MAX_FLOWS, bound]] {
            let from_files = observed_in_files(&records, parts, bounds);
            prop_assert_eq!(by_pair(&whole), by_pair(&from_files));
            if let Some((value, _)) = reached(&from_files, "max-flows") {
                prop_assert_eq!(value, bound as u64);
            }
        }
    }
}
