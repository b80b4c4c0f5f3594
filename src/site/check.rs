//! What is said of a site file without errors: that it was understood, and how.

use std::fmt::{self, Write};

use super::{AddressRange, LoadedSite, RpcMinimum, SiteServerInitiates};
use crate::config::printable;
use crate::policy::{RoleId, RoleSet};

/// A summary for people, line by line: name, policy, hosts by role, what is required. Warnings
/// are not in it.
pub fn summary(loaded: &LoadedSite) -> String {
    let mut out = String::new();
    write_summary(&mut out, loaded).expect("a String takes any text");
    // Names come from files: nothing in them may steer a terminal.
    let lines = out.lines().map(printable);
    lines.flat_map(|line| [line, "\n".into()]).collect()
}

fn write_summary(out: &mut String, loaded: &LoadedSite) -> fmt::Result {
    let LoadedSite {
        site,
        policy,
        warnings,
    } = loaded;
    writeln!(out, "site      {}", site.name.replace('\n', " "))?;
    let editions = policy.editions.len();
    writeln!(
        out,
        "policy    {}, edition {} of {editions}, {} rules, {} scenarios",
        site.catalogue.replace('\n', " "),
        policy.edition,
        policy.rules.len(),
        policy.scenarios.len()
    )?;
    write_roles(out, loaded)?;
    if !site.hosts.is_empty() {
        writeln!(
            out,
            "hosts     {}",
            counted(site.hosts.len() as u128, "machine")
        )?;
    }
    if let Some((roles, ranges)) = &site.scope {
        let mut parts = role_ids(loaded, *roles);
        parts.extend(ranges.iter().map(ToString::to_string));
        writeln!(out, "scope     flows that touch {}", parts.join(", "))?;
    }
    write_settings(out, loaded)?;
    write_required(out, loaded)?;
    if !site.accept.is_empty() {
        writeln!(
            out,
            "accept    {}",
            counted(site.accept.len() as u128, "exception")
        )?;
    }
    let (_, warnings) = warnings.counts();
    writeln!(out, "no error, {}", counted(warnings as u128, "warning"))
}

/// Roles in the order of the policy, with what is listed for them.
fn write_roles(out: &mut String, loaded: &LoadedSite) -> fmt::Result {
    let rows: Vec<(&str, String)> = loaded
        .policy
        .roles
        .iter()
        .filter_map(|(id, role)| Some((role.id.as_str(), listed(loaded, id)?)))
        .collect();
    let width = rows.iter().map(|(id, _)| id.chars().count()).max();
    for (index, (id, listed)) in rows.iter().enumerate() {
        let head = if index == 0 { "roles" } else { "" };
        let width = width.unwrap_or_default();
        writeln!(out, "{head:<9} {id:<width$}  {listed}")?;
    }
    Ok(())
}

/// `3 addresses in 2 ranges`; `None` where nothing is listed for the role.
fn listed(loaded: &LoadedSite, role: RoleId) -> Option<String> {
    let ranges: Vec<&AddressRange> = loaded
        .site
        .roles
        .iter()
        .filter(|(_, roles)| roles.contains(role))
        .map(|(range, _)| range)
        .collect();
    let addresses = ranges.iter().fold(0u128, |sum, range| {
        sum.saturating_add(range.extent()).saturating_add(1)
    });
    match &ranges[..] {
        [] => None,
        [one] => Some(one.to_string()),
        _ if addresses == ranges.len() as u128 => Some(counted(addresses, "address")),
        _ => Some(format!(
            "{} in {}",
            counted(addresses, "address"),
            counted(ranges.len() as u128, "range")
        )),
    }
}

fn write_settings(out: &mut String, loaded: &LoadedSite) -> fmt::Result {
    let site = &loaded.site;
    let mut changed: Vec<String> = site.ports.keys().cloned().collect();
    for (role, ports) in &site.role_ports {
        let role = &loaded.policy.roles.role(*role).id;
        changed.extend(ports.keys().map(|service| format!("{role} {service}")));
    }
    if !changed.is_empty() {
        writeln!(out, "ports     changed for {}", changed.join(", "))?;
    }
    let ranges: Vec<String> = site
        .rpc
        .dynamic
        .iter()
        .map(|range| format!("{}-{}", range.low, range.high))
        .collect();
    let own = match site.rpc.roles.len() {
        0 => String::new(),
        roles => format!(
            ", {} with ranges of their own",
            counted(roles as u128, "role")
        ),
    };
    let minimum = match site.rpc.minimum {
        RpcMinimum::Range => "the range alone counts".to_owned(),
        other => format!("weakest basis {}", other.name()),
    };
    let pairs = match site.rpc.pairs.len() {
        0 => String::new(),
        pairs => format!(", {} set apart", counted(pairs as u128, "pair")),
    };
    writeln!(
        out,
        "rpc       {}{own}, {minimum}{pairs}",
        ranges.join(", ")
    )?;
    match site.site_server_initiates {
        SiteServerInitiates::No => {}
        SiteServerInitiates::All => writeln!(out, "direction the site server initiates")?,
        SiteServerInitiates::Roles(roles) => {
            let roles = role_ids(loaded, roles).join(", ");
            writeln!(out, "direction the site server initiates towards {roles}")?;
        }
    }
    if !site.vantage_inside.is_empty() {
        let inside: Vec<String> = site
            .vantage_inside
            .iter()
            .map(ToString::to_string)
            .collect();
        writeln!(
            out,
            "vantage   captured at the border of {}",
            inside.join(", ")
        )?;
    }
    Ok(())
}

fn write_required(out: &mut String, loaded: &LoadedSite) -> fmt::Result {
    let require = &loaded.site.require;
    let required: Vec<&str> = require
        .scenarios
        .iter()
        .chain(&require.rules)
        .map(String::as_str)
        .collect();
    if required.is_empty() {
        return writeln!(
            out,
            "require   nothing but the scenarios that the capture shows"
        );
    }
    let per_host = if require.per_host { ", per host" } else { "" };
    writeln!(out, "require   {}{per_host}", required.join(", "))
}

fn role_ids(loaded: &LoadedSite, roles: RoleSet) -> Vec<String> {
    let roles = roles.iter();
    roles
        .map(|role| loaded.policy.roles.role(role).id.clone())
        .collect()
}

/// Number and noun, with a comma every three digits.
fn counted(number: u128, noun: &str) -> String {
    let plural = match number {
        1 => "",
        _ if noun.ends_with('s') => "es",
        _ => "s",
    };
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_with_commas_and_plurals() {
        assert_eq!(counted(0, "warning"), "0 warnings");
        assert_eq!(counted(1, "address"), "1 address");
        assert_eq!(counted(65_538, "address"), "65,538 addresses");
        assert_eq!(counted(1_000_000, "range"), "1,000,000 ranges");
    }
}
