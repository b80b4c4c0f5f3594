//! `[[accept]]`: flows that no rule explains and that the site's owners have reviewed.

use std::collections::HashMap;
use std::ops::Range;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::address::{looks_like_address, read_range};
use super::rpc::read_port_range;
use super::{Acceptance, AcceptedParty, AcceptedPorts, Vocabulary};
use crate::config::{Located, Problems, Table, quoted, suggestion};
use crate::net::{Protocol, Timestamp};

/// Reads every `[[accept]]`, in the order of the file.
pub(super) fn read(tables: Vec<Table<'_>>, names: &Vocabulary<'_>) -> Vec<Acceptance> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    tables
        .into_iter()
        .filter_map(|table| {
            let problems = table.problems();
            let text = table.required_string("match");
            if let Some(text) = &text {
                let (line, _) = problems.source().position(text.span.start);
                if let Some(first) = seen.insert(text.value.to_owned(), line) {
                    let message = format!("this `match` stands in line {first} already");
                    problems.warning(text.span.clone(), message, None);
                }
            }
            read_one(table, text, names)
        })
        .collect()
}

fn read_one(
    table: Table<'_>,
    text: Option<Located<&str>>,
    names: &Vocabulary<'_>,
) -> Option<Acceptance> {
    let problems = table.problems();
    let reason = table.required_string("reason");
    if let Some(reason) = &reason
        && reason.value.trim().is_empty()
    {
        let help = Some("say who accepted it and where that is written down".to_owned());
        problems.error_with_help(reason.span.clone(), "`reason` is empty", help);
    }
    let expires = table.date("expires");
    let expires = expires.and_then(|date| read_expiry(problems, &date));
    table.finish();

    let text = text?;
    let flow = read_match(problems, &text, names)?;
    Some(Acceptance {
        text: text.value.to_owned(),
        from: flow.from,
        to: flow.to,
        protocol: flow.protocol,
        ports: flow.ports,
        reason: reason?.value.to_owned(),
        expires: expires.as_ref().map(|(end, _)| *end),
        expires_text: expires.map(|(_, text)| text),
    })
}

/// The end of a day in UTC, and the day as text.
fn read_expiry(
    problems: &Problems<'_>,
    date: &Located<(u16, u8, u8)>,
) -> Option<(Timestamp, String)> {
    let (year, month, day) = date.value;
    match end_of_day(year, month, day) {
        Some(end) => Some((end, format!("{year:04}-{month:02}-{day:02}"))),
        None => {
            problems.error(date.span.clone(), "there is no such day");
            None
        }
    }
}

/// The last nanosecond of a day; days past what packet times can say are the last one.
fn end_of_day(year: u16, month: u8, day: u8) -> Option<Timestamp> {
    let date = Date::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
    )
    .ok()?;
    let last = date.at(23, 59, 59, 999_999_999);
    let Ok(last) = last.to_zoned(TimeZone::UTC) else {
        return Some(Timestamp::MAX);
    };
    let nanoseconds = last.timestamp().as_nanosecond();
    let earliest = i128::from(Timestamp::UNKNOWN.0) + 1;
    let nanoseconds = nanoseconds.clamp(earliest, i128::from(i64::MAX));
    i64::try_from(nanoseconds).ok().map(Timestamp)
}

/// What a `match` says.
struct Flow {
    from: AcceptedParty,
    to: AcceptedParty,
    protocol: Option<Protocol>,
    ports: AcceptedPorts,
}

const FORM: &str = "write FROM -> TO PROTOCOL/PORT, like `10.1.0.7 -> 10.0.0.99 tcp/9999`";

/// Reads `FROM -> TO PROTOCOL/PORT`. Every part is read even where another is wrong.
fn read_match(
    problems: &Problems<'_>,
    text: &Located<&str>,
    names: &Vocabulary<'_>,
) -> Option<Flow> {
    let malformed = |range: Range<usize>, message: &str| {
        let span = text.part(problems, range);
        problems.error_with_help(span, message, Some(FORM.to_owned()));
    };
    let whole = 0..text.value.len();
    let Some(arrow) = text.value.find("->") else {
        malformed(whole, "there is no `->`");
        return None;
    };
    let from = words(text.value, 0..arrow);
    let to = words(text.value, arrow + 2..text.value.len());
    let place = |word: &Range<usize>| Located {
        value: &text.value[word.clone()],
        span: text.part(problems, word.clone()),
    };

    let from = match &from[..] {
        [word] => read_party(problems, &place(word), names),
        [] => {
            malformed(arrow..arrow + 2, "nothing stands before `->`");
            None
        }
        [_, second, ..] => {
            malformed(second.clone(), "more than one word stands before `->`");
            None
        }
    };
    let (to, service) = match &to[..] {
        [word, service] => (
            read_party(problems, &place(word), names),
            read_service(problems, &place(service)),
        ),
        [] => {
            malformed(arrow..arrow + 2, "nothing stands after `->`");
            (None, None)
        }
        [word] => {
            malformed(
                word.clone(),
                "either the responder or the protocol and port is missing",
            );
            (None, None)
        }
        [_, _, third, ..] => {
            malformed(third.clone(), "more than two words stand after `->`");
            (None, None)
        }
    };
    let (protocol, ports) = service?;
    Some(Flow {
        from: from?,
        to: to?,
        protocol,
        ports,
    })
}

/// Byte ranges of the words between white space.
fn words(text: &str, within: Range<usize>) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start = None;
    for (offset, character) in text[within.clone()].char_indices() {
        let at = within.start + offset;
        match (character.is_whitespace(), start) {
            (false, None) => start = Some(at),
            (true, Some(from)) => {
                words.push(from..at);
                start = None;
            }
            _ => {}
        }
    }
    words.extend(start.map(|from| from..within.end));
    words
}

fn read_party(
    problems: &Problems<'_>,
    word: &Located<&str>,
    names: &Vocabulary<'_>,
) -> Option<AcceptedParty> {
    if word.value == "any" {
        return Some(AcceptedParty::Any);
    }
    if looks_like_address(word.value) {
        return read_range(problems, word).map(AcceptedParty::Range);
    }
    if let Some(role) = word.value.strip_prefix('@') {
        let message = format!("{} begins with `@`", quoted(word.value));
        let help = Some(format!("write the role alone: {}", quoted(role)));
        problems.error_with_help(word.span.clone(), message, help);
        return None;
    }
    if names.roles.find(word.value).is_none() && names.complete {
        let message = format!(
            "{} is no address, prefix or range, no role, and not `any`",
            quoted(word.value)
        );
        let roles = names.roles.iter().map(|(_, role)| role.id.as_str());
        let help = suggestion(word.value, "roles", roles.chain(["any"]));
        problems.error_with_help(word.span.clone(), message, help);
    }
    names.roles.find(word.value).map(AcceptedParty::Role)
}

type Service = (Option<Protocol>, AcceptedPorts);

/// `PROTOCOL/PORT`; protocols without ports may leave `/PORT` out.
fn read_service(problems: &Problems<'_>, word: &Located<&str>) -> Option<Service> {
    let (name, ports) = match word.value.split_once('/') {
        Some((name, ports)) => (name, Some(ports)),
        None => (word.value, None),
    };
    let Some(protocol) = find_protocol(name) else {
        let message = format!("unknown protocol {}", quoted(name));
        let help = match name {
            "*" => Some("write `any/*` for every protocol".to_owned()),
            _ => suggestion(name, "protocols", PROTOCOLS.iter().map(|(name, _)| *name)),
        };
        problems.error_with_help(word.span.clone(), message, help);
        return None;
    };
    let has_ports = matches!(protocol, Some(Protocol::Tcp | Protocol::Udp));
    let port_span = match ports {
        Some(ports) => word.span.end.saturating_sub(ports.len())..word.span.end,
        None => word.span.clone(),
    };
    match ports {
        None if has_ports => {
            let message = format!("the port of {} is missing", quoted(name));
            let help = Some(format!("write `{name}/*` for every port"));
            problems.error_with_help(port_span, message, help);
            None
        }
        None | Some("*") => Some((protocol, AcceptedPorts::Any)),
        Some(_) if !has_ports => {
            let message = match protocol {
                None => "a port needs a protocol".to_owned(),
                Some(_) => format!("{} has no ports", quoted(name)),
            };
            let help = Some(format!("write `{name}/*`"));
            problems.error_with_help(port_span, message, help);
            None
        }
        Some(ports) => {
            let ports = Located {
                value: ports,
                span: port_span,
            };
            let range = read_port_range(problems, &ports)?;
            Some((protocol, AcceptedPorts::Range(range)))
        }
    }
}

/// Protocols that people write. Numbers of others are written `ip-47`, as reports print them.
const PROTOCOLS: [(&str, Option<Protocol>); 16] = [
    ("tcp", Some(Protocol::Tcp)),
    ("udp", Some(Protocol::Udp)),
    ("icmp", Some(Protocol::IcmpEcho)),
    ("icmp-other", Some(Protocol::IcmpOther)),
    ("igmp", Some(Protocol::Other(2))),
    ("ipv4", Some(Protocol::Other(4))),
    ("ipv6", Some(Protocol::Other(41))),
    ("gre", Some(Protocol::Other(47))),
    ("esp", Some(Protocol::Other(50))),
    ("ah", Some(Protocol::Other(51))),
    ("eigrp", Some(Protocol::Other(88))),
    ("ospf", Some(Protocol::Other(89))),
    ("pim", Some(Protocol::Other(103))),
    ("vrrp", Some(Protocol::Other(112))),
    ("sctp", Some(Protocol::Other(132))),
    ("any", None),
];

fn find_protocol(name: &str) -> Option<Option<Protocol>> {
    if let Some((_, protocol)) = PROTOCOLS.iter().find(|(known, _)| *known == name) {
        return Some(*protocol);
    }
    let number = name.strip_prefix("ip-")?;
    let number = Some(number).filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))?;
    let protocol = match number.parse().ok()? {
        1 | 58 => Protocol::IcmpOther,
        6 => Protocol::Tcp,
        17 => Protocol::Udp,
        number => Protocol::Other(number),
    };
    Some(Some(protocol))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_with_its_last_nanosecond_in_utc() {
        let end = |year, month, day| end_of_day(year, month, day).map(|end| end.to_string());
        assert_eq!(
            end(2027, 1, 31).as_deref(),
            Some("2027-01-31T23:59:59.999999999Z")
        );
        assert_eq!(end_of_day(9999, 12, 31), Some(Timestamp::MAX));
        assert_eq!(end_of_day(1, 1, 1), Some(Timestamp(i64::MIN + 1)));
        assert_eq!(end_of_day(2027, 2, 29), None);
        assert_eq!(end_of_day(u16::MAX, 1, 1), None);
    }

    #[test]
    fn every_protocol_is_found_under_the_name_that_reports_print() {
        for protocol in [
            Protocol::Tcp,
            Protocol::Udp,
            Protocol::IcmpEcho,
            Protocol::IcmpOther,
        ] {
            assert_eq!(find_protocol(&protocol.to_string()), Some(Some(protocol)));
        }
        for number in (0..=u8::MAX).filter(|number| !matches!(number, 1 | 6 | 17 | 58)) {
            let protocol = Protocol::Other(number);
            assert_eq!(find_protocol(&protocol.to_string()), Some(Some(protocol)));
        }
        assert_eq!(find_protocol("ip-256"), None);
        assert_eq!(find_protocol("TCP"), None);
    }
}
