//! `[rpc]`: the dynamic ranges of the site and the weakest basis that counts.

use std::collections::BTreeMap;

use super::{RpcMinimum, RpcPair, RpcSettings, Vocabulary};
use crate::config::{Located, Problems, Table, Value, quoted, suggestion};
use crate::policy::{Direction, Kind, Party, PortRange, RoleId, RoleSet};

/// Reads `[rpc]`.
pub(super) fn read(table: Table<'_>, names: &Vocabulary<'_>) -> RpcSettings {
    let mut settings = RpcSettings::default();
    if let Some(ranges) = table.value("dynamic").and_then(|value| read_ranges(&value)) {
        settings.dynamic = ranges;
    }
    if let Some(roles) = table.table("roles") {
        settings.roles = read_roles(&roles, names);
    }
    if let Some(minimum) = table.string("minimum") {
        settings.minimum = read_minimum(table.problems(), &minimum).unwrap_or(settings.minimum);
    }
    if let Some(pairs) = table.table("pairs") {
        settings.pairs = read_pairs(&pairs, names);
    }
    table.finish();
    settings
}

const PAIR_FORM: &str = "write `FROM -> TO`, each a role or `any`";

fn read_pairs(table: &Table<'_>, names: &Vocabulary<'_>) -> Vec<RpcPair> {
    let problems = table.problems();
    let mut pairs: Vec<RpcPair> = Vec::new();
    for entry in table.entries() {
        let parties = read_pair(problems, &entry.key, names);
        let minimum = entry.value.string();
        let minimum = minimum.and_then(|name| read_minimum(problems, &name));
        let (Some((from, to)), Some(minimum)) = (parties, minimum) else {
            continue;
        };
        if pairs.iter().any(|pair| (pair.from, pair.to) == (from, to)) {
            problems.error(entry.key.span, "this pair stands above already");
            continue;
        }
        if !may_use_rpc(from, to, names) {
            let message = format!("no rule lets {} use RPC", quoted(entry.key.value));
            let help = Some("leave it out: it changes nothing".to_owned());
            problems.warning(entry.key.span, message, help);
        }
        pairs.push(RpcPair { from, to, minimum });
    }
    pairs
}

/// Reads `FROM -> TO`. Both are read even where one is wrong.
fn read_pair(
    problems: &Problems<'_>,
    key: &Located<&str>,
    names: &Vocabulary<'_>,
) -> Option<(Party, Party)> {
    let malformed = |message: &str, help: &str| {
        problems.error_with_help(key.span.clone(), message, Some(help.to_owned()));
    };
    let Some((from, to)) = key.value.split_once("->") else {
        malformed("there is no `->`", PAIR_FORM);
        return None;
    };
    let read = |name: &str| match name.trim() {
        "" => {
            malformed("a role is missing beside `->`", PAIR_FORM);
            None
        }
        "any" => Some(Party::Any),
        name => names.party(problems, name, key),
    };
    let (from, to) = (read(from), read(to));
    if (from, to) == (Some(Party::Any), Some(Party::Any)) {
        malformed("`any -> any` is every pair", "set `minimum` in `[rpc]`");
        return None;
    }
    Some((from?, to?))
}

/// Whether some rule lets one use RPC at the other, at this edition and either way round where
/// the rule says so.
fn may_use_rpc(from: Party, to: Party, names: &Vocabulary<'_>) -> bool {
    let roles = |party| match party {
        Party::Any => None,
        Party::Role(role) => {
            let mut own = RoleSet::EMPTY;
            own.insert(role);
            Some(names.roles.with_implied(own))
        }
    };
    let fits = |party, roles: Option<RoleSet>| match (party, roles) {
        (Party::Role(role), Some(roles)) => roles.contains(role),
        (Party::Any, _) | (_, None) => true,
    };
    let (from, to) = (roles(from), roles(to));
    let mut rules = names.rules.iter();
    !names.complete
        || rules.any(|rule| {
            matches!(rule.kind, Kind::RpcDynamic | Kind::RpcRange)
                && (fits(rule.initiator, from) && fits(rule.responder, to)
                    || rule.direction == Direction::Either
                        && fits(rule.responder, from)
                        && fits(rule.initiator, to))
        })
}

fn read_roles(table: &Table<'_>, names: &Vocabulary<'_>) -> BTreeMap<RoleId, Vec<PortRange>> {
    let problems = table.problems();
    let entries = table.entries();
    entries
        .iter()
        .filter_map(|entry| {
            let role = names.role(problems, &entry.key);
            let ranges = read_ranges(&entry.value);
            Some((role?, ranges?))
        })
        .collect()
}

fn read_minimum(problems: &Problems<'_>, name: &Located<&str>) -> Option<RpcMinimum> {
    let found = RpcMinimum::ALL
        .iter()
        .find(|minimum| minimum.name() == name.value);
    if found.is_none() {
        let message = format!("unknown RPC basis {}", quoted(name.value));
        let valid = RpcMinimum::ALL.iter().map(|minimum| minimum.name());
        let help = suggestion(name.value, "bases", valid);
        problems.error_with_help(name.span.clone(), message, help);
    }
    found.copied()
}

/// An array of `low-high`. An empty one would leave no port at all.
fn read_ranges(value: &Value<'_>) -> Option<Vec<PortRange>> {
    let problems = value.problems();
    let texts = value.strings()?;
    if texts.is_empty() {
        let help = Some("leave it out for 49152-65535".to_owned());
        problems.error_with_help(value.span(), "no port range is listed", help);
    }
    // All of them first: each has its own error.
    let ranges: Vec<Option<PortRange>> = texts
        .iter()
        .map(|text| read_port_range(problems, text))
        .collect();
    ranges.into_iter().collect()
}

/// `low-high` or one port; what it is not is reported.
pub(super) fn read_port_range(problems: &Problems<'_>, text: &Located<&str>) -> Option<PortRange> {
    match parse_port_range(text.value) {
        Ok(range) => Some(range),
        Err((message, help)) => {
            problems.error_with_help(text.span.clone(), message, help);
            None
        }
    }
}

fn parse_port_range(text: &str) -> Result<PortRange, (String, Option<String>)> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let low = parse_port(text, low.trim_end())?;
    let high = parse_port(text, high.trim_start())?;
    if low > high {
        let message = format!("the port range {} ends before it begins", quoted(text));
        return Err((message, Some(format!("did you mean `{high}-{low}`?"))));
    }
    Ok(PortRange { low, high })
}

fn parse_port(text: &str, port: &str) -> Result<u16, (String, Option<String>)> {
    if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        let help = Some("write a port like `443` or a range like `49152-65535`".to_owned());
        return Err((format!("{} is not a port range", quoted(text)), help));
    }
    match port.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err((
            format!("port {} is not from 1 to 65535", quoted(port)),
            None,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ports_and_ranges() {
        let range = |text: &str| parse_port_range(text).map(|range| (range.low, range.high));
        assert_eq!(range("443"), Ok((443, 443)));
        assert_eq!(range("1-65535"), Ok((1, 65535)));
        assert_eq!(range("1024 - 5000"), Ok((1024, 5000)));
        for wrong in [
            "",
            "-",
            "0",
            "0-5",
            "5-0",
            "65536",
            "+5",
            "1-2-3",
            "http",
            "9-5",
            "99999999999999999999",
        ] {
            assert!(range(wrong).is_err(), "{wrong}");
        }
    }
}
