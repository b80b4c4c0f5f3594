//! The fixed table of ports that tell which end of a flow answers.

use std::path::Path;

use super::{BUILTIN, Kind, Policy, PortRange, Rule, RuleProtocol};
use crate::net::{Protocol, ServicePorts};

/// Ports whose payload is read, whether or not a rule names them under that protocol.
const TRACKED: [(Protocol, u16); 6] = [
    (Protocol::Udp, 67),
    (Protocol::Udp, 68),
    (Protocol::Udp, 69),
    (Protocol::Udp, 4011),
    (Protocol::Udp, 135),
    (Protocol::Tcp, 135),
];

/// First of the ports from which systems take the client's end of a flow (RFC 6335).
const FIRST_EPHEMERAL: u16 = 49152;

/// All fixed ports of all built-in editions, and those whose payload is read.
///
/// Rules of the site are not among them, so that the flows of a capture are the same under
/// every site. Ranges that reach into the ephemeral ports (multicast deployment) stay out: the
/// client's end of any flow may lie there. So do RPC ranges, which are no services at all.
pub fn service_ports() -> ServicePorts {
    let mut ports = ServicePorts::empty();
    for (protocol, port) in TRACKED {
        ports.insert(protocol, port);
    }
    let (editions, _) = Policy::load_all(BUILTIN, &[], Path::new(""))
        .expect("the built-in catalogue is part of the program and tested to be valid");
    for rule in editions.iter().flat_map(|policy| &policy.rules) {
        add(&mut ports, rule);
    }
    ports
}

fn add(ports: &mut ServicePorts, rule: &Rule) {
    let protocol = match (rule.protocol, rule.kind) {
        (RuleProtocol::Tcp, Kind::Fixed) => Protocol::Tcp,
        (RuleProtocol::Udp, Kind::Fixed) => Protocol::Udp,
        (RuleProtocol::Icmp, _) | (_, Kind::RpcDynamic | Kind::IcmpEcho | Kind::RpcRange) => return,
    };
    for PortRange { low, high } in &rule.ports {
        if *high < FIRST_EPHEMERAL {
            for port in *low..=*high {
                ports.insert(protocol, port);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_fixed_ports_of_every_edition() {
        let ports = service_ports();
        for port in [80, 135, 443, 1433, 8003, 8005, 8530, 10123, 10124, 10155] {
            assert!(ports.contains(Protocol::Tcp, port), "tcp {port}");
        }
        for port in [9, 53, 67, 68, 69, 135, 389, 636, 4011, 8004, 25536] {
            assert!(ports.contains(Protocol::Udp, port), "udp {port}");
        }
    }

    #[test]
    fn leaves_out_ports_that_clients_take() {
        let ports = service_ports();
        for port in [1024, 1434, 5000, 49152, 65535] {
            assert!(!ports.contains(Protocol::Tcp, port), "tcp {port}");
        }
        for port in [1434, 63000, 64000, 445] {
            assert!(!ports.contains(Protocol::Udp, port), "udp {port}");
        }
    }
}
