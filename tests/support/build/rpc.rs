//! Connection-oriented DCE/RPC (C706, MS-RPCE) as far as the endpoint mapper needs it: bind,
//! request, response, and the towers that `ept_map` asks with and answers with.

use std::net::{Ipv4Addr, SocketAddr};

use super::bytes::{ByteOrder, pad};
use super::recording::Recording;
use super::tcp::{Side, Tcp};

/// PDU types.
const REQUEST: u8 = 0;
const RESPONSE: u8 = 2;
const BIND: u8 = 11;
const BIND_ACK: u8 = 12;

/// First and last fragment.
const WHOLE: u8 = 0x03;

/// Operation of `ept_map`.
const EPT_MAP: u16 = 3;

/// Tower protocol identifiers (C706 appendix I).
const FLOOR_UUID: u8 = 0x0d;
const FLOOR_RPC: u8 = 0x0b;
const FLOOR_TCP: u8 = 0x07;
const FLOOR_IP: u8 = 0x09;

/// A UUID as printed, with its major version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uuid(pub u128, pub u16);

impl Uuid {
    pub const ENDPOINT_MAPPER: Self = Self(0xe1af8308_5d1f_11c9_91a4_08002b14a0fa, 3);
    /// Remote activation (DCOM).
    pub const REMOTE_ACTIVATOR: Self = Self(0x000001a0_0000_0000_c000_000000000046, 0);
    /// The directory service of a domain controller.
    pub const DRSUAPI: Self = Self(0xe3514235_4b06_11d1_ab04_00c04fc2dcd2, 4);
    /// The remote registry.
    pub const WINREG: Self = Self(0x338cd001_2244_31f1_aaaa_900038001003, 1);
    const NDR: Self = Self(0x8a885d04_1ceb_11c9_9fe8_08002b104860, 2);

    /// The first three fields follow the byte order, the rest stands as printed.
    fn encode(self, order: ByteOrder) -> Vec<u8> {
        let bytes = self.0.to_be_bytes();
        let mut out = Vec::with_capacity(16);
        out.extend(order.u32((self.0 >> 96) as u32));
        out.extend(order.u16((self.0 >> 80) as u16));
        out.extend(order.u16((self.0 >> 64) as u16));
        out.extend(&bytes[8..]);
        out
    }
}

/// Where an interface listens: TCP on an IPv4 address, which may be 0.0.0.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tower {
    pub interface: Uuid,
    pub port: u16,
    pub address: Ipv4Addr,
}

impl Tower {
    /// Five floors; towers are little-endian whatever the PDU is, port and address big-endian.
    fn octets(self) -> Vec<u8> {
        let syntax = |uuid: Uuid| {
            let mut left = vec![FLOOR_UUID];
            left.extend(uuid.encode(ByteOrder::Little));
            left.extend(uuid.1.to_le_bytes());
            left
        };
        let floors = [
            (syntax(self.interface), vec![0, 0]),
            (syntax(Uuid::NDR), vec![0, 0]),
            (vec![FLOOR_RPC], vec![0, 0]),
            (vec![FLOOR_TCP], self.port.to_be_bytes().to_vec()),
            (vec![FLOOR_IP], self.address.octets().to_vec()),
        ];
        let mut octets = (floors.len() as u16).to_le_bytes().to_vec();
        for (left, right) in floors {
            for half in [left, right] {
                octets.extend((half.len() as u16).to_le_bytes());
                octets.extend(half);
            }
        }
        octets
    }
}

pub fn bind(order: ByteOrder, call: u32, interface: Uuid) -> Vec<u8> {
    let mut body = fragment_sizes(order);
    body.extend([1, 0, 0, 0]);
    body.extend(order.u16(0));
    body.extend([1, 0]);
    body.extend(syntax(order, interface));
    body.extend(syntax(order, Uuid::NDR));
    pdu(order, BIND, call, &body)
}

pub fn bind_ack(order: ByteOrder, call: u32, secondary_address: &str) -> Vec<u8> {
    let mut body = fragment_sizes(order);
    body.extend(order.u16(secondary_address.len() as u16 + 1));
    body.extend(secondary_address.as_bytes());
    body.push(0);
    pad(&mut body, 4);
    // One result: acceptance, no reason.
    body.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    body.extend(syntax(order, Uuid::NDR));
    pdu(order, BIND_ACK, call, &body)
}

pub fn request(order: ByteOrder, call: u32, operation: u16, stub: &[u8]) -> Vec<u8> {
    let mut body = order.u32(stub.len() as u32).to_vec();
    body.extend(order.u16(0));
    body.extend(order.u16(operation));
    body.extend(stub);
    pdu(order, REQUEST, call, &body)
}

pub fn response(order: ByteOrder, call: u32, stub: &[u8]) -> Vec<u8> {
    let mut body = order.u32(stub.len() as u32).to_vec();
    body.extend([0; 4]);
    body.extend(stub);
    pdu(order, RESPONSE, call, &body)
}

/// Where does this interface listen? The tower asked with has no port yet.
pub fn ept_map_request(order: ByteOrder, call: u32, interface: Uuid) -> Vec<u8> {
    let asked = Tower {
        interface,
        port: 0,
        address: Ipv4Addr::UNSPECIFIED,
    };
    // No object, a pointer to the tower, no earlier handle, four towers at most.
    let mut stub = order.u32(0).to_vec();
    stub.extend(order.u32(2));
    stub.extend(twr(order, &asked.octets()));
    stub.extend([0; 20]);
    stub.extend(order.u32(4));
    request(order, call, EPT_MAP, &stub)
}

/// Pointers first, the towers they point to after them (NDR defers them).
pub fn ept_map_response(order: ByteOrder, call: u32, towers: &[Tower], status: u32) -> Vec<u8> {
    let count = towers.len() as u32;
    let mut stub = vec![0; 20];
    stub.extend(order.u32(count));
    // Maximum count, offset, actual count.
    stub.extend(order.u32(4.max(count)));
    stub.extend(order.u32(0));
    stub.extend(order.u32(count));
    for referent in 0..count {
        stub.extend(order.u32(3 + referent));
    }
    for tower in towers {
        stub.extend(twr(order, &tower.octets()));
    }
    stub.extend(order.u32(status));
    response(order, call, &stub)
}

/// `twr_t`: maximum count, length, octets, padded.
fn twr(order: ByteOrder, octets: &[u8]) -> Vec<u8> {
    let length = order.u32(octets.len() as u32);
    let mut bytes = [length, length].concat();
    bytes.extend(octets);
    pad(&mut bytes, 4);
    bytes
}

fn syntax(order: ByteOrder, uuid: Uuid) -> Vec<u8> {
    let mut bytes = uuid.encode(order);
    bytes.extend(order.u32(u32::from(uuid.1)));
    bytes
}

/// Largest fragments either way, no association group yet.
fn fragment_sizes(order: ByteOrder) -> Vec<u8> {
    let mut bytes = [order.u16(5840), order.u16(5840)].concat();
    bytes.extend(order.u32(0));
    bytes
}

fn pdu(order: ByteOrder, kind: u8, call: u32, body: &[u8]) -> Vec<u8> {
    let representation = match order {
        ByteOrder::Little => 0x10,
        ByteOrder::Big => 0x00,
    };
    let mut bytes = vec![5, 0, kind, WHOLE, representation, 0, 0, 0];
    bytes.extend(order.u16(16 + body.len() as u16));
    bytes.extend(order.u16(0));
    bytes.extend(order.u32(call));
    bytes.extend(body);
    bytes
}

impl Recording {
    /// Asks the endpoint mapper on port 135 for an interface, in one connection.
    pub fn ept_map(
        &mut self,
        client: SocketAddr,
        server: Ipv4Addr,
        interface: Uuid,
        towers: &[Tower],
    ) {
        let order = ByteOrder::Little;
        let mut connection = Tcp::open(client, SocketAddr::new(server.into(), 135), self);
        connection.say(Side::Client, &bind(order, 1, Uuid::ENDPOINT_MAPPER), self);
        connection.say(Side::Server, &bind_ack(order, 1, "135"), self);
        connection.say(Side::Client, &ept_map_request(order, 2, interface), self);
        connection.say(Side::Server, &ept_map_response(order, 2, towers, 0), self);
        connection.close(self);
    }
}
