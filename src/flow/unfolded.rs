//! Folded flows as the later stages see them.

use super::compact::{CompactKey, V4, V6};
use super::folded::{FoldedFacts, Folding};
use super::key::{FlowKey, Side};
use super::resolved::Resolver;
use super::{Flow, IcmpErrorSeen, InitiatorBasis, Ports};
use crate::net::{Endpoint, FiveTuple, Position, Protocol};

impl<Place: Fn(Position) -> Position> Resolver<'_, Place> {
    /// What was folded, as a flow: exactly the flow that it is where nothing was added to it.
    pub(super) fn folded(&self, folded: &FoldedFacts<'_>) -> Flow {
        match folded.folding {
            Folding::InitiatorPorts(ports) => self.of_pair(folded, ports),
            Folding::Responders(spread) | Folding::Ends(spread) => Flow {
                flows: folded.flows(),
                responders: folded.estimate(&spread.responders),
                ..self.sum(folded, folded.initiator, None)
            }
            .opened_often(),
        }
    }

    fn of_pair(&self, folded: &FoldedFacts<'_>, ports: &Ports) -> Flow {
        let protocol = folded.protocol;
        let from = |port| Endpoint::new(folded.initiator.address, port);
        let key = |port| {
            FlowKey::new(&FiveTuple {
                protocol,
                source: from(port),
                destination: folded.responder,
            })
        };
        if let Some((key, side)) = ports.only().map(key) {
            let facts = folded.facts.seen_from(side, protocol);
            let v4 = V4::compact(&key).map(|key| self.flow(&key, true, &facts));
            let flow = v4.or_else(|| Some(self.flow(&V6::compact(&key)?, true, &facts)));
            return flow.unwrap_or_else(|| self.sum(folded, folded.initiator, None));
        }
        let error = match self.errors.is_empty() {
            true => None,
            false => ports
                .iter()
                .filter_map(|port| self.errors.of_flow(&key(port).0))
                .reduce(IcmpErrorSeen::merged),
        };
        let lowest = ports.iter().next().unwrap_or_default();
        Flow {
            flows: ports.count(),
            ..self.sum(folded, from(lowest), error)
        }
        .opened_often()
    }

    /// All that was folded as one flow of that initiator.
    fn sum(
        &self,
        folded: &FoldedFacts<'_>,
        initiator: Endpoint,
        error: Option<IcmpErrorSeen>,
    ) -> Flow {
        let facts = &folded.facts;
        // The packet that tells who opens may be missing, or be of another five-tuple.
        let basis = match (folded.protocol, facts.opened) {
            (Protocol::Tcp, Some(opened)) if opened.side == Side::Low => InitiatorBasis::Handshake,
            _ if facts.first.side == Side::Low => InitiatorBasis::FirstPacket,
            _ => InitiatorBasis::ServicePort,
        };
        let ends = [initiator, folded.responder];
        self.between(folded.protocol, ends, (Side::Low, basis), error, facts)
    }
}

impl Flow {
    /// The same flow, opened at least once by each of those folded.
    fn opened_often(self) -> Self {
        Self {
            connections: u32::try_from(self.flows).unwrap_or(u32::MAX),
            ..self
        }
    }
}
