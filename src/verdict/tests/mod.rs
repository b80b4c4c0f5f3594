//! Verdicts over flows made by hand, a module per part of the contract.

mod background;
mod bases;
mod boots;
mod folding;
mod reads;
mod reasons;
mod requirements;
mod scenarios;
mod special;

use std::net::IpAddr;
use std::num::NonZero;
use std::path::Path;

use super::*;
use crate::config::Source;
use crate::evidence::{
    JoinedTransfer, LearnedEndpoint, RpcBasis, Transfer, TransferOperation, TransferOutcome,
};
use crate::flow::{Flow, IcmpKinds, InitiatorBasis, State, Ttls};
use crate::net::{Endpoint, Position, Protocol, Timestamp};
use crate::payload::Text;
use crate::site::{LoadedSite, Site};

/// A small site with one host per role that the tests speak of.
const ROLES: &str = r#"
version = 1
name = "test"
[roles]
site-server = ["10.0.0.10"]
management-point = ["10.0.0.11", "2001:db8::11"]
distribution-point-pxe = ["10.0.0.12"]
domain-controller = ["10.0.0.13"]
software-update-point = ["10.0.0.14"]
distribution-point-multicast = ["10.0.0.15"]
fallback-status-point = ["10.0.0.16"]
configuration-manager-console = ["10.0.0.17"]
windows-server = ["10.0.0.18"]
client = ["10.1.0.0/16"]
[hosts]
mp1 = ["10.0.0.11", "2001:db8::11"]
"#;

/// The test site with more of a site file after it.
fn site(more: &str) -> LoadedSite {
    let source = Source::new("site.toml", format!("{ROLES}\n{more}"));
    Site::read(&source, Path::new("")).unwrap_or_else(|found| panic!("{found:?}"))
}

fn at(seconds: i64) -> Position {
    Position::new(Timestamp(seconds * 1_000_000_000), 0, seconds as u64 + 1)
}

fn endpoint(text: &str) -> Endpoint {
    match text.parse::<std::net::SocketAddr>() {
        Ok(socket) => Endpoint::new(socket.ip(), socket.port()),
        Err(_) => Endpoint::new(text.parse().expect("an address or a socket"), 0),
    }
}

/// A flow that went well, opened by the first end ten seconds after the epoch.
fn flow(protocol: Protocol, initiator: &str, responder: &str) -> Flow {
    let tcp = protocol == Protocol::Tcp;
    Flow {
        protocol,
        initiator: endpoint(initiator),
        responder: endpoint(responder),
        initiator_basis: match protocol {
            Protocol::Tcp => InitiatorBasis::Handshake,
            Protocol::IcmpEcho => InitiatorBasis::Request,
            Protocol::Udp | Protocol::IcmpOther | Protocol::Other(_) => InitiatorBasis::FirstPacket,
        },
        first: at(10),
        last: at(11).time,
        initiator_packets: 2,
        responder_packets: 2,
        initiator_bytes: 200,
        responder_bytes: 200,
        initiator_ttls: Ttls::default(),
        responder_ttls: Ttls::default(),
        connections: 1,
        state: if tcp {
            State::Established
        } else {
            State::Answered
        },
        handshake_completed: tcp,
        icmp_error: None,
        vlan: None,
        icmp_kinds: IcmpKinds::default(),
        flows: 1,
        responders: 1,
    }
}

fn tcp(initiator: &str, responder: &str) -> Flow {
    flow(Protocol::Tcp, initiator, responder)
}

fn udp(initiator: &str, responder: &str) -> Flow {
    flow(Protocol::Udp, initiator, responder)
}

/// The same flow, of which nothing came back.
fn unanswered(flow: Flow) -> Flow {
    Flow {
        state: State::Unanswered,
        handshake_completed: false,
        responder_packets: 0,
        responder_bytes: 0,
        ..flow
    }
}

fn seen_at(seconds: i64, flow: Flow) -> Flow {
    Flow {
        first: at(seconds),
        last: at(seconds + 1).time,
        ..flow
    }
}

/// Judges the last flow, after all were observed.
fn last_of(loaded: &LoadedSite, proofs: Proofs<'_>, flows: &[Flow]) -> FlowVerdict<'static> {
    let mut judge = Judge::new(&loaded.policy, &loaded.site, proofs, Strictness::Normal);
    flows.iter().for_each(|flow| judge.observe(flow));
    let last = flows.last().expect("a flow to judge");
    judge.verdict(last).into_owned()
}

fn verdict(loaded: &LoadedSite, flow: Flow) -> Verdict {
    last_of(loaded, Proofs::default(), &[flow]).verdict
}

fn audit(loaded: &LoadedSite, proofs: Proofs<'_>, flows: &[Flow]) -> Audit {
    super::judge(
        &loaded.policy,
        &loaded.site,
        proofs,
        Counted::default(),
        Strictness::Normal,
        &Partitions {
            count: 1,
            flows: |_, _| flows.iter().copied(),
        },
        NonZero::<usize>::MIN,
    )
}

fn learned(server: &str, port: u16, basis: RpcBasis) -> LearnedEndpoint {
    LearnedEndpoint {
        server: server.parse::<IpAddr>().expect("an address"),
        port,
        protocol: Protocol::Tcp,
        interface: None,
        name: None,
        basis,
        first: at(50),
    }
}

fn read_request(client: &str, server: &str, file: &str, outcome: TransferOutcome) -> Transfer {
    Transfer {
        operation: TransferOperation::Read,
        file: Text::from(file.as_bytes()),
        mode: Text::from(&b"octet"[..]),
        client: endpoint(client),
        server: endpoint(server),
        options: Default::default(),
        options_requested: Default::default(),
        outcome,
        bytes: 0,
        blocks: 0,
        retransmitted_blocks: 0,
        missing_blocks: 0,
        first: at(9),
        last: at(11).time,
        error: None,
        frames: Vec::new(),
        course: Default::default(),
    }
}
