//! Counts of the kernel that don't wrap.

/// Frames that were counted on an interface since it was opened.
///
/// What was received is what was handed over, what was dropped and what still lies in the ring;
/// what the interface itself dropped never came so far, and is not in it.
/// On loopbacks and `any` it is more: there the kernel counts a frame on its way out and on its way
/// in, and libpcap leaves out the former. Frames that the filter refuses are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveCounters {
    /// Frames that arrived at the socket, those that found its ring full included.
    pub received: u64,
    /// Frames that found the ring full.
    pub dropped: u64,
    /// Frames that the interface dropped for want of room, of whatever kind: no filter saw them. 0
    /// where its driver doesn't count them, for `any`, and where `/sys` shows another network
    /// namespace.
    pub interface_dropped: u64,
}

impl LiveCounters {
    /// Frames that were lost, wherever.
    pub fn lost(&self) -> u64 {
        self.dropped.saturating_add(self.interface_dropped)
    }
}

/// A count that libpcap keeps in 32 bits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wrapping {
    last: u32,
    total: u64,
}

impl Wrapping {
    /// The whole count, where this is what stands in the 32 bits now.
    pub(super) fn add(&mut self, counted: u32) -> u64 {
        self.total += u64::from(counted.wrapping_sub(self.last));
        self.last = counted;
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_past_32_bits() {
        let mut count = Wrapping::default();
        assert_eq!(count.add(5), 5);
        assert_eq!(count.add(5), 5);
        assert_eq!(count.add(u32::MAX), u64::from(u32::MAX));
        assert_eq!(count.add(9), (1 << 32) + 9);
        assert_eq!(count.add(8), (2 << 32) + 8);
    }
}
