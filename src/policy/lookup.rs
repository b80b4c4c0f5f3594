//! Which rules a flow fits. The cost of a question does not grow with the number of rules: a
//! port leads to its class (the ports that the same rules open), and the answer for a class and
//! two role sets is kept, since a site has few different role sets.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::compile::{Arm, Opens, Spread};
use super::port_table::{Entry, PortClasses, PortTable};
use super::rule_list::RuleList;
use super::{Party, PortRange, RoleSet, Roles, Rule, RuleProtocol};

/// A policy as a site uses it. Answers are remembered, so that it is asked with `&mut`; clones
/// share the rules and remember for themselves.
#[derive(Clone, Debug)]
pub struct Lookup {
    rules: Arc<Compiled>,
    answers: Vec<Answer>,
    known: HashMap<Question, AnswerId, foldhash::fast::RandomState>,
    connected: HashMap<(RoleSet, RoleSet), bool, foldhash::fast::RandomState>,
}

/// The rules by what opens them.
#[derive(Debug)]
struct Compiled {
    arms: Vec<Arm>,
    external: RoleSet,
    tcp: PortTable,
    udp: PortTable,
    rpc_ranges: PortTable,
    /// TCP ports by what lists them and which RPC ranges hold them.
    tcp_classes: PortClasses,
    echo: Vec<u32>,
    rpc: Vec<u32>,
}

/// What is asked about, beside the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A TCP port of the responder.
    Tcp(u16),
    /// A UDP port of the responder.
    Udp(u16),
    /// ICMP echo.
    Echo,
    /// A protocol that no rule speaks of.
    Other,
}

/// Whom a flow goes to.
#[derive(Clone, Copy, Debug)]
enum Target {
    /// A host with these roles.
    Host(RoleSet),
    /// A broadcast address.
    Broadcast,
    /// A multicast group.
    Group,
}

/// Many hosts that one address stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Many {
    /// A broadcast address.
    Broadcast,
    /// A multicast group.
    Group,
}

/// Everything that the rules say of a port and two ends.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Rules that open the port by its number, strongest first: one port before ranges, the RPC
    /// dynamic ports before ranges that are only named for it, documented ports before the
    /// site's, two named roles before any, no condition before one, then in the order of the
    /// policy. A responder with roles is asked as a host first.
    pub listed: RuleList,
    /// Where the port of the strongest of them comes from.
    pub port: Option<PortOrigin>,
    /// Whether any rule lets the initiator use RPC at the responder, whatever the port.
    pub may_use_rpc: bool,
    /// Rules that let it, and whose dynamic range holds the port.
    pub rpc: RuleList,
    /// `listed`, then `rpc`.
    pub listed_and_rpc: RuleList,
    /// Whether a rule names the port the other way round.
    pub reversed: bool,
    /// Whether a rule lets the responder use RPC at the initiator, and its dynamic range holds
    /// the port.
    pub rpc_reversed: bool,
    /// Whether the two have rules in either direction, key ports of Windows Server aside.
    pub connected: bool,
}

/// A remembered answer; [`Lookup::answer`] reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerId(u32);

/// A rule that a flow fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Match {
    /// Index of the rule.
    rule: u32,
    /// Whether the port is the documented one.
    port: PortOrigin,
}

/// Where a matching port comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortOrigin {
    /// The rule itself, or no port is needed.
    Documented,
    /// The site's `[ports]`.
    Site,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Question {
    from: RoleSet,
    to: RoleSet,
    many: Option<Many>,
    table: Table,
    class: u16,
}

/// Everything that is small goes into one word: this is asked for every flow.
impl Hash for Question {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let many = self.many.map_or(0, |many| many as u64 + 1);
        state.write_u64(u64::from(self.class) << 16 | many << 8 | self.table as u64);
        self.from.hash(state);
        self.to.hash(state);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    Tcp,
    Udp,
    Echo,
    Other,
}

impl Lookup {
    pub(super) fn new(roles: &Roles, rules: &[Rule], arms: Vec<Arm>) -> Self {
        Self {
            rules: Arc::new(Compiled::new(roles, rules, arms)),
            answers: Vec::new(),
            known: HashMap::default(),
            connected: HashMap::default(),
        }
    }

    /// What the rules say of a flow from a host with the roles `from` to a host with the roles
    /// `to`, or to many where the address stands for them.
    pub fn ask(
        &mut self,
        wanted: Wanted,
        from: RoleSet,
        to: RoleSet,
        many: Option<Many>,
    ) -> AnswerId {
        let (table, class) = match wanted {
            Wanted::Tcp(port) => (Table::Tcp, self.rules.tcp_classes.class(port)),
            Wanted::Udp(port) => (Table::Udp, self.rules.udp.class(port)),
            Wanted::Echo => (Table::Echo, 0),
            Wanted::Other => (Table::Other, 0),
        };
        let question = Question {
            from,
            to,
            many,
            table,
            class,
        };
        match self.known.get(&question) {
            Some(known) => *known,
            None => self.remember(question),
        }
    }

    /// A remembered answer.
    pub fn answer(&self, id: AnswerId) -> &Answer {
        &self.answers[id.0 as usize]
    }

    #[cold]
    fn remember(&mut self, question: Question) -> AnswerId {
        let connected = self.have_rules(question.from, question.to);
        let answer = Answer {
            connected,
            ..self.rules.answer(question)
        };
        let id = u32::try_from(self.answers.len())
            .expect("classes times pairs of a site's role sets stay below 2^32");
        self.answers.push(answer);
        self.known.insert(question, AnswerId(id));
        AnswerId(id)
    }

    fn have_rules(&mut self, one: RoleSet, other: RoleSet) -> bool {
        if let Some(known) = self.connected.get(&(one, other)) {
            return *known;
        }
        let connected = self.rules.connect(one, other);
        self.connected.insert((one, other), connected);
        connected
    }

    /// Whether any rule names the port.
    pub fn names(&self, protocol: RuleProtocol, port: u16) -> bool {
        let rules = &self.rules;
        match protocol {
            RuleProtocol::Tcp => !rules.tcp.entries(rules.tcp.class(port)).is_empty(),
            RuleProtocol::Udp => !rules.udp.entries(rules.udp.class(port)).is_empty(),
            RuleProtocol::Icmp => !rules.echo.is_empty(),
        }
    }

    /// Whether a host with these roles is of the site, not only an external party.
    pub fn is_internal(&self, roles: RoleSet) -> bool {
        self.rules.is_internal(roles)
    }

    /// Whether a host with these roles is the party. An external party is nobody's "any host
    /// with a role".
    pub fn party_holds(&self, party: Party, roles: RoleSet) -> bool {
        self.rules.party_holds(party, roles)
    }

    /// Every rule by which one may open to the other, in the order of the policy. For
    /// explanations; it walks all rules.
    pub fn between(&self, from: RoleSet, to: RoleSet) -> Vec<u32> {
        let rules = &self.rules;
        rules.rules_where(|arm| rules.fits(arm, from, Target::Host(to)))
    }

    /// Every rule that names the port and has `roles` on one side. For explanations; it walks
    /// all rules.
    pub fn naming(&self, protocol: RuleProtocol, port: u16, roles: RoleSet) -> Vec<u32> {
        self.rules.rules_where(|arm| {
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
        let rules = &self.rules;
        let of_rule = || rules.arms.iter().filter(|arm| arm.rule == rule);
        let between = of_rule().filter(|arm| {
            rules.fits(arm, one, Target::Host(other)) || rules.fits(arm, other, Target::Host(one))
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
        let mut of_rule = self.rules.arms.iter().filter(|arm| arm.rule == rule);
        of_rule.any(|arm| arm.initiator == party)
    }
}

impl Compiled {
    fn new(roles: &Roles, rules: &[Rule], arms: Vec<Arm>) -> Self {
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
        let tcp = PortTable::new(rules, &arms, RuleProtocol::Tcp, Opens::Listed);
        let rpc_ranges = PortTable::new(rules, &arms, RuleProtocol::Tcp, Opens::Rpc);
        Self {
            tcp_classes: PortClasses::joint(&tcp, &rpc_ranges),
            tcp,
            udp: PortTable::new(rules, &arms, RuleProtocol::Udp, Opens::Listed),
            rpc_ranges,
            echo: of_kind(Opens::Echo),
            rpc: of_kind(Opens::Rpc),
            arms,
            external,
        }
    }

    /// All of an answer but `connected`, which no port bears on.
    fn answer(&self, question: Question) -> Answer {
        let Question { from, to, .. } = question;
        let (there, back) = (Target::Host(to), Target::Host(from));
        let many = question.many.map(|many| match many {
            Many::Broadcast => Target::Broadcast,
            Many::Group => Target::Group,
        });
        let mut listed = self.listed(question, from, there);
        if let Some(many) = many.filter(|_| listed.is_empty()) {
            listed = self.listed(question, from, many);
        }
        let (rpc, rpc_back) = match question.table {
            Table::Tcp => (
                self.rpc_in_range(question.class, from, there),
                self.rpc_in_range(question.class, to, back),
            ),
            Table::Udp | Table::Echo | Table::Other => Default::default(),
        };
        let may_use_rpc = question.table == Table::Tcp
            && self
                .rpc
                .iter()
                .any(|arm| self.fits(&self.arms[*arm as usize], from, there));
        let port = listed.first().map(|strongest| strongest.port);
        let both = listed.iter().chain(&rpc).map(|found| found.rule);
        Answer {
            port,
            may_use_rpc,
            listed_and_rpc: both.collect(),
            listed: listed.iter().map(|found| found.rule).collect(),
            rpc: rpc.iter().map(|found| found.rule).collect(),
            reversed: !self.listed(question, to, back).is_empty(),
            rpc_reversed: !rpc_back.is_empty(),
            connected: false,
        }
    }

    /// Rules that open the port of a question by its number, or echo.
    fn listed(&self, question: Question, from: RoleSet, to: Target) -> Vec<Match> {
        match question.table {
            Table::Tcp => {
                let (class, _) = self.tcp_classes.parts(question.class);
                self.matches(self.tcp.entries(class), from, to)
            }
            Table::Udp => self.matches(self.udp.entries(question.class), from, to),
            Table::Echo => self.fitting(&self.echo, from, to),
            Table::Other => Vec::new(),
        }
    }

    fn rpc_in_range(&self, class: u16, from: RoleSet, to: Target) -> Vec<Match> {
        let (_, class) = self.tcp_classes.parts(class);
        self.matches(self.rpc_ranges.entries(class), from, to)
    }

    fn matches(&self, entries: &[Entry], from: RoleSet, to: Target) -> Vec<Match> {
        let found = entries.iter().map(|entry| (entry.arm, entry.port));
        self.fitting_arms(found, from, to)
    }

    fn fitting(&self, arms: &[u32], from: RoleSet, to: Target) -> Vec<Match> {
        let found = arms.iter().map(|arm| (*arm, PortOrigin::Documented));
        self.fitting_arms(found, from, to)
    }

    fn fitting_arms(
        &self,
        arms: impl Iterator<Item = (u32, PortOrigin)>,
        from: RoleSet,
        to: Target,
    ) -> Vec<Match> {
        // Both directions of a rule, or several special responders, may fit.
        let mut seen = HashSet::<u32, foldhash::fast::RandomState>::default();
        arms.map(|(arm, port)| (&self.arms[arm as usize], port))
            .filter(|(arm, _)| self.fits(arm, from, to) && seen.insert(arm.rule))
            .map(|(arm, port)| Match {
                rule: arm.rule,
                port,
            })
            .collect()
    }

    /// Whether two have rules in either direction, key ports of Windows Server aside.
    fn connect(&self, one: RoleSet, other: RoleSet) -> bool {
        self.arms.iter().filter(|arm| !arm.key_service).any(|arm| {
            self.fits(arm, one, Target::Host(other)) || self.fits(arm, other, Target::Host(one))
        })
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

    fn is_internal(&self, roles: RoleSet) -> bool {
        roles.without(self.external) != RoleSet::EMPTY
    }

    fn party_holds(&self, party: Party, roles: RoleSet) -> bool {
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

        fn tcp<'a>(&self, lookup: &'a mut Lookup, from: &str, to: &str, port: u16) -> &'a Answer {
            let (from, to) = (self.roles(from), self.roles(to));
            let id = lookup.ask(Wanted::Tcp(port), from, to, None);
            lookup.answer(id)
        }
    }

    #[test]
    fn ports_share_few_classes() {
        let lookup = Sample::new().lookup();
        let (tcp, udp) = (&lookup.rules.tcp_classes, &lookup.rules.udp);
        assert!(tcp.len() < 60 && udp.len() < 30);
        assert_eq!(tcp.class(7777), tcp.class(7778));
        assert_ne!(tcp.class(443), tcp.class(442));
        assert_ne!(tcp.class(49151), tcp.class(49152));
        assert!(lookup.names(RuleProtocol::Udp, 64000) && !lookup.names(RuleProtocol::Udp, 64001));
    }

    #[test]
    fn answers_are_kept() {
        let sample = Sample::new();
        let mut lookup = sample.lookup();
        let one = sample.tcp(&mut lookup, "client", "management-point", 443);
        let one = one.listed.clone();
        let again = sample.tcp(&mut lookup, "client", "management-point", 443);
        assert_eq!(one, again.listed);
        assert_eq!(lookup.answers.len(), 1);
    }

    #[test]
    fn rules_without_a_condition_come_first() {
        let sample = Sample::new();
        let mut lookup = sample.lookup();
        let answer = sample.tcp(&mut lookup, "client", "management-point", 443);
        let conditions: Vec<bool> = answer
            .listed
            .iter()
            .map(|rule| sample.policy.rules[*rule as usize].condition.is_some())
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
        assert_eq!(special.port, Some(PortOrigin::Site));
        let mut is_open = |to, port| {
            let answer = sample.tcp(&mut lookup, "client", to, port);
            assert_eq!(answer.port.is_some(), !answer.listed.is_empty());
            answer.port.is_some()
        };
        assert!(!is_open("distribution-point-pxe", 80));
        assert!(!is_open("distribution-point", 8080));
        assert!(is_open("distribution-point", 80));
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
