//! Captures of any size, written as they are made in memory that does not grow with them. The
//! same options always give the same bytes, with as many packets and flows as asked for.

mod conversation;
mod frames;
mod hosts;
mod payload;
mod wire;

use std::io::{self, Write};

pub use frames::Frames;

use super::bytes::ByteOrder;
use super::container::{Pcap, Pcapng};
use super::link::Link;
use super::recording::Record;

/// What the capture looks like.
#[derive(Clone, Copy, Debug)]
pub struct Bulk {
    pub profile: Profile,
    pub packets: u64,
    /// Distinct flows; none means as many as the profile has in so many packets.
    pub flows: Option<u64>,
    /// Distinct clients; each opens connections to the site's servers again and again.
    pub clients: u32,
    pub seed: u64,
    /// Bytes kept of each frame; 0 keeps all.
    pub snaplen: usize,
    pub container: Container,
}

/// Who talks, and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// The border of a site: clients and their servers, most of it as the policy has it.
    Site,
    /// The same with downloads, so that many frames are full: up to 1514 bytes.
    Full,
    /// Few sources that try every port of a host and every host on a port, beside the site.
    Scan,
}

/// The file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    Pcap,
    Pcapng,
}

/// Bytes that are gathered before they are written.
const WRITE_BYTES: usize = 1 << 18;

impl Default for Bulk {
    fn default() -> Self {
        Self {
            profile: Profile::Site,
            packets: 100_000,
            flows: None,
            clients: 2_000,
            seed: 1,
            snaplen: 0,
            container: Container::Pcap,
        }
    }
}

impl Bulk {
    /// What is wrong with the options, if anything is.
    pub fn check(&self) -> Result<(), String> {
        let flows = self.flow_count();
        let most = u64::from(self.clients) * u64::from(hosts::CLIENT_PORTS);
        if self.clients == 0 || self.clients > hosts::MOST_CLIENTS {
            return Err(format!("clients: 1 to {}", hosts::MOST_CLIENTS));
        }
        if self.packets > 0 && !(1..=self.packets).contains(&flows) {
            return Err(format!(
                "{} packets make 1 to {0} flows, not {flows}",
                self.packets
            ));
        }
        if flows > most {
            return Err(format!(
                "{flows} flows are more than {} clients have ports for: {most}",
                self.clients
            ));
        }
        Ok(())
    }

    /// Flows of the capture.
    pub fn flow_count(&self) -> u64 {
        self.flows
            .unwrap_or_else(|| self.packets.div_ceil(self.profile.packets_per_flow()))
    }

    /// Writes the file; returns the frames written, which are exactly those asked for.
    pub fn write(&self, out: &mut impl Write) -> io::Result<u64> {
        let mut frames = self.frames();
        match self.container {
            Container::Pcap => {
                let format = Pcap::default();
                let mut file = format.header(Link::Ethernet.number());
                while let Some(record) = frames.next() {
                    format.record(record, &mut file);
                    if file.len() >= WRITE_BYTES {
                        out.write_all(&file)?;
                        file.clear();
                    }
                }
                out.write_all(&file)?;
            }
            Container::Pcapng => {
                let mut file = Pcapng::new(ByteOrder::Little);
                let interface = file.interface(Link::Ethernet.number(), 0, 9);
                while let Some(record) = frames.next() {
                    file.enhanced(interface, record);
                    if file.written().len() >= WRITE_BYTES {
                        out.write_all(file.written())?;
                        file.written().clear();
                    }
                }
                out.write_all(file.written())?;
            }
        }
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
        let mut frames = self.frames();
        while let Some(record) = frames.next() {
            all.push(record.clone());
        }
        all
    }

    /// The frames one by one. The options must pass `check`.
    pub fn frames(&self) -> Frames {
        self.check().expect("options that were checked");
        Frames::new(*self)
    }
}

impl Profile {
    pub const ALL: [Self; 3] = [Self::Site, Self::Full, Self::Scan];

    pub fn name(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Full => "full",
            Self::Scan => "scan",
        }
    }

    pub fn purpose(self) -> &'static str {
        match self {
            Self::Site => "clients and servers at the border of a site",
            Self::Full => "the same with downloads, frames up to 1514 bytes",
            Self::Scan => "port scans beside the site's traffic",
        }
    }

    fn packets_per_flow(self) -> u64 {
        match self {
            Self::Site => 17,
            Self::Full => 40,
            Self::Scan => 2,
        }
    }
}
