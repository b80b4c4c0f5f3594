//! Text that came from a packet.

/// Bytes that a packet called text. It has no `Display`: whoever sends the packet chooses them,
/// so only the report stage prints it, escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(pub Box<[u8]>);

impl Text {
    /// The bytes as they came.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}
