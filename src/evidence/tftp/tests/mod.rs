//! Transfers packet by packet.

mod forms;
mod joined;
mod missing;
mod properties;

use crate::evidence::testing::{Input, Packets, at};
use crate::evidence::{Evidence, Transfer};
use crate::net::Endpoint;

const CLIENT: u8 = 50;
const SERVER: u8 = 1;

/// Both ends of one transfer, sending into a capture.
struct Peers<'p> {
    packets: &'p mut Packets,
    client: Endpoint,
    server: Endpoint,
}

impl<'p> Peers<'p> {
    fn new(packets: &'p mut Packets, server_port: u16) -> Self {
        Self {
            packets,
            client: at(CLIENT, 2000),
            server: at(SERVER, server_port),
        }
    }

    fn request(&mut self, bytes: &[u8]) -> &mut Self {
        self.packets.udp(self.client, at(SERVER, 69), bytes);
        self
    }

    fn client_sends(&mut self, bytes: &[u8]) -> &mut Self {
        self.packets.udp(self.client, self.server, bytes);
        self
    }

    fn server_sends(&mut self, bytes: &[u8]) -> &mut Self {
        self.packets.udp(self.server, self.client, bytes);
        self
    }

    /// A read of `bytes`, a block at a time, every `window` blocks acknowledged.
    fn read(&mut self, bytes: usize, size: usize, window: usize) -> &mut Self {
        let last = bytes / size + 1;
        for block in 1..=last {
            let length = if block == last { bytes % size } else { size };
            self.server_sends(&data(block as u16, length));
            if block % window == 0 || block == last {
                self.client_sends(&ack(block as u16));
            }
        }
        self
    }
}

fn data(block: u16, length: usize) -> Vec<u8> {
    let mut bytes = vec![0, 3];
    bytes.extend(block.to_be_bytes());
    bytes.resize(4 + length, b'x');
    bytes
}

fn ack(block: u16) -> Vec<u8> {
    let mut bytes = vec![0, 4];
    bytes.extend(block.to_be_bytes());
    bytes
}

fn collect(packets: &Packets, input: &Input) -> Vec<Transfer> {
    Evidence::collect(packets.log(), input).tftp
}

fn one(packets: &Packets) -> Transfer {
    let [transfer] = <[_; 1]>::try_from(collect(packets, &packets.end())).expect("one transfer");
    transfer
}

const PLAIN: &[u8] = b"\0\x01med.bin\0octet\0";
const OPTIONS: &[u8] = b"\0\x01med.bin\0octet\0tsize\x000\0blksize\x001428\0";
