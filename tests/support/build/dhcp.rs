//! DHCP (RFC 2131) messages and the exchange of a network boot (PXE 2.1): address from one
//! server, boot file from another, answered on port 4011.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::recording::Recording;
use super::tftp::Tftp;

/// Option 53.
pub const DISCOVER: u8 = 1;
pub const OFFER: u8 = 2;
pub const REQUEST: u8 = 3;
pub const ACK: u8 = 5;
pub const NAK: u8 = 6;

const CLIENT_PORT: u16 = 68;
const SERVER_PORT: u16 = 67;
const BINL_PORT: u16 = 4011;

/// A DHCP message.
#[derive(Clone, Debug)]
pub struct Dhcp {
    /// 1 from the client, 2 from a server.
    pub op: u8,
    pub xid: u32,
    pub ciaddr: Ipv4Addr,
    pub yiaddr: Ipv4Addr,
    pub siaddr: Ipv4Addr,
    pub giaddr: Ipv4Addr,
    pub chaddr: [u8; 6],
    pub file: String,
    /// Code and value; the end option is added.
    pub options: Vec<(u8, Vec<u8>)>,
}

impl Dhcp {
    /// A message of this type (option 53) without an address.
    pub fn new(op: u8, kind: u8, xid: u32, chaddr: [u8; 6]) -> Self {
        Self {
            op,
            xid,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            chaddr,
            file: String::new(),
            options: vec![(53, vec![kind])],
        }
    }

    pub fn option(mut self, code: u8, value: impl AsRef<[u8]>) -> Self {
        self.options.push((code, value.as_ref().to_vec()));
        self
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut message = vec![self.op, 1, 6, 0];
        message.extend(self.xid.to_be_bytes());
        // secs 0; broadcast flag, since the client has no address yet.
        message.extend([0, 0, 0x80, 0]);
        for address in [self.ciaddr, self.yiaddr, self.siaddr, self.giaddr] {
            message.extend(address.octets());
        }
        message.extend(self.chaddr);
        message.resize(message.len() + 10 + 64, 0);
        let file = self.file.as_bytes();
        message.extend(file);
        message.resize(message.len() + 128 - file.len(), 0);
        message.extend([99, 130, 83, 99]);
        for (code, value) in &self.options {
            message.extend([*code, value.len() as u8]);
            message.extend(value);
        }
        message.push(255);
        message
    }
}

/// A machine that boots from the network, and who helps it.
#[derive(Clone, Debug)]
pub struct PxeBoot<'a> {
    pub mac: [u8; 6],
    /// The address it is given.
    pub address: Ipv4Addr,
    pub dhcp_server: Ipv4Addr,
    /// Names the boot file and serves it.
    pub boot_server: Ipv4Addr,
    /// Option 93: 0 BIOS, 7 UEFI x64.
    pub architecture: u16,
    pub file: &'a str,
}

impl PxeBoot<'_> {
    /// DISCOVER to the answer on port 4011: what comes before the first read request.
    pub fn negotiate(&self, out: &mut Recording) {
        let everyone = SocketAddr::new(Ipv4Addr::BROADCAST.into(), SERVER_PORT);
        let nobody = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), CLIENT_PORT);
        let booting = SocketAddr::new(Ipv4Addr::BROADCAST.into(), CLIENT_PORT);
        let from = |server: Ipv4Addr| SocketAddr::new(server.into(), SERVER_PORT);

        out.udp(nobody, everyone, &self.ask(DISCOVER).encode());
        out.wait_ms(2);
        out.udp(from(self.dhcp_server), booting, &self.lease(OFFER).encode());
        out.udp(from(self.boot_server), booting, &self.proxy(OFFER).encode());
        out.wait_ms(900);
        let mut request = self
            .ask(REQUEST)
            .option(50, self.address.octets())
            .option(54, self.dhcp_server.octets());
        out.udp(nobody, everyone, &request.encode());
        out.udp(from(self.dhcp_server), booting, &self.lease(ACK).encode());

        let client = self.end(BINL_PORT);
        let binl = SocketAddr::new(self.boot_server.into(), BINL_PORT);
        request.ciaddr = self.address;
        out.udp(client, binl, &request.encode());
        let mut answer = self.proxy(ACK);
        answer.file = self.file.to_owned();
        answer.siaddr = self.boot_server;
        out.udp(binl, client, &answer.encode());
    }

    /// A read of the boot file, from the port that this firmware takes.
    pub fn transfer<'b>(&self, port: u16, file: &'b str, bytes: usize) -> Tftp<'b> {
        let server = SocketAddr::new(self.boot_server.into(), 69);
        Tftp::new(self.end(port), server, file, bytes)
    }

    fn end(&self, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.address), port)
    }

    fn xid(&self) -> u32 {
        u32::from_be_bytes([self.mac[2], self.mac[3], self.mac[4], self.mac[5]])
    }

    /// A message of the machine.
    pub fn ask(&self, kind: u8) -> Dhcp {
        let mut uuid = vec![0];
        uuid.extend([0x44; 10]);
        uuid.extend(self.mac);
        Dhcp::new(1, kind, self.xid(), self.mac)
            .option(
                60,
                format!("PXEClient:Arch:{:05}:UNDI:003016", self.architecture),
            )
            .option(93, self.architecture.to_be_bytes())
            .option(94, [1, 3, 16])
            .option(97, uuid)
            .option(55, [1, 3, 6, 43, 60, 66, 67])
    }

    /// Its address, from the DHCP server.
    pub fn lease(&self, kind: u8) -> Dhcp {
        let mut message = Dhcp::new(2, kind, self.xid(), self.mac)
            .option(54, self.dhcp_server.octets())
            .option(51, 86_400_u32.to_be_bytes())
            .option(1, [255, 255, 0, 0]);
        message.yiaddr = self.address;
        message
    }

    /// An offer without an address: "ask me on port 4011".
    pub fn proxy(&self, kind: u8) -> Dhcp {
        Dhcp::new(2, kind, self.xid(), self.mac)
            .option(54, self.boot_server.octets())
            .option(60, "PXEClient")
    }
}
