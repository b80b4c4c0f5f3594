//! The report as values: `portolan.report.v1`, key by key in the order in which they are written.
//! Built once from an audit; every format reads it. Foreign text is escaped here, so no format
//! can forget to.

mod boot;
mod evidence;
mod finding;
mod gaps;
mod listed;
mod requirement;
mod summary;

use serde::Serialize;

pub use boot::{Pxe, PxeAnswer, PxeQuestion, PxeStep};
pub use evidence::{Peer, Rpc, Tftp, TftpError};
pub use finding::{
    Accepted, Diagnosis, Exception, Failing, FailingInitiator, FailingResponder, Initiator,
    Refuser, Responder, Unexpected,
};
pub use gaps::Gaps;
pub use listed::{LISTED_BOOTS, LISTED_TRANSFERS};
pub use requirement::{Requirement, RuleUse};
pub use summary::{Background, Capture, Limit, Loss, Site, Tool, Totals};

use self::listed::Listed;
use super::escape;
use crate::net::{Position, Timestamp};
use crate::observation::CaptureRecord;
use crate::verdict::Audit;

/// Value of `schema`.
pub const SCHEMA: &str = "portolan.report.v1";

/// An audit, ready to be written in any format.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// Who made it.
    pub tool: Tool,
    /// For which site.
    pub site: Site,
    /// Whether every capture was read to its end.
    pub complete: bool,
    /// Captures by first packet, then name.
    pub captures: Vec<Capture>,
    /// Time that no capture covers. Told to people only: machines have the captures.
    #[serde(skip)]
    pub gaps: Gaps,
    /// Sums over the whole input.
    pub totals: Totals,
    /// What the capture itself lost.
    pub loss: Loss,
    /// Bounds that were hit.
    pub limits: Vec<Limit>,
    /// What should not be there.
    pub unexpected: Vec<Unexpected>,
    /// Expected flows that never succeeded.
    pub failing: Vec<Failing>,
    /// Link maintenance.
    pub background: Vec<Background>,
    /// The site's exceptions with their use.
    pub exceptions: Vec<Exception>,
    /// What the evidence says went wrong.
    pub diagnoses: Vec<Diagnosis>,
    /// What should be there.
    pub requirements: Vec<Requirement>,
    /// Rules with their use.
    pub rules: Vec<RuleUse>,
    /// TFTP transfers in time order, ten thousand at most.
    pub tftp: Vec<Tftp>,
    /// RPC endpoints.
    pub rpc: Vec<Rpc>,
    /// Network boots in time order, ten thousand at most.
    pub pxe: Vec<Pxe>,
}

impl Report {
    /// The report of an audit.
    pub fn new(audit: &Audit) -> Self {
        let places = Places::new(&audit.captures);
        let listed = Listed::new(audit, &places);
        let limits = audit.limits.iter().map(Limit::new);
        Self {
            schema: SCHEMA,
            tool: Tool::THIS,
            site: Site::new(&audit.site),
            complete: audit.complete,
            captures: audit.captures.iter().map(Capture::new).collect(),
            gaps: Gaps::between(&audit.captures),
            totals: Totals::new(&audit.totals),
            loss: Loss::new(audit.loss),
            limits: limits.chain(listed.limits).collect(),
            unexpected: audit
                .unexpected
                .iter()
                .map(|finding| Unexpected::new(finding, &places))
                .collect(),
            failing: audit
                .failing
                .iter()
                .map(|flow| Failing::new(flow, &places))
                .collect(),
            background: audit.background.iter().map(Background::new).collect(),
            exceptions: audit.exceptions.iter().map(Exception::new).collect(),
            diagnoses: audit
                .diagnoses
                .iter()
                .map(|diagnosis| Diagnosis::new(diagnosis, &places))
                .collect(),
            requirements: audit
                .requirements
                .iter()
                .map(|requirement| Requirement::new(requirement, &places))
                .collect(),
            rules: audit.rules.iter().map(RuleUse::new).collect(),
            tftp: listed.tftp,
            rpc: audit
                .rpc
                .iter()
                .map(|learned| Rpc::new(learned, &places))
                .collect(),
            pxe: listed.pxe,
        }
    }
}

/// A frame, where its capture can be opened to look at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FrameReference {
    /// Name of the capture as in `captures`.
    pub capture: String,
    /// Number in that file, from 1, as in Wireshark.
    pub frame: u64,
}

/// Names of the captures, to say where a packet stands.
#[derive(Clone, Debug, Default)]
pub struct Places {
    names: Vec<String>,
}

impl Places {
    /// Of the captures of an audit.
    pub fn new(captures: &[CaptureRecord]) -> Self {
        let name = |capture: &CaptureRecord| escape::line(&capture.source).into_owned();
        Self {
            names: captures.iter().map(name).collect(),
        }
    }

    fn frames(&self, positions: &[Position]) -> Vec<FrameReference> {
        positions
            .iter()
            .map(|position| FrameReference {
                capture: self
                    .names
                    .get(position.capture())
                    .cloned()
                    .unwrap_or_default(),
                frame: position.frame(),
            })
            .collect()
    }
}

/// RFC 3339, UTC, nanoseconds; null where the capture gives no time.
pub(super) fn time(time: Timestamp) -> Option<String> {
    time.is_known().then(|| time.to_string())
}

fn line(text: &str) -> String {
    escape::line(text).into_owned()
}

fn lines(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| line(text)).collect()
}
