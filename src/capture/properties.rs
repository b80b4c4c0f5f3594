//! Properties of the readers over random containers: what was written is read back under any
//! buffer size, a cut anywhere costs nothing before it, and pieces are the whole.

use proptest::collection::vec;
use proptest::prelude::*;

use super::builder::{Kept, Writer, read};
use super::fuzz::check_cuts;
use super::{LinkType, ProblemKind, fuzz_container};
use crate::net::Timestamp;

/// A container and the frames in it, with the offset at which each one's record ends.
#[derive(Clone, Debug)]
struct Container {
    bytes: Vec<u8>,
    borders: Vec<usize>,
    frames: Vec<(usize, Kept)>,
    /// Bytes without which it is not recognised.
    magic: usize,
}

impl Container {
    fn kept(&self, length: usize) -> impl Iterator<Item = &Kept> {
        let whole = self.frames.iter().take_while(move |it| it.0 <= length);
        whole.map(|it| &it.1)
    }
}

/// Bytes that look like what is around them: records in a record, blocks in a block.
fn nested() -> impl Strategy<Value = Vec<u8>> {
    (any::<bool>(), any::<bool>(), 1_u32..5, 0_usize..9).prop_map(
        |(big, blocks, records, length)| {
            let mut writer = Writer::new(big);
            for second in 0..records {
                let data = &[second as u8; 9][..length];
                let length = length as u32;
                if blocks {
                    writer.enhanced_packet(0, u64::from(second) * 1000, length, data);
                } else {
                    writer.pcap_record((1000 + second, 0), (length, length + 1), &[], data);
                }
            }
            writer.bytes
        },
    )
}

prop_compose! {
    fn payload()(
        data in prop_oneof![3 => vec(any::<u8>(), 0..90), 1 => nested()],
        cut in 0_u32..50,
    ) -> (Vec<u8>, u32) {
        let wire = data.len() as u32 + cut;
        (data, wire)
    }
}

/// Times that are mostly close to each other, as those of a capture are. From 1 on: an empty record of
/// all zeros is damage.
fn seconds() -> impl Strategy<Value = u32> {
    prop_oneof![20 => 1000_u32..2000, 1 => 1..=u32::MAX]
}

prop_compose! {
    fn pcap()(
        big in any::<bool>(),
        (magic, unit, extra) in prop_oneof![
            Just((0xa1b2_c3d4, 1000, 0)),
            Just((0xa1b2_3c4d, 1, 0)),
            Just((0xa1b2_cd34, 1000, 8)),
        ],
        minor in prop_oneof![Just(2_u16), Just(3), Just(4)],
        link_type in any::<u16>(),
        flags in 0_u32..0x1000,
        records in vec((seconds(), 0..2_000_000_u32, payload()), 0..40),
    ) -> Container {
        let mut writer = Writer::new(big);
        writer.pcap_header(magic, (2, minor), flags << 16 | u32::from(link_type));
        let mut frames = Vec::new();
        for (seconds, fraction, (data, wire)) in records {
            let captured = data.len() as u32;
            let lengths = if minor == 2 { (wire, captured) } else { (captured, wire) };
            writer.pcap_record((seconds, fraction), lengths, &[7; 8][..extra], &data);
            let time = i64::from(seconds) * 1_000_000_000 + i64::from(fraction) * unit;
            frames.push((writer.bytes.len(), Kept {
                number: frames.len() as u64 + 1,
                time: Timestamp(time),
                link_type: LinkType(link_type),
                wire_length: wire,
                data,
            }));
        }
        Container { bytes: writer.bytes, borders: writer.borders, frames, magic: 4 }
    }
}

/// An interface: link type, `if_tsresol`, `if_tsoffset`.
type Interface = (u16, Option<u8>, Option<i64>);

/// What follows the interfaces of a section.
#[derive(Clone, Debug)]
enum Block {
    Enhanced(prop::sample::Index, u64, (Vec<u8>, u32)),
    Obsolete(prop::sample::Index, u64, (Vec<u8>, u32)),
    Simple(Vec<u8>),
    Statistics(u64),
    Other(u32, Vec<u8>),
}

fn block() -> impl Strategy<Value = Block> {
    use prop::sample::Index;
    prop_oneof![
        (any::<Index>(), any::<u64>(), payload()).prop_map(|(i, t, p)| Block::Enhanced(i, t, p)),
        (any::<Index>(), any::<u64>(), payload()).prop_map(|(i, t, p)| Block::Obsolete(i, t, p)),
        vec(any::<u8>(), 0..40).prop_map(Block::Simple),
        any::<u64>().prop_map(Block::Statistics),
        (0x8000_0000_u32.., vec(any::<u8>(), 0..40))
            .prop_map(|(kind, body)| Block::Other(kind, body)),
    ]
}

fn section() -> impl Strategy<Value = (bool, Vec<Interface>, Vec<Block>)> {
    let interface = (
        any::<u16>(),
        any::<Option<u8>>(),
        prop::option::of(-5_000_000_000_i64..5_000_000_000),
    );
    (any::<bool>(), vec(interface, 1..4), vec(block(), 0..20))
}

/// The time of so many ticks, after the text of the draft.
fn time(ticks: u64, resolution: Option<u8>, offset: Option<i64>) -> Timestamp {
    let resolution = resolution.unwrap_or(6);
    let exponent = u32::from(resolution & 0x7f);
    let ticks = u128::from(ticks);
    let ns = if resolution & 0x80 != 0 {
        (ticks * 1_000_000_000) >> exponent
    } else if exponent < 10 {
        ticks * 10_u128.pow(9 - exponent)
    } else {
        ticks / 10_u128.checked_pow(exponent - 9).unwrap_or(u128::MAX)
    };
    let ns = i64::try_from(ns).unwrap_or(i64::MAX);
    Timestamp(ns.saturating_add(offset.unwrap_or(0).saturating_mul(1_000_000_000)))
}

prop_compose! {
    fn pcapng()(sections in vec(section(), 1..4)) -> Container {
        let mut writer = Writer::new(false);
        let mut frames: Vec<(usize, Kept)> = Vec::new();
        for (big, interfaces, blocks) in sections {
            writer.big = big;
            writer.section();
            for (link_type, resolution, offset) in &interfaces {
                let offset = offset.map(|it| if big { it.to_be_bytes() } else { it.to_le_bytes() });
                let mut options: Vec<(u16, &[u8])> = vec![(2, b"eth0")];
                options.extend(resolution.iter().map(|it| (9, std::slice::from_ref(it))));
                options.extend(offset.iter().map(|it| (14, &it[..])));
                writer.interface(*link_type, 32, &options);
            }
            for block in blocks {
                let (interface, ticks, wire, data) = match block {
                    Block::Enhanced(index, ticks, (data, wire)) => {
                        let index = index.index(interfaces.len());
                        writer.enhanced_packet(index as u32, ticks, wire, &data);
                        (interfaces[index], Some(ticks), wire, data)
                    }
                    Block::Obsolete(index, ticks, (data, wire)) => {
                        let index = index.index(interfaces.len());
                        writer.obsolete_packet(index as u16, ticks, wire, &data);
                        (interfaces[index], Some(ticks), wire, data)
                    }
                    Block::Simple(mut data) => {
                        let wire = data.len() as u32;
                        data.truncate(32);
                        writer.simple_packet(wire, &data);
                        (interfaces[0], None, wire, data)
                    }
                    Block::Statistics(drops) => {
                        let drops = if big { drops.to_be_bytes() } else { drops.to_le_bytes() };
                        // The same bytes are a time, too.
                        writer.statistics(0, &[(3, &drops), (5, &drops)]);
                        continue;
                    }
                    Block::Other(kind, body) => {
                        writer.block(kind, |it| { it.padded(&body); });
                        continue;
                    }
                };
                let (link_type, resolution, offset) = interface;
                frames.push((writer.bytes.len(), Kept {
                    number: frames.len() as u64 + 1,
                    time: ticks.map_or(Timestamp::UNKNOWN, |it| time(it, resolution, offset)),
                    link_type: LinkType(link_type),
                    wire_length: wire,
                    data,
                }));
            }
        }
        Container { bytes: writer.bytes, borders: writer.borders, frames, magic: 12 }
    }
}

fn container() -> impl Strategy<Value = Container> {
    prop_oneof![pcap(), pcapng()]
}

proptest! {
    // Each reads its container once for every byte of it.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_cut_anywhere_costs_nothing_before_it(container in container(), capacity in 1_usize..300) {
        for cut in 0..container.bytes.len() {
            let Ok((frames, reader)) = read(&container.bytes[..cut], capacity) else {
                prop_assert!(cut < container.magic);
                continue;
            };
            prop_assert!(frames.iter().eq(container.kept(cut)));
            let border = container.borders.iter().rev().find(|&&border| border <= cut);
            let border = border.copied().unwrap_or(0);
            prop_assert_eq!(reader.bytes_read(), border as u64);
            if border == cut {
                prop_assert_eq!(reader.problem(), None);
            } else {
                let problem = reader.problem().unwrap();
                // A pcap file cut inside its header has no last record to end in.
                let headless = border == 0 && container.bytes[0] != 0x0a;
                let kind = if headless { ProblemKind::Damaged } else { ProblemKind::Truncated };
                prop_assert_eq!(problem.kind, kind);
                prop_assert_eq!(problem.offset, border as u64);
            }
        }
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read_back(container in container(), capacity in 1_usize..300) {
        let (frames, reader) = read(&container.bytes, capacity).unwrap();
        prop_assert_eq!(reader.problem(), None);
        prop_assert_eq!(reader.bytes_read(), container.bytes.len() as u64);
        prop_assert_eq!(reader.frames(), frames.len() as u64);
        prop_assert!(frames.iter().eq(container.kept(usize::MAX)));
    }

    #[test]
    fn damage_anywhere_reads_alike_in_every_buffer(
        container in container(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = container.bytes;
        for (index, value) in damage {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        fuzz_container(&bytes);
    }

    #[test]
    fn any_bytes_read_alike_in_every_buffer(
        magic in prop_oneof![
            Just(&b"\xd4\xc3\xb2\xa1\x02\0\x04\0"[..]),
            Just(&b"\n\r\r\n\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\0\0\0\0\0\0\0\0\x1c\0\0\0"[..]),
            Just(&b""[..]),
        ],
        rest in vec(any::<u8>(), 0..200),
    ) {
        fuzz_container(&[magic, &rest].concat());
    }
    #[test]
    fn pieces_are_the_whole(
        container in container(),
        wanted in vec(any::<prop::sample::Index>(), 1..9),
        look_bytes in prop_oneof![40_usize..400, Just(1 << 20)],
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        length in any::<prop::sample::Index>(),
        is_whole in any::<bool>(),
    ) {
        let mut bytes = container.bytes;
        for (index, value) in damage {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        if !is_whole {
            bytes.truncate(length.index(bytes.len()));
        }
        let mut wanted: Vec<u64> = wanted
            .iter()
            .map(|index| index.index(bytes.len().max(1)) as u64)
            .collect();
        wanted.sort_unstable();
        check_cuts(&bytes, &wanted, look_bytes);
    }
}

/// What the property above holds over: were there no cuts, or no wrong ones, it would say nothing.
#[test]
fn containers_are_cut_both_right_and_wrong() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    for container in [pcap().boxed(), pcapng().boxed()] {
        let (mut guessed, mut right) = (0, 0);
        for _ in 0..200 {
            let container = container.new_tree(&mut runner).unwrap().current();
            let wanted = [1, 2, 3].map(|piece| container.bytes.len() as u64 * piece / 4);
            let cuts = check_cuts(&container.bytes, &wanted, 300);
            guessed += cuts.0;
            right += cuts.1;
        }
        assert!(
            right > 50 && guessed - right > 5,
            "{right} of {guessed} cuts"
        );
    }
}
