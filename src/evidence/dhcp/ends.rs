//! Tests of where a boot ends, and of where its files come from.

use super::tests::{
    CLIENT, MAC, PXE, collect, discover, everybody, exchange, fetch, first_frames, missing, nobody,
    proxy,
};
use crate::evidence::testing::{Packets, address, at};
use crate::payload::dhcp::{build::message, code};

#[test]
fn what_the_operating_system_reads_later_is_another_run() {
    let mut packets = Packets::default();
    exchange(&mut packets);
    fetch(&mut packets, CLIENT, 2000, b"a");
    packets.wait(299_000);
    fetch(&mut packets, CLIENT, 2001, b"b");
    packets.wait(301_000);
    missing(&mut packets, CLIENT, 2002, b"c");
    let evidence = collect(&packets);
    let reads: Vec<_> = evidence.pxe.iter().map(|boot| &boot.reads[..]).collect();
    assert_eq!(reads, [&[0, 1][..], &[2]]);
    let macs = evidence.pxe.iter().map(|boot| boot.client_mac);
    assert!(macs.eq([Some(MAC); 2]));

    // While a file is still to come, a menu may wait for long.
    let mut packets = Packets::default();
    exchange(&mut packets);
    packets.wait(301_000);
    missing(&mut packets, CLIENT, 2000, b"a");
    packets.wait(301_000);
    fetch(&mut packets, CLIENT, 2001, b"b");
    assert_eq!(first_frames(&collect(&packets)), [1]);
}

#[test]
fn an_ordinary_lease_ends_the_boot() {
    let mut packets = Packets::default();
    exchange(&mut packets);
    fetch(&mut packets, CLIENT, 2000, b"a");
    packets.wait(20_000);
    let ordinary = message(
        1,
        &[(4, &[9, 9, 9, 9]), (28, &MAC)],
        &[(code::MESSAGE_TYPE, &[3])],
    );
    packets.udp(nobody(), everybody(67), &ordinary);
    missing(&mut packets, CLIENT, 2001, b"b");
    let evidence = collect(&packets);
    let reads: Vec<_> = evidence.pxe.iter().map(|boot| &boot.reads[..]).collect();
    assert_eq!(reads, [&[0][..], &[1]]);
}

#[test]
fn a_url_names_the_boot_server() {
    let server = |file: &[u8]| {
        let mut packets = Packets::default();
        packets.udp(nobody(), everybody(67), &discover()).udp(
            at(PXE, 67),
            everybody(68),
            &proxy(2, file),
        );
        collect(&packets).pxe[0].boot_server
    };
    assert_eq!(server(b"http://10.0.0.77/b.efi"), Some(address(77)));
    assert_eq!(server(b"https://me:x@10.0.0.77:8443?b"), Some(address(77)));
    let v6 = "2001:db8::7".parse().ok();
    assert_eq!(server(b"http://[2001:db8::7]:80/b.efi"), v6);
    for name in [&b"http://boot.example/b.efi"[..], b"http:///b", b"http://"] {
        assert_eq!(server(name), None);
    }
    assert_eq!(server(b"boot\\b.efi"), Some(address(PXE)));
}
