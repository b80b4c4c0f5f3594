//! A capture of any size, written as it is made: the traffic of one site as its border sees it.
//! The same options always give the same bytes.

use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::container::Pcap;
use super::link::Link;
use super::recording::{Record, Recording};
use super::rng::Rng;
use super::tcp::{Side, Tcp};
use super::tftp::Tftp;
use super::transport::flags;

/// What the capture looks like.
#[derive(Clone, Copy, Debug)]
pub struct Bulk {
    pub packets: u64,
    /// Distinct clients; each opens connections to the site's servers again and again.
    pub clients: u32,
    pub seed: u64,
    pub snaplen: usize,
}

impl Default for Bulk {
    fn default() -> Self {
        Self {
            packets: 100_000,
            clients: 2_000,
            seed: 1,
            snaplen: 0,
        }
    }
}

/// Conversations that run at the same time; their frames are interleaved.
const LANES: usize = 64;

/// Ports of the servers, more frequent ones more often.
const TCP_PORTS: [u16; 10] = [443, 443, 443, 80, 80, 445, 10123, 8530, 135, 3389];
const UDP_PORTS: [u16; 5] = [53, 53, 88, 389, 161];

impl Bulk {
    /// Writes a pcap file; returns the frames written, which are exactly those asked for.
    pub fn write(&self, out: &mut impl Write) -> io::Result<u64> {
        let format = Pcap::default();
        out.write_all(&format.header(Link::Ethernet.number()))?;
        let mut buffer = Vec::new();
        self.batches(|records| {
            for record in records {
                format.record(record, &mut buffer);
            }
            out.write_all(&buffer)?;
            buffer.clear();
            Ok(())
        })?;
        Ok(self.packets)
    }

    /// The whole file in memory.
    pub fn encode(&self) -> Vec<u8> {
        let mut file = Vec::new();
        self.write(&mut file).expect("a vector takes every byte");
        file
    }

    /// The frames of the file.
    pub fn records(&self) -> Vec<Record> {
        let mut all = Vec::new();
        self.batches(|records| {
            all.extend_from_slice(records);
            Ok(())
        })
        .expect("a vector takes every record");
        all
    }

    /// Hands over the frames as they are made, some at a time.
    fn batches(&self, mut take: impl FnMut(&[Record]) -> io::Result<()>) -> io::Result<()> {
        let mut left = self.packets;
        let mut rng = Rng::new(self.seed);
        let mut now_ns = Recording::new(Link::Ethernet).now_ns;
        while left > 0 {
            let batch = self.batch(&mut rng, now_ns);
            now_ns = batch.now_ns;
            let length = batch.records.len().min(left as usize);
            take(&batch.records[..length])?;
            left -= length as u64;
        }
        Ok(())
    }

    /// The conversations of every lane, in the order of time.
    fn batch(&self, rng: &mut Rng, now_ns: i64) -> Recording {
        let mut batch = Recording::new(Link::Ethernet);
        batch.now_ns = now_ns;
        for _ in 0..LANES {
            let mut lane = Recording::new(Link::Ethernet);
            lane.now_ns = now_ns + rng.below(500_000) as i64;
            self.conversation(rng, &mut lane);
            batch = batch.interleave(lane);
        }
        if self.snaplen > 0 {
            batch.cut(self.snaplen);
        }
        batch
    }

    fn conversation(&self, rng: &mut Rng, out: &mut Recording) {
        let number = rng.below(u64::from(self.clients)) as u32;
        let server = rng.below(20) as u8;
        let port = 49_152 + rng.below(16_384) as u16;
        let (client, server): (SocketAddr, _) = if rng.percent(10) {
            let client = Ipv6Addr::from(0x2001_0db8_0001_u128 << 80 | u128::from(number));
            let server = Ipv6Addr::from(0x2001_0db8_0000_u128 << 80 | u128::from(server));
            ((client, port).into(), server.into())
        } else {
            let client = Ipv4Addr::from(0x0a01_0000 + number);
            (
                (client, port).into(),
                Ipv4Addr::new(10, 0, 0, server).into(),
            )
        };
        match rng.below(100) {
            0..75 => {
                let server = SocketAddr::new(server, *rng.pick(&TCP_PORTS));
                self.connection(rng, Tcp::open(client, server, out), out);
            }
            75..95 => {
                let server = SocketAddr::new(server, *rng.pick(&UDP_PORTS));
                let (ask, answer) = (rng.below(80) as usize, rng.below(400) as usize);
                out.udp_exchange(
                    client,
                    server,
                    &rng.bytes(40 + ask),
                    &rng.bytes(60 + answer),
                );
            }
            95..97 => out.tcp_unanswered(client, SocketAddr::new(server, 8531), 1),
            97..99 => {
                let server = SocketAddr::new(server, 69);
                Tftp::new(
                    client,
                    server,
                    "boot/wdsmgfw.efi",
                    rng.below(20_000) as usize,
                )
                .run(out);
            }
            _ => out.echo(client.ip(), server, 2),
        }
    }

    fn connection(&self, rng: &mut Rng, mut connection: Tcp, out: &mut Recording) {
        for _ in 0..1 + rng.below(3) {
            let ask = 50 + rng.below(600) as usize;
            let answer = 200 + rng.below(12_000) as usize;
            connection.say(Side::Client, &rng.bytes(ask), out);
            connection.say(Side::Server, &rng.bytes(answer), out);
        }
        if rng.percent(90) {
            connection.close(out);
        } else {
            connection.send(Side::Client, flags::RST, &[], out);
        }
    }
}
