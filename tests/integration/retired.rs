//! Silent flows of a capture that goes on for long are folded, and the audit stays right.

use std::time::Duration;

use portolan::capture::Frame;
use portolan::net::Timestamp;
use portolan::observation::Observation;
use proptest::prelude::*;

use crate::max_flows::{by_pair, comparable, records, scans};
use crate::merge::{Seen, event, merged, record};
use crate::slices::Watched;
use crate::support::audited::{audit, boundary_site, report};
use crate::support::build::{Record, Rng};
use crate::support::frames::part;

const SECOND: i64 = 1_000_000_000;

fn retired(observation: &Observation) -> u64 {
    let mut limits = observation.limits().iter();
    let hit = limits.find(|hit| hit.limit == "retired-flows");
    hit.map_or(0, |hit| hit.reached)
}

/// The records in slices of so many, after each of which flows are retired.
fn watched(records: &[Record], slice: usize, idle: Duration) -> Observation {
    let mut watched = Watched::new("a.pcap", records, usize::MAX);
    for slice in records.chunks(slice) {
        watched.slice(slice.len());
        let now = slice.iter().map(|record| record.time_ns).max();
        let now = Timestamp(now.expect("a record"));
        watched.whole.retire(now, idle, &|_| false);
    }
    watched.seen()
}

#[test]
fn an_audit_of_scans_does_not_depend_on_what_is_retired() {
    let records = scans();
    let site = boundary_site();
    let whole = part("a.pcap", &records, 0, records.len()).finish();
    let wanted = comparable(&audit(&site, &whole));
    for (slice, idle) in [(1, 0), (100, 0), (100, 300), (1_000, 2_000)] {
        let seen = watched(&records, slice, Duration::from_millis(idle));
        assert!(retired(&seen) > 500, "{}", retired(&seen));
        assert_eq!(seen.flow_count(), whole.flow_count());
        let audited = audit(&site, &seen);
        assert_eq!(comparable(&audited), wanted, "{slice} {idle}");
        let said = report(&audited, "text");
        assert!(said.contains("flows that were silent for"), "{said}");
    }
}

#[test]
fn what_is_retired_makes_room_and_no_bound_is_said_to_be_hit() {
    let records = scans();
    let mut watched = Watched::new("a.pcap", &records, 200);
    for slice in records.chunks(20) {
        watched.slice(slice.len());
        let now = Timestamp(slice[slice.len() - 1].time_ns);
        watched.whole.retire(now, Duration::ZERO, &|_| false);
    }
    let seen = watched.seen();
    let limits: Vec<_> = seen.limits().iter().map(|hit| hit.limit).collect();
    assert_eq!(limits, ["retired-flows"]);
    assert!(retired(&seen) > 2_000);
}

#[test]
fn flows_that_something_else_is_known_by_stay() {
    let records = scans();
    let mut watched = Watched::new("a.pcap", &records, usize::MAX);
    watched.slice(records.len());
    let before = Seen::of(&watched.seen());
    let now = Timestamp(i64::MAX);
    watched.whole.retire(now, Duration::ZERO, &|_| true);
    assert!(before == Seen::of(&watched.seen()));
}

/// Nothing that a packet says retires others: only the clock of who watches does.
#[test]
fn packets_from_another_time_retire_nothing_else() {
    const YEAR: i64 = 365 * 86_400 * SECOND;
    let mut records = scans();
    let half = records.len() / 2;
    let now = Timestamp(records[half].time_ns);
    records[half - 1].time_ns += YEAR;
    records[half - 2].time_ns -= 3_600 * SECOND;
    records[half - 3].time_ns = i64::MIN;
    records[half - 4].time_ns = i64::MAX;
    let mut watched = Watched::new("a.pcap", &records, usize::MAX);
    for _ in 0..half / 10 + 1 {
        watched.slice(10);
        watched.whole.watched_until(now);
        watched
            .whole
            .retire(now, Duration::from_secs(1_800), &|_| false);
    }
    assert!(retired(&watched.seen()) <= 4);
    watched.slice(records.len());
    for later in [YEAR, -YEAR, 0] {
        let now = Timestamp(now.0 + later);
        watched.whole.watched_until(now);
        watched
            .whole
            .retire(now, Duration::from_secs(1_800), &|_| false);
        let seen = watched.seen();
        assert_eq!(seen.end(), now);
        assert_eq!(seen.total().packets, records.len() as u64);
        let report = report(&audit(&boundary_site(), &seen), "json");
        serde_json::from_str::<serde_json::Value>(&report).expect("JSON");
    }
}

#[test]
fn frame_numbers_past_their_bound_are_no_harm() {
    let records = scans();
    let mut part = part("a.pcap", &[], 0, 0);
    for (number, record) in (1_u64 << 39..).step_by(1 << 38).zip(&records) {
        part.add_one(&Frame {
            number,
            time: Timestamp(record.time_ns),
            link_type: portolan::capture::LinkType(record.link_type),
            wire_length: record.wire_length,
            data: &record.bytes,
        });
        if number % 7 == 0 {
            part.settle();
        }
    }
    let whole = part.take_slice();
    assert_eq!(whole.packets(), records.len() as u64);
    assert!(whole.finish().flow_count() > 2_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn nothing_is_lost_of_what_is_retired(
        packets in prop::collection::vec((0..4_u8, 0..6_u8, 0..4_u8, 0..6_u8, 0..5_u8), 1..200),
        slice in 1..20_usize,
        idle_us in 0..2_000_u64,
    ) {
        let records = records(&packets);
        let whole = part("a.pcap", &records, 0, records.len()).finish();
        let seen = watched(&records, slice, Duration::from_micros(idle_us));
        prop_assert_eq!(by_pair(&whole), by_pair(&seen));
        prop_assert_eq!(whole.flow_count(), seen.flow_count());
        prop_assert_eq!(whole.log().count(), seen.log().count());
    }

    /// Fragments are laid at their flows, ICMP errors stay at theirs.
    #[test]
    fn what_only_waits_is_settled_all_the_same(
        events in prop::collection::vec(event(), 1..120),
        later in 0..4_000_i64,
    ) {
        let records = record(&events);
        let wanted = Seen::of(&merged(&[("a.pcap", &records)], &[vec![]], &mut Rng::new(0)));
        let mut watched = Watched::new("a.pcap", &records, usize::MAX);
        watched.slice(records.len());
        let last = records.iter().map(|record| record.time_ns).max().expect("a record");
        let now = Timestamp(last + later * SECOND);
        watched.whole.retire(now, Duration::from_secs(1 << 40), &|_| false);
        let seen = Seen::of(&watched.seen());
        prop_assert!(seen == wanted, "{}", seen.difference(&wanted));
    }

    /// Those of which no more is to come, of a capture that takes seconds or hours.
    #[test]
    fn fragments_settled_on_the_way_lie_where_they_belong(
        events in prop::collection::vec(event(), 1..120),
        slice in 1..20_usize,
        slower in 1..20_000_i64,
    ) {
        let mut records = record(&events);
        let begin = records[0].time_ns;
        for record in &mut records {
            record.time_ns = begin + (record.time_ns - begin) * slower;
        }
        let wanted = Seen::of(&merged(&[("a.pcap", &records)], &[vec![]], &mut Rng::new(0)));
        let mut watched = Watched::new("a.pcap", &records, usize::MAX);
        let mut now = Timestamp(begin);
        for slice in records.chunks(slice) {
            watched.slice(slice.len());
            let times = slice.iter().map(|record| Timestamp(record.time_ns));
            now = times.fold(now, Timestamp::max);
            watched.whole.settle_fragments(now);
        }
        let seen = Seen::of(&watched.seen());
        prop_assert!(seen == wanted, "{}", seen.difference(&wanted));
    }
}
