//! A capture as if it came now: the audits of what was seen up to each quarter of a second, with
//! the live counters beside them.

use std::fs::File;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use portolan::capture::Reader;
use portolan::evidence::{Context, Evidence};
use portolan::flow::IcmpErrorSeen;
use portolan::net::{FiveTuple, Timestamp};
use portolan::observation::{Observation, Part, Piece, Window};
use portolan::site::LoadedSite;
use portolan::verdict::Audit;
use portolan::watch::events::{Ended, Event, Interface, InterfaceState, Moment, Teller};

use super::audited::verdict;
use super::build::Record;
use super::frames::{frame, read};

/// How often a live run judges.
const LOOK_NS: i64 = 250_000_000;
/// How often it judges while nothing comes.
const QUIET_LOOK_NS: i64 = 1_000_000_000;
/// How long it goes on when nothing more comes: for a transfer to stall, and that to settle.
const QUIET_NS: i64 = 10_000_000_000;

/// The clock goes on where no packet comes.
struct At<'a>(&'a Observation, Timestamp);

impl Context for At<'_> {
    fn icmp_error(&self, quoted: &FiveTuple) -> Option<IcmpErrorSeen> {
        self.0.icmp_error(quoted)
    }

    fn end(&self) -> Timestamp {
        self.0.end().max(self.1)
    }
}

/// The records of a capture file.
pub fn records(path: &Path) -> Vec<Record> {
    let name = path.to_string_lossy();
    let mut reader = Reader::new(File::open(path).expect("it opens"), &name).expect("a capture");
    read(&mut reader)
}

/// Shows `each` look at the records as they come, and in the silence after them.
pub fn replay(site: &LoadedSite, records: &[Record], mut each: impl FnMut(&Audit, &Moment)) {
    let begin = records.first().expect("a packet").time_ns - 100_000_000;
    let end = records.last().expect("a packet").time_ns + QUIET_NS;
    let mut part = Part::new(
        Piece {
            source: "br0".to_owned(),
            format: None,
            compression: None,
            first: Timestamp(records[0].time_ns),
            offset: 0,
        },
        Window::default(),
        usize::MAX,
    );
    let mut come = 0;
    let mut bytes = 0;
    let mut now = begin;
    let mut looked = i64::MIN;
    while now <= end {
        let before = come;
        while let Some(record) = records.get(come).filter(|record| record.time_ns <= now) {
            come += 1;
            bytes += u64::from(record.wire_length);
            part.add(&[frame(come, record)]);
        }
        if come == before && now < looked.saturating_add(QUIET_LOOK_NS) {
            now += LOOK_NS;
            continue;
        }
        looked = now;
        let mut seen = part.clone();
        seen.seal();
        let observation = Part::merge_all(vec![seen], NonZeroUsize::MIN).finish();
        let evidence = Evidence::collect(observation.log(), &At(&observation, Timestamp(now)));
        let audit = verdict(site, &observation, &evidence);
        each(&audit, &moment(now - begin, now, (come as u64, bytes)));
        now += LOOK_NS;
    }
}

fn moment(since: i64, now: i64, (packets, bytes): (u64, u64)) -> Moment {
    Moment {
        now: Timestamp(now),
        since_start: Duration::from_nanos(since.unsigned_abs()),
        interfaces: vec![Interface {
            name: "br0".to_owned(),
            packets,
            bytes,
            dropped: Some(0),
            state: InterfaceState::Up,
        }],
    }
}

/// Every event of the records, and the audit at the end.
pub fn told(site: &LoadedSite, records: &[Record]) -> (Vec<Event>, Audit) {
    let mut teller = Teller::default();
    let mut events = Vec::new();
    let mut last = None;
    replay(site, records, |audit, moment| {
        events.extend(teller.tell(audit, moment));
        last = Some((audit.clone(), moment.clone()));
    });
    let (audit, moment) = last.expect("one look");
    events.extend(teller.tell_last(&audit, &moment, Ended::Duration));
    (events, audit)
}
