//! The last step of a network boot: what its TFTP reads came to, and when it is judged.

use super::scenarios::{boot, read_places};
use super::*;
use crate::evidence::{Boot, BootStepKind, RefusedTransfer, TransferCourse, TransferEnd};
use crate::flow::IcmpErrorSeen;
use crate::observation::Window;

use RequirementState::{Failed, Missing, Satisfied};

const PXE: &str = "[require]\nscenarios = [\"pxe-boot\"]\n";
const STEPS: [BootStepKind; 5] = [
    BootStepKind::DhcpDiscover,
    BootStepKind::DhcpOffer,
    BootStepKind::BootOffer,
    BootStepKind::DhcpAck,
    BootStepKind::TftpRequest,
];

fn read(second: i64, file: &str, outcome: TransferOutcome) -> Transfer {
    Transfer {
        first: at(second),
        last: at(second + 1).time,
        frames: vec![at(second), at(second + 1)],
        ..read_request("10.1.0.7:2070", "10.0.0.12:61234", file, outcome)
    }
}

fn error(second: i64, file: &str, from: TransferEnd, code: u16, text: &str) -> Transfer {
    let read = read(second, file, TransferOutcome::Error);
    Transfer {
        error: Some((code, Text::from(text.as_bytes()))),
        course: TransferCourse {
            error_from: Some(from),
            ..read.course.clone()
        },
        ..read
    }
}

fn within(boots: &[Boot], transfers: &[Transfer], window: Window) -> Audit {
    let proofs = Proofs {
        tftp: transfers,
        pxe: boots,
        window,
        ..Proofs::default()
    };
    audit(&site(PXE), proofs, &[])
}

/// The last step of a boot with these reads.
fn transfer_step(transfers: &[Transfer]) -> Requirement {
    let places: Vec<usize> = (0..transfers.len()).collect();
    let run = read_places(boot(&["10.1.0.7"], &STEPS), &places);
    let mut audited = within(&[run], transfers, Window::default());
    let last = audited.requirements.pop().expect("seven steps");
    assert_eq!(last.step.as_deref(), Some("tftp-transfer"));
    last
}

#[test]
fn a_probe_after_the_file_spoils_nothing() {
    let reads = [
        error(5, "x", TransferEnd::Server, 1, "File not found"),
        read(7, "a", TransferOutcome::Complete),
        read(9, "a", TransferOutcome::Aborted),
    ];
    let last = transfer_step(&reads);
    assert_eq!(last.state, Satisfied);
    // It points at where the file was there, not at where it was asked for.
    assert_eq!(last.frames, [at(8)]);
    assert_eq!(transfer_step(&reads[..1]).state, Failed);
}

#[test]
fn probes_alone_are_told_as_such() {
    let last = transfer_step(&[read(5, "a", TransferOutcome::Aborted)]);
    assert_eq!(last.state, Satisfied);
    let told = last.explanation;
    assert!(told.starts_with("only the sizes of files"), "{told}");
}

#[test]
fn a_failure_names_the_file_the_server_and_the_error() {
    let last = transfer_step(&[error(5, "x", TransferEnd::Server, 1, "File not found")]);
    let told = &last.explanation;
    let wanted = "`x` from 10.0.0.12: error 1 File not found (from the server); usual causes: ";
    assert!(told.starts_with(wanted), "{told}");
    let last = transfer_step(&[error(5, "x", TransferEnd::Client, 0, "")]);
    let told = &last.explanation;
    let wanted = "`x` from 10.0.0.12: error 0 (from the machine); usual causes: the machine has";
    assert!(told.starts_with(wanted), "{told}");
    let last = transfer_step(&[read(5, "x", TransferOutcome::Unanswered)]);
    let told = &last.explanation;
    let wanted = "`x` from 10.0.0.12: the TFTP request was never answered; ";
    assert!(told.starts_with(wanted), "{told}");
}

#[test]
fn what_was_refused_tells_why() {
    let refused = |outcome, sent_by, server_packets, blocks: Option<u64>| {
        let read = read(5, "a", outcome);
        let error = IcmpErrorSeen {
            first: at(6),
            sender: "10.0.0.1".parse().unwrap(),
            ttl: 64,
            kind: 3,
            code: 3,
            unreachable: true,
            count: 1,
        };
        let course = TransferCourse {
            server_packets,
            sent: blocks,
            acknowledged: blocks,
            refused: Some(RefusedTransfer { sent_by, error }),
            ..read.course.clone()
        };
        transfer_step(&[Transfer { course, ..read }])
    };
    use TransferEnd::{Client, Server};
    use TransferOutcome::{Stalled, Unreachable};
    let cases = [
        (Unreachable, Client, 0, None, "no TFTP server listens"),
        (Unreachable, Server, 1, None, "high ports are closed"),
        (
            Unreachable,
            Client,
            1,
            None,
            "rejects the server's high ports",
        ),
        (Stalled, Client, 9, Some(9), "the TFTP server stopped"),
    ];
    for (outcome, sent_by, packets, blocks, cause) in cases {
        let last = refused(outcome, sent_by, packets, blocks);
        let (what, causes) = last.explanation.split_once("; usual causes: ").unwrap();
        assert!(what.ends_with("refused, by ICMP from 10.0.0.1"), "{what}");
        assert!(causes.contains(cause), "{causes}");
        for (.., other) in cases.iter().filter(|(.., other)| *other != cause) {
            assert!(!causes.contains(other), "{causes}");
        }
    }
}

#[test]
fn a_server_that_goes_silent_is_told_from_other_ends_in_the_middle() {
    let read = read(5, "a", TransferOutcome::Stalled);
    let told = |is_resent| {
        let course = TransferCourse {
            server_packets: 9,
            sent: Some(9),
            acknowledged: Some(9),
            is_awaited: true,
            is_resent,
            ..read.course.clone()
        };
        let read = Transfer {
            course,
            ..read.clone()
        };
        transfer_step(&[read]).explanation
    };
    let silent = told(false);
    let wanted = "`a` from 10.0.0.12: block 9 came and no more, although the machine went on \
                  acknowledging it; usual causes: ";
    assert!(silent.starts_with(wanted), "{silent}");
    assert!(silent.contains("stops what the server sends"), "{silent}");
    let both = told(true);
    let wanted = "`a` from 10.0.0.12: it went well up to block 9, then nothing new came; usual \
                  causes: the machine or the TFTP server stopped";
    assert!(both.starts_with(wanted), "{both}");
}

#[test]
fn a_last_block_without_acknowledgment_finds_nothing() {
    let whole = read(5, "a", TransferOutcome::Complete);
    let unconfirmed = |is_awaited| {
        let read = read(6, "b", TransferOutcome::Stalled);
        let course = TransferCourse {
            is_all_sent: true,
            sent: Some(9),
            acknowledged: Some(8),
            is_awaited,
            ..read.course.clone()
        };
        transfer_step(&[whole.clone(), Transfer { course, ..read }])
    };
    let gone_on = unconfirmed(false);
    assert_eq!(gone_on.state, RequirementState::NotObservable);
    let wanted = "10.0.0.12 sent all of `b`, and the machine did not acknowledge the last block";
    assert!(
        gone_on.explanation.starts_with(wanted),
        "{}",
        gone_on.explanation
    );
    // Who waits for it did not get it.
    assert_eq!(unconfirmed(true).state, RequirementState::Failed);
}

#[test]
fn only_runs_in_the_time_judged_count() {
    let transfers = [
        read(6, "a", TransferOutcome::Complete),
        read(106, "a", TransferOutcome::Stalled),
    ];
    let run = |second, place| Boot {
        first: at(second),
        last: at(second + 7).time,
        ..read_places(boot(&["10.1.0.7"], &STEPS), &[place])
    };
    let boots = [run(1, 0), run(101, 1)];
    let state = |from: Option<i64>, to: Option<i64>| {
        let window = Window {
            from: from.map(|second| at(second).time),
            to: to.map(|second| at(second).time),
        };
        let audited = within(&boots, &transfers, window);
        assert_eq!(audited.pxe.len(), 2, "evidence is listed all the same");
        let last = audited.requirements.last().expect("seven steps");
        let first = audited.requirements.first().expect("seven steps");
        (first.state, last.state, first.host.is_some())
    };
    assert_eq!(state(None, None), (Satisfied, Satisfied, true));
    assert_eq!(state(Some(50), None), (Satisfied, Failed, true));
    assert_eq!(state(Some(108), None), (Satisfied, Failed, true));
    assert_eq!(state(None, Some(50)), (Satisfied, Satisfied, true));
    let none = (Missing, RequirementState::NotReached, false);
    assert_eq!(state(Some(50), Some(60)), none);
    assert_eq!(state(Some(109), None), none);
}

#[test]
fn a_machine_of_several_addresses_is_judged_once() {
    let hosts = "[hosts]\nmp1 = [\"10.0.0.11\", \"2001:db8::11\"]\n";
    let lists = "client = [\"10.1.0.0/16\"]";
    let text = ROLES
        .replace(lists, "client = [\"10.1.0.7\", \"10.1.0.8\"]")
        .replace(hosts, "[hosts]\npc = [\"10.1.0.7\", \"10.1.0.8\"]\n");
    let source = Source::new("site.toml", format!("{text}\n{PXE}"));
    let site = Site::read(&source, Path::new("")).unwrap_or_else(|found| panic!("{found:?}"));
    let hosts = |boots: &[Boot]| {
        let proofs = Proofs {
            pxe: boots,
            ..Proofs::default()
        };
        let audited = audit(&site, proofs, &[]);
        let hosts = audited.requirements.into_iter().map(|entry| entry.host);
        let mut hosts: Vec<_> = hosts.flatten().collect();
        hosts.dedup();
        hosts
    };
    assert_eq!(hosts(&[]), ["10.1.0.7"]);
    for address in ["10.1.0.7", "10.1.0.8"] {
        let run = boot(&[address], &STEPS[..4]);
        assert_eq!(hosts(&[run]), ["02:00:00:00:00:07"]);
    }
    let unnamed = |address: &str| Boot {
        client_mac: None,
        ..boot(&[address], &STEPS[4..])
    };
    assert_eq!(
        hosts(&[unnamed("10.1.0.8"), unnamed("10.1.0.7")]),
        ["10.1.0.8"]
    );
}
