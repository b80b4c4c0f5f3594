//! What stands before the flows: the window, the captures, and everything that is one number.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use super::container::{Reader, Records, Section, Writer};
use super::error::PartFileError;
use crate::capture::LinkType;
use crate::decode::{LinkProtocol, Undecoded};
use crate::net::{Position, Timestamp};
use crate::observation::capture::{CapturePiece, CaptureRecord, Order};
use crate::observation::{Continuity, Tally, Window};

/// Names that captures have for their format and compression. A new one is added here.
const NAMES: [&str; 5] = ["pcap", "pcapng", "gzip", "zstd", "lz4"];

/// Most frames of a capture: as many as a position can number.
const MAX_FRAMES: u64 = (1 << 40) - 1;

/// The beginning of a part file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartHead {
    /// The part file as the user named it.
    pub(super) name: String,
    pub(super) window: Window,
    /// Whole captures in their order.
    pub(super) captures: Vec<CapturePiece>,
    pub(super) totals: Totals,
}

/// Everything of a part that is one number, or a few.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) total: Tally,
    pub(super) icmp_errors: Tally,
    pub(super) snaplen_cut: u64,
    /// The bound on flows, where some were folded by it.
    pub(super) folded_at: Option<u64>,
    pub(super) link: Vec<(LinkProtocol, Tally)>,
    pub(super) undecoded: Vec<(Undecoded, u64)>,
    pub(super) dropped: Dropped,
}

/// What bounds kept out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Dropped {
    pub(super) fragments: u64,
    pub(super) errors: u64,
    pub(super) errors_outside: u64,
    pub(super) log: u64,
    pub(super) log_of_flow: u64,
}

#[derive(Serialize, Deserialize)]
struct WireWindow {
    from: Option<i64>,
    to: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct WireCapture<'a> {
    source: &'a str,
    order: i64,
    format: Option<&'a str>,
    compression: Option<&'a str>,
    link_types: Vec<u16>,
    packets: u64,
    bytes: u64,
    first: Option<i64>,
    last: Option<i64>,
    watched_until: Option<i64>,
    kernel_drops: Option<u64>,
    continuity: WireContinuity,
    problem: Option<&'a str>,
    frames: u64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct WireContinuity {
    sequence_gaps: u64,
    duplicates: u64,
    followed: u64,
    beyond: u64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct WireTally {
    packets: u64,
    bytes: u64,
}

#[derive(Serialize, Deserialize)]
enum WireLink {
    EtherType(u16),
    Llc(u8),
}

#[derive(Serialize, Deserialize)]
struct WireTotals<'a> {
    total: WireTally,
    icmp_errors: WireTally,
    snaplen_cut: u64,
    folded_at: Option<u64>,
    link: Vec<(WireLink, WireTally)>,
    #[serde(borrow)]
    undecoded: Vec<(&'a str, u64)>,
    dropped: Dropped,
}

impl PartHead {
    /// Which packets are judged.
    pub fn window(&self) -> Window {
        self.window
    }

    pub(super) fn write(&self, out: &mut Writer<impl Write>) -> io::Result<()> {
        let window = WireWindow {
            from: self.window.from.map(|time| time.0),
            to: self.window.to.map(|time| time.0),
        };
        out.begins_block(Section::Window)?;
        out.record(&window)?;
        for capture in &self.captures {
            out.begins_block(Section::Captures)?;
            out.record(&wire_capture(capture)?)?;
        }
        out.begins_block(Section::Totals)?;
        out.record(&self.totals.wire())
    }

    pub(super) fn read(input: &mut Reader<impl Read>) -> Result<Self, PartFileError> {
        let mut window = None;
        let mut captures = Vec::new();
        loop {
            match input.next()? {
                Section::Window if window.is_none() => {
                    let wire: WireWindow = only(&mut input.records())?;
                    window = Some(Window {
                        from: wire.from.map(Timestamp),
                        to: wire.to.map(Timestamp),
                    });
                }
                Section::Captures => {
                    let mut records = input.records();
                    while let Some(wire) = records.next()? {
                        let capture = capture(wire, &records)?;
                        let last: Option<&CapturePiece> = captures.last();
                        if last.is_some_and(|last| last.order >= capture.order) {
                            return Err(records.invalid("they are not in order"));
                        }
                        if captures.len() == Position::MAX_CAPTURES {
                            return Err(records.invalid("there are too many"));
                        }
                        captures.push(capture);
                    }
                }
                Section::Totals => {
                    let mut records = input.records();
                    let totals = Totals::read(only(&mut records)?, &records)?;
                    let Some(window) = window else {
                        return Err(records.invalid("the time window is missing"));
                    };
                    let head = Self {
                        name: input.name().to_owned(),
                        window,
                        captures,
                        totals,
                    };
                    return match head.adds_up() {
                        true => Ok(head),
                        false => Err(records.invalid("they don't add up")),
                    };
                }
                _ => return Err(input.records().invalid("it stands where another belongs")),
            }
        }
    }

    /// Packets and bytes of all captures; `None` where they can't be counted.
    pub(super) fn captured(&self) -> Option<Tally> {
        sum(self.captures.iter().map(|capture| Tally {
            packets: capture.record.packets,
            bytes: capture.record.bytes,
        }))
    }

    /// Whether nothing was counted more often than it was captured, so that sums of it stay
    /// within bounds.
    fn adds_up(&self) -> bool {
        let Some(captured) = self.captured() else {
            return false;
        };
        let totals = &self.totals;
        let within = |part: Option<Tally>| {
            part.is_some_and(|part| {
                part.packets <= captured.packets && part.bytes <= captured.bytes
            })
        };
        let link = totals.link.iter().map(|(_, tally)| *tally);
        let mut undecoded = totals.undecoded.iter().map(|(_, count)| *count);
        let undecoded = undecoded.try_fold(0_u64, u64::checked_add);
        let dropped = totals.dropped;
        let counts = [
            totals.snaplen_cut,
            dropped.fragments,
            dropped.errors,
            dropped.errors_outside,
            dropped.log,
            dropped.log_of_flow,
        ];
        within(Some(totals.total))
            && within(Some(totals.icmp_errors))
            && within(sum(link))
            && totals.folded_at != Some(0)
            && undecoded.is_some_and(|count| count <= captured.packets)
            && counts.into_iter().all(|count| count <= captured.packets)
    }
}

/// The sum; `None` where it can't be counted.
pub(super) fn sum(mut tallies: impl Iterator<Item = Tally>) -> Option<Tally> {
    tallies.try_fold(Tally::default(), |sum, tally| {
        Some(Tally {
            packets: sum.packets.checked_add(tally.packets)?,
            bytes: sum.bytes.checked_add(tally.bytes)?,
        })
    })
}

/// The one record of a block.
fn only<'a, T: Deserialize<'a>>(records: &mut Records<'a>) -> Result<T, PartFileError> {
    let record = records.next()?;
    let record = record.ok_or_else(|| records.invalid("a record is missing"))?;
    if records.is_empty() {
        Ok(record)
    } else {
        Err(records.invalid("there are several records"))
    }
}

fn wire_capture(capture: &CapturePiece) -> io::Result<WireCapture<'_>> {
    let record = &capture.record;
    for name in [record.format, record.compression].into_iter().flatten() {
        if !NAMES.contains(&name) {
            return Err(io::Error::other(format!(
                "part files have no word for {name}"
            )));
        }
    }
    Ok(WireCapture {
        source: &record.source,
        order: capture.order.first.0,
        format: record.format,
        compression: record.compression,
        link_types: record.link_types.iter().map(|kind| kind.0).collect(),
        packets: record.packets,
        bytes: record.bytes,
        first: record.first.map(|time| time.0),
        last: record.last.map(|time| time.0),
        watched_until: record.watched_until.map(|time| time.0),
        kernel_drops: record.kernel_drops,
        continuity: wire_continuity(record.continuity),
        problem: record.problem.as_deref(),
        frames: capture.frames,
    })
}

fn capture(wire: WireCapture<'_>, records: &Records<'_>) -> Result<CapturePiece, PartFileError> {
    let named = |name: Option<&str>| match name {
        None => Ok(None),
        Some(name) => match NAMES.into_iter().find(|known| *known == name) {
            Some(known) => Ok(Some(known)),
            None => Err(records.invalid("a format is unknown")),
        },
    };
    let continuity = continuity(wire.continuity);
    if wire.packets > wire.frames
        || wire.frames > MAX_FRAMES
        || !is_within(continuity, wire.packets)
    {
        return Err(records.invalid("they don't add up"));
    }
    Ok(CapturePiece {
        order: Order {
            first: Timestamp(wire.order),
            source: wire.source.to_owned(),
            offset: 0,
        },
        record: CaptureRecord {
            source: wire.source.to_owned(),
            format: named(wire.format)?,
            compression: named(wire.compression)?,
            link_types: wire.link_types.into_iter().map(LinkType).collect(),
            packets: wire.packets,
            bytes: wire.bytes,
            first: wire.first.map(Timestamp),
            last: wire.last.map(Timestamp),
            watched_until: wire.watched_until.map(Timestamp),
            kernel_drops: wire.kernel_drops,
            continuity,
            problem: wire.problem.map(str::to_owned),
        },
        frames: wire.frames,
        directions: None,
    })
}

impl Totals {
    fn wire(&self) -> WireTotals<'static> {
        let link = self.link.iter().map(|(protocol, tally)| {
            let protocol = match *protocol {
                LinkProtocol::EtherType(number) => WireLink::EtherType(number),
                LinkProtocol::Llc(number) => WireLink::Llc(number),
            };
            (protocol, wire_tally(*tally))
        });
        let undecoded = self.undecoded.iter();
        WireTotals {
            total: wire_tally(self.total),
            icmp_errors: wire_tally(self.icmp_errors),
            snaplen_cut: self.snaplen_cut,
            folded_at: self.folded_at,
            link: link.collect(),
            undecoded: undecoded
                .map(|(reason, count)| (reason.code(), *count))
                .collect(),
            dropped: self.dropped,
        }
    }

    fn read(wire: WireTotals<'_>, records: &Records<'_>) -> Result<Self, PartFileError> {
        let link = wire.link.into_iter().map(|(protocol, count)| {
            let protocol = match protocol {
                WireLink::EtherType(number) => LinkProtocol::EtherType(number),
                WireLink::Llc(number) => LinkProtocol::Llc(number),
            };
            (protocol, tally(count))
        });
        let undecoded = wire.undecoded.into_iter().map(|(code, count)| {
            let mut reasons = Undecoded::ALL.into_iter();
            match reasons.find(|reason| reason.code() == code) {
                Some(reason) => Ok((reason, count)),
                None => Err(records.invalid("a reason is unknown")),
            }
        });
        Ok(Self {
            total: tally(wire.total),
            icmp_errors: tally(wire.icmp_errors),
            snaplen_cut: wire.snaplen_cut,
            folded_at: wire.folded_at,
            link: link.collect(),
            undecoded: undecoded.collect::<Result<_, _>>()?,
            dropped: wire.dropped,
        })
    }
}

fn wire_continuity(continuity: Continuity) -> WireContinuity {
    WireContinuity {
        sequence_gaps: continuity.sequence_gaps,
        duplicates: continuity.duplicates,
        followed: continuity.followed,
        beyond: continuity.beyond,
    }
}

fn continuity(wire: WireContinuity) -> Continuity {
    Continuity {
        sequence_gaps: wire.sequence_gaps,
        duplicates: wire.duplicates,
        followed: wire.followed,
        beyond: wire.beyond,
    }
}

/// Whether no packet was counted more than once, nor more than there were.
fn is_within(continuity: Continuity, packets: u64) -> bool {
    let all = continuity.followed.checked_add(continuity.beyond);
    let found = [continuity.sequence_gaps, continuity.duplicates];
    all.is_some_and(|all| all <= packets)
        && found.into_iter().all(|count| count <= continuity.followed)
}

fn wire_tally(tally: Tally) -> WireTally {
    WireTally {
        packets: tally.packets,
        bytes: tally.bytes,
    }
}

fn tally(wire: WireTally) -> Tally {
    Tally {
        packets: wire.packets,
        bytes: wire.bytes,
    }
}
