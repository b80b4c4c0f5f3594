//! Boots as machines and servers make them.

use proptest::prelude::*;

use crate::evidence::testing::{Packets, address, at};
use crate::evidence::{BootStepKind, Evidence};
use crate::net::Endpoint;
use crate::payload::dhcp::{build::message, code};

const MAC: [u8; 6] = [0x52, 0x54, 0, 1, 2, 3];
const CLIENT: u8 = 104;
const DHCP: u8 = 1;
const PXE: u8 = 12;

fn nobody() -> Endpoint {
    Endpoint::new([0, 0, 0, 0].into(), 68)
}

fn everybody(port: u16) -> Endpoint {
    Endpoint::new([255, 255, 255, 255].into(), port)
}

fn discover() -> Vec<u8> {
    let class = b"PXEClient:Arch:00007:UNDI:003016";
    message(
        1,
        &[(28, &MAC)],
        &[
            (code::MESSAGE_TYPE, &[1]),
            (code::VENDOR_CLASS, class),
            (code::ARCHITECTURE, &[0, 7]),
        ],
    )
}

/// An answer of the DHCP server, which always puts itself into siaddr.
fn lease(kind: u8) -> Vec<u8> {
    let fields: [(usize, &[u8]); 3] = [
        (28, &MAC),
        (16, &[10, 0, 0, CLIENT]),
        (20, &[10, 0, 0, DHCP]),
    ];
    let server = [10, 0, 0, DHCP];
    message(
        2,
        &fields,
        &[
            (code::MESSAGE_TYPE, &[kind]),
            (code::SERVER_IDENTIFIER, &server),
        ],
    )
}

/// An answer of the PXE server, without an address.
fn proxy(kind: u8, file: &[u8]) -> Vec<u8> {
    message(
        2,
        &[(28, &MAC), (20, &[10, 0, 0, PXE]), (108, file)],
        &[
            (code::MESSAGE_TYPE, &[kind]),
            (code::SERVER_IDENTIFIER, &[10, 0, 0, PXE]),
            (code::VENDOR_CLASS, b"PXEClient"),
        ],
    )
}

fn exchange(packets: &mut Packets) {
    packets
        .udp(nobody(), everybody(67), &discover())
        .udp(at(DHCP, 67), everybody(68), &lease(2))
        .udp(at(PXE, 67), everybody(68), &proxy(2, b""))
        .udp(at(DHCP, 67), everybody(68), &lease(5))
        .udp(
            at(PXE, 4011),
            at(CLIENT, 68),
            &proxy(5, b"boot\\x64\\wdsmgfw.efi"),
        );
}

/// A file that is there, in one block.
fn fetch(packets: &mut Packets, client: u8, port: u16, name: &[u8]) {
    request(packets, client, port, name);
    packets
        .udp(at(PXE, port + 1), at(client, port), b"\0\x03\0\x01abc")
        .udp(at(client, port), at(PXE, port + 1), b"\0\x04\0\x01");
}

fn missing(packets: &mut Packets, client: u8, port: u16, name: &[u8]) {
    request(packets, client, port, name);
    packets.udp(
        at(PXE, port + 1),
        at(client, port),
        b"\0\x05\0\x01not found\0",
    );
}

fn request(packets: &mut Packets, client: u8, port: u16, name: &[u8]) {
    let mut request = vec![0, 1];
    request.extend(name);
    request.extend(b"\0octet\0");
    packets.udp(at(client, port), at(PXE, 69), &request);
}

fn collect(packets: &Packets) -> Evidence {
    Evidence::collect(packets.log(), &packets.end())
}

fn steps(evidence: &Evidence) -> Vec<&'static str> {
    let steps = evidence.pxe.iter().flat_map(|boot| &boot.steps);
    steps.map(|step| step.kind.code()).collect()
}

#[test]
fn a_boot_with_dhcp_and_pxe_apart() {
    let mut packets = Packets::default();
    exchange(&mut packets);
    missing(&mut packets, CLIENT, 2000, b"pxelinux.cfg/01-52");
    fetch(&mut packets, CLIENT, 2010, b"wdsmgfw.efi");
    let evidence = collect(&packets);
    let [boot] = &evidence.pxe[..] else {
        panic!("one boot");
    };
    assert_eq!(boot.client_mac, Some(MAC));
    assert_eq!(boot.client_addresses, [address(CLIENT)]);
    assert_eq!(boot.architecture, Some(7));
    assert_eq!(boot.boot_server, Some(address(PXE)));
    let file = boot.boot_file.as_ref().expect("a boot file");
    assert_eq!(file.bytes(), b"boot\\x64\\wdsmgfw.efi");
    assert!(!boot.http);
    assert_eq!(
        steps(&evidence),
        [
            "dhcp-discover",
            "dhcp-offer",
            "boot-offer",
            "dhcp-ack",
            "binl",
            "tftp-request",
            "tftp-transfer"
        ]
    );
    let frames: Vec<_> = boot.steps.iter().map(|step| step.at.frame()).collect();
    assert_eq!(frames[..6], [1, 2, 3, 4, 5, 6]);
}

#[test]
fn who_offered_what_is_kept() {
    let mut packets = Packets::default();
    exchange(&mut packets);
    packets.udp(at(PXE, 67), everybody(68), &proxy(2, b""));
    let offers: Vec<_> = collect(&packets)
        .offers
        .iter()
        .map(|offer| (offer.server, offer.address, offer.names_boot))
        .collect();
    assert_eq!(
        offers,
        [
            (address(DHCP), Some(address(CLIENT)), false),
            (address(PXE), None, true)
        ]
    );
}

#[test]
fn one_offer_may_do_both() {
    let mut packets = Packets::default();
    let offer = message(
        2,
        &[(28, &MAC), (16, &[10, 0, 0, CLIENT])],
        &[
            (code::MESSAGE_TYPE, &[2]),
            (code::TFTP_SERVER, b"10.0.0.12"),
            (code::BOOT_FILE, b"b.0"),
        ],
    );
    packets
        .udp(nobody(), everybody(67), &discover())
        .udp(at(DHCP, 67), everybody(68), &offer);
    let evidence = collect(&packets);
    assert_eq!(
        steps(&evidence),
        ["dhcp-discover", "dhcp-offer", "boot-offer"]
    );
    assert_eq!(evidence.pxe[0].boot_server, Some(address(PXE)));
}

#[test]
fn a_refusal_is_a_step() {
    let mut packets = Packets::default();
    let nak = message(2, &[(28, &MAC)], &[(code::MESSAGE_TYPE, &[6])]);
    packets
        .udp(nobody(), everybody(67), &discover())
        .udp(at(DHCP, 67), everybody(68), &nak);
    assert_eq!(steps(&collect(&packets)), ["dhcp-discover", "dhcp-nak"]);
}

#[test]
fn an_ordinary_lease_is_no_boot() {
    let mut packets = Packets::default();
    let plain = message(1, &[(28, &MAC)], &[(code::MESSAGE_TYPE, &[1])]);
    packets
        .udp(nobody(), everybody(67), &plain)
        .udp(at(DHCP, 67), everybody(68), &lease(2))
        .udp(at(DHCP, 67), everybody(68), &lease(5));
    assert!(collect(&packets).pxe.is_empty());
    // Its TFTP read makes it one, with its hardware address and without the steps of another.
    request(&mut packets, CLIENT, 2000, b"a");
    let evidence = collect(&packets);
    assert_eq!(evidence.pxe[0].client_mac, Some(MAC));
    assert_eq!(steps(&evidence), ["tftp-request"]);
}

#[test]
fn a_read_without_dhcp_is_a_boot_without_hardware_address() {
    let mut packets = Packets::default();
    exchange(&mut packets);
    fetch(&mut packets, 105, 2000, b"a");
    let evidence = collect(&packets);
    assert_eq!(evidence.pxe.len(), 2);
    assert_eq!(evidence.pxe[1].client_mac, None);
    assert_eq!(evidence.pxe[1].client_addresses, [address(105)]);
}

#[test]
fn http_boot_is_told_apart() {
    let mut packets = Packets::default();
    let discover = message(
        1,
        &[(28, &MAC)],
        &[
            (code::MESSAGE_TYPE, &[1]),
            (code::VENDOR_CLASS, b"HTTPClient:Arch:00016:UNDI:003001"),
        ],
    );
    packets.udp(nobody(), everybody(67), &discover);
    let evidence = collect(&packets);
    assert!(evidence.pxe[0].http);
    assert_eq!(evidence.pxe[0].architecture, Some(16));
}

#[test]
fn every_file_has_to_end_well() {
    type Act = fn(&mut Packets);
    let cases: [(&[Act], bool); 5] = [
        (&[|p| fetch(p, CLIENT, 2000, b"a")], true),
        (&[|p| missing(p, CLIENT, 2000, b"a")], false),
        (
            &[
                |p| fetch(p, CLIENT, 2000, b"a"),
                |p| missing(p, CLIENT, 2010, b"b"),
            ],
            false,
        ),
        (
            &[
                |p| fetch(p, CLIENT, 2000, b"a"),
                |p| request(p, CLIENT, 2010, b"b"),
            ],
            false,
        ),
        (
            &[
                |p| request(p, CLIENT, 2000, b"a"),
                |p| fetch(p, CLIENT, 2010, b"a"),
            ],
            true,
        ),
    ];
    for (acts, well) in cases {
        let mut packets = Packets::default();
        for act in acts {
            act(&mut packets);
        }
        let evidence = collect(&packets);
        let step = evidence.pxe[0]
            .steps
            .iter()
            .any(|step| step.kind == BootStepKind::TftpTransfer);
        assert_eq!(step, well);
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(
        messages in prop::collection::vec(
            (1_u8..4, prop::collection::vec(any::<u8>(), 0..80), any::<bool>()),
            0..30,
        ),
    ) {
        let mut packets = Packets::default();
        for (op, options, up) in messages {
            let mut bytes = message(op, &[(28, &MAC)], &[(code::MESSAGE_TYPE, &[op])]);
            bytes.pop();
            bytes.extend(options);
            if up {
                packets.udp(nobody(), everybody(67), &bytes);
            } else {
                packets.udp(at(PXE, 4011), at(CLIENT, 68), &bytes);
            }
        }
        for boot in collect(&packets).pxe {
            prop_assert_eq!(boot.client_mac, Some(MAC));
            prop_assert!(boot.steps.is_sorted_by_key(|step| step.at));
        }
    }
}
