//! Who opens to whom where no arrow in a title says it: the lists at the end of the ports
//! documents, and the two documents on clients.

use std::collections::BTreeSet;

use portolan::policy::{Kind, Policy};

use super::{EDITIONS, document, documents, policy, role, rules_of};

/// `initiator responder services`, a line for each pair of a section, in order.
fn pairs(policy: &Policy, anchor: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut last = None;
    for rule in rules_of(policy, anchor) {
        let parties = (rule.initiator, rule.responder, &rule.condition);
        let service = match (rule.kind, &rule.ports[..]) {
            (Kind::RpcRange, [range]) => format!("{}-{}", range.low, range.high),
            _ => format!("{}/{}", rule.service, rule.protocol.code()),
        };
        match lines.last_mut() {
            Some(line) if last == Some(parties) => {
                line.push(' ');
                line.push_str(&service);
            }
            _ => lines.push(format!(
                "{} {} {service}",
                role(policy, rule.initiator),
                role(policy, rule.responder)
            )),
        }
        last = Some(parties);
    }
    lines
}

const RPC: &str = "rpc-endpoint-mapper/udp rpc-endpoint-mapper/tcp rpc/tcp";
const SHARING: &str = "smb/tcp netbios-name/udp netbios-datagram/udp netbios-session/tcp";
const WEB: &str = "http/tcp https/tcp";

#[test]
fn lists_name_their_roles() {
    for edition in EDITIONS {
        let policy = policy(edition);
        assert_eq!(
            pairs(&policy, "BKMK_ClientShares"),
            ["client server-share smb/tcp"]
        );
        assert_eq!(
            pairs(&policy, "BKMK_SQLPorts"),
            [
                "sql-server sql-server sql-service-broker/tcp sql/tcp",
                "site-system sql-server sql/tcp",
                "application-catalog-web-service-point sql-server sql/tcp",
                "certificate-registration-point sql-server sql/tcp",
                "enrollment-point sql-server sql/tcp",
                "management-point sql-server sql/tcp",
                "site-server sql-server sql/tcp",
                "reporting-services-point sql-server sql/tcp",
                "sms-provider sql-server sql/tcp",
                "site-server sql-server sql/tcp smb/tcp rpc-endpoint-mapper/tcp",
                "sql-server sql-server sql-service-broker/tcp",
            ],
            "{edition}"
        );
        assert_eq!(
            pairs(&policy, "BKMK_IBCMports"),
            [
                format!("site-server site-system {RPC} smb/tcp"),
                format!("site-server distribution-point {RPC}"),
            ],
            "{edition}"
        );
        let ldaps = match edition {
            "2020-04" => "ldaps/tcp ",
            _ => "",
        };
        assert_eq!(
            pairs(&policy, "bkmk_discovery"),
            [format!(
                "site-server domain-controller ldap/tcp {ldaps}global-catalog-ldap/tcp \
                 rpc-endpoint-mapper/tcp rpc/tcp 1024-5000 49152-65535"
            )],
            "{edition}"
        );
    }
}

#[test]
fn client_documents_name_their_roles() {
    let policy = policy("2020-04");
    let sections: [(&str, &[&str]); 16] = [
        (
            "client-push-installation",
            &[&format!(
                "site-server client {SHARING} rpc-endpoint-mapper/tcp rpc/tcp"
            )],
        ),
        (
            "client-installation-by-using-group-policy",
            &[&format!("site-server client {SHARING}")],
        ),
        ("client-requests", &[&format!("client site-system {WEB}")]),
        (
            "client-notification",
            &[
                "client management-point client-notification/tcp",
                "client management-point http/tcp https/tcp",
            ],
        ),
        (
            "remote-control",
            &["configuration-manager-console client remote-control/tcp"],
        ),
        (
            "remote-assistance-and-remote-desktop",
            &[
                "configuration-manager-console client remote-assistance/tcp remote-assistance/tcp \
               remote-desktop/tcp",
            ],
        ),
        (
            "wake-up-proxy",
            &["client client wake-up-proxy/udp wake-on-lan/udp icmp-echo/icmp"],
        ),
        (
            "windows-event-viewer-windows-performance-monitor-and-windows-diagnostics",
            &[&format!("configuration-manager-console client {SHARING}")],
        ),
        (
            "ports-that-are-used-for-all-installation-methods",
            &["client fallback-status-point http/tcp"],
        ),
        (
            "ports-that-are-used-with-client-push-installation",
            &[
                &format!("site-server client smb/tcp {RPC} icmp-echo/icmp"),
                &format!("client management-point {WEB}"),
            ],
        ),
        (
            "ports-that-are-used-with-software-update-point-based-installation",
            &[
                &format!("client software-update-point {WEB}"),
                "client source-server smb/tcp",
            ],
        ),
        (
            "ports-that-are-used-with-group-policy-based-installation",
            &[
                &format!("client management-point {WEB}"),
                "client source-server smb/tcp",
            ],
        ),
        (
            "ports-that-are-used-with-manual-installation-and-logon-script-based-installation",
            &[
                "client network-share smb/tcp",
                &format!("client management-point {WEB}"),
                "client source-server smb/tcp",
            ],
        ),
        (
            "ports-that-are-used-with-software-distribution-based-installation",
            &[&format!("client distribution-point smb/tcp {WEB}")],
        ),
        (
            "how-to-configure-client-communication-ports-in-system-center-configuration-manager",
            &[&format!("client site-system {WEB}")],
        ),
        (
            "to-configure-the-client-communication-port-numbers-for-a-site",
            &[],
        ),
    ];
    for (anchor, expected) in sections {
        assert_eq!(pairs(&policy, anchor), expected, "{anchor}");
    }
    let listed: BTreeSet<&str> = sections.iter().map(|(anchor, _)| *anchor).collect();
    for rule in &policy.rules {
        let of_clients = rule.document.starts_with("001_") || rule.document.starts_with("002_");
        assert!(
            !of_clients || listed.contains(rule.anchor.as_str()),
            "{}",
            rule.id
        );
    }
}

#[test]
fn echo_is_a_rule_wherever_the_text_speaks_of_it_and_nowhere_else() {
    let Some(folder) = documents() else { return };
    for edition in EDITIONS {
        let policy = policy(edition);
        let files: BTreeSet<&str> = policy
            .sections
            .iter()
            .map(|section| section.document.as_str())
            .collect();
        let mut spoken_of = BTreeSet::new();
        for file in files {
            for section in document::read(&folder.join(file)) {
                if section.text.iter().any(|line| line.contains("ICMP")) {
                    spoken_of.insert(section.anchor);
                }
            }
        }
        assert_eq!(spoken_of.len(), 3, "{edition}: {spoken_of:?}");
        let echo = policy
            .rules
            .iter()
            .filter(|rule| rule.kind == Kind::IcmpEcho);
        let rules: BTreeSet<String> = echo.map(|rule| rule.anchor.clone()).collect();
        assert_eq!(rules, spoken_of, "{edition}");
    }
}
