//! Which flows a walk is about: those of some hosts, cheaply told from most others.

use std::net::IpAddr;

const WORDS: usize = 16;

/// A set of hosts that may hold more than were put in, and never fewer. It takes the same 128 bytes
/// for any number of hosts, so that a walk over all flows keeps it at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostFilter {
    bits: [u64; WORDS],
    is_all: bool,
}

impl HostFilter {
    /// Every host.
    pub const ALL: Self = Self {
        bits: [u64::MAX; WORDS],
        is_all: true,
    };

    /// These hosts.
    pub fn of(hosts: impl IntoIterator<Item = IpAddr>) -> Self {
        let mut bits = [0; WORDS];
        for host in hosts {
            let (word, bit) = place(host);
            bits[word] |= bit;
        }
        Self {
            bits,
            is_all: false,
        }
    }

    /// Whether one of both ends may be among them.
    #[inline]
    pub(super) fn touches(&self, ends: [IpAddr; 2]) -> bool {
        self.is_all
            || ends.into_iter().any(|end| {
                let (word, bit) = place(end);
                self.bits[word] & bit != 0
            })
    }
}

/// The bit of a host. Nothing hangs on it but speed, so that it needs no secret.
#[inline]
fn place(host: IpAddr) -> (usize, u64) {
    let folded = match host {
        IpAddr::V4(host) => u64::from(u32::from(host)),
        IpAddr::V6(host) => {
            let bits = u128::from(host);
            (bits >> 64) as u64 ^ (bits as u64).rotate_left(17)
        }
    };
    let mixed = folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54;
    ((mixed >> 6) as usize, 1 << (mixed & 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_were_put_in_are_held() {
        let host = |number: u32| IpAddr::from(number.to_be_bytes());
        let v6 =
            |number: u32| IpAddr::from((0x2001_0db8_u128 << 96 | u128::from(number)).to_be_bytes());
        for host in [host, v6] {
            let filter = HostFilter::of((0..40).map(|number| host(number * 7_919)));
            assert!((0..40).all(|number| filter.touches([host(number * 7_919), host(1)])));
            let others = (1..10_000).filter(|number| number % 7_919 != 0);
            let held = others.filter(|number| filter.touches([host(*number); 2]));
            // Forty of 1024 bits are set at most.
            assert!(held.count() < 1_000);
        }
        assert!(HostFilter::ALL.touches([host(1), v6(1)]));
        assert!(!HostFilter::of([]).touches([host(1), v6(1)]));
    }
}
