//! Folded flows in plain fields.

use super::sided::Sided;
use crate::flow::facts::FlowFacts;
use crate::flow::ports::Ports;
use crate::flow::sketch::Sketch;
use crate::net::{Endpoint, Protocol};

/// How many five-tuples were folded, of how many responders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// Five-tuples.
    pub flows: Sketch,
    /// Addresses of responders.
    pub responders: Sketch,
}

/// What was folded into one.
#[derive(Clone, Copy, Debug)]
pub enum Folding<'a> {
    /// The initiator's ports.
    InitiatorPorts(&'a Ports),
    /// The initiator's ports, and the responders.
    Responders(&'a Spread),
    /// All but protocol and address family.
    Ends(&'a Spread),
}

/// Folded flows in plain fields.
#[derive(Clone, Copy, Debug)]
pub struct FoldedFacts<'a> {
    /// What the ends speak.
    pub protocol: Protocol,
    /// Who opened: the end of the first packet's flow, where it is folded.
    pub initiator: Endpoint,
    /// Who was opened to: of the first packet's flow, where it is folded.
    pub responder: Endpoint,
    /// What was seen of all of them; the initiator is the low side. Openings are not kept.
    pub facts: FlowFacts<'a>,
    /// What is folded.
    pub folding: Folding<'a>,
}

impl<'a> FoldedFacts<'a> {
    pub(super) fn sided(&self) -> Sided<'a> {
        Sided {
            protocol: self.protocol,
            initiator: self.initiator,
            responder: self.responder,
            facts: self.facts,
        }
    }

    /// How many five-tuples they are.
    pub(in crate::flow) fn flows(&self) -> u64 {
        match self.folding {
            Folding::InitiatorPorts(ports) => ports.count(),
            Folding::Responders(spread) | Folding::Ends(spread) => self.estimate(&spread.flows),
        }
    }

    /// How many distinct things: each was seen in a packet, whatever the estimate says.
    pub(in crate::flow) fn estimate(&self, of: &Sketch) -> u64 {
        of.count().min(self.facts.packets.iter().sum()).max(1)
    }
}

impl Spread {
    pub(super) fn merge(&mut self, other: &Self) {
        self.flows.merge(&other.flows);
        self.responders.merge(&other.responders);
    }
}
