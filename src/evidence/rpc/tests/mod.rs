//! Conversations as servers and clients have them, built unit by unit.

mod answers;
mod binds;
mod datagrams;
mod segments;

use crate::evidence::testing::{Packets, address, at};
use crate::evidence::{Evidence, LearnedEndpoint, RpcBasis};
use crate::net::Protocol;
use crate::payload::Uuid;
use crate::payload::dce_rpc::{NDR, NDR64};
use crate::payload::dcom::build::bindings;
use crate::payload::endpoint_mapper::{INTERFACE, build};
use crate::payload::ndr::{ByteOrder, Width};

const CLIENT: u8 = 50;
const SERVER: u8 = 1;
const FIRST: u8 = 1;
const LAST: u8 = 2;

/// A unit with its header.
fn unit(order: ByteOrder, kind: u8, flags: u8, call_id: u32, body: &[u8]) -> Vec<u8> {
    let label = if order == ByteOrder::Little { 0x10 } else { 0 };
    let mut unit = vec![5, 0, kind, flags, label, 0, 0, 0];
    unit.extend(short(order, 16 + body.len() as u16));
    unit.extend([0, 0]);
    unit.extend(long(order, call_id));
    unit.extend(body);
    unit
}

fn short(order: ByteOrder, value: u16) -> [u8; 2] {
    match order {
        ByteOrder::Big => value.to_be_bytes(),
        ByteOrder::Little => value.to_le_bytes(),
    }
}

fn long(order: ByteOrder, value: u32) -> [u8; 4] {
    match order {
        ByteOrder::Big => value.to_be_bytes(),
        ByteOrder::Little => value.to_le_bytes(),
    }
}

fn identifier(order: ByteOrder, uuid: Uuid) -> [u8; 16] {
    match order {
        ByteOrder::Big => uuid.0,
        // Swapping the first three fields twice gives them back.
        ByteOrder::Little => Uuid::from_little_endian(uuid.0).0,
    }
}

fn bind(order: ByteOrder, interface: Uuid, syntax: Uuid) -> Vec<u8> {
    let mut body = vec![0; 8];
    body.extend([1, 0, 0, 0]);
    body.extend(short(order, 0));
    body.extend([1, 0]);
    body.extend(identifier(order, interface));
    body.extend(long(order, 3));
    body.extend(identifier(order, syntax));
    body.extend(long(order, 2));
    unit(order, 11, FIRST | LAST, 1, &body)
}

fn bind_ack(order: ByteOrder, syntax: Uuid) -> Vec<u8> {
    let mut body = vec![0; 8];
    body.extend(short(order, 4));
    body.extend(b"135\0\0\0");
    body.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    body.extend(identifier(order, syntax));
    body.extend(long(order, 2));
    unit(order, 12, FIRST | LAST, 1, &body)
}

fn request(order: ByteOrder, operation: u16) -> Vec<u8> {
    call(order, 2, operation)
}

fn call(order: ByteOrder, call_id: u32, operation: u16) -> Vec<u8> {
    let mut body = vec![0; 6];
    body.extend(short(order, operation));
    unit(order, 0, FIRST | LAST, call_id, &body)
}

/// The same unit with an authentication trailer of a level, and padding before it.
fn protected(order: ByteOrder, mut unit: Vec<u8>, level: u8) -> Vec<u8> {
    unit.extend([0xbb; 5]);
    unit.extend([10, level, 5, 0, 0, 0, 0, 0]);
    unit.extend([0xee; 16]);
    let length = unit.len() as u16;
    unit[8..10].copy_from_slice(&short(order, length));
    unit[10..12].copy_from_slice(&short(order, 16));
    unit
}

/// A response in fragments of `size` bytes of stub.
fn response(order: ByteOrder, stub: &[u8], size: usize) -> Vec<u8> {
    fragments(order, 2, stub, size).concat()
}

/// The fragments of a response to a call.
fn fragments(order: ByteOrder, call_id: u32, stub: &[u8], size: usize) -> Vec<Vec<u8>> {
    let count = stub.len().div_ceil(size);
    let fragment = |(index, part): (usize, &[u8])| {
        let first = if index == 0 { FIRST } else { 0 };
        let last = if index + 1 == count { LAST } else { 0 };
        let mut body = vec![0; 8];
        body.extend(part);
        unit(order, 2, first | last, call_id, &body)
    };
    stub.chunks(size).enumerate().map(fragment).collect()
}

fn stub(order: ByteOrder, width: Width) -> Vec<u8> {
    let towers = [
        build::tower(7, &49154_u16.to_be_bytes(), [0, 0, 0, 0]),
        build::tower(8, &50001_u16.to_be_bytes(), [127, 0, 0, 1]),
        build::tower(7, &49155_u16.to_be_bytes(), [10, 0, 0, 7]),
        build::tower(15, b"\\pipe\\lsass\0", [0, 0, 0, 0]),
    ];
    build::map(&towers, order, width)
}

fn collect(packets: &Packets) -> Evidence {
    Evidence::collect(packets.log(), &packets.end())
}

fn ports(endpoints: &[LearnedEndpoint]) -> Vec<(std::net::IpAddr, u16, Protocol)> {
    endpoints
        .iter()
        .map(|endpoint| (endpoint.server, endpoint.port, endpoint.protocol))
        .collect()
}

fn expected() -> Vec<(std::net::IpAddr, u16, Protocol)> {
    vec![
        (address(SERVER), 49154, Protocol::Tcp),
        (address(SERVER), 50001, Protocol::Udp),
        (address(7), 49155, Protocol::Tcp),
    ]
}
