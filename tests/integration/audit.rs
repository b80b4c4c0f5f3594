//! `portolan audit`: reports, exit status, and clear errors for everything that can be wrong.

use std::fs;

use serde_json::Value;

use crate::command::{Run, fixture, portolan, portolan_in, portolan_reading, root};

const SITE: &str = "version = 1\n[roles]\nclient = [\"10.1.0.0/16\"]\n";

fn report(run: &Run) -> Value {
    serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {}", run.err))
}

fn boundary(more: &[&str]) -> Run {
    let audit = ["audit", "--site", "boundary.toml", "boundary.pcapng"];
    portolan(audit.iter().chain(more))
}

/// Audits `capture`, written to a file, by a site of its own.
fn audit_bytes(capture: &[u8]) -> Run {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("a.pcap"), capture).expect("writes");
    fs::write(folder.path().join("site.toml"), SITE).expect("writes");
    portolan_in(folder.path(), ["audit", "--site", "site.toml", "a.pcap"])
}

/// Audits a good capture by `site`.
fn audit_by(site: &str) -> Run {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("a.pcap"), fixture("clean.pcap")).expect("writes");
    fs::write(folder.path().join("site.toml"), site).expect("writes");
    portolan_in(folder.path(), ["audit", "--site", "site.toml", "a.pcap"])
}

fn refused(run: &Run, words: &[&str]) {
    assert_eq!(run.status, 2, "{}", run.err);
    for word in words {
        assert!(run.err.contains(word), "`{word}` is not in: {}", run.err);
    }
    assert!(!run.err.contains("panicked"), "{}", run.err);
}

#[test]
fn fixtures_end_as_their_list_says() {
    for (site, capture, status) in [
        ("boundary.toml", "boundary.pcapng", 1),
        ("clean.toml", "clean.pcap", 0),
        ("pxe.toml", "pxe-good.pcap", 0),
        ("pxe.toml", "pxe-stalled.pcap", 1),
    ] {
        let run = portolan(["audit", "--site", site, capture]);
        assert_eq!(run.status, status, "{capture}: {}{}", run.out, run.err);
        assert_eq!(run.err, "", "{capture}");
    }
}

#[test]
fn the_boundary_holds_every_reason() {
    let report = report(&boundary(&["--format", "json"]));
    let entries = report["unexpected"].as_array().expect("a list");
    let mut reasons: Vec<&str> = entries
        .iter()
        .map(|entry| entry["reason"].as_str().expect("a code"))
        .collect();
    reasons.sort_unstable();
    reasons.dedup();
    assert_eq!(
        reasons,
        [
            "no-rule-for-roles",
            "port-not-listed",
            "reversed",
            "rpc-outside-range",
            "rpc-unannounced",
            "tftp-unsolicited",
            "unknown-host",
        ]
    );
}

#[test]
fn totals_add_up() {
    let report = report(&boundary(&["--format", "json"]));
    let totals = &report["totals"];
    let sum = |keys: &[&str]| -> u64 {
        keys.iter()
            .map(|key| totals[key].as_u64().expect("a number"))
            .sum()
    };
    assert_eq!(
        sum(&["flows"]),
        sum(&[
            "expected",
            "unexpected",
            "accepted",
            "background",
            "out_of_scope"
        ])
    );
    assert_eq!(report["complete"], true);
}

#[test]
fn fail_on_chooses_the_status() {
    assert_eq!(boundary(&["--quiet", "--fail-on", "none"]).status, 0);
    assert_eq!(
        boundary(&["--quiet", "--fail-on", "missing,expired"]).status,
        1
    );
    let run = boundary(&["--fail-on", "mising"]);
    refused(&run, &["'mising' is none of", "missing"]);
}

#[test]
fn reports_go_to_files_beside_standard_output() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let json = folder.path().join("audit.json");
    let text = folder.path().join("audit.txt");
    let run = boundary(&[
        "--quiet",
        "--report",
        &format!("json={}", json.display()),
        "--report",
        &format!("text={}", text.display()),
    ]);
    assert_eq!(
        (run.status, run.out.as_str(), run.err.as_str()),
        (1, "", "")
    );
    let written = fs::read_to_string(&json).expect("a report");
    assert_eq!(written, boundary(&["--format", "json"]).out);
    assert_eq!(
        fs::read_to_string(&text).expect("a report"),
        boundary(&[]).out
    );
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 2);
}

#[test]
fn a_report_that_cant_be_written_is_said() {
    let run = boundary(&["--quiet", "--report", "json=no/such/folder/audit.json"]);
    refused(&run, &["no/such/folder/audit.json", "can't be written"]);
}

#[test]
fn a_report_never_replaces_an_input() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let capture = folder.path().join("a.pcap");
    fs::write(&capture, fixture("clean.pcap")).expect("writes");
    fs::write(folder.path().join("portolan.toml"), fixture("clean.toml")).expect("writes");
    for target in ["json=./a.pcap", "text=portolan.toml"] {
        let run = portolan_in(folder.path(), ["audit", "--report", target, "a.pcap"]);
        refused(&run, &["would replace an input"]);
    }
    assert_eq!(fs::read(&capture).expect("is there"), fixture("clean.pcap"));
}

#[test]
fn standard_input_is_a_capture() {
    let folder = root().join("fixtures");
    let arguments = ["audit", "--site", "clean.toml", "--format", "json", "-"];
    let run = portolan_reading(&folder, arguments, fixture("clean.pcap"));
    assert_eq!(run.status, 0, "{}", run.err);
    assert_eq!(report(&run)["captures"][0]["source"], "-");
}

#[test]
fn colour_is_for_terminals_unless_asked() {
    assert!(!boundary(&[]).out.contains('\u{1b}'));
    assert!(boundary(&["--color", "always"]).out.contains('\u{1b}'));
    assert!(!boundary(&["--color", "never"]).out.contains('\u{1b}'));
}

#[test]
fn a_window_judges_only_what_lies_in_it() {
    let run = boundary(&["--format", "json", "--from", "2200-01-01T00:00:00Z"]);
    let report = report(&run);
    assert_eq!(report["totals"]["flows"], 0);
    assert_eq!(report["totals"]["packets"], 0);
    let run = boundary(&[
        "--from",
        "2026-01-02T00:00:00Z",
        "--to",
        "2026-01-01T00:00:00Z",
    ]);
    refused(&run, &["--from is later than --to"]);
    refused(&boundary(&["--from", "yesterday"]), &["RFC 3339"]);
}

#[test]
fn a_capture_cut_off_is_used_and_named() {
    let mut bytes = fixture("clean.pcap");
    bytes.truncate(bytes.len() - 3);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("cut.pcap");
    fs::write(&path, bytes).expect("writes");
    let name = path.to_str().expect("a name");
    let run = portolan(["audit", "--site", "clean.toml", "--format", "json", name]);
    refused(&run, &[name, "--accept-truncated"]);
    let found = report(&run);
    assert_eq!(found["complete"], false);
    assert_eq!(found["captures"][0]["complete"], false);
    assert!(found["captures"][0]["packets"].as_u64() > Some(1));
    let run = portolan([
        "audit",
        "--site",
        "clean.toml",
        "--format",
        "json",
        "--accept-truncated",
        name,
    ]);
    assert_eq!(run.status, 0, "{}", run.err);
    assert_eq!(report(&run)["complete"], true);
}

#[test]
fn without_a_site_it_shows_what_is_there_and_how_to_go_on() {
    let run = portolan(["audit", "clean.pcap"]);
    refused(&run, &["portolan.toml", "--site"]);
    assert!(run.out.contains("Hosts that answer"), "{}", run.out);
    assert!(run.out.contains("[roles]"), "{}", run.out);
}

#[test]
fn the_site_of_the_working_folder_is_used() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("a.pcap"), fixture("clean.pcap")).expect("writes");
    fs::write(folder.path().join("portolan.toml"), fixture("clean.toml")).expect("writes");
    let run = portolan_in(folder.path(), ["audit", "a.pcap"]);
    assert_eq!(run.status, 0, "{}", run.err);
}

#[test]
fn captures_that_are_none() {
    refused(&audit_bytes(b""), &["a.pcap", "empty"]);
    refused(&audit_bytes(&[0; 4096]), &["a.pcap", "zeros"]);
    refused(
        &audit_bytes(b"GIF89a, which is no capture"),
        &["a.pcap", "not a pcap or pcapng capture"],
    );
}

#[test]
fn a_bad_capture_beside_a_good_one_leaves_the_good_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("empty.pcap"), b"").expect("writes");
    fs::write(folder.path().join("good.pcap"), fixture("clean.pcap")).expect("writes");
    let site = root().join("fixtures/clean.toml");
    let arguments = ["audit", "--format", "json", "--site"].map(Into::into);
    let names = ["good.pcap", "empty.pcap"].map(Into::into);
    let all = arguments.into_iter().chain([site.into()]).chain(names);
    let run = portolan_in(folder.path(), all.collect::<Vec<std::ffi::OsString>>());
    refused(&run, &["empty.pcap"]);
    let found = report(&run);
    assert_eq!(found["complete"], false);
    assert!(found["totals"]["flows"].as_u64() > Some(0));
    assert_eq!(found["captures"].as_array().map(Vec::len), Some(2));
}

#[test]
fn captures_that_are_not_there() {
    let site = ["audit", "--site", "clean.toml"];
    let run = portolan(site.iter().chain(&["nowhere.pcap"]));
    refused(&run, &["nowhere.pcap", "no such file"]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("notes.txt"), "no capture").expect("writes");
    let name = folder.path().to_str().expect("a name");
    refused(
        &portolan(site.iter().chain(&[name])),
        &[name, "no pcap or pcapng"],
    );
}

#[cfg(target_os = "linux")]
#[test]
fn captures_that_cant_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let secret = folder.path().join("secret.pcap");
    fs::write(&secret, fixture("clean.pcap")).expect("writes");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).expect("sets permissions");
    // Whoever runs the test: nothing is mapped at address 0, where reading begins.
    let mut unreadable = vec!["/proc/self/mem"];
    if fs::File::open(&secret).is_err() {
        unreadable.push(secret.to_str().expect("a name"));
    }
    for name in unreadable {
        let run = portolan(["audit", "--site", "clean.toml", name]);
        refused(&run, &[name, "can't be read"]);
    }
}

#[test]
fn site_files_with_errors() {
    refused(
        &audit_by("version = 1\n[roles]\nsite-sever = [\"10.0.0.1\"]\n"),
        &["site.toml:3:1", "site-sever", "site-server"],
    );
    refused(
        &audit_by(
            "version = 1\n[roles]\nclient = [\"10.0.0.0-10.0.0.9\"]\nsite-server = [\"10.0.0.5-10.0.0.14\"]\n",
        ),
        &["site.toml:", "overlap"],
    );
    refused(
        &audit_by("version = 1\n[ports.software-update-point]\nhttp = [8530]\nhttps = [443]\n"),
        &["site.toml:", "8531"],
    );
    refused(
        &audit_by("version = 1\n[policy]\nedition = \"2020-05\"\n[roles]\n"),
        &["site.toml:3", "2020-05", "2020-04"],
    );
    let run = portolan(["audit", "--site", "nowhere.toml", "clean.pcap"]);
    refused(&run, &["nowhere.toml"]);
}

#[test]
fn all_errors_of_a_site_file_come_at_once() {
    let run =
        audit_by("version = 1\n[roles]\nclints = [\"10.0.0.1\"]\nclient = [\"10.0.0.300\"]\n");
    refused(
        &run,
        &["site.toml:3", "site.toml:4", "clints", "10.0.0.300"],
    );
}

#[test]
fn bad_arguments_end_with_status_2() {
    refused(
        &portolan(["audit", "--format", "pdf", "a.pcap"]),
        &["pdf", "jsonl"],
    );
    refused(&portolan(["audit"]), &["CAPTURE"]);
    refused(&portolan(["adit"]), &["adit"]);
    refused(&portolan::<[&str; 0], _>([]), &["Usage"]);
    assert_eq!(portolan(["--version"]).status, 0);
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_keeps_the_status() {
    use std::process::{Command, Stdio};
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("portolan"))
        .current_dir(root().join("fixtures"))
        .args(["audit", "--site", "boundary.toml", "--format", "json"])
        .arg("boundary.pcapng")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    for format in ["text", "json", "jsonl", "csv"] {
        let once = boundary(&["--format", format]).out;
        assert_eq!(once, boundary(&["--format", format]).out, "{format}");
        assert!(!once.is_empty(), "{format}");
    }
}

#[test]
fn help_of_every_command() {
    for command in [
        // The list of commands is one shorter without this feature.
        #[cfg(feature = "live")]
        "",
        "audit",
        #[cfg(feature = "live")]
        "watch",
        "flows",
        "shard",
        "merge",
        "explain",
        "policy",
        "policy list",
        "policy show",
        "policy export",
        "policy check",
        "site",
        "site check",
    ] {
        let run = portolan(command.split_whitespace().chain(["--help"]));
        assert_eq!(run.status, 0, "{command}");
        assert!(
            command.is_empty() || run.out.contains("portolan "),
            "{command} without an example"
        );
        let name = format!("help_{}", command.replace(' ', "_"));
        insta::assert_snapshot!(name, run.out);
    }
}

#[test]
fn codes_of_the_report() {
    use portolan::verdict::{Basis, Reason, RequirementCause, RequirementState};
    let mut list = String::new();
    let mut add = |kind: &str, codes: Vec<(&str, &str)>| {
        for (code, meaning) in codes {
            list.push_str(&format!("{kind} {code}: {meaning}\n"));
        }
    };
    let pairs = |codes: &[Reason]| codes.iter().map(|c| (c.code(), c.meaning())).collect();
    add("reason", pairs(Reason::ALL));
    let bases = Basis::ALL.iter().map(|c| (c.code(), c.meaning()));
    add("basis", bases.collect());
    let states = RequirementState::ALL
        .iter()
        .map(|c| (c.code(), c.meaning()));
    add("state", states.collect());
    let causes = RequirementCause::ALL
        .iter()
        .map(|c| (c.code(), c.meaning()));
    add("cause", causes.collect());
    insta::assert_snapshot!("codes", list);
}

#[test]
fn rules_are_listed_where_they_are_asked_for() {
    let short = boundary(&[]);
    assert!(short.out.contains("(--rules)"), "{}", short.out);
    assert!(!short.out.contains("\nRules used"), "{}", short.out);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let csv = folder.path().join("a.csv");
    let target = format!("csv={}", csv.display());
    let long = boundary(&["--rules", "--report", &target]);
    let section = |from: &str, to: &str| {
        let begins = long.out.find(from).expect("the section is there");
        let rest = &long.out[begins..];
        rest[..rest.find(to).expect("the next one, too")].to_owned()
    };
    let used = section(
        "\nRules used: 2021-03-01 08:00:00.000 to",
        "\nRules not used",
    );
    assert!(used.contains("  client → management-point\n"), "{used}");
    assert!(
        used.contains("tcp/443 https, 2 flows, last 2021-03-01"),
        "{used}"
    );
    let unused = section("\nRules not used", "\nRules not usable here");
    assert!(unused.contains("udp/25536 wake-up-proxy"), "{unused}");
    assert!(!unused.contains("state-migration-point"), "{unused}");
    // All of them as rows, and as JSON with why they can't be used.
    let rows = fs::read_to_string(&csv).expect("it was written");
    let rows = rows
        .lines()
        .filter(|line| line.starts_with("rule,"))
        .count();
    let report = report(&boundary(&["--format", "json"]));
    let rules = report["rules"].as_array().expect("a list");
    assert_eq!(rows, rules.len());
    for rule in rules {
        assert_eq!(
            rule["usable"],
            Value::from(rule["hindrance"].is_null()),
            "{rule}"
        );
        assert!(rule["usable"] == true || rule["flows"] == 0, "{rule}");
        assert_eq!(rule["flows"] == 0, rule["last"].is_null(), "{rule}");
    }
}
