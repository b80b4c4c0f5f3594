//! A TCP conversation with the endpoint mapper: what its two ends said. What was said does not
//! depend on which end was heard first, so that a clock that is off between two captures does no
//! harm.

use super::association::{Answers, Association, Learned};
use super::framer::{Half, Unit};
use super::room::Room;
use crate::evidence::stream::Segment;
use crate::net::Position;
use crate::payload::dce_rpc::{Header, PduType};

/// Which end sent a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// What a unit that is kept takes besides its bytes, roughly.
const UNIT: usize = 80;

/// A conversation with the endpoint mapper.
#[derive(Default)]
pub(super) struct Connection<'a> {
    client: Half<'a>,
    server: Half<'a>,
    /// What the client said.
    association: Association,
    answers: Kept<'a>,
}

/// Units of the server that may answer something.
#[derive(Default)]
struct Kept<'a> {
    units: Vec<Unit<'a>>,
    /// Whether something is missing since the last one.
    after_gap: bool,
}

impl<'a> Connection<'a> {
    /// Whether a SYN of a side opens another connection of the same ports.
    pub(super) fn is_reopened(&self, side: Side, sequence: u32) -> bool {
        match side {
            Side::Client => self.client.is_reopened(sequence),
            Side::Server => self.server.is_reopened(sequence),
        }
    }

    /// Takes note of a SYN: the first byte after it has this number.
    pub(super) fn open(&mut self, side: Side, sequence: u32) {
        match side {
            Side::Client => self.client.open(sequence),
            Side::Server => self.server.open(sequence),
        }
    }

    /// Takes up a segment.
    pub(super) fn push(
        &mut self,
        side: Side,
        sequence: u32,
        segment: Segment<'a>,
        room: &mut Room,
    ) {
        let (association, answers) = (&mut self.association, &mut self.answers);
        match side {
            Side::Client => self
                .client
                .push(sequence, segment, room, &mut |unit, room| {
                    hear(association, &unit, room);
                }),
            Side::Server => self
                .server
                .push(sequence, segment, room, &mut |unit, room| {
                    answers.keep(unit, room);
                }),
        }
    }

    /// Takes up what still waits for a missing segment; tells whether the server answered.
    pub(super) fn finish(&mut self, room: &mut Room) -> bool {
        let (association, answers) = (&mut self.association, &mut self.answers);
        self.client
            .finish(room, &mut |unit, room| hear(association, &unit, room));
        self.server
            .finish(room, &mut |unit, room| answers.keep(unit, room));
        !self.answers.units.is_empty()
    }

    /// The answers, each with the packet that completes it. What it held goes back to the room.
    pub(super) fn answers(mut self, room: &mut Room) -> Vec<(Position, Learned)> {
        self.finish(room);
        room.give(self.association.held());
        let mut answers = Answers::new(self.association);
        for unit in self.answers.units {
            answers.read(&unit);
            room.give(unit.owned() + UNIT);
        }
        answers.finish()
    }
}

impl<'a> Kept<'a> {
    fn keep(&mut self, mut unit: Unit<'a>, room: &mut Room) {
        self.after_gap |= unit.after_gap;
        let kind = Header::parse(&unit.bytes).map(|header| header.kind);
        if !matches!(
            kind,
            Ok(PduType::BindAck
                | PduType::AlterContextResponse
                | PduType::Response
                | PduType::Fault)
        ) {
            room.give(unit.owned());
        } else if room.take(UNIT) {
            unit.after_gap = std::mem::take(&mut self.after_gap);
            self.units.push(unit);
        } else {
            self.after_gap = true;
            room.give(unit.owned());
        }
    }
}

fn hear(association: &mut Association, unit: &Unit<'_>, room: &mut Room) {
    association.read(&unit.bytes, room);
    room.give(unit.owned());
}
