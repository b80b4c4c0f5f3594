//! Where in the whole input a packet stands.

use super::Timestamp;

const FRAME_BITS: u32 = 40;
const FRAME_MASK: u64 = (1 << FRAME_BITS) - 1;

/// Time, capture and frame of a packet. The derived order is the one order of the
/// whole program: "earlier" means a smaller position, everywhere.
///
/// Capture and frame share one word so that a position takes 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// When the packet was captured.
    pub time: Timestamp,
    place: u64,
}

impl Position {
    /// More captures than this in one audit are refused.
    pub const MAX_CAPTURES: usize = 1 << (64 - FRAME_BITS);
    /// Later than every packet.
    pub const MAX: Self = Self {
        time: Timestamp::MAX,
        place: u64::MAX,
    };

    /// `capture` is an index into the captures of the observation, `frame` counts from 1.
    ///
    /// Frame numbers past 2^40 stay at that bound.
    pub fn new(time: Timestamp, capture: usize, frame: u64) -> Self {
        debug_assert!(capture < Self::MAX_CAPTURES);
        Self {
            time,
            place: ((capture as u64) << FRAME_BITS) | frame.min(FRAME_MASK),
        }
    }

    /// Index of the capture.
    pub fn capture(self) -> usize {
        (self.place >> FRAME_BITS) as usize
    }

    /// Number of the frame in its capture, from 1.
    pub fn frame(self) -> u64 {
        self.place & FRAME_MASK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_by_time_then_capture_then_frame() {
        let at = |time, capture, frame| Position::new(Timestamp(time), capture, frame);
        assert!(at(1, 9, 9) < at(2, 0, 1));
        assert!(at(1, 0, 9) < at(1, 1, 1));
        assert!(at(1, 1, 1) < at(1, 1, 2));
        assert!(at(1, 1, 2) < Position::MAX);
        assert_eq!((at(1, 3, 7).capture(), at(1, 3, 7).frame()), (3, 7));
        assert_eq!(at(0, 2, u64::MAX).capture(), 2);
    }
}
