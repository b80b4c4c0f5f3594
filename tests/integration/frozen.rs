//! Evidence of what was dropped from the log, with what the log still holds, is that of the whole
//! log.

use std::sync::LazyLock;
use std::time::Duration;

use portolan::evidence::{Evidence, Frozen};
use portolan::net::Timestamp;
use portolan::observation::Observation;
use portolan::site::LoadedSite;
use proptest::prelude::*;

use crate::max_flows::comparable;
use crate::slices::Watched;
use crate::support::audited::{boundary_site, verdict};
use crate::support::boots;
use crate::support::build::{Link, Record, Recording};
use crate::support::frames::part;
use crate::support::services;

const SECOND: i64 = 1_000_000_000;
/// What was silent for so long is over: longer than any of the silences within a session.
const IDLE: Duration = Duration::from_secs(1_200);
/// Silences between sessions, in seconds. Those of neighbours add up to less than a day.
const GAPS: [i64; 5] = [0, 10, 400, 1_800, 7_200];

static SITE: LazyLock<LoadedSite> = LazyLock::new(boundary_site);

/// Boots that fail and one that does not, all of one machine; conversations with the endpoint
/// mapper, and others.
static SESSIONS: LazyLock<Vec<Vec<Record>>> = LazyLock::new(|| {
    let (mut good, boot) = boots::negotiated();
    boots::goes_on(&boot, &mut good);
    let mut reads = Recording::new(Link::Ethernet);
    boots::goes_on(&boot, &mut reads);
    let sessions = boots::all().into_iter().chain(services::all());
    let sessions = sessions.map(|(_, recording)| recording);
    let more = [
        reads,
        good,
        boots::requests_only(),
        boots::boot_server_answers_late(),
        boots::overruled(),
    ];
    let sessions = sessions.chain(more);
    sessions.map(|recording| recording.records).collect()
});

/// These sessions, one after the other.
fn day(sessions: &[(usize, usize)]) -> Vec<Record> {
    let mut now = 1_700_000_000 * SECOND;
    let mut all = Vec::new();
    for (number, (session, gap)) in sessions.iter().enumerate() {
        let records = &SESSIONS[session % SESSIONS.len()];
        let first = records[0].time_ns;
        let moved = records.iter().map(|record| Record {
            time_ns: record.time_ns - first + now,
            ..record.clone()
        });
        all.extend(moved.map(|record| of_its_own(record, number)));
        now = all.last().map_or(now, |last| last.time_ns) + GAPS[gap % GAPS.len()] * SECOND + 1;
    }
    all
}

/// The same packet, or the error that quotes it, in conversations of this session alone: clients of
/// TFTP take other ports, and TCP begins with other numbers. With the same ones, as no network has
/// them, it is taken for a repetition however late it comes.
fn of_its_own(mut record: Record, session: usize) -> Record {
    const ETHERNET: usize = 14;
    const IP: usize = 20;
    const ICMP: usize = 8;
    let protocol = |ip: usize| record.bytes.get(ip + 9).copied();
    let ip = match protocol(ETHERNET) {
        Some(1) => ETHERNET + IP + ICMP,
        _ => ETHERNET,
    };
    let protocol = protocol(ip);
    let message = record.bytes.get_mut(ip + IP..).unwrap_or_default();
    match protocol {
        Some(6) => from_other_number(message, session),
        Some(17) => from_other_port(message, session),
        _ => {}
    }
    record
}

fn from_other_port(datagram: &mut [u8], session: usize) {
    const CLIENT_PORTS: std::ops::Range<u16> = 1_701..1_810;
    for at in [0, 2] {
        if let Some(port) = datagram.get_mut(at..at + 2) {
            let old = u16::from_be_bytes([port[0], port[1]]);
            if CLIENT_PORTS.contains(&old) {
                port.copy_from_slice(&(old + 200 * session as u16).to_be_bytes());
            }
        }
    }
}

fn from_other_number(segment: &mut [u8], session: usize) {
    const ACK: u8 = 0x10;
    // Its multiples lie far apart, further than any window.
    let moved = 0x9e37_79b9_u32.wrapping_mul(session as u32);
    let acknowledges = segment.get(13).is_some_and(|bits| bits & ACK != 0);
    for at in std::iter::once(4).chain(acknowledges.then_some(8)) {
        if let Some(number) = segment.get_mut(at..at + 4) {
            let old = u32::from_be_bytes([number[0], number[1], number[2], number[3]]);
            number.copy_from_slice(&old.wrapping_add(moved).to_be_bytes());
        }
    }
}

/// Slices of so many packets, after each of which what is over is frozen.
struct Long<'a> {
    watched: Watched<'a>,
    frozen: Frozen,
}

impl<'a> Long<'a> {
    fn new(records: &'a [Record]) -> Self {
        Self {
            watched: Watched::new("a.pcap", records, usize::MAX),
            frozen: Frozen::default(),
        }
    }

    fn slice(&mut self, packets: usize) {
        self.watched.slice(packets);
    }

    fn freeze(&mut self) {
        let seen = self.watched.seen();
        let now = seen.end();
        let before = Timestamp(now.0.saturating_sub(IDLE.as_nanos() as i64));
        let needed = self.frozen.freeze(seen.log(), &seen, before);
        let whole = &mut self.watched.whole;
        whole.retire(now, IDLE, &|flow| needed.is_transfer(flow));
        whole.retire_log(|entry| needed.holds(entry));
    }

    fn evidence(&self) -> (Observation, Evidence) {
        let seen = self.watched.seen();
        let evidence = Evidence::collect_after(&self.frozen, seen.log(), &seen);
        (seen, evidence)
    }
}

fn check(records: &[Record], slices: &[(usize, bool)]) -> Result<(), TestCaseError> {
    let mut long = Long::new(records);
    for (packets, freezes) in slices {
        long.slice(*packets);
        if *freezes {
            long.freeze();
        }
    }
    long.slice(records.len());
    let (seen, found) = long.evidence();
    let whole = part("a.pcap", records, 0, records.len()).finish();
    let wanted = Evidence::collect(whole.log(), &whole);
    prop_assert_eq!(&found.tftp, &wanted.tftp);
    prop_assert_eq!(&found.tftp_joined, &wanted.tftp_joined);
    prop_assert_eq!(&found.rpc, &wanted.rpc);
    prop_assert_eq!(&found.pxe, &wanted.pxe);
    prop_assert_eq!(found.named_elsewhere(), wanted.named_elsewhere());
    prop_assert_eq!(&found.limits, &wanted.limits);
    for transfer in &wanted.tftp {
        let between =
            |evidence: &Evidence| evidence.transfer_initiator(transfer.server, transfer.client);
        prop_assert_eq!(between(&found), between(&wanted));
    }
    let audited =
        |seen: &Observation, evidence: &Evidence| comparable(&verdict(&SITE, seen, evidence));
    let (found, wanted) = (audited(&seen, &found), audited(&whole, &wanted));
    prop_assert!(found == wanted, "{}", difference(&found, &wanted));
    Ok(())
}

fn difference(found: &serde_json::Value, wanted: &serde_json::Value) -> String {
    let lines = |value| serde_json::to_string_pretty(value).expect("JSON");
    let (found, wanted) = (lines(found), lines(wanted));
    let pairs = found.lines().zip(wanted.lines());
    let different = pairs.filter(|(found, wanted)| found != wanted).take(8);
    different
        .map(|(found, wanted)| format!("{found}   |   {wanted}\n"))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn what_is_frozen_and_the_rest_are_the_whole(
        sessions in prop::collection::vec((0..64_usize, 0..GAPS.len()), 1..8),
        slices in prop::collection::vec((0..120_usize, any::<bool>()), 0..24),
    ) {
        check(&day(&sessions), &slices)?;
    }
}

/// A server that tells the same client, from the same port, later of other endpoints.
#[test]
fn what_a_later_conversation_tells_is_new() {
    let sessions = [(4, 0), (5, 0), (4, 0), (40, 0), (0, 3), (24, 0), (16, 0)];
    let records = day(&sessions);
    let whole = part("a.pcap", &records, 0, records.len()).finish();
    let learned = Evidence::collect(whole.log(), &whole).rpc;
    let told = |address: &str| {
        let address = address.parse::<std::net::IpAddr>().expect("an address");
        learned.iter().any(|it| it.server == address)
    };
    assert!(told("10.0.0.12") && told("192.168.7.5"));
    if let Err(error) = check(&records, &[(31, false), (76, true)]) {
        panic!("{error}");
    }
}

/// A read of a machine that only DHCP after it names, before it is frozen or later.
#[test]
fn a_read_is_of_the_machine_that_is_named_later() {
    let reads = SESSIONS.len() - 5;
    for gap in [0, 3] {
        let records = day(&[(reads, gap), (0, gap), (0, 0)]);
        for packets in 6..18 {
            let slices = [(packets, true), (1, true), (1, true), (40, true)];
            if let Err(error) = check(&records, &slices) {
                panic!("{gap} {packets}: {error}");
            }
        }
    }
}

/// Each session before each other one.
#[test]
fn sessions_follow_each_other() {
    for one in 0..SESSIONS.len() {
        for gap in [1, 3] {
            let sessions = [
                (one, gap),
                ((one * 7 + gap) % SESSIONS.len(), gap),
                (one, gap),
            ];
            let records = day(&sessions);
            let slices = vec![(5, true); records.len() / 5];
            if let Err(error) = check(&records, &slices) {
                panic!("{one} {gap}: {error}");
            }
        }
    }
}

/// A clock that is a year ahead for a moment freezes all, and hides nothing of what comes after.
#[test]
fn a_clock_that_goes_back_blinds_nobody() {
    const YEAR: i64 = 365 * 86_400 * SECOND;
    let good = SESSIONS.len() - 4;
    let records = day(&[(good, 3), (good, 3), (good, 3)]);
    let mut long = Long::new(&records);
    let each = records.len() / 3;
    for session in 0..3 {
        long.slice(each);
        if session == 0 {
            let ahead = Timestamp(records[each].time_ns + YEAR);
            long.watched.whole.watched_until(ahead);
            long.freeze();
        }
        let now = Timestamp(records[(session + 1) * each - 1].time_ns);
        long.watched.whole.watched_until(now);
        let (_, evidence) = long.evidence();
        assert_eq!(evidence.pxe.len(), session + 1);
        long.freeze();
    }
    let (_, found) = long.evidence();
    let whole = part("a.pcap", &records, 0, records.len()).finish();
    let wanted = Evidence::collect(whole.log(), &whole);
    assert_eq!((found.tftp, found.pxe), (wanted.tftp, wanted.pxe));
}

/// Boots for days, and no end: the log holds no more than those of the last minutes.
#[test]
fn the_log_of_many_boots_stays_small() {
    let good = SESSIONS.len() - 4;
    let sessions: Vec<_> = (0..60).map(|_| (good, 3)).collect();
    let records = day(&sessions);
    let mut long = Long::new(&records);
    let mut most = 0;
    let each = records.len() / sessions.len();
    for _ in 0..sessions.len() {
        long.slice(each);
        long.freeze();
        most = most.max(long.watched.seen().log().count());
    }
    let (_, evidence) = long.evidence();
    assert_eq!(evidence.pxe.len(), sessions.len());
    assert!(evidence.tftp.len() >= sessions.len());
    let all = part("a.pcap", &records, 0, records.len())
        .finish()
        .log()
        .count();
    assert!(most * 20 < all, "{most} of {all}");
}
