//! What the two ends of a conversation agreed on, and what the server answered: fragments to
//! answers, answers to calls (C706 section 12.6, MS-RPCE section 2.2.2). Fragments of several
//! calls may alternate (concurrent multiplexing, MS-RPCE section 3.3.1.5.8).

use std::collections::BTreeMap;

use super::framer::Unit;
use super::room::Room;
use crate::net::Position;
use crate::payload::Uuid;
use crate::payload::dce_rpc::{Header, NDR64, Pdu, PduType, PresentationContext, flags};
use crate::payload::dcom::{StringBinding, answers_with_bindings, string_bindings};
use crate::payload::endpoint_mapper::{
    Answer, Extent, INTERFACE, LOOKUP, MAP, parse_lookup, parse_map,
};
use crate::payload::ndr::{ByteOrder, Width};

/// Bytes of unfinished answers of one conversation. A full `ept_lookup` answer has 100,000.
const MAX_STUBS: usize = 1 << 20;
/// What a context or a call takes, roughly.
const FACT: usize = 64;

/// What a server answered.
#[derive(Debug)]
pub(super) enum Learned {
    /// The endpoint mapper's towers.
    Towers(Answer),
    /// String bindings of an object exporter.
    Bindings(Vec<StringBinding>),
}

/// What the client proposed and called.
#[derive(Default)]
pub(super) struct Association {
    contexts: BTreeMap<u16, Context>,
    /// Contexts of a bind or alter-context, by call.
    proposed: BTreeMap<u32, Vec<u16>>,
    /// Context and operation, by call; `None` where two calls have one number, as when the same
    /// ports were used twice.
    calls: BTreeMap<u32, Option<(u16, u16)>>,
    facts: usize,
}

/// A presentation context.
struct Context {
    /// `None` where two contexts have one number.
    interface: Option<Uuid>,
    width: Option<Width>,
}

impl Association {
    /// Reads a unit of the client.
    pub(super) fn read(&mut self, unit: &[u8], room: &mut Room) {
        let Ok(pdu) = Pdu::parse(unit) else {
            return;
        };
        let call_id = pdu.header.call_id;
        match pdu.header.kind {
            PduType::Bind | PduType::AlterContext => {
                let contexts = pdu.contexts();
                if !room.take(contexts.len() * FACT) {
                    return;
                }
                self.facts += contexts.len();
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
                if let Some(call) = pdu.request()
                    && room.take(FACT)
                {
                    self.facts += 1;
                    let call = (call.context, call.operation);
                    let known = self.calls.entry(call_id).or_insert(Some(call));
                    *known = known.filter(|&known| known == call);
                }
            }
            _ => {}
        }
    }

    /// Bytes that it took from the room.
    pub(super) fn held(&self) -> usize {
        self.facts * FACT
    }
}

/// Reads the units of the server, after all of the client.
pub(super) struct Answers {
    association: Association,
    /// Answers that go on in further fragments, by call.
    open: BTreeMap<u32, Open>,
    /// Bytes of those.
    held: usize,
    found: Vec<(Position, Learned)>,
}

/// An answer that goes on.
struct Open {
    context: u16,
    order: ByteOrder,
    stub: Vec<u8>,
    last: Position,
}

impl Answers {
    pub(super) fn new(association: Association) -> Self {
        Self {
            association,
            open: BTreeMap::new(),
            held: 0,
            found: Vec::new(),
        }
    }

    /// Reads the next unit.
    pub(super) fn read(&mut self, unit: &Unit<'_>) {
        if unit.after_gap {
            self.cut();
        }
        let Ok(pdu) = Pdu::parse(&unit.bytes) else {
            return;
        };
        match pdu.header.kind {
            PduType::BindAck | PduType::AlterContextResponse => self.agreed(&pdu),
            PduType::Response => self.response(unit, &pdu),
            PduType::Fault => self.close(pdu.header.call_id),
            _ => {}
        }
    }

    /// What was found, after what there is of answers whose end is missing.
    pub(super) fn finish(mut self) -> Vec<(Position, Learned)> {
        self.cut();
        self.found
    }

    fn agreed(&mut self, pdu: &Pdu<'_>) {
        let association = &mut self.association;
        let Some(proposed) = association.proposed.get(&pdu.header.call_id) else {
            return;
        };
        for (number, result) in proposed.iter().zip(pdu.results()) {
            if let Some(context) = association.contexts.get_mut(number)
                && result.is_accepted()
            {
                context.width = Some(if result.syntax == NDR64 {
                    Width::Ndr64
                } else {
                    Width::Ndr
                });
            }
        }
    }

    fn response(&mut self, unit: &Unit<'_>, pdu: &Pdu<'_>) {
        let Header {
            flags,
            call_id,
            order,
            ..
        } = pdu.header;
        let (Some((context, stub)), false) = (pdu.response(), pdu.may_be_sealed()) else {
            // What is sealed can't be read, nor what it is a part of.
            return self.close(call_id);
        };
        let is_cut = unit.bytes.len() < usize::from(pdu.header.fragment_length);
        let is_last = flags & flags::LAST != 0 && !is_cut;
        if flags & flags::FIRST != 0 {
            self.close(call_id);
            if is_last {
                return self.answer(unit.at, call_id, context, order, stub, Extent::Whole);
            }
            let open = Open {
                context,
                order,
                stub: Vec::new(),
                last: unit.at,
            };
            self.open.insert(call_id, open);
        }
        let Some(open) = self.open.get_mut(&call_id) else {
            return;
        };
        if self.held + stub.len() > MAX_STUBS || open.order != order {
            return self.close(call_id);
        }
        self.held += stub.len();
        open.stub.extend_from_slice(stub);
        open.last = unit.at;
        if is_last {
            self.end(call_id, Extent::Whole);
        } else if is_cut {
            self.end(call_id, Extent::Cut);
        }
    }

    /// Drops what there is of an answer.
    fn close(&mut self, call_id: u32) {
        self.take(call_id);
    }

    fn take(&mut self, call_id: u32) -> Option<Open> {
        let open = self.open.remove(&call_id)?;
        self.held -= open.stub.len();
        Some(open)
    }

    fn end(&mut self, call_id: u32, extent: Extent) {
        if let Some(open) = self.take(call_id) {
            let Open {
                context,
                order,
                stub,
                last,
            } = open;
            self.answer(last, call_id, context, order, &stub, extent);
        }
    }

    /// Reads what there is of unfinished answers: what comes next does not go on with them.
    fn cut(&mut self) {
        while let Some((&call_id, _)) = self.open.first_key_value() {
            self.end(call_id, Extent::Cut);
        }
    }

    fn answer(
        &mut self,
        at: Position,
        call_id: u32,
        context: u16,
        order: ByteOrder,
        stub: &[u8],
        extent: Extent,
    ) {
        let association = &self.association;
        let call = association.calls.get(&call_id).copied().flatten();
        let context = association
            .contexts
            .get(&call.map_or(context, |(context, _)| context));
        let operation = call.map(|(_, operation)| operation);
        let width = context.and_then(|context| context.width);
        let towers = || towers(operation, stub, order, width, extent).map(Learned::Towers);
        let bindings = || {
            let bindings = string_bindings(stub);
            (!bindings.is_empty()).then_some(Learned::Bindings(bindings))
        };
        let learned = match context.and_then(|context| context.interface) {
            Some(INTERFACE) => towers(),
            Some(interface) if answers_with_bindings(interface) => bindings(),
            Some(_) => None,
            // The bind was not captured: both have a form of their own.
            None if extent == Extent::Whole => towers().or_else(bindings),
            None => None,
        };
        self.found.extend(learned.map(|learned| (at, learned)));
    }
}

/// Reads an answer of the endpoint mapper. What of call and bind was not captured is told by what
/// fits, if every tower does: the views are strict.
pub(super) fn towers(
    operation: Option<u16>,
    stub: &[u8],
    order: ByteOrder,
    width: Option<Width>,
    extent: Extent,
) -> Option<Answer> {
    let widths = [Width::Ndr, Width::Ndr64];
    let widths = widths
        .into_iter()
        .filter(|&candidate| width.is_none_or(|width| width == candidate));
    let read = |width| match (operation, extent) {
        (Some(MAP), _) => parse_map(stub, order, width, extent).ok(),
        (Some(LOOKUP), _) => parse_lookup(stub, order, width, extent).ok(),
        (Some(_), _) | (None, Extent::Cut) => None,
        (None, Extent::Whole) => parse_map(stub, order, width, extent)
            .or_else(|_| parse_lookup(stub, order, width, extent))
            .ok()
            .filter(|answer| answer.unread == 0),
    };
    widths.into_iter().find_map(read)
}
