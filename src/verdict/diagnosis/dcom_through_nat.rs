//! DCOM through address translation: the server names addresses of its own side of it, which its
//! clients can't reach. Microsoft supports no DCOM over NAT (KB154596).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{Case, DiagnosisKind, Find};
use crate::evidence::{LearnedEndpoint, RpcBasis};
use crate::net::{Position, Protocol};
use crate::verdict::{Audit, FailingFlow, Finding, Judge};

pub(super) const KIND: DiagnosisKind = DiagnosisKind {
    code: "dcom-through-nat",
    meaning: "an RPC server named another address than the one it answered from, and flows to it failed or had no rule",
    advice: "take the address translation out of the way (DCOM through NAT is not supported), or list both addresses under `[hosts]` if one machine has them",
    find: Find::InAudit(find),
};

/// Server, port, protocol.
type Opened = (IpAddr, u16, Protocol);

fn find(judge: &Judge<'_>, audit: &Audit) -> Vec<Case> {
    let facts = &judge.facts;
    let Some(evidence) = facts.proofs().evidence else {
        return Vec::new();
    };
    let named = evidence.named_elsewhere();
    if named.is_empty() {
        return Vec::new();
    }
    // Who answers by itself is reached, and no address behind a translation.
    let reached: BTreeSet<IpAddr> = facts.reached_endpoint_mappers().collect();
    let tried = Tried::new(judge, audit);
    let mut told: BTreeSet<(IpAddr, IpAddr)> = BTreeSet::new();
    let mut cases: Vec<Case> = Vec::new();
    for (answered, endpoint) in named {
        let ends = (answered, endpoint.server);
        let is_machine = facts.machine(answered) == facts.machine(endpoint.server);
        if is_machine || reached.contains(&facts.machine(endpoint.server)) || told.contains(&ends) {
            continue;
        }
        if let Some(shown) = tried.shown(answered, endpoint) {
            told.insert(ends);
            cases.push(case(answered, endpoint, shown));
        }
    }
    cases
}

/// What came of opening a port: by whom, and how it went.
#[derive(Clone)]
struct Shown<'a> {
    client: IpAddr,
    how: &'static str,
    frames: &'a [Position],
}

/// Ports that were opened in vain.
struct Tried<'a> {
    own: BTreeSet<Opened>,
    failing: BTreeMap<Opened, &'a FailingFlow>,
    unexpected: BTreeMap<Opened, &'a Finding>,
}

impl<'a> Tried<'a> {
    fn new(judge: &Judge<'_>, audit: &'a Audit) -> Self {
        let endpoints = judge.facts.proofs().rpc.iter();
        let failing = audit.failing.iter().rev();
        let unexpected = audit.unexpected.iter().rev();
        Self {
            own: endpoints
                .map(|endpoint| (endpoint.server, endpoint.port, endpoint.protocol))
                .collect(),
            failing: failing
                .filter_map(|flow| Some(((flow.responder, flow.port?, flow.protocol), flow)))
                .collect(),
            unexpected: unexpected
                .filter(|finding| finding.accepted.is_none())
                .filter_map(|finding| {
                    let to = &finding.responder;
                    Some(((to.address?, to.port?, finding.protocol), finding))
                })
                .collect(),
        }
    }

    fn shown(&self, answered: IpAddr, endpoint: &LearnedEndpoint) -> Option<Shown<'a>> {
        let named = (endpoint.server, endpoint.port, endpoint.protocol);
        let known = (answered, endpoint.port, endpoint.protocol);
        if let Some(flow) = self.failing.get(&named) {
            return Some(Shown {
                client: flow.initiator,
                how: "tried that address and failed",
                frames: &flow.frames,
            });
        }
        if let Some(finding) = self.unexpected.get(&named) {
            return Some(Shown {
                client: finding.initiator.address,
                how: "tried that address, for which no rule holds",
                frames: &finding.frames,
            });
        }
        // A server that names both addresses, or its name, has several.
        let flow = self
            .failing
            .get(&known)
            .filter(|_| !self.own.contains(&known))?;
        Some(Shown {
            client: flow.initiator,
            how: "tried the address that it knew, and failed",
            frames: &flow.frames,
        })
    }
}

fn case(answered: IpAddr, endpoint: &LearnedEndpoint, shown: Shown<'_>) -> Case {
    let told = match endpoint.basis {
        RpcBasis::Binding => "a DCOM string binding",
        RpcBasis::Endpoint | RpcBasis::Interface => "the endpoint mapper",
    };
    let mut frames = vec![endpoint.first];
    frames.extend(shown.frames);
    Case {
        host: Some(answered.to_string()),
        explanation: format!(
            "{answered} answered, but {told} named {} (port {}); {} {}. Its address is likely \
             translated on the way, or it has several and names one that its clients can't reach.",
            endpoint.server, endpoint.port, shown.client, shown.how,
        ),
        frames,
    }
}
