//! How a TCP flow went, from the kinds of segments that each side sent.

use super::State;
use crate::decode::TcpFlags;

/// Kinds of segments that one side of a flow sent, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TcpSeen(u8);

impl TcpSeen {
    /// Bits of a side.
    pub(super) const BITS: u8 = 4;
    const SYN: u8 = 1;
    const SYN_ACK: u8 = 2;
    const RST: u8 = 4;
    /// Any segment of a conversation under way: neither SYN nor RST.
    const PLAIN: u8 = 8;

    /// The bit of a segment.
    #[inline(always)]
    pub(super) fn bit(flags: TcpFlags) -> u8 {
        if Self::is_syn_ack(flags) {
            Self::SYN_ACK
        } else if Self::is_syn(flags) {
            Self::SYN
        } else if flags.has(TcpFlags::RST) {
            Self::RST
        } else {
            Self::PLAIN
        }
    }

    /// Whether a segment opens, or answers an opening.
    #[inline(always)]
    pub(super) fn is_syn(flags: TcpFlags) -> bool {
        flags.has(TcpFlags::SYN)
    }

    /// Whether a segment answers an opening.
    #[inline(always)]
    pub(super) fn is_syn_ack(flags: TcpFlags) -> bool {
        flags.has(TcpFlags::SYN | TcpFlags::ACK)
    }

    /// Whether a segment resets, and no more.
    #[inline(always)]
    pub(super) fn is_reset(flags: TcpFlags) -> bool {
        Self::bit(flags) == Self::RST
    }

    /// The bits of both sides, the low side's in the lower half.
    pub(super) fn sides(seen: u8) -> [Self; 2] {
        [Self(seen & 0xf), Self(seen >> 4)]
    }

    fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }
}

/// Whether a three-way handshake was completed: SYN-ACK, and the initiator went on. A SYN-ACK
/// that the capture lost shows in both sides going on after a SYN.
pub(super) fn handshake_completed(initiator: TcpSeen, responder: TcpSeen) -> bool {
    initiator.has(TcpSeen::PLAIN)
        && (responder.has(TcpSeen::SYN_ACK)
            || (initiator.has(TcpSeen::SYN) && responder.has(TcpSeen::PLAIN)))
}

/// The state of a flow in which `initiator` opened.
pub(super) fn state(initiator: TcpSeen, responder: TcpSeen) -> State {
    let reset = initiator.has(TcpSeen::RST) || responder.has(TcpSeen::RST);
    if handshake_completed(initiator, responder) {
        return if reset {
            State::Reset
        } else {
            State::Established
        };
    }
    if responder.has(TcpSeen::SYN_ACK) && initiator.has(TcpSeen::RST) {
        // A probe: the port is open, the initiator did not want it.
        return State::Reset;
    }
    let one_sided = initiator.has(TcpSeen::PLAIN) && responder.is_empty();
    if initiator.has(TcpSeen::SYN) && !one_sided {
        let refused = responder.has(TcpSeen::RST);
        return if refused {
            State::Refused
        } else {
            State::Unanswered
        };
    }
    // Joined later, or the capture shows one side of a conversation that went on.
    State::MidStream
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYN: u8 = TcpFlags::SYN;
    const ACK: u8 = TcpFlags::ACK;
    const RST: u8 = TcpFlags::RST;

    fn of(initiator: &[u8], responder: &[u8]) -> State {
        let seen = |flags: &[u8]| {
            let mut seen = TcpSeen::default();
            flags
                .iter()
                .for_each(|flags| seen.0 |= TcpSeen::bit(TcpFlags(*flags)));
            seen
        };
        state(seen(initiator), seen(responder))
    }

    #[test]
    fn states_by_what_was_seen() {
        assert_eq!(of(&[SYN, ACK], &[SYN | ACK, ACK]), State::Established);
        assert_eq!(of(&[SYN, ACK], &[SYN | ACK, RST]), State::Reset);
        assert_eq!(of(&[SYN, RST], &[SYN | ACK]), State::Reset);
        assert_eq!(of(&[SYN], &[RST | ACK]), State::Refused);
        assert_eq!(of(&[SYN], &[]), State::Unanswered);
        assert_eq!(of(&[SYN], &[SYN | ACK]), State::Unanswered);
        assert_eq!(of(&[ACK], &[ACK]), State::MidStream);
        assert_eq!(of(&[], &[RST]), State::MidStream);
        assert_eq!(of(&[], &[SYN | ACK]), State::MidStream);
        // The capture lost the SYN-ACK, or the SYN.
        assert_eq!(of(&[SYN, ACK], &[ACK]), State::Established);
        assert_eq!(of(&[ACK], &[SYN | ACK]), State::Established);
        // Answered, then taken back before the handshake was complete.
        assert_eq!(of(&[SYN], &[SYN | ACK, RST]), State::Refused);
        // Only the initiator's side was captured: whoever sends on was answered.
        assert_eq!(of(&[SYN, ACK], &[]), State::MidStream);
    }
}
