//! A record of a capture file, as read: nothing decoded yet.

use super::LinkType;
use crate::net::Timestamp;

/// One captured frame, borrowed from the buffer it was read into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Number in its capture file, from 1.
    pub number: u64,
    /// Capture time; [`Timestamp::UNKNOWN`] where the container gives none.
    pub time: Timestamp,
    /// Link type of the interface it was captured on.
    pub link_type: LinkType,
    /// Bytes it had on the wire.
    pub wire_length: u32,
    /// The bytes captured: as many as on the wire, or fewer.
    pub data: &'a [u8],
}
