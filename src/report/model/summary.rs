//! Head of a report: who made it, for which site, from what, and the sums.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{line, lines, time};
use crate::observation::CaptureRecord;
use crate::verdict;

/// The program that made a report.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Tool {
    /// Name of the program.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
}

impl Tool {
    /// This program.
    pub const THIS: Self = Self {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
    };
}

/// The site of an audit.
#[derive(Clone, Debug, Serialize)]
pub struct Site {
    /// Name given by the user.
    pub name: String,
    /// Catalogue the site names.
    pub catalogue: String,
    /// Edition in force.
    pub edition: String,
}

impl Site {
    /// The site of an audit.
    pub fn new(site: &verdict::SiteSummary) -> Self {
        Self {
            name: line(&site.name),
            catalogue: line(&site.catalogue),
            edition: line(&site.edition),
        }
    }
}

/// One capture file.
#[derive(Clone, Debug, Serialize)]
pub struct Capture {
    /// Path as the user named it, or `-`.
    pub source: String,
    /// `pcap` or `pcapng`.
    pub format: Option<&'static str>,
    /// `gzip`, `zstd` or `lz4`.
    pub compression: Option<&'static str>,
    /// Names of the link types.
    pub link_types: Vec<String>,
    /// Frames read.
    pub packets: u64,
    /// Frame bytes on the wire.
    pub bytes: u64,
    /// Smallest packet time.
    pub first: Option<String>,
    /// Largest packet time.
    pub last: Option<String>,
    /// Whether it was read to its end.
    pub complete: bool,
    /// Why not.
    pub problem: Option<String>,
}

impl Capture {
    pub(super) fn new(capture: &CaptureRecord) -> Self {
        Self {
            source: line(&capture.source),
            format: capture.format,
            compression: capture.compression,
            link_types: lines(&capture.link_type_names()),
            packets: capture.packets,
            bytes: capture.bytes,
            first: capture.first.and_then(time),
            last: capture.last.and_then(time),
            complete: capture.is_complete(),
            problem: capture.problem.as_deref().map(line),
        }
    }
}

/// Sums over the whole input.
#[derive(Clone, Debug, Serialize)]
pub struct Totals {
    /// Frames.
    pub packets: u64,
    /// Frame bytes on the wire.
    pub bytes: u64,
    /// The next five together.
    pub flows: u64,
    /// Flows that a rule explains.
    pub expected: u64,
    /// Flows that no rule explains.
    pub unexpected: u64,
    /// Unexpected flows that the site accepts.
    pub accepted: u64,
    /// Flows of link maintenance.
    pub background: u64,
    /// Flows outside the scope.
    pub out_of_scope: u64,
    /// Frames that could not be decoded, by reason.
    pub undecoded: BTreeMap<&'static str, u64>,
    /// Requirements by state, those past the bound of their list too.
    pub requirements: BTreeMap<&'static str, u64>,
}

impl Totals {
    pub(super) fn new(totals: &verdict::Totals) -> Self {
        Self {
            packets: totals.packets,
            bytes: totals.bytes,
            flows: totals.flows,
            expected: totals.expected,
            unexpected: totals.unexpected,
            accepted: totals.accepted,
            background: totals.background,
            out_of_scope: totals.out_of_scope,
            undecoded: totals
                .undecoded
                .iter()
                .map(|(reason, count)| (reason.code(), *count))
                .collect(),
            requirements: totals
                .requirements
                .iter()
                .map(|(state, count)| (state.code(), *count))
                .collect(),
        }
    }
}

/// What the capture itself lost; null where it was not measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Loss {
    /// Packets dropped while capturing.
    pub kernel_drops: Option<u64>,
    /// Gaps in TCP sequence numbers.
    pub sequence_gaps: u64,
    /// Packets captured more than once, their first copies not counted.
    pub duplicates: u64,
    /// TCP and UDP packets that were compared with those before them, for gaps and duplicates.
    pub followed_packets: u64,
    /// Such packets that were not; `limits` has them.
    #[serde(skip)]
    pub not_followed: u64,
    /// Packets cut by the snaplen.
    pub snaplen_cut: u64,
    /// TCP flows of which only one side was seen.
    pub one_sided_flows: u64,
}

impl Loss {
    pub(super) fn new(loss: verdict::Loss) -> Self {
        Self {
            kernel_drops: loss.kernel_drops,
            sequence_gaps: loss.sequence_gaps,
            duplicates: loss.duplicates,
            followed_packets: loss.followed,
            not_followed: loss.not_followed,
            snaplen_cut: loss.snaplen_cut,
            one_sided_flows: loss.one_sided_flows,
        }
    }
}

/// A bound that was hit.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Limit {
    /// Name of the bound.
    pub limit: &'static str,
    /// Its value.
    pub value: u64,
    /// How many things it kept out.
    pub reached: u64,
}

impl Limit {
    pub(super) fn new(limit: &verdict::AuditLimit) -> Self {
        Self {
            limit: limit.limit,
            value: limit.value,
            reached: limit.reached,
        }
    }
}

/// Link maintenance of one kind.
#[derive(Clone, Debug, Serialize)]
pub struct Background {
    /// `arp`, `mdns` …
    pub kind: String,
    /// Flows; 0 for what is not IP.
    pub flows: u64,
    /// Packets.
    pub packets: u64,
    /// Frame bytes on the wire.
    pub bytes: u64,
}

impl Background {
    pub(super) fn new(entry: &verdict::BackgroundEntry) -> Self {
        Self {
            kind: line(&entry.kind),
            flows: entry.flows,
            packets: entry.packets,
            bytes: entry.bytes,
        }
    }
}
