//! Who talks to whom: the two ends of each conversation, from its number alone, so that nothing
//! needs to be remembered. Two numbers never share a flow.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::super::rng::Rng;
use super::{Bulk, Profile};

/// Ports that a client opens connections from: those of Windows.
pub const CLIENT_PORTS: u16 = 16_384;
const FIRST_CLIENT_PORT: u16 = 49_152;

/// Client addresses from 10.1.0.0 up to the end of 10.0.0.0/9.
pub const MOST_CLIENTS: u32 = 127 << 16;

/// Where the other end of an RPC conversation listens.
pub const RPC_PORT: u16 = 49_664;

/// The ends of a conversation and what it is.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    pub client: SocketAddr,
    pub server: SocketAddr,
    pub kind: Kind,
}

/// What is said in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A TCP connection: questions of the client, answers of the server.
    Connection,
    /// UDP datagrams by turns.
    Datagrams,
    /// Openings that nobody answers.
    Unanswered,
    /// A TFTP read: a second flow, from this port of the server, carries the file.
    Tftp { transfer_port: u16 },
    /// The endpoint mapper is asked, and the endpoint that it names is used: a second flow.
    Rpc { endpoint_port: u16 },
    /// Echo requests and replies.
    Echo,
    /// One opening, answered or not.
    Probe(Answer),
}

/// What a scanned port says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Open,
    Closed,
    Silent,
}

/// Services of the site: how often in a hundred, the last number of the first server that
/// offers it, how many do, and the port.
const TCP_SERVICES: [(u64, u8, u8, u16); 9] = [
    (23, 10, 4, 443),
    (14, 10, 4, 80),
    (7, 10, 4, 10123),
    (10, 14, 4, 443),
    (9, 14, 4, 80),
    (7, 14, 4, 445),
    (5, 18, 1, 8530),
    // Nobody asked for these.
    (1, 10, 4, 3389),
    (1, 2, 6, 443),
];

/// The ends of conversation `number`.
pub fn ends(bulk: &Bulk, number: u64) -> Ends {
    let mut rng = Rng::new(bulk.seed ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93));
    if bulk.profile == Profile::Scan && rng.percent(90) {
        return probe(&mut rng, number);
    }
    let (client, port) = client(bulk, number);
    let draw = rng.below(100);
    let mut left = draw;
    for (share, first, count, server_port) in TCP_SERVICES {
        if left < share {
            let server = first + rng.below(u64::from(count)) as u8;
            let v6 = first == 10 && rng.percent(20);
            return Ends {
                client: (client_address(client, v6), port).into(),
                server: (server_address(server, v6), server_port).into(),
                kind: Kind::Connection,
            };
        }
        left -= share;
    }
    let v4 = |server, server_port, kind| Ends {
        client: (client_address(client, false), port).into(),
        server: (server_address(server, false), server_port).into(),
        kind,
    };
    match draw {
        // One flow for each pair of addresses: a client's first conversation, or none.
        77 if number < u64::from(bulk.clients) => v4(10, 0, Kind::Echo),
        77..94 => v4(19, 53, Kind::Datagrams),
        94 => v4(19, 161, Kind::Datagrams),
        95..97 => v4(18, 8531, Kind::Unanswered),
        97..99 => {
            let transfer_port = FIRST_CLIENT_PORT + rng.below(u64::from(CLIENT_PORTS)) as u16;
            let server = 14 + rng.below(4) as u8;
            v4(server, 69, Kind::Tftp { transfer_port })
        }
        // The site server asks the client.
        _ => Ends {
            client: (server_address(9, false), port).into(),
            server: (client_address(client, false), 135).into(),
            kind: Kind::Rpc {
                endpoint_port: RPC_PORT,
            },
        },
    }
}

/// A conversation of this number that is one flow.
pub fn single(bulk: &Bulk, number: u64) -> Ends {
    let (client, port) = client(bulk, number);
    Ends {
        client: (client_address(client, false), port).into(),
        server: (server_address(10, false), 443).into(),
        kind: Kind::Connection,
    }
}

/// Number and port of the client: all clients take their turn, then each takes the next port.
fn client(bulk: &Bulk, number: u64) -> (u32, u16) {
    let clients = u64::from(bulk.clients);
    let round = (number / clients % u64::from(CLIENT_PORTS)) as u16;
    // An odd factor leaves no port out.
    let port = round.wrapping_mul(2_531) % CLIENT_PORTS;
    ((number % clients) as u32, FIRST_CLIENT_PORT + port)
}

/// Four sources try every port of one server after the other, four every client on one port
/// after the other.
fn probe(rng: &mut Rng, number: u64) -> Ends {
    const PORTS: [u16; 8] = [445, 3389, 22, 80, 443, 1433, 5985, 8080];
    let (source, step) = ((number % 8) as u8, number / 8);
    let (from, to, port) = if source < 4 {
        let port = (step % 65_535 * 22_273 % 65_535) as u16 + 1;
        let host = (step / 65_535 % 256) as u8;
        (
            Ipv4Addr::new(10, 1, 255, source),
            Ipv4Addr::new(10, 0, 0, host),
            port,
        )
    } else {
        let [_, _, third, fourth] = ((step % 65_536) as u32).to_be_bytes();
        let round = step / 65_536;
        let port = PORTS
            .get(round as usize)
            .copied()
            .unwrap_or(10_000 + (round % 50_000) as u16);
        (
            Ipv4Addr::new(10, 9, 0, source),
            Ipv4Addr::new(10, 1, third, fourth),
            port,
        )
    };
    let answer = match rng.below(100) {
        0..4 => Answer::Open,
        4..70 => Answer::Closed,
        _ => Answer::Silent,
    };
    // Below the ports of clients, so that no probe is a flow of theirs.
    let from_port = 32_768 + rng.below(16_384) as u16;
    Ends {
        client: (from, from_port).into(),
        server: (to, port).into(),
        kind: Kind::Probe(answer),
    }
}

fn client_address(number: u32, v6: bool) -> IpAddr {
    if v6 {
        Ipv6Addr::from(0x2001_0db8_0001_u128 << 80 | u128::from(number)).into()
    } else {
        Ipv4Addr::from(0x0a01_0000 + number).into()
    }
}

fn server_address(number: u8, v6: bool) -> IpAddr {
    if v6 {
        Ipv6Addr::from(0x2001_0db8_0000_u128 << 80 | u128::from(number)).into()
    } else {
        Ipv4Addr::new(10, 0, 0, number).into()
    }
}
