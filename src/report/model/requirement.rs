//! What should be there, and which rules were of use.

use serde::{Serialize, Serializer};

use super::{FrameReference, Places, line, lines, time};
use crate::verdict::{self, Hindrance, RequirementState};

/// A rule, or a step of a scenario, that must be seen.
#[derive(Clone, Debug, Serialize)]
pub struct Requirement {
    /// `anchor/service`, or `scenario/step`.
    pub id: String,
    /// Scenario it belongs to.
    pub scenario: Option<String>,
    /// Step of the scenario.
    pub step: Option<String>,
    /// Rules that satisfy it.
    pub rules: Vec<String>,
    /// Host it is judged for.
    pub host: Option<String>,
    /// How it stands.
    #[serde(serialize_with = "state")]
    pub state: RequirementState,
    /// Code of the cause.
    pub cause: Option<&'static str>,
    /// A sentence.
    pub explanation: String,
    /// First packet that shows it.
    pub first: Option<String>,
    /// Packets that show it.
    pub frames: Vec<FrameReference>,
}

impl Requirement {
    /// A requirement of an audit with these captures.
    pub fn new(requirement: &verdict::Requirement, places: &Places) -> Self {
        Self {
            id: line(&requirement.id),
            scenario: requirement.scenario.as_deref().map(line),
            step: requirement.step.as_deref().map(line),
            rules: lines(&requirement.rules),
            host: requirement.host.as_deref().map(line),
            state: requirement.state,
            cause: requirement.cause.map(|cause| cause.code()),
            explanation: line(&requirement.explanation),
            first: requirement.first.and_then(time),
            frames: places.frames(&requirement.frames),
        }
    }
}

fn state<S: Serializer>(state: &RequirementState, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(state.code())
}

fn hindrance<S: Serializer>(hindrance: &Option<Hindrance>, out: S) -> Result<S::Ok, S::Error> {
    hindrance.map(Hindrance::code).serialize(out)
}

/// A rule with the flows that it explains.
#[derive(Clone, Debug, Serialize)]
pub struct RuleUse {
    /// Rule id.
    pub id: String,
    /// Document or policy file, and anchor.
    pub source: String,
    /// Initiator role, or `any`.
    pub initiator: String,
    /// Responder role, or `any`.
    pub responder: String,
    /// Service id.
    pub service: String,
    /// `one-way`, or `either` where either side may open towards the other's port.
    pub direction: &'static str,
    /// `tcp`, `udp` or `icmp`.
    pub protocol: String,
    /// Ports that it opens at this site; empty for ICMP echo.
    pub ports: Vec<(u16, u16)>,
    /// Whether flows of it can be seen in this audit.
    pub usable: bool,
    /// Why not.
    #[serde(serialize_with = "hindrance")]
    pub hindrance: Option<Hindrance>,
    /// Flows.
    pub flows: u64,
    /// Packets.
    pub packets: u64,
    /// Frame bytes on the wire.
    pub bytes: u64,
    /// First packet of any.
    pub first: Option<String>,
    /// Last packet of any.
    pub last: Option<String>,
}

impl RuleUse {
    pub(super) fn new(rule: &verdict::RuleUse) -> Self {
        Self {
            id: line(&rule.id),
            source: line(&rule.source),
            initiator: line(&rule.initiator),
            responder: line(&rule.responder),
            service: line(&rule.service),
            direction: rule.direction,
            protocol: rule.protocol.to_string(),
            ports: rule.ports.clone(),
            usable: rule.hindrance.is_none(),
            hindrance: rule.hindrance,
            flows: rule.flows,
            packets: rule.packets,
            bytes: rule.bytes,
            first: rule.first.and_then(time),
            last: rule.last.and_then(time),
        }
    }
}
