//! The fixed set of ports on which services answer.

use super::Protocol;

const WORDS: usize = 65536 / 64;

/// Ports that tell which end of a flow is the responder, by protocol. One fixed table, so that
/// flows don't depend on the site.
#[derive(Clone)]
pub struct ServicePorts {
    tcp: Box<[u64; WORDS]>,
    udp: Box<[u64; WORDS]>,
}

impl ServicePorts {
    /// No port at all.
    pub fn empty() -> Self {
        Self {
            tcp: Box::new([0; WORDS]),
            udp: Box::new([0; WORDS]),
        }
    }

    /// Adds a port. Protocols other than TCP and UDP have none.
    pub fn insert(&mut self, protocol: Protocol, port: u16) {
        let table = match protocol {
            Protocol::Tcp => &mut self.tcp,
            Protocol::Udp => &mut self.udp,
            Protocol::IcmpEcho | Protocol::IcmpOther | Protocol::Other(_) => return,
        };
        table[usize::from(port) / 64] |= 1 << (port % 64);
    }

    /// Whether a service answers there.
    pub fn contains(&self, protocol: Protocol, port: u16) -> bool {
        let table = match protocol {
            Protocol::Tcp => &self.tcp,
            Protocol::Udp => &self.udp,
            Protocol::IcmpEcho | Protocol::IcmpOther | Protocol::Other(_) => return false,
        };
        table[usize::from(port) / 64] >> (port % 64) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_protocols_apart() {
        let mut ports = ServicePorts::empty();
        ports.insert(Protocol::Udp, 69);
        ports.insert(Protocol::Tcp, 65535);
        assert!(ports.contains(Protocol::Udp, 69) && !ports.contains(Protocol::Tcp, 69));
        assert!(ports.contains(Protocol::Tcp, 65535) && !ports.contains(Protocol::Tcp, 65534));
        assert!(!ports.contains(Protocol::IcmpEcho, 0));
    }
}
