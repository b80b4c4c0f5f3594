//! Interfaces of a pcapng section: link type, snaplen, clock, and what their statistics say.

use super::options::Options;
use super::{Pause, damaged};
use crate::capture::byte_order::ByteOrder;
use crate::capture::{Frame, LinkType};
use crate::net::Timestamp;

const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;
const ISB_ENDTIME: u16 = 3;
const ISB_IFDROP: u16 = 5;
const ISB_OSDROP: u16 = 7;

const NS_PER_SECOND: u64 = 1_000_000_000;

/// What an interface description block says.
#[derive(Clone)]
pub(super) struct Interface {
    pub(super) link_type: LinkType,
    /// Most bytes captured of a packet; 0 where there is no limit.
    pub(super) snaplen: u32,
    pub(super) clock: Clock,
    /// Packets dropped, by the last statistics block that says so.
    pub(super) drops: Option<u64>,
}

impl Interface {
    /// Reads the body of an interface description block.
    pub(super) fn parse<O: ByteOrder>(body: &[u8]) -> Result<Self, &'static str> {
        let Some((fields, options)) = body.split_first_chunk::<8>() else {
            return Err("an interface description block is too short");
        };
        let mut resolution = Clock::DEFAULT_RESOLUTION;
        let mut offset_seconds = 0;
        for option in Options::<O>::new(options) {
            match option? {
                (IF_TSRESOL, value) => match value {
                    &[value] => resolution = value,
                    _ => return Err("option if_tsresol is not one byte long"),
                },
                (IF_TSOFFSET, value) => match value.try_into() {
                    Ok(value) => offset_seconds = O::u64(value).cast_signed(),
                    Err(_) => return Err("option if_tsoffset is not eight bytes long"),
                },
                _ => {}
            }
        }
        Ok(Self {
            link_type: LinkType(O::u16_at(fields, 0)),
            snaplen: O::u32_at(fields, 4),
            clock: Clock::new(resolution, offset_seconds),
            drops: None,
        })
    }

    /// Whether packets of `other` are read as those of this one.
    pub(super) fn reads_as(&self, other: &Self) -> bool {
        let of = |it: &Self| (it.link_type, it.snaplen, it.clock);
        of(self) == of(other)
    }

    /// The frame of a packet block, whose number is still to be set. `rest` begins with the
    /// captured bytes.
    #[inline(always)]
    pub(super) fn packet<'a>(
        &self,
        time: Timestamp,
        captured: u32,
        wire_length: u32,
        rest: &'a [u8],
    ) -> Result<Frame<'a>, Pause> {
        let Some(data) = rest.get(..captured as usize) else {
            return Err(damaged("a packet is longer than its block"));
        };
        Ok(Frame {
            number: 0,
            time,
            link_type: self.link_type,
            // What was captured was on the wire, whatever the other length says.
            wire_length: wire_length.max(captured),
            data,
        })
    }
}

/// What the options of a statistics block say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Statistics {
    /// Packets dropped by interface and operating system.
    pub(super) drops: Option<u64>,
    /// When the capture ended, in ticks of the interface's clock.
    pub(super) end: Option<u64>,
}

/// Reads the options of a statistics block.
pub(super) fn statistics<O: ByteOrder>(options: &[u8]) -> Result<Statistics, &'static str> {
    let (mut by_interface, mut by_system, mut end) = (None, None, None);
    for option in Options::<O>::new(options) {
        let (code, value) = option?;
        let counter = match code {
            ISB_IFDROP => &mut by_interface,
            ISB_OSDROP => &mut by_system,
            ISB_ENDTIME => {
                // What is no time says none: packets are read without it.
                let value = value.try_into().ok();
                end = value.map(|value: &[u8; 8]| ticks::<O>(value, 0)).or(end);
                continue;
            }
            _ => continue,
        };
        let Ok(value) = value.try_into() else {
            return Err("a drop count is not eight bytes long");
        };
        *counter = Some(O::u64(value));
    }
    let drops = by_interface
        .into_iter()
        .chain(by_system)
        .reduce(u64::saturating_add);
    Ok(Statistics { drops, end })
}

/// The time at `at`, in ticks: two words, of which the upper one comes first in either byte order.
#[inline(always)]
pub(super) fn ticks<O: ByteOrder>(bytes: &[u8], at: usize) -> u64 {
    u64::from(O::u32_at(bytes, at)) << 32 | u64::from(O::u32_at(bytes, at + 4))
}

/// Turns an interface's ticks into nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    tick: Tick,
    /// Never so low that a time becomes [`Timestamp::UNKNOWN`].
    offset_ns: i64,
}

/// Length of a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tick {
    /// So many nanoseconds.
    Nanoseconds(u64),
    /// One nanosecond divided by this.
    Fraction(u64),
    /// One second divided by two to this power.
    PowerOfTwo(u8),
}

impl Clock {
    /// `if_tsresol` where the option is missing: microseconds.
    const DEFAULT_RESOLUTION: u8 = 6;

    /// A clock from `if_tsresol` and `if_tsoffset`.
    fn new(resolution: u8, offset_seconds: i64) -> Self {
        let exponent = resolution & 0x7f;
        let tick = if resolution & 0x80 != 0 {
            Tick::PowerOfTwo(exponent)
        } else if exponent <= 9 {
            Tick::Nanoseconds(10_u64.pow(9 - u32::from(exponent)))
        } else {
            match 10_u64.checked_pow(u32::from(exponent) - 9) {
                Some(divisor) => Tick::Fraction(divisor),
                // A tick so short that 2^64 of them are less than a nanosecond.
                None => Tick::Nanoseconds(0),
            }
        };
        let offset_ns = offset_seconds.saturating_mul(NS_PER_SECOND as i64);
        Self {
            tick,
            offset_ns: offset_ns.max(i64::MIN + 1),
        }
    }

    /// The time of a packet, at most [`Timestamp::MAX`].
    #[inline]
    pub(super) fn time(self, ticks: u64) -> Timestamp {
        let ns = match self.tick {
            Tick::Nanoseconds(length) => ticks.saturating_mul(length),
            Tick::Fraction(divisor) => ticks / divisor,
            Tick::PowerOfTwo(exponent) => {
                let ns = (u128::from(ticks) * u128::from(NS_PER_SECOND)) >> exponent;
                u64::try_from(ns).unwrap_or(u64::MAX)
            }
        };
        let ns = i64::try_from(ns).unwrap_or(i64::MAX);
        Timestamp(ns.saturating_add(self.offset_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::byte_order::{Big, Little};

    fn ns(resolution: u8, offset_seconds: i64, ticks: u64) -> i64 {
        Clock::new(resolution, offset_seconds).time(ticks).0
    }

    #[test]
    fn reads_powers_of_ten() {
        assert_eq!(ns(6, 0, 1_600_000_000_000_001), 1_600_000_000_000_001_000);
        assert_eq!(ns(9, 0, 7), 7);
        assert_eq!(ns(0, 0, 7), 7_000_000_000);
        assert_eq!(ns(3, 0, 7), 7_000_000);
        assert_eq!(ns(12, 0, 7_999), 7);
        assert_eq!(ns(28, 0, u64::MAX), 1);
        assert_eq!(ns(127, 0, u64::MAX), 0);
    }

    #[test]
    fn reads_powers_of_two() {
        assert_eq!(ns(0x80, 0, 3), 3_000_000_000);
        assert_eq!(ns(0x80 | 10, 0, 1536), 1_500_000_000);
        assert_eq!(ns(0x80 | 63, 0, 1 << 63), 1_000_000_000);
        assert_eq!(ns(0xff, 0, u64::MAX), 0);
    }

    #[test]
    fn adds_the_offset_and_saturates() {
        assert_eq!(ns(9, -2, 1), -1_999_999_999);
        assert_eq!(ns(6, 1_000_000_000, 5), 1_000_000_000_000_005_000);
        assert_eq!(ns(0, 0, u64::MAX), i64::MAX);
        assert_eq!(ns(0x80, i64::MAX, u64::MAX), i64::MAX);
        assert!(Clock::new(6, i64::MIN).time(0).is_known());
    }

    fn drops<O: ByteOrder>(options: &[u8]) -> Result<Option<u64>, &'static str> {
        statistics::<O>(options).map(|read| read.drops)
    }

    #[test]
    fn reads_end_times_of_both_orders() {
        let big = [0, 3, 0, 8, 0, 0, 0, 1, 0, 0, 0, 2];
        let little = [3, 0, 8, 0, 1, 0, 0, 0, 2, 0, 0, 0];
        let read = Statistics {
            drops: None,
            end: Some((1 << 32) + 2),
        };
        assert_eq!(statistics::<Big>(&big), Ok(read));
        assert_eq!(statistics::<Little>(&little), Ok(read));
        // No time: four bytes.
        let short = [0, 3, 0, 4, 0, 0, 0, 1];
        assert_eq!(statistics::<Big>(&short), Ok(Statistics::default()));
        assert_eq!(
            statistics::<Big>(&[big.as_slice(), &short].concat()),
            Ok(read)
        );
    }

    #[test]
    fn adds_both_drop_counts() {
        let mut options = vec![0, 5, 0, 8, 0, 0, 0, 0, 0, 0, 0, 3];
        assert_eq!(drops::<Big>(&options), Ok(Some(3)));
        options.extend([0, 7, 0, 8, 0, 0, 0, 0, 0, 0, 1, 0]);
        assert_eq!(drops::<Big>(&options), Ok(Some(259)));
        assert_eq!(drops::<Big>(&[]), Ok(None));
        assert!(drops::<Big>(&[0, 5, 0, 4, 0, 0, 0, 3]).is_err());
    }
}
