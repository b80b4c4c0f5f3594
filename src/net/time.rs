//! Packet time.

use std::fmt;
use std::time::SystemTime;

/// Nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// A packet without a time (pcapng simple packet block): before all others.
    pub const UNKNOWN: Self = Self(i64::MIN);
    /// After every packet.
    pub const MAX: Self = Self(i64::MAX);

    /// Now, by the system's clock, which is that of packets as they are captured.
    pub fn now() -> Self {
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Self(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }

    /// Whether the capture gave a time.
    pub fn is_known(self) -> bool {
        self != Self::UNKNOWN
    }

    /// Nanoseconds from `earlier` to this time; 0 where that is later or either is unknown.
    pub fn since_ns(self, earlier: Self) -> u64 {
        if !self.is_known() || !earlier.is_known() || earlier > self {
            return 0;
        }
        self.0.abs_diff(earlier.0)
    }
}

/// RFC 3339 in UTC with nine digits of a second; `unknown` where there is no time.
impl fmt::Display for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_known() {
            return out.pad("unknown");
        }
        let instant = jiff::Timestamp::from_nanosecond(i128::from(self.0))
            .expect("an i64 of nanoseconds lies within jiff's years -9999 to 9999");
        write!(out, "{instant:.9}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_rfc_3339_with_nanoseconds() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(
            Timestamp(1_600_000_000_000_000_001).to_string(),
            "2020-09-13T12:26:40.000000001Z"
        );
        assert_eq!(Timestamp(-1).to_string(), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(Timestamp::UNKNOWN.to_string(), "unknown");
        assert!(Timestamp(i64::MIN + 1).to_string().starts_with("1677-"));
    }

    #[test]
    fn measures_only_forward() {
        assert_eq!(Timestamp(5).since_ns(Timestamp(2)), 3);
        assert_eq!(Timestamp(2).since_ns(Timestamp(5)), 0);
        assert_eq!(Timestamp(2).since_ns(Timestamp::UNKNOWN), 0);
    }
}
