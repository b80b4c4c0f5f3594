//! What packets carry: pieces of a pool whose sums are known, so that a checksum costs the same for
//! any length, and messages that are always the same.

use std::net::Ipv4Addr;
use std::sync::LazyLock;

use super::super::bytes::ByteOrder;
use super::super::rng::Rng;
use super::super::rpc::{Tower, Uuid, bind, bind_ack, ept_map_request, ept_map_response};
use super::super::tcp::SEGMENT_BYTES;
use super::super::tftp;
use super::hosts::RPC_PORT;

/// Where random payload may begin in the pool.
const POOL_STARTS: u64 = 8_192;
const POOL_BYTES: usize = 2 * POOL_STARTS as usize + SEGMENT_BYTES;

/// What a packet carries.
#[derive(Clone, Copy, Debug)]
pub enum Payload {
    None,
    Random(Piece),
    /// TFTP: opcode and block number, then data.
    Block([u8; 4], Piece),
    Message(Message),
}

/// A piece of the pool; it begins at an even offset.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    start: u16,
    length: u16,
}

/// Messages that are always the same.
#[derive(Clone, Copy, Debug)]
pub enum Message {
    ReadRequest,
    Bind,
    BindAck,
    MapRequest,
    MapResponse,
}

impl Payload {
    /// Bytes that no protocol begins with, at most a segment of them.
    pub fn random(length: usize, rng: &mut Rng) -> Self {
        Self::Random(Piece::new(length, rng))
    }

    pub fn block(number: u16, length: usize, rng: &mut Rng) -> Self {
        let [high, low] = number.to_be_bytes();
        Self::Block([0, 3, high, low], Piece::new(length, rng))
    }

    pub fn acknowledgment(number: u16) -> Self {
        let [high, low] = number.to_be_bytes();
        let nothing = Piece {
            start: 0,
            length: 0,
        };
        Self::Block([0, 4, high, low], nothing)
    }

    pub fn length(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Random(piece) => usize::from(piece.length),
            Self::Block(head, piece) => head.len() + usize::from(piece.length),
            Self::Message(message) => message.bytes().len(),
        }
    }
}

impl Piece {
    fn new(length: usize, rng: &mut Rng) -> Self {
        Self {
            start: 2 * rng.below(POOL_STARTS) as u16,
            length: length.min(SEGMENT_BYTES) as u16,
        }
    }
}

impl Message {
    pub fn bytes(self) -> &'static [u8] {
        static MESSAGES: LazyLock<[Vec<u8>; 5]> = LazyLock::new(|| {
            let order = ByteOrder::Little;
            let tower = Tower {
                interface: Uuid::WINREG,
                port: RPC_PORT,
                address: Ipv4Addr::UNSPECIFIED,
            };
            [
                tftp::read_request("boot/wdsmgfw.efi", &[]),
                bind(order, 1, Uuid::ENDPOINT_MAPPER),
                bind_ack(order, 1, "135"),
                ept_map_request(order, 2, Uuid::WINREG),
                ept_map_response(order, 2, &[tower], 0),
            ]
        });
        &MESSAGES[self as usize]
    }
}

/// Random bytes.
pub struct Pool {
    bytes: Vec<u8>,
    /// Sum of the words before each word.
    sums: Vec<u32>,
}

impl Pool {
    pub fn new(rng: &mut Rng) -> Self {
        let mut bytes = rng.bytes(POOL_BYTES);
        // No message that a tracker reads begins with such a byte.
        bytes.iter_mut().for_each(|byte| *byte |= 0x80);
        let words = bytes.chunks_exact(2).map(word);
        let sums = std::iter::once(0).chain(words.scan(0, |sum, word| {
            *sum += word;
            Some(*sum)
        }));
        Self {
            sums: sums.collect(),
            bytes,
        }
    }

    pub fn piece(&self, piece: Piece) -> &[u8] {
        &self.bytes[usize::from(piece.start)..][..usize::from(piece.length)]
    }

    /// Sum of the words of a piece, padded with a zero byte where its length is odd.
    pub fn sum(&self, piece: Piece) -> u32 {
        let start = usize::from(piece.start) / 2;
        let end = start + usize::from(piece.length) / 2;
        let sum = self.sums[end] - self.sums[start];
        match self.piece(piece) {
            [.., last] if piece.length % 2 == 1 => sum + (u32::from(*last) << 8),
            _ => sum,
        }
    }
}

/// Sum of the 16-bit words.
pub fn words(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(word).sum()
}

fn word(pair: &[u8]) -> u32 {
    u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |byte| u32::from(*byte))
}
