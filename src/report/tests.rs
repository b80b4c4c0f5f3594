//! Every format of one sample audit, and what holds for all of them.

use serde_json::Value;

use super::*;
use crate::verdict::Audit;

fn written(format: &Format, audit: &Audit, page: &Page) -> String {
    let mut out = Vec::new();
    (format.write)(&Report::new(audit), page, &mut out).expect("writes to memory");
    String::from_utf8(out).expect("every format is UTF-8")
}

#[test]
fn every_format_writes_the_sample() {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(
        &format!(
            r#""version": ?"{}""#,
            regex_escape(env!("CARGO_PKG_VERSION"))
        ),
        r#""version":"[version]""#,
    );
    settings.bind(|| {
        for format in &FORMATS {
            let out = written(format, &sample::audit(), &Page::default());
            insta::assert_snapshot!(format!("report_{}", format.name), out);
        }
    });
}

#[test]
fn text_in_colour_on_a_wide_terminal() {
    let page = Page {
        width: 110,
        colour: true,
        ..Page::default()
    };
    let out = written(&FORMATS[0], &sample::audit(), &page);
    assert!(out.contains("\u{1b}[1m"));
    let plain = anstream::adapter::strip_str(&out).to_string();
    insta::assert_snapshot!("report_text_wide", plain);
}

#[test]
fn an_audit_without_findings_says_so() {
    let mut audit = Audit {
        complete: true,
        ..Audit::default()
    };
    audit.site.name = "Lab".into();
    let out = written(&FORMATS[0], &audit, &Page::default());
    assert!(
        out.starts_with("Lab: nothing unexpected (nothing is required)\n"),
        "{out}"
    );
}

#[test]
fn sections_are_cut_and_say_so() {
    let mut audit = sample::audit();
    let finding = audit.unexpected[0].clone();
    audit.unexpected = vec![finding; 1_030];
    let out = written(&FORMATS[0], &audit, &Page::default());
    assert_eq!(out.matches("unknown-host").count(), Page::ENTRIES);
    assert!(
        out.contains("… and 1,010 more: --format json has all"),
        "{out}"
    );
}

#[test]
fn many_captures_are_one_line_and_the_damaged_ones() {
    let mut audit = sample::audit();
    let whole = audit.captures[0].clone();
    audit.captures.extend(std::iter::repeat_n(whole, 30));
    let out = written(&FORMATS[0], &audit, &Page::default());
    assert!(out.contains("32 files: "), "{out}");
    assert!(out.contains("(1 incomplete)"), "{out}");
    assert_eq!(out.matches("  capture  ").count(), 1 + 1, "{out}");
}

#[test]
fn what_is_in_no_list_is_said() {
    let mut audit = sample::audit();
    let (transfer, boot) = (audit.tftp[0].clone(), audit.pxe[0].clone());
    audit.tftp = vec![transfer; 25_001 - audit.tftp_joined.len()];
    audit.pxe = vec![boot; 10_002];
    let out = written(&FORMATS[0], &audit, &Page::default());
    let entries = Page::default().entries as u64;
    for all in [25_001, 10_002] {
        let said = format!(
            "… and {} more: --format json has {} of them",
            super::text::units::number(all - entries),
            super::text::units::number(10_000 - entries)
        );
        assert!(out.contains(&said), "{said}");
    }
}

#[test]
fn interfaces_are_no_files() {
    let mut audit = sample::audit();
    for capture in &mut audit.captures {
        capture.format = Some("live");
    }
    let out = written(&FORMATS[0], &audit, &Page::default());
    assert!(out.contains("together      2 interfaces: "), "{out}");
}

#[test]
fn no_format_prints_foreign_text_raw() {
    for format in &FORMATS {
        let out = written(format, &sample::audit(), &Page::default());
        let raw = out
            .chars()
            .find(|character| character.is_control() && *character != '\n');
        assert_eq!(raw, None, "{}", format.name);
    }
}

#[test]
fn keys_are_those_of_the_contract() {
    let out = written(&FORMATS[1], &sample::audit(), &Page::default());
    let report: Value = serde_json::from_str(&out).expect("JSON");
    let has = |value: &Value, keys: &str| {
        let mut found: Vec<&str> = match value {
            Value::Object(map) => map.keys().map(String::as_str).collect(),
            other => panic!("{other} is no object"),
        };
        let mut wanted: Vec<&str> = keys.split_whitespace().collect();
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted);
    };
    has(
        &report,
        "schema tool site complete captures totals loss limits unexpected failing background \
         exceptions diagnoses requirements rules tftp rpc pxe",
    );
    has(&report["tool"], "name version");
    has(&report["site"], "name catalogue edition");
    has(
        &report["captures"][0],
        "source format compression link_types packets bytes first last complete problem",
    );
    has(
        &report["totals"],
        "packets bytes flows expected unexpected accepted background out_of_scope undecoded \
         requirements",
    );
    has(
        &report["loss"],
        "kernel_drops sequence_gaps duplicates followed_packets snaplen_cut one_sided_flows",
    );
    has(&report["limits"][0], "limit value reached");
    let unexpected = &report["unexpected"][0];
    has(
        unexpected,
        "id reason protocol initiator responder flows packets bytes first last frames \
         community_ids nearest_rules explanation accepted",
    );
    has(&unexpected["initiator"], "address name roles");
    has(
        &unexpected["responder"],
        "address name port ports addresses roles",
    );
    has(&unexpected["frames"][0], "capture frame");
    has(
        &report["failing"][0],
        "rule protocol initiator responder state cause by explanation worked_instead flows first frames",
    );
    has(
        &report["failing"][0]["by"],
        "address ttl usual_ttl message in_between",
    );
    has(&report["background"][0], "kind flows packets bytes");
    has(&report["exceptions"][0], "match reason expires flows state");
    has(
        &report["diagnoses"][0],
        "code host explanation advice frames",
    );
    has(
        &report["requirements"][0],
        "id scenario step rules host state cause explanation first frames",
    );
    has(
        &report["rules"][0],
        "id source initiator responder service flows packets bytes first last direction \
         protocol ports usable hindrance",
    );
    has(
        &report["tftp"][0],
        "operation file mode client server options options_requested outcome bytes blocks \
         retransmitted_blocks missing_blocks bytes_per_second first last error",
    );
    has(&report["tftp"][0]["client"], "address port");
    has(
        &report["rpc"][0],
        "server port protocol interface name basis first frames used_by_flows",
    );
    has(
        &report["pxe"][0],
        "client_mac client_address architecture boot_server boot_file steps first_missing_step \
         client_addresses architecture_name machine_identifier http ipxe relays questions servers \
         step_times first last",
    );
    has(
        &report["pxe"][0]["servers"][0],
        "server answer sender relay address pxe_client boot_server boot_file boot_file_in round \
         first frames",
    );
    assert_eq!(
        unexpected["first"],
        Value::from("2026-01-05T08:00:12.000000000Z")
    );
}

#[test]
fn keys_stand_in_the_order_of_the_contract() {
    let out = written(&FORMATS[1], &sample::audit(), &Page::default());
    let top: Vec<&str> = out
        .lines()
        .filter(|line| line.starts_with("  \""))
        .filter_map(|line| line.trim_start_matches("  \"").split('"').next())
        .collect();
    assert_eq!(
        top.join(" "),
        "schema tool site complete captures totals loss limits unexpected failing background \
         exceptions diagnoses requirements rules tftp rpc pxe"
    );
}

#[test]
fn json_lines_each_have_a_type() {
    let out = written(&FORMATS[2], &sample::audit(), &Page::default());
    let mut types: Vec<String> = out
        .lines()
        .map(|line| {
            let entry: Value = serde_json::from_str(line).expect("JSON");
            entry["type"].as_str().expect("a type").to_owned()
        })
        .collect();
    types.dedup();
    assert_eq!(
        types.join(" "),
        "summary capture limit unexpected failing background exception diagnosis requirement \
         rule tftp rpc pxe"
    );
}

#[test]
fn formats_have_names_of_their_own() {
    let mut names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FORMATS.len());
    assert!(FORMATS.iter().all(|known| format(known.name).is_some()));
    assert!(format("pdf").is_none());
}

/// The version as a pattern; its dots are the only characters that mean anything.
fn regex_escape(version: &str) -> String {
    version.replace('.', r"\.")
}
