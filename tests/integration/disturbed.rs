//! The whole pipeline over captures that lost packets, saw them twice, cut them and wrote them in
//! another order: what the report says stays true, and is the same however the capture is split.

use std::collections::HashSet;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::LazyLock;

use portolan::capture::Reader;
use portolan::evidence::{Evidence, Transfer, TransferOperation, TransferOutcome};
use portolan::net::Endpoint;
use portolan::observation::{Observation, Part};
use portolan::policy::service_ports;
use portolan::site::LoadedSite;
use portolan::verdict::{Audit, Judge, Proofs, Strictness, Verdict};
use serde_json::Value;

use crate::merge::{drop_what_may_differ, merged};
use crate::support::audited::{boundary_site, report, verdict};
use crate::support::build::{
    ByteOrder, Link, Record, Recording, Rng, Side, Tcp, Tftp, Tower, Uuid, at, encode,
};
use crate::support::disturb::{Disturbance, shuffle};
use crate::support::frames::{bounded_part, part, read};
use crate::support::shared::shared;

static SITE: LazyLock<LoadedSite> = LazyLock::new(boundary_site);

/// Disturbances of each capture.
const ROUNDS: u64 = 4;

#[test]
fn generated_captures() {
    for name in [
        "boundary.pcapng",
        "clean.pcap",
        "pxe-good.pcap",
        "pxe-stalled.pcap",
    ] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        disturbed(name, &records_of(&folder.join(name)));
    }
    let (complete, robbed) = disturbed("transfers", &transfers());
    assert_eq!(complete, 24);
    assert!(robbed > 24, "only {robbed}");
}

#[test]
fn real_captures() {
    let Some(folder) = shared("captures/lab") else {
        return;
    };
    for name in [
        "tftp_atftpd_put.pcap",
        "tftp_atftpd_win8.pcap",
        "tftp_dns_single.pcap",
        "tftp_hpa_exact.pcap",
        "tftp_hpa_loss.pcap",
        "rpc_simple.pcap",
        "pxe_dhcp_bios.pcap",
    ] {
        let (endings, _) = disturbed(name, &records_of(&folder.join(name)));
        assert!(endings > 0 || name.starts_with("rpc"), "{name}");
    }
}

fn records_of(path: &Path) -> Vec<Record> {
    let file = File::open(path).expect("the capture is there");
    let name = path.to_string_lossy();
    read(&mut Reader::new(file, &name).expect("it is a capture"))
}

/// Reads and writes of several sizes, windows and block sizes, and an RPC port that is named.
fn transfers() -> Vec<Record> {
    let mut out = Recording::new(Link::Ethernet);
    let options: [&[(&str, &str)]; 4] = [
        &[],
        &[("blksize", "1024")],
        &[("blksize", "1024"), ("windowsize", "4")],
        &[("blksize", "600"), ("tsize", "3000")],
    ];
    for (number, bytes) in [0, 511, 512, 3000, 4096, 9000].into_iter().enumerate() {
        for (kind, asked) in options.iter().enumerate() {
            let port = 2100 + (number * options.len() + kind) as u16;
            let transfer = Tftp {
                asked,
                granted: asked,
                answer_port: 51_000 + port,
                lost: if kind == 2 { &[1] } else { &[] },
                ..Tftp::new(
                    at(&format!("10.1.0.30:{port}")),
                    at("10.0.0.12:69"),
                    "a",
                    bytes,
                )
            };
            transfer.run(&mut out);
        }
    }
    let server = Ipv4Addr::new(10, 0, 0, 11);
    let tower = Tower {
        interface: Uuid::WINREG,
        port: 49_664,
        address: server,
    };
    out.ept_map(at("10.0.0.10:49810"), server, Uuid::WINREG, &[tower]);
    let mut registry = Tcp::open(at("10.0.0.10:49811"), at("10.0.0.11:49664"), &mut out);
    let bind = encode::bind(ByteOrder::Little, 1, Uuid::WINREG);
    registry.say(Side::Client, &bind, &mut out);
    registry.close(&mut out);
    out.records
}

/// Disturbs a capture in several ways and checks each; how many transfers in it are complete, and how many
/// of those lost their end over all rounds.
fn disturbed(name: &str, records: &[Record]) -> (usize, usize) {
    let whole = Looked::at(merged(&[(name, records)], &[vec![]], &mut Rng::new(0)));
    let endings = endings(records, &whole.evidence.tftp);
    let mut robbed = 0;
    for seed in 0..ROUNDS {
        let mut rng = Rng::new(seed);
        let disturbance = Disturbance::draw(&mut rng);
        let context = format!("{name}, seed {seed}: {disturbance:?}");
        let mut less = disturbance.apply(records, &mut rng);
        lose_endings(&mut less, &endings, &mut rng);
        robbed += check(&context, &less, &endings, &mut rng);
    }
    (endings.len(), robbed)
}

/// What came of a capture.
struct Looked {
    observation: Observation,
    evidence: Evidence,
    audit: Audit,
}

impl Looked {
    fn at(observation: Observation) -> Self {
        let evidence = Evidence::collect(observation.log(), &observation);
        let audit = verdict(&SITE, &observation, &evidence);
        Self {
            observation,
            evidence,
            audit,
        }
    }

    fn json(&self) -> String {
        report(&self.audit, "json")
    }

    /// Without what the names of files and the numbers of frames have a part in.
    fn json_of_any_files(&self) -> Value {
        let mut value = serde_json::from_str(&self.json()).expect("JSON");
        drop_what_may_differ(&mut value);
        value
    }
}

/// How many transfers lost their end and were not taken for complete.
fn check(context: &str, records: &[Record], endings: &[Ending], rng: &mut Rng) -> usize {
    let whole = Looked::at(merged(&[("a", records)], &[vec![]], &mut Rng::new(0)));
    sums_add_up(context, records, &whole);
    verdicts_have_grounds(context, &whole);
    let mut robbed = 0;
    for ending in endings {
        let Some(transfer) = ending.find(&whole.evidence.tftp) else {
            continue;
        };
        let [data, ack] = ending.is_seen(records);
        assert!(
            data && ack || transfer.outcome != TransferOutcome::Complete,
            "{context}: {ending:?}, data {data}, ack {ack}: {transfer:?}"
        );
        robbed += usize::from(!(data && ack));
    }

    let cuts = (0..5).map(|_| rng.below(records.len() as u64 + 1) as usize);
    let pieces = Looked::at(merged(&[("a", records)], &[cuts.collect()], rng));
    assert!(whole.json() == pieces.json(), "{context}: in pieces");

    let mut names = ["b", "c", "d"];
    shuffle(&mut names, rng);
    let files = files(records, &names);
    let files = Looked::at(files).json_of_any_files();
    same(
        whole.json_of_any_files(),
        files,
        &format!("{context}: in files"),
    );

    // Runs of TFTP blocks are logged as they were written, so those have to be in order.
    if whole.evidence.tftp.is_empty() {
        let mut in_order = records.to_vec();
        in_order.sort_by_key(|record| record.time_ns);
        let in_order = Looked::at(merged(&[("a", &in_order)], &[vec![]], &mut Rng::new(0)));
        let in_order = in_order.json_of_any_files();
        let context = format!("{context}: in the order of time");
        same(whole.json_of_any_files(), in_order, &context);
    }

    bounds_hold(context, records, &whole);
    robbed
}

/// Both say the same, but for what the names of files and the numbers of frames have a part in.
fn same(one: Value, other: Value, context: &str) {
    let [one, other] = [one, other].map(|report| format!("{report:#}"));
    let lines = one.lines().zip(other.lines());
    let differing: Vec<_> = lines.filter(|(one, other)| one != other).take(12).collect();
    assert!(one == other, "{context}\n{differing:#?}");
}

/// The same packets in a file for each name, read in the order of their times.
fn files(records: &[Record], names: &[&str]) -> Observation {
    let size = records.len().div_ceil(names.len()).max(1);
    let parts = records.chunks(size).zip(names);
    let parts = parts.map(|(records, name)| part(name, records, 0, records.len()));
    parts
        .reduce(Part::merge)
        .expect("there are packets")
        .finish()
}

fn sums_add_up(context: &str, records: &[Record], looked: &Looked) {
    let totals = &looked.audit.totals;
    let judged = totals.expected
        + totals.unexpected
        + totals.accepted
        + totals.background
        + totals.out_of_scope;
    assert_eq!(judged, totals.flows, "{context}");
    assert_eq!(
        totals.flows,
        looked.observation.flow_count() as u64,
        "{context}"
    );
    assert_eq!(totals.packets, records.len() as u64, "{context}");
    let bytes: u64 = records
        .iter()
        .map(|record| u64::from(record.wire_length))
        .sum();
    assert_eq!(totals.bytes, bytes, "{context}");
    let [open, accepted] = [false, true].map(|accepted| {
        let findings = looked.audit.unexpected.iter();
        let these = findings.filter(|finding| finding.accepted.is_some() == accepted);
        these.map(|finding| finding.flows).sum::<u64>()
    });
    assert_eq!(
        (open, accepted),
        (totals.unexpected, totals.accepted),
        "{context}"
    );
    assert!(
        looked.audit.limits.is_empty(),
        "{context}: {:?}",
        looked.audit.limits
    );
}

/// Every expected flow has a rule, and no other has one.
fn verdicts_have_grounds(context: &str, looked: &Looked) {
    let proofs = Proofs::from(&looked.evidence);
    let mut judge = Judge::new(&SITE.policy, &SITE.site, proofs, Strictness::Normal);
    let services = service_ports();
    let flows: Vec<_> = looked.observation.flows(&services).collect();
    flows.iter().for_each(|flow| judge.observe(flow));
    let mut expected = 0;
    for flow in &flows {
        let judged = judge.verdict(flow);
        let verdict = judged.verdict;
        let is_expected = matches!(verdict, Verdict::Expected(_));
        assert_eq!(
            is_expected,
            !judged.rules.is_empty(),
            "{context}: {judged:?}"
        );
        assert_eq!(is_expected, verdict.basis_code().is_some(), "{context}");
        if let Verdict::Unexpected(_) = verdict {
            assert!(verdict.reason_code().is_some(), "{context}");
        }
        expected += u64::from(is_expected);
    }
    assert_eq!(expected, looked.audit.totals.expected, "{context}");
}

/// With few flows in the table the sums are the same, and `limits` says what happened.
fn bounds_hold(context: &str, records: &[Record], whole: &Looked) {
    const BOUND: usize = 8;
    let bounded = bounded_part("a", records, 0, records.len(), BOUND).finish();
    assert!(
        bounded.flow_count() <= BOUND || !bounded.limits().is_empty(),
        "{context}"
    );
    let bounded = Looked::at(bounded);
    let (few, all) = (&bounded.audit.totals, &whole.audit.totals);
    assert_eq!(
        (few.flows, few.packets, few.bytes),
        (all.flows, all.packets, all.bytes),
        "{context}"
    );
    let reached = bounded.audit.limits.iter();
    let reached: HashSet<&str> = reached.map(|limit| limit.limit).collect();
    let folded = whole.observation.flow_count() > BOUND;
    assert_eq!(
        reached.contains("max-flows"),
        folded,
        "{context}: {reached:?}"
    );
}

/// How a transfer ends in the undisturbed capture: the block that is shorter than the others.
#[derive(Debug)]
struct Ending {
    client: Endpoint,
    server: Endpoint,
    operation: TransferOperation,
    block: u16,
}

const DATA: u16 = 3;
const ACK: u16 = 4;

impl Ending {
    /// Sender of data, receiver.
    fn ends(&self) -> (Endpoint, Endpoint) {
        match self.operation {
            TransferOperation::Read => (self.server, self.client),
            TransferOperation::Write => (self.client, self.server),
        }
    }

    fn is_data(&self, datagram: &Datagram) -> bool {
        let (from, to) = self.ends();
        let message = (DATA, self.block);
        (datagram.from, datagram.to) == (from, to) && (datagram.opcode, datagram.number) == message
    }

    fn is_ack(&self, datagram: &Datagram) -> bool {
        let (from, to) = self.ends();
        let message = (ACK, self.block);
        (datagram.from, datagram.to) == (to, from) && (datagram.opcode, datagram.number) == message
    }

    /// Whether the block and its acknowledgment are in these packets.
    fn is_seen(&self, records: &[Record]) -> [bool; 2] {
        let mut datagrams = records.iter().filter_map(Datagram::read);
        let data = datagrams.clone().any(|datagram| self.is_data(&datagram));
        [data, datagrams.any(|datagram| self.is_ack(&datagram))]
    }

    fn find<'t>(&self, transfers: &'t [Transfer]) -> Option<&'t Transfer> {
        let ends = (self.client, self.server);
        transfers
            .iter()
            .find(|transfer| (transfer.client, transfer.server) == ends)
    }
}

/// The ends of transfers that are complete and alone between their ports.
fn endings(records: &[Record], transfers: &[Transfer]) -> Vec<Ending> {
    let complete = transfers.iter().filter(|transfer| {
        let ends =
            |other: &&Transfer| (other.client, other.server) == (transfer.client, transfer.server);
        transfer.outcome == TransferOutcome::Complete && transfers.iter().filter(ends).count() == 1
    });
    let endings = complete.filter_map(|transfer| {
        let mut ending = Ending {
            client: transfer.client,
            server: transfer.server,
            operation: transfer.operation,
            block: 0,
        };
        let (from, to) = ending.ends();
        let datagrams = records.iter().filter_map(Datagram::read);
        let data = datagrams
            .filter(|datagram| (datagram.from, datagram.to, datagram.opcode) == (from, to, DATA));
        ending.block = data.min_by_key(|datagram| datagram.length)?.number;
        Some(ending)
    });
    endings.collect()
}

/// Takes away the last block of some transfers, and its acknowledgment of others.
fn lose_endings(records: &mut Vec<Record>, endings: &[Ending], rng: &mut Rng) {
    for ending in endings {
        let lost = rng.below(4);
        records.retain(|record| {
            let datagram = Datagram::read(record);
            let is_lost = |datagram: &Datagram| match lost {
                0 => ending.is_data(datagram),
                1 => ending.is_ack(datagram),
                _ => false,
            };
            !datagram.as_ref().is_some_and(is_lost)
        });
    }
}

/// A UDP datagram over IPv4 and Ethernet, as TFTP.
struct Datagram {
    from: Endpoint,
    to: Endpoint,
    opcode: u16,
    number: u16,
    /// Of its payload on the wire.
    length: u16,
}

impl Datagram {
    /// By hand: what is under test has no part in it.
    fn read(record: &Record) -> Option<Self> {
        let word = |at: usize| {
            let bytes = record.bytes.get(at..at + 2)?;
            Some(u16::from_be_bytes([bytes[0], bytes[1]]))
        };
        let is_udp = record.link_type == 1 && word(12)? == 0x0800 && *record.bytes.get(23)? == 17;
        let transport = 14 + usize::from(record.bytes.get(14)? & 15) * 4;
        let address = |at: usize| {
            let octets: [u8; 4] = record.bytes.get(at..at + 4)?.try_into().ok()?;
            Some(IpAddr::from(octets))
        };
        let end = |at, port| Some(Endpoint::new(address(at)?, word(port)?));
        is_udp.then_some(())?;
        Some(Self {
            from: end(26, transport)?,
            to: end(30, transport + 2)?,
            opcode: word(transport + 8)?,
            number: word(transport + 10)?,
            length: word(transport + 4)?,
        })
    }
}
