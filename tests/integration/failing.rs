//! Flows that fail, and who said no: resets and ICMP errors of the host itself, and of what stands
//! in between.

use std::fs;

use serde_json::Value;

use crate::command::{Run, portolan_in};
use crate::support::build::{Link, Pcapng, Recording, at, host};
use crate::support::services::served;

const CLIENT: &str = "10.1.0.7:50000";
const MP: &str = "10.0.0.11";
const SITE: &str = r#"
version = 1
[roles]
site-server = ["10.0.0.10"]
management-point = ["10.0.0.11", "2001:db8::11"]
distribution-point = ["10.0.0.12"]
client = ["10.1.0.0/16", "2001:db8:1::/64"]
"#;

/// The audit of a recording by a site.
pub fn audit(site: &str, recording: &Recording, more: &[&str]) -> Run {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let capture = Pcapng::encode(&recording.records);
    fs::write(folder.path().join("a.pcapng"), capture).expect("writes");
    fs::write(folder.path().join("site.toml"), site).expect("writes");
    let line = ["audit", "--site", "site.toml", "a.pcapng"];
    portolan_in(folder.path(), line.iter().chain(more))
}

pub fn report(site: &str, recording: &Recording) -> Value {
    let run = audit(site, recording, &["--format", "json"]);
    serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {}", run.err))
}

/// The only failing entry of a recording.
fn failing(recording: &Recording) -> Value {
    let report = report(SITE, recording);
    let entries = report["failing"].as_array().expect("a list");
    assert_eq!(entries.len(), 1, "{entries:#?}");
    entries[0].clone()
}

fn by(entry: &Value) -> (&str, Option<u64>, Option<u64>, &str, Option<&str>) {
    let by = &entry["by"];
    (
        by["address"].as_str().expect("an address"),
        by["ttl"].as_u64(),
        by["usual_ttl"].as_u64(),
        by["message"].as_str().expect("a message"),
        by["in_between"].as_str(),
    )
}

fn says(entry: &Value, words: &str) {
    let text = entry["explanation"].as_str().expect("a sentence");
    assert!(text.contains(words), "{text}");
}

/// What the management point's reset with this time to live gives away.
fn reset_with(ttl: u8) -> Value {
    let mut out = served();
    out.with_ttl(host(MP), ttl, |out| {
        out.tcp_refused(at(CLIENT), at("10.0.0.11:443"));
    });
    failing(&out)
}

#[test]
fn a_reset_of_the_host_itself() {
    let entry = reset_with(126);
    assert_eq!(by(&entry), (MP, Some(126), Some(126), "TCP reset", None));
    says(
        &entry,
        "The reset came with TTL 126, like other packets of 10.0.0.11",
    );
    says(&entry, "the host itself said no");
}

#[test]
fn a_reset_of_another_stack_was_sent_in_between() {
    for ttl in [254, 63] {
        let entry = reset_with(ttl);
        let wanted = Some(u64::from(ttl));
        assert_eq!(
            by(&entry),
            (MP, wanted, Some(126), "TCP reset", Some("certain"))
        );
        says(
            &entry,
            &format!("with TTL {ttl}, while 10.0.0.11 usually shows 126"),
        );
        says(&entry, ": something in between said no.");
    }
}

#[test]
fn some_hops_nearer_are_likely_and_some_further_are_nothing() {
    let entry = reset_with(128);
    assert_eq!(by(&entry).4, Some("likely"));
    says(&entry, "likely something in between");
    assert_eq!(by(&reset_with(124)).4, None);
}

#[test]
fn a_host_may_be_seen_at_several_places() {
    let mut out = served();
    // Before the last router, too: most flows show 126, but the reset is the host's.
    out.with_ttl(host(MP), 127, |out| {
        out.tcp_exchange(at("10.1.0.9:50000"), at("10.0.0.11:80"), b"GET", b"200");
    });
    out.tcp_exchange(at("10.1.0.9:50001"), at("10.0.0.11:80"), b"GET", b"200");
    out.with_ttl(host(MP), 127, |out| {
        out.tcp_refused(at(CLIENT), at("10.0.0.11:443"));
    });
    let entry = failing(&out);
    assert_eq!(by(&entry), (MP, Some(127), Some(127), "TCP reset", None));
}

#[test]
fn without_anything_to_compare_nothing_is_said() {
    let mut out = Recording::new(Link::Ethernet);
    out.with_ttl(host(MP), 254, |out| {
        out.tcp_refused(at(CLIENT), at("10.0.0.11:443"));
    });
    let entry = failing(&out);
    assert_eq!(by(&entry), (MP, Some(254), None, "TCP reset", None));
    says(&entry, "no other packet of that host was seen");
}

#[test]
fn a_packet_filter_that_says_so() {
    for (code, name) in [
        (9, "network administratively prohibited"),
        (10, "host administratively prohibited"),
        (13, "communication administratively prohibited"),
    ] {
        let mut out = served();
        let router = host("10.1.0.1");
        out.ttls.insert(router, 255);
        out.tcp_unreachable(at(CLIENT), at("10.0.0.11:443"), router, (3, code));
        let entry = failing(&out);
        assert_eq!(entry["state"], "unanswered");
        assert_eq!(entry["cause"], "unreachable");
        let wanted = ("10.1.0.1", Some(255), None, name, Some("certain"));
        assert_eq!(by(&entry), wanted);
        says(&entry, &format!("\"{name}\" came from 10.1.0.1"));
        says(&entry, "a packet filter there says no");
    }
}

#[test]
fn a_packet_filter_over_ipv6() {
    let mut out = served();
    let client = at("[2001:db8:1::7]:50000");
    let server = at("[2001:db8::11]:443");
    out.tcp_unreachable(client, server, host("2001:db8:1::1"), (1, 1));
    let entry = failing(&out);
    assert_eq!(by(&entry).3, "communication administratively prohibited");
    assert_eq!(by(&entry).4, Some("certain"));
}

#[test]
fn a_router_without_a_path_is_no_filter() {
    let mut out = served();
    let router = host("10.1.0.1");
    out.tcp_unreachable(at(CLIENT), at("10.0.0.11:443"), router, (3, 1));
    let entry = failing(&out);
    assert_eq!(by(&entry).3, "host unreachable");
    assert_eq!(by(&entry).4, None);
    says(&entry, "a router on the way has no path to the host");
}

#[test]
fn an_icmp_error_of_the_host_itself() {
    let own = |ttl, said| {
        let mut out = served();
        out.with_ttl(host(MP), ttl, |out| {
            out.tcp_unreachable(at(CLIENT), at("10.0.0.11:443"), host(MP), said);
        });
        failing(&out)
    };
    let entry = own(126, (3, 3));
    assert_eq!(
        by(&entry),
        (MP, Some(126), Some(126), "port unreachable", None)
    );
    says(&entry, "nothing listens there");
    // A stack may give ICMP a time to live of its own.
    assert_eq!(by(&own(254, (3, 3))).4, Some("likely"));
    let entry = own(126, (3, 10));
    assert_eq!(by(&entry).4, None);
    says(&entry, "the packet filter of the host says no");
}

#[test]
fn silence_is_told_from_a_host_that_is_up() {
    let silent = |mut out: Recording| {
        out.tcp_unanswered(at(CLIENT), at("10.0.0.11:443"), 3);
        failing(&out)
    };
    let entry = silent(served());
    assert_eq!(entry["by"], Value::Null);
    says(&entry, "though 10.0.0.11 sends other packets");
    let entry = silent(Recording::new(Link::Ethernet));
    says(&entry, "no packet of 10.0.0.11 was seen");
}

#[test]
fn answers_whose_questions_were_not_captured_are_no_failure() {
    let mut out = Recording::new(Link::Ethernet);
    let site = format!("{SITE}domain-controller = [\"10.0.0.13\"]\n");
    out.udp(at("10.0.0.13:53"), at("10.1.0.7:50000"), b"an answer");
    assert_eq!(report(&site, &out)["failing"], Value::Array(Vec::new()));
    let mut out = Recording::new(Link::Ethernet);
    out.udp(at("10.1.0.7:50000"), at("10.0.0.13:53"), b"a question");
    let entries = report(&site, &out)["failing"].clone();
    assert_eq!(entries[0]["cause"], "unanswered");
}

#[test]
fn a_requirement_tells_who_said_no() {
    let mut out = served();
    out.with_ttl(host("10.0.0.12"), 126, |out| {
        out.echo(host("10.1.0.7"), host("10.0.0.12"), 1);
    });
    out.with_ttl(host("10.0.0.12"), 254, |out| {
        out.tcp_refused(at(CLIENT), at("10.0.0.12:80"));
    });
    let site = format!("{SITE}[require]\nrules = [\"BKMK_PortsClient-DP/http\"]\n");
    let report = report(&site, &out);
    let requirement = &report["requirements"][0];
    assert_eq!(requirement["cause"], "refused");
    says(
        requirement,
        "the reset came with TTL 254, while 10.0.0.12 usually shows 126: something in between said no.",
    );
}

#[test]
fn the_text_answers_who_said_no() {
    let mut out = served();
    out.with_ttl(host(MP), 254, |out| {
        out.tcp_refused(at(CLIENT), at("10.0.0.11:443"));
    });
    let text = audit(SITE, &out, &[]).out;
    let failing = text.split("Failing").nth(1).expect("a section");
    for words in [
        "refused  tcp/443  10.1.0.7 → 10.0.0.11",
        "The reset came with TTL 254, while 10.0.0.11 usually shows 126: something in between said no.",
        "BKMK_PortsClient-MP/https/tcp",
    ] {
        let flat: Vec<_> = failing.split_whitespace().collect();
        let words: Vec<_> = words.split_whitespace().collect();
        let found = flat.windows(words.len()).any(|window| window == words);
        assert!(found, "{words:?} is not in {failing}");
    }
}

#[test]
fn a_reset_elsewhere_shows_that_the_host_is_up() {
    let mut out = Recording::new(Link::Ethernet);
    out.tcp_refused(at(CLIENT), at("10.0.0.11:80"));
    out.tcp_unanswered(at("10.1.0.7:50001"), at("10.0.0.11:443"), 2);
    let report = report(SITE, &out);
    let entries = report["failing"].as_array().expect("a list").iter();
    let told: Vec<_> = entries.map(|it| it["explanation"].as_str()).collect();
    let silent = "Nothing came back, though 10.0.0.11 sends other packets";
    let mut of_silence = told.iter().flatten().filter(|it| it.starts_with(silent));
    assert!(of_silence.next().is_some(), "{told:?}");
}
