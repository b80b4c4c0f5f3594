//! Addresses that are no single host, scope, and exceptions.

use super::*;

const EXPECTED: Verdict = Verdict::Expected(Basis::FixedPort);

#[test]
fn dhcp_before_an_address() {
    let loaded = site("");
    let of = |from: &str, to: &str| verdict(&loaded, udp(from, to));
    assert_eq!(of("0.0.0.0:68", "255.255.255.255:67"), EXPECTED);
    assert_eq!(of("10.0.0.12:67", "255.255.255.255:68"), EXPECTED);
    assert_eq!(of("10.0.0.18:67", "255.255.255.255:68"), EXPECTED);
    assert_eq!(of("10.0.0.13:67", "10.1.0.7:68"), EXPECTED);
    assert_eq!(of("10.1.0.7:68", "10.0.0.12:67"), EXPECTED);
    // A relay, listed or not.
    assert_eq!(of("10.1.0.1:67", "10.0.0.12:67"), EXPECTED);
    assert_eq!(of("10.9.0.1:67", "10.0.0.12:67"), EXPECTED);
    assert_eq!(of("10.0.0.12:67", "10.9.0.1:67"), EXPECTED);
}

#[test]
fn a_dhcp_server_needs_a_role() {
    let loaded = site("");
    let of = |from: &str, to: &str| verdict(&loaded, udp(from, to));
    assert_eq!(
        of("10.9.0.1:67", "255.255.255.255:68"),
        Verdict::Unexpected(Reason::UnknownHost)
    );
    assert_eq!(
        of("10.1.0.66:67", "255.255.255.255:68"),
        Verdict::Unexpected(Reason::PortNotListed)
    );
    assert_eq!(
        of("10.9.0.1:67", "10.9.0.2:67"),
        Verdict::Unexpected(Reason::UnknownHost)
    );
}

#[test]
fn a_booting_machine_counts_as_client() {
    let loaded = site("");
    let boots = [scenarios::boot(&["10.9.0.7"], &[])];
    let proofs = Proofs {
        pxe: &boots,
        ..Proofs::default()
    };
    let request = udp("10.9.0.7:2070", "10.0.0.12:69");
    assert_eq!(last_of(&loaded, proofs, &[request]).verdict, EXPECTED);
    assert_eq!(
        verdict(&loaded, request),
        Verdict::Unexpected(Reason::UnknownHost)
    );
}

#[test]
fn where_one_end_is_no_host_the_other_decides() {
    let loaded = site("");
    let of = |from: &str, to: &str| verdict(&loaded, udp(from, to));
    let not_listed = Verdict::Unexpected(Reason::PortNotListed);
    assert_eq!(of("10.1.0.7:5000", "239.1.2.3:5000"), not_listed);
    assert_eq!(of("10.1.0.7:5000", "255.255.255.255:5000"), not_listed);
    assert_eq!(of("169.254.1.1:5000", "10.0.0.11:5000"), not_listed);
    assert_eq!(of("[fe80::1]:5000", "[fe80::2]:5000"), not_listed);
    assert_eq!(
        of("10.9.0.1:5000", "239.1.2.3:5000"),
        Verdict::Unexpected(Reason::UnknownHost)
    );
}

#[test]
fn netbios_broadcasts_of_any_host_with_a_role() {
    let loaded = site("");
    let of = |from: &str, to: &str| verdict(&loaded, udp(from, to));
    assert_eq!(of("10.1.0.7:137", "10.1.255.255:137"), EXPECTED);
    assert_eq!(of("10.1.0.7:138", "255.255.255.255:138"), EXPECTED);
    assert_eq!(of("10.0.0.11:137", "10.1.255.255:137"), EXPECTED);
    assert_eq!(
        of("10.9.0.1:137", "255.255.255.255:137"),
        Verdict::Unexpected(Reason::UnknownHost)
    );
    assert_ne!(of("10.1.0.7:137", "239.1.2.3:137"), EXPECTED);
}

#[test]
fn wake_on_lan_and_peer_cache_go_to_broadcast_addresses() {
    let loaded = site("");
    let of = |from: &str, to: &str| verdict(&loaded, udp(from, to));
    assert_eq!(of("10.0.0.10:50000", "10.1.255.255:9"), EXPECTED);
    assert_eq!(of("10.1.0.7:50000", "255.255.255.255:9"), EXPECTED);
    assert_eq!(of("10.1.0.7:50000", "255.255.255.255:8004"), EXPECTED);
    assert_eq!(
        of("10.0.0.13:50000", "255.255.255.255:9"),
        Verdict::Unexpected(Reason::PortNotListed)
    );
}

#[test]
fn multicast_flows_from_the_distribution_point_to_a_group() {
    let loaded = site("");
    let of = |from: &str, to: &str| verdict(&loaded, udp(from, to));
    assert_eq!(of("10.0.0.15:50000", "239.0.0.1:63000"), EXPECTED);
    assert_eq!(of("10.0.0.15:50000", "239.0.0.1:64000"), EXPECTED);
    let not_listed = Verdict::Unexpected(Reason::PortNotListed);
    assert_eq!(of("10.1.0.7:50000", "239.0.0.1:63000"), not_listed);
    assert_eq!(of("10.0.0.12:50000", "239.0.0.1:63000"), not_listed);
    assert_eq!(of("10.0.0.15:50000", "239.0.0.1:64001"), not_listed);
}

#[test]
fn scope_leaves_the_rest_uncounted() {
    let loaded = site("[scope]\ntouching = [\"management-point\", \"10.0.0.16\"]\n");
    let of = |from: &str, to: &str| verdict(&loaded, tcp(from, to));
    assert_eq!(of("10.1.0.7:50000", "10.0.0.11:443"), EXPECTED);
    assert_eq!(of("10.1.0.7:50000", "10.0.0.16:80"), EXPECTED);
    assert_eq!(of("10.1.0.7:50000", "10.0.0.12:80"), Verdict::OutOfScope);
    assert_eq!(of("10.9.0.1:50000", "10.9.0.2:80"), Verdict::OutOfScope);
    let discover = udp("0.0.0.0:68", "255.255.255.255:67");
    assert_eq!(verdict(&loaded, discover), Verdict::OutOfScope);
    let boots = site("[scope]\ntouching = [\"distribution-point-pxe\"]\n");
    assert_eq!(verdict(&boots, discover), EXPECTED);
}

const EXCEPTIONS: &str = r#"
[[accept]]
match = "10.1.0.7 -> 10.0.0.11 tcp/9999"
reason = "backup"
expires = 1970-01-01
[[accept]]
match = "client -> 10.0.0.11 tcp/9990-9999"
reason = "pilot"
[[accept]]
match = "any -> any udp/7"
reason = "never seen"
"#;

#[test]
fn exceptions_accept_until_their_date() {
    let loaded = site(EXCEPTIONS);
    let of = |flow: Flow| last_of(&loaded, Proofs::default(), &[flow]).accepted;
    let day = 24 * 60 * 60;
    let backup = tcp("10.1.0.7:50000", "10.0.0.11:9999");
    assert_eq!(of(backup), Accepted::By(0));
    assert_eq!(of(seen_at(day, backup)), Accepted::By(1));
    assert_eq!(of(tcp("10.1.0.8:50000", "10.0.0.11:9990")), Accepted::By(1));
    assert_eq!(of(tcp("10.1.0.8:50000", "10.0.0.11:9989")), Accepted::No);
    assert_eq!(of(udp("10.1.0.8:50000", "10.0.0.11:9990")), Accepted::No);
}

#[test]
fn exceptions_report_their_use() {
    let expired = EXCEPTIONS.replace("client -> 10.0.0.11", "client -> 10.0.0.99");
    let loaded = site(&expired);
    let day = 24 * 60 * 60;
    let backup = tcp("10.1.0.7:50000", "10.0.0.11:9999");
    let audited = audit(&loaded, Proofs::default(), &[backup]);
    assert_eq!(audited.exceptions[0].state, ExceptionState::Used);
    assert_eq!((audited.totals.accepted, audited.totals.unexpected), (1, 0));
    assert!(audited.unexpected[0].accepted.is_some());
    let audited = audit(&loaded, Proofs::default(), &[backup, seen_at(day, backup)]);
    assert_eq!(audited.exceptions[0].state, ExceptionState::Expired);
    assert_eq!(audited.exceptions[0].flows, 2);
    assert_eq!(audited.exceptions[2].state, ExceptionState::Unused);
    assert_eq!((audited.totals.accepted, audited.totals.unexpected), (1, 1));
    assert_eq!(audited.unexpected.len(), 2);
    assert_ne!(audited.unexpected[0].id, audited.unexpected[1].id);
}
