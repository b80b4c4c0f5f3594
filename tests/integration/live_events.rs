//! What a live run tells of captures that come packet by packet: in the right order, nothing
//! twice, and in the end what the audit of the whole capture says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use portolan::config::Source;
use portolan::evidence::TransferOutcome;
use portolan::site::{LoadedSite, Site};
use portolan::verdict::{Audit, RequirementState};
use portolan::watch::events::{Event, EventKind, is_satisfied, line};

use crate::command::root;
use crate::support::boots::negotiated;
use crate::support::build::{Record, Tftp};
use crate::support::live::{records, replay, told};
use crate::support::shared::{LAB_SITE, shared};

/// As `--settle` has it where nothing else is said.
const SETTLE: Duration = Duration::from_secs(5);

fn site(name: &str, text: &str) -> LoadedSite {
    Site::read(&Source::new(name, text), Path::new("")).expect("the site has no errors")
}

fn fixture_site(name: &str) -> LoadedSite {
    let path = root().join("fixtures").join(name);
    site(
        name,
        &std::fs::read_to_string(path).expect("the fixture is there"),
    )
}

fn fixture(name: &str) -> Vec<Record> {
    records(&root().join("fixtures").join(name))
}

/// Tells the records and checks what must hold for any.
fn checked(site: &LoadedSite, records: &[Record], name: &str) -> (Vec<Event>, Audit) {
    let (events, audit) = told(site, records);
    let last = events.len() - 1;
    for (index, event) in events.iter().enumerate() {
        let code = event.kind.code();
        assert_eq!(code == "watch-begun", index == 0, "{name}");
        assert_eq!(code == "watch-ended", index == last, "{name}");
        assert!(!event.json().contains(char::is_control), "{name}");
        assert!(!line(event).contains(char::is_control), "{name}");
    }
    assert!(events.is_sorted_by_key(|event| event.elapsed), "{name}");
    steps_agree(&events, &audit, name);
    transfers_agree(&events, &audit, name);
    findings_agree(&events, &audit, name);
    (events, audit)
}

/// The last word on every requirement is how the audit has it.
fn steps_agree(events: &[Event], audit: &Audit, name: &str) {
    type Key<'a> = (&'a str, Option<&'a str>);
    type Word<'a> = (&'a str, &'a str, Option<&'a str>, &'a str);
    let mut last: BTreeMap<Key<'_>, Word<'_>> = BTreeMap::new();
    for event in events {
        let (step, host, word) = match &event.kind {
            EventKind::StepSatisfied(step)
            | EventKind::StepFailed(step)
            | EventKind::StepMissing(step)
            | EventKind::StepReopened(step) => {
                let word = (
                    event.kind.code(),
                    step.state.code(),
                    step.cause,
                    step.explanation.as_str(),
                );
                (&step.id, &step.host, word)
            }
            EventKind::StepWithdrawn(step) => {
                (&step.id, &step.host, (event.kind.code(), "", None, ""))
            }
            _ => continue,
        };
        let before = last.insert((step, host.as_deref()), word);
        assert_ne!(before, Some(word), "{name}: twice in a row");
    }
    for requirement in &audit.requirements {
        let word = last.remove(&(requirement.id.as_str(), requirement.host.as_deref()));
        let event = match requirement.state {
            RequirementState::Satisfied | RequirementState::Degraded => "step-satisfied",
            RequirementState::Failed => "step-failed",
            RequirementState::Missing => "step-missing",
            RequirementState::NotReached
            | RequirementState::NotObservable
            | RequirementState::NotApplicable => {
                let code = word.map_or("step-reopened", |(code, ..)| code);
                assert_eq!(code, "step-reopened", "{name} {}", requirement.id);
                continue;
            }
        };
        let cause = requirement.cause.map(|cause| cause.code());
        let explanation = match event {
            // What is seen is told once, in the words of that time.
            "step-satisfied" => word.map_or("", |(.., explanation)| explanation),
            _ => &requirement.explanation,
        };
        let expected = (event, requirement.state.code(), cause, explanation);
        assert_eq!(word, Some(expected), "{name} {}", requirement.id);
    }
    for (step, (code, ..)) in last {
        assert_eq!(code, "step-withdrawn", "{name} {step:?}");
    }
}

/// Every transfer begins once, and ends as the audit has it.
fn transfers_agree(events: &[Event], audit: &Audit, name: &str) {
    let mut begun: BTreeMap<String, u64> = BTreeMap::new();
    let mut ended: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for event in events {
        let key = |client: &portolan::report::model::Peer, file: &Option<String>| {
            format!("{}:{} {file:?}", client.address, client.port)
        };
        match &event.kind {
            EventKind::TransferBegun(transfer) => {
                *begun
                    .entry(key(&transfer.client, &transfer.file))
                    .or_default() += 1;
            }
            EventKind::TransferEnded(transfer) => {
                let key = key(&transfer.client, &transfer.file);
                assert!(
                    begun.contains_key(&key),
                    "{name}: {key} ended before it began"
                );
                ended.entry(key).or_default().push(transfer.outcome);
            }
            EventKind::TransferResumed(transfer) => {
                let key = key(&transfer.client, &transfer.file);
                let ends = ended.get_mut(&key).expect("it was told to have ended");
                ends.push(transfer.outcome);
            }
            _ => {}
        }
    }
    let transfers = audit.tftp.iter().map(|transfer| transfer.outcome);
    let joined = audit.tftp_joined.iter().map(|transfer| transfer.outcome);
    let outcomes: Vec<TransferOutcome> = transfers.chain(joined).collect();
    assert_eq!(begun.values().sum::<u64>(), outcomes.len() as u64, "{name}");
    for outcome in outcomes.iter().filter(|one| **one != TransferOutcome::Open) {
        let code = outcome.code();
        assert!(
            ended.values().any(|ends| ends.last() == Some(&code)),
            "{name} {code}"
        );
    }
}

/// What was told and not taken back is what the audit has.
fn findings_agree(events: &[Event], audit: &Audit, name: &str) {
    let mut flows = BTreeSet::new();
    let mut diagnoses = BTreeSet::new();
    let mut endpoints = 0;
    for event in events {
        match &event.kind {
            EventKind::FlowUnexpected(finding) => {
                assert!(
                    flows.insert(finding.id.clone()),
                    "{name}: {} twice",
                    finding.id
                );
            }
            EventKind::FlowWithdrawn(finding) => assert!(flows.remove(&finding.id), "{name}"),
            EventKind::Diagnosis(diagnosis) => {
                assert!(
                    diagnoses.insert((diagnosis.code, diagnosis.host.clone())),
                    "{name}"
                );
            }
            EventKind::DiagnosisWithdrawn(gone) => {
                assert!(diagnoses.remove(&(gone.code, gone.host.clone())), "{name}");
            }
            EventKind::EndpointLearned(_) => endpoints += 1,
            _ => {}
        }
    }
    let standing = audit.unexpected.iter();
    let standing = standing.filter(|finding| finding.accepted.is_none());
    let standing: BTreeSet<String> = standing.map(|finding| finding.id.clone()).collect();
    // What was folded into a larger finding since then was not taken back.
    assert!(standing.is_subset(&flows), "{name}: {standing:?} {flows:?}");
    let is_folded = audit
        .unexpected
        .iter()
        .any(|finding| !finding.responder.ports.is_empty());
    assert!(
        is_folded || standing == flows,
        "{name}: {standing:?} {flows:?}"
    );
    let standing = audit.diagnoses.iter();
    let standing: BTreeSet<_> = standing.map(|one| (one.code, one.host.clone())).collect();
    assert_eq!(diagnoses, standing, "{name}");
    assert_eq!(endpoints, audit.rpc.len(), "{name}");
}

fn codes(events: &[Event]) -> BTreeSet<&'static str> {
    events.iter().map(|event| event.kind.code()).collect()
}

/// The steps that were told as satisfied, in order.
fn satisfied(events: &[Event]) -> Vec<&str> {
    let steps = events.iter().filter_map(|event| match &event.kind {
        EventKind::StepSatisfied(step) => step.step.as_deref(),
        _ => None,
    });
    steps.collect()
}

/// How long all that is required held at a stretch, and whether it did at the end.
fn held(site: &LoadedSite, records: &[Record]) -> (Duration, bool) {
    let (mut longest, mut since) = (Duration::ZERO, None);
    replay(site, records, |audit, moment| {
        let now = moment.since_start;
        match is_satisfied(audit).satisfied {
            true => longest = longest.max(now - *since.get_or_insert(now)),
            false => since = None,
        }
    });
    (longest, since.is_some())
}

#[test]
fn fixtures_told_as_they_come() {
    for (site, names) in [
        (
            "pxe.toml",
            &[
                "pxe-good.pcap",
                "pxe-stalled.pcap",
                "two-dhcp-servers.pcap",
                "dhcp-refused.pcap",
                "option-60-missing.pcap",
                "binl-unanswered.pcap",
                "tftp-high-ports-closed.pcap",
                "tftp-no-answer.pcap",
                "tftp-no-server.pcap",
                "tftp-fragments-dropped.pcap",
            ][..],
        ),
        ("boundary.toml", &["boundary.pcapng"]),
        ("clean.toml", &["clean.pcap"]),
        (
            "services.toml",
            &["rpc-ports-closed.pcap", "firewall-reset.pcap"],
        ),
    ] {
        let site = fixture_site(site);
        for name in names {
            checked(&site, &fixture(name), name);
        }
    }
}

#[test]
fn a_good_boot_ticks_off_and_stays() {
    let site = fixture_site("pxe.toml");
    let boot = fixture("pxe-good.pcap");
    let (events, _) = checked(&site, &boot, "pxe-good");
    let codes = codes(&events);
    for contradiction in [
        "step-failed",
        "step-missing",
        "step-withdrawn",
        "flow-unexpected",
    ] {
        assert!(!codes.contains(contradiction), "{contradiction}");
    }
    assert!(held(&site, &boot).1);
}

#[test]
fn lab_boots_told_as_they_come() {
    let Some(good) = shared("captures/lab/pxe_dhcp_bios.pcap") else {
        return;
    };
    let site = site("lab.toml", LAB_SITE);
    let boot = records(&good);
    let (events, audit) = checked(&site, &boot, "good");
    assert_eq!(
        satisfied(&events),
        [
            "dhcp-discover",
            "dhcp-offer",
            "boot-offer",
            "dhcp-ack",
            "tftp-request",
            "tftp-transfer"
        ]
    );
    for contradiction in [
        "step-failed",
        "step-missing",
        "step-reopened",
        "step-withdrawn",
    ] {
        assert!(!codes(&events).contains(contradiction), "{contradiction}");
    }
    assert_eq!(audit.tftp.len(), 14);
    let (longest, at_the_end) = held(&site, &boot);
    assert!(at_the_end && longest > SETTLE);

    let broken = good.with_file_name("pxe_broken_high_in.pcap");
    let boot = records(&broken);
    let (events, _) = checked(&site, &boot, "broken");
    assert!(!satisfied(&events).contains(&"tftp-transfer"));
    let failed = events.iter().find_map(|event| match &event.kind {
        EventKind::StepFailed(step) => Some((step.step.as_deref(), step.cause)),
        _ => None,
    });
    assert_eq!(failed, Some((Some("tftp-transfer"), Some("tftp-stalled"))));
    assert_eq!(held(&site, &boot), (Duration::ZERO, false));
}

#[test]
fn other_real_captures_told_as_they_come() {
    let site = site("lab.toml", LAB_SITE);
    for name in [
        "lab/tftp_dns_two.pcap",
        "lab/tftp_hpa_sameport.pcap",
        "lab/tftp_hpa_killed.pcap",
        "lab/tftp_no_server.pcap",
        "lab/rpc_simple.pcap",
        "lab/rpc_blocked.pcap",
        "rs_pxe__intel_tftp_115d89.pcapng",
    ] {
        let Some(path) = shared(&format!("captures/{name}")) else {
            return;
        };
        checked(&site, &records(&path), name);
    }
}

/// Between two files of a boot nothing is missing, so that is no reason to end: in the middle of
/// the next one there is, and it is the last word where that file stalls.
#[test]
fn a_boot_that_stalls_in_its_second_file_never_holds() {
    let site = fixture_site("pxe.toml");
    let (mut out, boot) = negotiated();
    let options: &[(&str, &str)] = &[("blksize", "1456")];
    let transfer = |port, file: &'static str, bytes| Tftp {
        asked: options,
        granted: options,
        answer_port: 50_000 + port,
        ..boot.transfer(port, file, bytes)
    };
    transfer(1701, boot.file, 40_000).run(&mut out);
    out.wait_ms(1500);
    let whole = out.records.len();
    transfer(1702, "boot.wim", 400_000).run(&mut out);
    let cut = whole + (out.records.len() - whole) / 2;
    out.records.truncate(cut);
    let (events, _) = checked(&site, &out.records, "stalled");
    let last = events
        .iter()
        .rev()
        .find(|event| event.kind.code().starts_with("step-"));
    let Some(EventKind::StepFailed(step)) = last.map(|event| &event.kind) else {
        panic!("the last word on the steps is that one failed");
    };
    assert_eq!(step.cause, Some("tftp-stalled"));
    let (longest, at_the_end) = held(&site, &out.records);
    assert!(
        longest > Duration::ZERO && longest < SETTLE && !at_the_end,
        "{longest:?}"
    );
}
