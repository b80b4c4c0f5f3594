//! The outcome of an audit: everything a report may say, as values. What needs the
//! capture's name or an address's text is left to the report stage.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Hindrance, Reason, Refuser, RequirementCause, RequirementState};
use crate::decode::Undecoded;
use crate::evidence::{Boot, JoinedTransfer, LearnedEndpoint, Transfer};
use crate::net::{Position, Protocol, Timestamp};
use crate::observation::CaptureRecord;

/// The outcome of an audit.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// The site it was made for.
    pub site: SiteSummary,
    /// Whether every capture was read to its end.
    pub complete: bool,
    /// Captures by first packet, then name; [`Position::capture`] is an index into them.
    pub captures: Vec<CaptureRecord>,
    /// Sums over the whole input.
    pub totals: Totals,
    /// What the capture itself lost.
    pub loss: Loss,
    /// Bounds that were hit.
    pub limits: Vec<AuditLimit>,
    /// What should not be there, by weight.
    pub unexpected: Vec<Finding>,
    /// Expected flows that never succeeded.
    pub failing: Vec<FailingFlow>,
    /// Link maintenance.
    pub background: Vec<BackgroundEntry>,
    /// The site's exceptions, in file order.
    pub exceptions: Vec<ExceptionUse>,
    /// What the evidence says went wrong.
    pub diagnoses: Vec<Diagnosis>,
    /// What should be there.
    pub requirements: Vec<Requirement>,
    /// Rules with their use, in policy order.
    pub rules: Vec<RuleUse>,
    /// TFTP transfers, in time order.
    pub tftp: Vec<Transfer>,
    /// TFTP transfers whose request was not captured, in time order.
    pub tftp_joined: Vec<JoinedTransfer>,
    /// RPC endpoints learned, in time order.
    pub rpc: Vec<RpcUse>,
    /// Network boots, in time order.
    pub pxe: Vec<PxeBoot>,
}

/// The site of an audit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteSummary {
    /// Name given by the user.
    pub name: String,
    /// Catalogue named by the site.
    pub catalogue: String,
    /// Edition in force.
    pub edition: String,
}

/// Sums over the whole input. `flows` = `expected` + `unexpected` + `accepted` + `background` + `out_of_scope`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Frames.
    pub packets: u64,
    /// Frame bytes on the wire.
    pub bytes: u64,
    /// Flows.
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
    pub undecoded: BTreeMap<Undecoded, u64>,
    /// Requirements by state, those past the bound of their list too.
    pub requirements: BTreeMap<RequirementState, u64>,
}

/// What the capture itself lost; `None` where it was not measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Packets the capturing kernel or interface dropped.
    pub kernel_drops: Option<u64>,
    /// Gaps in TCP sequence numbers.
    pub sequence_gaps: u64,
    /// Packets captured more than once, their first copies not counted.
    pub duplicates: u64,
    /// TCP and UDP packets that were compared with those before them, for gaps and duplicates.
    pub followed: u64,
    /// Such packets that were not compared, for the bound on directions.
    pub not_followed: u64,
    /// Packets cut by the snaplen.
    pub snaplen_cut: u64,
    /// TCP flows past their opening of which only one side was seen.
    pub one_sided_flows: u64,
}

/// A bound that was hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLimit {
    /// Name of the bound.
    pub limit: &'static str,
    /// Its value.
    pub value: u64,
    /// How many things it kept out; of `findings` their flows.
    pub reached: u64,
}

/// Unexpected flows folded into one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable for the same site and endpoints.
    pub id: String,
    /// Why.
    pub reason: Reason,
    /// What the ends speak.
    pub protocol: Protocol,
    /// Who opened.
    pub initiator: FindingInitiator,
    /// Who was opened to.
    pub responder: FindingResponder,
    /// Flows folded.
    pub flows: u64,
    /// Their packets.
    pub packets: u64,
    /// Their frame bytes on the wire.
    pub bytes: u64,
    /// First packet.
    pub first: Timestamp,
    /// Last packet.
    pub last: Timestamp,
    /// First frames of the first ten flows.
    pub frames: Vec<Position>,
    /// Community ids of the first ten flows.
    pub community_ids: Vec<String>,
    /// Ids of the rules that come closest.
    pub nearest_rules: Vec<String>,
    /// A sentence that a person understands.
    pub explanation: String,
    /// The exception that accepts it.
    pub accepted: Option<AcceptedFinding>,
}

/// The exception that accepts a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedFinding {
    /// Its `match`.
    pub text: String,
    /// Its reason.
    pub reason: String,
}

/// Who opened the flows of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingInitiator {
    /// Address.
    pub address: IpAddr,
    /// Name in the site's `[hosts]`.
    pub name: Option<String>,
    /// Role ids.
    pub roles: Vec<String>,
}

/// Who the flows of a finding were opened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingResponder {
    /// Address; `None` where many were folded.
    pub address: Option<IpAddr>,
    /// Name in the site's `[hosts]`.
    pub name: Option<String>,
    /// Port; `None` where many were folded, or the protocol has none.
    pub port: Option<u16>,
    /// Port ranges, where many were folded.
    pub ports: Vec<(u16, u16)>,
    /// Number of addresses, where many were folded.
    pub addresses: Option<u64>,
    /// Role ids.
    pub roles: Vec<String>,
}

/// Expected flows between two hosts under one rule, none of which succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailingFlow {
    /// The rule that expects them.
    pub rule: String,
    /// What the ends speak.
    pub protocol: Protocol,
    /// Who opened.
    pub initiator: IpAddr,
    /// Who was opened to.
    pub responder: IpAddr,
    /// Responder port; `None` where the protocol has none.
    pub port: Option<u16>,
    /// State of the best attempt.
    pub state: crate::flow::State,
    /// Why.
    pub cause: RequirementCause,
    /// Who said no.
    pub by: Option<Refuser>,
    /// A sentence on who said no that a person understands.
    pub explanation: String,
    /// The rule of the documented alternative by which the same hosts succeeded.
    pub worked_instead: Option<String>,
    /// How many flows.
    pub flows: u64,
    /// First packet.
    pub first: Timestamp,
    /// Last packet.
    pub last: Timestamp,
    /// First frames.
    pub frames: Vec<Position>,
}

/// Link maintenance of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackgroundEntry {
    /// `arp`, `neighbour-discovery`, `mdns` …
    pub kind: String,
    /// Flows; 0 for what is not IP.
    pub flows: u64,
    /// Packets.
    pub packets: u64,
    /// Frame bytes on the wire.
    pub bytes: u64,
}

/// One `[[accept]]` with its use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExceptionUse {
    /// Its `match`.
    pub text: String,
    /// Its reason.
    pub reason: String,
    /// Its date, as written.
    pub expires: Option<String>,
    /// Flows it matched.
    pub flows: u64,
    /// Whether it was of use.
    pub state: ExceptionState,
}

/// Whether an exception was of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExceptionState {
    /// It accepted flows.
    Used,
    /// Nothing matched it.
    Unused,
    /// Flows matched it after its date.
    Expired,
}

/// Something the evidence says went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// Stable code.
    pub code: &'static str,
    /// Host concerned: an address, or a hardware address.
    pub host: Option<String>,
    /// A sentence that a person understands.
    pub explanation: String,
    /// Packets that show it.
    pub frames: Vec<Position>,
}

/// A rule, or a step of a scenario, that must be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// `anchor/service`, or `scenario/step`.
    pub id: String,
    /// Scenario it belongs to.
    pub scenario: Option<String>,
    /// Step of the scenario.
    pub step: Option<String>,
    /// Rules that satisfy it.
    pub rules: Vec<String>,
    /// Host it is judged for: an address, or a hardware address.
    pub host: Option<String>,
    /// How it stands.
    pub state: RequirementState,
    /// Why it failed.
    pub cause: Option<RequirementCause>,
    /// A sentence that a person understands.
    pub explanation: String,
    /// First packet that shows it.
    pub first: Option<Timestamp>,
    /// Packets that show it.
    pub frames: Vec<Position>,
}

/// A rule with the flows that it explains.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Transport.
    pub protocol: Protocol,
    /// Ports that it opens at this site; empty for ICMP echo.
    pub ports: Vec<(u16, u16)>,
    /// Why it can have no flows in this audit.
    pub hindrance: Option<Hindrance>,
    /// Flows.
    pub flows: u64,
    /// Packets.
    pub packets: u64,
    /// Frame bytes on the wire.
    pub bytes: u64,
    /// First packet of any.
    pub first: Option<Timestamp>,
    /// Last packet of any.
    pub last: Option<Timestamp>,
}

/// A learned RPC endpoint with its use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcUse {
    /// The endpoint.
    pub endpoint: LearnedEndpoint,
    /// Flows that it explains.
    pub used_by_flows: u64,
}

/// A network boot, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PxeBoot {
    /// The boot.
    pub boot: Boot,
    /// First required step that was not seen.
    pub first_missing_step: Option<String>,
}
