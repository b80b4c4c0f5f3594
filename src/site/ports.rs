//! `[ports]`: ports that stand in place of the documents' (notes 1 to 3).
//!
//! A service's ports can be changed where the documents give an "alternate port", for all
//! responders or for one role. WSUS ports are pairs of one server; a proxy's are its own.

use std::collections::{BTreeMap, BTreeSet};

use super::Vocabulary;
use crate::config::{Entry, Located, Problems, Table, Value, quoted, suggestion};
use crate::policy::{CustomPorts, RoleId, Rule, Service};

/// Roles whose HTTP and HTTPS ports are those of a WSUS server.
const WSUS: [&str; 2] = ["software-update-point", "upstream-wsus-server"];
/// Stands for the Internet; the documents give it no port.
const PROXY: &str = "proxy";

/// Custom ports by service id.
type ServicePorts = BTreeMap<String, Vec<u16>>;

/// Reads `[ports]`: for all responders, and by responder role.
pub(super) fn read(
    table: &Table<'_>,
    names: &Vocabulary<'_>,
) -> (ServicePorts, BTreeMap<RoleId, ServicePorts>) {
    let problems = table.problems();
    let mut ports = ServicePorts::new();
    let mut role_ports = BTreeMap::new();
    for entry in table.entries() {
        if entry.value.is_table() {
            let Some(services) = entry.value.table() else {
                continue;
            };
            let role = names.role(problems, &entry.key);
            let read = read_role(&services, names, role);
            if let Some(role) = role {
                role_ports.insert(role, read);
            }
            continue;
        }
        let allowed = check_service(problems, names, &entry, None);
        if let Some(list) = read_list(&entry.value)
            && allowed
        {
            ports.insert(entry.key.value.to_owned(), list.value);
        }
    }
    (ports, role_ports)
}

/// Warns of proxies without a port of their own: no rule would ever lead to them.
pub(super) fn warn_of_proxy_without_ports(
    roles: &Table<'_>,
    role_ports: &BTreeMap<RoleId, ServicePorts>,
    names: &Vocabulary<'_>,
) {
    let Some(proxy) = names.roles.find(PROXY) else {
        return;
    };
    let entries = roles.entries();
    let listed = entries.iter().find(|entry| entry.key.value == PROXY);
    if let Some(listed) = listed
        && !role_ports.contains_key(&proxy)
    {
        let message = format!("no rule leads to {} without its port", quoted(PROXY));
        let help = "add it, for example [ports.proxy] with http = [3128]".to_owned();
        let problems = roles.problems();
        problems.warning(listed.key.span.clone(), message, Some(help));
    }
}

fn read_role(table: &Table<'_>, names: &Vocabulary<'_>, role: Option<RoleId>) -> ServicePorts {
    let problems = table.problems();
    let mut lists = BTreeMap::new();
    for entry in table.entries() {
        let allowed = check_service(problems, names, &entry, Some((table.name(), role)));
        if let Some(list) = read_list(&entry.value)
            && allowed
        {
            lists.insert(entry.key.value, list);
        }
    }
    let mut ports: ServicePorts = lists
        .iter()
        .map(|(service, list)| ((*service).to_owned(), list.value.clone()))
        .collect();
    if WSUS.contains(&table.name()) {
        ports.append(&mut pair(problems, &lists));
    }
    ports
}

/// Whether the ports of the service can be changed at all. `role` is the name of the table and
/// its role, where that is known.
fn check_service(
    problems: &Problems<'_>,
    names: &Vocabulary<'_>,
    entry: &Entry<'_>,
    role: Option<(&str, Option<RoleId>)>,
) -> bool {
    let service = entry.key.value;
    let known =
        Service::find(service).is_some() || names.rules.iter().any(|rule| rule.service == service);
    if !names.complete {
        return known;
    }
    if !known {
        report_unknown(problems, names, &entry.key, role.is_none());
        return false;
    }
    let of_role =
        |rule: &Rule| rule.service == service && rule.custom_ports() != CustomPorts::Never;
    let of_any = |rule: &Rule| rule.service == service && rule.custom_ports() == CustomPorts::Any;
    let (allowed, whose) = match role {
        None => (names.rules.iter().any(of_any), String::new()),
        Some((name, role)) => {
            let allowed = match role {
                _ if name == PROXY => matches!(service, "http" | "https"),
                // An unknown role is reported already; one of another edition is allowed.
                None => true,
                Some(role) => !names.knows(role) || names.role_answers(role, of_role),
            };
            (allowed, format!(" of {}", quoted(name)))
        }
    };
    if !allowed {
        let message = format!("the ports of {}{whose} can't be changed", quoted(service));
        let help = format!(
            "no rule of edition {} gives an alternate port for it",
            names.edition
        );
        problems.error_with_help(entry.key.span.clone(), message, Some(help));
    }
    allowed
}

fn report_unknown(
    problems: &Problems<'_>,
    names: &Vocabulary<'_>,
    key: &Located<&str>,
    role_allowed: bool,
) {
    if role_allowed && names.roles.find(key.value).is_some() {
        let message = format!("{} is a role, not a service", quoted(key.value));
        let help = format!("write a table: [ports.{}]", key.value);
        problems.error_with_help(key.span.clone(), message, Some(help));
        return;
    }
    let valid: BTreeSet<&str> = Service::ALL
        .iter()
        .map(|service| service.id)
        .chain(names.rules.iter().map(|rule| rule.service.as_str()))
        .collect();
    let message = format!("unknown service {}", quoted(key.value));
    let help = suggestion(key.value, "services", valid);
    problems.error_with_help(key.span.clone(), message, help);
}

/// Ports in the order of the file, each once.
fn read_list(value: &Value<'_>) -> Option<Located<Vec<u16>>> {
    let problems = value.problems();
    if !value.is_array() {
        return value.expected("an array of ports, like [80, 8080]");
    }
    let items = value.array()?;
    if items.is_empty() {
        let help = Some("leave it out for the documented port".to_owned());
        problems.error_with_help(value.span(), "no port is listed", help);
        return None;
    }
    let mut ports = Vec::new();
    let mut seen = BTreeSet::new();
    let mut whole = true;
    for item in &items {
        let port = item.integer(1..=i64::from(u16::MAX));
        match port.and_then(|port| u16::try_from(port.value).ok()) {
            Some(port) if seen.insert(port) => ports.push(port),
            Some(port) => {
                problems.warning(item.span(), format!("port {port} is listed twice"), None);
            }
            None => whole = false,
        }
    }
    whole.then_some(Located {
        value: ports,
        span: value.span(),
    })
}

/// The HTTP and HTTPS ports of a WSUS server. Where one of the two is left out, it follows from
/// the other; where they don't go together, that is an error.
fn pair(problems: &Problems<'_>, lists: &BTreeMap<&str, Located<Vec<u16>>>) -> ServicePorts {
    let http = lists.get("http");
    let https = lists.get("https");
    let from_http = http.map(|list| partners(problems, list, https, ["HTTP", "HTTPS"], https_of));
    // 443 goes with 80, but with 442 too where that is listed.
    let listed_for = |port| {
        let listed = http.iter().flat_map(|list| &list.value).copied();
        listed
            .into_iter()
            .find(|http| https_of(*http) == Some(port))
            .or_else(|| http_of(port))
    };
    let from_https =
        https.map(|list| partners(problems, list, http, ["HTTPS", "HTTP"], listed_for));
    let http = http.map(|list| list.value.clone()).or(from_https);
    let https = https.map(|list| list.value.clone()).or(from_http);
    let both = [("http", http), ("https", https)].into_iter();
    both.filter_map(|(service, ports)| Some((service.to_owned(), ports?)))
        .collect()
}

/// The ports that go with those of a list. One that has no partner, or whose partner is missing
/// among `others`, is reported.
fn partners(
    problems: &Problems<'_>,
    list: &Located<Vec<u16>>,
    others: Option<&Located<Vec<u16>>>,
    [this, other]: [&str; 2],
    partner: impl Fn(u16) -> Option<u16>,
) -> Vec<u16> {
    let mut partners = Vec::new();
    for port in &list.value {
        let wanted = partner(*port);
        let message = match (wanted, others) {
            (Some(wanted), Some(others)) if !others.value.contains(&wanted) => format!(
                "{this} port {port} of a WSUS server goes with {other} port {wanted}, \
                 which is not listed"
            ),
            (Some(wanted), _) => {
                partners.push(wanted);
                continue;
            }
            (None, _) => format!("no {other} port goes with {this} port {port} of a WSUS server"),
        };
        let help = "HTTP 80 goes with HTTPS 443, any other HTTP port with the next port";
        problems.error_with_help(list.span.clone(), message, Some(help.to_owned()));
    }
    partners
}

/// The HTTPS port of a WSUS server: 443 for 80, else the next one (note 3).
fn https_of(http: u16) -> Option<u16> {
    match http {
        80 => Some(443),
        other => other.checked_add(1),
    }
}

/// The HTTP port of a WSUS server. 81 has none: 80 goes with 443.
fn http_of(https: u16) -> Option<u16> {
    match https {
        443 => Some(80),
        81 | 0 | 1 => None,
        other => Some(other - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wsus_ports_are_pairs() {
        assert_eq!((https_of(80), https_of(8530)), (Some(443), Some(8531)));
        assert_eq!((https_of(443), https_of(65535)), (Some(444), None));
        for http in 1..=u16::MAX {
            let Some(https) = https_of(http) else {
                continue;
            };
            // 80 and 442 share 443 as partner: alone it stands for that of the documents.
            let expected = if http == 442 { 80 } else { http };
            assert_eq!(http_of(https), Some(expected), "{http}");
        }
        assert_eq!((http_of(81), http_of(1)), (None, None));
    }
}
