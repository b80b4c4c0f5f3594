//! Network boots that fail, one for each diagnosis, with what a test may want to vary: what is
//! nearly the same and is none.

mod dhcp;
mod tftp;

use std::net::{Ipv4Addr, SocketAddr};

pub use dhcp::*;
pub use tftp::*;

use super::build::{Link, PxeBoot, Recording, at};

pub const MACHINE: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 40);
pub const DISTRIBUTION_POINT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 12);
pub const DOMAIN_CONTROLLER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 13);

const TLS: &[u8] = b"\x17\x03\x03\x00\x05hello";

/// A UEFI machine, its DHCP server, and the distribution point.
pub fn machine() -> PxeBoot<'static> {
    PxeBoot {
        mac: [0x52, 0x54, 0x00, 0x12, 0x34, 0x56],
        address: MACHINE,
        dhcp_server: DOMAIN_CONTROLLER,
        boot_server: DISTRIBUTION_POINT,
        architecture: 7,
        file: "SMSBoot\\x64\\wdsmgfw.efi",
    }
}

/// The capture goes on after the boot, so that silence means something.
pub fn later(minutes: u16, out: &mut Recording) {
    for minute in 0..minutes {
        out.wait_ms(60_000);
        let client = SocketAddr::new([10, 1, 0, 21].into(), 49_801 + minute);
        out.tcp_exchange(client, at("10.0.0.11:443"), TLS, TLS);
    }
}

/// The committed capture of each diagnosis, by its code.
pub fn all() -> Vec<(&'static str, Recording)> {
    let captures = [
        ("two-dhcp-servers", two_dhcp_servers(STRANGER_OFFERS)),
        ("dhcp-refused", refused(STRANGER, false)),
        ("no-relay-to-distribution-point", no_boot(&machine())),
        ("option-60-missing", no_boot(&on_one_host())),
        ("binl-unanswered", binl_unanswered(&machine()).0),
        ("two-pxe-servers", two_pxe_servers(OTHER_POINT)),
        ("boot-options-in-dhcp", boot_options(&Named::OPTIONS)),
        (
            "boot-file-for-other-architecture",
            boot_file(7, "pxelinux.0"),
        ),
        ("tftp-high-ports-closed", high_ports_closed(50_010, 5).0),
        ("tftp-no-answer", no_answer(5).0),
        ("tftp-no-server", no_server(DISTRIBUTION_POINT.into()).0),
        ("tftp-port-pool-taken", {
            let (mut out, _) = no_answer(5);
            dns(DISTRIBUTION_POINT, &mut out);
            out
        }),
        (
            "tftp-fragments-dropped",
            large_blocks(4096, Blocks::First, true).0,
        ),
        (
            "tftp-variable-window",
            stops(&[("blksize", "1456"), ("msftwindow", "27182")]).0,
        ),
    ];
    let mut captures = Vec::from(captures);
    for (_, capture) in &mut captures {
        later(1, capture);
    }
    captures
}

/// A machine that has its address and the name of its boot file.
pub fn negotiated() -> (Recording, PxeBoot<'static>) {
    let mut out = Recording::new(Link::Ethernet);
    let boot = machine();
    boot.negotiate(&mut out);
    (out, boot)
}
