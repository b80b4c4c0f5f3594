//! Bounds of the trackers.

/// A bound of a tracker that was hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvidenceLimit {
    /// Name of the bound.
    pub limit: &'static str,
    /// Its value.
    pub value: u64,
    /// How many things it kept out.
    pub reached: u64,
}
