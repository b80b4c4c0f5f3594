//! One direction: its last packets, and what each says beside those before it.

use super::Continuity;
use crate::decode::{Packet, TcpFlags, Transport};
use crate::net::Timestamp;

/// Packets before each that it is compared with; `editcap -d` takes 4. As many as these make
/// packets out of order harmless, and repetitions of several segments in a row; and a copy is
/// found behind the others of a burst.
pub(super) const NEIGHBOURS: usize = 8;

/// Copies of a packet lie no further apart in time. Both copies that a mirror port makes leave it
/// within microseconds, and one beyond a router or firewall comes some hundred later; whereas no
/// sender repeats a packet so soon: TCP waits 2 ms at the least (RFC 8985 on a fast link), mostly
/// 200, UDP services wait longer.
const APART_NS: u64 = 1_000_000;

/// Times are kept in units of 2^10 ns, and come round after 73 minutes.
const TIME_SHIFT: u32 = 10;

/// A segment that begins further behind the one before belongs to another connection: no window
/// is larger (RFC 7323).
const WINDOW: u32 = 1 << 30;

/// What of a packet is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// Number of a segment's first byte.
    begin: u32,
    /// Number after its last byte; a SYN and a FIN take one each. Of a datagram: its length.
    end: u32,
    /// Identification, checksum and acknowledgment. A copy has the same, whatever became of its
    /// TTL and VLAN; where a sender repeats a segment, the identification is another. The checksum
    /// covers the rest, but not where it is left to the network card: then the others must do.
    print: u32,
    /// In units of 2^[`TIME_SHIFT`] ns.
    time: u32,
    numbers: Numbers,
    /// Whether a copy of it can be told from another packet. Identifications say so; IPv6 has
    /// none, nor have packets with 0, as Linux often sends.
    is_marked: bool,
}

/// How the numbers of a packet stand to those before and after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Numbers {
    /// It has none.
    #[default]
    No,
    /// It goes on after those before it.
    GoOn,
    /// A SYN: what came before is of another connection.
    Begin,
    /// A reset, whose own number means little.
    Reset,
}

impl Sent {
    /// What is compared of a segment or datagram; `None` where too little of its header is there,
    /// and of all else.
    #[inline(always)]
    pub(super) fn new(time: Timestamp, packet: &Packet<'_>) -> Option<Self> {
        let identification = packet.identification;
        Some(match packet.transport {
            Transport::Tcp {
                sequence,
                acknowledgment,
                flags,
                checksum,
                payload_length,
                ..
            } => {
                let length = payload_length.saturating_add(phantom(flags));
                Self {
                    begin: sequence,
                    // A keep-alive stands one number before what comes next.
                    end: sequence.wrapping_add(length.max(1)),
                    print: print(identification, checksum?) ^ acknowledgment,
                    time: in_units(time),
                    numbers: Numbers::of(flags),
                    // The same acknowledgment is often sent several times in a row.
                    is_marked: ((identification != 0) | (length > 0)) & time.is_known(),
                }
            }
            // Services do send the same datagram several times in a row, too; and without a
            // checksum nothing says what is in it.
            Transport::Udp {
                checksum,
                payload_length,
                ..
            } => Self {
                begin: 0,
                end: payload_length,
                print: print(identification, checksum?),
                time: in_units(time),
                numbers: Numbers::No,
                is_marked: (identification != 0) & (checksum != Some(0)) & time.is_known(),
            },
            _ => return None,
        })
    }
}

impl Numbers {
    #[inline(always)]
    fn of(flags: TcpFlags) -> Self {
        if flags.has(TcpFlags::RST) {
            Self::Reset
        } else if flags.has(TcpFlags::SYN) {
            Self::Begin
        } else {
            Self::GoOn
        }
    }
}

/// Numbers that the flags take.
#[inline(always)]
fn phantom(flags: TcpFlags) -> u32 {
    u32::from(flags.has(TcpFlags::SYN)) + u32::from(flags.has(TcpFlags::FIN))
}

#[inline(always)]
fn print(identification: u16, checksum: u16) -> u32 {
    u32::from(identification) << 16 | u32::from(checksum)
}

#[inline(always)]
fn in_units(time: Timestamp) -> u32 {
    (time.0 >> TIME_SHIFT) as u32
}

/// The last packets of a direction, the latest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Last {
    ends: [u32; NEIGHBOURS],
    prints: [u32; NEIGHBOURS],
    times: [u32; NEIGHBOURS],
    /// How many there are.
    length: u8,
    /// How many of them are of the connection of the latest.
    numbered: u8,
}

/// What a packet is beside those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Found {
    is_gap: bool,
    is_duplicate: bool,
}

impl Last {
    /// Adds a packet. What is found depends on the packets held and on nothing else.
    #[inline(always)]
    fn push(&mut self, sent: &Sent) -> Found {
        let is_duplicate = sent.is_marked & self.holds(sent);
        self.length = (self.length + 1).min(NEIGHBOURS as u8);
        let (is_gap, numbered) = match sent.numbers {
            Numbers::GoOn => (self.is_gap(sent.begin), self.numbered + 1),
            Numbers::Begin => (false, 1),
            Numbers::No | Numbers::Reset => (false, 0),
        };
        self.numbered = numbered.min(NEIGHBOURS as u8);
        shift(&mut self.ends, sent.end);
        shift(&mut self.prints, sent.print);
        shift(&mut self.times, sent.time);
        Found {
            is_gap,
            is_duplicate,
        }
    }

    /// Whether a copy of the packet is there. Nothing branches, so that all are compared at once.
    #[inline(always)]
    fn holds(&self, sent: &Sent) -> bool {
        const APART: u32 = (APART_NS >> TIME_SHIFT) as u32;
        let mut holds = false;
        for at in 0..NEIGHBOURS {
            let apart = sent.time.wrapping_sub(self.times[at]);
            holds |= (at < usize::from(self.length))
                & (self.prints[at] == sent.print)
                & (self.ends[at] == sent.end)
                & (apart.wrapping_add(APART) <= 2 * APART);
        }
        holds
    }

    /// Whether a segment that begins with this number begins after the end of all.
    #[inline(always)]
    fn is_gap(&self, begin: u32) -> bool {
        let mut is_gap = self.numbered > 0;
        for at in 0..NEIGHBOURS {
            let behind = begin.wrapping_sub(self.ends[at]);
            is_gap &= (at >= usize::from(self.numbered)) | (behind.wrapping_sub(1) < WINDOW - 1);
        }
        is_gap
    }
}

/// Moves all by one, and the last one out.
#[inline(always)]
fn shift(list: &mut [u32; NEIGHBOURS], latest: u32) {
    list.copy_within(..NEIGHBOURS - 1, 1);
    list[0] = latest;
}

/// A direction as far as it was read: two lines of the cache.
#[derive(Clone, Debug, Default)]
#[repr(align(64))]
pub(super) struct Direction {
    last: Last,
    packets: u64,
    /// Without those that [`First`] holds.
    gaps: u64,
    duplicates: u64,
}

const _: () = assert!(size_of::<Direction>() == 128);

/// The first packets of a direction in a piece of a capture. They count once it is known what
/// came before the piece.
#[derive(Clone, Debug, Default)]
pub(super) struct First([Sent; NEIGHBOURS]);

impl Direction {
    /// Adds a packet. `first` is `None` where nothing came before the piece.
    #[inline(always)]
    pub(super) fn add(&mut self, first: Option<&mut First>, sent: Sent) {
        let found = self.last.push(&sent);
        match first.and_then(|first| first.0.get_mut(self.packets as usize)) {
            Some(place) => *place = sent,
            None => self.count(found.is_gap.into(), found.is_duplicate.into()),
        }
        self.packets += 1;
    }

    fn count(&mut self, gaps: u64, duplicates: u64) {
        self.gaps += gaps;
        self.duplicates += duplicates;
    }

    /// Adds what the next piece of the capture saw of the direction.
    pub(super) fn append(
        &mut self,
        mut first: Option<&mut First>,
        next: &Self,
        next_first: Option<&First>,
    ) {
        let waiting = next.waiting(next_first);
        for sent in waiting {
            self.add(first.as_deref_mut(), *sent);
        }
        let more = next.packets - waiting.len() as u64;
        if more > 0 {
            self.last = next.last;
            self.packets += more;
        }
        self.count(next.gaps, next.duplicates);
    }

    /// What it says, once nothing comes before it.
    pub(super) fn continuity(&self, first: Option<&First>) -> Continuity {
        let mut whole = self.clone();
        let mut last = Last::default();
        for sent in self.waiting(first) {
            let found = last.push(sent);
            whole.count(found.is_gap.into(), found.is_duplicate.into());
        }
        Continuity {
            sequence_gaps: whole.gaps,
            duplicates: whole.duplicates,
            followed: whole.packets,
            beyond: 0,
        }
    }

    /// The packets that don't count yet.
    fn waiting<'a>(&self, first: Option<&'a First>) -> &'a [Sent] {
        let length = self.packets.min(NEIGHBOURS as u64) as usize;
        first.map_or(&[], |first| &first.0[..length])
    }
}
