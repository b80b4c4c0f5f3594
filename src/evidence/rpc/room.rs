//! What all conversations together may hold.

/// Bytes that conversations may hold besides the log. What they want beyond that is taken as
/// lost, and counted.
pub(super) struct Room {
    left: usize,
    kept_out: u64,
}

/// Half of what the log itself may hold: most answers come in one segment and are not copied.
pub(super) const ROOM: usize = 256 << 20;

impl Room {
    /// Room for so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            left: bytes,
            kept_out: 0,
        }
    }

    /// Takes so many bytes; false where there are none left.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let left = self.left.checked_sub(bytes);
        self.left = left.unwrap_or(self.left);
        self.kept_out += u64::from(left.is_none());
        left.is_some()
    }

    /// Gives back what was taken.
    pub(super) fn give(&mut self, bytes: usize) {
        self.left += bytes;
    }

    /// Bytes that are not taken.
    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// How often there was no room.
    pub(super) fn kept_out(&self) -> u64 {
        self.kept_out
    }
}
