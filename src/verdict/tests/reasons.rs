//! Every reason of an unexpected flow, and which comes first.

use super::*;

fn reason(loaded: &LoadedSite, flow: Flow) -> Reason {
    match verdict(loaded, flow) {
        Verdict::Unexpected(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn unknown_host() {
    let loaded = site("");
    let of = |from: &str, to: &str| reason(&loaded, tcp(from, to));
    assert_eq!(of("10.9.0.1:50000", "10.0.0.11:443"), Reason::UnknownHost);
    assert_eq!(of("10.1.0.7:50000", "192.168.1.1:443"), Reason::UnknownHost);
    // Globally reachable: an external party.
    assert_eq!(of("10.1.0.7:50000", "8.8.8.8:9999"), Reason::PortNotListed);
}

#[test]
fn rpc_outside_range() {
    let loaded = site("[rpc.roles]\ndomain-controller = [\"50000-50200\"]\n");
    let rpc = [learned("10.0.0.13", 49667, RpcBasis::Endpoint)];
    let proofs = Proofs {
        rpc: &rpc,
        ..Proofs::default()
    };
    let flow = tcp("10.0.0.10:50001", "10.0.0.13:49667");
    let judged = last_of(&loaded, proofs, &[flow]);
    assert_eq!(judged.verdict, Verdict::Unexpected(Reason::RpcOutsideRange));
    // The pair must be allowed to use RPC at all, in this direction.
    let others = last_of(&loaded, proofs, &[tcp("10.1.0.7:50001", "10.0.0.13:49667")]);
    assert_eq!(others.verdict, Verdict::Unexpected(Reason::NoRuleForRoles));
    // Not learned: nothing but an unlisted port.
    assert_eq!(reason(&loaded, flow), Reason::PortNotListed);
}

#[test]
fn rpc_unannounced() {
    let loaded = site("");
    let flow = tcp("10.0.0.10:50001", "10.0.0.13:49667");
    assert_eq!(reason(&loaded, flow), Reason::RpcUnannounced);
}

#[test]
fn tftp_unsolicited() {
    let loaded = site("");
    let of = |from: &str, to: &str| reason(&loaded, udp(from, to));
    assert_eq!(
        of("10.0.0.12:61234", "10.1.0.7:2070"),
        Reason::TftpUnsolicited
    );
    assert_eq!(
        of("10.1.0.7:2070", "10.0.0.12:61234"),
        Reason::TftpUnsolicited
    );
    // A privileged port, a port that a rule names, another server.
    assert_eq!(
        of("10.1.0.7:1023", "10.0.0.12:61234"),
        Reason::PortNotListed
    );
    assert_eq!(of("10.1.0.7:2070", "10.0.0.12:8004"), Reason::PortNotListed);
    assert_eq!(
        of("10.1.0.7:2070", "10.0.0.11:61234"),
        Reason::PortNotListed
    );
}

#[test]
fn a_transfer_that_was_under_way_is_unsolicited_and_told_apart() {
    let loaded = site("");
    let joined = [JoinedTransfer {
        operation: None,
        client: endpoint("10.1.0.7:2070"),
        server: endpoint("10.0.0.12:61234"),
        options: Default::default(),
        outcome: TransferOutcome::Complete,
        bytes: 1024,
        blocks: 3,
        retransmitted_blocks: 0,
        missing_blocks: 0,
        first: at(9),
        last: at(11).time,
        error: None,
        frames: Vec::new(),
    }];
    let proofs = Proofs {
        tftp_joined: &joined,
        ..Proofs::default()
    };
    let explained = |from: &str, to: &str| {
        let audited = audit(&loaded, proofs, &[udp(from, to)]);
        let finding = &audited.unexpected[0];
        assert_eq!(finding.reason, Reason::TftpUnsolicited);
        assert_eq!(audited.tftp_joined.len(), 1);
        finding.explanation.clone()
    };
    for (from, to) in [
        ("10.0.0.12:61234", "10.1.0.7:2070"),
        ("10.1.0.7:2070", "10.0.0.12:61234"),
    ] {
        assert!(explained(from, to).contains("under way when the capture began"));
    }
    let other = explained("10.1.0.7:2070", "10.0.0.12:61235");
    assert!(other.contains("no request to port 69 explains it"));
}

#[test]
fn reversed() {
    let loaded = site("");
    let flow = tcp("10.0.0.11:50000", "10.1.0.7:443");
    assert_eq!(reason(&loaded, flow), Reason::Reversed);
    // RPC the other way round needs its proof, too.
    let rpc = seen_at(20, tcp("10.0.0.13:50000", "10.0.0.10:49667"));
    assert_eq!(reason(&loaded, rpc), Reason::PortNotListed);
    let contact = seen_at(15, tcp("10.0.0.13:50000", "10.0.0.10:135"));
    let after = last_of(&loaded, Proofs::default(), &[contact, rpc]).verdict;
    assert_eq!(after, Verdict::Unexpected(Reason::Reversed));
    for (pair, wanted) in [
        ("site-server -> domain-controller", Reason::Reversed),
        ("domain-controller -> site-server", Reason::PortNotListed),
    ] {
        let loaded = site(&format!("[rpc.pairs]\n\"{pair}\" = \"range\"\n"));
        assert_eq!(reason(&loaded, rpc), wanted, "{pair}");
    }
    let guessed = Flow {
        initiator_basis: InitiatorBasis::ServicePort,
        ..flow
    };
    assert_eq!(reason(&loaded, guessed), Reason::PortNotListed);
    let first_datagram = udp("10.0.0.12:50000", "10.1.0.7:69");
    assert_eq!(reason(&loaded, first_datagram), Reason::Reversed);
}

#[test]
fn port_not_listed() {
    let loaded = site("");
    let of = |flow: Flow| reason(&loaded, flow);
    assert_eq!(
        of(tcp("10.1.0.7:50000", "10.0.0.11:9999")),
        Reason::PortNotListed
    );
    assert_eq!(
        of(tcp("10.0.0.11:50000", "10.1.0.7:9999")),
        Reason::PortNotListed
    );
    assert_eq!(
        of(flow(Protocol::Other(47), "10.1.0.7", "10.0.0.11")),
        Reason::PortNotListed
    );
}

#[test]
fn no_rule_for_roles() {
    let loaded = site("");
    // Key ports of Windows Server alone do not connect two roles.
    let flow = tcp("10.0.0.14:50000", "10.0.0.13:9999");
    assert_eq!(reason(&loaded, flow), Reason::NoRuleForRoles);
    let dns = udp("10.0.0.14:50000", "10.0.0.13:53");
    assert_eq!(verdict(&loaded, dns), Verdict::Expected(Basis::FixedPort));
}

#[test]
fn sql_server_browser_is_not_needed() {
    let text = ROLES.replace("client =", "sql-server = [\"10.0.0.20\"]\nclient =");
    let source = Source::new("site.toml", text);
    let loaded = Site::read(&source, Path::new("")).unwrap();
    let browser = udp("10.0.0.10:50000", "10.0.0.20:1434");
    let judged = last_of(&loaded, Proofs::default(), &[browser]);
    assert_eq!(judged.verdict, Verdict::Unexpected(Reason::PortNotListed));
    let judge = Judge::new(
        &loaded.policy,
        &loaded.site,
        Proofs::default(),
        Strictness::Normal,
    );
    assert!(judge.sentence(&judged).0.contains("expressly not needed"));
}

#[test]
fn an_external_party_that_initiates_is_judged_like_any_role() {
    let loaded = site("");
    let https = tcp("8.8.8.8:50000", "10.0.0.11:443");
    assert_eq!(reason(&loaded, https), Reason::NoRuleForRoles);
    // It is not "any host with a role".
    let dns = udp("8.8.8.8:50000", "10.0.0.13:53");
    assert_eq!(reason(&loaded, dns), Reason::NoRuleForRoles);
}

#[test]
fn only_the_site_server_opens_where_the_site_says_so() {
    let either = site("");
    let one_way = site("[direction]\nsite-server-initiates = true\n");
    let some = site("[direction]\nsite-server-initiates = [\"fallback-status-point\"]\n");
    let status = tcp("10.0.0.11:50000", "10.0.0.10:445");
    let control = tcp("10.0.0.10:50000", "10.0.0.11:445");
    assert_eq!(
        verdict(&either, status),
        Verdict::Expected(Basis::FixedPort)
    );
    assert_eq!(
        verdict(&one_way, status),
        Verdict::Unexpected(Reason::Reversed)
    );
    assert_eq!(
        verdict(&one_way, control),
        Verdict::Expected(Basis::FixedPort)
    );
    assert_eq!(verdict(&some, status), Verdict::Expected(Basis::FixedPort));
    let other = tcp("10.0.0.16:50000", "10.0.0.10:445");
    assert_eq!(verdict(&some, other), Verdict::Unexpected(Reason::Reversed));
}
