//! Network boots: several runs of one machine, and what a capture leaves open.

use super::scenarios::{boot, read_places};
use super::*;
use crate::evidence::{
    Boot, BootAnswer, BootAnswerKind, BootQuestion, BootQuestionKind, BootStepKind,
};

use BootStepKind::{BootOffer, DhcpAck, DhcpDiscover, DhcpNak, DhcpOffer, TftpRequest};
use RequirementState::{Failed, Missing, NotApplicable, NotObservable, NotReached, Satisfied};

const PXE: &str = "[require]\nscenarios = [\"pxe-boot\"]\n";
const DHCP: [BootStepKind; 4] = [DhcpDiscover, DhcpOffer, BootOffer, DhcpAck];

fn judged(boots: &[Boot], transfers: &[Transfer]) -> Audit {
    let proofs = Proofs {
        tftp: transfers,
        pxe: boots,
        ..Proofs::default()
    };
    audit(&site(PXE), proofs, &[])
}

fn states(audited: &Audit) -> Vec<RequirementState> {
    let entries = audited.requirements.iter();
    entries.map(|entry| entry.state).collect()
}

fn entry<'a>(audited: &'a Audit, step: &str) -> &'a Requirement {
    let mut entries = audited.requirements.iter();
    entries
        .find(|entry| entry.step.as_deref() == Some(step))
        .expect("a step of the scenario")
}

fn read(second: i64, outcome: TransferOutcome) -> Transfer {
    Transfer {
        first: at(second),
        ..read_request("10.1.0.7:2070", "10.0.0.12:61234", "boot.wim", outcome)
    }
}

fn asked(kind: BootQuestionKind, server: Option<&str>) -> BootQuestion {
    BootQuestion {
        kind,
        server: server.map(|server| server.parse().unwrap()),
        address: None,
        round: 1,
        at: at(1),
    }
}

fn answer(kind: BootAnswerKind, server: &str, second: i64) -> BootAnswer {
    let server = server.parse().unwrap();
    BootAnswer {
        kind,
        server,
        identifier: Some(server),
        sender: server,
        relay: None,
        address: None,
        pxe_client: false,
        http_client: false,
        names_boot: false,
        boot_server: None,
        boot_server_name: None,
        boot_server_in: None,
        boot_file: None,
        boot_file_in: None,
        pxe: None,
        round: 1,
        at: at(second),
    }
}

#[test]
fn any_whole_run_satisfies() {
    let transfers = [
        read(6, TransferOutcome::Complete),
        read(16, TransferOutcome::Stalled),
    ];
    let steps = [&DHCP[..], &[TftpRequest]].concat();
    let run = |reads: &[usize]| read_places(boot(&["10.1.0.7"], &steps), reads);
    for runs in [[run(&[0]), run(&[1])], [run(&[1]), run(&[0])]] {
        let audited = judged(&runs, &transfers);
        assert_eq!(audited.requirements.len(), 7, "one entry a step");
        assert_eq!(entry(&audited, "tftp-transfer").state, Satisfied);
        let missing: Vec<_> = audited
            .pxe
            .iter()
            .filter(|run| run.first_missing_step.is_some())
            .collect();
        assert_eq!(missing.len(), 1, "the report still lists the other run");
    }
}

#[test]
fn else_the_furthest_run_counts() {
    let transfers = [read(6, TransferOutcome::Stalled)];
    let steps = [&DHCP[..], &[TftpRequest]].concat();
    let runs = [
        boot(&["10.1.0.7"], &[DhcpDiscover]),
        read_places(boot(&["10.1.0.7"], &steps), &[0]),
        boot(&["10.1.0.7"], &DHCP[..2]),
    ];
    let audited = judged(&runs, &transfers);
    assert_eq!(
        states(&audited),
        [
            Satisfied,
            Satisfied,
            Satisfied,
            Satisfied,
            NotApplicable,
            Satisfied,
            Failed
        ]
    );
}

#[test]
fn of_runs_that_got_as_far_the_last_counts() {
    let later = Boot {
        steps: boot(&[], &DHCP[..2])
            .steps
            .iter()
            .map(|step| crate::evidence::BootStep {
                at: at(500),
                ..*step
            })
            .collect(),
        ..boot(&["10.1.0.7"], &[])
    };
    let audited = judged(&[boot(&["10.1.0.7"], &DHCP[..2]), later], &[]);
    let offer = entry(&audited, "dhcp-offer");
    assert_eq!(offer.first, Some(at(500).time));
    assert_eq!(entry(&audited, "boot-offer").state, Missing);
}

#[test]
fn a_machine_that_turns_to_http_is_satisfied_by_it() {
    let pxe = boot(&["10.1.0.7"], &DHCP[..2]);
    let http = Boot {
        http: true,
        ..boot(&["10.1.0.7"], &DHCP)
    };
    for runs in [[pxe.clone(), http.clone()], [http, pxe]] {
        let audited = judged(&runs, &[]);
        assert_eq!(entry(&audited, "boot-offer").state, Satisfied);
        assert_eq!(entry(&audited, "tftp-transfer").state, NotApplicable);
    }
}

#[test]
fn ipxe_that_is_given_a_url_needs_no_tftp() {
    let named = |file: &[u8], ipxe| Boot {
        ipxe,
        boot_file: Some(Text::from(file)),
        ..boot(&["10.1.0.7"], &DHCP)
    };
    let cases: [(&[u8], bool, RequirementState); 3] = [
        (b"HTTP://10.0.0.12/a.ipxe", true, NotApplicable),
        (b"a.ipxe", true, Missing),
        // Firmware that knows only TFTP can't take it.
        (b"http://10.0.0.12/a.ipxe", false, Missing),
    ];
    for (file, ipxe, state) in cases {
        let audited = judged(&[named(file, ipxe)], &[]);
        assert_eq!(entry(&audited, "tftp-request").state, state);
    }
}

#[test]
fn a_step_that_the_machine_went_past_is_not_missing() {
    let transfers = [read(6, TransferOutcome::Complete)];
    let seen = [DhcpDiscover, BootOffer, TftpRequest];
    let run = read_places(boot(&["10.1.0.7"], &seen), &[0]);
    let audited = judged(&[run], &transfers);
    assert_eq!(
        states(&audited),
        [
            Satisfied,
            NotObservable,
            Satisfied,
            NotObservable,
            NotApplicable,
            Satisfied,
            Satisfied
        ]
    );
    let told = &entry(&audited, "dhcp-ack").explanation;
    assert!(told.contains("went past it to `tftp-request`"), "{told}");
    assert_eq!(audited.pxe[0].first_missing_step, None);
    // An address alone leads to no boot server.
    let audited = judged(
        &[boot(&["10.1.0.7"], &[DhcpDiscover, DhcpOffer, DhcpAck])],
        &[],
    );
    assert_eq!(entry(&audited, "boot-offer").state, Missing);
    assert_eq!(entry(&audited, "tftp-request").state, NotReached);
}

#[test]
fn what_is_missing_says_who_was_asked() {
    let unanswered = Boot {
        questions: vec![asked(BootQuestionKind::Binl, Some("10.0.0.13"))],
        ..boot(&["10.1.0.7"], &DHCP)
    };
    let audited = judged(std::slice::from_ref(&unanswered), &[]);
    let told = &entry(&audited, "tftp-request").explanation;
    assert!(
        told.starts_with("the machine asked 10.0.0.13 on port 4011, which did not answer"),
        "{told}"
    );
    let binl = entry(&audited, "binl");
    assert_eq!(binl.state, NotApplicable);
    let wanted = "the machine asked 10.0.0.13 on port 4011, which did not answer; the step is";
    assert!(binl.explanation.starts_with(wanted), "{}", binl.explanation);
    assert_eq!(
        (binl.first, &binl.frames[..]),
        (Some(at(1).time), &[at(1)][..])
    );
    // The answer comes from the address asked, whatever server it names.
    let answered = Boot {
        answers: vec![BootAnswer {
            server: "10.0.0.99".parse().unwrap(),
            ..answer(BootAnswerKind::BinlAck, "10.0.0.13", 5)
        }],
        ..unanswered
    };
    assert_eq!(answered.unanswered_binl().count(), 0);

    let requested = Boot {
        questions: vec![asked(BootQuestionKind::Request, Some("10.0.0.20"))],
        ..boot(&["10.1.0.7"], &DHCP[..3])
    };
    let audited = judged(&[requested], &[]);
    let told = &entry(&audited, "dhcp-ack").explanation;
    assert!(
        told.starts_with("the machine asked 10.0.0.20, which did not answer"),
        "{told}"
    );
}

#[test]
fn a_refusal_names_the_server() {
    let refused = Boot {
        answers: vec![answer(BootAnswerKind::Nak, "10.0.0.20", 4)],
        ..boot(&[], &[DhcpDiscover, DhcpOffer, BootOffer, DhcpNak])
    };
    let audited = judged(&[refused], &[]);
    let ack = entry(&audited, "dhcp-ack");
    assert_eq!(
        (ack.state, ack.cause),
        (Failed, Some(RequirementCause::DhcpRefused))
    );
    assert!(
        ack.explanation.contains(", by 10.0.0.20"),
        "{}",
        ack.explanation
    );
}
