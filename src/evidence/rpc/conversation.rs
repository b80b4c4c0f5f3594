//! A TCP conversation with the endpoint mapper: segments to units, fragments to answers, answers
//! to calls (C706 section 12.6, MS-RPCE section 2.2.2). Says what was answered, not what it means.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::evidence::stream::{Piece, Segment, Stream};
use crate::net::Position;
use crate::payload::Uuid;
use crate::payload::dce_rpc::{
    HEADER_LENGTH, Header, NDR64, Pdu, PduType, PresentationContext, flags,
};
use crate::payload::dcom::{StringBinding, answers_with_bindings, string_bindings};
use crate::payload::endpoint_mapper::{Answer, INTERFACE, LOOKUP, MAP, parse_lookup, parse_map};
use crate::payload::ndr::{ByteOrder, Width};

/// Bytes of one answer put together from fragments. A full `ept_lookup` answer has 100,000.
const MAX_STUB: usize = 1 << 20;

/// What a server answered.
pub(super) enum Learned {
    /// The endpoint mapper's towers.
    Towers(Answer),
    /// String bindings of an object exporter.
    Bindings(Vec<StringBinding>),
}

/// Which end sent a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// A conversation with the endpoint mapper.
#[derive(Default)]
pub(super) struct Connection<'a> {
    /// Sequence number after the client's SYN.
    opening: Option<u32>,
    client: Half<'a>,
    server: Half<'a>,
}

impl<'a> Connection<'a> {
    /// Whether a client's SYN opens another connection of the same ports.
    pub(super) fn is_reopened(&self, sequence: u32) -> bool {
        self.opening != Some(sequence)
    }

    /// A connection opened by a client's SYN.
    pub(super) fn opened(sequence: u32) -> Self {
        Self {
            opening: Some(sequence),
            ..Self::default()
        }
    }

    /// Takes up a segment.
    pub(super) fn push(&mut self, side: Side, sequence: u32, segment: Segment<'a>) {
        match side {
            Side::Client => self.client.push(sequence, segment),
            Side::Server => self.server.push(sequence, segment),
        }
    }

    /// Takes up what still waits for a missing segment; tells whether the server answered.
    pub(super) fn finish(&mut self) -> bool {
        self.client.finish();
        self.server.finish();
        !self.server.framer.units.is_empty()
    }

    /// The answers, each with the packet that completes it. The client's side is read first, so
    /// that a clock that is off between two captures does no harm.
    pub(super) fn answers(mut self) -> Vec<(Position, Learned)> {
        if !self.finish() {
            return Vec::new();
        }
        let mut association = Association::default();
        for (_, unit) in self.client.framer.units {
            association.client(&unit);
        }
        let units = self.server.framer.units.into_iter();
        units
            .filter_map(|(at, unit)| Some((at, association.server(&unit)?)))
            .collect()
    }
}

/// One direction: segments to units.
#[derive(Default)]
struct Half<'a> {
    stream: Stream<'a>,
    framer: Framer<'a>,
}

impl<'a> Half<'a> {
    fn push(&mut self, sequence: u32, segment: Segment<'a>) {
        let framer = &mut self.framer;
        self.stream
            .push(sequence, segment, &mut |piece| framer.push(piece));
    }

    fn finish(&mut self) {
        let framer = &mut self.framer;
        self.stream.finish(&mut |piece| framer.push(piece));
    }
}

/// Cuts a stream into units.
#[derive(Default)]
struct Framer<'a> {
    /// The beginning of a unit that goes on in the next segment.
    buffer: Vec<u8>,
    /// Whether the beginning of the next unit is unknown.
    lost: bool,
    /// Whole units with the packet that completed each.
    units: Vec<(Position, Cow<'a, [u8]>)>,
}

impl<'a> Framer<'a> {
    fn push(&mut self, piece: Piece<'a>) {
        if piece.after_gap {
            self.buffer.clear();
            self.lost = true;
        }
        if self.lost && Header::parse(piece.bytes).is_err() {
            return;
        }
        let Self { buffer, units, .. } = self;
        let is_known = if buffer.is_empty() {
            let rest = split(piece.bytes, |unit| units.push((piece.at, unit.into())));
            buffer.extend_from_slice(rest.unwrap_or_default());
            rest.is_some()
        } else {
            buffer.extend_from_slice(piece.bytes);
            let rest = split(buffer, |unit| units.push((piece.at, unit.to_vec().into())));
            let left = rest.map_or(0, <[u8]>::len);
            let is_known = rest.is_some();
            buffer.drain(..buffer.len() - left);
            is_known
        };
        self.lost = !is_known;
    }
}

/// Takes whole units off; what is left begins another one. `None` where it does not.
fn split<'b>(bytes: &'b [u8], mut unit: impl FnMut(&'b [u8])) -> Option<&'b [u8]> {
    let mut rest = bytes;
    while rest.len() >= HEADER_LENGTH {
        let length = usize::from(Header::parse(rest).ok()?.fragment_length);
        let Some((first, after)) = rest.split_at_checked(length) else {
            break;
        };
        unit(first);
        rest = after;
    }
    Some(rest)
}

/// What the two ends agreed on: contexts, and the calls made in them.
#[derive(Default)]
struct Association {
    contexts: BTreeMap<u16, Context>,
    /// Contexts of a bind or alter-context, by call.
    proposed: BTreeMap<u32, Vec<u16>>,
    /// Context and operation, by call; `None` where two calls have one number, as when the same
    /// ports were used twice.
    calls: BTreeMap<u32, Option<(u16, u16)>>,
    /// The answer that is being put together: its call, and its stub so far.
    partial: Option<(u32, Vec<u8>)>,
}

/// A presentation context.
struct Context {
    /// `None` where two contexts have one number.
    interface: Option<Uuid>,
    width: Option<Width>,
}

impl Association {
    fn client(&mut self, unit: &[u8]) {
        let Ok(pdu) = Pdu::parse(unit) else {
            return;
        };
        let call_id = pdu.header.call_id;
        match pdu.header.kind {
            PduType::Bind | PduType::AlterContext => {
                let contexts = pdu.contexts();
                let numbers = contexts.iter().map(|context| context.id).collect();
                self.proposed.insert(call_id, numbers);
                for PresentationContext { id, interface, .. } in contexts {
                    let context = self.contexts.entry(id).or_insert(Context {
                        interface: Some(interface),
                        width: None,
                    });
                    context.interface = context.interface.filter(|&known| known == interface);
                }
            }
            PduType::Request if pdu.header.flags & flags::FIRST != 0 => {
                if let Some(call) = pdu.request() {
                    let call = (call.context, call.operation);
                    let known = self.calls.entry(call_id).or_insert(Some(call));
                    *known = known.filter(|&known| known == call);
                }
            }
            _ => {}
        }
    }

    fn server(&mut self, unit: &[u8]) -> Option<Learned> {
        let pdu = Pdu::parse(unit).ok()?;
        match pdu.header.kind {
            PduType::BindAck | PduType::AlterContextResponse => {
                let proposed = self.proposed.get(&pdu.header.call_id)?;
                for (number, result) in proposed.iter().zip(pdu.results()) {
                    if let Some(context) = self.contexts.get_mut(number)
                        && result.is_accepted()
                    {
                        context.width = Some(if result.syntax == NDR64 {
                            Width::Ndr64
                        } else {
                            Width::Ndr
                        });
                    }
                }
                None
            }
            PduType::Response => self.response(&pdu),
            _ => None,
        }
    }

    fn response(&mut self, pdu: &Pdu<'_>) -> Option<Learned> {
        let (context, stub) = pdu.response()?;
        let Header { flags, call_id, .. } = pdu.header;
        if flags & flags::FIRST != 0 {
            self.partial = Some((call_id, Vec::new()));
        }
        let (partial, whole) = self.partial.as_mut()?;
        if *partial != call_id || whole.len() + stub.len() > MAX_STUB {
            self.partial = None;
            return None;
        }
        whole.extend_from_slice(stub);
        if flags & flags::LAST == 0 {
            return None;
        }
        let (_, stub) = self.partial.take()?;
        let call = self.calls.get(&call_id).copied().flatten();
        let context = self
            .contexts
            .get(&call.map_or(context, |(context, _)| context));
        let order = pdu.header.order;
        if let Some(interface) = context.and_then(|context| context.interface)
            && interface != INTERFACE
        {
            return answers_with_bindings(interface)
                .then(|| Learned::Bindings(string_bindings(&stub, order)));
        }
        let width = context.and_then(|context| context.width);
        let operation = call.map(|(_, operation)| operation);
        answer(operation, &stub, order, width).map(Learned::Towers)
    }
}

/// Reads an answer. What of call and bind was not captured is told by what fits: the views are
/// strict.
pub(super) fn answer(
    operation: Option<u16>,
    stub: &[u8],
    order: ByteOrder,
    width: Option<Width>,
) -> Option<Answer> {
    let widths = [Width::Ndr, Width::Ndr64];
    let widths = widths
        .into_iter()
        .filter(|&candidate| width.is_none_or(|width| width == candidate));
    let read = |width| match operation {
        Some(MAP) => parse_map(stub, order, width).ok(),
        Some(LOOKUP) => parse_lookup(stub, order, width).ok(),
        Some(_) => None,
        None => parse_map(stub, order, width)
            .or_else(|_| parse_lookup(stub, order, width))
            .ok(),
    };
    widths.into_iter().find_map(read)
}
