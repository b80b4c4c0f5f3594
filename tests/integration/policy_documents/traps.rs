//! Places where the documents contradict themselves or mislead, a test each, named after what
//! the policy makes of them.

use std::collections::BTreeSet;

use portolan::net::Protocol;
use portolan::policy::{
    CustomPorts, Direction, Kind, Policy, Reach, Rule, RuleProtocol, Service, StepEvidence,
    Trigger, service_ports,
};

use super::{EDITIONS, documents, policy, role, rules_of};

/// `service/protocol` of a section's rules, in order.
fn services(policy: &Policy, anchor: &str) -> Vec<String> {
    let rules = rules_of(policy, anchor).into_iter();
    rules
        .map(|rule| format!("{}/{}", rule.service, rule.protocol.code()))
        .collect()
}

fn parties<'p>(policy: &'p Policy, rule: &Rule) -> (&'p str, &'p str) {
    (role(policy, rule.initiator), role(policy, rule.responder))
}

fn opens(rule: &Rule, protocol: RuleProtocol, port: u16) -> bool {
    rule.kind == Kind::Fixed
        && rule.protocol == protocol
        && rule.ports.iter().any(|range| range.contains(port))
}

// Facts that are wrong or contradictory in the documents.

#[test]
fn wsus_ports_are_a_choice_of_pairs() {
    for edition in EDITIONS {
        let policy = policy(edition);
        let anchors = [
            "BKMK_PortsClient-SUP",
            "BKMK_PortsSite-SUP",
            "BKMK_PortsSUP-WSUS",
        ];
        for anchor in anchors {
            let rules = rules_of(&policy, anchor);
            let ports = |service: &str| -> Vec<u16> {
                let rule = rules.iter().find(|rule| rule.service == service);
                let rule = rule.unwrap_or_else(|| panic!("{anchor}: no {service}"));
                assert!(rule.alternatives, "{}", rule.id);
                assert_eq!(rule.custom_ports(), CustomPorts::OfRole, "{}", rule.id);
                rule.ports.iter().map(|range| range.low).collect()
            };
            assert_eq!(ports("http"), [80, 8530]);
            assert_eq!(ports("https"), [443, 8531]);
        }
    }
}

#[test]
fn wsus_note_says_plus_one_and_not_one_or_higher() {
    for edition in EDITIONS {
        let policy = policy(edition);
        let mut notes = policy.notes.iter();
        let note = notes.find(|note| note.number == 3).expect("note 3");
        assert!(note.text.contains("that port + 1"), "{}", note.text);
        assert!(note.text.contains("HTTP stays open"), "{}", note.text);
    }
}

#[test]
fn tftp_is_rfc_1350() {
    for edition in EDITIONS {
        let policy = policy(edition);
        let rules = rules_of(&policy, "BKMK_PortsClient-DP3");
        let tftp = rules
            .iter()
            .find(|rule| rule.service == "tftp")
            .expect("TFTP");
        let note = tftp
            .notes
            .iter()
            .find(|note| note.contains("RFC"))
            .expect("note 4");
        assert!(
            note.contains("RFC 1350") && !note.contains("RFC 350"),
            "{note}"
        );
    }
}

#[test]
fn ldap_is_tcp_only_in_2017_and_the_endpoint_mapper_after_it() {
    for anchor in ["BKMK_PortsMP-DC", "BKMK_PortsSite-DC"] {
        let has = |edition: &str, name: &str| {
            services(&policy(edition), anchor).contains(&name.to_owned())
        };
        for edition in EDITIONS {
            let old = edition == "2017-09";
            assert!(has(edition, "ldap/tcp") && has(edition, "rpc-endpoint-mapper/tcp"));
            assert_eq!(has(edition, "ldap/udp"), !old, "{edition}: {anchor}");
            assert_eq!(
                has(edition, "rpc-endpoint-mapper/udp"),
                old,
                "{edition}: {anchor}"
            );
            let newest = edition == "2020-04";
            assert_eq!(has(edition, "ldaps/tcp"), newest, "{edition}: {anchor}");
            assert_eq!(has(edition, "ldaps/udp"), newest, "{edition}: {anchor}");
        }
    }
}

#[test]
fn no_rule_opens_ldap_over_udp_in_2017() {
    let policy = policy("2017-09");
    for rule in &policy.rules {
        assert!(!opens(rule, RuleProtocol::Udp, 389), "{}", rule.id);
        assert!(!opens(rule, RuleProtocol::Udp, 636), "{}", rule.id);
    }
}

#[test]
fn management_point_and_console_reach_the_site_server_by_tcp_135_only() {
    for edition in EDITIONS {
        let policy = policy(edition);
        for anchor in ["BKMK_PortsMP-Site", "BKMK_PortsConsole-Site"] {
            let services = services(&policy, anchor);
            assert!(services.contains(&"rpc-endpoint-mapper/tcp".to_owned()));
            assert!(!services.contains(&"rpc-endpoint-mapper/udp".to_owned()));
        }
    }
}

#[test]
fn installation_of_internet_based_site_systems_needs_udp_and_tcp_135() {
    for edition in EDITIONS {
        let policy = policy(edition);
        let rules = rules_of(&policy, "BKMK_IBCMports");
        for protocol in [RuleProtocol::Udp, RuleProtocol::Tcp] {
            for responder in ["site-system", "distribution-point"] {
                let found = rules.iter().any(|rule| {
                    opens(rule, protocol, 135)
                        && parties(&policy, rule) == ("site-server", responder)
                        && rule.direction == Direction::OneWay
                });
                assert!(found, "{edition}: {protocol:?} {responder}");
            }
        }
        let smb: Vec<_> = rules.iter().filter(|rule| rule.service == "smb").collect();
        assert_eq!(smb.len(), 1);
        assert_eq!(smb[0].direction, Direction::Either);
    }
}

#[test]
fn software_update_point_has_rpc_only_for_internet_based_installation() {
    for edition in EDITIONS {
        let policy = policy(edition);
        assert_eq!(
            services(&policy, "BKMK_PortsSite-SUP"),
            ["smb/tcp", "http/tcp", "https/tcp"]
        );
        for rule in &policy.rules {
            let rpc = rule.kind == Kind::RpcDynamic || opens(rule, RuleProtocol::Tcp, 135);
            assert!(!rpc || parties(&policy, rule) != ("site-server", "software-update-point"));
        }
        let install = rules_of(&policy, "BKMK_IBCMports");
        assert!(install.iter().any(|rule| rule.kind == Kind::RpcDynamic));
        let meant = |note: &String| note.contains("software update points");
        assert!(install[0].notes.iter().any(meant));
    }
}

#[test]
fn state_migration_point_has_135_without_dynamic_ports() {
    for edition in EDITIONS {
        assert_eq!(
            services(&policy(edition), "BKMK_PortsSite-SMP"),
            [
                "smb/tcp",
                "rpc-endpoint-mapper/udp",
                "rpc-endpoint-mapper/tcp"
            ]
        );
    }
}

#[test]
fn note_5_stands_where_it_is_cited_and_changes_no_arrow() {
    for edition in EDITIONS {
        let policy = policy(edition);
        let cites = |rule: &Rule| rule.notes.iter().any(|note| note.starts_with("note 5:"));
        let citing: BTreeSet<&str> = policy
            .rules
            .iter()
            .filter(|rule| cites(rule))
            .map(|rule| rule.anchor.as_str())
            .collect();
        let expected = [
            "BKMK_PortsMP-Site",
            "BKMK_PortsSite-DP",
            "BKMK_PortsSite-FSP",
            "BKMK_PortsSite-RSP",
            "BKMK_PortsSite-SMP",
            "BKMK_PortsSite-SUP",
        ];
        assert_eq!(citing, expected.into_iter().collect(), "{edition}");
        for rule in policy.rules.iter().filter(|rule| cites(rule)) {
            let one_way = rule.direction == Direction::OneWay;
            assert_eq!(one_way, rule.anchor == "BKMK_PortsSite-DP", "{}", rule.id);
        }
    }
}

#[test]
fn either_way_sections_are_fourteen_and_two_more_in_2020() {
    for edition in EDITIONS {
        let policy = policy(edition);
        let lists = ["BKMK_IBCMports", "BKMK_PortsClient-DP"];
        let either = policy
            .rules
            .iter()
            .filter(|rule| rule.direction == Direction::Either);
        let anchors: BTreeSet<&str> = either
            .map(|rule| rule.anchor.as_str())
            .filter(|anchor| !lists.contains(anchor))
            .collect();
        let expected = if edition == "2020-04" { 16 } else { 14 };
        assert_eq!(anchors.len(), expected, "{edition}: {anchors:?}");
    }
}

#[test]
fn wsus_database_has_an_alternate_port_although_it_cites_note_3() {
    let policy = policy("2020-04");
    let rules = rules_of(&policy, "BKMK_PortsSite-SQL-WSUS");
    assert_eq!(rules.len(), 1);
    assert_eq!(
        parties(&policy, rules[0]),
        ("site-server", "sql-server-for-wsus")
    );
    assert_eq!(rules[0].custom_ports(), CustomPorts::Any);
    assert!(rules[0].notes[0].starts_with("note 3:"));
    assert!(
        rules[0]
            .condition
            .as_deref()
            .is_some_and(|text| text.contains("clean-up"))
    );
    for edition in ["2017-09", "2018-09"] {
        assert!(rules_of(&super::policy(edition), "BKMK_PortsSite-SQL-WSUS").is_empty());
    }
}

#[test]
fn internet_sections_have_no_https_but_the_console_from_2018() {
    for edition in EDITIONS {
        let policy = policy(edition);
        let to_internet = policy.rules.iter();
        let to_internet = to_internet.filter(|rule| role(&policy, rule.responder) == "internet");
        let mut count = 0;
        for rule in to_internet {
            count += 1;
            let console = rule.anchor == "BKMK_PortsConsole-Internet" && edition != "2017-09";
            assert!(rule.service == "http" || console, "{}", rule.id);
            assert_eq!(rule.custom_ports(), CustomPorts::Never, "{}", rule.id);
        }
        assert_eq!(count, if edition == "2017-09" { 4 } else { 5 });
    }
}

#[test]
fn certificate_registration_point_may_reach_sql_by_the_list_alone() {
    for edition in EDITIONS {
        let policy = policy(edition);
        let pair = ("certificate-registration-point", "sql-server");
        let rules: Vec<&Rule> = policy
            .rules
            .iter()
            .filter(|rule| parties(&policy, rule) == pair)
            .collect();
        assert_eq!(rules.len(), 1);
        assert_eq!(rules[0].anchor, "BKMK_SQLPorts");
        assert!(opens(rules[0], RuleProtocol::Tcp, 1433));
    }
}

#[test]
fn load_balancer_list_has_tcp_135_only() {
    for edition in EDITIONS {
        let policy = policy(edition);
        let rules = rules_of(&policy, "BKMK_SQLPorts");
        let azure = rules.iter().filter(|rule| rule.condition.is_some());
        let listed: BTreeSet<(&str, u16)> = azure
            .map(|rule| (rule.protocol.code(), rule.ports[0].low))
            .collect();
        let expected = [("tcp", 135), ("tcp", 445), ("tcp", 1433), ("tcp", 4022)];
        assert_eq!(listed, expected.into_iter().collect());
    }
}

#[test]
fn sql_rows_speak_of_listed_site_systems_and_never_of_dynamic_ports() {
    for edition in EDITIONS {
        let policy = policy(edition);
        let rules = rules_of(&policy, "BKMK_SQLPorts");
        assert!(rules.iter().all(|rule| rule.kind == Kind::Fixed));
        assert!(
            rules
                .iter()
                .any(|rule| parties(&policy, rule) == ("site-system", "sql-server"))
        );
    }
}

#[test]
fn client_push_needs_smb_rpc_and_echo_that_the_ports_documents_lack() {
    for edition in EDITIONS {
        let policy = policy(edition);
        assert_eq!(
            services(&policy, "BKMK_PortsSite-Client"),
            ["wake-on-lan/udp"]
        );
        let anchor = "ports-that-are-used-with-client-push-installation";
        assert_eq!(
            services(&policy, anchor),
            [
                "smb/tcp",
                "rpc-endpoint-mapper/udp",
                "rpc-endpoint-mapper/tcp",
                "rpc/tcp",
                "icmp-echo/icmp",
                "http/tcp",
                "https/tcp"
            ]
        );
        for rule in rules_of(&policy, anchor) {
            let expected = match rule.service.as_str() {
                "http" | "https" => ("client", "management-point"),
                _ => ("site-server", "client"),
            };
            assert_eq!(parties(&policy, rule), expected, "{}", rule.id);
        }
    }
}

#[test]
fn remote_assistance_is_both_135_and_3389() {
    let policy = policy("2020-04");
    let rules = rules_of(&policy, "remote-assistance-and-remote-desktop");
    let assistance = rules
        .iter()
        .filter(|rule| rule.service == "remote-assistance");
    let ports: Vec<u16> = assistance.map(|rule| rule.ports[0].low).collect();
    assert_eq!(ports, [135, 3389]);
    let desktop = rules.iter().find(|rule| rule.service == "remote-desktop");
    assert_eq!(desktop.expect("Remote Desktop").ports[0].low, 3389);
    for rule in rules {
        assert_eq!(
            parties(&policy, rule),
            ("configuration-manager-console", "client")
        );
    }
}

#[test]
fn firewall_groups_are_marked_and_open_nothing_outbound() {
    let policy = policy("2020-04");
    let mut sharing = 0;
    for rule in policy
        .rules
        .iter()
        .filter(|rule| rule.document.starts_with("001_"))
    {
        let marked = rule
            .notes
            .iter()
            .any(|note| note.contains("not stated by the document"));
        let netbios = rule.service.starts_with("netbios-");
        assert!(marked || !netbios, "{}", rule.id);
        if marked {
            let (from, to) = parties(&policy, rule);
            assert!(matches!(
                from,
                "site-server" | "configuration-manager-console"
            ));
            assert_eq!(to, "client", "{}", rule.id);
        }
        sharing += usize::from(netbios);
    }
    assert_eq!(sharing, 9, "three groups of NetBIOS ports");
    let push = services(&policy, "client-push-installation");
    assert!(push.contains(&"rpc/tcp".to_owned()) && push.contains(&"smb/tcp".to_owned()));
}

#[test]
fn discovery_ranges_open_nothing_and_name_tcp() {
    for edition in EDITIONS {
        let policy = policy(edition);
        let rules = rules_of(&policy, "bkmk_discovery");
        let ranges: Vec<(u16, u16)> = rules
            .iter()
            .filter(|rule| rule.kind == Kind::RpcRange)
            .map(|rule| (rule.ports[0].low, rule.ports[0].high))
            .collect();
        assert_eq!(ranges, [(1024, 5000), (49152, 65535)]);
        assert!(rules.iter().all(|rule| rule.protocol == RuleProtocol::Tcp));
        let elsewhere = policy
            .rules
            .iter()
            .filter(|rule| rule.anchor != "bkmk_discovery");
        assert!(
            elsewhere
                .into_iter()
                .all(|rule| rule.kind != Kind::RpcRange)
        );
    }
}

#[test]
fn dynamic_rows_carry_no_numbers() {
    for edition in EDITIONS {
        for rule in &policy(edition).rules {
            let numbered = !rule.ports.is_empty();
            assert_eq!(
                numbered,
                matches!(rule.kind, Kind::Fixed | Kind::RpcRange),
                "{}",
                rule.id
            );
        }
    }
}

#[test]
fn no_rule_covers_udp_1434() {
    for edition in EDITIONS {
        for rule in &policy(edition).rules {
            assert!(!opens(rule, RuleProtocol::Udp, 1434), "{}", rule.id);
        }
    }
    assert!(!service_ports().contains(Protocol::Udp, 1434));
}

#[test]
fn pull_distribution_point_has_no_rule_to_its_source() {
    for edition in EDITIONS {
        let policy = policy(edition);
        for rule in &policy.rules {
            assert_ne!(
                parties(&policy, rule),
                ("distribution-point", "distribution-point")
            );
        }
    }
}

#[test]
fn client_to_internet_and_migration_have_no_rows() {
    for edition in EDITIONS {
        let policy = policy(edition);
        for rule in &policy.rules {
            assert_ne!(
                parties(&policy, rule),
                ("client", "internet"),
                "{}",
                rule.id
            );
        }
        for anchor in [
            "BKMK_MigrationPorts",
            "BKMK_PortsClientInstall",
            "BKMK_ConfigurablePorts",
        ] {
            assert!(
                policy
                    .sections
                    .iter()
                    .any(|section| section.anchor == anchor)
            );
            assert!(rules_of(&policy, anchor).is_empty());
        }
    }
}

#[test]
fn express_updates_go_both_ways_and_the_rule_says_so() {
    let policy = policy("2020-04");
    let rules = rules_of(&policy, "BKMK_PortsClient-DP");
    let express = rules
        .iter()
        .find(|rule| rule.service == "express-updates")
        .expect("8005");
    assert!(opens(express, RuleProtocol::Tcp, 8005));
    assert_eq!(express.direction, Direction::Either);
    assert!(express.notes.iter().any(|note| note.contains("both ways")));
    assert_eq!(express.custom_ports(), CustomPorts::Any);
}

#[test]
fn echo_is_a_rule_between_clients_and_for_client_push() {
    for edition in EDITIONS {
        let policy = policy(edition);
        let echo: Vec<_> = policy
            .rules
            .iter()
            .filter(|rule| rule.kind == Kind::IcmpEcho)
            .collect();
        let found: BTreeSet<(&str, &str)> =
            echo.iter().map(|rule| parties(&policy, rule)).collect();
        let expected = [("client", "client"), ("site-server", "client")];
        assert_eq!(found, expected.into_iter().collect());
        for rule in echo {
            assert_eq!(
                (rule.protocol, rule.service.as_str()),
                (RuleProtocol::Icmp, "icmp-echo")
            );
        }
    }
}

#[test]
fn multicast_data_comes_from_the_distribution_point() {
    for edition in EDITIONS {
        let policy = policy(edition);
        let rules = rules_of(&policy, "BKMK_PortsClient-DP2");
        let multicast = rules
            .iter()
            .find(|rule| rule.service == "multicast")
            .expect("multicast");
        assert_eq!(
            parties(&policy, multicast),
            ("client", "distribution-point-multicast")
        );
        assert_eq!(
            (multicast.ports[0].low, multicast.ports[0].high),
            (63000, 64000)
        );
        let service = Service::find("multicast").expect("a known service");
        assert_eq!(service.reach, Reach::Group);
        assert!(service.one_way);
    }
}

#[test]
fn broadcasts_are_wake_on_lan_peer_cache_dhcp_and_netbios() {
    let broadcast: Vec<&str> = Service::ALL
        .iter()
        .filter(|service| service.reach == Reach::Broadcast)
        .map(|service| service.id)
        .collect();
    assert_eq!(
        broadcast,
        [
            "dhcp",
            "netbios-name",
            "netbios-datagram",
            "wake-on-lan",
            "peer-cache-broadcast"
        ]
    );
}

#[test]
fn dhcp_is_one_exchange_on_two_ports() {
    for edition in EDITIONS {
        let policy = policy(edition);
        for anchor in ["BKMK_PortsClient-DP3", "BKMK_ServerPorts"] {
            let rules = rules_of(&policy, anchor);
            let dhcp = rules
                .iter()
                .find(|rule| rule.service == "dhcp")
                .expect("DHCP");
            let ports: Vec<(u16, u16)> = dhcp
                .ports
                .iter()
                .map(|range| (range.low, range.high))
                .collect();
            assert_eq!(ports, [(67, 67), (68, 68)]);
            assert!(!dhcp.alternatives, "both ports, no choice");
        }
    }
}

#[test]
fn windows_server_ports_are_open_to_any_role() {
    for edition in EDITIONS {
        let policy = policy(edition);
        let rules = rules_of(&policy, "BKMK_ServerPorts");
        let responders: BTreeSet<&str> = rules
            .iter()
            .map(|rule| role(&policy, rule.responder))
            .collect();
        assert_eq!(
            responders,
            ["domain-controller", "windows-server"]
                .into_iter()
                .collect()
        );
        assert!(
            rules
                .iter()
                .all(|rule| role(&policy, rule.initiator) == "any")
        );
        let kerberos = rules.iter().any(|rule| opens(rule, RuleProtocol::Tcp, 88));
        assert_eq!(kerberos, edition != "2017-09");
    }
}

#[test]
fn conditions_are_kept() {
    for edition in EDITIONS {
        let policy = policy(edition);
        let condition = |anchor: &str, service: &str| -> Option<String> {
            let rules = rules_of(&policy, anchor);
            let rule = rules.iter().find(|rule| rule.service == service);
            rule.unwrap_or_else(|| panic!("{anchor}: no {service}"))
                .condition
                .clone()
        };
        assert!(condition("BKMK_PortsSite-SQL", "sql").is_none());
        assert!(condition("BKMK_PortsSite-SQL", "smb").is_some_and(|text| text.contains("remote")));
        assert!(condition("BKMK_PortsIssuingCA_SiteServer", "rpc").is_some());
        assert!(condition("BKMK_PortsClient-GCDC", "global-catalog-ldap").is_some());
        let anchor = "ports-that-are-used-for-all-installation-methods";
        assert!(condition(anchor, "http").is_some_and(|text| text.contains("fallback status")));
        let anchor = "ports-that-are-used-with-group-policy-based-installation";
        assert!(condition(anchor, "smb").is_some_and(|text| text.contains("/source")));
        assert!(condition(anchor, "http").is_none());
    }
    let cmg = policy("2018-09");
    let versions: Vec<_> = rules_of(&cmg, "bkmk_cmgcp-mp")
        .iter()
        .map(|rule| rule.condition.clone())
        .collect();
    assert!(versions.iter().all(Option::is_some));
    let cmg = policy("2020-04");
    assert!(
        rules_of(&cmg, "bkmk_cmgcp-mp")
            .iter()
            .all(|rule| rule.condition.is_none())
    );
}

#[test]
fn client_ports_document_gives_80_and_443_with_alternates() {
    let policy = policy("2020-04");
    let rules: Vec<&Rule> = policy
        .rules
        .iter()
        .filter(|rule| rule.document.starts_with("002_"))
        .collect();
    let ports: Vec<u16> = rules.iter().map(|rule| rule.ports[0].low).collect();
    assert_eq!(ports, [80, 443]);
    for rule in rules {
        assert_eq!(rule.custom_ports(), CustomPorts::Any, "{}", rule.id);
        assert_eq!(role(&policy, rule.initiator), "client");
    }
}

// Translation traps.

#[test]
fn the_cmg_connection_point_and_no_distribution_point_reaches_the_management_point() {
    let policy = policy("2018-09");
    for rule in rules_of(&policy, "bkmk_cmgcp-mp") {
        assert_eq!(
            parties(&policy, rule),
            ("cmg-connection-point", "management-point")
        );
    }
}

#[test]
fn enrollment_roles_and_the_certificate_registration_point_are_kept_apart() {
    for edition in EDITIONS {
        let policy = policy(edition);
        for (anchor, from, to) in [
            (
                "BKMK_EnrollmentPoint_SiteServer",
                "site-server",
                "enrollment-point",
            ),
            (
                "BKMK_EnrollmentProxyPoint_SiteServer",
                "site-server",
                "enrollment-proxy-point",
            ),
            (
                "BKMK_PortsCertificateRegistrationPoint_SiteServer",
                "site-server",
                "certificate-registration-point",
            ),
            (
                "BKMK_PortsCertificateRegistationPoint_PolicyModule",
                "ndes-policy-module",
                "certificate-registration-point",
            ),
        ] {
            let rules = rules_of(&policy, anchor);
            assert!(!rules.is_empty(), "{edition}: {anchor}");
            for rule in rules {
                assert_eq!(parties(&policy, rule), (from, to), "{}", rule.id);
            }
        }
    }
}

#[test]
fn cmg_fallback_is_the_protocol_and_not_a_virtual_machine() {
    for edition in ["2018-09", "2020-04"] {
        let policy = policy(edition);
        let rules = rules_of(&policy, "bkmk_cmgcp-cmg");
        let first = rules.first().expect("TCP-TLS");
        assert_eq!((first.ports[0].low, first.ports[0].high), (10140, 10155));
        assert_eq!(first.fallback, ["https"]);
        assert_eq!(rules.len(), 3);
        assert!(rules[1..].iter().all(|rule| rule.condition.is_some()));
    }
}

// Editions.

#[test]
fn roles_and_sections_come_and_go_with_the_editions() {
    let (old, middle, new) = (policy("2017-09"), policy("2018-09"), policy("2020-04"));
    let knows = |policy: &Policy, name: &str| {
        let role = policy.roles.find(name);
        policy.knows(role.unwrap_or_else(|| panic!("no role {name}")))
    };
    for (name, editions) in [
        ("microsoft-intune", [true, true, false]),
        ("cmg-connection-point", [false, true, true]),
        ("data-warehouse-service-point", [false, true, true]),
        ("remote-content-library-server", [false, false, true]),
        ("sql-server-for-wsus", [false, false, true]),
        ("client", [true, true, true]),
        ("proxy", [true, true, true]),
    ] {
        let found = [&old, &middle, &new].map(|policy| knows(policy, name));
        assert_eq!(found, editions, "{name}");
    }
    for anchor in [
        "BKMK_PortsSite-RCL",
        "BKMK_CMGCP_SiteServer",
        "BKMK_SCP_SiteServer",
    ] {
        assert!(rules_of(&old, anchor).is_empty() && rules_of(&middle, anchor).is_empty());
        assert!(!rules_of(&new, anchor).is_empty(), "{anchor}");
    }
}

// Roles.

#[test]
fn roles_are_those_of_the_reading_notes() {
    let Some(folder) = documents() else { return };
    let notes =
        std::fs::read_to_string(folder.join("READING-NOTES.md")).expect("the reading notes");
    let policy = policy("2020-04");
    let mut expected: BTreeSet<String> = [
        "server-share",
        "site-system",
        "source-server",
        "network-share",
    ]
    .into_iter()
    .chain(["windows-server", "proxy"])
    .map(str::to_owned)
    .collect();
    for line in notes.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, id, english, _, _, also, _] = cells[..] else {
            continue;
        };
        let Some(id) = id.strip_prefix('`').map(|id| id.trim_end_matches('`')) else {
            continue;
        };
        let role = policy
            .roles
            .role(policy.roles.find(id).unwrap_or_else(|| panic!("no {id}")));
        assert_eq!(role.name, english);
        let implied: Vec<&str> = role
            .also
            .iter()
            .map(|also| policy.roles.role(*also).id.as_str())
            .collect();
        let also = also.trim_matches('`');
        let expected_also: Vec<&str> = if also.is_empty() { vec![] } else { vec![also] };
        assert_eq!(implied, expected_also, "{id}");
        expected.insert(id.to_owned());
    }
    assert_eq!(expected.len(), 48);
    let found: BTreeSet<String> = policy
        .roles
        .iter()
        .map(|(_, role)| role.id.clone())
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn external_parties_are_those_outside_the_site() {
    let policy = policy("2020-04");
    let external: BTreeSet<&str> = policy
        .roles
        .iter()
        .filter(|(_, role)| role.external)
        .map(|(_, role)| role.id.as_str())
        .collect();
    let expected = [
        "azure",
        "cloud-based-distribution-point",
        "cloud-management-gateway",
        "cmg-cloud-service",
        "exchange-online",
        "internet",
        "microsoft",
        "microsoft-intune",
    ];
    assert_eq!(external, expected.into_iter().collect());
}

#[test]
fn site_systems_are_hosts_listed_as_such() {
    let policy = policy("2020-04");
    let site_system = policy.roles.find("site-system").expect("the role");
    for (_, role) in policy.roles.iter() {
        assert!(
            !role.also.contains(&site_system),
            "{} is no site system by itself",
            role.id
        );
    }
}

// Scenarios.

#[test]
fn scenarios_are_those_of_the_contract_in_every_edition() {
    for edition in EDITIONS {
        let policy = policy(edition);
        let names: Vec<&str> = policy
            .scenarios
            .iter()
            .map(|scenario| scenario.name.as_str())
            .collect();
        assert_eq!(
            names,
            [
                "pxe-boot",
                "client-push",
                "client-install-sup",
                "client-install-group-policy",
                "client-install-manual",
                "client-install-software-distribution",
                "client-policy",
                "site-system-install"
            ]
        );
        for scenario in &policy.scenarios {
            assert!(!scenario.hosts.is_empty(), "{}", scenario.name);
            for step in &scenario.steps {
                assert!(
                    !step.rules.is_empty(),
                    "{edition}: {}/{}",
                    scenario.name,
                    step.name
                );
                assert!(!step.causes.is_empty(), "{}/{}", scenario.name, step.name);
            }
        }
    }
}

#[test]
fn boot_and_push_have_the_steps_of_the_contract() {
    let policy = policy("2020-04");
    let steps = |name: &str| -> Vec<(String, bool)> {
        let scenario = policy.scenario(name).expect("a scenario");
        scenario
            .steps
            .iter()
            .map(|step| (step.name.clone(), step.optional))
            .collect()
    };
    let step = |name: &str, optional: bool| (name.to_owned(), optional);
    assert_eq!(
        steps("pxe-boot"),
        [
            step("dhcp-discover", false),
            step("dhcp-offer", false),
            step("boot-offer", false),
            step("dhcp-ack", false),
            step("binl", true),
            step("tftp-request", false),
            step("tftp-transfer", false)
        ]
    );
    assert_eq!(
        steps("client-push"),
        [
            step("icmp-echo", true),
            step("smb", false),
            step("rpc-endpoint-mapper", false),
            step("rpc", false),
            step("management-point", false)
        ]
    );
    let boot = policy.scenario("pxe-boot").expect("the boot");
    assert_eq!(boot.trigger, Trigger::NetworkBoot);
    let evidence: Vec<Option<StepEvidence>> = boot.steps.iter().map(|step| step.evidence).collect();
    assert_eq!(evidence, StepEvidence::ALL.map(Some));
    let push = policy.scenario("client-push").expect("the push");
    assert_eq!(push.trigger, Trigger::ClientPush);
}

#[test]
fn client_notification_falls_back_to_http_and_https() {
    for edition in EDITIONS {
        let policy = policy(edition);
        for rule in policy
            .rules
            .iter()
            .filter(|rule| rule.service == "client-notification")
        {
            assert_eq!(rule.fallback, ["http", "https"], "{}", rule.id);
        }
        let scenario = policy.scenario("client-policy").expect("the scenario");
        let step = scenario
            .steps
            .iter()
            .find(|step| step.name == "client-notification");
        let fallback = step.expect("the step").fallback.iter();
        let services: Vec<&str> = fallback
            .map(|rule| policy.rules[*rule].service.as_str())
            .collect();
        assert_eq!(services, ["http", "https"]);
    }
}

// Services.

#[test]
fn services_are_those_of_the_contract_and_each_is_used() {
    let mut used = BTreeSet::new();
    for edition in EDITIONS {
        used.extend(policy(edition).rules.into_iter().map(|rule| rule.service));
    }
    let known: BTreeSet<String> = Service::ALL
        .iter()
        .map(|service| service.id.to_owned())
        .collect();
    assert_eq!(used, known);
    assert_eq!(known.len(), 32);
}

// Export.

#[test]
fn export_has_one_object_per_rule_with_every_key_of_the_contract() {
    let editions = EDITIONS.map(policy);
    let json = serde_json::to_value(portolan::policy::Export::new(&editions)).expect("JSON");
    assert_eq!(json["schema"], "portolan.policy.v1");
    let rules = json["rules"].as_array().expect("an array");
    let count: usize = editions.iter().map(|policy| policy.rules.len()).sum();
    assert_eq!(rules.len(), count);
    let mut expected = [
        "id",
        "anchor",
        "edition",
        "initiator",
        "responder",
        "direction",
        "protocol",
        "ports",
        "kind",
        "service",
        "alternate_port",
        "alternatives",
        "notes",
        "condition",
        "document",
    ];
    expected.sort_unstable();
    let mut ids = BTreeSet::new();
    for rule in rules {
        let keys: Vec<&str> = rule
            .as_object()
            .expect("an object")
            .keys()
            .map(String::as_str)
            .collect();
        let sorted: BTreeSet<&str> = keys.into_iter().collect();
        assert_eq!(sorted.into_iter().collect::<Vec<_>>(), expected);
        assert!(
            ids.insert((rule["edition"].to_string(), rule["id"].to_string())),
            "{}",
            rule["id"]
        );
    }
    let find = |edition: &str, id: &str| {
        let found = rules
            .iter()
            .find(|rule| rule["edition"] == edition && rule["id"] == id);
        found
            .unwrap_or_else(|| panic!("{edition}: no {id}"))
            .clone()
    };
    let wsus = find("2017-09", "BKMK_PortsClient-SUP/http/tcp");
    assert_eq!(wsus["ports"], serde_json::json!([[80, 80], [8530, 8530]]));
    assert_eq!(wsus["alternatives"], true);
    assert_eq!(wsus["condition"], serde_json::Value::Null);
    let echo = find("2018-09", "BKMK_PortsClient-ClientWakeUp/icmp-echo/icmp");
    assert_eq!(
        (&echo["kind"], &echo["ports"]),
        (&"icmp-echo".into(), &serde_json::json!([]))
    );
    let dns = find("2020-04", "BKMK_ServerPorts/dns/udp/1");
    assert_eq!(dns["initiator"], "any");
    let range = find("2020-04", "bkmk_discovery/rpc/tcp/2");
    assert_eq!(range["kind"], "rpc-range");
    assert_eq!(range["document"], "004_943ae120e2045e7c.txt");
}
