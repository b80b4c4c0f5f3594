//! Clear binds on any port: which interfaces a server speaks there.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::MAX_CONNECTIONS;
use super::endpoints::Endpoints;
use super::model::{LearnedEndpoint, RpcBasis};
use crate::evidence::interfaces;
use crate::net::{FiveTuple, Position};
use crate::payload::Uuid;
use crate::payload::dce_rpc::{Connectionless, Pdu, PduType, is_known_syntax};

/// Interfaces and answers kept of one connection; a client uses one or two.
const MAX_KEPT: usize = 64;

/// Binds by connection, from client to server.
#[derive(Default)]
pub(super) struct Binds {
    connections: HashMap<FiveTuple, Bind, RandomState>,
    /// Requests over UDP, which name their interface each.
    datagrams: HashMap<FiveTuple, Vec<Call>, RandomState>,
    kept_out: u64,
}

/// What was proposed on a connection, and what came of it. The two come in any order.
#[derive(Default)]
struct Bind {
    proposals: Vec<Proposal>,
    /// By call: whether each context was accepted; `None` where all were refused.
    answers: Vec<(u32, Option<Vec<bool>>)>,
}

/// An interface that a client proposed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Proposal {
    interface: Uuid,
    first: Position,
    call_id: u32,
    /// Its place in that bind.
    index: usize,
}

/// Calls of an interface by one activity over UDP.
struct Call {
    interface: Uuid,
    activity: Uuid,
    asked: Option<Position>,
    is_answered: bool,
}

impl Binds {
    /// A segment that may begin with a bind or its answer.
    pub(super) fn segment(&mut self, tuple: FiveTuple, at: Position, payload: &[u8]) {
        let Ok(pdu) = Pdu::parse(payload) else {
            return;
        };
        let call_id = pdu.header.call_id;
        match pdu.header.kind {
            PduType::Bind | PduType::AlterContext => {
                let contexts = pdu.contexts();
                let named: Vec<_> = (contexts.into_iter().enumerate())
                    .filter(|(_, context)| context.syntaxes.iter().copied().any(is_known_syntax))
                    .collect();
                if named.is_empty() {
                    return;
                }
                let Some(bind) = self.bind(tuple) else {
                    return;
                };
                for (index, context) in named {
                    let proposal = Proposal {
                        interface: context.interface,
                        first: at,
                        call_id,
                        index,
                    };
                    let mut seen = bind.proposals.iter();
                    let is_known = seen.any(|&known| Proposal { first: at, ..known } == proposal);
                    if !is_known && bind.proposals.len() < MAX_KEPT {
                        bind.proposals.push(proposal);
                    }
                }
            }
            PduType::BindAck | PduType::AlterContextResponse => {
                let results = pdu.results();
                let accepted = results.iter().map(|result| result.is_accepted());
                self.answered(tuple, (call_id, Some(accepted.collect())));
            }
            PduType::BindNak => self.answered(tuple, (call_id, None)),
            PduType::Request | PduType::Response | PduType::Fault | PduType::Other(_) => {}
        }
    }

    fn answered(&mut self, tuple: FiveTuple, answer: (u32, Option<Vec<bool>>)) {
        if let Some(bind) = self.bind(tuple.reversed())
            && bind.answers.len() < MAX_KEPT
            && !bind.answers.contains(&answer)
        {
            bind.answers.push(answer);
        }
    }

    fn bind(&mut self, tuple: FiveTuple) -> Option<&mut Bind> {
        if self.connections.len() == MAX_CONNECTIONS && !self.connections.contains_key(&tuple) {
            self.kept_out += 1;
            return None;
        }
        Some(self.connections.entry(tuple).or_default())
    }

    /// A request or a response over UDP.
    pub(super) fn datagram(&mut self, tuple: FiveTuple, at: Position, unit: &Connectionless<'_>) {
        let is_request = unit.kind == Connectionless::REQUEST;
        let key = if is_request { tuple } else { tuple.reversed() };
        if self.datagrams.len() == MAX_CONNECTIONS && !self.datagrams.contains_key(&key) {
            self.kept_out += 1;
            return;
        }
        let calls = self.datagrams.entry(key).or_default();
        let wanted = (unit.interface, unit.activity);
        let mut known = calls.iter().map(|call| (call.interface, call.activity));
        let index = known.position(|known| known == wanted);
        if index.is_none() {
            if calls.len() == MAX_KEPT {
                return;
            }
            calls.push(Call {
                interface: unit.interface,
                activity: unit.activity,
                asked: None,
                is_answered: false,
            });
        }
        let index = index.unwrap_or(calls.len() - 1);
        let call = &mut calls[index];
        if is_request {
            call.asked = call.asked.or(Some(at));
        } else {
            call.is_answered = true;
        }
    }

    /// Says which interfaces are spoken where; gives how much was kept out.
    pub(super) fn finish(self, endpoints: &mut Endpoints) -> u64 {
        // What leaves is put in order: a bound may be hit on the way.
        let mut connections: Vec<_> = self.connections.into_iter().collect();
        connections.sort_unstable_by_key(|&(key, _)| key);
        for (tuple, bind) in connections {
            for proposal in bind.proposals.iter().filter(|one| !bind.is_refused(one)) {
                learn(endpoints, tuple, proposal.interface, proposal.first);
            }
        }
        let mut datagrams: Vec<_> = self.datagrams.into_iter().collect();
        datagrams.sort_unstable_by_key(|&(key, _)| key);
        for (tuple, calls) in datagrams {
            // One datagram may look like anything; both sides of a call do not by chance.
            for call in calls.iter().filter(|call| call.is_answered) {
                if let Some(first) = call.asked {
                    learn(endpoints, tuple, call.interface, first);
                }
            }
        }
        self.kept_out
    }
}

impl Bind {
    /// Whether the server refused it. An acceptance outweighs a refusal, as where the same ports
    /// were used twice; where only the client's side was captured, its bind has to do.
    fn is_refused(&self, proposal: &Proposal) -> bool {
        let mut refused = false;
        for (call_id, accepted) in &self.answers {
            if *call_id != proposal.call_id {
                continue;
            }
            // An answer that was cut accepts: it is no refusal.
            let answer = accepted.as_ref().map(|all| all.get(proposal.index));
            match answer {
                Some(None | Some(true)) => return false,
                Some(Some(false)) | None => refused = true,
            }
        }
        refused
    }
}

fn learn(endpoints: &mut Endpoints, tuple: FiveTuple, interface: Uuid, first: Position) {
    let server = tuple.destination;
    let endpoint = LearnedEndpoint {
        server: server.address,
        port: server.port,
        protocol: tuple.protocol,
        interface: Some(interface),
        name: interfaces::name(interface),
        basis: RpcBasis::Interface,
        first,
    };
    endpoints.add(endpoint, server.address);
}
