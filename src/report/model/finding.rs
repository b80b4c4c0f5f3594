//! What should not be there, what does not work, and what the evidence says about it.

use serde::Serialize;

use super::{FrameReference, Places, line, lines, time};
use crate::verdict::{self, DIAGNOSES};

/// Unexpected flows folded into one entry.
#[derive(Clone, Debug, Serialize)]
pub struct Unexpected {
    /// Stable for the same site and endpoints.
    pub id: String,
    /// Code of the reason.
    pub reason: &'static str,
    /// What the ends speak.
    pub protocol: String,
    /// Who opened.
    pub initiator: Initiator,
    /// Who was opened to.
    pub responder: Responder,
    /// Flows folded.
    pub flows: u64,
    /// Their packets.
    pub packets: u64,
    /// Their frame bytes on the wire.
    pub bytes: u64,
    /// First packet.
    pub first: Option<String>,
    /// Last packet.
    pub last: Option<String>,
    /// First frames of the first ten flows.
    pub frames: Vec<FrameReference>,
    /// Community ids of the first ten flows.
    pub community_ids: Vec<String>,
    /// Ids of the rules that come closest.
    pub nearest_rules: Vec<String>,
    /// A sentence.
    pub explanation: String,
    /// The exception that accepts it.
    pub accepted: Option<Accepted>,
}

impl Unexpected {
    /// A finding of an audit with these captures.
    pub fn new(finding: &verdict::Finding, places: &Places) -> Self {
        Self {
            id: finding.id.clone(),
            reason: finding.reason.code(),
            protocol: finding.protocol.to_string(),
            initiator: Initiator {
                address: finding.initiator.address.to_string(),
                name: finding.initiator.name.as_deref().map(line),
                roles: lines(&finding.initiator.roles),
            },
            responder: Responder {
                address: finding.responder.address.map(|address| address.to_string()),
                name: finding.responder.name.as_deref().map(line),
                port: finding.responder.port,
                ports: finding.responder.ports.clone(),
                addresses: finding.responder.addresses,
                roles: lines(&finding.responder.roles),
            },
            flows: finding.flows,
            packets: finding.packets,
            bytes: finding.bytes,
            first: time(finding.first),
            last: time(finding.last),
            frames: places.frames(&finding.frames),
            community_ids: finding.community_ids.clone(),
            nearest_rules: lines(&finding.nearest_rules),
            explanation: line(&finding.explanation),
            accepted: finding.accepted.as_ref().map(|accepted| Accepted {
                r#match: line(&accepted.text),
                reason: line(&accepted.reason),
            }),
        }
    }
}

/// Who opened the flows of a finding.
#[derive(Clone, Debug, Serialize)]
pub struct Initiator {
    /// Address.
    pub address: String,
    /// Name in the site's `[hosts]`.
    pub name: Option<String>,
    /// Role ids.
    pub roles: Vec<String>,
}

/// Who the flows of a finding were opened to.
#[derive(Clone, Debug, Serialize)]
pub struct Responder {
    /// Address; null where many were folded.
    pub address: Option<String>,
    /// Name in the site's `[hosts]`.
    pub name: Option<String>,
    /// Port; null where many were folded, or the protocol has none.
    pub port: Option<u16>,
    /// Port ranges, where many were folded.
    pub ports: Vec<(u16, u16)>,
    /// Number of addresses, where many were folded.
    pub addresses: Option<u64>,
    /// Role ids.
    pub roles: Vec<String>,
}

/// The exception that accepts a finding.
#[derive(Clone, Debug, Serialize)]
pub struct Accepted {
    /// Its `match`.
    pub r#match: String,
    /// Its reason.
    pub reason: String,
}

/// Expected flows between two hosts under one rule, none of which succeeded.
#[derive(Clone, Debug, Serialize)]
pub struct Failing {
    /// The rule that expects them.
    pub rule: String,
    /// What the ends speak.
    pub protocol: String,
    /// Who opened; no port: many were used.
    pub initiator: FailingInitiator,
    /// Who was opened to.
    pub responder: FailingResponder,
    /// State of the best attempt.
    pub state: &'static str,
    /// Why.
    pub cause: &'static str,
    /// Who said no.
    pub by: Option<Refuser>,
    /// A sentence on who said no.
    pub explanation: String,
    /// Rule of the documented alternative by which the same hosts succeeded.
    pub worked_instead: Option<String>,
    /// How many flows.
    pub flows: u64,
    /// First packet.
    pub first: Option<String>,
    /// First frames.
    pub frames: Vec<FrameReference>,
}

/// Who opened failing flows.
#[derive(Clone, Debug, Serialize)]
pub struct FailingInitiator {
    /// Address.
    pub address: String,
}

/// Who failing flows were opened to.
#[derive(Clone, Debug, Serialize)]
pub struct FailingResponder {
    /// Address.
    pub address: String,
    /// Port; null where the protocol has none.
    pub port: Option<u16>,
}

/// Who sent the reset or the ICMP error.
#[derive(Clone, Debug, Serialize)]
pub struct Refuser {
    /// Address.
    pub address: String,
    /// Time to live of its packet: how far away it is.
    pub ttl: u8,
    /// Time to live that other packets of the address show; null where none was seen.
    pub usual_ttl: Option<u8>,
    /// What the packet says: `TCP reset`, or the name of the ICMP error.
    pub message: String,
    /// `certain` or `likely`, where the packet gives away that something in between said no.
    pub in_between: Option<&'static str>,
}

impl Failing {
    pub(super) fn new(flow: &verdict::FailingFlow, places: &Places) -> Self {
        Self {
            rule: line(&flow.rule),
            protocol: flow.protocol.to_string(),
            initiator: FailingInitiator {
                address: flow.initiator.to_string(),
            },
            responder: FailingResponder {
                address: flow.responder.to_string(),
                port: flow.port,
            },
            state: flow.state.code(),
            cause: flow.cause.code(),
            by: flow.by.map(|by| Refuser {
                address: by.refusal.address.to_string(),
                ttl: by.refusal.ttl,
                usual_ttl: by.usual_ttl,
                message: by.refusal.message.to_string(),
                in_between: by.in_between.map(verdict::Certainty::code),
            }),
            explanation: line(&flow.explanation),
            worked_instead: flow.worked_instead.as_deref().map(line),
            flows: flow.flows,
            first: time(flow.first),
            frames: places.frames(&flow.frames),
        }
    }
}

/// One exception of the site with its use.
#[derive(Clone, Debug, Serialize)]
pub struct Exception {
    /// Its `match`.
    pub r#match: String,
    /// Its reason.
    pub reason: String,
    /// Its date, as written.
    pub expires: Option<String>,
    /// Flows it matched.
    pub flows: u64,
    /// `used`, `unused` or `expired`.
    pub state: &'static str,
}

impl Exception {
    pub(super) fn new(exception: &verdict::ExceptionUse) -> Self {
        Self {
            r#match: line(&exception.text),
            reason: line(&exception.reason),
            expires: exception.expires.as_deref().map(line),
            flows: exception.flows,
            state: match exception.state {
                verdict::ExceptionState::Used => "used",
                verdict::ExceptionState::Unused => "unused",
                verdict::ExceptionState::Expired => "expired",
            },
        }
    }
}

/// Something the evidence says went wrong.
#[derive(Clone, Debug, Serialize)]
pub struct Diagnosis {
    /// Stable code.
    pub code: &'static str,
    /// Host concerned.
    pub host: Option<String>,
    /// A sentence.
    pub explanation: String,
    /// What to do about it.
    pub advice: Option<&'static str>,
    /// Packets that show it.
    pub frames: Vec<FrameReference>,
}

impl Diagnosis {
    /// A diagnosis of an audit with these captures.
    pub fn new(diagnosis: &verdict::Diagnosis, places: &Places) -> Self {
        Self {
            code: diagnosis.code,
            host: diagnosis.host.as_deref().map(line),
            explanation: line(&diagnosis.explanation),
            advice: DIAGNOSES
                .iter()
                .find(|kind| kind.code == diagnosis.code)
                .map(|kind| kind.advice),
            frames: places.frames(&diagnosis.frames),
        }
    }
}
