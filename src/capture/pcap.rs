//! The pcap container: a file header, then records. Follows draft-ietf-opsawg-pcap, and
//! libpcap's `sf-pcap.c` for the variants that the draft leaves out.

mod cut;

use super::batch::Gather;
use super::byte_order::{Big, ByteOrder, Little, Order};
use super::reader::{Pause, Step};
use super::{Frame, LinkType};
use crate::net::Timestamp;

/// Length of the file header.
pub(super) const FILE_HEADER: usize = 24;

/// Length of a record header.
const RECORD_HEADER: usize = 16;

/// Length of a record header of the "modified" variant: interface index, protocol and packet
/// type follow the usual fields.
const MODIFIED_RECORD_HEADER: usize = 24;

/// More captured bytes than the snaplen are damage, but writers get the snaplen wrong: this many
/// are always taken. It is libpcap's own limit.
const ALWAYS_CAPTURED: usize = 256 << 10;

/// More captured bytes than this are damage whatever the snaplen says. Packets that the kernel
/// merged reach 512 KiB; a wrong length is far larger nearly always.
const MAX_CAPTURED: usize = 1 << 20;

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;
const MODIFIED: u32 = 0xa1b2_cd34;

/// What the file header says: all that is needed to read records from any record border on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    order: Order,
    modified: bool,
    /// Nanoseconds in a unit of the record's fraction of a second.
    unit_ns: u32,
    lengths: Lengths,
    /// Most captured bytes that a record may claim.
    limit: usize,
    pub(super) link_type: LinkType,
}

/// Which of a record's two lengths comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lengths {
    CapturedFirst,
    /// Files of version 2.2 and before, and those of DG/UX.
    WireFirst,
    /// Version 2.3, written both ways: the larger one is the wire length.
    LargerIsWire,
}

/// Whether `bytes` begin with the magic number of a variant that is read here.
pub(super) fn is_pcap(bytes: &[u8]) -> bool {
    bytes
        .first_chunk()
        .is_some_and(|&magic| variant(magic).is_some())
}

impl Header {
    /// Reads a file header that [`is_pcap`] recognised; the error says what is wrong with it.
    pub(super) fn parse(header: &[u8; FILE_HEADER]) -> Result<Self, String> {
        let magic = *header.first_chunk().expect("the header is longer");
        let Some((order, number)) = variant(magic) else {
            return Err("the magic number is not that of a pcap file".into());
        };
        let (major, minor, snaplen, network) = match order {
            Order::Little => fields::<Little>(header),
            Order::Big => fields::<Big>(header),
        };
        let lengths = match (major, minor) {
            // DG/UX writes 543.0, with its lengths swapped.
            (543, _) | (2, 0..=2) => Lengths::WireFirst,
            (2, 3) => Lengths::LargerIsWire,
            (2, _) => Lengths::CapturedFirst,
            _ => return Err(format!("pcap version {major}.{minor} is not known")),
        };
        Ok(Self {
            order,
            modified: number == MODIFIED,
            unit_ns: if number == NANOSECONDS { 1 } else { 1000 },
            lengths,
            limit: (snaplen as usize).clamp(ALWAYS_CAPTURED, MAX_CAPTURED),
            // The upper half says whether frames end in a frame check sequence. The lengths in
            // the headers of a packet leave it out anyway.
            link_type: LinkType(network as u16),
        })
    }

    /// Hands every whole record of `window`, which begins at a record border, to `visit`.
    /// `frames` is the number of the frame before.
    #[inline]
    pub(super) fn walk<'w>(
        &self,
        window: &'w [u8],
        frames: &mut u64,
        visit: &mut impl FnMut(&[Frame<'w>]),
    ) -> Step {
        match (self.order, self.modified) {
            (Order::Little, false) => self.records::<Little, RECORD_HEADER>(window, frames, visit),
            (Order::Big, false) => self.records::<Big, RECORD_HEADER>(window, frames, visit),
            (Order::Little, true) => {
                self.records::<Little, MODIFIED_RECORD_HEADER>(window, frames, visit)
            }
            (Order::Big, true) => {
                self.records::<Big, MODIFIED_RECORD_HEADER>(window, frames, visit)
            }
        }
    }

    #[inline(always)]
    fn time(&self, seconds: u32, fraction: u32) -> Timestamp {
        // Fits: 2^32 seconds and 2^32 microseconds are less than 2^63 nanoseconds.
        Timestamp(
            i64::from(seconds) * 1_000_000_000 + i64::from(fraction) * i64::from(self.unit_ns),
        )
    }

    #[inline]
    fn records<'w, O: ByteOrder, const HEADER: usize>(
        &self,
        window: &'w [u8],
        frames: &mut u64,
        visit: &mut impl FnMut(&[Frame<'w>]),
    ) -> Step {
        let Self {
            lengths,
            limit,
            link_type,
            ..
        } = *self;
        let mut at = 0;
        let mut gather = Gather::new(visit);
        let pause = loop {
            let rest = &window[at..];
            let Some(header) = rest.first_chunk::<HEADER>() else {
                break Pause::Need(HEADER);
            };
            let seconds = O::u32_at(header, 0);
            let fraction = O::u32_at(header, 4);
            let (captured, wire_length) =
                lengths.order(O::u32_at(header, 8), O::u32_at(header, 12));
            let length = captured as usize;
            if length > limit {
                break Pause::Damaged(format!(
                    "a record claims {captured} captured bytes; {limit} are possible"
                ));
            }
            if length == 0 && *header == [0; HEADER] {
                break Pause::Damaged("zeros stand where a record should begin".into());
            }
            let Some(data) = rest.get(HEADER..HEADER + length) else {
                break Pause::Need(HEADER + length);
            };
            at += HEADER + length;
            *frames += 1;
            gather.push(Frame {
                number: *frames,
                time: self.time(seconds, fraction),
                link_type,
                // What was captured was on the wire, whatever the other length says.
                wire_length: wire_length.max(captured),
                data,
            });
        };
        gather.flush();
        Step {
            consumed: at,
            pause,
        }
    }
}

impl Lengths {
    /// The two lengths of a record as captured length and wire length.
    #[inline(always)]
    fn order(self, first: u32, second: u32) -> (u32, u32) {
        match self {
            Self::CapturedFirst => (first, second),
            Self::WireFirst => (second, first),
            Self::LargerIsWire => (first.min(second), first.max(second)),
        }
    }
}

/// Byte order and magic number of a variant that is read here.
fn variant(magic: [u8; 4]) -> Option<(Order, u32)> {
    let known = |number| matches!(number, MICROSECONDS | NANOSECONDS | MODIFIED);
    let (little, big) = (u32::from_le_bytes(magic), u32::from_be_bytes(magic));
    if known(little) {
        Some((Order::Little, little))
    } else if known(big) {
        Some((Order::Big, big))
    } else {
        None
    }
}

/// Major and minor version, snaplen, and the link type with its flags.
fn fields<O: ByteOrder>(header: &[u8; FILE_HEADER]) -> (u16, u16, u32, u32) {
    (
        O::u16_at(header, 4),
        O::u16_at(header, 6),
        O::u32_at(header, 16),
        O::u32_at(header, 20),
    )
}

#[cfg(test)]
mod tests {
    use crate::capture::builder::{Writer, read};
    use crate::capture::{LinkType, Problem, ProblemKind};
    use crate::net::Timestamp;

    /// The problem with a file header of version 2.4 followed by `records`.
    fn problem(records: &[u8]) -> Option<Problem> {
        let mut writer = Writer::new(false);
        writer.pcap_header(super::MICROSECONDS, (2, 4), 1);
        let bytes = [&writer.bytes, records].concat();
        let (_, reader) = read(&bytes, 4096).unwrap();
        reader.problem().cloned()
    }

    #[test]
    fn reads_the_bytes_of_a_little_endian_file() {
        let bytes = [
            &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0][..],
            &[0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0],
            &[113, 0, 0, 0x54], // LINUX_SLL, four bytes of check sequence
            &[1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 60, 0, 0, 0],
            &[0xaa, 0xbb, 0xcc],
        ]
        .concat();
        let (frames, reader) = read(&bytes, 4096).unwrap();
        assert_eq!(frames.len(), 1);
        assert_eq!(frames[0].number, 1);
        assert_eq!(frames[0].time, Timestamp(1_000_002_000));
        assert_eq!(frames[0].link_type, LinkType::LINUX_SLL);
        assert_eq!(frames[0].wire_length, 60);
        assert_eq!(frames[0].data, [0xaa, 0xbb, 0xcc]);
        assert_eq!(reader.problem(), None);
        assert_eq!(reader.format(), "pcap");
        assert_eq!(reader.link_types(), [LinkType::LINUX_SLL]);
        assert_eq!(reader.kernel_drops(), None);
        assert_eq!(reader.bytes_read(), 43);
    }

    #[test]
    fn reads_the_bytes_of_a_big_endian_nanosecond_file() {
        let bytes = [
            &[0xa1, 0xb2, 0x3c, 0x4d, 0, 2, 0, 4][..],
            &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 1],
            &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1],
            &[0xaa],
        ]
        .concat();
        let (frames, _) = read(&bytes, 4096).unwrap();
        assert_eq!(frames[0].time, Timestamp(4_294_967_295_000_000_002));
        assert_eq!(frames[0].link_type, LinkType::ETHERNET);
        assert_eq!(frames[0].data, [0xaa]);
    }

    #[test]
    fn skips_what_modified_records_add() {
        let mut writer = Writer::new(false);
        writer.pcap_header(super::MODIFIED, (2, 4), 1);
        let extra = [1, 0, 0, 0, 8, 0, 4, 0];
        writer.pcap_record((1, 0), (2, 2), &extra, &[0xaa, 0xbb]);
        writer.pcap_record((2, 0), (1, 1), &extra, &[0xcc]);
        let (frames, reader) = read(&writer.bytes, 4096).unwrap();
        assert_eq!(frames[0].data, [0xaa, 0xbb]);
        assert_eq!(frames[1].data, [0xcc]);
        assert_eq!(reader.problem(), None);
    }

    #[test]
    fn reads_lengths_in_the_order_of_old_versions() {
        let read_one = |version, lengths| {
            let mut writer = Writer::new(true);
            writer.pcap_header(super::MICROSECONDS, version, 1);
            writer.pcap_record((1, 0), lengths, &[], &[0xaa, 0xbb]);
            let (frames, reader) = read(&writer.bytes, 4096).unwrap();
            assert_eq!(reader.problem(), None);
            (frames[0].data.len(), frames[0].wire_length)
        };
        assert_eq!(read_one((2, 4), (2, 9)), (2, 9));
        assert_eq!(read_one((2, 3), (2, 9)), (2, 9));
        assert_eq!(read_one((2, 3), (9, 2)), (2, 9));
        assert_eq!(read_one((2, 2), (9, 2)), (2, 9));
        assert_eq!(read_one((543, 0), (9, 2)), (2, 9));
        // More captured than on the wire: nothing captured is lost.
        assert_eq!(read_one((2, 4), (2, 0)), (2, 2));
    }

    #[test]
    fn an_unknown_version_is_damage() {
        let mut writer = Writer::new(true);
        writer.pcap_header(super::MICROSECONDS, (3, 0), 1);
        let (frames, reader) = read(&writer.bytes, 4096).unwrap();
        let problem = reader.problem().unwrap();
        assert!(frames.is_empty() && problem.message.contains("version 3.0"));
        assert_eq!((problem.offset, problem.kind), (0, ProblemKind::Damaged));
    }

    #[test]
    fn a_cut_record_is_truncation() {
        let cut = problem(&[1, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 0xaa]).unwrap();
        assert_eq!((cut.offset, cut.kind), (24, ProblemKind::Truncated));
        assert_eq!(problem(&[1, 0]).unwrap().kind, ProblemKind::Truncated);
        assert_eq!(problem(&[]), None);
    }

    #[test]
    fn an_absurd_length_is_damage() {
        let absurd = problem(&[1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 4, 0, 4, 0, 0, 0]).unwrap();
        assert_eq!((absurd.offset, absurd.kind), (24, ProblemKind::Damaged));
        assert!(absurd.message.contains("262145"));
    }

    #[test]
    fn a_large_snaplen_allows_large_frames_within_reason() {
        let kind = |snaplen: u32, captured: usize| {
            let mut writer = Writer::new(false);
            writer.pcap_header(super::MICROSECONDS, (2, 4), 1);
            writer.bytes[16..20].copy_from_slice(&snaplen.to_le_bytes());
            let length = captured as u32;
            writer.pcap_record((1, 0), (length, length), &[], &vec![7; captured]);
            let (_, reader) = read(&writer.bytes, 4096).unwrap();
            reader.problem().map(|it| it.kind)
        };
        assert_eq!(kind(96, super::ALWAYS_CAPTURED), None);
        assert_eq!(
            kind(96, super::ALWAYS_CAPTURED + 1),
            Some(ProblemKind::Damaged)
        );
        assert_eq!(kind(500_000, 500_000), None);
        assert_eq!(kind(u32::MAX, super::MAX_CAPTURED), None);
        assert_eq!(
            kind(u32::MAX, super::MAX_CAPTURED + 1),
            Some(ProblemKind::Damaged)
        );
    }

    #[test]
    fn zeros_are_damage_but_an_empty_frame_is_not() {
        let zeros = problem(&[0; 64]).unwrap();
        assert_eq!((zeros.offset, zeros.kind), (24, ProblemKind::Damaged));
        assert_eq!(
            problem(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            None
        );
    }
}
