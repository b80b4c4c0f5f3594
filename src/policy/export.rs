//! The rules as JSON, for other programs: `policy export --format json`.

use serde::Serialize;
use serde::ser::Serializer;

use super::{Party, Policy, PortRange, Roles};

/// Name and version of the form; changes when a key changes its meaning.
const SCHEMA: &str = "portolan.policy.v1";

/// Rules of one or several editions, one per row and protocol.
#[derive(Debug, Serialize)]
pub struct Export<'a> {
    schema: &'static str,
    rules: Vec<ExportedRule<'a>>,
}

/// The keys of a rule, in the order of the JSON object.
#[derive(Debug, Serialize)]
struct ExportedRule<'a> {
    id: &'a str,
    anchor: &'a str,
    edition: &'a str,
    initiator: &'a str,
    responder: &'a str,
    direction: &'static str,
    protocol: &'static str,
    #[serde(serialize_with = "pairs")]
    ports: &'a [PortRange],
    kind: &'static str,
    service: &'a str,
    alternate_port: bool,
    alternatives: bool,
    notes: &'a [String],
    condition: Option<&'a str>,
    document: &'a str,
}

impl<'a> Export<'a> {
    /// The rules of these editions, in policy order.
    pub fn new(editions: &'a [Policy]) -> Self {
        Self {
            schema: SCHEMA,
            rules: editions.iter().flat_map(rules).collect(),
        }
    }
}

fn rules(policy: &Policy) -> impl Iterator<Item = ExportedRule<'_>> {
    policy.rules.iter().map(|rule| ExportedRule {
        id: &rule.id,
        anchor: &rule.anchor,
        edition: &rule.edition,
        initiator: party(&policy.roles, rule.initiator),
        responder: party(&policy.roles, rule.responder),
        direction: rule.direction.code(),
        protocol: rule.protocol.code(),
        ports: &rule.ports,
        kind: rule.kind.code(),
        service: &rule.service,
        alternate_port: rule.alternate_port,
        alternatives: rule.alternatives,
        notes: &rule.notes,
        condition: rule.condition.as_deref(),
        document: &rule.document,
    })
}

fn party(roles: &Roles, party: Party) -> &str {
    match party {
        Party::Any => "any",
        Party::Role(role) => &roles.role(role).id,
    }
}

/// `[[lo, hi], …]`
fn pairs<S: Serializer>(ports: &&[PortRange], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(ports.iter().map(|range| [range.low, range.high]))
}
