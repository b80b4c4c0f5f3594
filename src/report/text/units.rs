//! Numbers, sizes and times as people write them.

use crate::report::model::Gaps;

/// `1234567` as `1,234,567`.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with its noun: `1 flow`, `2 flows`.
pub fn count(value: u64, noun: &str) -> String {
    let plural = if value == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", number(value))
}

/// Bytes in decimal units, three digits.
pub fn bytes(value: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if value < 1000 {
        return format!("{value} B");
    }
    let mut scaled = value as f64 / 1000.0;
    let mut unit = 0;
    // 999.5 would round to four digits.
    while scaled >= 999.5 && unit + 1 < UNITS.len() {
        scaled /= 1000.0;
        unit += 1;
    }
    let decimals = if scaled < 9.995 {
        2
    } else if scaled < 99.95 {
        1
    } else {
        0
    };
    format!("{scaled:.decimals$} {}", UNITS[unit])
}

/// A span of RFC 3339 times to the millisecond: `2026-01-05 08:00:00.250 to 08:03:20.000 UTC`.
/// The date of the end is left out where it is that of the beginning.
pub fn span(first: Option<&str>, last: Option<&str>) -> String {
    match (first, last) {
        (None, None) => "at an unknown time".to_owned(),
        (Some(one), None) | (None, Some(one)) => format!("{} UTC", moment(one)),
        (Some(first), Some(last)) if first == last => format!("{} UTC", moment(first)),
        (Some(first), Some(last)) => {
            let last = moment(last);
            let first = moment(first);
            let end = match (first.split_once(' '), last.split_once(' ')) {
                (Some((day, _)), Some((same, time))) if day == same => time,
                _ => &last,
            };
            format!("{first} to {end} UTC")
        }
    }
}

/// An RFC 3339 UTC time with nanoseconds, to the millisecond, without `T` and `Z`.
pub fn moment(time: &str) -> String {
    const TO_MILLISECONDS: usize = "000000Z".len();
    let cut = time.len().saturating_sub(TO_MILLISECONDS);
    time.get(..cut).unwrap_or(time).replacen('T', " ", 1)
}

/// Time between captures: `with 2 gaps between captures, 3 h 4 min in all`; empty without one.
pub fn gaps(gaps: Gaps) -> String {
    if gaps.count == 0 {
        return String::new();
    }
    let minutes = gaps.total_ns / 60_000_000_000;
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    let time = match (days, hours) {
        (0, 0) => format!("{minutes} min"),
        (0, _) => format!("{hours} h {minutes} min"),
        (_, _) => format!("{} d {hours} h", number(days)),
    };
    let all = if gaps.count > 1 { " in all" } else { "" };
    let gaps = count(gaps.count, "gap");
    format!("with {gaps} between captures, {time}{all}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1000), "1,000");
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(count(1, "flow"), "1 flow");
        assert_eq!(count(2000, "flow"), "2,000 flows");
    }

    #[test]
    fn sizes_have_three_digits() {
        let shown = [999, 1000, 9_999, 99_950, 999_499, 999_500, u64::MAX].map(bytes);
        assert_eq!(
            shown,
            [
                "999 B", "1.00 kB", "10.0 kB", "100 kB", "999 kB", "1.00 MB", "18.4 EB"
            ]
        );
    }

    #[test]
    fn spans_say_the_day_once() {
        let first = Some("2026-01-05T08:00:00.250000000Z");
        assert_eq!(
            span(first, Some("2026-01-05T08:03:20.000000001Z")),
            "2026-01-05 08:00:00.250 to 08:03:20.000 UTC"
        );
        assert_eq!(
            span(first, Some("2026-01-06T08:03:20.000000000Z")),
            "2026-01-05 08:00:00.250 to 2026-01-06 08:03:20.000 UTC"
        );
        assert_eq!(span(first, first), "2026-01-05 08:00:00.250 UTC");
        assert_eq!(span(None, None), "at an unknown time");
    }

    #[test]
    fn time_that_was_not_captured() {
        let told = |count, minutes: u64| {
            let total_ns = minutes * 60_000_000_000;
            gaps(Gaps { count, total_ns })
        };
        assert_eq!(told(0, 0), "");
        assert_eq!(told(1, 6), "with 1 gap between captures, 6 min");
        assert_eq!(told(1, 184), "with 1 gap between captures, 3 h 4 min");
        let days = "with 2 gaps between captures, 2 d 1 h in all";
        assert_eq!(told(2, 2 * 1440 + 65), days);
    }
}
