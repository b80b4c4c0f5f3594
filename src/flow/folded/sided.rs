//! A flow whose initiator was chosen, and the keys it is folded by.

use std::net::IpAddr;

use crate::flow::facts::FlowFacts;
use crate::flow::key::{FlowKey, Side};
use crate::net::{Endpoint, FiveTuple, Protocol};

/// A flow to be folded, its initiator chosen.
#[derive(Clone, Copy)]
pub(super) struct Sided<'a> {
    pub(super) protocol: Protocol,
    pub(super) initiator: Endpoint,
    pub(super) responder: Endpoint,
    pub(super) facts: FlowFacts<'a>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PairKey {
    pub(super) protocol: Protocol,
    pub(super) initiator: IpAddr,
    pub(super) responder: IpAddr,
    pub(super) port: u16,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct InitiatorKey {
    pub(super) protocol: Protocol,
    pub(super) initiator: IpAddr,
    pub(super) port: u16,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct RestKey {
    pub(super) protocol: Protocol,
    is_v6: bool,
}

impl<'a> Sided<'a> {
    /// The flow with that side as its initiator. Openings are not kept: a folded flow is opened
    /// as often as there are flows in it.
    pub(super) fn new(key: &FlowKey, initiator: Side, facts: &FlowFacts<'a>) -> Self {
        let protocol = key.protocol();
        Self {
            protocol,
            initiator: key.endpoint(initiator),
            responder: key.endpoint(initiator.other()),
            facts: FlowFacts {
                opening: None,
                further: &[],
                ..facts.seen_from(initiator, protocol)
            },
        }
    }

    /// The same flow from another port.
    pub(super) fn with_port(&self, port: u16) -> Self {
        Self {
            initiator: Endpoint::new(self.initiator.address, port),
            ..*self
        }
    }

    /// Its five-tuple, and which side of it the initiator is.
    pub(super) fn key(&self) -> (FlowKey, Side) {
        FlowKey::new(&FiveTuple {
            protocol: self.protocol,
            source: self.initiator,
            destination: self.responder,
        })
    }

    pub(super) fn pair(&self) -> PairKey {
        PairKey {
            protocol: self.protocol,
            initiator: self.initiator.address,
            responder: self.responder.address,
            port: self.responder.port,
        }
    }

    pub(super) fn port_of_initiator(&self) -> InitiatorKey {
        InitiatorKey {
            protocol: self.protocol,
            initiator: self.initiator.address,
            port: self.responder.port,
        }
    }

    pub(super) fn rest(&self) -> RestKey {
        RestKey {
            protocol: self.protocol,
            is_v6: self.initiator.address.is_ipv6(),
        }
    }
}
