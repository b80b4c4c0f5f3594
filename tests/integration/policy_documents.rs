//! The built-in policy against the documents it comes from, section by section and row by row,
//! and every known trap in them.

mod document;
mod parties;
mod traps;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use portolan::policy::{Direction, Kind, Party, Policy, Rule};

use crate::support::shared::shared;
use document::{Cell, Row, Section};

const EDITIONS: [&str; 3] = ["2017-09", "2018-09", "2020-04"];

fn policy(edition: &str) -> Policy {
    Policy::builtin(Some(edition)).expect("a built-in edition")
}

fn role(policy: &Policy, party: Party) -> &str {
    match party {
        Party::Any => "any",
        Party::Role(role) => &policy.roles.role(role).id,
    }
}

fn rules_of<'p>(policy: &'p Policy, anchor: &str) -> Vec<&'p Rule> {
    let rules = policy.rules.iter();
    rules.filter(|rule| rule.anchor == anchor).collect()
}

fn documents() -> Option<PathBuf> {
    shared("seeds")
}

/// A rule or a cell, as far as a table says it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Opening {
    service: &'static str,
    protocol: &'static str,
    dynamic: bool,
    ports: Vec<(u16, u16)>,
    alternatives: bool,
    alternate_port: bool,
    note: Option<u32>,
}

/// What the rows of a section open, in order.
fn openings(rows: &[Row]) -> Vec<Opening> {
    let mut all = Vec::new();
    for row in rows {
        let service = service(&row.description);
        let columns: [(&'static str, &Cell); 2] = [("udp", &row.udp), ("tcp", &row.tcp)];
        for (protocol, cell) in columns {
            if cell.is_empty() {
                continue;
            }
            all.push(Opening {
                service,
                protocol,
                dynamic: cell.dynamic,
                ports: cell.ports.clone(),
                alternatives: cell.alternatives,
                alternate_port: cell.alternate,
                note: cell.note,
            });
        }
    }
    all
}

/// What the rules of a section open, in order; without what stands outside the tables.
fn opened(rules: &[&Rule]) -> Vec<Opening> {
    let in_table = rules.iter().filter(|rule| rule.kind != Kind::IcmpEcho);
    in_table
        .map(|rule| Opening {
            service: portolan::policy::Service::find(&rule.service)
                .unwrap_or_else(|| panic!("{} has a known service", rule.id))
                .id,
            protocol: rule.protocol.code(),
            dynamic: rule.kind == Kind::RpcDynamic,
            ports: rule
                .ports
                .iter()
                .map(|range| (range.low, range.high))
                .collect(),
            alternatives: rule.alternatives,
            alternate_port: rule.alternate_port,
            // Notes of the section come first.
            note: rule
                .notes
                .iter()
                .rev()
                .find_map(|note| note_number(note))
                .filter(|note| *note != 5),
        })
        .collect()
}

fn note_number(note: &str) -> Option<u32> {
    let rest = note.strip_prefix("note ")?;
    rest.split(':').next()?.parse().ok()
}

/// The service that a description means, in any of the three languages.
fn service(description: &str) -> &'static str {
    const WORDS: [(&str, &str); 48] = [
        ("client notification", "client-notification"),
        ("notification du client", "client-notification"),
        ("klientmeddelande", "client-notification"),
        ("windows remote management over https", "winrm-https"),
        ("windows remote management via https", "winrm-https"),
        ("gestion à distance de windows via https", "winrm-https"),
        ("windows remote management", "winrm-http"),
        ("gestion à distance de windows", "winrm-http"),
        ("tcp-tls", "cmg-tcp-tls"),
        ("https", "https"),
        ("http", "http"),
        ("smb", "smb"),
        ("multicast", "multicast"),
        ("multidiffusion", "multicast"),
        ("dhcp", "dhcp"),
        ("tftp", "tftp"),
        ("binl", "binl"),
        ("global catalog", "global-catalog-ldap"),
        ("catalogue global", "global-catalog-ldap"),
        ("global katalog", "global-catalog-ldap"),
        ("säkert ldap", "ldaps"),
        ("ldap", "ldap"),
        ("endpoint mapper", "rpc-endpoint-mapper"),
        ("mappeur de point de terminaison", "rpc-endpoint-mapper"),
        ("slutpunktsmappare", "rpc-endpoint-mapper"),
        ("wmi", "rpc-endpoint-mapper"),
        ("rpc", "rpc"),
        ("wake on lan", "wake-on-lan"),
        ("éveil par appel réseau", "wake-on-lan"),
        ("wake-up proxy", "wake-up-proxy"),
        ("proxy de mise en éveil", "wake-up-proxy"),
        ("aktiveringsproxy", "wake-up-proxy"),
        ("peer-cache-sändning", "peer-cache-broadcast"),
        ("hämtning av peer-cache", "peer-cache-download"),
        ("express", "express-updates"),
        ("remote control", "remote-control"),
        ("contrôle à distance", "remote-control"),
        ("fjärrstyrning", "remote-control"),
        ("assistance", "remote-assistance"),
        ("fjärrhjälp", "remote-assistance"),
        ("service broker", "sql-service-broker"),
        ("sql", "sql"),
        ("dns", "dns"),
        ("kerberos", "kerberos"),
        ("netbios name", "netbios-name"),
        ("datagram", "netbios-datagram"),
        ("session", "netbios-session"),
        ("netbios", "netbios-name"),
    ];
    let description = description.to_lowercase();
    // What stands in parentheses explains; "HTTP or HTTPS" there are not the service.
    let found = WORDS.iter().find(|(words, _)| description.contains(words));
    found.map_or_else(
        || panic!("no service is known for {description:?}"),
        |(_, id)| *id,
    )
}

/// Sections whose title has an arrow, or whose list of ports is a table.
fn ports_sections(sections: &[Section]) -> impl Iterator<Item = &Section> {
    sections.iter().filter(|section| section.tables > 0)
}

#[test]
fn every_row_of_every_table_is_a_rule_and_no_rule_is_added() {
    let Some(folder) = documents() else { return };
    for edition in EDITIONS {
        let policy = policy(edition);
        let file = edition_document(&policy);
        let mut tables = BTreeSet::new();
        for section in ports_sections(&document::read(&folder.join(&file))) {
            tables.insert(section.anchor.clone());
            let rules = rules_of(&policy, &section.anchor);
            let expected = openings(&section.rows);
            let mut by_parties: BTreeMap<(Party, Party), Vec<&Rule>> = BTreeMap::new();
            for rule in &rules {
                by_parties
                    .entry((rule.initiator, rule.responder))
                    .or_default()
                    .push(*rule);
            }
            assert!(
                !by_parties.is_empty(),
                "{edition}: no rule for {}",
                section.anchor
            );
            for (parties, rules) in by_parties {
                assert_eq!(
                    opened(&rules),
                    expected,
                    "{edition}: {} from {} to {}",
                    section.anchor,
                    role(&policy, parties.0),
                    role(&policy, parties.1)
                );
            }
        }
        let lists = ["BKMK_SQLPorts", "bkmk_discovery", "BKMK_IBCMports"];
        let from_document = policy.rules.iter().filter(|rule| rule.document == file);
        for rule in from_document {
            assert!(
                tables.contains(&rule.anchor) || lists.contains(&rule.anchor.as_str()),
                "{edition}: {} comes from no table or list",
                rule.id
            );
        }
    }
}

#[test]
fn every_section_stands_in_the_policy_and_every_anchor_in_its_document() {
    let Some(folder) = documents() else { return };
    for edition in EDITIONS {
        let policy = policy(edition);
        let mut by_document: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for section in &policy.sections {
            by_document
                .entry(&section.document)
                .or_default()
                .insert(&section.anchor);
        }
        for note in &policy.notes {
            let anchor = note
                .anchor
                .as_deref()
                .expect("notes of documents have an anchor");
            by_document
                .entry(&note.document)
                .or_default()
                .insert(anchor);
        }
        assert_eq!(
            by_document.len(),
            3,
            "{edition}: its document and the client documents"
        );
        for (file, anchors) in by_document {
            let sections = document::read(&folder.join(file));
            let title =
                |section: &&Section| section.level > 1 || anchors.contains(section.anchor.as_str());
            let expected: BTreeSet<&str> = sections
                .iter()
                .filter(title)
                .map(|section| section.anchor.as_str())
                .collect();
            assert_eq!(anchors, expected, "{edition}: {file}");
        }
        for rule in &policy.rules {
            let known = |section: &&portolan::policy::Section| {
                section.anchor == rule.anchor && section.document == rule.document
            };
            assert!(
                policy.sections.iter().any(|section| known(&section)),
                "{}",
                rule.id
            );
        }
    }
}

#[test]
fn arrows_and_roles_are_those_of_the_titles() {
    let Some(folder) = documents() else { return };
    let names = role_names(&folder);
    for edition in EDITIONS {
        let policy = policy(edition);
        let sections = document::read(&folder.join(edition_document(&policy)));
        let mut arrows = 0;
        for section in ports_sections(&sections) {
            let Some(both_ways) = document::arrow(&section.title) else {
                continue;
            };
            arrows += 1;
            if let Some(slug) = &section.slug {
                assert_eq!(slug.contains("-lt---"), both_ways, "{edition}: {slug}");
            }
            let (left, right) = match section.slug.as_deref().and_then(document::slug_sides) {
                Some((left, right)) => (left.to_owned(), right.to_owned()),
                None => document::sides(&section.title).expect("a title with an arrow"),
            };
            let sides = (named_role(&names, &left), named_role(&names, &right));
            for rule in rules_of(&policy, &section.anchor) {
                let parties = (role(&policy, rule.initiator), role(&policy, rule.responder));
                assert_eq!(
                    parties,
                    (sides.0.as_str(), sides.1.as_str()),
                    "{edition}: {}",
                    rule.id
                );
                let either = rule.direction == Direction::Either;
                // The client setting behind express updates contradicts the arrow.
                let expected = both_ways || rule.service == "express-updates";
                assert_eq!(either, expected, "{edition}: {}", rule.id);
            }
        }
        let counted = match edition {
            "2017-09" => 62,
            "2018-09" => 68,
            _ => 70,
        };
        assert_eq!(
            arrows, counted,
            "{edition}: sections with an arrow and a table"
        );
    }
}

/// The document of an edition.
fn edition_document(policy: &Policy) -> String {
    let edition = policy
        .editions
        .iter()
        .find(|edition| edition.id == policy.edition);
    edition.expect("an edition is listed").document.clone()
}

/// Names of roles as the titles have them, lower case, with the role's id. The table of the
/// reading notes, and the names that it doesn't have: second translations, English slugs.
fn role_names(folder: &std::path::Path) -> BTreeMap<String, String> {
    let notes =
        std::fs::read_to_string(folder.join("READING-NOTES.md")).expect("the reading notes");
    let mut names = BTreeMap::new();
    for line in notes.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, id, english, french, ..] = cells[..] else {
            continue;
        };
        let Some(id) = id.strip_prefix('`').and_then(|id| id.strip_suffix('`')) else {
            continue;
        };
        names.insert(id.to_owned(), id.to_owned());
        for name in [english, french] {
            names.insert(name.replace('’', "'").to_lowercase(), id.to_owned());
        }
    }
    let others = [
        // Point de *distribution* is a mistranslation: the anchor says connection point.
        (
            "point de distribution de passerelle de gestion cloud",
            "cmg-connection-point",
        ),
        (
            "module de stratégie scep (service d'inscription de périphérique réseau) de configuration manager",
            "ndes-policy-module",
        ),
        (
            "point d'enregistrement de certificat",
            "certificate-registration-point",
        ),
        ("cloud-distribution-point", "cloud-based-distribution-point"),
        ("cloud-management-gateway-cmg", "cloud-management-gateway"),
        (
            "configuration-manager-network-device-enrollment-service-ndes-policy-module",
            "ndes-policy-module",
        ),
        (
            "distribution-point-both-standard-and-pull",
            "distribution-point",
        ),
        (
            "distribution-point-configured-for-multicast-both-standard-and-pull",
            "distribution-point-multicast",
        ),
        (
            "distribution-point-configured-for-pxe-both-standard-and-pull",
            "distribution-point-pxe",
        ),
        ("azure-cmg", "azure"),
        (
            "issuing-certification-authority-ca",
            "issuing-certification-authority",
        ),
        (
            "server-hosting-remote-content-library-share",
            "remote-content-library-server",
        ),
    ];
    for (name, id) in others {
        names.insert(name.to_owned(), id.to_owned());
    }
    names
}

fn named_role(names: &BTreeMap<String, String>, name: &str) -> String {
    let role = names.get(&name.to_lowercase());
    role.unwrap_or_else(|| panic!("no role is known as {name:?}"))
        .clone()
}

#[test]
fn lists_of_ports_without_a_table_are_complete() {
    let Some(folder) = documents() else { return };
    for edition in EDITIONS {
        let policy = policy(edition);
        let sections = document::read(&folder.join(edition_document(&policy)));
        let text = |anchor: &str| {
            let section = sections.iter().find(|section| section.anchor == anchor);
            section
                .unwrap_or_else(|| panic!("{edition}: no {anchor}"))
                .text
                .clone()
        };
        let ports = |anchor: &str| -> BTreeSet<(u16, u16)> {
            let rules = rules_of(&policy, anchor).into_iter();
            rules
                .flat_map(|rule| &rule.ports)
                .map(|range| (range.low, range.high))
                .collect()
        };
        for anchor in ["bkmk_discovery", "BKMK_SQLPorts", "BKMK_IBCMports"] {
            let lines = text(anchor);
            let items = lines
                .iter()
                .filter(|line| line.trim_start().starts_with('-'));
            let expected: BTreeSet<(u16, u16)> = items.flat_map(|item| numbers(item)).collect();
            assert_eq!(ports(anchor), expected, "{edition}: {anchor}");
        }
    }
}

/// Ports in a list item; `1024: 5000` is a range.
fn numbers(item: &str) -> Vec<(u16, u16)> {
    let words = item
        .split(|c: char| !c.is_ascii_digit())
        .filter(|word| !word.is_empty());
    let numbers: Vec<u16> = words.map(|word| word.parse().expect("a port")).collect();
    match numbers[..] {
        [low, high] => vec![(low, high)],
        _ => numbers.into_iter().map(|port| (port, port)).collect(),
    }
}

#[test]
fn external_connections_are_those_of_the_list() {
    let Some(folder) = documents() else { return };
    for edition in EDITIONS {
        let policy = policy(edition);
        let sections = document::read(&folder.join(edition_document(&policy)));
        let list = sections
            .iter()
            .find(|section| section.anchor == "BKMK_External");
        let links = list.expect("the list").text.iter();
        let links = links.filter_map(|line| line.split_once("](#")?.1.split_once(')'));
        let expected: Vec<&str> = links.map(|(anchor, _)| anchor).collect();
        let section = policy
            .sections
            .iter()
            .find(|section| section.anchor == "BKMK_External");
        assert_eq!(section.expect("the section").see, expected, "{edition}");
        for anchor in expected {
            assert!(!rules_of(&policy, anchor).is_empty(), "{edition}: {anchor}");
        }
    }
}

#[test]
fn client_documents_hold_in_every_edition() {
    let client = |edition: &str| -> Vec<Rule> {
        let policy = policy(edition);
        let own = edition_document(&policy);
        let rules = policy.rules.into_iter().filter(|rule| rule.document != own);
        rules
            .map(|rule| Rule {
                edition: String::new(),
                ..rule
            })
            .collect()
    };
    let newest = client("2020-04");
    assert!(newest.iter().any(|rule| rule.document.starts_with("001_")));
    assert!(newest.iter().any(|rule| rule.document.starts_with("002_")));
    assert_eq!(client("2017-09"), newest);
    assert_eq!(client("2018-09"), newest);
}

#[test]
fn tables_of_the_client_firewall_document_are_complete() {
    let Some(folder) = documents() else { return };
    let policy = policy("2020-04");
    let file = client_document(&policy, "001_");
    let mut count = 0;
    for section in ports_sections(&document::read(&folder.join(file))) {
        count += 1;
        let mut expected = openings(&section.rows);
        let mut actual = opened(&rules_of(&policy, &section.anchor));
        // The policy groups the rows by their roles.
        expected.sort();
        actual.sort();
        assert_eq!(actual, expected, "{}", section.anchor);
    }
    assert_eq!(count, 6);
}

#[test]
fn ports_in_the_text_of_the_client_firewall_document_are_rules() {
    let Some(folder) = documents() else { return };
    let policy = policy("2020-04");
    let sections = document::read(&folder.join(client_document(&policy, "001_")));
    let mut count = 0;
    for section in &sections {
        for line in &section.text {
            let inbound = line.to_lowercase().contains("entrant");
            let outbound = line.contains("Sortant");
            for (protocol, word) in [("tcp", "TCP"), ("udp", "UDP")] {
                let Some((_, after)) = line.split_once(word) else {
                    continue;
                };
                let Some(digits) = after.trim_start().strip_prefix("**") else {
                    continue;
                };
                let Some(port) = digits.split("**").next().and_then(|port| port.parse().ok())
                else {
                    continue;
                };
                count += 1;
                let fits = |rule: &&Rule| {
                    let client = if outbound {
                        rule.initiator
                    } else {
                        rule.responder
                    };
                    rule.protocol.code() == protocol
                        && rule.ports.iter().any(|range| range.contains(port))
                        && role(&policy, client) == "client"
                        && inbound != outbound
                };
                let rules = rules_of(&policy, &section.anchor);
                assert!(rules.iter().any(fits), "{}: {line}", section.anchor);
            }
        }
    }
    assert_eq!(count, 9, "ports named in the text");
}

fn client_document(policy: &Policy, prefix: &str) -> String {
    let rules = policy.rules.iter().map(|rule| &rule.document);
    let mut found = rules.filter(|document| document.starts_with(prefix));
    found.next().expect("the client document").clone()
}

#[test]
fn peers_of_the_client_firewall_tables_are_those_of_the_descriptions() {
    /// The other side of the client; the site server begins, to all others the client does.
    const PEERS: [(&str, &str); 7] = [
        ("partage réseau", "network-share"),
        ("serveur source", "source-server"),
        ("point d'état de secours", "fallback-status-point"),
        ("point de gestion", "management-point"),
        ("point de mise à jour logicielle", "software-update-point"),
        ("point de distribution", "distribution-point"),
        ("serveur de site", "site-server"),
    ];
    let Some(folder) = documents() else { return };
    let policy = policy("2020-04");
    for section in ports_sections(&document::read(
        &folder.join(client_document(&policy, "001_")),
    )) {
        let mut expected = Vec::new();
        for row in &section.rows {
            let description = row.description.to_lowercase();
            let peer = PEERS.iter().find(|(words, _)| description.contains(words));
            let (_, peer) = peer.unwrap_or_else(|| panic!("no peer in {description:?}"));
            let parties = match *peer {
                "site-server" => ("site-server", "client"),
                peer => ("client", peer),
            };
            for opening in openings(std::slice::from_ref(row)) {
                expected.push((opening.service, opening.protocol, parties));
            }
        }
        let rules = rules_of(&policy, &section.anchor);
        let in_table = rules.iter().filter(|rule| rule.kind != Kind::IcmpEcho);
        let mut actual: Vec<_> = in_table
            .map(|rule| {
                assert_eq!(rule.direction, Direction::OneWay, "{}", rule.id);
                let parties = (role(&policy, rule.initiator), role(&policy, rule.responder));
                (rule.service.as_str(), rule.protocol.code(), parties)
            })
            .collect();
        expected.sort_unstable();
        actual.sort_unstable();
        assert_eq!(actual, expected, "{}", section.anchor);
    }
}
