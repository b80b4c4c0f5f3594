//! `--fail-on`: a capture for each kind, and what else holds of it.

use crate::scenarios::audit;
use crate::support::boots;
use crate::support::build::{Link, Recording, Side, Tcp, at, flags};

const KINDS: [&str; 8] = [
    "unexpected",
    "missing",
    "failed",
    "degraded",
    "failing",
    "diagnosis",
    "loss",
    "expired",
];

/// Of these kinds each makes the audit of this capture end with status 1, of the others none.
fn holds(kinds: &[&str], site: &str, record: impl Fn(&mut Recording)) {
    let mut out = Recording::new(Link::Ethernet);
    record(&mut out);
    for kind in KINDS {
        let run = audit(&out, site, &["--fail-on", kind]);
        let status = i32::from(kinds.contains(&kind));
        assert_eq!(
            run.status, status,
            "{kind} of {kinds:?}: {}{}",
            run.out, run.err
        );
    }
    assert_eq!(audit(&out, site, &["--fail-on", "none"]).status, 0);
    let list = format!("degraded,{}", kinds.join(","));
    assert_eq!(audit(&out, site, &["--fail-on", &list]).status, 1);
}

fn talk(out: &mut Recording, to: &str) {
    out.tcp_exchange(at("10.1.0.7:50000"), at(to), b"question", b"answer");
}

const POLICY: &str = "[require]\nrules = [\"BKMK_PortsClient-MP/client-notification\"]\n";

#[test]
fn unexpected_flows() {
    holds(&["unexpected"], "", |out| talk(out, "10.0.0.11:9999"));
}

#[test]
fn requirements() {
    holds(&["missing"], POLICY, |_| ());
    let refused = |out: &mut Recording| {
        out.tcp_refused(at("10.1.0.7:50000"), at("10.0.0.11:10123"));
    };
    holds(&["failed", "failing"], POLICY, refused);
    holds(&["degraded"], POLICY, |out| talk(out, "10.0.0.11:443"));
}

#[test]
fn failing_flows() {
    let silent = |out: &mut Recording| {
        out.tcp_unanswered(at("10.1.0.7:50000"), at("10.0.0.11:443"), 2);
    };
    holds(&["failing"], "", silent);
}

#[test]
fn loss() {
    holds(&["loss"], "", |out| {
        let mut one_sided = Tcp::new(at("10.1.0.7:50000"), at("10.0.0.11:443"));
        one_sided.send(Side::Client, flags::ACK, b"still there?", out);
        one_sided.send(Side::Client, flags::ACK, b"hello?", out);
    });
    holds(&["loss"], "", |out| {
        talk(out, "10.0.0.11:443");
        out.cut(60);
    });
}

#[test]
fn diagnoses() {
    let servers = "domain-controller = [\"10.0.0.13\", \"10.0.0.99\"]\n";
    holds(&["diagnosis"], servers, |out| {
        *out = boots::two_dhcp_servers(boots::STRANGER_OFFERS);
    });
}

#[test]
fn expired_exceptions() {
    let accept = "[[accept]]\nmatch = \"client -> management-point tcp/9999\"\n\
                  reason = \"a test\"\nexpires = 2021-01-31\n";
    let used = |out: &mut Recording| talk(out, "10.0.0.11:9999");
    holds(&["unexpected", "expired"], accept, used);
}
