//! The captures in `fixtures/`, each made by a function. The site files beside them are
//! written by hand; `fixtures/README.md` says what each pair shows.

use std::net::{Ipv4Addr, SocketAddr};

use super::boots::{self, DISTRIBUTION_POINT, DOMAIN_CONTROLLER};
use super::build::encode::{arp_request, fragments, lldp, neighbour_solicitation, spanning_tree};
use super::build::{
    ByteOrder, Ip, Link, Pcap, Pcapng, Recording, Side, Tcp, Tftp, Tower, Uuid, at, encode, host,
};
use super::services;

const SITE_SERVER: &str = "10.0.0.10";
const MANAGEMENT_POINT: &str = "10.0.0.11";
const SQL_SERVER: &str = "10.0.0.14";
const UPDATE_POINT: &str = "10.0.0.15";
const SWITCH: [u8; 6] = [0x02, 0, 0, 0, 0, 0xfe];

/// File name and content of every capture.
pub fn all() -> Vec<(String, Vec<u8>)> {
    let pcap = |recording: Recording| Pcap::default().encode(&recording.records);
    let captures = [
        ("boundary.pcapng", Pcapng::encode(&boundary().records)),
        ("clean.pcap", pcap(clean())),
        ("pxe-good.pcap", pcap(pxe_good())),
        ("pxe-stalled.pcap", pcap(pxe_stalled())),
    ];
    let captures = captures
        .into_iter()
        .map(|(name, made)| (name.to_owned(), made));
    let diagnosed = boots::all()
        .into_iter()
        .chain(services::all())
        .map(|(code, recording)| (format!("{code}.pcap"), pcap(recording)));
    captures.chain(diagnosed).collect()
}

/// One example of every verdict reason, among traffic that is as it should be.
fn boundary() -> Recording {
    let mut out = Recording::new(Link::Ethernet);
    maintenance(&mut out);
    expected(&mut out);
    let tagged = expected_on_a_vlan(out.now_ns);
    let cooked = wake_on_lan(out.now_ns);
    let mut out = out.interleave(tagged).interleave(cooked);
    out.wait_ms(1000);
    failing(&mut out);
    out.wait_ms(1000);
    unexpected(&mut out);
    out.wait_ms(1000);
    port_scan(&mut out);
    out
}

/// What a port table does not speak of.
fn maintenance(out: &mut Recording) {
    out.frame(spanning_tree(SWITCH));
    out.frame(lldp(SWITCH));
    out.frame(arp_request(
        Ipv4Addr::new(10, 1, 0, 21),
        Ipv4Addr::new(10, 1, 0, 1),
    ));
    let (neighbour, group) = (host("fe80::21"), host("ff02::1:ff00:1"));
    let ask = neighbour_solicitation(neighbour, group, host("fe80::1"));
    out.icmp(neighbour, group, &ask);
    // IGMPv3 membership report for one group.
    let report = [0x22, 0, 0xf9, 0x02, 0, 0, 0, 1, 4, 0, 0, 0, 224, 0, 0, 251];
    let report = Ip {
        ttl: 1,
        ..Ip::new(host("10.1.0.21"), host("224.0.0.22"), 2, &report)
    };
    out.packet(&report.encode());
    let name = b"\0\0\0\0\0\x01\0\0\0\0\0\0\x05_http\x04_tcp\x05local\0\0\x0c\0\x01";
    out.udp(at("10.1.0.21:5353"), at("224.0.0.251:5353"), name);
    out.udp(at("10.1.0.21:51000"), at("224.0.0.252:5355"), name);
    out.udp(
        at("10.1.0.21:51001"),
        at("239.255.255.250:1900"),
        b"M-SEARCH * HTTP/1.1\r\nMAN: \"ssdp:discover\"\r\n\r\n",
    );
}

/// An example of each basis that a capture of this size can show.
fn expected(out: &mut Recording) {
    // Fixed and alternate ports.
    https(out, "10.1.0.21:49801", "10.0.0.11:443");
    http(out, "10.1.0.22:49802", "10.0.0.11:8080");
    https(out, "10.1.0.21:49803", "10.0.0.12:443");
    https(out, "10.0.0.10:49804", "10.0.0.14:1433");
    http(out, "10.0.0.10:49805", "93.184.216.34:80");
    out.udp_exchange(
        at("10.1.0.21:51002"),
        at("10.0.0.13:53"),
        DNS_QUERY,
        DNS_ANSWER,
    );
    // A NetBIOS name query to the last address of the clients' prefix.
    out.udp(at("10.1.0.21:137"), at("10.1.255.255:137"), DNS_QUERY);
    out.echo(host(SITE_SERVER), host("10.1.0.21"), 2);

    // The endpoint mapper names the port of the remote registry, which is then opened.
    let management_point = Ipv4Addr::new(10, 0, 0, 11);
    out.ept_map(
        at("10.0.0.10:49810"),
        management_point,
        Uuid::WINREG,
        &[Tower {
            interface: Uuid::WINREG,
            port: 49_664,
            address: management_point,
        }],
    );
    let mut registry = Tcp::open(at("10.0.0.10:49811"), at("10.0.0.11:49664"), out);
    registry.say(
        Side::Client,
        &encode::bind(ByteOrder::Little, 1, Uuid::WINREG),
        out,
    );
    registry.say(
        Side::Server,
        &encode::bind_ack(ByteOrder::Little, 1, "49664"),
        out,
    );
    registry.close(out);

    // Port 135 was reached, what it answered was not captured.
    let mapper = Tcp::open(at("10.0.0.11:49812"), at("10.0.0.13:135"), out);
    mapper.clone().close(out);
    out.tcp_exchange(
        at("10.0.0.11:49813"),
        at("10.0.0.13:49670"),
        b"sealed",
        b"sealed",
    );

    // A read request, answered from another port.
    Tftp {
        answer_port: 50_001,
        asked: &[("blksize", "1024")],
        granted: &[("blksize", "1024")],
        ..Tftp::new(
            at("10.1.0.26:2070"),
            tftp_server(),
            "SMSBoot\\x64\\wdsmgfw.efi",
            5000,
        )
    }
    .run(out);
}

/// The same management point over IPv6, seen on a tagged port.
fn expected_on_a_vlan(now_ns: i64) -> Recording {
    let mut out = Recording::new(Link::Vlan(vec![110]));
    out.now_ns = now_ns;
    https(&mut out, "[2001:db8:1::21]:49801", "[2001:db8::11]:443");
    out
}

/// A magic packet, captured on the site server itself.
fn wake_on_lan(now_ns: i64) -> Recording {
    let mut out = Recording::new(Link::Cooked);
    out.now_ns = now_ns;
    let mut magic = vec![0xff; 6];
    magic.extend([0x02, 0, 10, 1, 0, 21].repeat(16));
    out.udp(at("10.0.0.10:49820"), at("10.1.255.255:9"), &magic);
    out
}

/// Rules explain these; they never succeed.
fn failing(out: &mut Recording) {
    out.tcp_refused(at("10.1.0.21:49830"), at("10.0.0.11:10123"));
    out.udp_unreachable(
        at("10.1.0.25:68"),
        at("10.0.0.12:4011"),
        DISTRIBUTION_POINT.into(),
    );
    out.tcp_unanswered(at("10.0.0.10:49831"), at("10.1.0.24:445"), 3);
}

/// One for each reason, in the order of the reasons, and the accepted one.
fn unexpected(out: &mut Recording) {
    // unknown-host
    https(out, "10.9.9.9:40000", "10.0.0.11:443");
    // rpc-outside-range: announced, but the site's range begins at 49152.
    out.ept_map(
        at("10.0.0.10:49840"),
        DOMAIN_CONTROLLER,
        Uuid::DRSUAPI,
        &[Tower {
            interface: Uuid::DRSUAPI,
            port: 1688,
            address: Ipv4Addr::UNSPECIFIED,
        }],
    );
    out.tcp_exchange(
        at("10.0.0.10:49841"),
        at("10.0.0.13:1688"),
        b"sealed",
        b"sealed",
    );
    // rpc-unannounced: nobody asked port 135 of this host.
    out.tcp_exchange(
        at("10.0.0.10:49842"),
        at("10.0.0.12:49700"),
        b"sealed",
        b"sealed",
    );
    // tftp-unsolicited: looks like a transfer, and no request leads to it.
    out.udp_exchange(
        at("10.1.0.30:2071"),
        at("10.0.0.12:50123"),
        &[0; 24],
        &[0; 512],
    );
    // reversed
    https(out, "10.0.0.11:49843", "10.1.0.21:443");
    // port-not-listed; UDP 1434 is expressly not needed.
    https(out, "10.1.0.22:49844", "10.0.0.11:3389");
    out.udp_exchange(
        at("10.0.0.10:49845"),
        SocketAddr::new(host(SQL_SERVER), 1434),
        &[3],
        b"\x05\x10\0ServerName;SQL1",
    );
    // no-rule-for-roles
    https(out, "10.1.0.23:49846", "10.0.0.14:1433");
    // Accepted by the site file.
    https(out, "10.1.0.7:49847", "10.0.0.99:9999");
    // The rest of a datagram whose beginning was not captured.
    let pieces = fragments(
        host("10.1.0.21"),
        host(MANAGEMENT_POINT),
        17,
        &[0; 2000],
        1480,
        7,
    );
    out.packet(&pieces[1]);
}

/// Two hundred ports of one host: a handful of entries, not two hundred.
fn port_scan(out: &mut Recording) {
    for port in 7000..7200 {
        let target = SocketAddr::new(host(UPDATE_POINT), port);
        out.tcp_refused(at("10.1.0.66:40001"), target);
    }
}

/// Everything is explained and every required rule is seen.
fn clean() -> Recording {
    let mut out = Recording::new(Link::Ethernet);
    maintenance(&mut out);
    for number in 21..25 {
        let client = host(&format!("10.1.0.{number}"));
        let from = |port| SocketAddr::new(client, port);
        out.udp_exchange(from(51_000), at("10.0.0.13:53"), DNS_QUERY, DNS_ANSWER);
        out.tcp_exchange(from(49_700), at("10.0.0.13:3268"), LDAP_BIND, LDAP_BOUND);
        out.tcp_exchange(from(49_701), at("10.0.0.11:443"), TLS, TLS);
        out.tcp_exchange(from(49_702), at("10.0.0.11:10123"), TLS, TLS);
        out.tcp_exchange(from(49_703), at("10.0.0.12:443"), TLS, TLS);
        out.wait_ms(30_000);
    }
    out
}

/// A UEFI machine boots: address and boot file from two servers, the size asked for first, one
/// optional file not there, one block lost on the way.
fn pxe_good() -> Recording {
    let mut out = Recording::new(Link::Ethernet);
    let boot = boots::machine();
    boot.negotiate(&mut out);
    out.wait_ms(20);
    let options: &[(&str, &str)] = &[("tsize", "20000"), ("blksize", "1456")];
    let asked: &[(&str, &str)] = &[("tsize", "0"), ("blksize", "1456"), ("windowsize", "4")];
    Tftp {
        asked,
        granted: options,
        answer_port: 50_010,
        ..boot.transfer(1701, boot.file, 20_000)
    }
    .probe(&mut out);
    Tftp {
        asked,
        granted: &[("blksize", "1456"), ("windowsize", "4")],
        answer_port: 50_011,
        lost: &[5],
        ..boot.transfer(1702, boot.file, 20_000)
    }
    .run(&mut out);
    Tftp {
        answer_port: 50_012,
        ..boot.transfer(1703, "\\Boot\\Fonts\\wgl4_boot.ttf", 0)
    }
    .fail(1, "File not found", &mut out);
    Tftp {
        asked: &[("blksize", "1456")],
        granted: &[("blksize", "1456")],
        answer_port: 50_013,
        ..boot.transfer(1704, "\\Boot\\x64\\BCD", 16_384)
    }
    .run(&mut out);
    boots::later(4, &mut out);
    out
}

/// The same boot where the answers to the read request never arrive: the server's OACK leaves
/// the site, no ACK comes back, and the client asks again until it gives up.
fn pxe_stalled() -> Recording {
    let mut out = Recording::new(Link::Ethernet);
    let boot = boots::machine();
    boot.negotiate(&mut out);
    let transfer = Tftp {
        asked: &[("tsize", "0"), ("blksize", "1456")],
        answer_port: 50_010,
        ..boot.transfer(1701, boot.file, 0)
    };
    let server = SocketAddr::new(DISTRIBUTION_POINT.into(), transfer.answer_port);
    let granted = encode::oack(&[("tsize", "20000"), ("blksize", "1456")]);
    for attempt in 0..5 {
        transfer.ask(&mut out);
        out.udp(server, transfer.client, &granted);
        out.wait_ms(1000 << attempt);
        out.udp(server, transfer.client, &granted);
    }
    boots::later(4, &mut out);
    out
}

fn tftp_server() -> SocketAddr {
    SocketAddr::new(DISTRIBUTION_POINT.into(), 69)
}

const DNS_QUERY: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03mp1\x07contoso\x03com\0\0\x01\0\x01";
const DNS_ANSWER: &[u8] =
    b"\x12\x34\x81\x83\0\x01\0\0\0\0\0\0\x03mp1\x07contoso\x03com\0\0\x01\0\x01";
const LDAP_BIND: &[u8] = b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00";
const LDAP_BOUND: &[u8] = b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00";

/// A TLS record of application data.
const TLS: &[u8] = b"\x17\x03\x03\x00\x05hello";

fn https(out: &mut Recording, client: &str, server: &str) {
    out.tcp_exchange(at(client), at(server), TLS, TLS);
}

fn http(out: &mut Recording, client: &str, server: &str) {
    out.tcp_exchange(
        at(client),
        at(server),
        b"GET /SMS_MP/.sms_aut?MPLIST HTTP/1.1\r\nHost: mp1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    );
}
