//! The ports of a row: a number, a range, several of them, or the RPC dynamic range.

use crate::config::{Located, Value, quoted};
use crate::policy::PortRange;

/// More are refused: no service has as many, and each is looked at for every flow.
const MAX_RANGES: usize = 1024;

/// What a row opens under one protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) enum RawPorts {
    /// By number, as written.
    Listed(Vec<PortRange>),
    /// `"dynamic"`.
    Dynamic,
}

/// Reads `443`, `"63000-64000"`, `[67, 68]` or `"dynamic"`.
pub(super) fn read(value: Value<'_>) -> Option<RawPorts> {
    if value.is_array() {
        return several(value);
    }
    if value.is_string() && value.string()?.value == "dynamic" {
        return Some(RawPorts::Dynamic);
    }
    Some(RawPorts::Listed(vec![range(value)?]))
}

fn several(value: Value<'_>) -> Option<RawPorts> {
    let items = value.array()?;
    let count = items.len();
    if count == 0 || count > MAX_RANGES {
        let message = format!("a row lists from 1 to {MAX_RANGES} ports, not {count}");
        value.problems().error(value.span(), message);
        return None;
    }
    let mut ranges: Vec<PortRange> = Vec::with_capacity(count);
    let mut sound = true;
    for item in items {
        let Some(next) = range(item) else {
            sound = false;
            continue;
        };
        let twice = ranges
            .iter()
            .any(|other| next.low <= other.high && other.low <= next.high);
        if twice {
            value
                .problems()
                .error(item.span(), "this port is listed before in the same row");
            sound = false;
        }
        ranges.push(next);
    }
    sound.then_some(RawPorts::Listed(ranges))
}

fn range(value: Value<'_>) -> Option<PortRange> {
    if value.is_integer() {
        let port = value.integer(1..=i64::from(u16::MAX))?.value as u16;
        return Some(PortRange {
            low: port,
            high: port,
        });
    }
    if value.is_string() {
        return written_range(value);
    }
    value.expected("a port, a range like \"1024-5000\" or \"dynamic\"")
}

fn written_range(value: Value<'_>) -> Option<PortRange> {
    let written: Located<&str> = value.string()?;
    let problems = value.problems();
    let Some((low, high)) = written.value.split_once('-') else {
        let message = format!("{} is no port range", quoted(written.value));
        let help = match written.value.trim().parse::<u16>() {
            Ok(port) => format!("write a single port without quotes: {port}"),
            Err(_) => "write a range like \"1024-5000\", or \"dynamic\" for RPC".to_owned(),
        };
        problems.error_with_help(written.span, message, Some(help));
        return None;
    };
    let second = low.len() + 1;
    let bounds = [(low, 0..low.len()), (high, second..second + high.len())];
    let [low, high] = bounds.map(|(digits, place)| match digits.trim().parse::<u16>() {
        Ok(port) if port > 0 => Some(port),
        _ => {
            let message = format!("{} is no port from 1 to 65535", quoted(digits));
            problems.error(written.part(problems, place), message);
            None
        }
    });
    let (low, high) = (low?, high?);
    if low > high {
        let help = Some(format!("did you mean \"{high}-{low}\"?"));
        problems.error_with_help(written.span, "the range ends before it begins", help);
        return None;
    }
    Some(PortRange { low, high })
}
