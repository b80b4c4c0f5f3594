//! Why a frame, or a part of it, could not be decoded.

/// Counted in the report under [`Undecoded::code`]; stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Undecoded {
    /// No reader for this link type.
    LinkType,
    /// The frame ends inside a link-layer header.
    LinkHeaderCut,
    /// The link-layer header contradicts itself.
    LinkHeader,
    /// The packet ends inside its IP header.
    IpHeaderCut,
    /// The IP header contradicts itself.
    IpHeader,
    /// The packet ends inside the ports of its TCP or UDP header.
    TransportHeaderCut,
    /// The TCP or UDP header contradicts itself.
    TransportHeader,
    /// More VLAN tags, or more IPv6 extension headers, than anyone uses.
    TooDeep,
    /// A fragment whose datagram's first fragment was not captured.
    FragmentWithoutFirst,
}

impl Undecoded {
    /// Every reason, in the order of the layers.
    pub const ALL: [Self; 9] = [
        Self::LinkType,
        Self::LinkHeaderCut,
        Self::LinkHeader,
        Self::IpHeaderCut,
        Self::IpHeader,
        Self::TransportHeaderCut,
        Self::TransportHeader,
        Self::TooDeep,
        Self::FragmentWithoutFirst,
    ];

    /// Key in the report.
    pub fn code(self) -> &'static str {
        match self {
            Self::LinkType => "link-type",
            Self::LinkHeaderCut => "link-header-cut",
            Self::LinkHeader => "link-header",
            Self::IpHeaderCut => "ip-header-cut",
            Self::IpHeader => "ip-header",
            Self::TransportHeaderCut => "transport-header-cut",
            Self::TransportHeader => "transport-header",
            Self::TooDeep => "too-deep",
            Self::FragmentWithoutFirst => "fragment-without-first",
        }
    }
}
