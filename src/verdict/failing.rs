//! Expected flows that never succeeded, by rule and pair of hosts.

use std::net::IpAddr;

use hashbrown::HashMap;

use super::attempt::{Attempt, Outcome, is_dhcp};
use super::tally::Tally;
use super::{FailingFlow, FlowVerdict};
use crate::flow::State;
use crate::net::Protocol;
use crate::policy::Rule;

/// Folds expected flows by their strongest rule and their hosts. What a pair takes in memory is
/// small and there are never more pairs than flows.
#[derive(Debug, Default)]
pub(super) struct Failing {
    pairs: HashMap<(u32, IpAddr, IpAddr), Standing, foldhash::fast::RandomState>,
}

#[derive(Debug)]
enum Standing {
    /// One attempt worked: nothing is failing, whatever else was tried.
    Worked,
    Failing(Box<Tries>),
}

#[derive(Debug)]
struct Tries {
    best: Attempt,
    state: State,
    protocol: Protocol,
    port: u16,
    tally: Tally,
}

impl Failing {
    /// Adds an expected flow.
    pub fn add(&mut self, judged: &FlowVerdict, attempt: Attempt) {
        let flow = judged.by_rule();
        let Some(rule) = judged.rules.first() else {
            return;
        };
        // Whom DHCP reaches is told by the exchange, not by a flow.
        if is_dhcp(&flow) {
            return;
        }
        let key = (*rule, flow.initiator.address, flow.responder.address);
        if let Outcome::Worked(_) = attempt.outcome {
            self.pairs.insert(key, Standing::Worked);
            return;
        }
        let standing = self.pairs.entry(key).or_insert_with(|| {
            Standing::Failing(Box::new(Tries {
                best: attempt,
                state: flow.state,
                protocol: flow.protocol,
                port: flow.responder.port,
                tally: Tally::default(),
            }))
        });
        if let Standing::Failing(tries) = standing {
            tries.tally.add(&flow);
            if attempt < tries.best {
                tries.best = attempt;
                tries.state = flow.state;
                tries.port = flow.responder.port;
            }
        }
    }

    /// What is failing, in the order of the policy, then by hosts; at most `limit` of them, and
    /// how many did not fit.
    pub fn finish(self, rules: &[Rule], limit: usize) -> (Vec<FailingFlow>, u64) {
        let mut failing: Vec<_> = self
            .pairs
            .into_iter()
            .filter_map(|(key, standing)| match standing {
                Standing::Worked => None,
                Standing::Failing(tries) => Some((key, tries)),
            })
            .collect();
        failing.sort_unstable_by_key(|(key, _)| *key);
        let kept_out = failing.len().saturating_sub(limit) as u64;
        failing.truncate(limit);
        let entries = failing
            .into_iter()
            .filter_map(|((rule, initiator, responder), tries)| {
                Some(FailingFlow {
                    rule: rules[rule as usize].id.clone(),
                    protocol: tries.protocol,
                    initiator,
                    responder,
                    port: match tries.protocol {
                        Protocol::Tcp | Protocol::Udp => Some(tries.port),
                        Protocol::IcmpEcho | Protocol::IcmpOther | Protocol::Other(_) => None,
                    },
                    state: tries.state,
                    cause: tries.best.cause()?,
                    by: tries.best.by,
                    flows: tries.tally.count.flows,
                    first: tries.tally.count.first,
                    last: tries.tally.count.last,
                    frames: tries.tally.frames(),
                })
            })
            .collect();
        (entries, kept_out)
    }
}
