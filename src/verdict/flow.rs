//! The verdict of one flow: expected by a rule, link maintenance, or unexpected with the first
//! reason that holds.

use std::sync::Arc;

use super::accept::{self, Accepted};
use super::background;
use super::dhcp::Dhcp;
use super::ends::{EndLookup, Ends};
use super::facts::{Directed, Facts, Proofs, Seen};
use super::shares::Shares;
use super::ttls::UsualTtls;
use super::{Basis, Reason, Verdict};
use crate::evidence::RpcBasis;
use crate::flow::{Flow, InitiatorBasis};
use crate::net::Protocol;
use crate::policy::{
    Adaptation, AnswerId, Lookup, Policy, PortOrigin, RoleId, RoleSet, RuleList, RuleProtocol,
    Wanted, compile,
};
use crate::site::{HostLookup, RpcMinimum, Site, SiteServerInitiates};

const TFTP_PORT: u16 = 69;
/// TFTP servers and clients take their transfer ports from here on.
const FIRST_UNPRIVILEGED_PORT: u16 = 1024;

/// Whether link maintenance is a finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strictness {
    /// It is listed, with counts.
    #[default]
    Normal,
    /// It is a finding where it is a flow.
    Strict,
}

/// A flow with what is said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowVerdict<'f> {
    /// The flow; the client of a TFTP transfer is its initiator.
    pub flow: Directed<'f>,
    /// What is said of it.
    pub verdict: Verdict,
    /// Indices of the rules that it fits, strongest first.
    pub rules: RuleList,
    /// Which way round the rules fit.
    pub orientation: Orientation,
    /// What the site's exceptions say, where it is unexpected.
    pub accepted: Accepted,
    /// Roles of the initiator.
    pub initiator_roles: RoleSet,
    /// Roles of the responder.
    pub responder_roles: RoleSet,
    /// Index of the learned RPC endpoint that it goes to.
    pub learned: Option<usize>,
}

/// What is said of a flow.
struct Said {
    verdict: Verdict,
    rules: RuleList,
    orientation: Orientation,
    accepted: Accepted,
    learned: Option<usize>,
}

/// Which way round the rules of a flow fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orientation {
    /// As the flow was seen.
    AsSeen,
    /// The direction was a guess, and the other one fits.
    Swapped,
}

impl FlowVerdict<'_> {
    /// The same verdict with a flow of its own.
    pub fn into_owned(self) -> FlowVerdict<'static> {
        FlowVerdict {
            flow: Directed::Anew(Box::new(*self.flow)),
            ..self
        }
    }

    /// The flow in the direction of its rules.
    pub fn by_rule(&self) -> Flow {
        match self.orientation {
            Orientation::AsSeen => *self.flow,
            Orientation::Swapped => self.flow.reversed(),
        }
    }
}

/// Judges flows, one by one, after all of them were observed. Clones share what they know and
/// remember answers for themselves: one for each thread.
#[derive(Clone)]
pub struct Judge<'a> {
    pub(super) policy: &'a Policy,
    pub(super) site: &'a Site,
    pub(super) lookup: Lookup,
    pub(super) ends: Arc<EndLookup>,
    pub(super) facts: Arc<Facts<'a>>,
    pub(super) hosts: Arc<HostLookup>,
    strictness: Strictness,
    /// Whether the last verdict asked what other flows say.
    rests_on_others: bool,
    dhcp: Dhcp,
    client: Option<RoleId>,
    pxe_server: Option<RoleId>,
}

/// Rules that explain a flow.
struct Explained {
    basis: Basis,
    rules: RuleList,
}

/// What is known of a flow to a port that may be RPC's.
enum Rpc {
    /// The pair may not use RPC in this direction, or the port is not RPC's.
    No,
    Expected(Basis),
    OutsideRange,
    Unannounced,
}

impl<'a> Judge<'a> {
    /// A judge of one site's flows.
    pub fn new(
        policy: &'a Policy,
        site: &'a Site,
        proofs: Proofs<'a>,
        strictness: Strictness,
    ) -> Self {
        let adaptation = Adaptation {
            ports: &site.ports,
            role_ports: &site.role_ports,
            rpc_dynamic: &site.rpc.dynamic,
            rpc_roles: &site.rpc.roles,
            site_server_opens_to: site_server_opens_to(policy, site),
        };
        Self {
            policy,
            site,
            lookup: compile(&policy.roles, &policy.rules, adaptation),
            ends: Arc::new(EndLookup::new(site, &policy.roles)),
            facts: Arc::new(Facts::new(site, proofs)),
            hosts: Arc::new(HostLookup::new(site)),
            strictness,
            rests_on_others: false,
            dhcp: Dhcp::new(&policy.roles),
            client: policy.roles.find("client"),
            pxe_server: policy.roles.find("distribution-point-pxe"),
        }
    }

    /// Takes note of what a flow says about others. Every flow must come here before the first
    /// verdict, in any order.
    pub fn observe(&mut self, flow: &Flow) {
        let mut seen = Seen::default();
        self.facts.observe(flow, &mut seen);
        self.add_seen(seen);
    }

    /// Takes note of what all flows say about others.
    pub(super) fn add_seen(&mut self, seen: Seen) {
        Arc::make_mut(&mut self.facts).add(seen);
    }

    /// Takes note of what no single flow tells: the time to live of hosts about which failing flows
    /// ask, and what clients opened on distribution points.
    pub(super) fn add_told(&mut self, usual: UsualTtls, shares: Shares) {
        let facts = Arc::make_mut(&mut self.facts);
        facts.usual_ttls = usual;
        facts.shares = shares;
    }

    /// Whether the last verdict asked what other flows say. It does or does not whatever those
    /// say, so that a verdict that does not holds before all flows were observed.
    pub(super) fn rests_on_others(&self) -> bool {
        self.rests_on_others
    }

    /// What is said of a flow.
    pub fn verdict<'f>(&mut self, flow: &'f Flow) -> FlowVerdict<'f> {
        self.rests_on_others = false;
        let directed = self.facts.directed(flow);
        let flow = &*directed;
        let ends = self.ends.ends(flow, &self.facts);
        let said = self.said(flow, &ends);
        FlowVerdict {
            flow: directed,
            verdict: said.verdict,
            rules: said.rules,
            orientation: said.orientation,
            accepted: said.accepted,
            initiator_roles: ends.initiator.roles,
            responder_roles: ends.responder.roles,
            learned: said.learned,
        }
    }

    fn said(&mut self, flow: &Flow, ends: &Ends) -> Said {
        let mut said = Said {
            verdict: Verdict::OutOfScope,
            rules: RuleList::default(),
            orientation: Orientation::AsSeen,
            accepted: Accepted::No,
            learned: None,
        };
        if self.site.scope.is_some() {
            let asked = self.dhcp.stand_ins(flow, *ends);
            if !accept::in_scope(self.site, &asked) {
                return said;
            }
        }
        let answer = self.ask(flow, ends);
        if let Some((explained, orientation)) = self.explained(flow, ends, answer) {
            said.verdict = Verdict::Expected(explained.basis);
            said.rules = explained.rules;
            said.orientation = orientation;
            let server = match orientation {
                Orientation::AsSeen => flow.responder,
                Orientation::Swapped => flow.initiator,
            };
            said.learned = self.facts.learned(server, flow.protocol);
            return said;
        }
        said.verdict = match (self.background(flow, ends), self.strictness) {
            (Some(kind), Strictness::Normal) => Verdict::Background(kind),
            // A strict audit judges it like any other flow.
            (Some(_), Strictness::Strict) | (None, _) => {
                Verdict::Unexpected(self.reason(flow, ends, answer))
            }
        };
        if let Verdict::Unexpected(_) = said.verdict {
            said.accepted = accept::accepted(self.site, flow, ends, is_guessed(flow));
        }
        said
    }

    /// What the rules alone say of a flow.
    #[inline]
    fn ask(&mut self, flow: &Flow, ends: &Ends) -> AnswerId {
        let port = flow.responder.port;
        let (from, to) = (ends.initiator.roles, ends.responder.roles);
        let many = ends.responder.many();
        let (wanted, many) = match flow.protocol {
            Protocol::Tcp => (Wanted::Tcp(port), many),
            Protocol::Udp => (Wanted::Udp(port), many),
            Protocol::IcmpEcho => (Wanted::Echo, None),
            Protocol::IcmpOther | Protocol::Other(_) => (Wanted::Other, None),
        };
        self.lookup.ask(wanted, from, to, many)
    }

    fn explained(
        &mut self,
        flow: &Flow,
        ends: &Ends,
        answer: AnswerId,
    ) -> Option<(Explained, Orientation)> {
        if let Some(rules) = self.dhcp.rules(&mut self.lookup, flow, ends) {
            let basis = Basis::FixedPort;
            return Some((Explained { basis, rules }, Orientation::AsSeen));
        }
        if let Some(explained) = self.explained_as_seen(flow, ends, answer) {
            return Some((explained, Orientation::AsSeen));
        }
        if is_guessed(flow) {
            let (flow, ends) = (flow.reversed(), ends.reversed());
            let answer = self.ask(&flow, &ends);
            let explained = self.explained_as_seen(&flow, &ends, answer)?;
            return Some((explained, Orientation::Swapped));
        }
        None
    }

    fn explained_as_seen(
        &mut self,
        flow: &Flow,
        ends: &Ends,
        answer: AnswerId,
    ) -> Option<Explained> {
        let rpc = match self.rpc(flow, ends, answer) {
            Rpc::Expected(basis) => Some(basis),
            Rpc::No | Rpc::OutsideRange | Rpc::Unannounced => None,
        };
        let said = self.lookup.answer(answer);
        if let Some(port) = said.port {
            let basis = match (flow.protocol, port) {
                (Protocol::IcmpEcho, _) => Basis::IcmpEcho,
                (_, PortOrigin::Documented) => Basis::FixedPort,
                (_, PortOrigin::Site) => Basis::AlternatePort,
            };
            let rules = match rpc {
                Some(_) => &said.listed_and_rpc,
                None => &said.listed,
            };
            let rules = rules.clone();
            return Some(Explained { basis, rules });
        }
        if !self.facts.transfers(flow).is_empty() {
            // The transfer is allowed where its request is.
            let (from, to) = (ends.initiator.roles, ends.responder.roles);
            let request = self.lookup.ask(Wanted::Udp(TFTP_PORT), from, to, None);
            let rules = self.lookup.answer(request).listed.clone();
            let basis = Basis::TftpTransfer;
            return (!rules.is_empty()).then_some(Explained { basis, rules });
        }
        let rules = said.rpc.clone();
        rpc.map(|basis| Explained { basis, rules })
    }

    fn rpc(&mut self, flow: &Flow, ends: &Ends, answer: AnswerId) -> Rpc {
        let said = self.lookup.answer(answer);
        if !said.may_use_rpc {
            return Rpc::No;
        }
        let learned = self.facts.learned(flow.responder, flow.protocol);
        if said.rpc.is_empty() {
            return match learned {
                Some(_) => Rpc::OutsideRange,
                None => Rpc::No,
            };
        }
        let (basis, weakness) = self.rpc_basis(flow);
        let (from, to) = (ends.initiator.roles, ends.responder.roles);
        if weakness > self.site.rpc.minimum_between(from, to) {
            return Rpc::Unannounced;
        }
        Rpc::Expected(basis)
    }

    /// What founds a flow to a port that may be RPC's.
    fn rpc_basis(&mut self, flow: &Flow) -> (Basis, RpcMinimum) {
        let learned = self.facts.learned(flow.responder, flow.protocol);
        self.rests_on_others |= learned.is_none();
        match learned.map(|index| self.facts.proofs().rpc[index].basis) {
            Some(RpcBasis::Endpoint) => (Basis::RpcEndpoint, RpcMinimum::Endpoint),
            Some(RpcBasis::Binding) => (Basis::RpcBinding, RpcMinimum::Binding),
            Some(RpcBasis::Interface) => (Basis::RpcInterface, RpcMinimum::Interface),
            None if self.facts.reached_endpoint_mapper(flow) => {
                (Basis::RpcInferred, RpcMinimum::Inferred)
            }
            None => (Basis::RpcRange, RpcMinimum::Range),
        }
    }

    /// Whether the flow would be expected if its two ends swapped their roles.
    fn is_reversed(&mut self, flow: &Flow, ends: &Ends, answer: AnswerId) -> bool {
        let said = self.lookup.answer(answer);
        if said.reversed || !said.rpc_reversed {
            return said.reversed;
        }
        let (from, to) = (ends.responder.roles, ends.initiator.roles);
        let minimum = self.site.rpc.minimum_between(from, to);
        minimum == RpcMinimum::Range || self.rpc_basis(flow).1 <= minimum
    }

    fn background(&mut self, flow: &Flow, ends: &Ends) -> Option<&'static str> {
        if let Some(kind) = background::kind(flow) {
            return Some(kind);
        }
        self.rests_on_others |= background::answers(flow).iter().any(Option::is_some);
        let answer = self.facts.group_answer(flow)?;
        let answering = if answer.answering == ends.initiator.address {
            ends.initiator
        } else {
            ends.responder
        };
        // Whoever answers a group of the link is on the link: no external party is.
        let on_link = answering.roles.is_empty() || self.lookup.is_internal(answering.roles);
        on_link.then_some(answer.kind)
    }

    fn reason(&mut self, flow: &Flow, ends: &Ends, answer: AnswerId) -> Reason {
        let (from, to) = (ends.initiator, ends.responder);
        match (from.defers(), to.defers()) {
            (true, true) => return Reason::PortNotListed,
            (true, false) if !to.roles.is_empty() => return Reason::PortNotListed,
            (false, true) if !from.roles.is_empty() => return Reason::PortNotListed,
            _ if from.roles.is_empty() || to.roles.is_empty() => return Reason::UnknownHost,
            _ => {}
        }
        if let Some(reason) = self.rpc_reason(flow, ends, answer) {
            return reason;
        }
        if self.looks_like_tftp(flow, ends) {
            return Reason::TftpUnsolicited;
        }
        if !is_guessed(flow) && self.is_reversed(flow, ends, answer) {
            return Reason::Reversed;
        }
        if self.lookup.answer(answer).connected {
            Reason::PortNotListed
        } else {
            Reason::NoRuleForRoles
        }
    }

    fn rpc_reason(&mut self, flow: &Flow, ends: &Ends, answer: AnswerId) -> Option<Reason> {
        let of = |rpc| match rpc {
            Rpc::OutsideRange => Some(Reason::RpcOutsideRange),
            Rpc::Unannounced => Some(Reason::RpcUnannounced),
            Rpc::No | Rpc::Expected(_) => None,
        };
        let as_seen = of(self.rpc(flow, ends, answer));
        if as_seen.is_some() || !is_guessed(flow) {
            return as_seen;
        }
        let (flow, ends) = (flow.reversed(), ends.reversed());
        let answer = self.ask(&flow, &ends);
        of(self.rpc(&flow, &ends, answer))
    }

    fn looks_like_tftp(&self, flow: &Flow, ends: &Ends) -> bool {
        let ports = [flow.initiator.port, flow.responder.port];
        let holds =
            |roles: RoleSet, role: Option<RoleId>| role.is_some_and(|id| roles.contains(id));
        let between =
            |one: RoleSet, other: RoleSet| holds(one, self.client) && holds(other, self.pxe_server);
        flow.protocol == Protocol::Udp
            && ports.iter().all(|port| *port >= FIRST_UNPRIVILEGED_PORT)
            && (between(ends.initiator.roles, ends.responder.roles)
                || between(ends.responder.roles, ends.initiator.roles))
            && self.facts.transfers(flow).is_empty()
            && !ports
                .iter()
                .any(|port| self.lookup.names(RuleProtocol::Udp, *port))
    }
}

/// Whether the flow's direction is a guess. The first packet of UDP is sent by its client.
fn is_guessed(flow: &Flow) -> bool {
    match flow.initiator_basis {
        InitiatorBasis::Handshake | InitiatorBasis::Request => false,
        InitiatorBasis::ServicePort => true,
        InitiatorBasis::FirstPacket => flow.protocol == Protocol::Tcp,
    }
}

/// Note 5: never from site to site, nor towards the certification authority.
fn site_server_opens_to(policy: &Policy, site: &Site) -> RoleSet {
    let exempt = ["site-server", "issuing-certification-authority"];
    let wanted = |id: RoleId| match site.site_server_initiates {
        SiteServerInitiates::No => false,
        SiteServerInitiates::All => true,
        SiteServerInitiates::Roles(roles) => roles.contains(id),
    };
    let mut opens_to = RoleSet::EMPTY;
    for (id, role) in policy.roles.iter() {
        if wanted(id) && !exempt.contains(&role.id.as_str()) {
            opens_to.insert(id);
        }
    }
    opens_to
}
