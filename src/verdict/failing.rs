//! Expected flows that never succeeded, by rule and pair of hosts.

use std::net::IpAddr;
use std::num::NonZero;

use hashbrown::{HashMap, HashSet};

use super::FailingFlow;
use super::assemble::Partitions;
use super::attempt::{Attempt, Outcome, is_dhcp};
use super::facts::Facts;
use super::requirement::ALTERNATIVES;
use super::tally::Tally;
use super::ttls::UsualTtls;
use super::workers;
use crate::flow::{Flow, HostFilter, State};
use crate::net::{Position, Protocol};
use crate::policy::Rule;

/// Folds expected flows by their strongest rule and their hosts. What a pair takes in memory is
/// small and there are never more pairs than flows.
#[derive(Debug, Default)]
pub(super) struct Failing {
    tries: HashMap<Key, Tries, foldhash::fast::RandomState>,
    /// One attempt worked: nothing is failing, whatever else was tried.
    worked: Pairs,
}

/// Rule, initiator, responder.
type Key = (u32, IpAddr, IpAddr);

/// A set of pairs, of which there may be almost as many as flows.
#[derive(Debug, Default)]
struct Pairs {
    v4: HashSet<(u32, u32, u32), foldhash::fast::RandomState>,
    v6: HashSet<Key, foldhash::fast::RandomState>,
}

impl Pairs {
    fn insert(&mut self, key: Key) {
        match key {
            (rule, IpAddr::V4(from), IpAddr::V4(to)) => {
                self.v4.insert((rule, from.into(), to.into()));
            }
            key => {
                self.v6.insert(key);
            }
        }
    }

    fn contains(&self, key: &Key) -> bool {
        match key {
            (rule, IpAddr::V4(from), IpAddr::V4(to)) => {
                self.v4.contains(&(*rule, (*from).into(), (*to).into()))
            }
            key => self.v6.contains(key),
        }
    }

    fn merge(&mut self, other: Self) {
        workers::unite(&mut self.v4, other.v4);
        workers::unite(&mut self.v6, other.v6);
    }
}

#[derive(Debug)]
struct Tries {
    best: Attempt,
    state: State,
    protocol: Protocol,
    port: u16,
    tally: Tally<Position>,
}

impl Failing {
    /// Adds an expected flow in the direction of its rules, of which `rule` is the strongest.
    pub fn add(&mut self, rule: u32, flow: &Flow, attempt: Attempt) {
        // Whom DHCP reaches is told by the exchange, not by a flow.
        if is_dhcp(flow) {
            return;
        }
        let key = (rule, flow.initiator.address, flow.responder.address);
        if let Outcome::Worked(_) = attempt.outcome {
            self.worked.insert(key);
            return;
        }
        let tries = Tries {
            best: attempt,
            state: flow.state,
            protocol: flow.protocol,
            port: flow.responder.port,
            tally: Tally::of(flow, flow.first),
        };
        self.insert(key, tries);
    }

    fn insert(&mut self, key: Key, tries: Tries) {
        self.tries
            .entry(key)
            .and_modify(|known| {
                known.tally.merge(&tries.tally);
                if tries.best < known.best {
                    known.best = tries.best;
                    known.state = tries.state;
                    known.port = tries.port;
                }
            })
            .or_insert(tries);
    }

    /// Adds what was seen elsewhere.
    pub fn merge(&mut self, mut other: Self) {
        if self.tries.len() < other.tries.len() {
            std::mem::swap(&mut self.tries, &mut other.tries);
        }
        for (key, tries) in other.tries {
            self.insert(key, tries);
        }
        self.worked.merge(other.worked);
    }

    /// What is failing, in the order of the policy, then by hosts; at most `limit` of them.
    pub fn finish(self, rules: &[Rule], limit: usize) -> Entries {
        let worked = self.worked;
        let mut failing: Vec<_> = self
            .tries
            .into_iter()
            .filter(|(key, _)| !worked.contains(key))
            .collect();
        failing.sort_unstable_by_key(|(key, _)| *key);
        let kept_out = failing.len().saturating_sub(limit) as u64;
        failing.truncate(limit);
        let worked_instead = |key: &Key| {
            let (rule, from, to) = *key;
            let service = rules[rule as usize].service.as_str();
            let pair = ALTERNATIVES.iter().find(|pair| pair.contains(&service))?;
            (0..).zip(rules).find_map(|(other, rule)| {
                let is_other = rule.service != service && pair.contains(&rule.service.as_str());
                (is_other && worked.contains(&(other, from, to))).then_some(other)
            })
        };
        let list = failing.into_iter().map(|(key, tries)| Failed {
            worked_instead: worked_instead(&key),
            key,
            tries,
        });
        Entries {
            list: list.collect(),
            kept_out,
        }
    }
}

/// Two hosts between which nothing succeeded under a rule.
#[derive(Debug)]
struct Failed {
    key: Key,
    tries: Tries,
    /// The rule of the documented alternative under which something did.
    worked_instead: Option<u32>,
}

/// What is failing.
#[derive(Debug, Default)]
pub(super) struct Entries {
    list: Vec<Failed>,
    /// How many did not fit.
    pub kept_out: u64,
}

impl Entries {
    /// The time to live that those show who said no, or did not answer.
    pub fn usual_ttls<Flows: Iterator<Item = Flow>>(
        &self,
        partitions: &Partitions<impl Fn(usize, HostFilter) -> Flows + Sync>,
        threads: NonZero<usize>,
    ) -> UsualTtls {
        let tries = self.list.iter().map(|failed| &failed.tries.best);
        let hosts = tries.map(|best| best.by.map_or(best.to, |by| by.address));
        UsualTtls::of(hosts, partitions, threads)
    }

    /// The entries of the report.
    pub fn report(self, rules: &[Rule], facts: &Facts<'_>) -> Vec<FailingFlow> {
        self.list
            .into_iter()
            .filter_map(|failed| {
                let (rule, initiator, responder) = failed.key;
                let tries = failed.tries;
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
                    by: facts.refuser(&tries.best),
                    worked_instead: failed
                        .worked_instead
                        .map(|rule| rules[rule as usize].id.clone()),
                    explanation: sentence(&facts.refusal(&tries.best)),
                    flows: tries.tally.count.flows,
                    first: tries.tally.count.first,
                    last: tries.tally.count.last,
                    frames: tries.tally.samples().to_vec(),
                })
            })
            .collect()
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    let letters = first.into_iter().chain(letters);
    letters.chain(['.']).collect()
}
