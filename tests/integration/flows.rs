//! `portolan flows`: the flow table with and without a site.

use serde_json::Value;

use crate::command::portolan;

fn records(arguments: &[&str]) -> Vec<Value> {
    let run = portolan(["flows", "--format", "jsonl"].iter().chain(arguments));
    assert_eq!(run.status, 0, "{}", run.err);
    run.out
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

#[test]
fn without_a_site_nothing_is_judged() {
    let records = records(&["boundary.pcapng"]);
    assert!(!records.is_empty());
    for record in &records {
        assert_eq!(record["verdict"], Value::Null);
        assert_eq!(record["rules"], Value::Array(vec![]));
    }
}

#[test]
fn verdicts_agree_with_the_audit() {
    let site = ["--site", "boundary.toml", "boundary.pcapng"];
    let records = records(&site);
    let audit = portolan(["audit", "--format", "json"].iter().chain(&site));
    let report: Value = serde_json::from_str(&audit.out).expect("JSON");
    let totals = &report["totals"];
    assert_eq!(totals["flows"], records.len());
    for verdict in ["expected", "background"] {
        let found = records.iter().filter(|record| record["verdict"] == verdict);
        assert_eq!(totals[verdict], found.count(), "{verdict}");
    }
    let unexpected = records
        .iter()
        .filter(|record| record["verdict"] == "unexpected");
    let both = totals["unexpected"]
        .as_u64()
        .zip(totals["accepted"].as_u64());
    assert_eq!(
        both.map(|(open, accepted)| open + accepted),
        Some(unexpected.count() as u64)
    );
}

#[test]
fn a_record_says_either_reason_or_basis() {
    for record in records(&["--site", "boundary.toml", "boundary.pcapng"]) {
        let expected = record["verdict"] == "expected";
        assert_eq!(record["basis"].is_string(), expected, "{record}");
        let unexpected = record["verdict"] == "unexpected";
        if expected || unexpected {
            assert_eq!(record["reason"].is_string(), unexpected, "{record}");
            assert_eq!(
                record["rules"] == Value::Array(vec![]),
                unexpected,
                "{record}"
            );
        }
    }
}

#[test]
fn records_stand_in_the_order_of_time() {
    let records = records(&["boundary.pcapng"]);
    let times: Vec<&str> = records.iter().filter_map(|r| r["first"].as_str()).collect();
    assert!(times.is_sorted());
    assert!(!times.is_empty());
}

#[test]
fn text_and_csv_have_a_line_a_flow_and_headings() {
    let flows = records(&["boundary.pcapng"]).len();
    for format in ["text", "csv"] {
        let run = portolan(["flows", "--format", format, "boundary.pcapng"]);
        assert_eq!(run.out.lines().count(), flows + 1, "{format}");
    }
}
