//! Negotiations that fail.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::super::build::dhcp::{ACK, DISCOVER, Dhcp, NAK, OFFER, REQUEST};
use super::super::build::{Link, PxeBoot, Recording};
use super::{DISTRIBUTION_POINT, DOMAIN_CONTROLLER, goes_on, machine};

/// A DHCP server that nobody listed, and the address that it offers.
pub const STRANGER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 99);
pub const STRANGER_OFFERS: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 40);
/// Another distribution point.
pub const OTHER_POINT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 16);

const BINL_PORT: u16 = 4011;

/// A machine whose DHCP server is the distribution point.
pub fn on_one_host() -> PxeBoot<'static> {
    PxeBoot {
        dhcp_server: DISTRIBUTION_POINT,
        ..machine()
    }
}

fn end(address: Ipv4Addr, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(address), port)
}

fn asks(message: &Dhcp, out: &mut Recording) {
    let (nobody, everyone) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
    out.udp(end(nobody, 68), end(everyone, 67), &message.encode());
}

fn tells(server: Ipv4Addr, message: &Dhcp, out: &mut Recording) {
    out.udp(
        end(server, 67),
        end(Ipv4Addr::BROADCAST, 68),
        &message.encode(),
    );
}

/// Asks for the address that was offered.
fn requests(boot: &PxeBoot<'_>, out: &mut Recording) -> Dhcp {
    let request = boot
        .ask(REQUEST)
        .option(50, boot.address.octets())
        .option(54, boot.dhcp_server.octets());
    asks(&request, out);
    request
}

/// DISCOVER, offers, REQUEST, and the ACK that goes with the first offer.
fn told(boot: &PxeBoot<'_>, offers: &[(Ipv4Addr, Dhcp)]) -> Recording {
    let mut out = Recording::new(Link::Ethernet);
    asks(&boot.ask(DISCOVER), &mut out);
    for (server, offer) in offers {
        tells(*server, offer, &mut out);
    }
    out.wait_ms(900);
    requests(boot, &mut out);
    tells(boot.dhcp_server, &boot.lease(ACK), &mut out);
    out
}

/// Both DHCP servers offer an address; the second one offers this.
pub fn two_dhcp_servers(second: Ipv4Addr) -> Recording {
    let boot = machine();
    let other = PxeBoot {
        dhcp_server: STRANGER,
        address: second,
        ..machine()
    };
    let offers = [
        (boot.dhcp_server, boot.lease(OFFER)),
        (STRANGER, other.lease(OFFER)),
        (boot.boot_server, boot.proxy(OFFER)),
    ];
    let mut out = told(&boot, &offers);
    asks_binl(&boot, &mut out);
    binl_answers(&boot, &mut out);
    goes_on(&boot, &mut out);
    out
}

/// A server refuses the address that another, or it itself, has offered.
pub fn refused(by: Ipv4Addr, given_after: bool) -> Recording {
    let boot = machine();
    let mut out = Recording::new(Link::Ethernet);
    asks(&boot.ask(DISCOVER), &mut out);
    tells(boot.dhcp_server, &boot.lease(OFFER), &mut out);
    tells(boot.boot_server, &boot.proxy(OFFER), &mut out);
    out.wait_ms(900);
    let request = requests(&boot, &mut out);
    let no = Dhcp::new(2, NAK, request.xid, boot.mac).option(54, by.octets());
    tells(by, &no, &mut out);
    if given_after {
        tells(boot.dhcp_server, &boot.lease(ACK), &mut out);
    }
    out
}

/// A machine that is offered an address, again and again, and no boot server.
pub fn no_boot(boot: &PxeBoot<'_>) -> Recording {
    let mut out = Recording::new(Link::Ethernet);
    for wait in [4000, 8000] {
        asks(&boot.ask(DISCOVER), &mut out);
        tells(boot.dhcp_server, &boot.lease(OFFER), &mut out);
        out.wait_ms(wait);
    }
    out
}

/// The same, and the distribution point answers late.
pub fn boot_server_answers_late() -> Recording {
    let boot = machine();
    let mut out = no_boot(&boot);
    tells(boot.boot_server, &boot.proxy(OFFER), &mut out);
    out
}

/// The same, seen where the DHCP server is: the relay asks it and hands its answer on.
pub fn no_boot_at_the_dhcp_server() -> Recording {
    let boot = machine();
    let relay = Ipv4Addr::new(10, 1, 0, 1);
    let mut out = Recording::new(Link::Ethernet);
    let (mut question, mut offer) = (boot.ask(DISCOVER), boot.lease(OFFER));
    (question.giaddr, offer.giaddr) = (relay, relay);
    let (relay, server) = (end(relay, 67), end(boot.dhcp_server, 67));
    out.udp_exchange(relay, server, &question.encode(), &offer.encode());
    out
}

/// The machine asks on port 4011, three times, and hears nothing.
pub fn binl_unanswered(boot: &PxeBoot<'static>) -> (Recording, PxeBoot<'static>) {
    let same_host = boot.dhcp_server == boot.boot_server;
    let offers = match same_host {
        true => vec![(boot.dhcp_server, boot.lease(OFFER).option(60, "PXEClient"))],
        false => vec![
            (boot.dhcp_server, boot.lease(OFFER)),
            (boot.boot_server, boot.proxy(OFFER)),
        ],
    };
    let mut out = told(boot, &offers);
    for _ in 0..3 {
        asks_binl(boot, &mut out);
        out.wait_ms(4000);
    }
    (out, boot.clone())
}

fn asks_binl(boot: &PxeBoot<'_>, out: &mut Recording) {
    let mut request = boot.ask(REQUEST);
    request.ciaddr = boot.address;
    let (client, server) = (
        end(boot.address, BINL_PORT),
        end(boot.boot_server, BINL_PORT),
    );
    out.udp(client, server, &request.encode());
}

/// The server on port 4011 names the boot file.
pub fn binl_answers(boot: &PxeBoot<'_>, out: &mut Recording) {
    let mut answer = boot.proxy(ACK);
    answer.file = boot.file.to_owned();
    answer.siaddr = boot.boot_server;
    let (client, server) = (
        end(boot.address, BINL_PORT),
        end(boot.boot_server, BINL_PORT),
    );
    out.udp(server, client, &answer.encode());
}

/// Two servers tell the machine to boot from them.
pub fn two_pxe_servers(second: Ipv4Addr) -> Recording {
    let boot = machine();
    let other = PxeBoot {
        boot_server: second,
        ..machine()
    };
    let offers = [
        (boot.dhcp_server, boot.lease(OFFER)),
        (boot.boot_server, boot.proxy(OFFER)),
        (second, other.proxy(OFFER)),
    ];
    let mut out = told(&boot, &offers);
    asks_binl(&boot, &mut out);
    binl_answers(&boot, &mut out);
    goes_on(&boot, &mut out);
    out
}

/// Where and what a DHCP server names to boot from.
pub struct Named {
    /// Whether in options 66 and 67, or in `siaddr` and `file`.
    pub options: bool,
    pub server: Ipv4Addr,
    pub file: &'static str,
}

impl Named {
    /// What Microsoft does not support.
    pub const OPTIONS: Self = Self {
        options: true,
        server: DISTRIBUTION_POINT,
        file: "SMSBoot\\x64\\wdsmgfw.efi",
    };

    fn write(&self, mut message: Dhcp) -> Dhcp {
        if self.options {
            return message
                .option(66, self.server.to_string())
                .option(67, self.file);
        }
        message.siaddr = self.server;
        self.file.clone_into(&mut message.file);
        message
    }
}

/// The DHCP server names the boot file, and the machine loads it.
pub fn boot_options(named: &Named) -> Recording {
    boot_options_to(&machine(), named)
}

fn boot_options_to(boot: &PxeBoot<'static>, named: &Named) -> Recording {
    let boot = PxeBoot {
        boot_server: named.server,
        file: named.file,
        ..boot.clone()
    };
    let mut out = told(&boot, &[(boot.dhcp_server, named.write(boot.lease(OFFER)))]);
    goes_on(&boot, &mut out);
    out
}

/// A machine of this architecture is told by its DHCP server, which is no Windows, to boot this.
pub fn boot_file(architecture: u16, file: &'static str) -> Recording {
    let boot = PxeBoot {
        architecture,
        ..machine()
    };
    let named = Named {
        options: false,
        server: DOMAIN_CONTROLLER,
        file,
    };
    boot_options_to(&boot, &named)
}

/// The DHCP server names a BIOS program, the distribution point then another one.
pub fn overruled() -> Recording {
    let boot = machine();
    let named = Named {
        options: false,
        server: DOMAIN_CONTROLLER,
        file: "pxelinux.0",
    };
    let mut out = told(&boot, &[(boot.dhcp_server, named.write(boot.lease(OFFER)))]);
    asks_binl(&boot, &mut out);
    binl_answers(&boot, &mut out);
    goes_on(&boot, &mut out);
    out
}
