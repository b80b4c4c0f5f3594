//! What passed between a client's port and one server port that answered its request: blocks,
//! acknowledgments, options granted, errors; and what that says of the end.

use std::collections::BTreeMap;

use super::blocks::{Blocks, WRAP};
use super::model::TransferOutcome;
use crate::net::{Position, Timestamp};
use crate::observation::{MAX_RUNS_PER_FLOW, TftpRun, TftpRunKind};
use crate::payload::Text;
use crate::payload::tftp::{DEFAULT_BLOCK_SIZE, Options};

/// Error code "unknown transfer ID" (RFC 1350, appendix).
const UNKNOWN_TRANSFER: u16 = 5;
/// Error codes of clients that only asked for the size: iPXE, GRUB and PXELINUX send "not defined"
/// (RFC 1350, appendix), EDK2 and Windows "option negotiation refused" (RFC 2347).
const STOPS: [u16; 2] = [0, 8];

/// Past so many log entries the log may have ended before the transfer did: a flow's bound is near.
const MAX_ENTRIES: u32 = MAX_RUNS_PER_FLOW / 2;

/// Which end sent a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// What passed between a client's port and one server port.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// The server's transfer identifier.
    pub(super) port: u16,
    /// Its first packet.
    pub(super) first: Position,
    /// Its packet with the latest beginning.
    pub(super) end: Position,
    /// Time of the last packet.
    pub(super) last: Timestamp,
    /// DATA of the sender.
    pub(super) data: Blocks,
    /// ACK of the receiver.
    pub(super) acknowledged: Blocks,
    /// Payload bytes of distinct blocks.
    pub(super) bytes: u64,
    /// Packets of the client.
    pub(super) client_packets: u64,
    /// Packets of the server.
    pub(super) server_packets: u64,
    /// Payload bytes of every DATA packet.
    pub(super) sent_bytes: u64,
    /// Time of the last ACK.
    pub(super) last_acknowledged: Option<Timestamp>,
    /// Log entries, which hold a packet or a run of them.
    entries: u32,
    /// Options of the OACK.
    pub(super) granted: Option<Granted>,
    /// The first ERROR.
    pub(super) error: Option<Error>,
    /// Who sent the first ACK.
    receiver: Option<Side>,
    /// Lowest and highest block with the payload bytes of each.
    ends: Option<[(u64, u16); 2]>,
    /// Whether it was under way when the capture began.
    is_joined: bool,
}

/// Options that an OACK granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Granted {
    pub(super) options: BTreeMap<String, Text>,
    pub(super) cut: bool,
}

/// An ERROR packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Error {
    pub(super) from: Side,
    pub(super) code: u16,
    pub(super) text: Text,
}

/// Block size of a transfer, as far as requests and answers tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockSize {
    /// Both ends agreed on it.
    Agreed(u16),
    /// One of several; the smallest is given.
    AtLeast(u16),
    /// A cut packet hides it.
    Unknown,
}

/// What is known of a transfer besides its packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around {
    /// The client read, and asked for the file's size.
    pub(super) asked_size: bool,
    /// ICMP errors say that packets did not arrive.
    pub(super) refused: bool,
    /// Nothing new came for long, or the client asked again.
    pub(super) silent: bool,
}

/// Whether a transfer reached its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The last block was acknowledged.
    Complete,
    /// More was to come.
    Unfinished,
    /// The capture does not tell: the block size is not known, or packets are missing.
    Unknown,
}

impl Session {
    /// The server port's first packet, which begins a transfer.
    pub(super) fn new(port: u16, at: Position) -> Self {
        Self {
            port,
            first: at,
            end: at,
            last: at.time,
            data: Blocks::default(),
            acknowledged: Blocks::default(),
            bytes: 0,
            client_packets: 0,
            server_packets: 0,
            sent_bytes: 0,
            last_acknowledged: None,
            entries: 0,
            granted: None,
            error: None,
            receiver: None,
            ends: None,
            is_joined: false,
        }
    }

    /// The first packet of a transfer that began before, unless its first `block` is the first of
    /// all: block numbers go on from it.
    pub(super) fn joined(port: u16, at: Position, block: u16) -> Self {
        if block <= 1 {
            return Self::new(port, at);
        }
        // One wrap up, so that blocks from before it have numbers, too.
        let numbers = Blocks::joined(WRAP + u64::from(block), at.time);
        Self {
            data: numbers.clone(),
            acknowledged: numbers,
            is_joined: true,
            ..Self::new(port, at)
        }
    }

    /// Any packet of it, or the first of a run that ends at `last`.
    pub(super) fn touch(&mut self, side: Side, at: Position, last: Timestamp, packets: u32) {
        self.end = self.end.max(at);
        self.last = self.last.max(last);
        self.entries = self.entries.saturating_add(1);
        match side {
            Side::Client => self.client_packets += u64::from(packets),
            Side::Server => self.server_packets += u64::from(packets),
        }
    }

    /// DATA or ACK, from the end that sends those.
    pub(super) fn run(&mut self, side: Side, run: &TftpRun, from: Timestamp) {
        let TftpRun {
            first_block: first,
            advance,
            block_length: length,
            count: packets,
            last: to,
            ..
        } = *run;
        let count = advance.saturating_add(1);
        if run.kind == TftpRunKind::Ack {
            self.receiver.get_or_insert(side);
            self.acknowledged.add(first, count, packets, from, to);
            self.last_acknowledged = self.last_acknowledged.max(Some(to));
            return;
        }
        let added = self.data.add(first, count, packets, from, to);
        self.bytes += added.new * u64::from(length);
        self.sent_bytes += u64::from(packets) * u64::from(length);
        let [lowest, highest] = self
            .ends
            .get_or_insert([(added.first, length), (added.last, length)]);
        if added.first < lowest.0 {
            *lowest = (added.first, length);
        }
        if added.last > highest.0 {
            *highest = (added.last, length);
        }
    }

    /// An OACK; of several the first whole one counts.
    pub(super) fn grant(&mut self, options: Options<'_>) {
        if self.granted.as_ref().is_none_or(|granted| granted.cut) {
            self.granted = Some(Granted {
                options: by_name(options),
                cut: options.is_cut(),
            });
        }
    }

    /// An ERROR; the first counts.
    pub(super) fn fail(&mut self, from: Side, code: u16, text: &[u8]) {
        self.error.get_or_insert_with(|| Error {
            from,
            code,
            text: text.into(),
        });
    }

    /// Whether the client told this port that it takes another one's answer (RFC 1350 section 4).
    pub(super) fn is_turned_away(&self) -> bool {
        let error = self.error.as_ref();
        error.is_some_and(|error| error.from == Side::Client && error.code == UNKNOWN_TRANSFER)
    }

    /// Whether any block was acknowledged.
    pub(super) fn has_acknowledged_data(&self) -> bool {
        self.acknowledged.highest().is_some_and(|block| block > 0)
    }

    /// Time of the last packet that was no repetition.
    pub(super) fn progress(&self) -> Timestamp {
        let blocks = self.data.progress.max(self.acknowledged.progress);
        blocks.map_or(self.first.time, |time| time.max(self.first.time))
    }

    /// Number and payload bytes of the highest block.
    pub(super) fn highest(&self) -> Option<(u64, u16)> {
        self.ends.map(|[_, highest]| highest)
    }

    /// How it ended, given what is known besides its packets.
    pub(super) fn outcome(&self, size: BlockSize, around: Around) -> TransferOutcome {
        let ending = self.ending(size);
        if ending == Ending::Complete {
            return TransferOutcome::Complete;
        }
        if let Some(error) = &self.error {
            return match around.asked_size && self.is_probed(error) {
                true => TransferOutcome::Aborted,
                false => TransferOutcome::Error,
            };
        }
        if around.refused && !self.has_acknowledged_data() {
            return TransferOutcome::Unreachable;
        }
        match ending {
            Ending::Unknown => TransferOutcome::Open,
            _ if self.entries > MAX_ENTRIES => TransferOutcome::Open,
            _ if around.refused || around.silent => TransferOutcome::Stalled,
            _ => TransferOutcome::Open,
        }
    }

    /// Whether the client stopped once it had the size: before it acknowledged anything, and so
    /// before any data but the first block of a server that grants no options.
    fn is_probed(&self, error: &Error) -> bool {
        let unasked = u64::from(self.granted.is_none());
        error.from == Side::Client
            && STOPS.contains(&error.code)
            && !self.has_acknowledged_data()
            && self.data.highest().unwrap_or(0) <= unasked
    }

    /// Blocks that were acknowledged, or that others followed, and were never captured. Those of a
    /// transfer that was under way count from its first packet on.
    pub(super) fn missing_blocks(&self) -> u64 {
        let (data, acknowledged) = (&self.data, &self.acknowledged);
        let after = |block: u64| block.saturating_add(1);
        let begin = data.lowest().into_iter();
        let Some(begin) = begin.chain(acknowledged.lowest().map(after)).min() else {
            return 0;
        };
        let begin = match self.is_joined {
            true => begin,
            false => begin.min(1),
        };
        let end = data.highest().max(acknowledged.highest()).unwrap_or(0);
        // After block 65,535 some servers send block 0, others block 1. Where none was captured,
        // there was none; ACKs don't tell, as a run of theirs has only some of its numbers.
        let skipped = match data.passes_zero_again() {
            true => 0,
            false => end / WRAP - begin.saturating_sub(1) / WRAP,
        };
        after(end).saturating_sub(begin + data.distinct + skipped)
    }

    /// Whether the last block, shorter than the others have to be, was acknowledged.
    pub(super) fn ending(&self, size: BlockSize) -> Ending {
        let acknowledged = self.acknowledged.highest().unwrap_or(0);
        let Some([lowest, highest]) = self.ends else {
            return if acknowledged > 0 {
                Ending::Unknown
            } else {
                Ending::Unfinished
            };
        };
        // The lower 16 bits: where captures lost thousands of blocks, the two directions may
        // have been unwrapped differently.
        if acknowledged == 0 || acknowledged as u16 != highest.0 as u16 {
            // Neither end gets further ahead than this; then the capture lacks packets.
            let lacks_data = acknowledged > highest.0;
            let lacks_acknowledgments = highest.0 - highest.0.min(acknowledged) > self.window();
            return if lacks_data || lacks_acknowledgments {
                Ending::Unknown
            } else {
                Ending::Unfinished
            };
        }
        let shown = (highest.0 > lowest.0).then_some(lowest.1);
        let limit = whole_block(size, shown);
        if highest.1 < limit {
            Ending::Complete
        } else if shown.is_none() && !matches!(size, BlockSize::Agreed(_)) {
            Ending::Unknown
        } else {
            Ending::Unfinished
        }
    }

    /// Whether every block was sent, up to one that is shorter than the others have to be.
    pub(super) fn is_all_sent(&self, size: BlockSize) -> bool {
        self.ends.is_some_and(|[lowest, highest]| {
            let shown = (highest.0 > lowest.0).then_some(lowest.1);
            highest.1 < whole_block(size, shown) && self.data.distinct == highest.0
        })
    }

    /// Whether an ACK for block 0 came from the client.
    fn acknowledges_options(&self) -> bool {
        self.receiver == Some(Side::Client) && self.acknowledged.lowest() == Some(0)
    }

    /// Whether the server took none of the options of a request for blocks of `asked` bytes: it
    /// acknowledges the request to write itself, or blocks are larger than it may grant.
    fn declines_options(&self, asked: u16) -> bool {
        let is_acknowledged =
            self.receiver == Some(Side::Server) && self.acknowledged.lowest() == Some(0);
        let is_larger = |ends: [(u64, u16); 2]| ends.iter().any(|(_, length)| *length > asked);
        is_acknowledged || self.ends.is_some_and(is_larger)
    }

    /// Blocks that may be sent before one is acknowledged (RFC 7440).
    fn window(&self) -> u64 {
        let Some(granted) = &self.granted else {
            return 1;
        };
        // Microsoft's window grows and shrinks as the client says.
        if granted.cut || granted.options.contains_key("msftwindow") {
            return u64::from(u16::MAX);
        }
        number(&granted.options, "windowsize").map_or(1, u64::from)
    }

    /// The block size, given what the client asked for.
    pub(super) fn block_size(
        &self,
        requested: &BTreeMap<String, Text>,
        request_cut: bool,
    ) -> BlockSize {
        match &self.granted {
            Some(granted) => match size_in(&granted.options) {
                Some(size) => BlockSize::Agreed(size),
                None if granted.cut => BlockSize::Unknown,
                None => BlockSize::Agreed(DEFAULT_BLOCK_SIZE),
            },
            None if request_cut => BlockSize::Unknown,
            None => match size_in(requested) {
                // The client acknowledges an OACK, which was not captured.
                Some(_) if self.acknowledges_options() => BlockSize::Unknown,
                Some(size) if self.declines_options(size) => BlockSize::Agreed(DEFAULT_BLOCK_SIZE),
                // Declined, or granted in an OACK that was not captured.
                Some(size) => BlockSize::AtLeast(size.min(DEFAULT_BLOCK_SIZE)),
                None => BlockSize::Agreed(DEFAULT_BLOCK_SIZE),
            },
        }
    }
}

/// Payload bytes of a block that is not the last, at least. A block that another follows shows
/// them, whatever was agreed on.
fn whole_block(size: BlockSize, shown: Option<u16>) -> u16 {
    match (size, shown) {
        (BlockSize::Agreed(size) | BlockSize::AtLeast(size), Some(shown)) => size.min(shown),
        (BlockSize::Agreed(size) | BlockSize::AtLeast(size), None) => size,
        (BlockSize::Unknown, Some(shown)) => shown,
        // Only an empty block is shorter than any.
        (BlockSize::Unknown, None) => 1,
    }
}

/// Options by lower-case name; of a repeated one the first counts.
pub(super) fn by_name(options: Options<'_>) -> BTreeMap<String, Text> {
    let mut map = BTreeMap::new();
    for (name, value) in options.iter() {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        map.entry(name).or_insert_with(|| Text::from(value));
    }
    map
}

/// RFC 2348: 8 to 65464 octets.
fn size_in(options: &BTreeMap<String, Text>) -> Option<u16> {
    number(options, "blksize")
}

/// An option's value, where it is a number above zero.
fn number(options: &BTreeMap<String, Text>, name: &str) -> Option<u16> {
    let text = std::str::from_utf8(options.get(name)?.bytes()).ok()?;
    text.trim().parse().ok().filter(|&number| number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(data: &[(u16, u32, u16)], acknowledged: &[(u16, u32)]) -> Session {
        let at = Position::new(Timestamp(0), 0, 1);
        let mut session = Session::new(1069, at);
        let mut run = |kind, first_block, count, block_length| {
            let last = Timestamp(0);
            let side = match kind {
                TftpRunKind::Data => Side::Server,
                TftpRunKind::Ack => Side::Client,
            };
            session.run(
                side,
                &TftpRun {
                    kind,
                    first_block,
                    advance: count - 1,
                    count,
                    block_length,
                    last,
                },
                last,
            );
        };
        for &(first, count, length) in data {
            run(TftpRunKind::Data, first, count, length);
        }
        for &(first, count) in acknowledged {
            run(TftpRunKind::Ack, first, count, 0);
        }
        session
    }

    #[test]
    fn complete_needs_a_short_last_block_that_was_acknowledged() {
        let agreed = BlockSize::Agreed(512);
        assert_eq!(
            session(&[(1, 2, 512), (3, 1, 7)], &[(1, 3)]).ending(agreed),
            Ending::Complete
        );
        assert_eq!(
            session(&[(1, 2, 512), (3, 1, 0)], &[(3, 1)]).ending(agreed),
            Ending::Complete
        );
        assert_eq!(
            session(&[(1, 2, 512), (3, 1, 7)], &[(1, 2)]).ending(agreed),
            Ending::Unfinished
        );
        assert_eq!(
            session(&[(1, 3, 512)], &[(1, 3)]).ending(agreed),
            Ending::Unfinished
        );
        assert_eq!(session(&[], &[(0, 1)]).ending(agreed), Ending::Unfinished);
    }

    #[test]
    fn missing_packets_leave_the_end_unknown() {
        let agreed = BlockSize::Agreed(512);
        for (data, acknowledged) in [
            // The last block was acknowledged, and is not there.
            (&[(1, 2, 512)][..], &[(1, 3)][..]),
            // Only the receiver's side, only the sender's.
            (&[], &[(1, 3)]),
            (&[(1, 2, 512), (3, 1, 7)], &[]),
        ] {
            assert_eq!(session(data, acknowledged).ending(agreed), Ending::Unknown);
        }
        // A window may be under way.
        let mut session = session(&[(1, 8, 512)], &[]);
        session.granted = Some(Granted {
            options: BTreeMap::from([("windowsize".to_owned(), Text::from(&b"8"[..]))]),
            cut: false,
        });
        assert_eq!(session.ending(agreed), Ending::Unfinished);
    }

    #[test]
    fn a_short_block_that_another_follows_is_not_the_last() {
        let data = [(1, 2, 400), (3, 1, 400)];
        assert_eq!(
            session(&data, &[(1, 3)]).ending(BlockSize::Agreed(512)),
            Ending::Unfinished
        );
    }

    #[test]
    fn an_unknown_size_is_taken_from_the_first_block_that_another_follows() {
        let unknown = BlockSize::Unknown;
        assert_eq!(
            session(&[(1, 2, 16), (3, 1, 5)], &[(1, 3)]).ending(unknown),
            Ending::Complete
        );
        assert_eq!(
            session(&[(1, 3, 16)], &[(1, 3)]).ending(unknown),
            Ending::Unfinished
        );
        assert_eq!(
            session(&[(1, 1, 16)], &[(1, 1)]).ending(unknown),
            Ending::Unknown
        );
        assert_eq!(
            session(&[(1, 1, 0)], &[(1, 1)]).ending(unknown),
            Ending::Complete
        );
    }

    #[test]
    fn the_size_is_what_was_granted_not_what_was_asked() {
        let asked = BTreeMap::from([("blksize".to_owned(), Text::from(&b"1428"[..]))]);
        let mut session = session(&[], &[]);
        assert_eq!(session.block_size(&asked, false), BlockSize::AtLeast(512));
        assert_eq!(session.block_size(&asked, true), BlockSize::Unknown);
        assert_eq!(
            super::tests::session(&[], &[(0, 1)]).block_size(&asked, false),
            BlockSize::Unknown
        );
        assert_eq!(
            session.block_size(&BTreeMap::new(), false),
            BlockSize::Agreed(512)
        );
        session.granted = Some(Granted {
            options: BTreeMap::from([("blksize".to_owned(), Text::from(&b"1000"[..]))]),
            cut: false,
        });
        assert_eq!(session.block_size(&asked, true), BlockSize::Agreed(1000));
        session.granted = Some(Granted {
            options: BTreeMap::new(),
            cut: true,
        });
        assert_eq!(session.block_size(&asked, false), BlockSize::Unknown);
    }
}
