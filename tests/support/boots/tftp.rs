//! Transfers that fail.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::super::build::{Link, PxeBoot, Recording, Tftp, at, encode};
use super::{machine, negotiated};

const DNS: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03mp1\x07contoso\x03com\0\0\x01\0\x01";
const SMALL: &[(&str, &str)] = &[("blksize", "1456")];

fn ends(transfer: &Tftp<'_>) -> (SocketAddr, SocketAddr) {
    let server = SocketAddr::new(transfer.server.ip(), transfer.answer_port);
    (server, transfer.client)
}

/// A file that comes whole.
fn whole(boot: &PxeBoot<'_>, port: u16, file: &str, out: &mut Recording) {
    let transfer = Tftp {
        asked: SMALL,
        granted: SMALL,
        answer_port: port + 40_000,
        ..boot.transfer(port, file, 2000)
    };
    transfer.run(out);
}

/// The server's answer arrives, its acknowledgment never does: both are repeated so often.
pub fn high_ports_closed(answer_port: u16, repeated: usize) -> (Recording, PxeBoot<'static>) {
    let (mut out, boot) = negotiated();
    let transfer = Tftp {
        asked: SMALL,
        answer_port,
        ..boot.transfer(1701, boot.file, 0)
    };
    let (server, client) = ends(&transfer);
    transfer.ask(&mut out);
    for _ in 0..=repeated {
        out.udp(server, client, &encode::oack(SMALL));
        out.udp(client, server, &encode::ack(0));
        out.wait_ms(1000);
    }
    (out, boot)
}

/// The server's answer is met by an ICMP error of `reporter`, and so is the next.
pub fn answer_refused(reporter: IpAddr) -> Recording {
    let (mut out, boot) = negotiated();
    let transfer = boot.transfer(1701, boot.file, 0);
    let (server, client) = ends(&transfer);
    for _ in 0..3 {
        transfer.ask(&mut out);
        let answer = encode::udp(server, client, &encode::data(1, &[0; 512]));
        let answer = encode::packet(server.ip(), client.ip(), 17, &answer);
        out.packet(&answer);
        let error = encode::icmp_unreachable(reporter, server.ip(), &answer);
        out.icmp(reporter, server.ip(), &error);
        out.wait_ms(1000);
    }
    out
}

/// A read request that is repeated so often and never answered.
pub fn no_answer(requests: usize) -> (Recording, PxeBoot<'static>) {
    no_answer_to(machine(), requests)
}

pub fn no_answer_to(boot: PxeBoot<'static>, requests: usize) -> (Recording, PxeBoot<'static>) {
    let mut out = Recording::new(Link::Ethernet);
    boot.negotiate(&mut out);
    let transfer = Tftp {
        asked: SMALL,
        ..boot.transfer(1701, boot.file, 0)
    };
    for attempt in 0..requests {
        transfer.ask(&mut out);
        out.wait_ms(1000 << attempt);
    }
    (out, boot)
}

/// A boot of which only port 69 was captured: many files, each asked for once, the first two
/// times, for its size.
pub fn requests_only() -> Recording {
    let (mut out, boot) = negotiated();
    let files = [boot.file, boot.file, "\\Boot\\BCD", "\\Boot\\boot.sdi"];
    for (port, file) in (1701..).zip(files) {
        boot.transfer(port, file, 0).ask(&mut out);
        out.wait_ms(500);
    }
    out
}

/// Nothing listens on port 69: `reporter` says so, each time.
pub fn no_server(reporter: IpAddr) -> (Recording, PxeBoot<'static>) {
    let (mut out, boot) = negotiated();
    let transfer = boot.transfer(1701, boot.file, 0);
    for _ in 0..3 {
        let request = encode::read_request(boot.file, SMALL);
        let request = encode::udp(transfer.client, transfer.server, &request);
        let request = encode::packet(transfer.client.ip(), transfer.server.ip(), 17, &request);
        out.packet(&request);
        let error = encode::icmp_unreachable(reporter, transfer.client.ip(), &request);
        out.icmp(reporter, transfer.client.ip(), &error);
        out.wait_ms(1000);
    }
    (out, boot)
}

/// A client asks a server for a name, and is answered.
pub fn dns(server: Ipv4Addr, out: &mut Recording) {
    let server = SocketAddr::new(server.into(), 53);
    out.udp_exchange(at("10.1.0.21:51000"), server, DNS, DNS);
}

/// The boot file comes whole, and the machine goes on.
pub fn goes_on(boot: &PxeBoot<'_>, out: &mut Recording) {
    whole(boot, 1801, boot.file, out);
}

/// What is seen of a large block on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocks {
    /// Nothing.
    None,
    /// The first of its fragments.
    First,
    /// All of its fragments.
    All,
    /// One frame.
    Jumbo,
}

/// Small blocks come through. Then the first block of another file is sent again and again, and
/// the machine waits for it, or is gone.
pub fn large_blocks(size: u16, seen: Blocks, waits: bool) -> (Recording, PxeBoot<'static>) {
    let (mut out, boot) = negotiated();
    goes_on(&boot, &mut out);
    let blksize = size.to_string();
    let options: &[(&str, &str)] = &[("blksize", &blksize)];
    let transfer = Tftp {
        answer_port: 50_011,
        ..boot.transfer(1702, "\\Boot\\boot.sdi", 0)
    };
    let (server, client) = ends(&transfer);
    out.udp(
        client,
        transfer.server,
        &encode::read_request(transfer.file, options),
    );
    out.udp(server, client, &encode::oack(options));
    out.udp(client, server, &encode::ack(0));
    for number in 0..3 {
        let block = encode::data(1, &vec![0; size.into()]);
        let datagram = encode::udp(server, client, &block);
        let pieces = encode::fragments(server.ip(), client.ip(), 17, &datagram, 1480, number);
        match seen {
            Blocks::None => {}
            Blocks::First => out.packet(&pieces[0]),
            Blocks::All => pieces.iter().for_each(|piece| out.packet(piece)),
            Blocks::Jumbo => out.udp(server, client, &block),
        }
        out.wait_ms(1000);
        if waits {
            out.udp(client, server, &encode::ack(0));
        }
    }
    (out, boot)
}

/// A transfer that goes well for some blocks and then stops, while the machine repeats its
/// acknowledgment.
pub fn stops(granted: &[(&str, &str)]) -> (Recording, PxeBoot<'static>) {
    let (mut out, boot) = negotiated();
    let transfer = Tftp {
        answer_port: 50_011,
        ..boot.transfer(1702, boot.file, 0)
    };
    let (server, client) = ends(&transfer);
    out.udp(
        client,
        transfer.server,
        &encode::read_request(transfer.file, granted),
    );
    out.udp(server, client, &encode::oack(granted));
    out.udp(client, server, &encode::ack(0));
    for block in 1..=6 {
        out.udp(server, client, &encode::data(block, &[0; 1456]));
        out.udp(client, server, &encode::ack(block));
    }
    for _ in 0..3 {
        out.wait_ms(2000);
        out.udp(client, server, &encode::ack(6));
    }
    (out, boot)
}
