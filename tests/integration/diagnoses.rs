//! Misconfigurations of firewalls, RPC and servers that a capture shows: each with a case, and
//! with what looks like it and is none.

use std::fs;
use std::net::Ipv4Addr;

use serde_json::Value;

use crate::command::portolan_in;
use crate::failing::report;
use crate::support::build::{Link, Recording, Uuid, at, host};
use crate::support::services::{self, endpoint_mapper, opened};
use crate::support::shared::shared;

const CLIENT: &str = "10.1.0.7:50000";
const SITE: &str = include_str!("../../fixtures/services.toml");

/// Host and explanation of every diagnosis of this code.
fn told(report: &Value, code: &str) -> Vec<(String, String)> {
    let diagnoses = report["diagnoses"].as_array().expect("a list");
    let of_kind = diagnoses.iter().filter(|it| it["code"] == code);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    of_kind
        .inspect(|it| assert_ne!(it["frames"], Value::Array(Vec::new()), "{it}"))
        .map(|it| (text(&it["host"]), text(&it["explanation"])))
        .collect()
}

/// What is told of a recording, which must be of this host and hold the words.
fn tells(site: &str, out: &Recording, code: &str, host: &str, words: &[&str]) {
    let report = report(site, out);
    let told = told(&report, code);
    let [(of, text)] = told.as_slice() else {
        panic!("{told:#?} of {:#}", report["diagnoses"]);
    };
    assert_eq!(of, host);
    for words in words {
        assert!(text.contains(words), "`{words}` is not in: {text}");
    }
}

fn silent(site: &str, out: &Recording, code: &str) {
    assert_eq!(told(&report(site, out), code), []);
}

#[test]
fn committed_captures_give_their_diagnosis_and_no_other() {
    for (code, recording) in services::all() {
        let report = report(SITE, &recording);
        let diagnoses = report["diagnoses"].as_array().expect("a list");
        let codes: Vec<_> = diagnoses.iter().map(|it| &it["code"]).collect();
        assert_eq!(codes, [code]);
    }
}

#[test]
fn a_firewall_that_resets() {
    let reset = services::reset_with_ttl;
    let words = [
        "TTL 254, while 10.0.0.11 usually shows 126: something in between said no.",
        "Refused: tcp/443 from 10.1.0.7, tcp/443 from 10.1.0.9.",
    ];
    tells(SITE, &reset(254), "firewall-reset", "10.0.0.11", &words);
    tells(
        SITE,
        &reset(127),
        "firewall-reset",
        "10.0.0.11",
        &["likely"],
    );
    silent(SITE, &reset(126), "firewall-reset");
    silent(SITE, &reset(125), "firewall-reset");
}

#[test]
fn a_firewall_that_says_prohibited() {
    let said = |code| {
        let mut out = services::served();
        out.tcp_unreachable(at(CLIENT), at("10.0.0.11:443"), host("10.1.0.1"), (3, code));
        out
    };
    let words = ["\"communication administratively prohibited\" came from 10.1.0.1"];
    tells(SITE, &said(13), "firewall-reset", "10.0.0.11", &words);
    // The host is down, says its router.
    silent(SITE, &said(1), "firewall-reset");
}

#[test]
fn rpc_ports_behind_a_firewall() {
    let asked = || endpoint_mapper(&[(49664, "10.0.0.12"), (49665, "10.0.0.12")]);
    let mut out = asked();
    out.tcp_unanswered(at("10.0.0.10:50001"), at("10.0.0.12:49664"), 3);
    out.tcp_unanswered(at("10.0.0.10:50002"), at("10.0.0.12:49665"), 3);
    let words = [
        "The endpoint mapper of 10.0.0.12 named tcp/49664, tcp/49665",
        "10.0.0.10 reached none of the ports",
        "lets 135 through",
    ];
    tells(SITE, &out, "rpc-ports-closed", "10.0.0.12", &words);
    // One of the two is enough to see that they are not closed.
    let mut out = asked();
    out.tcp_unanswered(at("10.0.0.10:50001"), at("10.0.0.12:49664"), 3);
    out.tcp_exchange(at("10.0.0.10:50002"), at("10.0.0.12:49665"), b"x", b"y");
    silent(SITE, &out, "rpc-ports-closed");
    silent(SITE, &asked(), "rpc-ports-closed");
}

#[test]
fn rpc_ports_of_real_peers() {
    let Some(lab) = shared("captures/lab") else {
        return;
    };
    let site = "version = 1\n[roles]\nsite-server = [\"198.18.30.50\"]\n\
                distribution-point = [\"198.18.30.1\"]\n";
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("site.toml");
    fs::write(&path, site).expect("writes");
    let audit = |name: &str| {
        let capture = lab.join(name);
        let line = ["audit", "--site", "site.toml", "--format", "json"];
        let capture = capture.to_str().expect("text");
        let run = portolan_in(folder.path(), line.iter().chain(&[capture]));
        serde_json::from_str::<Value>(&run.out).expect("a report")
    };
    let told_of = told(&audit("rpc_blocked.pcap"), "rpc-ports-closed");
    let [(of, text)] = told_of.as_slice() else {
        panic!("{told_of:?}");
    };
    assert_eq!(of, "198.18.30.1");
    assert!(text.contains("tcp/49152, tcp/49153, tcp/49154"), "{text}");
    assert_eq!(told(&audit("rpc_simple.pcap"), "rpc-ports-closed"), []);
}

#[test]
fn rpc_through_address_translation() {
    let named = || endpoint_mapper(&[(49664, "192.168.7.5")]);
    let code = "dcom-through-nat";
    // The client believes what it is told.
    let mut out = named();
    out.tcp_unanswered(at("10.0.0.10:50001"), at("192.168.7.5:49664"), 2);
    let words = ["10.0.0.12 answered, but the endpoint mapper named 192.168.7.5 (port 49664)"];
    tells(SITE, &out, code, "10.0.0.12", &words);
    // The client takes the address that it knows, in vain.
    let mut out = named();
    out.tcp_unanswered(at("10.0.0.10:50001"), at("10.0.0.12:49664"), 2);
    tells(
        SITE,
        &out,
        code,
        "10.0.0.12",
        &["the address that it knew, and failed"],
    );
    // It works.
    let mut out = named();
    out.tcp_exchange(at("10.0.0.10:50001"), at("10.0.0.12:49664"), b"x", b"y");
    silent(SITE, &out, code);
    // One machine has both addresses, says the site.
    let mut out = named();
    out.tcp_unanswered(at("10.0.0.10:50001"), at("10.0.0.12:49664"), 2);
    let site = format!("{SITE}[hosts]\ndp = [\"10.0.0.12\", \"192.168.7.5\"]\n");
    silent(&site, &out, code);
    // The server has several addresses and names them all.
    let mut out = endpoint_mapper(&[(49664, "10.0.0.12"), (49664, "192.168.7.5")]);
    out.tcp_unanswered(at("10.0.0.10:50001"), at("10.0.0.12:49664"), 2);
    silent(SITE, &out, code);
    // Another server that answers by itself.
    let mut out = named();
    let other = Ipv4Addr::new(192, 168, 7, 5);
    out.ept_map(at("10.0.0.10:50003"), other, Uuid::WINREG, &[]);
    out.tcp_unanswered(at("10.0.0.10:50001"), at("192.168.7.5:49664"), 2);
    silent(SITE, &out, code);
}

#[test]
fn http_where_https_failed() {
    let code = "http-in-place-of-https";
    let mut out = Recording::new(Link::Ethernet);
    out.tcp_unanswered(at(CLIENT), at("10.0.0.12:443"), 2);
    let nothing_else = out.clone();
    out.tcp_exchange(at("10.1.0.7:50001"), at("10.0.0.12:80"), b"GET", b"200");
    let words = ["10.1.0.7 tried HTTPS (tcp/443) on 10.0.0.12 and failed, while HTTP was answered"];
    tells(SITE, &out, code, "10.1.0.7", &words);
    silent(SITE, &nothing_else, code);
    // HTTP alone is a supported configuration, unless the site wants HTTPS.
    let mut out = Recording::new(Link::Ethernet);
    out.tcp_exchange(at("10.1.0.7:50001"), at("10.0.0.12:80"), b"GET", b"200");
    silent(SITE, &out, code);
    let requiring = |what: &str| format!("{SITE}[require]\nrules = [\"{what}\"]\n");
    silent(&requiring("BKMK_PortsClient-DP"), &out, code);
    let words = ["The site requires BKMK_PortsClient-DP/https, but HTTPS was never tried"];
    tells(
        &requiring("BKMK_PortsClient-DP/https"),
        &out,
        code,
        "",
        &words,
    );
}

#[test]
fn smb_from_clients() {
    let code = "smb-to-distribution-point";
    let open = |from: &str, to: &str| {
        let mut out = Recording::new(Link::Ethernet);
        out.tcp_exchange(at(from), at(to), b"x", b"y");
        out
    };
    for server in ["10.0.0.12", "10.0.0.14"] {
        let out = open(CLIENT, &format!("{server}:445"));
        tells(
            SITE,
            &out,
            code,
            server,
            &["10.1.0.7 opened tcp/445 of this distribution point"],
        );
    }
    // Of the site server, no distribution point, and a site that installs its clients so.
    silent(SITE, &open("10.0.0.10:50000", "10.0.0.12:445"), code);
    silent(SITE, &open(CLIENT, "10.9.0.1:445"), code);
    let installs = "[require]\nscenarios = [\"client-install-software-distribution\"]\n";
    let out = open(CLIENT, "10.0.0.12:445");
    silent(&format!("{SITE}{installs}"), &out, code);
}

#[test]
fn servers_of_another_site() {
    let code = "other-site";
    let open = opened;
    let out = open(&["10.2.0.11:10123", "10.2.0.11:80"]);
    let words = [
        "10.1.0.7 used tcp/10123 of 10.2.0.11",
        "likely a management-point of another site",
    ];
    tells(SITE, &out, code, "10.2.0.11", &words);
    let out = open(&["10.2.0.15:8530", "10.2.0.15:8531"]);
    let words = ["tcp/8530, 8531", "likely a software-update-point"];
    tells(SITE, &out, code, "10.2.0.15", &words);
    // A web server, and the site's own management point.
    silent(SITE, &open(&["10.2.0.11:80", "10.2.0.11:443"]), code);
    silent(SITE, &open(&["10.0.0.11:10123"]), code);
    let custom = format!("{SITE}[ports]\nclient-notification = [10999]\n");
    tells(
        &custom,
        &open(&["10.2.0.11:10999"]),
        code,
        "10.2.0.11",
        &["tcp/10999"],
    );
}
