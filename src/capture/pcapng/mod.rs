//! The pcapng container: sections of blocks. Follows draft-ietf-opsawg-pcapng.
//! Blocks that hold no packet, no interface and no statistics are skipped.

mod cut;
mod drops;
mod interface;
mod options;
#[cfg(test)]
mod tests;
#[cfg(feature = "live")]
mod write;

use std::collections::BTreeSet;

pub use self::drops::Drops;
use self::interface::Interface;
#[cfg(feature = "live")]
pub use self::write::{Blocks, InterfaceDescription, InterfaceStatistics, Section};
use super::batch::Gather;
use super::buffer::MAX_RECORD_BYTES;
use super::byte_order::{Big, ByteOrder, Little, Order};
use super::reader::{Pause, Step};
use super::{Frame, LinkType};
use crate::net::Timestamp;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const JOURNAL_EXPORT: u32 = 9;
const SYSTEM_CALL: u32 = 0x204;
const SYSTEM_CALL_2: u32 = 0x216;
const SYSTEM_CALL_LARGE: u32 = 0x221;
const CUSTOM: u32 = 0xbad;
const CUSTOM_NOT_COPIED: u32 = 0x4000_0bad;

/// Private enterprise number of the custom blocks that hold no record of their own.
const VENDOR_NETFLIX: u32 = 10949;

/// The byte-order magic of a section header, as the writer's order puts it.
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;

/// Block type and length before the body of a block, and the length again after it.
const FRAMING: usize = 12;

/// Framing and the fixed fields of a section header: byte-order magic, version, section length.
const SECTION_HEADER_MINIMUM: usize = FRAMING + 16;

/// Interfaces kept of one section. An obsolete packet block can name no more; at some 40 bytes
/// each they take less than 3 MiB.
const MAX_INTERFACES: usize = 1 << 16;

/// Reads sections: what is known of the one that the next block belongs to.
#[derive(Clone)]
pub(super) struct Pcapng {
    order: Order,
    interfaces: Vec<Interface>,
    link_types: BTreeSet<LinkType>,
    /// How many sections began.
    sections: u64,
    /// Drops of the sections before.
    drops_before: Drops,
    /// When the capture ended, by the latest of all statistics.
    end: Option<Timestamp>,
}

/// Whether `bytes` begin with a section header.
pub(super) fn is_pcapng(bytes: &[u8]) -> bool {
    bytes.first_chunk::<12>().is_some_and(|bytes| {
        Little::u32_at(bytes, 0) == SECTION_HEADER && section_order(bytes).is_some()
    })
}

impl Pcapng {
    /// A reader that expects a section header.
    pub(super) fn new() -> Self {
        Self {
            order: Order::Little,
            interfaces: Vec::new(),
            link_types: BTreeSet::new(),
            sections: 0,
            drops_before: Drops::default(),
            end: None,
        }
    }

    /// Link types of every interface described so far.
    pub(super) fn link_types(&self) -> impl Iterator<Item = LinkType> + '_ {
        self.link_types.iter().copied()
    }

    /// Packets that interfaces and kernel say they dropped, by the last statistics of every
    /// interface.
    pub(super) fn drops(&self) -> Drops {
        let mut drops = self.drops_before.clone();
        let here = self.interfaces.iter().map(|interface| interface.drops);
        if self.sections <= 1 {
            drops.set_first(here);
        } else {
            drops.add(here);
        }
        drops
    }

    /// When the capture ended, by the latest of all statistics; what they say is not checked.
    pub(super) fn end(&self) -> Option<Timestamp> {
        self.end
    }

    /// Hands the packet of every whole block of `window`, which begins at a block border, to
    /// `visit`. `frames` is the number of the frame before.
    #[inline]
    pub(super) fn walk<'w>(
        &mut self,
        window: &'w [u8],
        frames: &mut u64,
        visit: &mut impl FnMut(&[Frame<'w>]),
    ) -> Step {
        let mut at = 0;
        let mut gather = Gather::new(visit);
        let pause = loop {
            let section = match self.order {
                Order::Little => self.blocks::<Little>(window, &mut at, frames, &mut gather),
                Order::Big => self.blocks::<Big>(window, &mut at, frames, &mut gather),
            };
            if let Err(pause) = section.and_then(|()| self.begin_section(window, &mut at)) {
                break pause;
            }
        };
        gather.flush();
        Step {
            consumed: at,
            pause,
        }
    }

    /// Reads blocks up to the next section header.
    #[inline]
    fn blocks<'w, O: ByteOrder>(
        &mut self,
        window: &'w [u8],
        at: &mut usize,
        frames: &mut u64,
        gather: &mut Gather<'w, '_, impl FnMut(&[Frame<'w>])>,
    ) -> Result<(), Pause> {
        loop {
            let rest = &window[*at..];
            let Some(head) = rest.first_chunk::<8>() else {
                return Err(Pause::Need(8));
            };
            let kind = O::u32_at(head, 0);
            if kind == SECTION_HEADER {
                return Ok(());
            }
            let body = body::<O>(rest, FRAMING)?;
            let packet = match kind {
                ENHANCED_PACKET => Some(self.packet::<O>(body, |fields| O::u32_at(fields, 0))?),
                SIMPLE_PACKET => Some(self.simple_packet::<O>(body)?),
                OBSOLETE_PACKET => {
                    Some(self.packet::<O>(body, |fields| O::u16_at(fields, 0).into())?)
                }
                INTERFACE_DESCRIPTION => {
                    self.describe_interface::<O>(body)?;
                    None
                }
                INTERFACE_STATISTICS => {
                    self.interface_statistics::<O>(body)?;
                    None
                }
                _ => {
                    *frames += u64::from(is_numbered::<O>(kind, body));
                    None
                }
            };
            *at += body.len() + FRAMING;
            if let Some(packet) = packet {
                *frames += 1;
                gather.push(Frame {
                    number: *frames,
                    ..packet
                });
            }
        }
    }

    /// Reads the section header at `at`, which sets the byte order of what follows.
    #[cold]
    fn begin_section(&mut self, window: &[u8], at: &mut usize) -> Result<(), Pause> {
        let rest = &window[*at..];
        let Some(head) = rest.first_chunk::<12>() else {
            return Err(Pause::Need(12));
        };
        let Some(order) = section_order(head) else {
            return Err(damaged("a section header lacks the byte-order magic"));
        };
        let (body, major) = match order {
            Order::Little => section_body::<Little>(rest)?,
            Order::Big => section_body::<Big>(rest)?,
        };
        if major != 1 {
            return Err(Pause::Damaged(format!(
                "pcapng version {major} is not known"
            )));
        }
        self.drops_before = self.drops();
        self.sections += 1;
        self.interfaces.clear();
        self.order = order;
        *at += body.len() + FRAMING;
        Ok(())
    }

    /// An enhanced packet block, or the obsolete packet block that it replaced: only the first
    /// word differs, which says the interface.
    #[inline]
    fn packet<'a, O: ByteOrder>(
        &self,
        body: &'a [u8],
        interface: impl FnOnce(&[u8; 20]) -> u32,
    ) -> Result<Frame<'a>, Pause> {
        let Some((fields, rest)) = body.split_first_chunk::<20>() else {
            return Err(damaged("a packet block is too short"));
        };
        let interface = self.interface(interface(fields))?;
        interface.packet(
            interface.clock.time(interface::ticks::<O>(fields, 4)),
            O::u32_at(fields, 12),
            O::u32_at(fields, 16),
            rest,
        )
    }

    /// A simple packet block belongs to the first interface and has no time; what was captured
    /// follows from that interface's snaplen.
    #[inline]
    fn simple_packet<'a, O: ByteOrder>(&self, body: &'a [u8]) -> Result<Frame<'a>, Pause> {
        let Some((fields, rest)) = body.split_first_chunk::<4>() else {
            return Err(damaged("a simple packet block is too short"));
        };
        let interface = self.interface(0)?;
        let wire_length = O::u32_at(fields, 0);
        let captured = match interface.snaplen {
            0 => wire_length,
            snaplen => wire_length.min(snaplen),
        };
        interface.packet(Timestamp::UNKNOWN, captured, wire_length, rest)
    }

    #[inline]
    fn interface(&self, id: u32) -> Result<&Interface, Pause> {
        match self.interfaces.get(id as usize) {
            Some(interface) => Ok(interface),
            None => Err(unknown_interface(id)),
        }
    }

    #[cold]
    fn describe_interface<O: ByteOrder>(&mut self, body: &[u8]) -> Result<(), Pause> {
        if self.interfaces.len() == MAX_INTERFACES {
            return Err(Pause::Damaged(format!(
                "more than {MAX_INTERFACES} interfaces in a section"
            )));
        }
        let interface = Interface::parse::<O>(body).map_err(damaged)?;
        self.link_types.insert(interface.link_type);
        self.interfaces.push(interface);
        Ok(())
    }

    #[cold]
    fn interface_statistics<O: ByteOrder>(&mut self, body: &[u8]) -> Result<(), Pause> {
        let Some((fields, options)) = body.split_first_chunk::<12>() else {
            return Err(damaged("an interface statistics block is too short"));
        };
        let id = O::u32_at(fields, 0);
        let Some(interface) = self.interfaces.get_mut(id as usize) else {
            return Err(unknown_interface(id));
        };
        let read = interface::statistics::<O>(options).map_err(damaged)?;
        // Counters run from the start of the capture: the last block holds the sum.
        interface.drops = read.drops.or(interface.drops);
        let end = read.end.map(|ticks| interface.clock.time(ticks));
        self.end = self.end.max(end);
        Ok(())
    }
}

/// Whether a block without a packet counts among the frames of Wireshark, whose numbers ours
/// are to be: journal entries, system calls, and custom blocks that it does not know.
#[cold]
fn is_numbered<O: ByteOrder>(kind: u32, body: &[u8]) -> bool {
    match kind {
        JOURNAL_EXPORT | SYSTEM_CALL | SYSTEM_CALL_2 | SYSTEM_CALL_LARGE => true,
        CUSTOM | CUSTOM_NOT_COPIED => {
            let vendor = body.first_chunk().map(|&vendor| O::u32(vendor));
            vendor.is_some_and(|vendor| vendor != VENDOR_NETFLIX)
        }
        _ => false,
    }
}

/// The body of the block that `rest` begins with. `minimum` is the length of the shortest block
/// of its kind.
#[inline(always)]
fn body<O: ByteOrder>(rest: &[u8], minimum: usize) -> Result<&[u8], Pause> {
    let claimed = O::u32_at(rest, 4);
    let length = claimed as usize;
    if length < minimum || length > MAX_RECORD_BYTES || !length.is_multiple_of(4) {
        return Err(bad_length(claimed));
    }
    let Some(block) = rest.get(..length) else {
        return Err(Pause::Need(length));
    };
    let trailer = O::u32_at(block, length - 4);
    if trailer != claimed {
        return Err(bad_trailer(claimed, trailer));
    }
    Ok(&block[8..length - 4])
}

fn section_body<O: ByteOrder>(rest: &[u8]) -> Result<(&[u8], u16), Pause> {
    let body = body::<O>(rest, SECTION_HEADER_MINIMUM)?;
    Ok((body, O::u16_at(body, 4)))
}

/// Byte order of the section whose header begins with `head`.
fn section_order(head: &[u8; 12]) -> Option<Order> {
    if Little::u32_at(head, 8) == BYTE_ORDER_MAGIC {
        Some(Order::Little)
    } else if Big::u32_at(head, 8) == BYTE_ORDER_MAGIC {
        Some(Order::Big)
    } else {
        None
    }
}

#[cold]
fn damaged(message: &str) -> Pause {
    Pause::Damaged(message.into())
}

#[cold]
fn bad_length(length: u32) -> Pause {
    Pause::Damaged(format!(
        "a block claims a length of {length} bytes, which is too short, too long or no multiple of 4"
    ))
}

#[cold]
fn bad_trailer(length: u32, trailer: u32) -> Pause {
    Pause::Damaged(format!(
        "a block of {length} bytes ends with the length {trailer}"
    ))
}

#[cold]
fn unknown_interface(id: u32) -> Pause {
    Pause::Damaged(format!(
        "a block names interface {id}, which is not described"
    ))
}
