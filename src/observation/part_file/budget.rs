//! What the records of a part may count together: as much as the part says that it holds. So no
//! sum over records overflows, in whatever part they stand.

use crate::observation::Tally;

/// Packets and bytes that are not counted yet.
pub(super) struct Budget(Tally);

impl Budget {
    pub(super) fn new(tally: Tally) -> Self {
        Self(tally)
    }

    /// Counts; `false` where there is not so much left.
    pub(super) fn spend(&mut self, packets: u64, bytes: u64) -> bool {
        let packets = self.0.packets.checked_sub(packets);
        let bytes = self.0.bytes.checked_sub(bytes);
        let (Some(packets), Some(bytes)) = (packets, bytes) else {
            return false;
        };
        self.0 = Tally { packets, bytes };
        true
    }
}
