//! Fragments of IP datagrams. Only the first one carries ports; the others are laid at its flow
//! after the merge, because any part of the input may hold it.

use std::net::IpAddr;

use crate::decode::Fragment;
use crate::flow::{FlowKey, FlowTable, Side};
use crate::net::{Position, Timestamp};

/// Fragments kept for the merge; past them fragments are counted as undecoded. A first one takes
/// 104 bytes, a later one 64, and nothing hangs on how many datagrams they are spread over.
const MAX_FRAGMENTS: usize = 1 << 22;
/// Fragments of one datagram arrive within this time, or identifications are in use again
/// (RFC 8200 4.5 gives up after 60 seconds).
const REASSEMBLY_NS: u64 = 60_000_000_000;

/// Datagrams share an identification only within addresses and, in IPv4, protocol (RFC 791,
/// RFC 8200 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Datagram {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// 0 in IPv6, where only the first fragment's counts.
    pub(super) protocol: u8,
    pub(super) identification: u32,
}

impl Datagram {
    fn new(source: IpAddr, destination: IpAddr, fragment: Fragment) -> Self {
        Self {
            source,
            destination,
            protocol: if source.is_ipv4() {
                fragment.protocol()
            } else {
                0
            },
            identification: fragment.identification(),
        }
    }
}

/// A fragment that begins a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct First {
    pub(super) datagram: Datagram,
    pub(super) at: Position,
    pub(super) flow: FlowKey,
    pub(super) side: Side,
}

/// Any other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Later {
    pub(super) datagram: Datagram,
    pub(super) at: Position,
    pub(super) bytes: u32,
}

/// Fragments seen, in no particular order.
#[derive(Clone, Debug, Default)]
pub(super) struct Fragments {
    pub(super) firsts: Vec<First>,
    pub(super) later: Vec<Later>,
    /// Fragments beyond the bound.
    pub(super) dropped: u64,
}

impl Fragments {
    pub(super) const LIMIT: u64 = MAX_FRAGMENTS as u64;

    /// Keeps a first fragment with its flow, so that others find it.
    pub(super) fn add_first(
        &mut self,
        at: Position,
        source: IpAddr,
        destination: IpAddr,
        fragment: Fragment,
        (flow, side): (FlowKey, Side),
    ) {
        self.push_first(First {
            datagram: Datagram::new(source, destination, fragment),
            at,
            flow,
            side,
        });
    }

    /// Keeps a fragment that begins nothing.
    pub(super) fn add_later(
        &mut self,
        at: Position,
        source: IpAddr,
        destination: IpAddr,
        fragment: Fragment,
        bytes: u32,
    ) {
        self.push_later(Later {
            datagram: Datagram::new(source, destination, fragment),
            at,
            bytes,
        });
    }

    /// The packet of a first fragment is in its flow already: past the bound only those that
    /// follow it go without.
    pub(super) fn push_first(&mut self, first: First) {
        if self.has_room() {
            self.firsts.push(first);
        }
    }

    pub(super) fn push_later(&mut self, later: Later) {
        if self.has_room() {
            self.later.push(later);
        } else {
            self.dropped += 1;
        }
    }

    fn has_room(&self) -> bool {
        self.firsts.len() + self.later.len() < MAX_FRAGMENTS
    }

    /// Adds what another part saw. Past the bound the first ones by capture and frame are kept, as
    /// if one part had seen them all.
    pub(super) fn merge(&mut self, other: Self) {
        self.dropped += other.dropped;
        self.firsts.extend(other.firsts);
        self.later.extend(other.later);
        if self.firsts.len() + self.later.len() <= MAX_FRAGMENTS {
            return;
        }
        let place = |at: Position| (at.capture(), at.frame());
        let firsts = self.firsts.iter().map(|first| place(first.at));
        let later = self.later.iter().map(|later| place(later.at));
        let mut places: Vec<_> = firsts.chain(later).collect();
        let (_, beyond, _) = places.select_nth_unstable(MAX_FRAGMENTS);
        self.firsts.retain(|first| place(first.at) < *beyond);
        let before = self.later.len();
        self.later.retain(|later| place(later.at) < *beyond);
        self.dropped += (before - self.later.len()) as u64;
    }

    pub(super) fn renumber(&mut self, new: impl Fn(Position) -> Position) {
        for first in &mut self.firsts {
            first.at = new(first.at);
        }
        for later in &mut self.later {
            later.at = new(later.at);
        }
    }

    /// Lays every fragment at the flow of its first one. Returns how many had none.
    pub(super) fn settle(mut self, flows: &mut FlowTable) -> u64 {
        self.firsts.sort_unstable();
        let later = self.later.iter();
        let without = later.filter(|later| !settle(&self.firsts, later, flows));
        self.dropped + without.count() as u64
    }

    /// The same for those of datagrams of which nothing is to come: that were captured before a
    /// time, or after another one, by a clock that was wrong.
    pub(super) fn settle_old(&mut self, span: [Timestamp; 2], flows: &mut FlowTable) -> u64 {
        let [before, after] = span;
        let is_old = |at: Position| at.time < before || at.time > after;
        if !self.firsts.iter().any(|first| is_old(first.at))
            && !self.later.iter().any(|later| is_old(later.at))
        {
            return 0;
        }
        self.firsts.sort_unstable();
        let mut without = 0;
        self.later.retain(|later| {
            let is_old = is_old(later.at);
            without += u64::from(is_old && !settle(&self.firsts, later, flows));
            !is_old
        });
        // Fragments that wait still may belong to firsts that came as long before them.
        let margin = REASSEMBLY_NS as i64;
        let before = Timestamp(before.0.saturating_sub(margin));
        let after = Timestamp(after.0.saturating_add(margin));
        self.firsts
            .retain(|first| first.at.time >= before && first.at.time <= after);
        self.firsts.shrink_to(2 * self.firsts.len());
        self.later.shrink_to(2 * self.later.len());
        without
    }
}

/// Lays a fragment at the flow of its first one; `false` where there is none.
fn settle(firsts: &[First], later: &Later, flows: &mut FlowTable) -> bool {
    first_of(firsts, later)
        .is_some_and(|first| flows.add_fragment(later.at, &first.flow, first.side, later.bytes))
}

/// The first fragment that `later` belongs to: the last one before it, else (fragments may be
/// reordered) the next one after it, within the reassembly time.
fn first_of<'a>(firsts: &'a [First], later: &Later) -> Option<&'a First> {
    let wanted = (later.datagram, later.at);
    let after = firsts.partition_point(|first| (first.datagram, first.at) < wanted);
    let close = |a: Timestamp, b: Timestamp| a.since_ns(b).max(b.since_ns(a)) <= REASSEMBLY_NS;
    let before = after.checked_sub(1).and_then(|index| firsts.get(index));
    [before, firsts.get(after)]
        .into_iter()
        .flatten()
        .filter(|first| first.datagram == later.datagram)
        .find(|first| close(first.at.time, later.at.time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Endpoint, FiveTuple, Protocol};

    fn fragment(protocol: u8, identification: u32, first: bool) -> Fragment {
        Fragment::new(protocol, identification, first)
    }

    fn add(fragments: &mut Fragments, frame: u64, addresses: [&str; 2], fragment: Fragment) {
        let [source, destination] = addresses.map(|address| address.parse::<IpAddr>().unwrap());
        let at = Position::new(Timestamp(frame as i64), 0, frame);
        if fragment.is_first() {
            let five_tuple = FiveTuple {
                protocol: Protocol::Udp,
                source: Endpoint::new(source, 2000),
                destination: Endpoint::new(destination, 69),
            };
            let flow = FlowKey::new(&five_tuple);
            fragments.add_first(at, source, destination, fragment, flow);
        } else {
            fragments.add_later(at, source, destination, fragment, 60);
        }
    }

    /// Frames of the first fragments that the later ones belong to.
    fn owners(mut fragments: Fragments) -> Vec<Option<u64>> {
        fragments.firsts.sort_unstable();
        let owner = |later| first_of(&fragments.firsts, later).map(|first| first.at.frame());
        fragments.later.iter().map(owner).collect()
    }

    #[test]
    fn fragments_take_what_the_bound_says() {
        assert_eq!((size_of::<First>(), size_of::<Later>()), (104, 64));
    }

    #[test]
    fn an_identification_used_again_means_the_last_datagram_before() {
        let mut fragments = Fragments::default();
        let pair = ["10.0.0.1", "10.0.0.2"];
        for (frame, identification, first) in [
            (2, 7, true),
            (3, 7, false),
            (4, 8, true),
            (5, 7, true),
            (6, 7, false),
            (1, 7, false),
            (7, 9, false),
        ] {
            let fragment = fragment(17, identification, first);
            add(&mut fragments, frame, pair, fragment);
        }
        assert_eq!(owners(fragments), [Some(2), Some(5), Some(2), None]);
    }

    #[test]
    fn only_ipv4_tells_datagrams_apart_by_protocol() {
        for (pair, expected) in [
            (["10.0.0.1", "10.0.0.2"], None),
            (["2001:db8::1", "2001:db8::2"], Some(1)),
        ] {
            let mut fragments = Fragments::default();
            add(&mut fragments, 1, pair, fragment(17, 7, true));
            add(&mut fragments, 2, pair, fragment(6, 7, false));
            assert_eq!(owners(fragments), [expected]);
        }
    }
}
