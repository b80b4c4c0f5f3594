//! Scenarios, step by step.

use super::*;
use crate::evidence::{Boot, BootStep, BootStepKind};

/// A boot with a hardware address, addresses and steps, one second apart.
pub(super) fn boot(addresses: &[&str], steps: &[BootStepKind]) -> Boot {
    let steps: Vec<_> = (1_i64..)
        .zip(steps)
        .map(|(second, kind)| BootStep {
            kind: *kind,
            at: at(second),
        })
        .collect();
    Boot {
        client_mac: Some([2, 0, 0, 0, 0, 7]),
        client_addresses: addresses
            .iter()
            .map(|address| address.parse().expect("an address"))
            .collect(),
        architecture: Some(7),
        machine_identifier: None,
        http: false,
        ipxe: false,
        boot_server: None,
        boot_file: None,
        questions: Vec::new(),
        answers: Vec::new(),
        relays: Vec::new(),
        reads: Vec::new(),
        first: at(1),
        last: at(1).time,
        steps,
    }
}

/// The boot with these transfers.
pub(super) fn read_places(boot: Boot, places: &[usize]) -> Boot {
    Boot {
        reads: places.to_vec(),
        ..boot
    }
}

const DHCP: [BootStepKind; 4] = [
    BootStepKind::DhcpDiscover,
    BootStepKind::DhcpOffer,
    BootStepKind::BootOffer,
    BootStepKind::DhcpAck,
];
const PXE: &str = "[require]\nscenarios = [\"pxe-boot\"]\n";

type Steps = Vec<(String, RequirementState, Option<RequirementCause>)>;

fn steps(boots: &[Boot], transfers: &[Transfer]) -> (Steps, Audit) {
    let all: Vec<_> = (0..transfers.len()).collect();
    let reading = boots.iter().map(|boot| read_places(boot.clone(), &all));
    let boots = &reading.collect::<Vec<_>>()[..];
    let proofs = Proofs {
        tftp: transfers,
        pxe: boots,
        ..Proofs::default()
    };
    let audited = audit(&site(PXE), proofs, &[]);
    let steps = audited
        .requirements
        .iter()
        .map(|entry| (entry.step.clone().unwrap(), entry.state, entry.cause))
        .collect();
    (steps, audited)
}

fn last(steps: &Steps) -> (RequirementState, Option<RequirementCause>) {
    let (name, state, cause) = steps.last().unwrap();
    assert_eq!(name, "tftp-transfer");
    (*state, *cause)
}

#[test]
fn a_boot_that_works() {
    let file = read_request(
        "10.1.0.7:2070",
        "10.0.0.12:61234",
        "boot.wim",
        TransferOutcome::Complete,
    );
    let (steps, audited) = steps(&[boot(&["10.1.0.7"], &DHCP)], &[file]);
    for (name, state, _) in &steps {
        let wanted = match name.as_str() {
            "binl" => RequirementState::NotApplicable,
            _ => RequirementState::Satisfied,
        };
        assert_eq!(*state, wanted, "{name}");
    }
    let host = audited.requirements[0].host.as_deref();
    assert_eq!(host, Some("02:00:00:00:00:07"));
    assert_eq!(audited.pxe[0].first_missing_step, None);
}

#[test]
fn a_transfer_that_never_starts() {
    let request = read_request(
        "10.1.0.7:2070",
        "10.0.0.12:69",
        "boot.wim",
        TransferOutcome::Unanswered,
    );
    let (steps, audited) = steps(&[boot(&["10.1.0.7"], &DHCP)], &[request]);
    assert_eq!(
        last(&steps),
        (
            RequirementState::Failed,
            Some(RequirementCause::TftpUnanswered)
        )
    );
    let told = &audited.requirements.last().unwrap().explanation;
    assert!(told.contains("usual causes: "), "{told}");
    assert_eq!(
        audited.pxe[0].first_missing_step.as_deref(),
        Some("tftp-transfer")
    );
}

#[test]
fn the_first_missing_step_is_the_only_finding() {
    let (steps, _) = steps(&[boot(&["10.1.0.7"], &DHCP[..2])], &[]);
    let states: Vec<_> = steps.iter().map(|(_, state, _)| *state).collect();
    use RequirementState::{Missing, NotApplicable, NotReached, Satisfied};
    assert_eq!(
        states,
        [
            Satisfied,
            Satisfied,
            Missing,
            NotReached,
            NotApplicable,
            NotReached,
            NotReached
        ]
    );
}

#[test]
fn a_refused_address() {
    let mut kinds = DHCP.to_vec();
    kinds[3] = BootStepKind::DhcpNak;
    let (steps, _) = steps(&[boot(&[], &kinds)], &[]);
    let ack = steps.iter().find(|(name, ..)| name == "dhcp-ack").unwrap();
    assert_eq!(
        (ack.1, ack.2),
        (
            RequirementState::Failed,
            Some(RequirementCause::DhcpRefused)
        )
    );
}

#[test]
fn files_that_do_not_exist_are_normal_before_the_one_that_does() {
    let missing = |second, name| Transfer {
        error: Some((1, Text::from(&b"not found"[..]))),
        first: at(second),
        ..read_request(
            "10.1.0.7:2070",
            "10.0.0.12:61234",
            name,
            TransferOutcome::Error,
        )
    };
    let found = Transfer {
        first: at(5),
        ..read_request(
            "10.1.0.7:2071",
            "10.0.0.12:61235",
            "d",
            TransferOutcome::Complete,
        )
    };
    let boots = [boot(&["10.1.0.7"], &DHCP)];
    let (satisfied, _) = steps(&boots, &[missing(3, "a"), missing(4, "b"), found.clone()]);
    assert_eq!(last(&satisfied), (RequirementState::Satisfied, None));
    let (failed, _) = steps(&boots, &[found, missing(6, "a")]);
    assert_eq!(
        last(&failed),
        (RequirementState::Failed, Some(RequirementCause::TftpError))
    );
    let (failed, _) = steps(&boots, &[missing(6, "a")]);
    assert_eq!(last(&failed).0, RequirementState::Failed);
}

#[test]
fn http_boot_needs_no_tftp() {
    let http = Boot {
        http: true,
        ..boot(&["10.1.0.7"], &DHCP)
    };
    let (steps, _) = steps(&[http], &[]);
    assert_eq!(last(&steps), (RequirementState::NotApplicable, None));
}

#[test]
fn requests_without_dhcp_say_that_it_was_not_captured() {
    let without = Boot {
        client_mac: None,
        ..boot(&["10.1.0.7"], &[BootStepKind::TftpRequest])
    };
    let file = read_request(
        "10.1.0.7:2070",
        "10.0.0.12:61234",
        "boot.wim",
        TransferOutcome::Complete,
    );
    let (steps, _) = steps(&[without], &[file]);
    assert_eq!(steps[0].1, RequirementState::NotObservable);
    assert_eq!(last(&steps), (RequirementState::Satisfied, None));
}

#[test]
fn nobody_boots() {
    let (steps, audited) = steps(&[], &[]);
    assert_eq!(steps[0].1, RequirementState::Missing);
    assert_eq!(last(&steps), (RequirementState::NotReached, None));
    assert!(
        audited
            .requirements
            .iter()
            .all(|entry| entry.host.is_none())
    );
}

const PUSH: &str = "[require]\nscenarios = [\"client-push\"]\n";

#[test]
fn client_push_is_triggered_by_the_site_server() {
    let flows = [
        tcp("10.0.0.10:50000", "10.1.0.7:445"),
        seen_at(12, tcp("10.0.0.10:50001", "10.1.0.7:135")),
        seen_at(13, unanswered(tcp("10.0.0.10:50002", "10.1.0.7:49700"))),
    ];
    let audited = audit(&site(PUSH), Proofs::default(), &flows);
    let found: Vec<_> = audited
        .requirements
        .iter()
        .map(|entry| (entry.id.as_str(), entry.host.as_deref(), entry.state))
        .collect();
    let host = Some("10.1.0.7");
    assert_eq!(
        found,
        [
            (
                "client-push/icmp-echo",
                host,
                RequirementState::NotApplicable
            ),
            ("client-push/smb", host, RequirementState::Satisfied),
            (
                "client-push/rpc-endpoint-mapper",
                host,
                RequirementState::Satisfied
            ),
            ("client-push/rpc", host, RequirementState::Failed),
            (
                "client-push/management-point",
                host,
                RequirementState::NotReached
            ),
        ]
    );
}

#[test]
fn an_optional_step_that_failed_has_no_cause() {
    let echo = unanswered(flow(Protocol::IcmpEcho, "10.0.0.10", "10.1.0.7"));
    let flows = [echo, seen_at(12, tcp("10.0.0.10:50000", "10.1.0.7:445"))];
    let audited = audit(&site(PUSH), Proofs::default(), &flows);
    let step = &audited.requirements[0];
    assert_eq!(step.id, "client-push/icmp-echo");
    assert_eq!(step.first, Some(echo.first.time));
    assert_eq!(
        (step.state, step.cause),
        (RequirementState::NotApplicable, None)
    );
}

#[test]
fn a_site_system_that_is_a_client_too_is_not_pushed_to() {
    let text = ROLES.replace("\"10.1.0.0/16\"", "\"10.1.0.0/16\", \"@management-point\"");
    let source = Source::new("site.toml", format!("{text}\n{PUSH}"));
    let loaded = Site::read(&source, Path::new("")).unwrap();
    let control = tcp("10.0.0.10:50000", "10.0.0.11:445");
    let audited = audit(&loaded, Proofs::default(), &[control]);
    assert!(
        audited
            .requirements
            .iter()
            .all(|entry| entry.host.is_none())
    );
}

#[test]
fn causes_are_told_for_ways_of_failing_that_exist() {
    let policy = crate::policy::Policy::builtin(None).expect("the catalogue has no errors");
    let steps = policy.scenarios.iter().flat_map(|scenario| &scenario.steps);
    let ways: Vec<_> = steps.flat_map(|step| &step.causes_when).collect();
    assert!(!ways.is_empty());
    for (how, causes) in ways {
        let mut causes_known = crate::verdict::RequirementCause::ALL.iter();
        let known = causes_known.any(|cause| cause.code() == how)
            || crate::verdict::boot::WAYS_TO_FAIL.contains(&how.as_str());
        assert!(known && !causes.is_empty(), "{how}");
    }
}

/// State and explanation of a step for a host.
fn step_of(audited: &Audit, id: &str, host: &str) -> (RequirementState, String) {
    let found = audited
        .requirements
        .iter()
        .find(|entry| entry.id == id && entry.host.as_deref() == Some(host));
    let found = found.unwrap_or_else(|| panic!("{id} of {host}: {:#?}", audited.requirements));
    (found.state, found.explanation.clone())
}

fn loaded(roles: &str, required: &str) -> LoadedSite {
    let text = format!("version = 1\n[roles]\n{roles}\n[require]\nscenarios = [\"{required}\"]\n");
    let source = Source::new("site.toml", text);
    Site::read(&source, Path::new("")).unwrap_or_else(|found| panic!("{found:?}"))
}

#[test]
fn what_a_client_did_before_the_push_is_no_success_of_it() {
    let push = [
        seen_at(20, tcp("10.0.0.10:50000", "10.1.0.7:445")),
        seen_at(21, tcp("10.0.0.10:50001", "10.1.0.7:135")),
        seen_at(22, tcp("10.0.0.10:50002", "10.1.0.7:49700")),
    ];
    let contact = |second| seen_at(second, tcp("10.1.0.7:50000", "10.0.0.11:443"));
    let of = |more: &[Flow]| {
        let flows: Vec<Flow> = push.iter().chain(more).copied().collect();
        let audited = audit(&site(PUSH), Proofs::default(), &flows);
        step_of(&audited, "client-push/management-point", "10.1.0.7")
    };
    let (before, told) = of(&[contact(5)]);
    assert_eq!(before, RequirementState::Missing);
    assert!(
        told.contains("what was seen before does not count"),
        "{told}"
    );
    assert_eq!(of(&[contact(30)]).0, RequirementState::Satisfied);
    // The first and the last of several are looked at, whatever came of them.
    let refused = Flow {
        state: State::Refused,
        handshake_completed: false,
        ..contact(30)
    };
    assert_eq!(of(&[contact(5), refused]).0, RequirementState::Failed);
    assert_eq!(
        of(&[contact(5), refused, contact(31)]).0,
        RequirementState::Satisfied
    );
}

#[test]
fn a_source_server_makes_up_for_the_management_point() {
    let roles = "client = [\"10.1.0.7\"]\nmanagement-point = [\"10.0.0.11\"]\n\
                 source-server = [\"10.0.0.30\"]\n";
    let loaded = loaded(roles, "client-install-manual");
    let of = |flows: &[Flow]| {
        let audited = audit(&loaded, Proofs::default(), flows);
        step_of(
            &audited,
            "client-install-manual/management-point",
            "10.1.0.7",
        )
        .0
    };
    let source = tcp("10.1.0.7:50000", "10.0.0.30:445");
    assert_eq!(of(&[]), RequirementState::Missing);
    assert_eq!(of(&[source]), RequirementState::NotApplicable);
    assert_eq!(of(&[unanswered(source)]), RequirementState::Missing);
    let direct = tcp("10.1.0.7:50001", "10.0.0.11:80");
    assert_eq!(of(&[source, direct]), RequirementState::Satisfied);
}

const SYSTEMS: &str = "site-server = [\"10.0.0.10\"]\nmanagement-point = [\"10.0.0.11\"]\n\
    distribution-point-pxe = [\"10.0.0.12\"]\nsoftware-update-point = [\"10.0.0.14\"]\n\
    sql-server = [\"10.0.0.11\"]\nclient = [\"@management-point\"]\n";

#[test]
fn every_site_system_is_judged_by_its_own_sections() {
    let loaded = loaded(SYSTEMS, "site-system-install");
    let audited = audit(&loaded, Proofs::default(), &[]);
    let of =
        |step: &str, host: &str| step_of(&audited, &format!("site-system-install/{step}"), host).0;
    // One that holds other roles too, and one whose role implies the one that is named.
    for host in ["10.0.0.11", "10.0.0.12"] {
        assert_eq!(of("smb", host), RequirementState::Missing);
        assert_eq!(of("rpc", host), RequirementState::NotReached);
    }
    assert_eq!(of("smb", "10.0.0.14"), RequirementState::Missing);
    // Its section has no RPC.
    assert_eq!(of("rpc", "10.0.0.14"), RequirementState::NotApplicable);
}

#[test]
fn a_site_system_that_calls_home_does_not_install_itself() {
    let loaded = loaded(SYSTEMS, "site-system-install");
    let of = |flow: Flow| {
        let audited = audit(&loaded, Proofs::default(), &[flow]);
        step_of(&audited, "site-system-install/smb", "10.0.0.11").0
    };
    let home = tcp("10.0.0.11:50000", "10.0.0.10:445");
    assert_eq!(of(home), RequirementState::Missing);
    let installing = tcp("10.0.0.10:50000", "10.0.0.11:445");
    assert_eq!(of(installing), RequirementState::Satisfied);
}

#[test]
fn steps_of_several_clients_do_not_make_up_one_run() {
    let loaded = loaded(
        "client = [\"10.1.0.0/16\"]\nmanagement-point = [\"10.0.0.11\"]\n",
        "client-policy",
    );
    let notified = tcp("10.1.0.7:50000", "10.0.0.11:10123");
    let policy = tcp("10.1.0.8:50000", "10.0.0.11:443");
    let audited = audit(&loaded, Proofs::default(), &[notified, policy]);
    let found: Vec<_> = audited
        .requirements
        .iter()
        .map(|entry| (entry.host.as_deref(), entry.state))
        .collect();
    // The second got further: it has the fallback, the first has no policy at all.
    assert_eq!(
        found,
        [
            (None, RequirementState::Satisfied),
            (None, RequirementState::Degraded)
        ]
    );
}

#[test]
fn an_unobservable_step_holds_nothing_up() {
    // The site server stands on the clients' side of the capture, the management point does not.
    let more = format!("[vantage]\ninside = [\"10.1.0.0/16\", \"10.0.0.10\"]\n{PUSH}");
    let loaded = site(&more);
    let of = |flows: &[Flow]| {
        let audited = audit(&loaded, Proofs::default(), flows);
        let of_push = |entry: &&Requirement| entry.scenario.as_deref() == Some("client-push");
        let entries = audited.requirements.iter().filter(of_push);
        entries.map(|entry| entry.state).collect::<Vec<_>>()
    };
    use RequirementState::{Failed, Missing, NotObservable, Satisfied};
    let hidden = [NotObservable; 4];
    let contact = seen_at(30, tcp("10.1.0.7:50000", "10.0.0.11:443"));
    // Nobody knows when the push was: every contact counts.
    for (flows, last) in [
        (vec![], Missing),
        (vec![unanswered(contact)], Failed),
        (vec![contact], Satisfied),
    ] {
        assert_eq!(of(&flows), [&hidden[..], &[last]].concat());
    }
}

#[test]
fn every_step_of_the_catalogue_finds_its_rules_in_every_edition() {
    for edition in ["2017-09", "2018-09", "2020-04"] {
        let policy = crate::policy::Policy::builtin(Some(edition)).expect("it is an edition");
        for scenario in &policy.scenarios {
            for step in &scenario.steps {
                assert!(!step.rules.is_empty(), "{edition}: {}", step.name);
                assert!(!step.causes.is_empty(), "{edition}: {}", step.name);
            }
        }
    }
}
