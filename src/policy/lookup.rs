//! Which rules a flow fits. The cost of a question does not grow with the number of rules: a
//! port leads to its class (the ports that the same rules open), and the answer for a class and
//! two role sets is kept, since a site has few different role sets.

use hashbrown::{HashMap, HashSet};

use super::compile::{Arm, Opens, Spread};
use super::port_table::PortTable;
use super::{Party, PortRange, RoleSet, Roles, Rule, RuleProtocol};

/// A policy as a site uses it. Answers are remembered, so that it is asked with `&mut`.
#[derive(Clone, Debug)]
pub struct Lookup {
    arms: Vec<Arm>,
    external: RoleSet,
    tcp: PortTable,
    udp: PortTable,
    rpc_ranges: PortTable,
    echo: Vec<u32>,
    rpc: Vec<u32>,
    answers: Vec<Vec<Match>>,
    known: HashMap<Question, u32, foldhash::fast::RandomState>,
    pairs: HashMap<(RoleSet, RoleSet), bool, foldhash::fast::RandomState>,
}

/// A rule that a flow fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Index of the rule.
    pub rule: u32,
    /// Whether the port is the documented one.
    pub port: PortOrigin,
}

/// Where a matching port comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortOrigin {
    /// The rule itself, or no port is needed.
    Documented,
    /// The site's `[ports]`.
    Site,
}

/// Whom a flow goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A host with these roles.
    Host(RoleSet),
    /// A broadcast address.
    Broadcast,
    /// A multicast group.
    Group,
}

/// A remembered answer; [`Lookup::matches`] reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatchList(u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Question {
    table: Table,
    class: u32,
    from: RoleSet,
    to: Target,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Table {
    Tcp,
    Udp,
    Echo,
    Rpc,
    RpcRange,
}

impl Lookup {
    pub(super) fn new(roles: &Roles, rules: &[Rule], arms: Vec<Arm>) -> Self {
        let mut external = RoleSet::EMPTY;
        for (id, role) in roles.iter() {
            if role.external {
                external.insert(id);
            }
        }
        let of_kind = |opens| {
            (0_u32..)
                .zip(&arms)
                .filter(move |(_, arm)| arm.opens == opens)
                .map(|(index, _)| index)
                .collect()
        };
        Self {
            tcp: PortTable::new(rules, &arms, RuleProtocol::Tcp, Opens::Listed),
            udp: PortTable::new(rules, &arms, RuleProtocol::Udp, Opens::Listed),
            rpc_ranges: PortTable::new(rules, &arms, RuleProtocol::Tcp, Opens::Rpc),
            echo: of_kind(Opens::Echo),
            rpc: of_kind(Opens::Rpc),
            arms,
            external,
            answers: Vec::new(),
            known: HashMap::default(),
            pairs: HashMap::default(),
        }
    }

    /// Rules that open a port by its number, strongest first: one port before ranges, the RPC
    /// dynamic ports before ranges that are only named for it, documented ports before the site's,
    /// two named roles before any, no condition before one, then in the order of the policy.
    pub fn listed(
        &mut self,
        protocol: RuleProtocol,
        port: u16,
        from: RoleSet,
        to: Target,
    ) -> MatchList {
        let (table, class) = match protocol {
            RuleProtocol::Tcp => (Table::Tcp, self.tcp.class(port)),
            RuleProtocol::Udp => (Table::Udp, self.udp.class(port)),
            RuleProtocol::Icmp => (Table::Echo, 0),
        };
        self.answer(Question {
            table,
            class,
            from,
            to,
        })
    }

    /// Rules that open ICMP echo.
    pub fn echo(&mut self, from: RoleSet, to: RoleSet) -> MatchList {
        self.listed(RuleProtocol::Icmp, 0, from, Target::Host(to))
    }

    /// Rules by which `from` may use RPC at `to`, whatever the port (TCP).
    pub fn rpc(&mut self, from: RoleSet, to: RoleSet) -> MatchList {
        self.answer(Question {
            table: Table::Rpc,
            class: 0,
            from,
            to: Target::Host(to),
        })
    }

    /// Rules by which `from` may use RPC at `to`, and whose dynamic range holds the port.
    pub fn rpc_in_range(&mut self, from: RoleSet, to: RoleSet, port: u16) -> MatchList {
        let class = self.rpc_ranges.class(port);
        self.answer(Question {
            table: Table::RpcRange,
            class,
            from,
            to: Target::Host(to),
        })
    }

    /// The rules of an answer.
    pub fn matches(&self, list: MatchList) -> &[Match] {
        &self.answers[list.0 as usize]
    }

    /// Whether the two have rules in either direction, key ports of Windows Server aside.
    pub fn have_rules(&mut self, one: RoleSet, other: RoleSet) -> bool {
        if let Some(known) = self.pairs.get(&(one, other)) {
            return *known;
        }
        let known = self.arms.iter().filter(|arm| !arm.key_service).any(|arm| {
            self.fits(arm, one, Target::Host(other)) || self.fits(arm, other, Target::Host(one))
        });
        self.pairs.insert((one, other), known);
        known
    }

    /// Whether any rule names the port.
    pub fn names(&self, protocol: RuleProtocol, port: u16) -> bool {
        match protocol {
            RuleProtocol::Tcp => !self.tcp.entries(self.tcp.class(port)).is_empty(),
            RuleProtocol::Udp => !self.udp.entries(self.udp.class(port)).is_empty(),
            RuleProtocol::Icmp => !self.echo.is_empty(),
        }
    }

    /// Whether a host with these roles is of the site, not only an external party.
    pub fn is_internal(&self, roles: RoleSet) -> bool {
        roles.iter().any(|role| !self.external.contains(role))
    }

    /// Every rule by which one may open to the other, in the order of the policy. For
    /// explanations; it walks all rules.
    pub fn between(&self, from: RoleSet, to: RoleSet) -> Vec<u32> {
        self.rules_where(|arm| self.fits(arm, from, Target::Host(to)))
    }

    /// Every rule that names the port and has `roles` on one side. For explanations; it walks
    /// all rules.
    pub fn naming(&self, protocol: RuleProtocol, port: u16, roles: RoleSet) -> Vec<u32> {
        self.rules_where(|arm| {
            arm.protocol == protocol
                && arm.ports.iter().any(|range| range.contains(port))
                && arm.opens == Opens::Listed
                && (self.party_holds(arm.initiator, roles)
                    || self.party_holds(arm.responder, roles))
        })
    }

    /// The ports that a rule opens at this site between two hosts, whichever of them opens;
    /// between any hosts where it opens none between these. For explanations.
    pub fn ports_here(&self, rule: u32, one: RoleSet, other: RoleSet) -> Vec<PortRange> {
        let of_rule = || self.arms.iter().filter(|arm| arm.rule == rule);
        let between = of_rule().filter(|arm| {
            self.fits(arm, one, Target::Host(other)) || self.fits(arm, other, Target::Host(one))
        });
        let mut ports: Vec<PortRange> = between.flat_map(|arm| arm.ports.clone()).collect();
        if ports.is_empty() {
            ports = of_rule().flat_map(|arm| arm.ports.clone()).collect();
        }
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    /// Whether a party of a rule opens by it at this site: of an either-way rule both do, unless
    /// the site forbids it to one (note 5). For explanations.
    pub fn is_opened_by(&self, rule: u32, party: Party) -> bool {
        let mut of_rule = self.arms.iter().filter(|arm| arm.rule == rule);
        of_rule.any(|arm| arm.initiator == party)
    }

    fn rules_where(&self, wanted: impl Fn(&Arm) -> bool) -> Vec<u32> {
        let mut rules: Vec<u32> = self
            .arms
            .iter()
            .filter(|arm| wanted(arm))
            .map(|arm| arm.rule)
            .collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }

    fn answer(&mut self, question: Question) -> MatchList {
        if let Some(known) = self.known.get(&question) {
            return MatchList(*known);
        }
        let candidates = match question.table {
            Table::Tcp => self.tcp.entries(question.class),
            Table::Udp => self.udp.entries(question.class),
            Table::RpcRange => self.rpc_ranges.entries(question.class),
            Table::Echo | Table::Rpc => &[],
        };
        let mut matches: Vec<Match> = candidates
            .iter()
            .filter(|entry| self.fits(&self.arms[entry.arm as usize], question.from, question.to))
            .map(|entry| Match {
                rule: self.arms[entry.arm as usize].rule,
                port: entry.port,
            })
            .collect();
        let portless = match question.table {
            Table::Echo => self.echo.as_slice(),
            Table::Rpc => self.rpc.as_slice(),
            Table::Tcp | Table::Udp | Table::RpcRange => &[],
        };
        matches.extend(
            portless
                .iter()
                .map(|index| &self.arms[*index as usize])
                .filter(|arm| self.fits(arm, question.from, question.to))
                .map(|arm| Match {
                    rule: arm.rule,
                    port: PortOrigin::Documented,
                }),
        );
        // Both directions of a rule, or several special responders, may fit.
        let mut seen = HashSet::<u32, foldhash::fast::RandomState>::default();
        matches.retain(|found| seen.insert(found.rule));
        let index = u32::try_from(self.answers.len())
            .expect("classes times pairs of a site's role sets stay below 2^32");
        self.answers.push(matches);
        self.known.insert(question, index);
        MatchList(index)
    }

    fn fits(&self, arm: &Arm, from: RoleSet, to: Target) -> bool {
        match to {
            Target::Host(to) => {
                self.party_holds(arm.initiator, from)
                    && self.party_holds(arm.responder, to)
                    && !arm.excluding.intersects(to)
            }
            Target::Broadcast => match arm.spread {
                Spread::Broadcast | Spread::SubnetBroadcast => {
                    self.party_holds(arm.initiator, from)
                }
                Spread::Host | Spread::GroupFromResponder => false,
            },
            Target::Group => match arm.spread {
                Spread::Broadcast => self.party_holds(arm.initiator, from),
                Spread::GroupFromResponder => self.party_holds(arm.responder, from),
                Spread::Host | Spread::SubnetBroadcast => false,
            },
        }
    }

    /// Whether a host with these roles is the party. An external party is nobody's "any host
    /// with a role".
    pub fn party_holds(&self, party: Party, roles: RoleSet) -> bool {
        match party {
            Party::Any => self.is_internal(roles),
            Party::Role(role) => roles.contains(role),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::policy::{Adaptation, Policy, PortRange, RoleId, compile};

    const DYNAMIC: [PortRange; 1] = [PortRange {
        low: 49152,
        high: 65535,
    }];

    struct Sample {
        policy: Policy,
        ports: BTreeMap<String, Vec<u16>>,
        role_ports: BTreeMap<RoleId, BTreeMap<String, Vec<u16>>>,
    }

    impl Sample {
        fn new() -> Self {
            Self {
                policy: Policy::builtin(None).expect("the newest built-in edition"),
                ports: BTreeMap::new(),
                role_ports: BTreeMap::new(),
            }
        }

        fn roles(&self, id: &str) -> RoleSet {
            let mut roles = RoleSet::EMPTY;
            roles.insert(self.policy.roles.find(id).expect("a built-in role"));
            self.policy.roles.with_implied(roles)
        }

        fn lookup(&self) -> Lookup {
            let adaptation = Adaptation {
                ports: &self.ports,
                role_ports: &self.role_ports,
                rpc_dynamic: &DYNAMIC,
                rpc_roles: &BTreeMap::new(),
                site_server_opens_to: RoleSet::EMPTY,
            };
            compile(&self.policy.roles, &self.policy.rules, adaptation)
        }

        fn tcp(&self, lookup: &mut Lookup, from: &str, to: &str, port: u16) -> Vec<Match> {
            let to = Target::Host(self.roles(to));
            let list = lookup.listed(RuleProtocol::Tcp, port, self.roles(from), to);
            lookup.matches(list).to_vec()
        }
    }

    #[test]
    fn ports_share_few_classes() {
        let lookup = Sample::new().lookup();
        assert!(lookup.tcp.len() < 50 && lookup.udp.len() < 30);
        assert_eq!(lookup.tcp.class(7777), lookup.tcp.class(7778));
        assert_ne!(lookup.tcp.class(443), lookup.tcp.class(442));
        assert!(lookup.names(RuleProtocol::Udp, 64000) && !lookup.names(RuleProtocol::Udp, 64001));
    }

    #[test]
    fn answers_are_kept() {
        let sample = Sample::new();
        let mut lookup = sample.lookup();
        let one = sample.tcp(&mut lookup, "client", "management-point", 443);
        let kept = lookup.answers.len();
        assert_eq!(
            one,
            sample.tcp(&mut lookup, "client", "management-point", 443)
        );
        assert_eq!(lookup.answers.len(), kept);
    }

    #[test]
    fn rules_without_a_condition_come_first() {
        let sample = Sample::new();
        let mut lookup = sample.lookup();
        let matches = sample.tcp(&mut lookup, "client", "management-point", 443);
        let conditions: Vec<bool> = matches
            .iter()
            .map(|found| sample.policy.rules[found.rule as usize].condition.is_some())
            .collect();
        assert!(
            conditions.len() > 1 && conditions.is_sorted(),
            "{conditions:?}"
        );
    }

    #[test]
    fn custom_ports_of_a_role_hold_for_its_hosts_alone() {
        let mut sample = Sample::new();
        let pxe = sample.policy.roles.find("distribution-point-pxe").unwrap();
        let table = BTreeMap::from([("http".to_owned(), vec![8080])]);
        sample.role_ports.insert(pxe, table);
        let mut lookup = sample.lookup();
        let special = sample.tcp(&mut lookup, "client", "distribution-point-pxe", 8080);
        assert!(special.iter().all(|found| found.port == PortOrigin::Site) && !special.is_empty());
        assert_eq!(
            sample.tcp(&mut lookup, "client", "distribution-point-pxe", 80),
            []
        );
        assert_eq!(
            sample.tcp(&mut lookup, "client", "distribution-point", 8080),
            []
        );
        assert_ne!(
            sample.tcp(&mut lookup, "client", "distribution-point", 80),
            []
        );
    }

    #[test]
    fn key_ports_do_not_connect_roles() {
        let sample = Sample::new();
        let mut lookup = sample.lookup();
        let (sup, dc) = (
            sample.roles("software-update-point"),
            sample.roles("domain-controller"),
        );
        assert!(!lookup.have_rules(sup, dc));
        assert!(lookup.have_rules(sample.roles("site-server"), dc));
        assert!(lookup.have_rules(dc, sample.roles("site-server")));
    }
}
