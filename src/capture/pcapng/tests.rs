//! pcapng by the byte, and every way in which a block can be wrong.

use crate::capture::builder::{Kept, Writer, read};
use crate::capture::{LinkType, Problem, ProblemKind};
use crate::net::Timestamp;

/// A section with an Ethernet interface.
fn section() -> Writer {
    let mut writer = Writer::new(false);
    writer.section().interface(1, 0, &[]);
    writer
}

fn frames(writer: &Writer) -> Vec<Kept> {
    let (frames, reader) = read(&writer.bytes, 4096).unwrap();
    assert_eq!(reader.problem(), None);
    frames
}

/// The problem, which must begin at the block that `writer` wrote last; nothing of that block
/// may be read.
fn damage(writer: &Writer) -> Problem {
    let (frames, reader) = read(&writer.bytes, 4096).unwrap();
    assert!(frames.is_empty());
    let problem = reader.problem().unwrap();
    let last = writer.borders[writer.borders.len() - 2];
    assert_eq!(problem.offset, last as u64, "{problem}");
    assert_eq!(problem.kind, ProblemKind::Damaged, "{problem}");
    problem.clone()
}

#[test]
fn reads_the_bytes_of_a_little_endian_section() {
    let bytes = [
        &[0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a][..],
        &[
            1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 28, 0, 0, 0,
        ],
        &[1, 0, 0, 0, 32, 0, 0, 0, 113, 0, 0, 0, 0, 0, 4, 0],
        &[9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0, 0],
        &[6, 0, 0, 0, 36, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0],
        &[3, 0, 0, 0, 60, 0, 0, 0, 0xaa, 0xbb, 0xcc, 0, 36, 0, 0, 0],
    ]
    .concat();
    let (frames, reader) = read(&bytes, 4096).unwrap();
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].number, 1);
    assert_eq!(frames[0].time, Timestamp((1 << 32) + 2));
    assert_eq!(frames[0].link_type, LinkType::LINUX_SLL);
    assert_eq!(frames[0].wire_length, 60);
    assert_eq!(frames[0].data, [0xaa, 0xbb, 0xcc]);
    assert_eq!(reader.problem(), None);
    assert_eq!(reader.format(), "pcapng");
    assert_eq!(reader.link_types(), [LinkType::LINUX_SLL]);
    assert_eq!(reader.bytes_read(), bytes.len() as u64);
}

#[test]
fn each_section_has_its_own_order_and_interfaces() {
    let mut writer = section();
    writer.interface(101, 0, &[(9, &[0x80])]);
    writer.enhanced_packet(1, 5, 1, &[0xaa]);
    writer.big = true;
    writer.section().interface(228, 0, &[(9, &[3])]);
    writer.enhanced_packet(0, 5, 1, &[0xbb]);
    writer.big = false;
    writer.section().interface(229, 0, &[]);
    writer.enhanced_packet(0, 5, 1, &[0xcc]);

    let (frames, reader) = read(&writer.bytes, 4096).unwrap();
    let seen: Vec<_> = frames
        .iter()
        .map(|it| (it.number, it.time.0, it.link_type, it.data[0]))
        .collect();
    assert_eq!(
        seen,
        [
            (1, 5_000_000_000, LinkType::RAW, 0xaa),
            (2, 5_000_000, LinkType::IPV4, 0xbb),
            (3, 5_000, LinkType::IPV6, 0xcc),
        ]
    );
    assert_eq!(
        reader.link_types(),
        [
            LinkType::ETHERNET,
            LinkType::RAW,
            LinkType::IPV4,
            LinkType::IPV6
        ]
    );
}

#[test]
fn a_new_section_forgets_the_interfaces_before() {
    let mut writer = section();
    writer.section().enhanced_packet(0, 0, 1, &[0xaa]);
    assert!(damage(&writer).message.contains("interface 0"));
}

#[test]
fn reads_simple_packets_as_far_as_the_snaplen() {
    let mut writer = Writer::new(true);
    writer.section().interface(1, 5, &[]);
    writer.simple_packet(9, &[1, 2, 3, 4, 5]);
    writer.simple_packet(3, &[1, 2, 3]);
    let read = frames(&writer);
    assert_eq!(
        (read[0].wire_length, &read[0].data[..]),
        (9, &[1, 2, 3, 4, 5][..])
    );
    assert_eq!(
        (read[1].wire_length, &read[1].data[..]),
        (3, &[1, 2, 3][..])
    );
    assert_eq!(read[0].time, Timestamp::UNKNOWN);
}

#[test]
fn reads_simple_packets_without_a_snaplen() {
    let mut writer = section();
    writer.simple_packet(6, &[1, 2, 3, 4, 5, 6]);
    assert_eq!(frames(&writer)[0].data.len(), 6);
    writer = section();
    writer.simple_packet(9, &[1, 2, 3, 4]);
    damage(&writer);
}

#[test]
fn reads_obsolete_packets() {
    let mut writer = section();
    writer.interface(101, 0, &[]);
    writer.obsolete_packet(1, 3, 9, &[0xaa, 0xbb]);
    let read = frames(&writer);
    assert_eq!(read[0].time, Timestamp(3_000));
    assert_eq!(read[0].link_type, LinkType::RAW);
    assert_eq!((read[0].wire_length, read[0].data.len()), (9, 2));
}

#[test]
fn passes_blocks_without_packets() {
    let mut writer = section();
    for kind in [4, 7, 10, 0x203, 0x8000_0001] {
        writer.block(kind, |it| {
            it.raw(&[0xff; 24]);
        });
    }
    writer.block(0x77, |_| {});
    writer.enhanced_packet(0, 1, 1, &[0xaa]);
    assert_eq!(frames(&writer)[0].number, 1);
}

#[test]
fn numbers_frames_as_wireshark_does() {
    let mut writer = section();
    // A journal entry, custom blocks, system calls; the fourth is one of those not numbered.
    for (kind, first) in [
        (9, 0),
        (0xbad, 1),
        (0x4000_0bad, 1),
        (0xbad, 10949),
        (0x216, 0),
    ] {
        writer.block(kind, |it| {
            it.u32(first).raw(&[0; 24]);
        });
    }
    writer.enhanced_packet(0, 1, 1, &[0xaa]);
    let seen = frames(&writer);
    assert_eq!((seen.len(), seen[0].number), (1, 5));
}

#[test]
fn more_captured_than_on_the_wire_loses_nothing() {
    let mut writer = section();
    writer.enhanced_packet(0, 1, 0, &[0xaa, 0xbb]);
    let seen = frames(&writer);
    assert_eq!((seen[0].wire_length, seen[0].data.len()), (2, 2));
}

#[test]
fn adds_up_the_last_drop_counts_of_every_interface() {
    let mut writer = section();
    writer.interface(1, 0, &[]);
    let count = |drops: u64| drops.to_le_bytes();
    writer.statistics(0, &[(4, &count(1000)), (5, &count(2)), (7, &count(3))]);
    writer.statistics(0, &[(5, &count(20)), (7, &count(30))]);
    writer.statistics(1, &[(7, &count(100))]);
    writer.statistics(1, &[(4, &count(9))]);
    writer.section().interface(1, 0, &[]);
    writer.statistics(0, &[(5, &count(7000))]);
    let (_, reader) = read(&writer.bytes, 4096).unwrap();
    assert_eq!(reader.problem(), None);
    assert_eq!(reader.kernel_drops(), Some(7150));
    let plain = section();
    let (_, reader) = read(&plain.bytes, 4096).unwrap();
    assert_eq!(reader.kernel_drops(), None);
}

#[test]
fn the_latest_end_time_of_all_statistics_counts() {
    let mut latest = Vec::new();
    for big in [false, true] {
        let mut writer = Writer::new(big);
        let offset = |seconds: i64| match big {
            true => seconds.to_be_bytes(),
            false => seconds.to_le_bytes(),
        };
        // Microseconds; milliseconds that begin at second 1,000; halves of a second from -5 on.
        writer.section().interface(1, 0, &[]);
        writer.interface(1, 0, &[(9, &[3]), (14, &offset(1000))]);
        writer.interface(1, 0, &[(9, &[0x81]), (14, &offset(-5))]);
        for (interface, ticks) in [(0, 7_u64), (2, 13), (1, 0), (1, 1500), (1, 3), (0, 9)] {
            let mut time = Writer::new(big);
            time.u32((ticks >> 32) as u32).u32(ticks as u32);
            writer.statistics(interface, &[(3, &time.bytes)]);
            let (_, reader) = read(&writer.bytes, 4096).unwrap();
            assert_eq!(reader.problem(), None);
            latest.push(reader.watched_until().unwrap().0);
        }
        // Sections have clocks of their own, and one time.
        writer.section().interface(1, 0, &[(9, &[0])]);
        let mut time = Writer::new(big);
        time.u32(u32::MAX).u32(u32::MAX);
        writer.statistics(0, &[(3, &time.bytes)]);
        let (_, reader) = read(&writer.bytes, 4096).unwrap();
        assert_eq!(reader.watched_until(), Some(Timestamp::MAX));
    }
    let second = 1_000_000_000;
    let wanted = [
        7_000,
        second + second / 2,
        1000 * second,
        1001 * second + second / 2,
        1001 * second + second / 2,
        1001 * second + second / 2,
    ];
    assert_eq!(latest, [wanted, wanted].concat());
    assert_eq!(read(&section().bytes, 64).unwrap().1.watched_until(), None);
}

#[test]
fn a_cut_block_is_truncation() {
    let mut writer = section();
    writer.enhanced_packet(0, 1, 1, &[0xaa]);
    let start = writer.borders[1];
    for cut in start + 1..writer.bytes.len() {
        let (frames, reader) = read(&writer.bytes[..cut], 4096).unwrap();
        let problem = reader.problem().unwrap();
        assert!(frames.is_empty());
        assert_eq!(
            (problem.offset, problem.kind),
            (start as u64, ProblemKind::Truncated)
        );
    }
}

#[test]
fn lengths_must_agree() {
    let mut writer = section();
    writer.enhanced_packet(0, 1, 1, &[0xaa]);
    let trailer = writer.bytes.len() - 4;
    writer.bytes[trailer] += 4;
    assert!(damage(&writer).message.contains("ends with the length 40"));
}

#[test]
fn lengths_must_be_possible() {
    for length in [0, 8, 37, u32::MAX, 16 << 20 | 4] {
        let mut writer = section();
        writer.enhanced_packet(0, 1, 1, &[0xaa]);
        let field = writer.borders[1] + 4;
        writer.bytes[field..field + 4].copy_from_slice(&length.to_le_bytes());
        assert!(damage(&writer).message.contains(&length.to_string()));
    }
}

#[test]
fn packets_must_fit_their_blocks() {
    for kind in [2, 6] {
        let mut writer = section();
        writer.block(kind, |it| {
            it.u32(0).u32(0).u32(0).u32(5).u32(5).raw(&[1, 2, 3, 4]);
        });
        damage(&writer);
        let mut writer = section();
        writer.block(kind, |it| {
            it.u32(0).u32(0).u32(0).u32(0);
        });
        damage(&writer);
    }
    let mut writer = section();
    writer.block(3, |_| {});
    damage(&writer);
}

#[test]
fn interfaces_must_be_described() {
    let mut writer = section();
    writer.enhanced_packet(1, 0, 1, &[0xaa]);
    assert!(damage(&writer).message.contains("interface 1"));
    writer = section();
    writer.obsolete_packet(0xffff, 0, 1, &[0xaa]);
    damage(&writer);
    writer = section();
    writer.statistics(1, &[]);
    damage(&writer);
}

#[test]
fn interfaces_are_bounded() {
    let mut writer = Writer::new(false);
    writer.section();
    for _ in 0..=super::MAX_INTERFACES {
        writer.interface(1, 0, &[]);
    }
    assert!(damage(&writer).message.contains("65536"));
}

#[test]
fn interface_blocks_must_make_sense() {
    let wrong: [&dyn Fn(&mut Writer); 5] = [
        &|it| {
            it.block(1, |it| {
                it.u32(1);
            });
        },
        &|it| {
            it.interface(1, 0, &[(9, &[6, 0])]);
        },
        &|it| {
            it.interface(1, 0, &[(14, &[0; 4])]);
        },
        &|it| {
            it.block(1, |it| {
                it.u16(1).u16(0).u32(0).u16(2).u16(400).u32(0);
            });
        },
        &|it| {
            it.statistics(0, &[(5, &[0; 4])]);
        },
    ];
    for write in wrong {
        let mut writer = section();
        write(&mut writer);
        damage(&writer);
    }
}

#[test]
fn sections_must_make_sense() {
    let mut writer = section();
    writer.block(super::SECTION_HEADER, |it| {
        it.u32(0x1a2b_3c4e).u16(1).u16(0).u64(0);
    });
    assert!(damage(&writer).message.contains("byte-order magic"));
    writer = section();
    writer.block(super::SECTION_HEADER, |it| {
        it.u32(super::BYTE_ORDER_MAGIC).u16(2).u16(0).u64(0);
    });
    assert!(damage(&writer).message.contains("version 2"));
    writer = section();
    writer.block(super::SECTION_HEADER, |it| {
        it.u32(super::BYTE_ORDER_MAGIC).u16(1).u16(0);
    });
    damage(&writer);
}
