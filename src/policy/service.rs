//! The services that rules name, and how each behaves on the wire where that is not plain
//! request and answer between two hosts. Policies may name others.

/// A service that rules name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// Id in rules, site files and reports.
    pub id: &'static str,
    /// Whether nobody answers it.
    pub one_way: bool,
    /// Where its packets go.
    pub reach: Reach,
}

/// Where the packets of a service go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To the responder's address.
    Host,
    /// To it, or to a broadcast address that stands for it.
    Broadcast,
    /// From the *responder* of the rule to a multicast group, and to a host.
    Group,
}

impl Service {
    /// Every service of the built-in catalogue.
    pub const ALL: &'static [Self] = &[
        Self::answered("http"),
        Self::answered("https"),
        Self::answered("smb"),
        Self::answered("rpc-endpoint-mapper"),
        Self::answered("rpc"),
        Self::answered("sql"),
        Self::answered("sql-service-broker"),
        Self::answered("ldap"),
        Self::answered("ldaps"),
        Self::answered("global-catalog-ldap"),
        Self::answered("dns"),
        Self {
            id: "dhcp",
            one_way: false,
            reach: Reach::Broadcast,
        },
        Self::answered("kerberos"),
        Self {
            id: "netbios-name",
            one_way: false,
            reach: Reach::Broadcast,
        },
        Self {
            id: "netbios-datagram",
            one_way: true,
            reach: Reach::Broadcast,
        },
        Self::answered("netbios-session"),
        Self::answered("tftp"),
        Self::answered("binl"),
        Self {
            id: "multicast",
            one_way: true,
            reach: Reach::Group,
        },
        Self::answered("client-notification"),
        Self::answered("express-updates"),
        Self {
            id: "wake-on-lan",
            one_way: true,
            reach: Reach::Broadcast,
        },
        Self {
            id: "wake-up-proxy",
            one_way: true,
            reach: Reach::Host,
        },
        Self {
            id: "peer-cache-broadcast",
            one_way: true,
            reach: Reach::Broadcast,
        },
        Self::answered("peer-cache-download"),
        Self::answered("remote-control"),
        Self::answered("remote-assistance"),
        Self::answered("remote-desktop"),
        Self::answered("winrm-http"),
        Self::answered("winrm-https"),
        Self::answered("cmg-tcp-tls"),
        Self::answered("icmp-echo"),
    ];

    /// The service of that id; one that a policy invents is answered by its host.
    pub fn find(id: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|service| service.id == id)
    }

    const fn answered(id: &'static str) -> Self {
        Self {
            id,
            one_way: false,
            reach: Reach::Host,
        }
    }
}
