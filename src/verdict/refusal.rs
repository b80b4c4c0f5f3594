//! Who said no to a flow: in whose name, and whether something in between gives itself away.

use std::fmt;
use std::net::IpAddr;

use super::RequirementCause;
use super::attempt::Attempt;
use super::facts::Facts;
use super::ttls::initial;

/// What said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalMessage {
    /// A TCP reset.
    Reset,
    /// An ICMP error of IPv4 (RFC 792, RFC 1812 5.2.7.1).
    Icmp {
        /// ICMP type.
        kind: u8,
        /// ICMP code.
        code: u8,
    },
    /// An ICMPv6 error (RFC 4443).
    IcmpV6 {
        /// ICMPv6 type.
        kind: u8,
        /// ICMPv6 code.
        code: u8,
    },
}

impl RefusalMessage {
    /// Whether a packet filter says outright that it is one.
    pub fn is_prohibition(self) -> bool {
        matches!(
            self,
            Self::Icmp {
                kind: 3,
                code: 9 | 10 | 13
            } | Self::IcmpV6 {
                kind: 1,
                code: 1 | 5 | 6
            }
        )
    }

    fn is_port_unreachable(self) -> bool {
        matches!(
            self,
            Self::Icmp { kind: 3, code: 3 } | Self::IcmpV6 { kind: 1, code: 4 }
        )
    }
}

impl fmt::Display for RefusalMessage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::Reset => "TCP reset",
            Self::Icmp { kind: 3, code } => match code {
                0 => "network unreachable",
                1 => "host unreachable",
                2 => "protocol unreachable",
                3 => "port unreachable",
                4 => "fragmentation needed",
                5 => "source route failed",
                6 => "network unknown",
                7 => "host unknown",
                9 => "network administratively prohibited",
                10 => "host administratively prohibited",
                11 => "network unreachable for this type of service",
                12 => "host unreachable for this type of service",
                13 => "communication administratively prohibited",
                _ => "destination unreachable",
            },
            Self::Icmp { kind: 11, .. } | Self::IcmpV6 { kind: 3, .. } => "time exceeded",
            Self::IcmpV6 { kind: 1, code } => match code {
                0 => "no route to destination",
                1 => "communication administratively prohibited",
                2 => "beyond scope of source address",
                3 => "address unreachable",
                4 => "port unreachable",
                5 => "source address failed ingress or egress policy",
                6 => "reject route to destination",
                _ => "destination unreachable",
            },
            Self::Icmp { kind, code } => return write!(out, "ICMP type {kind}, code {code}"),
            Self::IcmpV6 { kind, code } => return write!(out, "ICMPv6 type {kind}, code {code}"),
        };
        out.write_str(name)
    }
}

/// The packet that said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Refusal {
    /// Whose packet it is, as it says itself.
    pub address: IpAddr,
    /// Its time to live or hop limit as captured; 0 where several packets leave it open.
    pub ttl: u8,
    /// What it says.
    pub message: RefusalMessage,
}

/// The packet that said no, held against what else its sender sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refuser {
    /// The packet.
    pub refusal: Refusal,
    /// The time to live that other packets of that address show: the same where any does, else
    /// that of most flows.
    pub usual_ttl: Option<u8>,
    /// How sure it is that something in between said no: a packet filter, or what answers in the
    /// responder's name.
    pub in_between: Option<Certainty>,
}

/// How sure something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// Other causes are possible, but rare.
    Likely,
    /// No other cause is known.
    Certain,
}

impl Certainty {
    /// Spelling in reports.
    pub fn code(self) -> &'static str {
        match self {
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }
}

impl Facts<'_> {
    /// Who said no to an attempt.
    pub(super) fn refuser(&self, attempt: &Attempt) -> Option<Refuser> {
        let refusal = attempt.by?;
        let usual_ttl = self.usual_ttls.usual(refusal.address, refusal.ttl);
        let is_responder = self.is_responder(attempt, refusal.address);
        let differs = usual_ttl.filter(|usual| *usual != refusal.ttl && refusal.ttl > 0);
        let from_elsewhere = differs.and_then(|usual| {
            if initial(usual) != initial(refusal.ttl) {
                Some(Certainty::Certain)
            } else {
                // Ways change by some hops, but who answers in its name is nearer than the host.
                (refusal.ttl > usual).then_some(Certainty::Likely)
            }
        });
        let in_between = match refusal.message {
            RefusalMessage::Reset => from_elsewhere,
            message if message.is_prohibition() && !is_responder => Some(Certainty::Certain),
            // A stack may give ICMP errors a time to live of their own.
            _ if is_responder => from_elsewhere.map(|_| Certainty::Likely),
            _ => None,
        };
        Some(Refuser {
            refusal,
            usual_ttl,
            in_between,
        })
    }

    fn is_responder(&self, attempt: &Attempt, address: IpAddr) -> bool {
        self.machine(address) == self.machine(attempt.to)
    }

    /// Who said no to an attempt that failed, and how that is known; without a full stop.
    pub(super) fn refusal(&self, attempt: &Attempt) -> String {
        let to = attempt.to;
        match (self.refuser(attempt), attempt.cause()) {
            (Some(refuser), _) => self.of_refuser(&refuser, attempt),
            (None, Some(cause)) if !self.usual_ttls.is_asked(to) => cause.meaning().to_owned(),
            (None, Some(RequirementCause::Unanswered)) if self.usual_ttls.has_sent(to) => format!(
                "nothing came back, though {to} sends other packets: a filter on the way or on \
                 {to} drops these, or the service is silent"
            ),
            (None, Some(RequirementCause::Unanswered)) => format!(
                "nothing came back, and no packet of {to} was seen: it is down, a filter on the \
                 way drops what is sent, or the capture misses what it answers"
            ),
            (None, cause) => cause.map_or("", RequirementCause::meaning).to_owned(),
        }
    }

    fn of_refuser(&self, refuser: &Refuser, attempt: &Attempt) -> String {
        let Refuser {
            refusal, usual_ttl, ..
        } = *refuser;
        let Refusal {
            address,
            ttl,
            message,
        } = refusal;
        let is_responder = self.is_responder(attempt, address);
        let is_asked = self.usual_ttls.is_asked(address);
        let came = match message {
            RefusalMessage::Reset => format!("the reset came with TTL {ttl}"),
            message => format!("the ICMP error \"{message}\" came from {address} with TTL {ttl}"),
        };
        let compared = match usual_ttl {
            Some(usual) if usual == ttl => format!(", like other packets of {address}"),
            Some(usual) => format!(", while {address} usually shows {usual}"),
            None => String::new(),
        };
        let so = match (refuser.in_between, message) {
            (Some(Certainty::Certain), RefusalMessage::Reset) => "something in between said no",
            (Some(Certainty::Certain), _) => "a packet filter there says no",
            (Some(Certainty::Likely), _) => "likely something in between said no",
            (None, message) if message.is_prohibition() => "the packet filter of the host says no",
            (None, message) if message.is_port_unreachable() && is_responder => {
                "the host itself says that nothing listens there"
            }
            (None, RefusalMessage::Reset) if !is_asked => {
                "the host or something in between said no"
            }
            (None, RefusalMessage::Reset) => match usual_ttl {
                Some(usual) if usual == ttl => {
                    "the host itself said no, as nothing listens there or its own firewall refuses"
                }
                Some(_) => "it came a longer way, or something in between said no",
                None => "no other packet of that host was seen to hold it against",
            },
            (None, RefusalMessage::Icmp { kind: 3, code: 4 }) => {
                "what is sent is too large for the way and must not be cut"
            }
            (None, _) if is_responder => "the host itself said no",
            (None, _) => "a router on the way has no path to the host, or is made to say so",
        };
        format!("{came}{compared}: {so}")
    }
}
