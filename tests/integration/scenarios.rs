//! Scenarios and requirements, from a generated capture to the entries of the report.

use std::fs;

use serde_json::{Value, json};

use crate::command::{Run, portolan_in};
use crate::support::build::{Link, Pcap, Recording, Side, Tcp, at, flags, host};

const ROLES: &str = r#"
version = 1
name = "lab"
[roles]
site-server = ["10.0.0.10"]
management-point = ["10.0.0.11"]
distribution-point-pxe = ["10.0.0.12"]
client = ["10.1.0.0/16"]
"#;

const SERVER: &str = "10.0.0.10";
const CLIENT: &str = "10.1.0.7";

/// Audits what was recorded by the roles and `more` of a site file.
pub fn audit(recording: &Recording, more: &str, options: &[&str]) -> Run {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, bytes: &[u8]| {
        fs::write(folder.path().join(name), bytes).expect("the folder is ours");
    };
    write("a.pcap", &Pcap::default().encode(&recording.records));
    write("site.toml", format!("{ROLES}{more}").as_bytes());
    write("own.toml", OWN.as_bytes());
    let audit = ["audit", "--site", "site.toml", "a.pcap"];
    portolan_in(folder.path(), audit.iter().chain(options))
}

/// The requirements of the report.
fn requirements(recording: &Recording, more: &str) -> Vec<Value> {
    let run = audit(recording, more, &["--format", "json"]);
    let report: Value = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{}", run.err));
    let entries = report["requirements"].as_array().expect("a list");
    entries.clone()
}

/// `id`, `host`, `state` and `cause` of each.
fn rows(entries: &[Value]) -> Vec<Value> {
    let row = |entry: &Value| json!([entry["id"], entry["host"], entry["state"], entry["cause"]]);
    entries.iter().map(row).collect()
}

/// How the explanation begins and ends; between stands who said no, where that is known.
fn says(entry: &Value, begins: &str, ends: &str) {
    let told = entry["explanation"].as_str().expect("a sentence");
    assert!(told.starts_with(begins) && told.ends_with(ends), "{told}");
}

fn recording() -> Recording {
    Recording::new(Link::Ethernet)
}

/// A whole connection between two sockets.
fn talk(out: &mut Recording, from: &str, to: &str) {
    out.tcp_exchange(at(from), at(to), b"question", b"answer");
    out.wait_ms(500);
}

/// The site server's part of a client push, as far as SMB and the endpoint mapper.
fn push(out: &mut Recording) {
    out.echo(host(SERVER), host(CLIENT), 1);
    talk(out, "10.0.0.10:50000", "10.1.0.7:445");
    talk(out, "10.0.0.10:50001", "10.1.0.7:135");
}

const PUSH: &str = "[require]\nscenarios = [\"client-push\"]\n";

#[test]
fn a_push_that_works_has_the_client_call_after_it() {
    let mut out = recording();
    push(&mut out);
    talk(&mut out, "10.0.0.10:50002", "10.1.0.7:49700");
    talk(&mut out, "10.1.0.7:51000", "10.0.0.11:80");
    let entries = requirements(&out, PUSH);
    let satisfied = |step: &str| json!([format!("client-push/{step}"), CLIENT, "satisfied", null]);
    let steps = [
        "icmp-echo",
        "smb",
        "rpc-endpoint-mapper",
        "rpc",
        "management-point",
    ];
    assert_eq!(rows(&entries), steps.map(satisfied));
    assert_eq!(
        entries[1],
        json!({
            "id": "client-push/smb",
            "scenario": "client-push",
            "step": "smb",
            "rules": ["ports-that-are-used-with-client-push-installation/smb/tcp"],
            "host": CLIENT,
            "state": "satisfied",
            "cause": null,
            "explanation": "seen and answered.",
            "first": "2021-03-01T08:00:00.001000000Z",
            "frames": [{"capture": "a.pcap", "frame": 3}]
        })
    );
}

#[test]
fn the_first_missing_step_of_a_push_tells_its_causes_and_the_rest_is_not_reached() {
    let mut out = recording();
    // It speaks to its management point all day, which is no success of the push.
    talk(&mut out, "10.1.0.7:51000", "10.0.0.11:443");
    push(&mut out);
    out.tcp_unanswered(at("10.0.0.10:50002"), at("10.1.0.7:49700"), 3);
    let entries = requirements(&out, PUSH);
    assert_eq!(
        rows(&entries)[2..],
        [
            json!(["client-push/rpc-endpoint-mapper", CLIENT, "satisfied", null]),
            json!(["client-push/rpc", CLIENT, "failed", "unanswered"]),
            json!(["client-push/management-point", CLIENT, "not-reached", null]),
        ]
    );
    says(
        &entries[3],
        "tried, never successful: nothing came back",
        "usual causes: WMI is not allowed in the client's firewall; a firewall drops the dynamic \
         ports on the way.",
    );
    assert_eq!(
        entries[4]["explanation"],
        "not seen; `rpc` comes before it."
    );
    assert_eq!(entries[4]["first"], Value::Null);
    let run = audit(&out, PUSH, &[]);
    assert_eq!(run.status, 1, "{}", run.out);
}

#[test]
fn who_refuses_is_not_said_to_be_off() {
    let mut out = recording();
    talk(&mut out, "10.0.0.10:50001", "10.1.0.7:135");
    out.tcp_refused(at("10.0.0.10:50000"), at("10.1.0.7:445"));
    let entries = requirements(&out, PUSH);
    assert_eq!(
        rows(&entries)[1],
        json!(["client-push/smb", CLIENT, "failed", "refused"])
    );
    says(
        &entries[1],
        "tried, never successful: ",
        "usual causes: the Server service does not run on the client; a firewall rejects SMB to \
         the client.",
    );
}

#[test]
fn an_optional_step_that_fails_holds_nothing_up() {
    let mut out = recording();
    out.icmp(
        host(SERVER),
        host(CLIENT),
        &crate::support::build::encode::echo(host(SERVER), host(CLIENT), false, 1),
    );
    talk(&mut out, "10.0.0.10:50000", "10.1.0.7:445");
    let entries = requirements(&out, PUSH);
    assert_eq!(
        rows(&entries)[..3],
        [
            json!(["client-push/icmp-echo", CLIENT, "not-applicable", null]),
            json!(["client-push/smb", CLIENT, "satisfied", null]),
            json!(["client-push/rpc-endpoint-mapper", CLIENT, "missing", null]),
        ]
    );
}

#[test]
fn hosts_listed_by_single_address_are_judged_without_any_packet() {
    let more = "[require]\nscenarios = [\"site-system-install\", \"client-push\"]\n";
    let entries = requirements(&recording(), more);
    let of = |id: &str| {
        let mine = entries.iter().filter(|entry| entry["id"] == id);
        mine.map(|entry| json!([entry["host"], entry["state"]]))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of("site-system-install/smb"),
        [
            json!(["10.0.0.11", "missing"]),
            json!(["10.0.0.12", "missing"])
        ]
    );
    assert_eq!(
        of("site-system-install/rpc"),
        [
            json!(["10.0.0.11", "not-reached"]),
            json!(["10.0.0.12", "not-reached"])
        ]
    );
    // Clients are listed by a prefix alone: one entry, for nobody.
    assert_eq!(of("client-push/smb"), [json!([null, "missing"])]);
}

#[test]
fn what_the_vantage_hides_is_not_observable_and_makes_nothing_not_reached() {
    let more = format!("[vantage]\ninside = [\"10.1.0.0/16\", \"10.0.0.10\"]\n{PUSH}");
    let mut out = recording();
    talk(&mut out, "10.1.0.7:51000", "10.0.0.11:443");
    let hidden = |step: &str| json!([format!("client-push/{step}"), null, "not-observable", null]);
    let steps = ["icmp-echo", "smb", "rpc-endpoint-mapper", "rpc"];
    let rows = rows(&requirements(&out, &more));
    assert_eq!(rows[..4], steps.map(hidden));
    assert_eq!(
        rows[4],
        json!(["client-push/management-point", null, "satisfied", null])
    );
}

#[test]
fn roles_that_nobody_holds_are_not_applicable() {
    let more = "[require]\nscenarios = [\"client-install-sup\"]\n";
    let entries = requirements(&recording(), more);
    assert_eq!(
        rows(&entries)[0],
        json!([
            "client-install-sup/software-update-point",
            null,
            "not-applicable",
            null
        ])
    );
    assert_eq!(
        entries[0]["explanation"],
        "no address of the site is software-update-point."
    );
}

#[test]
fn client_policy_degrades_where_the_fallback_is_taken() {
    let mut out = recording();
    talk(&mut out, "10.1.0.7:51000", "10.0.0.11:443");
    out.tcp_refused(at("10.1.0.7:51001"), at("10.0.0.11:10123"));
    let more = "[require]\nscenarios = [\"client-policy\"]\n";
    let entries = requirements(&out, more);
    assert_eq!(
        rows(&entries),
        [
            json!(["client-policy/management-point", null, "satisfied", null]),
            json!(["client-policy/client-notification", null, "degraded", null]),
        ]
    );
    assert_eq!(audit(&out, more, &["--fail-on", "degraded"]).status, 1);
    assert_eq!(audit(&out, more, &[]).status, 0);
}

const OWN: &str = r#"
version = 1

[[role]]
id = "backup-server"

[[section]]
anchor = "backup"
initiator = "backup-server"
responder = "site-server"
direction = "either"
row = [{ service = "backup-agent", tcp = 9100 }, { service = "backup-data", tcp = 9200 }]

[[scenario]]
name = "nightly-backup"
hosts = ["backup-server"]

[[scenario.step]]
name = "agent"
rules = ["backup/backup-agent"]
opened-by = ["backup-server"]
causes = ["the agent is stopped"]

[[scenario.step]]
name = "data"
rules = ["backup/backup-data/tcp"]
causes = ["a firewall stops port 9200"]
"#;

#[test]
fn a_scenario_of_ones_own() {
    let more = "backup-server = [\"10.0.0.40\"]\n[policy]\nextend = [\"own.toml\"]\n\
                [require]\nscenarios = [\"nightly-backup\"]\n";
    let mut out = recording();
    // The wrong side opens the first; the right one the second.
    talk(&mut out, "10.0.0.10:50000", "10.0.0.40:9100");
    let of = |out: &Recording| rows(&requirements(out, more));
    assert_eq!(
        of(&out),
        [
            json!(["nightly-backup/agent", "10.0.0.40", "missing", null]),
            json!(["nightly-backup/data", "10.0.0.40", "not-reached", null]),
        ]
    );
    talk(&mut out, "10.0.0.40:50000", "10.0.0.10:9100");
    out.tcp_refused(at("10.0.0.40:50001"), at("10.0.0.10:9200"));
    let entries = requirements(&out, more);
    assert_eq!(
        rows(&entries)[1],
        json!(["nightly-backup/data", "10.0.0.40", "failed", "refused"])
    );
    says(
        &entries[1],
        "tried, never successful: ",
        "usual causes: a firewall stops port 9200.",
    );
}

#[test]
fn one_side_of_a_conversation_is_a_try_and_no_success() {
    let mut out = recording();
    let mut one_sided = Tcp::new(at("10.1.0.7:51000"), at("10.0.0.11:443"));
    one_sided.send(Side::Client, flags::ACK, b"still there?", &mut out);
    one_sided.send(Side::Client, flags::ACK, b"hello?", &mut out);
    let more = "[require]\nrules = [\"BKMK_PortsClient-MP/https/tcp\"]\n";
    let entries = requirements(&out, more);
    assert_eq!(
        rows(&entries),
        [json!([
            "BKMK_PortsClient-MP/https",
            null,
            "failed",
            "unanswered"
        ])]
    );
    let run = audit(&out, more, &[]);
    assert!(run.out.contains("1 one-sided flow"), "{}", run.out);
}

/// Hosts past the bound of the list: the one that fails is the last of them.
#[test]
fn every_requirement_counts_for_the_exit_status() {
    let mut out = recording();
    let client = |number: usize| format!("10.1.{}.{}:50000", number / 250, number % 250 + 1);
    let clients = 10_050;
    for number in 0..clients {
        let (client, server) = (at(&client(number)), at("10.0.0.11:443"));
        if number + 1 == clients {
            out.tcp_refused(client, server);
        } else {
            let mut opening = Tcp::new(client, server);
            opening.send(Side::Client, flags::SYN, &[], &mut out);
            opening.send(Side::Server, flags::SYN | flags::ACK, &[], &mut out);
            opening.send(Side::Client, flags::ACK, &[], &mut out);
        }
    }
    let more = "[require]\nrules = [\"BKMK_PortsClient-MP/https/tcp\"]\nper-host = true\n";
    let run = audit(&out, more, &["--format", "json", "--fail-on", "failed"]);
    assert_eq!(run.status, 1);
    let report: Value = serde_json::from_str(&run.out).expect("JSON");
    let entries = report["requirements"].as_array().expect("a list");
    assert_eq!(entries.len(), 10_000);
    // What fails is shown, however late it comes.
    let last = entries.last().expect("there are many");
    assert_eq!(
        (&last["state"], &last["host"]),
        (&json!("failed"), &json!("10.1.40.50"))
    );
    assert_eq!(
        report["totals"]["requirements"],
        json!({"satisfied": 10_049, "failed": 1})
    );
    assert_eq!(
        report["limits"],
        json!([{"limit": "requirements", "value": 10_000, "reached": 50}])
    );
}
