//! Every basis of an expected flow.

use super::*;
use crate::policy::RoleSet;
use crate::site::RpcMinimum;

fn expected(basis: Basis) -> Verdict {
    Verdict::Expected(basis)
}

#[test]
fn fixed_port() {
    let loaded = site("");
    let judged = last_of(
        &loaded,
        Proofs::default(),
        &[tcp("10.1.0.7:50000", "10.0.0.11:443")],
    );
    assert_eq!(judged.verdict, expected(Basis::FixedPort));
    let strongest = &loaded.policy.rules[judged.rules[0] as usize];
    assert_eq!(strongest.id, "BKMK_PortsClient-MP/https/tcp");
}

#[test]
fn alternate_port_takes_the_place_of_the_listed_one() {
    let loaded = site("[ports]\nhttp = [8080]\n");
    let on = |port: u16| verdict(&loaded, tcp("10.1.0.7:50000", &format!("10.0.0.11:{port}")));
    assert_eq!(on(8080), expected(Basis::AlternatePort));
    assert_eq!(on(80), Verdict::Unexpected(Reason::PortNotListed));
    // The section of the policy module and Internet rows have no alternate port.
    let console = verdict(&loaded, tcp("10.0.0.17:50000", "8.8.8.8:80"));
    assert_eq!(console, expected(Basis::FixedPort));
}

#[test]
fn alternate_port_of_one_role_leaves_others_alone() {
    let loaded = site("[ports.distribution-point-pxe]\nhttp = [8080]\n");
    let on = |responder: &str| verdict(&loaded, tcp("10.1.0.7:50000", responder));
    assert_eq!(on("10.0.0.12:8080"), expected(Basis::AlternatePort));
    assert_eq!(
        on("10.0.0.12:80"),
        Verdict::Unexpected(Reason::PortNotListed)
    );
    assert_eq!(on("10.0.0.15:80"), expected(Basis::FixedPort));
    assert_eq!(
        on("10.0.0.15:8080"),
        Verdict::Unexpected(Reason::PortNotListed)
    );
}

#[test]
fn wsus_ports_come_from_their_own_table_only() {
    let global = site("[ports]\nhttp = [8080]\n");
    let on = |loaded: &LoadedSite, port: u16| {
        verdict(loaded, tcp("10.1.0.7:50000", &format!("10.0.0.14:{port}")))
    };
    assert_eq!(on(&global, 8530), expected(Basis::FixedPort));
    assert_eq!(on(&global, 80), expected(Basis::FixedPort));
    let own = site("[ports.software-update-point]\nhttp = [9530]\nhttps = [9531]\n");
    assert_eq!(on(&own, 9530), expected(Basis::AlternatePort));
    assert_eq!(on(&own, 9531), expected(Basis::AlternatePort));
    assert_eq!(on(&own, 8530), Verdict::Unexpected(Reason::PortNotListed));
}

#[test]
fn proxy_stands_for_the_internet() {
    let loaded = site("[ports.proxy]\nhttp = [3128]\n").policy;
    let text = "[ports.proxy]\nhttp = [3128]\n";
    let source = Source::new(
        "site.toml",
        format!(
            "{}\n{text}",
            ROLES.replace("client =", "proxy = [\"10.0.0.19\"]\nclient =")
        ),
    );
    let with_proxy = Site::read(&source, Path::new("")).unwrap();
    assert_eq!(loaded, with_proxy.policy);
    let on = |from: &str| verdict(&with_proxy, tcp(from, "10.0.0.19:3128"));
    assert_eq!(on("10.0.0.10:50000"), expected(Basis::AlternatePort));
    assert_eq!(
        on("10.1.0.7:50000"),
        Verdict::Unexpected(Reason::NoRuleForRoles)
    );
}

#[test]
fn icmp_echo() {
    let loaded = site("");
    let echo = |from: &str, to: &str| verdict(&loaded, flow(Protocol::IcmpEcho, from, to));
    assert_eq!(echo("10.0.0.10", "10.1.0.7"), expected(Basis::IcmpEcho));
    assert_eq!(echo("10.1.0.8", "10.1.0.7"), expected(Basis::IcmpEcho));
    assert_eq!(
        echo("10.1.0.7", "10.0.0.10"),
        Verdict::Unexpected(Reason::Reversed)
    );
}

#[test]
fn tftp_transfer_is_the_client_s_whoever_sent_first() {
    let loaded = site("");
    let transfers = [read_request(
        "10.1.0.7:2070",
        "10.0.0.12:61234",
        "boot.wim",
        TransferOutcome::Complete,
    )];
    let proofs = Proofs {
        tftp: &transfers,
        ..Proofs::default()
    };
    let data = udp("10.0.0.12:61234", "10.1.0.7:2070");
    let judged = last_of(&loaded, proofs, &[data]);
    assert_eq!(judged.verdict, expected(Basis::TftpTransfer));
    assert_eq!(judged.flow.initiator, endpoint("10.1.0.7:2070"));
    assert_eq!(judged.flow.initiator_basis, InitiatorBasis::Request);
    let rules = judged
        .rules
        .iter()
        .map(|rule| &loaded.policy.rules[*rule as usize]);
    assert!(rules.clone().count() > 0 && rules.clone().all(|rule| rule.service == "tftp"));
}

#[test]
fn tftp_transfer_needs_a_request_that_is_allowed() {
    let loaded = site("");
    let transfers = [read_request(
        "10.1.0.7:2070",
        "10.0.0.11:61234",
        "boot.wim",
        TransferOutcome::Complete,
    )];
    let proofs = Proofs {
        tftp: &transfers,
        ..Proofs::default()
    };
    let judged = last_of(&loaded, proofs, &[udp("10.1.0.7:2070", "10.0.0.11:61234")]);
    assert_eq!(judged.verdict, Verdict::Unexpected(Reason::PortNotListed));
}

/// The site server speaks RPC to the domain controller.
fn rpc_flow() -> Flow {
    seen_at(20, tcp("10.0.0.10:50001", "10.0.0.13:49667"))
}

#[test]
fn rpc_bases_by_what_told_the_port() {
    let loaded = site("");
    for (basis, wanted) in [
        (RpcBasis::Endpoint, Basis::RpcEndpoint),
        (RpcBasis::Binding, Basis::RpcBinding),
        (RpcBasis::Interface, Basis::RpcInterface),
    ] {
        // Learned after the flow: clients cache endpoints.
        let rpc = [learned("10.0.0.13", 49667, basis)];
        let proofs = Proofs {
            rpc: &rpc,
            ..Proofs::default()
        };
        let judged = last_of(&loaded, proofs, &[rpc_flow()]);
        assert_eq!(judged.verdict, expected(wanted));
        assert_eq!(judged.learned, Some(0));
    }
}

#[test]
fn rpc_takes_the_strongest_of_several() {
    let loaded = site("");
    let rpc = [
        learned("10.0.0.13", 49667, RpcBasis::Interface),
        learned("10.0.0.13", 49667, RpcBasis::Endpoint),
    ];
    let proofs = Proofs {
        rpc: &rpc,
        ..Proofs::default()
    };
    let contact = seen_at(15, tcp("10.0.0.10:50000", "10.0.0.13:135"));
    let judged = last_of(&loaded, proofs, &[contact, rpc_flow()]);
    assert_eq!(judged.verdict, expected(Basis::RpcEndpoint));
}

#[test]
fn rpc_inferred_needs_an_earlier_contact_that_succeeded() {
    let loaded = site("");
    let after = |contact: Flow| last_of(&loaded, Proofs::default(), &[contact, rpc_flow()]).verdict;
    let contact = tcp("10.0.0.10:50000", "10.0.0.13:135");
    let unannounced = Verdict::Unexpected(Reason::RpcUnannounced);
    assert_eq!(after(seen_at(15, contact)), expected(Basis::RpcInferred));
    assert_eq!(after(seen_at(25, contact)), unannounced);
    assert_eq!(after(seen_at(15, unanswered(contact))), unannounced);
    let datagram = udp("10.0.0.10:50000", "10.0.0.13:135");
    assert_eq!(after(seen_at(15, datagram)), expected(Basis::RpcInferred));
    assert_eq!(after(seen_at(15, unanswered(datagram))), unannounced);
    let of_another = tcp("10.0.0.11:50000", "10.0.0.13:135");
    assert_eq!(after(seen_at(15, of_another)), unannounced);
}

#[test]
fn rpc_counts_all_addresses_of_a_machine() {
    let loaded = site("");
    let contact = seen_at(15, tcp("10.0.0.11:50000", "10.0.0.13:135"));
    let from_v6 = seen_at(20, tcp("[2001:db8::11]:50001", "10.0.0.13:49667"));
    let judged = last_of(&loaded, Proofs::default(), &[contact, from_v6]);
    assert_eq!(judged.verdict, expected(Basis::RpcInferred));
    let rpc = [learned("10.0.0.11", 49700, RpcBasis::Endpoint)];
    let proofs = Proofs {
        rpc: &rpc,
        ..Proofs::default()
    };
    let to_v6 = tcp("10.0.0.10:50001", "[2001:db8::11]:49700");
    assert_eq!(
        last_of(&loaded, proofs, &[to_v6]).verdict,
        expected(Basis::RpcEndpoint)
    );
}

#[test]
fn rpc_minimum_decides_what_counts() {
    let range = site("[rpc]\nminimum = \"range\"\n");
    assert_eq!(verdict(&range, rpc_flow()), expected(Basis::RpcRange));
    let endpoint = site("[rpc]\nminimum = \"endpoint\"\n");
    let rpc = [learned("10.0.0.13", 49667, RpcBasis::Binding)];
    let proofs = Proofs {
        rpc: &rpc,
        ..Proofs::default()
    };
    assert_eq!(
        last_of(&endpoint, proofs, &[rpc_flow()]).verdict,
        Verdict::Unexpected(Reason::RpcUnannounced)
    );
}

#[test]
fn rpc_minimum_may_differ_between_two_roles() {
    // The most specific entry wins, and the responder's over the initiator's.
    let entries = [
        ("\"site-server -> any\" = \"range\"", true),
        ("\"any -> domain-controller\" = \"interface\"", false),
        ("\"site-server -> domain-controller\" = \"range\"", true),
    ];
    let mut pairs = String::from("[rpc]\nminimum = \"endpoint\"\n[rpc.pairs]\n");
    assert_eq!(
        verdict(&site(&pairs), rpc_flow()),
        Verdict::Unexpected(Reason::RpcUnannounced)
    );
    for (entry, allowed) in entries {
        pairs.push_str(entry);
        pairs.push('\n');
        let wanted = match allowed {
            true => expected(Basis::RpcRange),
            false => Verdict::Unexpected(Reason::RpcUnannounced),
        };
        assert_eq!(verdict(&site(&pairs), rpc_flow()), wanted, "{pairs}");
    }
    // A host with several roles meets the strictest of several entries alike.
    let shared = "[rpc]\nminimum = \"range\"\n[rpc.pairs]\n\
                  \"site-server -> domain-controller\" = \"range\"\n\
                  \"site-server -> global-catalog-domain-controller\" = \"binding\"\n";
    let loaded = site(shared);
    let to = |roles: &[&str]| {
        let mut set = RoleSet::EMPTY;
        for id in roles {
            set.insert(loaded.policy.roles.find(id).expect("a role"));
        }
        set
    };
    let server = to(&["site-server"]);
    let between = |roles: &[&str]| loaded.site.rpc.minimum_between(server, to(roles));
    assert_eq!(between(&["domain-controller"]), RpcMinimum::Range);
    assert_eq!(
        between(&["domain-controller", "global-catalog-domain-controller"]),
        RpcMinimum::Binding
    );
}

#[test]
fn fixed_ports_win_over_ranges() {
    let loaded = site("[rpc]\nminimum = \"range\"\ndynamic = [\"1024-65535\"]\n");
    let judged = last_of(
        &loaded,
        Proofs::default(),
        &[tcp("10.0.0.10:50000", "10.0.0.13:3268")],
    );
    assert_eq!(judged.verdict, expected(Basis::FixedPort));
    let services: Vec<_> = judged
        .rules
        .iter()
        .map(|rule| loaded.policy.rules[*rule as usize].service.as_str())
        .collect();
    assert_eq!(services[0], "global-catalog-ldap");
    assert!(services.contains(&"rpc"));
}

#[test]
fn guessed_directions_fit_either_way_round() {
    let loaded = site("");
    for basis in [InitiatorBasis::ServicePort, InitiatorBasis::FirstPacket] {
        let guessed = Flow {
            initiator_basis: basis,
            state: State::MidStream,
            ..tcp("10.0.0.11:443", "10.1.0.7:50000")
        };
        let judged = last_of(&loaded, Proofs::default(), &[guessed]);
        assert_eq!(judged.verdict, expected(Basis::FixedPort));
        assert_eq!(judged.orientation, Orientation::Swapped);
        assert_eq!(judged.by_rule().initiator, endpoint("10.1.0.7:50000"));
    }
}
