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
        let known = crate::verdict::RequirementCause::ALL
            .iter()
            .any(|cause| cause.code() == how);
        assert!(known && !causes.is_empty(), "{how}");
    }
}
