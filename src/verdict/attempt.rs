//! How an expected flow went, as requirements and failing flows count it.

use std::cmp::Ordering;
use std::net::IpAddr;

use super::facts::Facts;
use super::refusal::{Refusal, RefusalMessage};
use super::{Basis, RequirementCause};
use crate::evidence::TransferOutcome;
use crate::flow::{Flow, IcmpErrorSeen, State};
use crate::net::{Position, Protocol};

const TFTP_PORT: u16 = 69;
const DHCP_PORTS: [u16; 2] = [67, 68];

/// How an attempt went. The smaller, the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Outcome {
    /// It worked.
    Worked(Success),
    /// It did not.
    Failed(Failure),
}

/// What counts as working, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Success {
    /// The handshake was completed, or an answer came; a one-way service was seen.
    Established,
    /// Reset after the handshake.
    Reset,
    /// Joined after the handshake, both sides seen; or an answer to what was not captured.
    MidStream,
}

/// What counts as failing, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Failure {
    /// TCP joined after the handshake, of which one side was captured: the other may have
    /// answered.
    OneSided,
    TftpError,
    TftpStalled,
    Refused,
    Unreachable,
    TftpUnanswered,
    Unanswered,
}

impl Failure {
    pub fn cause(self) -> RequirementCause {
        match self {
            Self::TftpError => RequirementCause::TftpError,
            Self::TftpStalled => RequirementCause::TftpStalled,
            Self::Refused => RequirementCause::Refused,
            Self::Unreachable => RequirementCause::Unreachable,
            Self::TftpUnanswered => RequirementCause::TftpUnanswered,
            Self::OneSided | Self::Unanswered => RequirementCause::Unanswered,
        }
    }
}

/// An attempt, or the best of several. The smaller, the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub outcome: Outcome,
    pub at: Position,
    /// Who was asked.
    pub to: IpAddr,
    /// Who said no.
    pub by: Option<Refusal>,
}

impl Ord for Attempt {
    /// By outcome; of equal ones those come first that tell who said no, then the earlier.
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |it: &Self| (it.outcome, it.by.is_none(), it.at, it.to, it.by);
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Attempt {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Attempt {
    /// How a flow went that is expected on this basis, in the direction of its rules; `None` where
    /// that can't be told.
    pub fn of(flow: &Flow, basis: Basis, facts: &Facts<'_>, service: Answers) -> Option<Self> {
        let outcome = outcome(flow, basis, facts, service)?;
        Some(Self {
            outcome,
            at: flow.first,
            to: flow.responder.address,
            by: match outcome {
                Outcome::Failed(Failure::Refused) => Some(reset(flow)),
                Outcome::Failed(Failure::Unreachable) => icmp_error(flow),
                Outcome::Failed(_) | Outcome::Worked(_) => None,
            },
        })
    }

    pub fn cause(&self) -> Option<RequirementCause> {
        match self.outcome {
            Outcome::Worked(_) => None,
            Outcome::Failed(failure) => Some(failure.cause()),
        }
    }

    /// Whether only one side of it was captured.
    pub fn is_one_sided(&self) -> bool {
        self.outcome == Outcome::Failed(Failure::OneSided)
    }

    /// Keeps the better of two, the earlier where they are alike.
    pub fn better(slot: &mut Option<Self>, attempt: Self) {
        *slot = Some(slot.map_or(attempt, |known| known.min(attempt)));
    }
}

/// The responder's reset.
fn reset(flow: &Flow) -> Refusal {
    Refusal {
        address: flow.responder.address,
        ttl: flow.responder_ttls.resets,
        message: RefusalMessage::Reset,
    }
}

/// The ICMP error that quotes the flow.
fn icmp_error(flow: &Flow) -> Option<Refusal> {
    let IcmpErrorSeen {
        sender,
        ttl,
        kind,
        code,
        ..
    } = flow.icmp_error?;
    Some(Refusal {
        address: sender,
        ttl,
        message: match sender {
            IpAddr::V4(_) => RefusalMessage::Icmp { kind, code },
            IpAddr::V6(_) => RefusalMessage::IcmpV6 { kind, code },
        },
    })
}

/// Whether the responder of a service answers the initiator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// It does.
    Expected,
    /// Nobody answers, or many may.
    None,
}

fn outcome(flow: &Flow, basis: Basis, facts: &Facts<'_>, answers: Answers) -> Option<Outcome> {
    let established = Some(Outcome::Worked(Success::Established));
    if answers == Answers::None {
        return established;
    }
    if is_dhcp(flow) {
        // The answer to a broadcast is a flow of its own, from the server.
        let answered = flow.is_two_sided()
            || flow.initiator.port == DHCP_PORTS[0] && flow.initiator_packets > 0
            || flow.responder.port == DHCP_PORTS[0] && flow.responder_packets > 0;
        return match answered {
            true => established,
            false => Some(Outcome::Failed(Failure::Unanswered)),
        };
    }
    if basis == Basis::TftpTransfer {
        return transfer(
            facts
                .transfers(flow)
                .iter()
                .map(|transfer| transfer.outcome),
        );
    }
    if flow.protocol == Protocol::Udp && flow.responder.port == TFTP_PORT {
        // A request is answered from another port, and did its work when the file came.
        let requests = facts.requests(flow).iter();
        if let Some(outcome) = transfer(requests.map(|transfer| transfer.outcome)) {
            return Some(outcome);
        }
    }
    match flow.state {
        State::Established | State::Answered => established,
        State::Reset => Some(Outcome::Worked(Success::Reset)),
        State::MidStream if flow.is_two_sided() => Some(Outcome::Worked(Success::MidStream)),
        State::MidStream => Some(Outcome::Failed(Failure::OneSided)),
        State::Refused => Some(Outcome::Failed(Failure::Refused)),
        State::Unreachable => Some(Outcome::Failed(Failure::Unreachable)),
        // TCP has no state of its own for it.
        State::Unanswered if flow.icmp_error.is_some_and(|error| error.unreachable) => {
            Some(Outcome::Failed(Failure::Unreachable))
        }
        // The answer is there; the capture missed what was asked.
        State::Unanswered if flow.initiator_packets == 0 && flow.responder_packets > 0 => {
            Some(Outcome::Worked(Success::MidStream))
        }
        State::Unanswered => Some(Outcome::Failed(Failure::Unanswered)),
    }
}

/// Whether a flow runs between the ports of DHCP.
pub(super) fn is_dhcp(flow: &Flow) -> bool {
    flow.protocol == Protocol::Udp
        && DHCP_PORTS.contains(&flow.initiator.port)
        && DHCP_PORTS.contains(&flow.responder.port)
}

/// The best of the transfers that one flow carries or asks for.
fn transfer(outcomes: impl Iterator<Item = TransferOutcome>) -> Option<Outcome> {
    outcomes
        .map(|outcome| match outcome {
            TransferOutcome::Complete | TransferOutcome::Aborted | TransferOutcome::Open => {
                Outcome::Worked(Success::Established)
            }
            TransferOutcome::Error => Outcome::Failed(Failure::TftpError),
            TransferOutcome::Stalled => Outcome::Failed(Failure::TftpStalled),
            TransferOutcome::Unanswered => Outcome::Failed(Failure::TftpUnanswered),
            TransferOutcome::Unreachable => Outcome::Failed(Failure::Unreachable),
        })
        .min()
}
