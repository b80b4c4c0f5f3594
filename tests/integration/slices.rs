//! A capture taken in slices while it goes on is the capture read in one.

use std::num::NonZeroUsize;

use portolan::net::Timestamp;
use portolan::observation::{Observation, Part, Piece, Window};
use portolan::site::LoadedSite;
use proptest::prelude::*;

use crate::max_flows::{comparable, scans};
use crate::merge::{Event, Seen, event, merged, record};
use crate::support::audited::{audit, boundary_site, report};
use crate::support::build::{Record, Rng};
use crate::support::frames::{bounded_part, frame, read};
use crate::support::shared::captures;

/// A capture that is watched, its slices put together.
pub struct Watched<'a> {
    records: &'a [Record],
    next: usize,
    collector: Part,
    pub whole: Part,
}

impl<'a> Watched<'a> {
    pub fn new(name: &str, records: &'a [Record], max_flows: usize) -> Self {
        let piece = Piece {
            source: name.to_owned(),
            format: Some("pcap"),
            compression: None,
            first: Timestamp::MAX,
            offset: 0,
        };
        Self {
            records,
            next: 0,
            collector: Part::new(piece, Window::default(), max_flows),
            whole: Part::default(),
        }
    }

    /// Adds so many packets and hands them over.
    pub fn slice(&mut self, packets: usize) {
        let until = (self.next + packets).min(self.records.len());
        for index in self.next..until {
            self.collector
                .add_one(&frame(index + 1, &self.records[index]));
        }
        self.next = until;
        self.whole.append(self.collector.take_slice());
        assert_eq!(self.whole.packets(), until as u64);
        assert_eq!(self.collector.packets(), until as u64);
    }

    /// What is seen so far.
    pub fn seen(&self) -> Observation {
        Part::merge_all(vec![self.whole.clone()], NonZeroUsize::MIN).finish()
    }

    fn ends(mut self, slices: impl IntoIterator<Item = usize>) -> Part {
        for packets in slices {
            self.slice(packets);
        }
        self.slice(self.records.len());
        self.whole
    }
}

fn whole(records: &[Record], until: usize) -> Observation {
    merged(
        &[("a.pcap", &records[..until])],
        &[vec![]],
        &mut Rng::new(0),
    )
}

fn json(site: &LoadedSite, observation: &Observation) -> String {
    report(&audit(site, observation), "json")
}

proptest! {
    #[test]
    fn slices_of_a_capture_are_the_capture(
        events in prop::collection::vec(event(), 1..120),
        slices in prop::collection::vec(0..12_usize, 0..20),
    ) {
        let records = record(&events);
        let mut watched = Watched::new("a.pcap", &records, usize::MAX);
        let mut until = 0;
        for packets in slices {
            watched.slice(packets);
            until = (until + packets).min(records.len());
            if until > 0 {
                let (now, then) = (Seen::of(&watched.seen()), Seen::of(&whole(&records, until)));
                prop_assert!(now == then, "{until}: {}", now.difference(&then));
            }
        }
        let again = watched.ends([]);
        let (again, wanted) = (Seen::of(&again.finish()), Seen::of(&whole(&records, records.len())));
        prop_assert!(again == wanted, "{}", again.difference(&wanted));
    }

    /// Two interfaces, of which either may hear its first packet first.
    #[test]
    fn interfaces_are_captures(
        events in [prop::collection::vec(event(), 1..60), prop::collection::vec(event(), 1..60)],
        slices in prop::collection::vec(0..12_usize, 0..10),
        later in [0..3_i64, 0..3_i64],
    ) {
        let mut records = events.map(|events| record(&events));
        for (records, later) in records.iter_mut().zip(later) {
            records.iter_mut().for_each(|record| record.time_ns += later);
        }
        let [a, b] = &records;
        let names = [("a.pcap", &a[..]), ("b.pcap", &b[..])];
        let wanted = merged(&names, &[vec![], vec![]], &mut Rng::new(0));
        let parts = names.map(|(name, records)| {
            Watched::new(name, records, usize::MAX).ends(slices.iter().copied())
        });
        let again = Part::merge_all(parts.into(), NonZeroUsize::MIN).finish();
        let (again, wanted) = (Seen::of(&again), Seen::of(&wanted));
        prop_assert!(again == wanted, "{}", again.difference(&wanted));
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_bound_on_flows_holds_in_slices(
        slices in prop::collection::vec(1..1_500_usize, 1..12),
        bound in 1..2_500_usize,
    ) {
        let records = scans();
        let site = boundary_site();
        let once = bounded_part("a.pcap", &records, 0, records.len(), bound).finish();
        let again = Watched::new("a.pcap", &records, bound).ends(slices).finish();
        prop_assert_eq!(once.limits(), again.limits());
        prop_assert_eq!(comparable(&audit(&site, &once)), comparable(&audit(&site, &again)));
    }
}

#[test]
fn reports_of_slices_are_the_same_to_the_byte() {
    let site = boundary_site();
    for (seed, path) in captures().iter().enumerate() {
        let name = path.to_string_lossy();
        let file = std::fs::File::open(path).expect("the capture is there");
        let mut reader = portolan::capture::Reader::new(file, &name).expect("it is a capture");
        let records = read(&mut reader);
        let wanted = json(&site, &whole(&records, records.len()));
        let mut rng = Rng::new(seed as u64);
        let most = 1 + rng.below(records.len() as u64 + 1);
        let slices = std::iter::from_fn(|| Some(rng.below(most) as usize)).take(40);
        let again = Watched::new("a.pcap", &records, usize::MAX)
            .ends(slices)
            .finish();
        assert!(json(&site, &again) == wanted, "{name}");
    }
}

#[test]
fn empty_slices_cost_nothing_and_say_what_held_before() {
    let events: Vec<_> = (0..200).map(Event::numbered).collect();
    let records = record(&events);
    let mut watched = Watched::new("a.pcap", &records, usize::MAX);
    watched.slice(150);
    let before = Seen::of(&watched.seen());
    for _ in 0..1000 {
        watched.slice(0);
    }
    assert!(before == Seen::of(&watched.seen()));
}

/// The end of what was watched is later than the last packet.
#[test]
fn a_silent_wire_is_watched_on() {
    let records = record(&[Event::numbered(1)]);
    let mut watched = Watched::new("a.pcap", &records, usize::MAX);
    watched.slice(1);
    let last = Timestamp(records[0].time_ns);
    assert_eq!(watched.seen().end(), last);
    let now = Timestamp(last.0 + 60_000_000_000);
    watched.whole.watched_until(now);
    assert_eq!(watched.seen().end(), now);
}
