//! Required rules and failing flows.

use std::collections::BTreeSet;

use super::*;
use crate::flow::IcmpErrorSeen;

fn requirement(audited: &Audit, id: &str) -> Requirement {
    let found = audited.requirements.iter().find(|entry| entry.id == id);
    found
        .unwrap_or_else(|| panic!("{:#?}", audited.requirements))
        .clone()
}

fn state(more: &str, flows: &[Flow], id: &str) -> (RequirementState, Option<RequirementCause>) {
    let audited = audit(&site(more), Proofs::default(), flows);
    let entry = requirement(&audited, id);
    (entry.state, entry.cause)
}

const MP: &str = "[require]\nrules = [\"BKMK_PortsClient-MP\"]\n";

fn refused(flow: Flow) -> Flow {
    Flow {
        state: State::Refused,
        handshake_completed: false,
        ..flow
    }
}

#[test]
fn one_per_section_and_service() {
    let audited = audit(&site(MP), Proofs::default(), &[]);
    let ids: Vec<_> = audited
        .requirements
        .iter()
        .map(|entry| entry.id.as_str())
        .collect();
    assert_eq!(
        ids,
        [
            "BKMK_PortsClient-MP/client-notification",
            "BKMK_PortsClient-MP/http",
            "BKMK_PortsClient-MP/https"
        ]
    );
    assert!(
        audited
            .requirements
            .iter()
            .all(|entry| entry.state == RequirementState::Missing && entry.host.is_none())
    );
}

#[test]
fn alternatives_satisfy_and_fallbacks_degrade() {
    let https = [tcp("10.1.0.7:50000", "10.0.0.11:443")];
    let of = |id: &str| state(MP, &https, &format!("BKMK_PortsClient-MP/{id}")).0;
    assert_eq!(of("https"), RequirementState::Satisfied);
    assert_eq!(of("http"), RequirementState::Satisfied);
    assert_eq!(of("client-notification"), RequirementState::Degraded);
}

#[test]
fn the_best_of_several_attempts_counts() {
    let fine = tcp("10.1.0.8:50000", "10.0.0.11:10123");
    let bad = refused(tcp("10.1.0.7:50000", "10.0.0.11:10123"));
    let id = "BKMK_PortsClient-MP/client-notification";
    let failed = |cause| (RequirementState::Failed, Some(cause));
    assert_eq!(
        state(MP, &[bad, fine], id),
        (RequirementState::Satisfied, None)
    );
    assert_eq!(
        state(MP, &[unanswered(fine), bad], id),
        failed(RequirementCause::Refused)
    );
    assert_eq!(
        state(MP, &[unanswered(fine)], id),
        failed(RequirementCause::Unanswered)
    );
    let reset = Flow {
        state: State::Reset,
        ..fine
    };
    assert_eq!(state(MP, &[bad, reset], id).0, RequirementState::Satisfied);
    let mid_stream = Flow {
        state: State::MidStream,
        handshake_completed: false,
        ..fine
    };
    assert_eq!(state(MP, &[mid_stream], id).0, RequirementState::Satisfied);
    let one_sided = Flow {
        responder_packets: 0,
        ..mid_stream
    };
    // It was tried; whether it was answered is not known.
    assert_eq!(
        state(MP, &[one_sided], id),
        failed(RequirementCause::Unanswered)
    );
    let audited = audit(&site(MP), Proofs::default(), &[one_sided]);
    assert_eq!(
        (audited.failing.len(), audited.loss.one_sided_flows),
        (0, 1)
    );
}

#[test]
fn per_host_judges_each_host_that_is_there() {
    let more = format!("{MP}per-host = true\n");
    let flows = [
        tcp("10.1.0.7:50000", "10.0.0.11:443"),
        refused(tcp("10.1.0.8:50000", "10.0.0.11:443")),
        unanswered(tcp("10.9.0.1:50000", "10.1.0.9:445")),
    ];
    let audited = audit(&site(&more), Proofs::default(), &flows);
    let of: Vec<_> = audited
        .requirements
        .iter()
        .filter(|entry| entry.id.ends_with("/https"))
        .map(|entry| (entry.host.as_deref(), entry.state))
        .collect();
    assert_eq!(
        of,
        [
            (Some("10.1.0.7"), RequirementState::Satisfied),
            (Some("10.1.0.8"), RequirementState::Failed)
        ]
    );
}

#[test]
fn what_cannot_be_seen_is_not_missing() {
    let of = |more: &str| state(&format!("{MP}{more}"), &[], "BKMK_PortsClient-MP/https").0;
    assert_eq!(
        of("[vantage]\ninside = [\"10.0.0.0/24\"]\n"),
        RequirementState::Missing
    );
    assert_eq!(
        of("[vantage]\ninside = [\"10.0.0.0/8\", \"2001:db8::/32\"]\n"),
        RequirementState::NotObservable
    );
    let nobody = "[require]\nrules = [\"BKMK_PortsClient-SMP\"]\n";
    let (state, _) = state(nobody, &[], "BKMK_PortsClient-SMP/smb");
    assert_eq!(state, RequirementState::NotApplicable);
}

#[test]
fn both_roles_on_one_machine_are_not_observable() {
    let text = "version = 1\nname = \"one\"\n[roles]\nsite-server = [\"10.0.0.10\"]\n\
                sms-provider = [\"10.0.0.10\"]\n[require]\nrules = [\"BKMK_PortsSite-Provider\"]\n";
    let loaded = Site::read(&Source::new("site.toml", text), Path::new("")).unwrap();
    let audited = audit(&loaded, Proofs::default(), &[]);
    assert!(!audited.requirements.is_empty());
    for entry in &audited.requirements {
        assert_eq!(entry.state, RequirementState::NotObservable, "{entry:?}");
    }
}

#[test]
fn rows_with_a_condition_are_optional() {
    let section = "[require]\nrules = [\"ports-that-are-used-with-client-push-installation\"]\n";
    let audited = audit(&site(section), Proofs::default(), &[]);
    let rules = &site(section).policy.rules;
    for entry in &audited.requirements {
        let conditional = entry.rules.iter().all(|id| {
            rules
                .iter()
                .any(|rule| rule.id == *id && rule.condition.is_some())
        });
        let wanted = match conditional {
            true => RequirementState::NotApplicable,
            false => RequirementState::Missing,
        };
        assert_eq!(entry.state, wanted, "{entry:?}");
    }
}

#[test]
fn one_way_services_only_need_to_be_seen() {
    let more = "[require]\nrules = [\"BKMK_PortsSite-Client/wake-on-lan\"]\n";
    let wake = unanswered(udp("10.0.0.10:50000", "10.1.0.7:9"));
    let audited = audit(&site(more), Proofs::default(), &[wake]);
    assert_eq!(audited.requirements[0].state, RequirementState::Satisfied);
    assert_eq!(audited.failing, []);
}

#[test]
fn failing_flows_fold_by_rule_and_hosts() {
    let error = IcmpErrorSeen {
        first: at(10),
        sender: "10.0.0.1".parse().unwrap(),
        ttl: 254,
        kind: 3,
        code: 13,
        unreachable: true,
        count: 1,
    };
    let blocked = Flow {
        state: State::Unreachable,
        icmp_error: Some(error),
        ..unanswered(tcp("10.1.0.7:50000", "10.0.0.11:443"))
    };
    let silent = seen_at(20, unanswered(tcp("10.1.0.7:50001", "10.0.0.11:443")));
    let worked = tcp("10.1.0.8:50000", "10.0.0.11:443");
    let tried_before = unanswered(tcp("10.1.0.8:50001", "10.0.0.11:443"));
    let flows = [blocked, silent, tried_before, worked];
    let audited = audit(&site(""), Proofs::default(), &flows);
    let [entry] = audited.failing.as_slice() else {
        panic!("{:#?}", audited.failing)
    };
    assert_eq!(entry.rule, "BKMK_PortsClient-MP/https/tcp");
    assert_eq!(entry.cause, RequirementCause::Unreachable);
    let by = entry.by.expect("an ICMP error");
    assert_eq!((by.refusal.address, by.refusal.ttl), (error.sender, 254));
    assert_eq!(by.in_between, Some(Certainty::Certain));
    assert_eq!((entry.flows, entry.port), (2, Some(443)));
}

#[test]
fn the_last_address_of_a_range_still_has_to_answer() {
    // The client prefix ends there, but no broadcast service is asked.
    let silent = unanswered(tcp("10.0.0.10:50000", "10.1.255.255:445"));
    assert_eq!(
        audit(&site(""), Proofs::default(), &[silent]).failing.len(),
        1
    );
    let name_query = unanswered(udp("10.1.0.7:137", "10.1.255.255:137"));
    assert_eq!(
        audit(&site(""), Proofs::default(), &[name_query]).failing,
        []
    );
}

#[test]
fn a_tftp_request_is_answered_from_another_port() {
    let request = unanswered(udp("10.1.0.7:2070", "10.0.0.12:69"));
    let of = |outcome, server| {
        let transfers = [read_request("10.1.0.7:2070", server, "x", outcome)];
        let proofs = Proofs {
            tftp: &transfers,
            ..Proofs::default()
        };
        let failing = audit(&site(""), proofs, &[request]).failing;
        failing.first().map(|entry| entry.cause)
    };
    assert_eq!(of(TransferOutcome::Complete, "10.0.0.12:61234"), None);
    assert_eq!(
        of(TransferOutcome::Unanswered, "10.0.0.12:69"),
        Some(RequirementCause::TftpUnanswered)
    );
}

#[test]
fn tftp_that_answers_but_never_delivers_is_failing_and_failed() {
    let loaded = site("[require]\nrules = [\"BKMK_PortsClient-DP3/tftp\"]");
    let flows = [
        unanswered(udp("10.1.0.7:2070", "10.0.0.12:69")),
        udp("10.1.0.7:2070", "10.0.0.12:61234"),
    ];
    for (outcome, cause) in [
        (TransferOutcome::Stalled, RequirementCause::TftpStalled),
        (TransferOutcome::Error, RequirementCause::TftpError),
    ] {
        let missed = read_request("10.1.0.7:2070", "10.0.0.12:61234", "x", outcome);
        let complete = TransferOutcome::Complete;
        let came = read_request("10.1.0.7:2070", "10.0.0.12:61234", "y", complete);
        let of = |transfers: &[Transfer]| {
            let proofs = Proofs {
                tftp: transfers,
                ..Proofs::default()
            };
            let audited = audit(&loaded, proofs, &flows);
            let required = &audited.requirements[0];
            let failing: Vec<_> = audited.failing.iter().map(|entry| entry.cause).collect();
            (required.state, required.cause, failing)
        };
        assert_eq!(
            of(std::slice::from_ref(&missed)),
            (RequirementState::Failed, Some(cause), vec![cause])
        );
        // Of several attempts the best counts.
        assert_eq!(
            of(&[missed, came]),
            (RequirementState::Satisfied, None, vec![])
        );
    }
}

#[test]
fn every_rule_is_listed_with_its_use() {
    let loaded = site("");
    let flows = [
        tcp("10.1.0.7:50000", "10.0.0.11:443"),
        seen_at(90, tcp("10.1.0.8:50000", "10.0.0.11:443")),
    ];
    let audited = audit(&loaded, Proofs::default(), &flows);
    assert_eq!(audited.rules.len(), loaded.policy.rules.len());
    let used = audited
        .rules
        .iter()
        .find(|rule| rule.id == "BKMK_PortsClient-MP/https/tcp")
        .unwrap();
    assert_eq!((used.flows, used.packets, used.bytes), (2, 8, 800));
    assert_eq!(
        (used.first, used.last),
        (Some(at(10).time), Some(at(91).time))
    );
    assert!(
        audited
            .rules
            .iter()
            .any(|rule| rule.flows == 0 && rule.first.is_none())
    );
}

#[test]
fn totals_add_up() {
    let loaded = site(
        "[scope]\ntouching = [\"client\"]\n[[accept]]\nmatch = \"any -> any tcp/7\"\nreason = \"echo\"\n",
    );
    let flows = [
        tcp("10.1.0.7:50000", "10.0.0.11:443"),
        tcp("10.1.0.7:50000", "10.0.0.11:7"),
        tcp("10.1.0.7:50000", "10.0.0.11:8"),
        udp("10.1.0.7:5353", "224.0.0.251:5353"),
        tcp("10.0.0.10:50000", "10.0.0.11:445"),
    ];
    let totals = audit(&loaded, Proofs::default(), &flows).totals;
    let parts = [
        totals.expected,
        totals.unexpected,
        totals.accepted,
        totals.background,
        totals.out_of_scope,
    ];
    assert_eq!(parts, [1; 5]);
    assert_eq!(totals.flows, 5);
}

#[test]
fn a_rule_that_nobody_can_use_says_why() {
    let of = |more: &str, id: &str| {
        let audited = audit(&site(more), Proofs::default(), &[]);
        let rule = audited.rules.iter().find(|rule| rule.id == id);
        rule.expect("the edition has it").hindrance
    };
    let https = "BKMK_PortsClient-MP/https/tcp";
    assert_eq!(of("", https), None);
    assert_eq!(
        of("", "BKMK_PortsClient-SMP/smb/tcp"),
        Some(Hindrance::RoleNotHeld)
    );
    assert_eq!(
        of(
            "[vantage]\ninside = [\"10.0.0.0/8\", \"2001:db8::/32\"]\n",
            https
        ),
        Some(Hindrance::Vantage)
    );
    let scoped = "[scope]\ntouching = [\"domain-controller\", \"10.0.0.14\"]\n";
    assert_eq!(of(scoped, https), Some(Hindrance::OutOfScope));
    assert_eq!(of(scoped, "BKMK_PortsMP-DC/rpc/tcp"), None);
    // By its address.
    assert_eq!(of(scoped, "BKMK_PortsClient-SUP/http/tcp"), None);
    let own = audit(
        &site("[rpc]\ndynamic = [\"50000-50100\"]\n"),
        Proofs::default(),
        &[],
    );
    let ranges = own
        .rules
        .iter()
        .filter(|rule| rule.id.starts_with("bkmk_discovery/rpc/"));
    let mut ranges = ranges.filter(|rule| rule.hindrance == Some(Hindrance::Closed));
    assert!(ranges.next().is_some_and(|rule| rule.ports.is_empty()));
    let rpc = own
        .rules
        .iter()
        .find(|rule| rule.id == "BKMK_PortsMP-DC/rpc/tcp");
    assert_eq!(rpc.map(|rule| &*rule.ports), Some(&[(50_000, 50_100)][..]));
}

#[test]
fn icmp_errors_are_worse_than_a_reset_and_better_than_silence() {
    let id = "BKMK_PortsClient-MP/client-notification";
    let silent = unanswered(tcp("10.1.0.7:50000", "10.0.0.11:10123"));
    let unreachable = Flow {
        state: State::Unreachable,
        icmp_error: Some(IcmpErrorSeen {
            first: at(10),
            sender: "10.0.0.1".parse().unwrap(),
            ttl: 254,
            kind: 3,
            code: 13,
            unreachable: true,
            count: 1,
        }),
        ..silent
    };
    let failed = |cause| (RequirementState::Failed, Some(cause));
    let both = [silent, unreachable];
    assert_eq!(state(MP, &both, id), failed(RequirementCause::Unreachable));
    let audited = audit(&site(MP), Proofs::default(), &both);
    let told = requirement(&audited, id).explanation;
    assert!(told.contains("came from 10.0.0.1 with TTL 254"), "{told}");
    let all = [silent, unreachable, refused(silent)];
    assert_eq!(state(MP, &all, id), failed(RequirementCause::Refused));
    // A try in mid-stream, of which one side was seen, tells more than any of them.
    let one_sided = Flow {
        state: State::MidStream,
        ..silent
    };
    let audited = audit(&site(MP), Proofs::default(), &[refused(silent), one_sided]);
    let told = requirement(&audited, id).explanation;
    assert!(told.contains("only one side"), "{told}");
}

#[test]
fn any_port_of_a_choice_and_the_other_service_of_a_pair_satisfy() {
    let wsus = "[require]\nrules = [\"BKMK_PortsClient-SUP\"]\n";
    for port in [80, 8530, 443, 8531] {
        let seen = [tcp("10.1.0.7:50000", &format!("10.0.0.14:{port}"))];
        for service in ["http", "https"] {
            let id = format!("BKMK_PortsClient-SUP/{service}");
            assert_eq!(
                state(wsus, &seen, &id).0,
                RequirementState::Satisfied,
                "{port}"
            );
        }
    }
    let directory = "[require]\nrules = [\"BKMK_PortsMP-DC\"]\n";
    let ldaps = [tcp("10.0.0.11:50000", "10.0.0.13:636")];
    let of = |service: &str| state(directory, &ldaps, &format!("BKMK_PortsMP-DC/{service}")).0;
    assert_eq!(of("ldaps"), RequirementState::Satisfied);
    assert_eq!(of("ldap"), RequirementState::Satisfied);
    assert_eq!(of("global-catalog-ldap"), RequirementState::Missing);
}

#[test]
fn any_protocol_of_a_service_satisfies() {
    let more = "[require]\nrules = [\"BKMK_PortsMP-DC/ldap\"]\n";
    let datagram = [udp("10.0.0.11:50000", "10.0.0.13:389")];
    let id = "BKMK_PortsMP-DC/ldap";
    assert_eq!(state(more, &datagram, id).0, RequirementState::Satisfied);
}

#[test]
fn the_addresses_of_a_machine_are_one_host() {
    let more = "[require]\nrules = [\"BKMK_PortsMP-DC/ldap\"]\nper-host = true\n";
    let loaded = site(more);
    let hosts = |flows: &[Flow]| {
        let audited = audit(&loaded, Proofs::default(), flows);
        let entries = audited.requirements.iter();
        entries
            .map(|entry| (entry.host.clone().unwrap_or_default(), entry.state))
            .collect::<Vec<_>>()
    };
    let mp = "10.0.0.11".to_owned();
    assert_eq!(hosts(&[]), [(mp.clone(), RequirementState::Missing)]);
    let asked = tcp("[2001:db8::11]:50000", "10.0.0.13:389");
    assert_eq!(hosts(&[asked]), [(mp, RequirementState::Satisfied)]);
}

#[test]
fn rules_that_share_an_id_are_required_by_what_they_share() {
    let section =
        "ports-that-are-used-with-manual-installation-and-logon-script-based-installation";
    let more = format!("[require]\nrules = [\"{section}/smb/tcp\"]\n");
    let audited = audit(&site(&more), Proofs::default(), &[]);
    let entry = requirement(&audited, &format!("{section}/smb"));
    assert_eq!(entry.rules.len(), 2);
}

#[test]
fn a_broadcast_uses_only_rules_whose_responder_there_is() {
    let users = |roles: &str, flow: Flow| {
        let toml =
            format!("version = 1\nname = \"test\"\n[roles]\n{roles}client = [\"10.1.0.0/16\"]\n");
        let source = Source::new("site.toml", toml);
        let loaded = Site::read(&source, Path::new("")).expect("a site file");
        let audited = audit(&loaded, Proofs::default(), &[flow]);
        assert_eq!(audited.totals.expected, 1);
        let used = audited.rules.iter().filter(|rule| rule.flows > 0);
        let responders: BTreeSet<_> = used.map(|rule| rule.responder.clone()).collect();
        Vec::from_iter(responders)
    };
    let discover = || unanswered(udp("0.0.0.0:68", "255.255.255.255:67"));
    let controller = "domain-controller = [\"10.0.0.13\"]\n";
    let pxe = "distribution-point-pxe = [\"10.0.0.12\"]\n";
    let server = "windows-server = [\"10.0.0.18\"]\n";
    assert_eq!(users(controller, discover()), ["domain-controller"]);
    assert_eq!(
        users(&[controller, pxe].concat(), discover()),
        ["distribution-point-pxe", "domain-controller"]
    );
    assert_eq!(users(server, discover()), ["windows-server"]);
    // Nobody holds any of them: then there is no telling which it was.
    assert!(users("", discover()).len() > 1);
    // A server answers for itself.
    let offer = udp("10.0.0.18:67", "255.255.255.255:68");
    assert_eq!(
        users(&[controller, server].concat(), offer),
        ["windows-server"]
    );
}
