//! What is told: one JSON line an event, with the keys of the report where both say the same.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::net::Timestamp;
use crate::report::model::{Diagnosis, Requirement, Rpc, Site, Tftp, Tool, Unexpected};

/// Value of `schema` in the first event.
pub const SCHEMA: &str = "portolan.event.v1";

/// Something that a live run tells.
#[derive(Clone, Debug)]
pub struct Event {
    /// When it was told, by the wall clock.
    pub at: Timestamp,
    /// Time since the watch began.
    pub elapsed: Duration,
    /// What is told.
    pub kind: EventKind,
}

/// What is told.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum EventKind {
    /// The watch began.
    WatchBegun(Begun),
    /// No rule explains these flows.
    FlowUnexpected(Box<Unexpected>),
    /// A finding told before does not stand any more.
    FlowWithdrawn(WithdrawnFlow),
    /// A step or rule that is required was seen.
    StepSatisfied(Box<Requirement>),
    /// A step or rule that is required was tried in vain.
    StepFailed(Box<Requirement>),
    /// A step that a machine should have come to long ago was not seen.
    StepMissing(Box<Requirement>),
    /// A step told before is undecided again.
    StepReopened(Box<Requirement>),
    /// A step told before is not judged for this host any more.
    StepWithdrawn(WithdrawnStep),
    /// A TFTP transfer was asked for.
    TransferBegun(Box<Tftp>),
    /// A TFTP transfer ended.
    TransferEnded(Box<Tftp>),
    /// A TFTP transfer that was told to have ended goes on.
    TransferResumed(Box<Tftp>),
    /// An RPC endpoint was read from the wire.
    EndpointLearned(Rpc),
    /// The evidence says what is wrong.
    Diagnosis(Box<Diagnosis>),
    /// A diagnosis told before does not stand any more.
    DiagnosisWithdrawn(WithdrawnDiagnosis),
    /// The capture lost more.
    Loss(Loss),
    /// An interface went down.
    InterfaceDown(InterfaceChange),
    /// An interface came back.
    InterfaceUp(InterfaceChange),
    /// An interface is no more.
    InterfaceGone(InterfaceChange),
    /// The wall clock was set, or the machine slept.
    ClockJump(ClockJump),
    /// The watch ended.
    WatchEnded(WatchEnded),
}

/// Codes of the events with their meaning, in the order of the documentation.
pub const KINDS: [(&str, &str); 20] = [
    (
        "watch-begun",
        "the first: schema, site, interfaces, what is required",
    ),
    ("flow-unexpected", "no rule explains these flows"),
    (
        "flow-withdrawn",
        "a finding told before does not stand any more: what came later explains it or gives another reason",
    ),
    (
        "step-satisfied",
        "a required step or rule was seen and answered (or its fallback: `degraded`)",
    ),
    (
        "step-failed",
        "a required step or rule was tried, so far in vain",
    ),
    (
        "step-missing",
        "the next step of a machine is overdue; at the end, whatever is missing",
    ),
    (
        "step-reopened",
        "a step told before is undecided again, as another file is under way",
    ),
    (
        "step-withdrawn",
        "a step told before is not judged for this host any more",
    ),
    ("transfer-begun", "a TFTP transfer was asked for"),
    (
        "transfer-ended",
        "it ended, or nothing came of it so far; of several, the last one holds",
    ),
    (
        "transfer-resumed",
        "one that was told to have ended goes on: an answer came late",
    ),
    ("endpoint-learned", "an RPC endpoint was read from the wire"),
    (
        "diagnosis",
        "the evidence says what is wrong, and what to do",
    ),
    (
        "diagnosis-withdrawn",
        "a diagnosis told before does not stand any more",
    ),
    (
        "loss",
        "packets were dropped, or sequence numbers have new gaps",
    ),
    ("interface-down", "an interface went down"),
    ("interface-up", "it came back"),
    ("interface-gone", "an interface is no more"),
    ("clock-jump", "the wall clock was set, or the machine slept"),
    ("watch-ended", "the last: why, and how things stand"),
];

/// The first event.
#[derive(Clone, Debug, Serialize)]
pub struct Begun {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// Who watches.
    pub tool: Tool,
    /// For which site.
    pub site: Site,
    /// Names of the interfaces.
    pub interfaces: Vec<String>,
    /// Ids of what is required, each once.
    pub requirements: Vec<String>,
}

/// A finding that does not stand any more.
#[derive(Clone, Debug, Serialize)]
pub struct WithdrawnFlow {
    /// As it was told.
    pub id: String,
    /// Code of the reason that was told.
    pub reason: &'static str,
    /// What the ends speak.
    pub protocol: String,
    /// Who opened.
    pub initiator: WithdrawnEnd,
    /// Who was opened to.
    pub responder: WithdrawnEnd,
}

/// An end of flows that are explained by now.
#[derive(Clone, Debug, Serialize)]
pub struct WithdrawnEnd {
    /// Address; null where many were folded.
    pub address: Option<String>,
    /// Port; null where many were folded, or the protocol has none.
    pub port: Option<u16>,
}

/// A step that is not judged for this host any more.
#[derive(Clone, Debug, Serialize)]
pub struct WithdrawnStep {
    /// As it was told.
    pub id: String,
    /// As it was told.
    pub host: Option<String>,
}

/// A diagnosis that does not stand any more.
#[derive(Clone, Debug, Serialize)]
pub struct WithdrawnDiagnosis {
    /// As it was told.
    pub code: &'static str,
    /// As it was told.
    pub host: Option<String>,
}

/// What the capture lost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// Packets that the kernel or an interface dropped; null where nobody says.
    pub kernel_drops: Option<u64>,
    /// Gaps in TCP sequence numbers.
    pub sequence_gaps: u64,
    /// How many drops are new since the last such event.
    pub new_kernel_drops: u64,
    /// How many gaps are new since then.
    pub new_sequence_gaps: u64,
}

/// An interface whose state changed.
#[derive(Clone, Debug, Serialize)]
pub struct InterfaceChange {
    /// Its name.
    pub interface: String,
}

/// How far the wall clock jumped.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ClockJump {
    /// Seconds, ahead or (negative) back.
    pub seconds: f64,
}

/// The last event.
#[derive(Clone, Debug, Serialize)]
pub struct WatchEnded {
    /// Code of the reason.
    pub why: &'static str,
    /// Name of the signal, where one ended it.
    pub signal: Option<&'static str>,
    /// Frames taken.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Packets that the kernel or an interface dropped; null where nobody says.
    pub kernel_drops: Option<u64>,
    /// Whether all that is required was seen.
    pub satisfied: bool,
    /// Events that were left out because too many came at once; the report has all.
    pub untold: u64,
}

/// Why a watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything required was seen, and nothing changed for as long as was asked.
    Satisfied,
    /// Its time was over.
    Duration,
    /// It had as many packets as were asked for.
    Packets,
    /// No interface is left.
    Gone,
    /// It was told to, by a signal of this name.
    Signal(&'static str),
    /// Nobody reads what is told.
    Unread,
}

impl Ended {
    /// Spelling in events.
    pub fn code(self) -> &'static str {
        match self {
            Self::Satisfied => "satisfied",
            Self::Duration => "duration",
            Self::Packets => "packets",
            Self::Gone => "interfaces-gone",
            Self::Signal(_) => "signal",
            Self::Unread => "unread",
        }
    }

    /// The signal that ended it.
    pub fn signal(self) -> Option<&'static str> {
        match self {
            Self::Signal(name) => Some(name),
            _ => None,
        }
    }
}

impl EventKind {
    /// Spelling in `event`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::WatchBegun(_) => "watch-begun",
            Self::FlowUnexpected(_) => "flow-unexpected",
            Self::FlowWithdrawn(_) => "flow-withdrawn",
            Self::StepSatisfied(_) => "step-satisfied",
            Self::StepFailed(_) => "step-failed",
            Self::StepMissing(_) => "step-missing",
            Self::StepReopened(_) => "step-reopened",
            Self::StepWithdrawn(_) => "step-withdrawn",
            Self::TransferBegun(_) => "transfer-begun",
            Self::TransferEnded(_) => "transfer-ended",
            Self::TransferResumed(_) => "transfer-resumed",
            Self::EndpointLearned(_) => "endpoint-learned",
            Self::Diagnosis(_) => "diagnosis",
            Self::DiagnosisWithdrawn(_) => "diagnosis-withdrawn",
            Self::Loss(_) => "loss",
            Self::InterfaceDown(_) => "interface-down",
            Self::InterfaceUp(_) => "interface-up",
            Self::InterfaceGone(_) => "interface-gone",
            Self::ClockJump(_) => "clock-jump",
            Self::WatchEnded(_) => "watch-ended",
        }
    }
}

impl Event {
    /// The event as one line of JSON, without its end.
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("keys are strings, and values too or numbers")
    }
}

/// `type`, `event`, `time`, `elapsed` in seconds, then the keys of its kind.
impl Serialize for Event {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Line<'a> {
            r#type: &'static str,
            event: &'static str,
            time: String,
            elapsed: f64,
            #[serde(flatten)]
            kind: &'a EventKind,
        }
        Line {
            r#type: "event",
            event: self.kind.code(),
            time: self.at.to_string(),
            elapsed: self.elapsed.as_millis() as f64 / 1000.0,
            kind: &self.kind,
        }
        .serialize(out)
    }
}
