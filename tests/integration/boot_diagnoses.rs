//! Network boots that fail: each fixture gives the diagnosis that it is named for and no other,
//! and what is nearly the same gives none.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use portolan::verdict::DIAGNOSES;
use serde_json::Value;

use crate::command::{portolan, portolan_in, root};
use crate::support::boots::{
    self, Blocks, DISTRIBUTION_POINT, DOMAIN_CONTROLLER, MACHINE, Named, STRANGER,
};
use crate::support::build::{Link, Pcap, PxeBoot, Recording, Tftp};
use crate::support::shared::shared;

/// What a fixture shows: diagnosis, host, words of the explanation, frames.
struct Told {
    code: &'static str,
    host: &'static str,
    words: &'static [&'static str],
    frames: &'static [u64],
}

const TOLD: &[Told] = &[
    Told {
        code: "two-dhcp-servers",
        host: "52:54:00:12:34:56",
        words: &[
            "10.1.0.40 by 10.0.0.13 (dc1)",
            "192.168.1.40 by 10.0.0.99, which has no role in the site file",
        ],
        frames: &[2, 3],
    },
    Told {
        code: "dhcp-refused",
        host: "52:54:00:12:34:56",
        words: &[
            "10.0.0.99 refused it 10.1.0.40",
            "two DHCP servers contradict each other",
        ],
        frames: &[4, 5],
    },
    Told {
        code: "no-relay-to-distribution-point",
        host: "52:54:00:12:34:56",
        words: &[
            "10.0.0.13 (dc1) offered it an address",
            "IP helper",
            "both look alike",
        ],
        frames: &[1, 2],
    },
    Told {
        code: "option-60-missing",
        host: "52:54:00:12:34:56",
        words: &["10.0.0.12 (dp1) is a distribution point and offered it an address"],
        frames: &[1, 2],
    },
    Told {
        code: "binl-unanswered",
        host: "52:54:00:12:34:56",
        words: &["asked 10.0.0.12 (dp1) on UDP 4011", "PXE-E55"],
        frames: &[3, 6],
    },
    Told {
        code: "two-pxe-servers",
        host: "52:54:00:12:34:56",
        words: &["2 servers: 10.0.0.12 (dp1) with SMSBoot\\x64\\wdsmgfw.efi; 10.0.0.16"],
        frames: &[4, 8],
    },
    Told {
        code: "boot-options-in-dhcp",
        host: "52:54:00:12:34:56",
        words: &["10.0.0.13 (dc1) sends options 66 (10.0.0.12) and 67 (SMSBoot"],
        frames: &[2],
    },
    Told {
        code: "boot-file-for-other-architecture",
        host: "52:54:00:12:34:56",
        words: &[
            "names pxelinux.0, a program for BIOS",
            "is UEFI (architecture 7)",
        ],
        frames: &[1, 2],
    },
    Told {
        code: "tftp-high-ports-closed",
        host: "10.0.0.12",
        words: &[
            "UDP to the high ports of 10.0.0.12 (dp1) is closed",
            "acknowledged it 6 times",
        ],
        frames: &[8, 9, 20],
    },
    Told {
        code: "tftp-no-answer",
        host: "10.0.0.12",
        words: &["Either UDP 69 is dropped behind the capture point, or the server's answers"],
        frames: &[8],
    },
    Told {
        code: "tftp-no-server",
        host: "10.0.0.12",
        words: &["Nothing listens on UDP 69 of 10.0.0.12", "port unreachable"],
        frames: &[8, 9],
    },
    Told {
        code: "tftp-port-pool-taken",
        host: "10.0.0.12",
        words: &["answers DNS", "likely"],
        frames: &[8],
    },
    Told {
        code: "tftp-fragments-dropped",
        host: "10.0.0.12",
        words: &["4096", "only the first fragments passed the capture point"],
        frames: &[15, 16, 23],
    },
    Told {
        code: "tftp-variable-window",
        host: "10.0.0.12",
        words: &["variable window"],
        frames: &[8, 9, 25],
    },
];

/// Diagnoses that come with another: what the one says holds for the other, too.
const BESIDE: &[(&str, &str)] = &[("tftp-port-pool-taken", "tftp-no-answer")];

fn diagnoses(out: &str) -> Vec<Value> {
    of(&serde_json::from_str(out).expect("a report"))
}

fn of(report: &Value) -> Vec<Value> {
    report["diagnoses"].as_array().expect("a list").clone()
}

fn codes(found: &[Value]) -> Vec<&str> {
    found
        .iter()
        .map(|entry| entry["code"].as_str().expect("a code"))
        .collect()
}

/// The diagnoses of a capture that goes on for a minute more.
fn diagnosed(capture: Recording) -> Vec<Value> {
    diagnosed_by(&root().join("fixtures/pxe.toml"), capture)
}

fn diagnosed_by(site: &Path, mut capture: Recording) -> Vec<Value> {
    boots::later(1, &mut capture);
    audited(site, &capture)
}

fn audited(site: &Path, capture: &Recording) -> Vec<Value> {
    of(&report(site, capture))
}

fn report(site: &Path, capture: &Recording) -> Value {
    report_of(site, capture, &[])
}

fn report_of(site: &Path, capture: &Recording, options: &[&str]) -> Value {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bytes = Pcap::default().encode(&capture.records);
    fs::write(folder.path().join("a.pcap"), bytes).expect("writes");
    let site = site.to_str().expect("a path");
    let audit = ["audit", "--site", site, "--format", "json", "a.pcap"];
    let run = portolan_in(folder.path(), [&audit[..], options].concat());
    serde_json::from_str(&run.out).expect("a report")
}

#[test]
fn what_happened_outside_the_time_judged_is_not_told() {
    let site = root().join("fixtures/pxe.toml");
    for (code, capture) in boots::all() {
        let all = of(&report(&site, &capture));
        assert!(!all.is_empty(), "{code}");
        let after = ["--from", "2099-01-01T00:00:00Z"];
        let report = report_of(&site, &capture, &after);
        assert_eq!(of(&report), Vec::<Value>::new(), "{code}");
        for entry in report["requirements"].as_array().expect("a list") {
            assert_eq!(entry["host"], Value::Null, "{code}");
            assert_ne!(entry["state"], "satisfied", "{code}");
        }
        assert!(!report["pxe"].as_array().expect("a list").is_empty());
    }
}

#[test]
fn a_step_that_was_seen_is_never_the_first_missing_one() {
    let site = root().join("fixtures/pxe.toml");
    let (mut probed, boot) = boots::negotiated();
    let file = boot.transfer(1801, "a", 700);
    boot.transfer(1800, "x", 0)
        .fail(1, "File not found", &mut probed);
    file.run(&mut probed);
    let probe = Tftp {
        asked: &[("tsize", "0")],
        granted: &[("tsize", "700")],
        ..boot.transfer(1802, "a", 0)
    };
    probe.probe(&mut probed);
    let mut missing = 0;
    let captures = boots::all().into_iter().map(|(_, capture)| capture);
    for capture in captures.chain([probed]) {
        let report = report(&site, &capture);
        for boot in report["pxe"].as_array().expect("a list") {
            let step = &boot["first_missing_step"];
            missing += usize::from(!step.is_null());
            let steps = boot["steps"].as_array().expect("a list");
            assert!(!steps.contains(step), "{boot}");
        }
    }
    assert!(missing > 0);
}

fn none(capture: Recording) {
    let found = diagnosed(capture);
    assert!(found.is_empty(), "{found:#?}");
}

fn one(capture: Recording, code: &str, words: &[&str]) {
    let found = diagnosed(capture);
    assert_eq!(codes(&found), [code], "{found:#?}");
    has(&found[0], words);
}

fn has(diagnosis: &Value, words: &[&str]) {
    let explanation = diagnosis["explanation"].as_str().expect("a sentence");
    for words in words {
        assert!(explanation.contains(words), "`{words}`: {explanation}");
    }
}

#[test]
fn fixtures_give_their_diagnosis_and_no_other() {
    for told in TOLD {
        let capture = format!("{}.pcap", told.code);
        let run = portolan(["audit", "--site", "pxe.toml", "--format", "json", &capture]);
        let found = diagnoses(&run.out);
        let mut expected: Vec<&str> = BESIDE
            .iter()
            .filter(|(code, _)| *code == told.code)
            .map(|(_, beside)| *beside)
            .collect();
        expected.push(told.code);
        assert_eq!(codes(&found), expected, "{found:#?}");
        let diagnosis = found.last().expect("a diagnosis");
        assert_eq!(diagnosis["host"], told.host);
        has(diagnosis, told.words);
        let frames: Vec<u64> = diagnosis["frames"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|frame| frame["frame"].as_u64().expect("a number"))
            .collect();
        assert_eq!(frames, told.frames, "{}", told.code);
        assert!(diagnosis["advice"].is_string());
    }
}

#[test]
fn every_fixture_of_a_diagnosis_is_told_of() {
    let told: Vec<&str> = TOLD.iter().map(|told| told.code).collect();
    for (code, _) in boots::all() {
        assert!(told.contains(&code), "{code}");
        assert!(DIAGNOSES.iter().any(|kind| kind.code == code), "{code}");
    }
}

#[test]
fn good_fixtures_give_none() {
    for (site, capture) in [
        ("boundary.toml", "boundary.pcapng"),
        ("clean.toml", "clean.pcap"),
        ("pxe.toml", "pxe-good.pcap"),
    ] {
        let run = portolan(["audit", "--site", site, "--format", "json", capture]);
        let boot: Vec<Value> = diagnoses(&run.out);
        let told: Vec<&str> = TOLD.iter().map(|told| told.code).collect();
        assert!(
            !codes(&boot).iter().any(|code| told.contains(code)),
            "{boot:#?}"
        );
    }
}

#[test]
fn answers_that_nobody_takes_up_close_the_way_to_the_clients() {
    let run = portolan([
        "audit",
        "--site",
        "pxe.toml",
        "--format",
        "json",
        "pxe-stalled.pcap",
    ]);
    let found = diagnoses(&run.out);
    assert_eq!(codes(&found), ["tftp-high-ports-closed"]);
    has(
        &found[0],
        &["UDP from the high ports of 10.0.0.12 (dp1) to its clients is closed"],
    );
}

#[test]
fn who_refuses_an_answer_is_named() {
    one(
        boots::answer_refused(MACHINE.into()),
        "tftp-high-ports-closed",
        &[
            "takes answers from port 69 only",
            "ICMP \"port unreachable\" from 10.1.0.40 met",
        ],
    );
    one(
        boots::answer_refused(IpAddr::from([10, 1, 0, 1])),
        "tftp-high-ports-closed",
        &["to its clients is closed; a firewall there rejects it"],
    );
}

#[test]
fn high_ports_are_open_where_they_need_not_be_closed() {
    // Both ends repeat once: every packet captured twice looks so.
    none(boots::high_ports_closed(50_010, 1).0);
    none(boots::high_ports_closed(69, 5).0);
    let (mut later_well, boot) = boots::high_ports_closed(50_010, 5);
    boots::goes_on(&boot, &mut later_well);
    none(later_well);
}

#[test]
fn silence_needs_repetition_of_the_same_file() {
    none(boots::no_answer(1).0);
    none(boots::requests_only());
    let (mut later_well, boot) = boots::no_answer(5);
    boots::goes_on(&boot, &mut later_well);
    none(later_well);
}

#[test]
fn who_refuses_the_request_is_named() {
    one(
        boots::no_server([10, 0, 0, 1].into()).0,
        "tftp-no-server",
        &["A firewall rejects UDP 69 to 10.0.0.12", "from 10.0.0.1 "],
    );
    let (mut later_well, boot) = boots::no_server(DISTRIBUTION_POINT.into());
    boots::goes_on(&boot, &mut later_well);
    none(later_well);
}

#[test]
fn dns_takes_no_ports_of_a_server_that_answers_or_from_elsewhere() {
    let (mut elsewhere, _) = boots::no_answer(5);
    boots::dns(DOMAIN_CONTROLLER, &mut elsewhere);
    one(elsewhere, "tftp-no-answer", &[]);
    let (mut answers, boot) = boots::negotiated();
    boots::dns(DISTRIBUTION_POINT, &mut answers);
    boots::goes_on(&boot, &mut answers);
    none(answers);
}

#[test]
fn fragments_are_missed_only_where_they_are_needed() {
    let code = "tftp-fragments-dropped";
    let large = |seen| boots::large_blocks(4096, seen, true).0;
    one(
        large(Blocks::All),
        code,
        &["again and again, and were not acknowledged"],
    );
    one(
        large(Blocks::None),
        code,
        &["none reached the capture point"],
    );
    none(large(Blocks::Jumbo));
    none(boots::large_blocks(1456, Blocks::Jumbo, true).0);
    // The machine was switched off.
    none(boots::large_blocks(4096, Blocks::All, false).0);
}

#[test]
fn other_windows_stall_for_other_reasons() {
    none(boots::stops(&[("blksize", "1456"), ("windowsize", "4")]).0);
    let (mut later_well, boot) = boots::stops(&[("msftwindow", "27182")]);
    boots::goes_on(&boot, &mut later_well);
    none(later_well);
}

#[test]
fn partners_that_share_their_leases_are_one_dhcp_server() {
    none(boots::two_dhcp_servers(MACHINE));
}

#[test]
fn a_refusal_of_the_server_that_offered_has_other_causes() {
    let words = ["10.0.0.13 (dc1) refused it 10.1.0.40", "likely taken"];
    one(
        boots::refused(DOMAIN_CONTROLLER, false),
        "dhcp-refused",
        &words,
    );
    none(boots::refused(STRANGER, true));
}

#[test]
fn a_boot_server_is_missed_only_where_it_could_be_seen() {
    none(boots::boot_server_answers_late());
    none(boots::no_boot_at_the_dhcp_server());
    // The capture ends before the firmware's patience does.
    let mut ends = boots::no_boot(&boots::machine());
    ends.records.truncate(2);
    let found = audited(&root().join("fixtures/pxe.toml"), &ends);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_site_without_boot_servers_misses_none() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let site = folder.path().join("site.toml");
    fs::write(&site, "version = 1\n[roles]\nclient = [\"10.1.0.0/16\"]\n").expect("writes");
    let found = diagnosed_by(&site, boots::no_boot(&boots::machine()));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn port_4011_is_missed_only_where_nothing_comes_of_it() {
    let same_host = boots::binl_unanswered(&boots::on_one_host()).0;
    one(
        same_host,
        "binl-unanswered",
        &["It has its address from there, too"],
    );
    let (mut answered, boot) = boots::binl_unanswered(&boots::machine());
    boots::binl_answers(&boot, &mut answered);
    none(answered);
    let (mut without, boot) = boots::binl_unanswered(&boots::machine());
    boots::goes_on(&boot, &mut without);
    none(without);
}

#[test]
fn one_boot_server_may_be_named_twice() {
    none(boots::two_pxe_servers(DISTRIBUTION_POINT));
}

#[test]
fn fields_and_other_boot_servers_are_no_options_of_windows() {
    none(boots::boot_options(&Named {
        options: false,
        ..Named::OPTIONS
    }));
    none(boots::boot_options(&Named {
        server: STRANGER,
        file: "ipxe.efi",
        ..Named::OPTIONS
    }));
    // The DHCP server boots the machine itself.
    none(boots::boot_options(&Named {
        server: DOMAIN_CONTROLLER,
        ..Named::OPTIONS
    }));
    let code = "boot-options-in-dhcp";
    one(
        boots::boot_options(&Named {
            server: STRANGER,
            ..Named::OPTIONS
        }),
        code,
        &["66 (10.0.0.99)"],
    );
}

#[test]
fn programs_fit_their_firmware() {
    let code = "boot-file-for-other-architecture";
    one(
        boots::boot_file(0, "ipxe.efi"),
        code,
        &["is BIOS (architecture 0)"],
    );
    one(
        boots::boot_file(11, "wdsnbp.com"),
        code,
        &["is UEFI on ARM"],
    );
    one(
        boots::boot_file(9, "bootaa64.efi"),
        code,
        &["a program for UEFI on ARM"],
    );
    none(boots::boot_file(0, "pxelinux.0"));
    // Who named the right one is not in the capture; the machine read it.
    let mut out = boots::boot_file(7, "pxelinux.0");
    boots::goes_on(&boots::machine(), &mut out);
    none(out);
    none(boots::boot_file(7, "ipxe.efi"));
    none(boots::boot_file(7, "http://deploy.example.com"));
    none(boots::boot_file(16, "pxelinux.0"));
    one(
        boots::overruled(),
        "two-pxe-servers",
        &["10.0.0.13 (dc1) with pxelinux.0"],
    );
}

#[test]
fn machines_with_the_same_trouble_are_told_of_together() {
    let (mut all, _) = boots::no_answer(5);
    for number in 41..46 {
        let boot = PxeBoot {
            mac: [0x52, 0x54, 0, 0x12, 0x34, number],
            address: [10, 1, 0, number].into(),
            ..boots::machine()
        };
        all = all.interleave(boots::no_answer_to(boot, 5).0);
    }
    let words = "that 10.1.0.40 repeated";
    let others = "The same holds for 10.1.0.41, 10.1.0.42, 10.1.0.43 and 2 more.";
    one(all, "tftp-no-answer", &[words, others]);
}

#[test]
fn what_is_left_out_is_counted() {
    let mut all = Recording::new(Link::Ethernet);
    for number in 0..1003_u16 {
        let [high, low] = number.to_be_bytes();
        let boot = PxeBoot {
            mac: [0x52, 0x54, 0, 0x12, high, low],
            ..boots::machine()
        };
        let offered = boots::no_boot(&boot).records.into_iter().take(2);
        all.records.extend(offered);
    }
    boots::later(1, &mut all);
    let report = report(&root().join("fixtures/pxe.toml"), &all);
    assert_eq!(report["diagnoses"].as_array().expect("a list").len(), 1000);
    let limits = report["limits"].as_array().expect("a list");
    let limit = limits.iter().find(|limit| limit["limit"] == "diagnoses");
    assert_eq!(limit.expect("a limit")["reached"], 3);
}

/// Codes that the lab's captures must give; all others must give none of those told of here.
const LAB: &[(&str, &str)] = &[
    ("pxe_broken_high_in.pcap", "tftp-high-ports-closed"),
    ("tftp_fw_high_in.pcap", "tftp-high-ports-closed"),
    ("tftp_no_server.pcap", "tftp-no-server"),
];

#[test]
fn real_captures_give_what_was_wrong_with_them() {
    let Some(folder) = shared("captures/lab") else {
        return;
    };
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let site = "version = 1\n[roles]\ndistribution-point-pxe = [\"198.18.10.1\", \
                \"198.18.10.2\", \"198.18.20.1\"]\nclient = [\"198.18.0.0/16\"]\n";
    fs::write(temporary.path().join("site.toml"), site).expect("writes");
    let mut seen = 0;
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a readable entry").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        if !name.contains(".pcap") {
            continue;
        }
        let path = path.to_str().expect("a path");
        let audit = ["audit", "--site", "site.toml", "--format", "json", path];
        let run = portolan_in(temporary.path(), audit);
        let found = diagnoses(&run.out);
        let told = |code: &&str| TOLD.iter().any(|told| told.code == *code);
        let found: Vec<&str> = codes(&found).into_iter().filter(told).collect();
        let expected: Vec<&str> = LAB
            .iter()
            .filter(|(capture, _)| *capture == name)
            .map(|(_, code)| *code)
            .collect();
        assert_eq!(found, expected, "{name}");
        seen += 1;
    }
    assert!(seen > 20);
}
