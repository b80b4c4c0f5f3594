//! Scenarios: the ordered steps that must be seen when something is done.
//! What happened is judged elsewhere; here stands what is looked for.

use super::RoleSet;

/// An ordered list of steps, judged host by host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Kebab-case name.
    pub name: String,
    /// Roles whose hosts it is judged for.
    pub hosts: RoleSet,
    /// What starts it for a host.
    pub trigger: Trigger,
    /// In the order in which they happen.
    pub steps: Vec<Step>,
}

/// A step of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Kebab-case name.
    pub name: String,
    /// Whether the scenario succeeds without it.
    pub optional: bool,
    /// What shows it, where flows alone don't.
    pub evidence: Option<StepEvidence>,
    /// Rules any of whose flows satisfies it: indices into the policy's rules, ascending.
    pub rules: Vec<usize>,
    /// Only flows that a host of these roles opens count; all where it is empty.
    pub opened_by: RoleSet,
    /// Only flows that begin after what started the scenario count.
    pub after_trigger: bool,
    /// Rules whose flows degrade it when nothing satisfies it.
    pub fallback: Vec<usize>,
    /// Rules of another documented way: where it is taken, an unseen step does not apply.
    pub instead: Vec<usize>,
    /// Why it usually fails.
    pub causes: Vec<String>,
    /// Why it usually fails in this way: code of the cause that the verdict names, texts.
    pub causes_when: Vec<(String, Vec<String>)>,
}

impl Step {
    /// The usual causes of a failure of this kind, of which the first that the step knows counts;
    /// none for a step that was never tried.
    pub fn causes<'c>(&self, how: impl IntoIterator<Item = &'c str>) -> &[String] {
        let when = how.into_iter().find_map(|how| {
            let mut known = self.causes_when.iter();
            known.find(|(code, _)| code.as_str() == how)
        });
        when.map_or(&self.causes, |(_, causes)| causes)
    }
}

/// What starts a scenario for a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// Nothing but that the site requires it.
    Required,
    /// DHCP options of a network boot (60, 93, 97), or a TFTP read request.
    NetworkBoot,
    /// The site server reaches a client by SMB, port 135 or RPC.
    ClientPush,
}

impl Trigger {
    /// Every trigger.
    pub const ALL: [Self; 3] = [Self::Required, Self::NetworkBoot, Self::ClientPush];

    /// Spelling in policy files.
    pub fn code(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::NetworkBoot => "network-boot",
            Self::ClientPush => "client-push",
        }
    }
}

/// What shows a step of a network boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepEvidence {
    /// DHCPDISCOVER of a machine that boots.
    DhcpDiscover,
    /// DHCPOFFER with an address.
    DhcpOffer,
    /// An offer that names a boot server.
    BootOffer,
    /// DHCPACK of the address.
    DhcpAck,
    /// An answer on port 4011.
    Binl,
    /// A TFTP read request.
    TftpRequest,
    /// The transfers it led to ended well.
    TftpTransfer,
}

impl StepEvidence {
    /// Every kind, in the order of a boot.
    pub const ALL: [Self; 7] = [
        Self::DhcpDiscover,
        Self::DhcpOffer,
        Self::BootOffer,
        Self::DhcpAck,
        Self::Binl,
        Self::TftpRequest,
        Self::TftpTransfer,
    ];

    /// Spelling in policy files.
    pub fn code(self) -> &'static str {
        match self {
            Self::DhcpDiscover => "dhcp-discover",
            Self::DhcpOffer => "dhcp-offer",
            Self::BootOffer => "boot-offer",
            Self::DhcpAck => "dhcp-ack",
            Self::Binl => "binl",
            Self::TftpRequest => "tftp-request",
            Self::TftpTransfer => "tftp-transfer",
        }
    }
}
