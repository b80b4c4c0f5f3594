//! Rules × a site's custom ports → arms: one initiator, one responder, the ports that hold
//! there. Note 2 (alternate ports), note 3 (WSUS), note 5 (who opens) and the proxy of note 1 of
//! the ports documents are applied here, once, so that nothing later asks for them.

use std::collections::BTreeMap;

use super::{
    CustomPorts, Direction, Kind, Lookup, Party, PortRange, Reach, RoleId, RoleSet, Roles, Rule,
    RuleProtocol, Service,
};

/// Services of "Ports used by Windows Server": any host with a role may use them, and they say
/// nothing about what two roles have to do with each other.
const KEY_SERVICES: [&str; 6] = [
    "dns",
    "dhcp",
    "kerberos",
    "netbios-name",
    "netbios-datagram",
    "netbios-session",
];

/// What a site changes about the rules of a policy.
#[derive(Clone, Copy, Debug)]
pub struct Adaptation<'a> {
    /// Custom ports by service id.
    pub ports: &'a BTreeMap<String, Vec<u16>>,
    /// Custom ports by responder role and service id.
    pub role_ports: &'a BTreeMap<RoleId, BTreeMap<String, Vec<u16>>>,
    /// RPC dynamic ports of every role without ranges of its own.
    pub rpc_dynamic: &'a [PortRange],
    /// RPC dynamic ports by responder role.
    pub rpc_roles: &'a BTreeMap<RoleId, Vec<PortRange>>,
    /// Roles towards which only the site server opens.
    pub site_server_opens_to: RoleSet,
}

/// One direction of a rule, with the ports that hold at this site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arm {
    /// Index of the rule.
    pub rule: u32,
    /// Who opens.
    pub initiator: Party,
    /// Who listens.
    pub responder: Party,
    /// Responders with one of these roles have an arm of their own.
    pub excluding: RoleSet,
    /// What opens the ports.
    pub opens: Opens,
    /// Transport.
    pub protocol: RuleProtocol,
    /// Ports that hold here; empty for echo.
    pub ports: Vec<PortRange>,
    /// Whether it is one of the key ports of Windows Server.
    pub key_service: bool,
    /// Where else than to a host with a role it may go.
    pub spread: Spread,
}

/// What opens the ports of an arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opens {
    /// The rule itself.
    Listed,
    /// An RPC endpoint within the ranges.
    Rpc,
    /// ICMP echo, without ports.
    Echo,
}

/// Where else than to a host with a role the flows of an arm may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spread {
    /// Nowhere.
    Host,
    /// Broadcast addresses and groups.
    Broadcast,
    /// Broadcast addresses only.
    SubnetBroadcast,
    /// Groups, opened by the role that the document calls the responder.
    GroupFromResponder,
}

/// The rules of a policy as a site uses them, ready for look-ups.
///
/// Rules keep their index in `rules`.
pub fn compile(roles: &Roles, rules: &[Rule], adaptation: Adaptation<'_>) -> Lookup {
    let compiler = Compiler { roles, adaptation };
    let mut arms = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let index = u32::try_from(index).expect("a policy file has fewer than 2^32 rules");
        compiler.add(index, rule, &mut arms);
    }
    Lookup::new(roles, rules, arms)
}

struct Compiler<'a> {
    roles: &'a Roles,
    adaptation: Adaptation<'a>,
}

impl Compiler<'_> {
    fn add(&self, index: u32, rule: &Rule, arms: &mut Vec<Arm>) {
        for (initiator, responder) in self.directions(rule) {
            for responder in self.stand_ins(rule, responder) {
                self.add_direction(index, rule, (initiator, responder), arms);
            }
        }
    }

    /// Who may open to whom, note 5 applied.
    fn directions(&self, rule: &Rule) -> Vec<(Party, Party)> {
        let there = (rule.initiator, rule.responder);
        let back = (rule.responder, rule.initiator);
        match rule.direction {
            Direction::OneWay => vec![there],
            Direction::Either if there == back => vec![there],
            Direction::Either => [there, back]
                .into_iter()
                .filter(|(initiator, responder)| !self.is_silenced(*initiator, *responder))
                .collect(),
        }
    }

    /// Whether the site lets only the site server open between these two.
    fn is_silenced(&self, initiator: Party, responder: Party) -> bool {
        let (Party::Role(initiator), Party::Role(responder)) = (initiator, responder) else {
            return false;
        };
        Some(responder) == self.roles.find("site-server")
            && self.adaptation.site_server_opens_to.contains(initiator)
    }

    /// The responder itself, and those that a document lets stand for it.
    fn stand_ins(&self, rule: &Rule, responder: Party) -> Vec<Party> {
        let role = |id: &str| self.roles.find(id).map(Party::Role);
        let mut parties = vec![responder];
        if Some(responder) == role("internet") && self.proxy_ports(rule).is_some() {
            parties.extend(role("proxy"));
        }
        parties
    }

    fn add_direction(
        &self,
        index: u32,
        rule: &Rule,
        (initiator, responder): (Party, Party),
        arms: &mut Vec<Arm>,
    ) {
        let opens = match rule.kind {
            Kind::Fixed => Opens::Listed,
            Kind::RpcDynamic | Kind::RpcRange => Opens::Rpc,
            Kind::IcmpEcho => Opens::Echo,
        };
        let arm = |responder, excluding, ports| Arm {
            rule: index,
            initiator,
            responder,
            excluding,
            opens,
            protocol: rule.protocol,
            ports,
            key_service: is_key_service(rule, initiator),
            spread: spread(rule),
        };
        let mut excluding = RoleSet::EMPTY;
        if let Party::Role(role) = responder {
            for special in self.specialised(rule, role) {
                excluding.insert(special);
                let ports = self.ports(rule, Party::Role(special));
                arms.push(arm(Party::Role(special), RoleSet::EMPTY, ports));
            }
        }
        let ports = self.ports(rule, responder);
        // A discovery range that the site does not use opens nothing.
        if opens == Opens::Echo || !ports.is_empty() {
            arms.push(arm(responder, excluding, ports));
        }
    }

    /// Roles that are this one too and have ports of their own for the rule's service:
    /// `[ports.distribution-point-pxe]` under a rule for distribution points.
    fn specialised(&self, rule: &Rule, responder: RoleId) -> Vec<RoleId> {
        let listed = self
            .adaptation
            .role_ports
            .iter()
            .filter(|(_, table)| {
                rule.kind == Kind::Fixed
                    && rule.custom_ports() == CustomPorts::Any
                    && table.contains_key(&rule.service)
            })
            .map(|(role, _)| *role);
        let dynamic = self
            .adaptation
            .rpc_roles
            .keys()
            .copied()
            .filter(|_| rule.kind == Kind::RpcDynamic);
        listed
            .chain(dynamic)
            .filter(|role| {
                let mut own = RoleSet::EMPTY;
                own.insert(*role);
                *role != responder && self.roles.with_implied(own).contains(responder)
            })
            .collect()
    }

    fn ports(&self, rule: &Rule, responder: Party) -> Vec<PortRange> {
        match rule.kind {
            Kind::IcmpEcho => Vec::new(),
            Kind::RpcDynamic => self.rpc_ranges(responder).to_vec(),
            Kind::RpcRange => rule
                .ports
                .iter()
                .copied()
                .filter(|range| self.rpc_ranges(responder).contains(range))
                .collect(),
            Kind::Fixed => self
                .custom_ports(rule, responder)
                .map_or_else(|| rule.ports.clone(), single_ports),
        }
    }

    fn rpc_ranges(&self, responder: Party) -> &[PortRange] {
        match responder {
            Party::Role(role) => self
                .adaptation
                .rpc_roles
                .get(&role)
                .map_or(self.adaptation.rpc_dynamic, Vec::as_slice),
            Party::Any => self.adaptation.rpc_dynamic,
        }
    }

    /// The ports that the site gives the rule in place of the listed ones.
    fn custom_ports(&self, rule: &Rule, responder: Party) -> Option<&[u16]> {
        let of_role = |role: RoleId| {
            let table = self.adaptation.role_ports.get(&role)?;
            table.get(&rule.service).map(Vec::as_slice)
        };
        if let Party::Role(role) = responder
            && Some(role) == self.roles.find("proxy")
            && rule.responder != responder
        {
            return self.proxy_ports(rule);
        }
        match rule.custom_ports() {
            CustomPorts::Never => None,
            CustomPorts::OfRole => of_role(self.wsus_role(rule)?),
            CustomPorts::Any => {
                let own = match responder {
                    Party::Role(role) => of_role(role),
                    Party::Any => None,
                };
                own.or_else(|| self.adaptation.ports.get(&rule.service).map(Vec::as_slice))
            }
        }
    }

    /// The role whose table sets the ports of a WSUS row. The rule's responder comes first: a
    /// software update point uses the ports of its upstream server there.
    fn wsus_role(&self, rule: &Rule) -> Option<RoleId> {
        if rule.custom_ports() != CustomPorts::OfRole {
            return None;
        }
        let wsus = ["software-update-point", "upstream-wsus-server"]
            .map(|id| self.roles.find(id).map(Party::Role));
        [rule.responder, rule.initiator]
            .into_iter()
            .find(|party| wsus.contains(&Some(*party)))
            .and_then(|party| match party {
                Party::Role(role) => Some(role),
                Party::Any => None,
            })
    }

    /// Ports of the proxy for a rule's service.
    fn proxy_ports(&self, rule: &Rule) -> Option<&[u16]> {
        let proxy = self.roles.find("proxy")?;
        let table = self.adaptation.role_ports.get(&proxy)?;
        table.get(&rule.service).map(Vec::as_slice)
    }
}

fn is_key_service(rule: &Rule, initiator: Party) -> bool {
    initiator == Party::Any && KEY_SERVICES.contains(&rule.service.as_str())
}

/// NetBIOS goes to broadcast addresses from any host, DHCP by rules of its own.
fn spread(rule: &Rule) -> Spread {
    match Service::find(&rule.service).map(|service| service.reach) {
        _ if rule.service == "dhcp" => Spread::Host,
        Some(Reach::Broadcast) if rule.service.starts_with("netbios-") => Spread::SubnetBroadcast,
        Some(Reach::Broadcast) => Spread::Broadcast,
        Some(Reach::Group) => Spread::GroupFromResponder,
        Some(Reach::Host) | None => Spread::Host,
    }
}

fn single_ports(ports: &[u16]) -> Vec<PortRange> {
    ports
        .iter()
        .map(|port| PortRange {
            low: *port,
            high: *port,
        })
        .collect()
}
