//! Boots as machines and servers make them.

use super::{MAX_BOOTS_OF_ONE, run};
use crate::evidence::testing::{Packets, address, at};
use crate::evidence::{BootStepKind, Evidence, NamedIn};
use crate::net::Endpoint;
use crate::payload::dhcp::{build::message, code};

pub(super) const MAC: [u8; 6] = [0x52, 0x54, 0, 1, 2, 3];
pub(super) const CLIENT: u8 = 104;
pub(super) const DHCP: u8 = 1;
pub(super) const PXE: u8 = 12;

pub(super) fn nobody() -> Endpoint {
    Endpoint::new([0, 0, 0, 0].into(), 68)
}

pub(super) fn everybody(port: u16) -> Endpoint {
    Endpoint::new([255, 255, 255, 255].into(), port)
}

pub(super) fn discover() -> Vec<u8> {
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
pub(super) fn lease(kind: u8) -> Vec<u8> {
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
pub(super) fn proxy(kind: u8, file: &[u8]) -> Vec<u8> {
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

pub(super) fn exchange(packets: &mut Packets) {
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
pub(super) fn fetch(packets: &mut Packets, client: u8, port: u16, name: &[u8]) {
    request(packets, client, port, name);
    packets
        .udp(at(PXE, port + 1), at(client, port), b"\0\x03\0\x01abc")
        .udp(at(client, port), at(PXE, port + 1), b"\0\x04\0\x01");
}

/// The size of a file, and no more of it.
fn probe(packets: &mut Packets, client: u8, port: u16, name: &[u8]) {
    let request = [b"\0\x01", name, b"\0octet\0tsize\x000\0"].concat();
    packets
        .udp(at(client, port), at(PXE, 69), &request)
        .udp(at(PXE, port + 1), at(client, port), b"\0\x06tsize\x003\0")
        .udp(at(client, port), at(PXE, port + 1), b"\0\x05\0\x08\0");
}

pub(super) fn missing(packets: &mut Packets, client: u8, port: u16, name: &[u8]) {
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

pub(super) fn collect(packets: &Packets) -> Evidence {
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
    let evidence = collect(&packets);
    let answers: Vec<_> = evidence.pxe[0]
        .answers
        .iter()
        .map(|answer| {
            let kind = answer.kind.code();
            (
                kind,
                answer.server,
                answer.address,
                answer.names_boot,
                answer.at.frame(),
            )
        })
        .collect();
    let given = Some(address(CLIENT));
    assert_eq!(
        answers,
        [
            ("address-offer", address(DHCP), given, false, 2),
            ("proxy-offer", address(PXE), None, true, 3),
            ("ack", address(DHCP), given, false, 4),
            ("binl-ack", address(PXE), None, true, 5),
        ]
    );
    let binl = &evidence.pxe[0].answers[3];
    assert!(binl.pxe_client && binl.identifier == Some(binl.sender));
    assert_eq!(binl.boot_server, Some(address(PXE)));
    assert_eq!(binl.boot_file_in, Some(NamedIn::Field));
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
    let cases: [(&[Act], bool); 8] = [
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
        // Sizes alone are asked of files that are there.
        (&[|p| probe(p, CLIENT, 2000, b"a")], true),
        (
            &[
                |p| missing(p, CLIENT, 2000, b"x"),
                |p| fetch(p, CLIENT, 2010, b"a"),
                |p| probe(p, CLIENT, 2020, b"a"),
            ],
            true,
        ),
        (
            &[
                |p| missing(p, CLIENT, 2000, b"x"),
                |p| probe(p, CLIENT, 2020, b"a"),
            ],
            false,
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

pub(super) fn first_frames(evidence: &Evidence) -> Vec<u64> {
    evidence.pxe.iter().map(|boot| boot.first.frame()).collect()
}

#[test]
fn a_machine_that_starts_anew_makes_another_run() {
    let mut packets = Packets::default();
    exchange(&mut packets);
    request(&mut packets, CLIENT, 2000, b"a");
    packets.wait(20_000);
    exchange(&mut packets);
    fetch(&mut packets, CLIENT, 2001, b"a");
    let evidence = collect(&packets);
    assert_eq!(first_frames(&evidence), [1, 7]);
    let whole: Vec<_> = evidence
        .pxe
        .iter()
        .map(|boot| (boot.steps.len(), boot.reads.clone()))
        .collect();
    assert_eq!(whole, [(6, vec![0]), (7, vec![1])]);
}

#[test]
fn firmware_that_asks_again_is_in_the_same_run() {
    let mut packets = Packets::default();
    for wait in [4_000, 8_000, 16_000, 32_000] {
        packets
            .udp(nobody(), everybody(67), &discover())
            .udp(at(DHCP, 67), everybody(68), &lease(2))
            .wait(wait);
    }
    exchange(&mut packets);
    assert_eq!(first_frames(&collect(&packets)), [1]);
    // Longer than any menu waits.
    packets.wait(301_000);
    exchange(&mut packets);
    assert_eq!(first_frames(&collect(&packets)), [1, 14]);
}

#[test]
fn a_boot_program_that_asks_again_is_in_the_same_run() {
    let mut packets = Packets::default();
    exchange(&mut packets);
    fetch(&mut packets, CLIENT, 2000, b"ipxe.efi");
    let ipxe = message(
        1,
        &[(28, &MAC), (4, &[9; 4])],
        &[
            (code::MESSAGE_TYPE, &[1]),
            (code::VENDOR_CLASS, b"PXEClient:Arch:00007:UNDI:003010"),
            (code::USER_CLASS, b"iPXE"),
        ],
    );
    let script = b"http://10.0.0.12/boot.ipxe";
    packets
        .wait(3_000)
        .udp(nobody(), everybody(67), &ipxe)
        .udp(at(DHCP, 67), everybody(68), &lease(2))
        .udp(at(PXE, 67), everybody(68), &proxy(2, script))
        .udp(at(DHCP, 67), everybody(68), &lease(5));
    let evidence = collect(&packets);
    assert_eq!(first_frames(&evidence), [1]);
    let boot = &evidence.pxe[0];
    assert!(boot.ipxe && !boot.http);
    let rounds: Vec<_> = boot.answers.iter().map(|answer| answer.round).collect();
    assert_eq!(rounds, [1, 1, 1, 1, 2, 2, 2]);
    // What the firmware was told stays the boot file.
    let file = boot.boot_file.as_ref().expect("a boot file");
    assert_eq!(file.bytes(), b"boot\\x64\\wdsmgfw.efi");
    // Where the file did not come, there is no boot program: the machine starts anew.
    let mut packets = Packets::default();
    exchange(&mut packets);
    missing(&mut packets, CLIENT, 2000, b"ipxe.efi");
    packets.wait(3_000).udp(nobody(), everybody(67), &ipxe);
    assert_eq!(collect(&packets).pxe.len(), 2);
}

#[test]
fn another_way_to_boot_is_another_run() {
    let mut packets = Packets::default();
    let over_http = message(
        1,
        &[(28, &MAC), (4, &[9; 4])],
        &[
            (code::MESSAGE_TYPE, &[1]),
            (code::VENDOR_CLASS, b"HTTPClient:Arch:00016:UNDI:003001"),
        ],
    );
    packets
        .udp(nobody(), everybody(67), &discover())
        .wait(10_000)
        .udp(nobody(), everybody(67), &over_http);
    let evidence = collect(&packets);
    let http: Vec<_> = evidence.pxe.iter().map(|boot| boot.http).collect();
    assert_eq!(http, [false, true]);
}

#[test]
fn a_question_on_4011_that_nobody_answers_is_kept() {
    let mut packets = Packets::default();
    exchange(&mut packets);
    let mut asked = discover();
    asked[12..16].copy_from_slice(&[10, 0, 0, CLIENT]);
    packets.udp(at(CLIENT, 4011), at(PXE + 1, 4011), &asked);
    packets.udp(at(CLIENT, 68), at(PXE, 4011), &asked);
    let evidence = collect(&packets);
    let unanswered: Vec<_> = evidence.pxe[0]
        .unanswered_binl()
        .map(|question| (question.server, question.at.frame()))
        .collect();
    assert_eq!(unanswered, [(Some(address(PXE + 1)), 6)]);
}

#[test]
fn a_message_on_both_sides_of_a_relay_is_one() {
    let mut packets = Packets::default();
    let relay = 254;
    let relayed = |mut message: Vec<u8>| {
        message[3] = 1;
        message[24..28].copy_from_slice(&[10, 0, 0, relay]);
        message
    };
    packets
        .udp(nobody(), everybody(67), &discover())
        .udp(at(relay, 67), at(DHCP, 67), &relayed(discover()))
        .udp(at(DHCP, 67), at(relay, 67), &relayed(lease(2)))
        .udp(at(relay, 67), everybody(68), &relayed(lease(2)))
        .udp(at(DHCP, 67), at(relay, 67), &relayed(lease(5)))
        .udp(at(relay, 67), everybody(68), &relayed(lease(5)))
        .udp(at(relay, 67), at(DHCP, 67), &relayed(discover()));
    let evidence = collect(&packets);
    let [boot] = &evidence.pxe[..] else {
        panic!("one run");
    };
    let answers: Vec<_> = boot
        .answers
        .iter()
        .map(|answer| (answer.kind.code(), answer.server, answer.sender))
        .collect();
    let server = address(DHCP);
    assert_eq!(
        answers,
        [("address-offer", server, server), ("ack", server, server)]
    );
    assert_eq!(boot.relays, [address(relay)]);
    assert_eq!(boot.questions.len(), 1);
}

#[test]
fn a_refused_address_belongs_to_the_boot_without_its_options() {
    let mut packets = Packets::default();
    let decline = message(
        1,
        &[(28, &MAC)],
        &[
            (code::MESSAGE_TYPE, &[4]),
            (code::REQUESTED_ADDRESS, &[10, 0, 0, CLIENT]),
            (code::SERVER_IDENTIFIER, &[10, 0, 0, DHCP]),
        ],
    );
    packets
        .udp(nobody(), everybody(67), &discover())
        .udp(at(DHCP, 67), everybody(68), &lease(2))
        .udp(at(DHCP, 67), everybody(68), &lease(5))
        .udp(nobody(), everybody(67), &decline)
        .udp(at(PXE, 67), everybody(68), &proxy(2, b"boot"));
    let evidence = collect(&packets);
    let questions: Vec<_> = evidence.pxe[0]
        .questions
        .iter()
        .map(|question| (question.kind.code(), question.server, question.address))
        .collect();
    assert_eq!(
        questions,
        [
            ("discover", None, None),
            ("decline", Some(address(DHCP)), Some(address(CLIENT)))
        ]
    );
    // What servers go on to say of that transaction still counts.
    assert_eq!(evidence.pxe[0].answers.len(), 3);
}

#[test]
fn an_address_is_of_the_machine_that_has_it_at_the_time() {
    let other = [0x52, 0x54, 0, 9, 9, 9];
    let mut packets = Packets::default();
    exchange(&mut packets);
    fetch(&mut packets, CLIENT, 2000, b"a");
    packets.wait(3_600_000);
    let given = message(
        2,
        &[(28, &other), (16, &[10, 0, 0, CLIENT])],
        &[(code::MESSAGE_TYPE, &[5])],
    );
    packets.udp(at(DHCP, 67), everybody(68), &given);
    fetch(&mut packets, CLIENT, 2001, b"b");
    let evidence = collect(&packets);
    let reads: Vec<_> = evidence
        .pxe
        .iter()
        .map(|boot| (boot.client_mac, boot.reads.clone()))
        .collect();
    assert_eq!(reads, [(Some(MAC), vec![0]), (Some(other), vec![1])]);
}

#[test]
fn messages_cut_before_their_options_still_tell_whose_address_it_is() {
    let mut packets = Packets::default();
    let offer = lease(2);
    packets.udp_cut(nobody(), everybody(67), &discover()[..60], 300);
    packets.udp_cut(at(DHCP, 67), everybody(68), &offer[..60], 300);
    assert!(collect(&packets).pxe.is_empty());
    fetch(&mut packets, CLIENT, 2000, b"a");
    let evidence = collect(&packets);
    assert_eq!(evidence.pxe[0].client_mac, Some(MAC));
    assert_eq!(steps(&evidence), ["tftp-request", "tftp-transfer"]);
}

#[test]
fn made_up_machines_and_transactions_are_bounded() {
    let mut packets = Packets::default();
    let mut flood = discover();
    for number in 0_u32..3_000 {
        packets.wait(5_000);
        // Each with an answer, so that the next begins another run.
        flood[4..8].copy_from_slice(&number.to_be_bytes());
        packets.udp(nobody(), everybody(67), &flood);
        let mut given = lease(5);
        given[4..8].copy_from_slice(&number.to_be_bytes());
        packets.udp(at(DHCP, 67), everybody(68), &given);
    }
    let evidence = collect(&packets);
    assert_eq!(evidence.pxe.len(), MAX_BOOTS_OF_ONE);
    let limits: Vec<_> = evidence.limits.iter().map(|limit| limit.limit).collect();
    assert_eq!(limits, ["network-boots-of-a-machine"]);
    // Many servers that answer one machine.
    let mut packets = Packets::default();
    packets.udp(nobody(), everybody(67), &discover());
    for server in 0..=255 {
        let mut offer = lease(2);
        offer[16..20].copy_from_slice(&[10, 0, server, CLIENT]);
        packets.udp(at(server, 67), everybody(68), &offer);
    }
    assert_eq!(collect(&packets).pxe[0].answers.len(), run::MAX_PER_RUN);
}
