//! Durations and sizes on the command line.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

/// `90s`, `3m`, `1h30m`, `2d`, or a plain number of seconds; none at all is allowed.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a duration as 90s, 3m, 1h30m or a number of seconds".to_owned();
    if text.bytes().all(|letter| letter.is_ascii_digit()) {
        return text.parse().map(Duration::from_secs).map_err(|_| wrong());
    }
    let span: Span = text.parse().map_err(|_| wrong())?;
    let duration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| "months and years are of no fixed length: write days".to_owned())?;
    Duration::try_from(duration).map_err(|_| wrong())
}

/// A duration that is more than nothing: what is done again and again, or ends something.
pub(super) fn period(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("write a duration of more than nothing".to_owned()),
        period => Ok(period),
    }
}

/// `500K`, `100M`, `1G` (powers of 1024, as `ls` and `split` take them; also `KiB` …), `100MB`
/// (powers of 1000), or a plain number of bytes; at least one.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let wrong = || "write a size as 500K, 100M, 1G or a number of bytes".to_owned();
    let unit_at = text.find(|letter: char| !letter.is_ascii_digit());
    let (number, unit) = text.split_at(unit_at.unwrap_or(text.len()));
    let (base, power) = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => (1, 0),
        "k" | "kib" => (1024, 1),
        "m" | "mib" => (1024, 2),
        "g" | "gib" => (1024, 3),
        "t" | "tib" => (1024, 4),
        "kb" => (1000, 1),
        "mb" => (1000, 2),
        "gb" => (1000, 3),
        "tb" => (1000, 4),
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    match number.checked_mul(u64::pow(base, power)) {
        None | Some(0) => Err(wrong()),
        Some(bytes) => Ok(bytes),
    }
}

/// Least size of files that follow each other.
const LEAST_FILE: u64 = 64 << 10;

/// A size at which one file is followed by the next: where others count in megabytes, this is not
/// taken for bytes.
pub(super) fn file_size(text: &str) -> Result<u64, String> {
    match size(text)? {
        ..LEAST_FILE => {
            Err("write at least 64K, as 100M or 1G; a plain number is bytes".to_owned())
        }
        bytes => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_or_are_seconds() {
        for (text, seconds) in [
            ("90", 90),
            ("0", 0),
            ("90s", 90),
            ("3m", 180),
            ("1h30m", 5400),
            ("1h 30m", 5400),
            ("2d", 172_800),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        for wrong in [
            "",
            "-5",
            "-5s",
            "5 apples",
            "soon",
            "1y",
            "99999999999999999999",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert!(period("0s").is_err());
        assert_eq!(period("1m"), Ok(Duration::from_secs(60)));
    }

    #[test]
    fn sizes_have_units_or_are_bytes() {
        for (text, bytes) in [
            ("4096", 4096),
            ("500K", 512_000),
            ("100M", 104_857_600),
            ("100m", 104_857_600),
            ("1MiB", 1_048_576),
            ("1MB", 1_000_000),
            ("1G", 1_073_741_824),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for wrong in [
            "",
            "M",
            "0",
            "0M",
            "-1",
            "1.5M",
            "1 M",
            "1X",
            "99999999999T",
        ] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn files_are_not_tiny() {
        assert_eq!(file_size("64K"), Ok(65_536));
        assert_eq!(file_size("1G"), Ok(1 << 30));
        for tiny in ["100", "1K", "65535"] {
            let told = file_size(tiny).expect_err("too small");
            assert!(told.contains("at least 64K"), "{told}");
        }
    }
}
