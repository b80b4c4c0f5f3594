//! Where fuzzing begins: small valid inputs for every target, made by the builder.
//! A test compares `tests/fuzz/corpus/` with them.

use std::net::Ipv4Addr;

use portolan::net::Timestamp;
use portolan::observation::{Part, Piece, Window};

use super::build::encode::{
    ack, arp_request, bind, bind_ack, data, echo, ept_map_request, ept_map_response, error,
    fragments, icmp_unreachable, lldp, oack, packet, read_request, request, response,
    spanning_tree, tcp, udp, write_request,
};
use super::build::packed::{gzip, lz4, skippable, zstd};
use super::build::{
    ByteOrder, Dhcp, Extension, Ip, Link, Pcap, Pcapng, Recording, Resolution, Segment, Tower,
    Uuid, at, flags, host,
};
use super::frames::frame;

/// Fuzz target, file name and content of every seed.
pub fn all() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let by_target = [
        ("compression", compression()),
        ("container", container()),
        ("cuts", cuts()),
        ("dce_rpc", dce_rpc()),
        ("dcom", vec![("bindings", bindings())]),
        ("decode", decode()),
        ("dhcp", dhcp()),
        ("endpoint_mapper", endpoint_mapper()),
        (
            "ndr",
            vec![("steps", vec![0, 1, 2, 3, 3, 2, 1, 0, 7, 7, 7, 7])],
        ),
        (
            "reader",
            vec![("steps", vec![1, 0, 7, 2, 0, 0, 0, 9, 3, b'a', 0])],
        ),
        ("part", vec![("every-section", part())]),
        ("policy", vec![("section", POLICY.into())]),
        ("site", vec![("every-table", SITE.into())]),
        ("tftp", tftp()),
        ("tracker_dhcp", tracker(&dhcp(), &[3, 11, 11])),
        ("tracker_rpc", rpc_scripts()),
        ("tracker_tftp", tracker(&tftp(), &[0, 9, 1])),
    ];
    by_target
        .into_iter()
        .flat_map(|(target, seeds)| {
            seeds
                .into_iter()
                .map(move |(name, content)| (target, name, content))
        })
        .collect()
}

/// Payloads as packets of one script, between the ports that `ways` name in turn.
fn tracker(payloads: &Seeds, ways: &[u8]) -> Seeds {
    let mut script = Vec::new();
    for ((_, payload), way) in payloads.iter().zip(ways.iter().cycle()) {
        script.extend([*way, 0, 0]);
        script.extend((payload.len() as u16).to_be_bytes());
        script.extend(payload);
    }
    vec![("script", script)]
}

type Seeds = Vec<(&'static str, Vec<u8>)>;

fn container() -> Seeds {
    let mut recording = Recording::new(Link::Ethernet);
    recording.udp_exchange(at("10.1.0.1:5000"), at("10.0.0.1:53"), b"ask", b"answer");
    let records = &recording.records;
    let pcap = |order, resolution, modified| {
        Pcap {
            order,
            resolution,
            modified,
            ..Pcap::default()
        }
        .encode(records)
    };
    let mut blocks = Pcapng::new(ByteOrder::Little);
    blocks.interface(1, 0, 6);
    blocks.interface(113, 96, 9);
    blocks.enhanced(0, &records[0]);
    blocks.obsolete(1, &records[1]);
    blocks.statistics(0, 2, 1);
    blocks.ended(1, records[1].time_ns);
    blocks.section(ByteOrder::Big);
    blocks.interface(101, 0, 3);
    blocks.simple(&records[0]);
    blocks.enhanced(0, &records[1]);
    vec![
        (
            "pcap-microseconds",
            pcap(ByteOrder::Little, Resolution::Micro, false),
        ),
        (
            "pcap-nanoseconds-swapped",
            pcap(ByteOrder::Big, Resolution::Nano, false),
        ),
        (
            "pcap-modified",
            pcap(ByteOrder::Little, Resolution::Micro, true),
        ),
        ("pcapng-two-sections", blocks.finish()),
    ]
}

/// The first byte chooses how many pieces there are, and how little is looked at for a cut.
fn cuts() -> Seeds {
    const THREE_PIECES_LOOKING_AT_200_BYTES: u8 = 0x41;
    let mut recording = Recording::new(Link::Ethernet);
    for _ in 0..4 {
        recording.udp_exchange(at("10.1.0.1:5000"), at("10.0.0.1:53"), b"ask", b"answer");
    }
    // A capture that is fetched while it is captured.
    let inner = Pcap::default().encode(&recording.records);
    recording.udp(at("10.0.0.1:53"), at("10.1.0.1:5000"), &inner);
    let records = &recording.records;
    let chosen = |file: Vec<u8>| [vec![THREE_PIECES_LOOKING_AT_200_BYTES], file].concat();
    vec![
        ("pcap", chosen(Pcap::default().encode(records))),
        ("pcapng", chosen(Pcapng::encode(records))),
    ]
}

/// A small capture in every compression, in two pieces where it allows other frames between.
fn compression() -> Seeds {
    let (_, capture) = container().swap_remove(0);
    let (first, rest) = capture.split_at(capture.len() / 2);
    let in_frames = |pack: fn(&[u8]) -> Vec<u8>| [pack(first), skippable(9), pack(rest)].concat();
    vec![
        ("gzip", gzip(&capture)),
        ("gzip-two-members", [gzip(first), gzip(rest)].concat()),
        ("zstd", in_frames(zstd)),
        ("lz4", in_frames(lz4)),
        (
            "zstd-skippable-first",
            [skippable(4), zstd(&capture)].concat(),
        ),
    ]
}

/// The first byte chooses the link type: see the list in `decode/link.rs`.
fn decode() -> Seeds {
    const NULL: u8 = 0;
    const ETHERNET: u8 = 1;
    const RAW: u8 = 4;
    const COOKED: u8 = 6;
    const COOKED_2: u8 = 9;
    let chosen = |link: u8, frame: &[u8]| [&[link], frame].concat();
    let (v4, v6) = (at("10.1.0.1:5000"), at("[2001:db8::1]:5000"));
    let (to_v4, to_v6) = (at("10.0.0.1:443"), at("[2001:db8::2]:69"));
    let segment = tcp(
        v4,
        to_v4,
        Segment {
            flags: flags::SYN,
            ..Segment::default()
        },
    );
    let opening = packet(v4.ip(), to_v4.ip(), 6, &segment);
    let datagram = udp(v6, to_v6, &read_request("a", &[]));
    let extended = Ip {
        extensions: &[
            Extension::HopByHop,
            Extension::Routing,
            Extension::AtomicFragment,
            Extension::Destination,
        ],
        ..Ip::new(v6.ip(), to_v6.ip(), 17, &datagram)
    }
    .encode();
    let pieces = fragments(v4.ip(), to_v4.ip(), 17, &udp(v4, to_v4, &[0; 40]), 24, 9);
    let unreachable = icmp_unreachable(to_v4.ip(), v4.ip(), &opening);
    let unreachable = packet(to_v4.ip(), v4.ip(), 1, &unreachable);
    let echo = packet(
        v6.ip(),
        to_v6.ip(),
        58,
        &echo(v6.ip(), to_v6.ip(), false, 1),
    );
    let tagged = Link::Vlan(vec![100, 7]).frame(&opening);
    vec![
        (
            "arp",
            chosen(
                ETHERNET,
                &arp_request(Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)),
            ),
        ),
        ("lldp", chosen(ETHERNET, &lldp([2; 6]))),
        ("spanning-tree", chosen(ETHERNET, &spanning_tree([2; 6]))),
        ("tcp", chosen(ETHERNET, &Link::Ethernet.frame(&opening))),
        ("tcp-two-tags", chosen(ETHERNET, &tagged)),
        ("udp-extensions", chosen(RAW, &extended)),
        ("fragment-first", chosen(RAW, &pieces[0])),
        ("fragment-last", chosen(RAW, &pieces[1])),
        (
            "icmp-error",
            chosen(COOKED, &Link::Cooked.frame(&unreachable)),
        ),
        (
            "tcp-cooked-2",
            chosen(COOKED_2, &Link::Cooked2.frame(&opening)),
        ),
        ("icmpv6-echo", chosen(NULL, &Link::Null.frame(&echo))),
    ]
}

/// Flows of the seed that are not folded.
const SEED_FLOWS: usize = 2;

/// A part file with something in every section: the first fragment and the later one in parts of
/// their own datagrams, an error outside the window, flows of both families.
fn part() -> Vec<u8> {
    let (client, server) = (at("10.1.0.1:5000"), at("10.0.0.1:135"));
    let (v6, to_v6) = (at("[2001:db8::1]:2070"), at("[2001:db8::2]:69"));
    let mut out = Recording::new(Link::Vlan(vec![7]));
    for sequence in [1, 9] {
        let flags = flags::SYN;
        out.tcp(
            client,
            server,
            Segment {
                sequence,
                flags,
                ..Segment::default()
            },
        );
    }
    out.tcp(
        server,
        client,
        Segment {
            flags: flags::SYN | flags::ACK,
            ..Segment::default()
        },
    );
    out.udp(v6, to_v6, &read_request("boot.wim", &[("blksize", "1456")]));
    out.udp(to_v6, v6, &data(1, &[7; 24]));
    out.udp(to_v6, v6, &data(2, &[7; 24]));
    out.udp(v6, to_v6, &ack(2));
    for piece in fragments(
        client.ip(),
        server.ip(),
        17,
        &udp(client, server, &[0; 40]),
        24,
        9,
    ) {
        out.packet(&piece);
    }
    out.echo(client.ip(), server.ip(), 1);
    out.frame(lldp([2; 6]));
    let quoted = packet(client.ip(), server.ip(), 17, &udp(client, server, b"?"));
    let unreachable = icmp_unreachable(server.ip(), client.ip(), &quoted);
    out.icmp(server.ip(), client.ip(), &unreachable);
    let to = Some(Timestamp(out.now_ns));
    out.wait_ms(1000);
    out.icmp(server.ip(), client.ip(), &unreachable);
    let window = Window { from: None, to };
    let piece = Piece {
        source: "gate1".to_owned(),
        format: Some("pcap"),
        compression: Some("gzip"),
        first: Timestamp(out.records[0].time_ns),
        offset: 0,
    };
    let mut part = Part::new(piece, window, SEED_FLOWS);
    for (index, record) in out.records.iter().enumerate() {
        part.add(&[frame(index + 1, record)]);
    }
    let problem = "the capture ends inside its last record".to_owned();
    part.close(out.records.len() as u64, Some(3), Some(problem));
    let mut file = Vec::new();
    part.write(window, &mut file).expect("a vector takes it");
    file
}

fn tftp() -> Seeds {
    let asked = [("tsize", "0"), ("blksize", "1456"), ("windowsize", "4")];
    vec![
        (
            "read-request",
            read_request("boot\\x64\\wdsnbp.com", &asked),
        ),
        ("write-request", write_request("log.txt", &[])),
        ("oack", oack(&[("blksize", "1456")])),
        ("data", data(1, &[7; 32])),
        ("ack", ack(65_535)),
        ("error", error(1, "File not found")),
    ]
}

fn dhcp() -> Seeds {
    let mac = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
    let mut offer = Dhcp::new(2, 2, 7, mac)
        .option(54, [10, 0, 0, 12])
        .option(60, "PXEClient");
    offer.file = "boot/wdsmgfw.efi".to_owned();
    vec![
        (
            "discover",
            Dhcp::new(1, 1, 7, mac)
                .option(60, "PXEClient:Arch:00007:UNDI:003016")
                .option(93, [0, 7])
                .option(97, [0; 17])
                .encode(),
        ),
        ("offer", offer.encode()),
    ]
}

/// Protocol data units in both byte orders.
fn dce_rpc() -> Seeds {
    let tower = Tower {
        interface: Uuid::WINREG,
        port: 49_664,
        address: Ipv4Addr::new(10, 0, 0, 11),
    };
    let (little, big) = (ByteOrder::Little, ByteOrder::Big);
    vec![
        ("bind", bind(little, 1, Uuid::ENDPOINT_MAPPER)),
        ("bind-ack", bind_ack(little, 1, "135")),
        ("map-request", ept_map_request(little, 2, Uuid::WINREG)),
        (
            "map-response",
            ept_map_response(little, 2, &[tower, tower], 0),
        ),
        ("map-response-big", ept_map_response(big, 2, &[tower], 0)),
        ("request", request(big, 3, 1, b"stub")),
    ]
}

/// String bindings as they stand in an answer.
fn bindings() -> Vec<u8> {
    let mut stub = vec![0; 24];
    for text in [
        "\u{7}SRV1[49668]",
        "\u{7}10.0.0.11[49669]",
        "\u{f}\\\\SRV1[\\PIPE\\atsvc]",
    ] {
        stub.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        stub.extend([0, 0]);
    }
    stub.extend([0, 0]);
    stub
}

/// A conversation with the endpoint mapper, an activation, a bind elsewhere, an answer over UDP.
fn rpc_scripts() -> Seeds {
    let little = ByteOrder::Little;
    let activation = vec![
        ("bind", bind(little, 1, Uuid::REMOTE_ACTIVATOR)),
        ("bind-ack", bind_ack(little, 1, "135")),
        ("request", request(little, 2, 4, b"properties")),
        ("response", response(little, 2, &bindings())),
    ];
    // Header of a connectionless response of the endpoint mapper, up to its interface.
    let mut answer = vec![4, 2, 8, 0, 0x10, 0, 0, 0];
    answer.extend([0; 16]);
    answer.extend(b"\x08\x83\xaf\xe1\x1f\x5d\xc9\x11\x91\xa4\x08\x00\x2b\x14\xa0\xfa");
    answer.extend([7; 16]);
    answer.extend([0; 12]);
    answer.extend([3, 0, 0xff, 0xff, 0xff, 0xff]);
    let (_, stub) = endpoint_mapper().swap_remove(0);
    answer.extend((stub.len() as u16).to_le_bytes());
    answer.extend([0; 4]);
    answer.extend(stub);
    let scripts = [
        ("activation", tracker(&activation, &[6, 14])),
        ("bind", tracker(&dce_rpc()[..2].to_vec(), &[7, 15])),
        ("map", tracker(&dce_rpc(), &[6, 14, 6, 14, 14, 6])),
        ("udp", tracker(&vec![("answer", answer)], &[13])),
    ];
    let named = |(name, mut script): (_, Seeds)| (name, script.swap_remove(0).1);
    scripts.into_iter().map(named).collect()
}

/// Stubs of answers: protocol data units without the header of a response.
fn endpoint_mapper() -> Seeds {
    const RESPONSE_HEADER: usize = 24;
    let tower = |port| Tower {
        interface: Uuid::DRSUAPI,
        port,
        address: Ipv4Addr::UNSPECIFIED,
    };
    let stub = |order, towers: &[Tower], status| {
        ept_map_response(order, 2, towers, status).split_off(RESPONSE_HEADER)
    };
    let (little, big) = (ByteOrder::Little, ByteOrder::Big);
    vec![
        ("map", stub(little, &[tower(49_664), tower(49_670)], 0)),
        ("map-big", stub(big, &[tower(1688)], 0)),
        // EPT_S_NOT_REGISTERED
        ("map-nothing", stub(little, &[], 0x16c9_a0d6)),
    ]
}

const SITE: &str = r#"version = 1
name = "Seed"
[policy]
edition = "2020-04"
[roles]
site-server = ["10.0.0.10"]
distribution-point-pxe = ["10.0.0.12-10.0.0.13"]
client = ["10.1.0.0/16", "@site-server", "2001:db8::/64"]
[hosts]
dp1 = ["10.0.0.12"]
[scope]
touching = ["distribution-point-pxe", "10.0.0.0/24"]
[ports]
http = [80, 8080]
[ports.software-update-point]
http = [8530]
https = [8531]
[rpc]
dynamic = ["49152-65535"]
minimum = "range"
[direction]
site-server-initiates = true
[vantage]
inside = ["10.0.0.0/24"]
[require]
scenarios = ["pxe-boot"]
rules = ["BKMK_PortsClient-MP"]
per-host = true
[[accept]]
match = "10.1.0.7 -> any tcp/9999"
reason = "backup"
expires = 2027-01-31
"#;

const POLICY: &str = r#"version = 1
[[role]]
id = "backup-server"
name = "Backup server"
[[section]]
anchor = "own"
initiator = "client"
responder = "backup-server"
direction = "either"
row = [
    { service = "backup", tcp = [9999, "10000-10010"], udp = 9999 },
]
"#;
