//! `portolan policy` and `portolan explain`.

use std::fs;

use serde_json::Value;

use crate::command::{portolan, portolan_in};

#[test]
fn lists_every_edition() {
    let run = portolan(["policy", "list"]);
    assert_eq!(run.status, 0, "{}", run.err);
    for edition in ["2017-09", "2018-09", "2020-04"] {
        assert!(run.out.contains(edition), "{}", run.out);
    }
}

#[test]
fn shows_a_pair_of_roles_both_ways() {
    let run = portolan(["policy", "show", "client", "management-point"]);
    assert_eq!(run.status, 0, "{}", run.err);
    assert!(run.out.contains("client → management-point"), "{}", run.out);
    assert!(run.out.contains("management-point → client"), "{}", run.out);
    assert!(run.out.contains("BKMK_PortsClient-MP"), "{}", run.out);
    let run = portolan(["policy", "show", "client", "managment-point"]);
    assert_eq!(run.status, 2);
    assert!(run.err.contains("management-point"), "{}", run.err);
}

#[test]
fn exports_rules_with_every_key() {
    let run = portolan(["policy", "export"]);
    let newest: Value = serde_json::from_str(&run.out).expect("JSON");
    let rules = newest["rules"].as_array().expect("rules");
    let mut keys: Vec<&str> = rules[0]
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "alternate_port",
            "alternatives",
            "anchor",
            "condition",
            "direction",
            "document",
            "edition",
            "id",
            "initiator",
            "kind",
            "notes",
            "ports",
            "protocol",
            "responder",
            "service",
        ]
    );
    assert!(rules.iter().all(|rule| rule["edition"] == "2020-04"));
    let run = portolan(["policy", "export", "--edition", "all", "--format", "json"]);
    let all: Value = serde_json::from_str(&run.out).expect("JSON");
    assert!(all["rules"].as_array().map(Vec::len) > Some(rules.len()));
}

#[test]
fn an_edition_that_does_not_exist() {
    for command in ["export", "show client client"] {
        let words = command.split(' ');
        let run = portolan(
            ["policy"]
                .into_iter()
                .chain(words)
                .chain(["--edition", "2020-05"]),
        );
        assert_eq!(run.status, 2);
        assert!(
            run.err.contains("2020-05") && run.err.contains("2020-04"),
            "{}",
            run.err
        );
        assert_eq!(run.out, "");
    }
}

#[test]
fn checks_a_policy_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(
        folder.path().join("bad.toml"),
        "[[section]]\nanchr = \"x\"\n",
    )
    .expect("writes");
    let run = portolan_in(folder.path(), ["policy", "check", "bad.toml"]);
    assert_eq!(run.status, 2);
    assert!(run.err.contains("bad.toml:"), "{}", run.err);
    let root = "version = 1\nname = \"own\"\ninclude = [\"bad.toml\", \"nowhere.toml\"]\n";
    fs::write(folder.path().join("root.toml"), root).expect("writes");
    let run = portolan_in(folder.path(), ["policy", "check", "root.toml"]);
    assert_eq!(run.status, 2);
    for place in ["root.toml:3:24", "bad.toml:2:1"] {
        assert!(run.err.contains(place), "{place}: {}", run.err);
    }
    let run = portolan_in(folder.path(), ["policy", "check", "nowhere.toml"]);
    assert_eq!(run.status, 2);
    assert!(run.err.contains("nowhere.toml"), "{}", run.err);
}

#[test]
fn explains_what_is_allowed_and_what_is_not() {
    let explain = |words: &str| {
        let arguments = ["explain", "--site", "boundary.toml"];
        portolan(arguments.into_iter().chain(words.split(' ')))
    };
    let run = explain("10.1.0.7 mp1 tcp/443");
    assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    assert!(run.out.starts_with("allowed\n"), "{}", run.out);
    assert!(
        run.out.contains("BKMK_PortsClient-MP/https/tcp"),
        "{}",
        run.out
    );
    let run = explain("mp1 10.1.0.7 tcp/443");
    assert_eq!(run.status, 1, "{}{}", run.out, run.err);
    assert!(run.out.contains("not allowed (reversed)"), "{}", run.out);
    let run = explain("10.1.0.7 10.0.0.99 tcp/9999");
    assert!(run.out.contains("ticket 4711"), "{}", run.out);
    assert_eq!(explain("10.1.0.7 mp2 tcp/443").status, 2);
    assert_eq!(explain("10.1.0.7 mp1 443").status, 2);
    assert_eq!(
        portolan(["explain", "10.1.0.7", "10.0.0.11", "tcp/443"]).status,
        2
    );
}

#[test]
fn explains_which_proof_the_site_asks_of_rpc() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (pairs, asked) in [
        ("", "as `rpc.minimum` asks: "),
        (
            "[rpc.pairs]\n'any -> domain-controller' = 'endpoint'\n",
            "as `rpc.pairs` asks for any -> domain-controller (endpoint): ",
        ),
    ] {
        let site = format!(
            "version = 1\n[roles]\nsite-server = ['10.0.0.10']\n\
             domain-controller = ['10.0.0.13']\n{pairs}"
        );
        fs::write(folder.path().join("portolan.toml"), site).expect("writes");
        let run = portolan_in(
            folder.path(),
            ["explain", "10.0.0.10", "10.0.0.13", "tcp/49667"],
        );
        assert_eq!(run.status, 0, "{}{}", run.out, run.err);
        let out = run.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(out.contains(asked), "{out}");
    }
}

#[test]
fn explains_what_the_site_changes_about_the_nearest_rule() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let site = "version = 1\n[roles]\nsite-server = ['10.0.0.10']\nmanagement-point = ['10.0.0.11']\n\
                sql-server = ['10.0.0.30']\nreporting-services-point = ['10.0.0.31']\n\
                proxy = ['10.0.0.20']\n[ports.sql-server]\nsql = [1500]\n[ports.proxy]\nhttp = [3128]\n\
                [direction]\nsite-server-initiates = true\n";
    fs::write(folder.path().join("portolan.toml"), site).expect("writes");
    let explain = |words: &str| {
        let run = portolan_in(
            folder.path(),
            ["explain"].into_iter().chain(words.split(' ')),
        );
        assert_eq!(run.status, 1, "{}{}", run.out, run.err);
        run.out.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for (words, nearest) in [
        (
            "10.0.0.10 10.0.0.30 tcp/1433",
            "site-server may open TCP 1500, which the site file puts in place of 1433, (sql)",
        ),
        (
            "10.0.0.10 10.0.0.20 tcp/80",
            "site-server may open TCP 3128, which the site file puts in place of 80, (http)",
        ),
        (
            "10.0.0.31 10.0.0.10 tcp/445",
            "site-server alone may open, by the site's `[direction]`, TCP 445 (smb) to \
             reporting-services-point",
        ),
        (
            "10.0.0.11 10.0.0.10 tcp/445",
            "site-server alone may open, by the site's `[direction]`, TCP 445 (smb) to \
             management-point",
        ),
    ] {
        let out = explain(words);
        assert!(out.contains(nearest), "{words}: {out}");
    }
}
