//! One audit that holds an example of everything, for the tests of every format. Its foreign
//! texts are hostile.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::flow_record::{FlowRecord, Judged};
use crate::decode::Undecoded;
use crate::evidence::{
    Boot, BootAnswer, BootAnswerKind, BootQuestion, BootQuestionKind, BootStep, BootStepKind,
    JoinedTransfer, LearnedEndpoint, NamedIn, RpcBasis, Transfer, TransferCourse,
    TransferOperation, TransferOutcome, Uuid,
};
use crate::flow::{Flow, IcmpKinds, InitiatorBasis, State, Ttls};
use crate::net::{Endpoint, Position, Protocol, Timestamp};
use crate::observation::{CaptureRecord, LinkType};
use crate::payload::Text;
use crate::verdict::{
    AcceptedFinding, Audit, AuditLimit, BackgroundEntry, Basis, Certainty, Diagnosis,
    ExceptionState, ExceptionUse, FailingFlow, Finding, FindingInitiator, FindingResponder, Loss,
    PxeBoot, Reason, Refusal, RefusalMessage, Refuser, Requirement, RequirementCause,
    RequirementState, RpcUse, RuleUse, SiteSummary, Totals, Verdict,
};

/// 2026-01-05T08:00:00Z.
const START: i64 = 1_767_600_000_000_000_000;
const SECOND: i64 = 1_000_000_000;

fn time(seconds: i64) -> Timestamp {
    Timestamp(START + seconds * SECOND)
}

fn at(seconds: i64, frame: u64) -> Position {
    Position::new(time(seconds), 0, frame)
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn text(bytes: &[u8]) -> Text {
    Text::from(bytes)
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// The sample audit.
pub(crate) fn audit() -> Audit {
    Audit {
        site: SiteSummary {
            name: "Contoso PR1".into(),
            catalogue: "configmgr".into(),
            edition: "2020-04".into(),
        },
        complete: false,
        captures: captures(),
        totals: Totals {
            packets: 61_234,
            bytes: 48_120_331,
            flows: 1_060,
            expected: 1_000,
            unexpected: 44,
            accepted: 2,
            background: 9,
            out_of_scope: 5,
            undecoded: BTreeMap::from([
                (Undecoded::FragmentWithoutFirst, 2),
                (Undecoded::LinkType, 1),
            ]),
            requirements: requirements()
                .iter()
                .fold(BTreeMap::new(), |mut states, requirement| {
                    *states.entry(requirement.state).or_default() += 1;
                    states
                }),
        },
        loss: Loss {
            kernel_drops: Some(12),
            sequence_gaps: 7,
            duplicates: 20_411,
            followed: 60_200,
            not_followed: 900,
            snaplen_cut: 4,
            one_sided_flows: 3,
        },
        limits: vec![AuditLimit {
            limit: "findings",
            value: 10_000,
            reached: 17,
        }],
        unexpected: findings(),
        failing: failing(),
        background: vec![
            BackgroundEntry {
                kind: "arp".into(),
                flows: 0,
                packets: 1_204,
                bytes: 72_240,
            },
            BackgroundEntry {
                kind: "mdns".into(),
                flows: 9,
                packets: 31,
                bytes: 5_102,
            },
        ],
        exceptions: exceptions(),
        diagnoses: vec![Diagnosis {
            code: "tftp-high-ports-closed",
            host: Some("10.0.0.12".into()),
            explanation: "10.1.0.50 asked 10.0.0.12 for smsboot\\x64\\wdsnbp.com four times and \
                          got no answer. Either port 69 is dropped on the way in, or the answers \
                          from the server's high ports are dropped on the way out: on the wire \
                          both look alike."
                .into(),
            frames: vec![at(60, 801), at(64, 844)],
        }],
        requirements: requirements(),
        rules: vec![RuleUse {
            id: "BKMK_PortsClient-MP/https/tcp".into(),
            source: "004_943ae120e2045e7c.txt#BKMK_PortsClient-MP".into(),
            initiator: "client".into(),
            responder: "management-point".into(),
            service: "https".into(),
            direction: "one-way",
            protocol: Protocol::Tcp,
            ports: vec![(443, 443)],
            hindrance: None,
            flows: 612,
            packets: 40_001,
            bytes: 31_000_000,
            first: Some(time(1)),
            last: Some(time(200)),
        }],
        tftp: transfers(),
        tftp_joined: joined_transfers(),
        rpc: vec![RpcUse {
            endpoint: LearnedEndpoint {
                server: address("10.0.0.11"),
                port: 49_671,
                protocol: Protocol::Tcp,
                interface: Some(Uuid([
                    0x36, 0x7a, 0xbb, 0x81, 0x98, 0x44, 0x35, 0xf1, 0xad, 0x32, 0x98, 0xf0, 0x38,
                    0x00, 0x10, 0x03,
                ])),
                name: Some("service control manager"),
                basis: RpcBasis::Endpoint,
                first: at(31, 422),
            },
            used_by_flows: 2,
        }],
        pxe: vec![PxeBoot {
            boot: Boot {
                client_mac: Some([0x52, 0x54, 0x00, 0x12, 0x34, 0x56]),
                client_addresses: vec![address("10.1.0.50")],
                architecture: Some(7),
                machine_identifier: Some([0x44; 16]),
                http: false,
                ipxe: false,
                questions: vec![BootQuestion {
                    kind: BootQuestionKind::Binl,
                    server: Some(address("10.0.0.13")),
                    address: Some(address("10.1.0.50")),
                    round: 1,
                    at: at(53, 700),
                }],
                answers: vec![
                    boot_answer(BootAnswerKind::AddressOffer, "10.0.0.20", 51),
                    boot_answer(BootAnswerKind::ProxyOffer, "10.0.0.12", 52),
                    boot_answer(BootAnswerKind::Ack, "10.0.0.20", 53),
                ],
                relays: vec![address("10.1.0.1")],
                reads: vec![0],
                first: at(50, 700),
                last: time(54),
                boot_server: Some(address("10.0.0.12")),
                boot_file: Some(text(b"smsboot\\x64\\wdsmgfw.efi")),
                steps: [
                    BootStepKind::DhcpDiscover,
                    BootStepKind::DhcpOffer,
                    BootStepKind::BootOffer,
                    BootStepKind::DhcpAck,
                    BootStepKind::TftpRequest,
                ]
                .iter()
                .zip(0..)
                .map(|(kind, step)| BootStep {
                    kind: *kind,
                    at: at(50 + step, 700),
                })
                .collect(),
            },
            first_missing_step: Some("tftp-transfer".into()),
        }],
    }
}

/// An answer that came through a relay; a proxy offer names a boot.
fn boot_answer(kind: BootAnswerKind, server: &str, second: i64) -> BootAnswer {
    let is_proxy = kind == BootAnswerKind::ProxyOffer;
    let server = address(server);
    BootAnswer {
        kind,
        server,
        identifier: Some(server),
        sender: server,
        relay: Some(address("10.1.0.1")),
        address: (!is_proxy).then(|| address("10.1.0.50")),
        pxe_client: is_proxy,
        http_client: false,
        names_boot: is_proxy,
        boot_server: Some(server),
        boot_server_name: None,
        boot_server_in: None,
        boot_file: is_proxy.then(|| text(b"smsboot\\x64\\wdsmgfw.efi")),
        boot_file_in: is_proxy.then_some(NamedIn::Field),
        pxe: None,
        round: 1,
        at: at(second, 700),
    }
}

fn captures() -> Vec<CaptureRecord> {
    vec![
        CaptureRecord {
            source: "boundary.pcapng".into(),
            format: Some("pcapng"),
            compression: Some("zstd"),
            link_types: [LinkType(1), LinkType(12), LinkType(101)].into(),
            packets: 61_000,
            bytes: 48_000_000,
            first: Some(time(0)),
            last: Some(time(200)),
            watched_until: None,
            kernel_drops: None,
            continuity: Default::default(),
            problem: None,
        },
        CaptureRecord {
            source: "cut\u{1b}[31m.pcap".into(),
            format: Some("pcap"),
            compression: None,
            link_types: [LinkType(1)].into(),
            packets: 234,
            bytes: 120_331,
            first: Some(time(3)),
            last: Some(time(7)),
            watched_until: None,
            kernel_drops: None,
            continuity: Default::default(),
            problem: Some(
                "ends inside the record at byte 120,400; audit it with --accept-truncated if it \
                 was still being written"
                    .into(),
            ),
        },
    ]
}

fn findings() -> Vec<Finding> {
    let base = Finding {
        id: "8c1f0a6be2d94417".into(),
        reason: Reason::UnknownHost,
        protocol: Protocol::Tcp,
        initiator: FindingInitiator {
            address: address("192.0.2.77"),
            name: None,
            roles: vec![],
        },
        responder: FindingResponder {
            address: Some(address("10.0.0.11")),
            name: Some("mp1".into()),
            port: Some(445),
            ports: vec![],
            addresses: None,
            roles: strings(&["management-point"]),
        },
        flows: 3,
        packets: 31,
        bytes: 4_102,
        first: time(12),
        last: time(15),
        frames: vec![at(12, 101), at(13, 130), Position::new(time(15), 1, 7)],
        community_ids: strings(&["1:vBiRRM2IAMvVmsvJ8YuW8KsQxLs="]),
        nearest_rules: vec![],
        explanation: "192.0.2.77 opened tcp/445 of mp1 (10.0.0.11), but has no role in the site \
                      file: list it under [roles], or find out what it is."
            .into(),
        accepted: None,
    };
    vec![
        base.clone(),
        Finding {
            id: "1d0c7e55a1b2c3d4".into(),
            reason: Reason::Reversed,
            initiator: FindingInitiator {
                address: address("2001:db8::11"),
                name: Some("mp1".into()),
                roles: strings(&["management-point"]),
            },
            responder: FindingResponder {
                address: Some(address("2001:db8:0:1::7")),
                name: None,
                port: Some(443),
                ports: vec![],
                addresses: None,
                roles: strings(&["client"]),
            },
            flows: 1,
            frames: vec![at(20, 240)],
            nearest_rules: strings(&["BKMK_PortsClient-MP/https/tcp"]),
            explanation: "The management point opened tcp/443 of a client; only the client may \
                          open it, towards the management point."
                .into(),
            ..base.clone()
        },
        Finding {
            id: "77aa41c09be0f512".into(),
            reason: Reason::PortNotListed,
            initiator: FindingInitiator {
                address: address("10.1.0.7"),
                name: None,
                roles: strings(&["client"]),
            },
            responder: FindingResponder {
                address: None,
                name: None,
                port: None,
                ports: vec![(1, 1024), (3389, 3389)],
                addresses: Some(212),
                roles: strings(&["management-point", "distribution-point"]),
            },
            flows: 40,
            packets: 40,
            bytes: 2_400,
            nearest_rules: strings(&[
                "BKMK_PortsClient-MP/http/tcp",
                "BKMK_PortsClient-MP/https/tcp",
            ]),
            explanation: "10.1.0.7 tried 40 ports that no rule of its roles names.".into(),
            ..base.clone()
        },
        Finding {
            id: "0f0f0f0f0f0f0f0f".into(),
            reason: Reason::PortNotListed,
            responder: FindingResponder {
                port: Some(9999),
                ..base.responder.clone()
            },
            flows: 2,
            accepted: Some(AcceptedFinding {
                text: "10.1.0.7 -> 10.0.0.99 tcp/9999".into(),
                reason: "=backup agent, ticket 4711".into(),
            }),
            ..base
        },
    ]
}

fn failing() -> Vec<FailingFlow> {
    vec![FailingFlow {
        rule: "BKMK_PortsClient-DP/https/tcp".into(),
        protocol: Protocol::Tcp,
        initiator: address("10.1.0.9"),
        responder: address("10.0.0.12"),
        port: Some(443),
        state: State::Refused,
        cause: RequirementCause::Refused,
        by: Some(Refuser {
            refusal: Refusal {
                address: address("10.0.0.12"),
                ttl: 254,
                message: RefusalMessage::Reset,
            },
            usual_ttl: Some(126),
            in_between: Some(Certainty::Certain),
        }),
        explanation: "The reset came with TTL 254, while 10.0.0.12 usually shows 126: something \
                      in between said no."
            .into(),
        worked_instead: Some("BKMK_PortsClient-DP/http/tcp".into()),
        flows: 6,
        first: time(90),
        last: time(95),
        frames: vec![at(90, 1_411)],
    }]
}

fn exceptions() -> Vec<ExceptionUse> {
    let exception = |text: &str, flows, state| ExceptionUse {
        text: text.into(),
        reason: "backup agent, ticket 4711".into(),
        expires: Some("2027-01-31".into()),
        flows,
        state,
    };
    vec![
        exception("10.1.0.7 -> 10.0.0.99 tcp/9999", 2, ExceptionState::Used),
        exception("client -> any udp/161", 0, ExceptionState::Unused),
        exception("10.1.0.8 -> any tcp/22", 4, ExceptionState::Expired),
    ]
}

fn requirements() -> Vec<Requirement> {
    let base = Requirement {
        id: "BKMK_PortsClient-MP/https".into(),
        scenario: None,
        step: None,
        rules: strings(&["BKMK_PortsClient-MP/https/tcp"]),
        host: None,
        state: RequirementState::Satisfied,
        cause: None,
        explanation: "10.1.0.9 reached 10.0.0.11.".into(),
        first: Some(time(1)),
        frames: vec![at(1, 4)],
    };
    let step = |step: &str, state, cause, explanation: &str| Requirement {
        id: format!("pxe-boot/{step}"),
        scenario: Some("pxe-boot".into()),
        step: Some(step.into()),
        host: Some("52:54:00:12:34:56".into()),
        rules: vec![],
        state,
        cause,
        explanation: explanation.into(),
        first: None,
        frames: vec![],
    };
    vec![
        base.clone(),
        Requirement {
            id: "BKMK_PortsClient-MP/client-notification".into(),
            state: RequirementState::Degraded,
            explanation: "tcp/10123 was not seen; 443 stood in for it.".into(),
            ..base.clone()
        },
        Requirement {
            id: "BKMK_PortsSite-DP/smb".into(),
            rules: strings(&["BKMK_PortsSite-DP/smb/tcp"]),
            state: RequirementState::Missing,
            explanation: "No site server opened tcp/445 of a distribution point.".into(),
            first: None,
            frames: vec![],
            ..base.clone()
        },
        Requirement {
            frames: vec![at(54, 740)],
            first: Some(time(54)),
            ..step(
                "tftp-request",
                RequirementState::Failed,
                Some(RequirementCause::TftpUnanswered),
                "Four read requests for smsboot\\x64\\wdsnbp.com, no answer.",
            )
        },
        step(
            "tftp-transfer",
            RequirementState::NotReached,
            None,
            "Waits for tftp-request.",
        ),
        Requirement {
            id: "BKMK_PortsSite-SQL/sql".into(),
            state: RequirementState::NotObservable,
            explanation: "Both ends are inside the vantage.".into(),
            ..base
        },
    ]
}

fn transfers() -> Vec<Transfer> {
    let complete = Transfer {
        operation: TransferOperation::Read,
        file: text(b"smsboot\\x64\\wdsmgfw.efi"),
        mode: text(b"octet"),
        client: Endpoint::new(address("10.1.0.50"), 49_152),
        server: Endpoint::new(address("10.0.0.12"), 61_001),
        options: BTreeMap::from([("blksize".to_owned(), text(b"1456"))]),
        options_requested: BTreeMap::from([
            ("blksize".to_owned(), text(b"1456")),
            ("tsize".to_owned(), text(b"0")),
        ]),
        outcome: TransferOutcome::Complete,
        bytes: 1_049_600,
        blocks: 721,
        retransmitted_blocks: 3,
        missing_blocks: 0,
        first: at(55, 750),
        last: time(57),
        error: None,
        frames: vec![at(55, 750)],
        course: TransferCourse::default(),
    };
    vec![
        complete.clone(),
        Transfer {
            file: text(b"=cmd|'/c calc'!A0\x1b]0;owned\x07\xff"),
            outcome: TransferOutcome::Error,
            options: BTreeMap::new(),
            bytes: 0,
            blocks: 0,
            retransmitted_blocks: 0,
            missing_blocks: 0,
            first: at(58, 790),
            error: Some((1, text(b"File not found\x1b[2J"))),
            ..complete
        },
    ]
}

fn joined_transfers() -> Vec<JoinedTransfer> {
    vec![JoinedTransfer {
        operation: None,
        client: Endpoint::new(address("10.1.0.51"), 2070),
        server: Endpoint::new(address("10.0.0.12"), 61_002),
        options: BTreeMap::new(),
        outcome: TransferOutcome::Open,
        bytes: 14_560,
        blocks: 10,
        retransmitted_blocks: 0,
        missing_blocks: 2,
        first: at(1, 3),
        last: time(1),
        error: None,
        frames: vec![at(1, 3)],
    }]
}

/// Records of an expected, an unexpected and an unjudged flow.
pub(crate) fn flow_records() -> Vec<FlowRecord> {
    let flow = Flow {
        protocol: Protocol::Tcp,
        initiator: Endpoint::new(address("10.1.0.9"), 50_123),
        responder: Endpoint::new(address("10.0.0.11"), 443),
        initiator_basis: InitiatorBasis::Handshake,
        first: at(1, 4),
        last: time(9),
        initiator_packets: 10,
        responder_packets: 1_202,
        initiator_bytes: 900,
        responder_bytes: 1_700_404,
        initiator_ttls: Ttls::default(),
        responder_ttls: Ttls::default(),
        connections: 1,
        state: State::Established,
        handshake_completed: true,
        icmp_error: None,
        vlan: Some(12),
        icmp_kinds: IcmpKinds(0),
        flows: 1,
        responders: 1,
    };
    let echo = Flow {
        protocol: Protocol::IcmpEcho,
        initiator: Endpoint::new(address("2001:db8::7"), 0),
        responder: Endpoint::new(address("2001:db8::11"), 0),
        initiator_basis: InitiatorBasis::Request,
        state: State::Unanswered,
        vlan: None,
        responder_packets: 0,
        responder_bytes: 0,
        ..flow
    };
    let expected = Judged {
        initiator_roles: strings(&["client"]),
        responder_roles: strings(&["management-point"]),
        verdict: Some(Verdict::Expected(Basis::FixedPort)),
        rules: strings(&["BKMK_PortsClient-MP/https/tcp"]),
    };
    let unexpected = Judged {
        verdict: Some(Verdict::Unexpected(Reason::UnknownHost)),
        rules: vec![],
        ..expected.clone()
    };
    let id = || Some("1:vBiRRM2IAMvVmsvJ8YuW8KsQxLs=".to_owned());
    vec![
        FlowRecord::new(&flow, id(), expected),
        FlowRecord::new(&echo, id(), unexpected),
        FlowRecord::new(&flow, id(), Judged::default()),
    ]
}
