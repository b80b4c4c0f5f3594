//! A capture in the making: frames, and the clock that stamps them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::ip::{Ip, packet};
use super::link::Link;
use super::transport::{ICMP, ICMPV6, Segment, TCP, UDP, echo, flags, icmp_error, tcp, udp};

/// Time between two frames where nothing else is said: half a millisecond.
const TICK_NS: i64 = 500_000;

/// A frame with its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Nanoseconds since 1970.
    pub time_ns: i64,
    pub link_type: u16,
    /// Bytes on the wire; more than `bytes` holds where it was cut.
    pub wire_length: u32,
    pub bytes: Vec<u8>,
}

/// Frames of one link in the order of their time.
#[derive(Clone, Debug)]
pub struct Recording {
    pub link: Link,
    pub now_ns: i64,
    pub records: Vec<Record>,
    /// Time to live by sender, as seen where the capture is made; 64 where it is not said.
    pub ttls: BTreeMap<IpAddr, u8>,
}

impl Recording {
    /// Begins on 2021-03-01T08:00:00Z, so that fixtures have a date.
    pub fn new(link: Link) -> Self {
        Self {
            link,
            now_ns: 1_614_585_600_000_000_000,
            records: Vec::new(),
            ttls: BTreeMap::new(),
        }
    }

    pub fn wait_ms(&mut self, milliseconds: i64) {
        self.now_ns += milliseconds * 1_000_000;
    }

    /// Adds a frame as it is.
    pub fn frame(&mut self, bytes: Vec<u8>) {
        self.records.push(Record {
            time_ns: self.now_ns,
            link_type: self.link.number(),
            wire_length: bytes.len() as u32,
            bytes,
        });
        self.now_ns += TICK_NS;
    }

    /// Adds an IP packet.
    pub fn packet(&mut self, packet: &[u8]) {
        self.frame(self.link.frame(packet));
    }

    pub fn tcp(&mut self, from: SocketAddr, to: SocketAddr, segment: Segment<'_>) {
        self.ip(from.ip(), to.ip(), TCP, &tcp(from, to, segment));
    }

    pub fn udp(&mut self, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        self.ip(from.ip(), to.ip(), UDP, &udp(from, to, payload));
    }

    /// A question and its answer.
    pub fn udp_exchange(&mut self, from: SocketAddr, to: SocketAddr, ask: &[u8], answer: &[u8]) {
        self.udp(from, to, ask);
        self.udp(to, from, answer);
    }

    pub fn echo(&mut self, from: IpAddr, to: IpAddr, count: u16) {
        for sequence in 1..=count {
            self.icmp(from, to, &echo(from, to, false, sequence));
            self.icmp(to, from, &echo(to, from, true, sequence));
        }
    }

    /// An ICMP message made by `encode`.
    pub fn icmp(&mut self, from: IpAddr, to: IpAddr, message: &[u8]) {
        let protocol = if from.is_ipv4() { ICMP } else { ICMPV6 };
        self.ip(from, to, protocol, message);
    }

    fn ip(&mut self, from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8]) {
        let mut packet = Ip::new(from, to, protocol, payload);
        if let Some(ttl) = self.ttls.get(&from) {
            packet.ttl = *ttl;
        }
        self.packet(&packet.encode());
    }

    /// Adds what `add` does, with that time to live in what `sender` sends.
    pub fn with_ttl(&mut self, sender: IpAddr, ttl: u8, add: impl FnOnce(&mut Self)) {
        let usual = self.ttls.insert(sender, ttl);
        add(self);
        match usual {
            Some(usual) => self.ttls.insert(sender, usual),
            None => self.ttls.remove(&sender),
        };
    }

    /// `reporter` answers a UDP datagram with "port unreachable".
    pub fn udp_unreachable(&mut self, from: SocketAddr, to: SocketAddr, reporter: IpAddr) {
        let datagram = packet(from.ip(), to.ip(), UDP, &udp(from, to, b"anyone?"));
        self.packet(&datagram);
        let said = if from.is_ipv4() { (3, 3) } else { (1, 4) };
        self.icmp_error(reporter, from.ip(), said, &datagram);
    }

    /// `reporter` answers an opening with an ICMP error of this type and code.
    pub fn tcp_unreachable(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        reporter: IpAddr,
        said: (u8, u8),
    ) {
        let syn = Segment {
            flags: flags::SYN,
            ..Segment::default()
        };
        self.tcp(from, to, syn);
        let quoted = packet(from.ip(), to.ip(), TCP, &tcp(from, to, syn));
        self.icmp_error(reporter, from.ip(), said, &quoted);
    }

    fn icmp_error(&mut self, from: IpAddr, to: IpAddr, (kind, code): (u8, u8), quoted: &[u8]) {
        self.icmp(from, to, &icmp_error(from, to, kind, code, quoted));
    }

    /// Cuts every frame so far to `snaplen` bytes.
    pub fn cut(&mut self, snaplen: usize) {
        for record in &mut self.records {
            record.bytes.truncate(snaplen);
        }
    }

    /// Both recordings as one, in the order of time.
    pub fn interleave(mut self, other: Self) -> Self {
        self.records.extend(other.records);
        self.records.sort_by_key(|record| record.time_ns);
        self.now_ns = self.now_ns.max(other.now_ns);
        self
    }
}
