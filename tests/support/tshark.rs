//! What tshark says of a capture, frame by frame. Its conversation table is of no use here: it
//! counts reassembled datagrams.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};

/// The fields asked for, in the order of [`Frame`]'s.
const FIELDS: [&str; 17] = [
    "frame.len",
    "frame.encap_type",
    "frame.protocols",
    "ip.src",
    "ip.dst",
    "ip.id",
    "ip.frag_offset",
    "ipv6.src",
    "ipv6.dst",
    "ipv6.fraghdr.ident",
    "ipv6.fraghdr.offset",
    "tcp.srcport",
    "tcp.dstport",
    "udp.srcport",
    "udp.dstport",
    "tcp.analysis.lost_segment",
    "tcp.flags.syn",
];

/// Stands for a link that tshark has no number for.
const UNKNOWN_LINK: u16 = u16::MAX;

/// Packets and bytes sent by the smaller endpoint, then by the larger one.
pub type Counts = [(u64, u64); 2];

/// Flows by protocol number, smaller and larger endpoint.
pub type Flows = BTreeMap<(u8, SocketAddr, SocketAddr), Counts>;

/// What was seen in one capture.
#[derive(Debug, Default)]
pub struct Witness {
    pub frames: u64,
    pub flows: Flows,
    /// Segments before which tshark says that one was not captured. It says so of the SYN of
    /// another connection, too; those are left out.
    pub gaps: u64,
    /// Frames left out, by the layer for which they were.
    pub left_out: BTreeMap<String, u64>,
}

/// Whether tshark can be run; said on standard error where it can't.
///
/// # Panics
/// In CI, where it must be there.
pub fn is_installed() -> bool {
    let found = Command::new("tshark")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        assert!(std::env::var_os("CI").is_none(), "tshark is missing in CI");
        eprintln!("SKIPPED: tshark is not installed");
    }
    found
}

/// Reads a capture through tshark. Frames with one of the layers of `leave_out` before their
/// outermost IP header, or captured on a link whose number `follows` refuses, are counted but
/// belong to no flow.
pub fn witness(capture: &Path, leave_out: &[&str], follows: impl Fn(u16) -> bool) -> Witness {
    let mut command = Command::new("tshark");
    command.args(["-n", "-T", "fields", "-E", "occurrence=f", "-r"]);
    command.arg(capture);
    for preference in [
        "ip.defragment:FALSE",
        "ipv6.defragment:FALSE",
        "tcp.desegment_tcp_streams:FALSE",
    ] {
        command.args(["-o", preference]);
    }
    for field in FIELDS {
        command.args(["-e", field]);
    }
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("tshark was found");
    let output = BufReader::new(child.stdout.take().expect("it is piped"));
    let frames: Vec<Frame> = output
        .lines()
        .map(|line| Frame::parse(&line.expect("tshark writes text")))
        .collect();
    let status = child.wait().expect("tshark was started");
    assert!(status.success(), "tshark failed on {}", capture.display());
    gather(&frames, leave_out, follows)
}

fn gather(frames: &[Frame], leave_out: &[&str], follows: impl Fn(u16) -> bool) -> Witness {
    let mut seen = Witness {
        frames: frames.len() as u64,
        ..Witness::default()
    };
    // A fragment belongs to the flow of the one that begins its datagram.
    let mut beginnings: BTreeMap<Datagram, (u8, SocketAddr, SocketAddr)> = BTreeMap::new();
    let mut rest = Vec::new();
    for frame in frames {
        if !follows(frame.encapsulation) {
            let link = format!("encapsulation {}", frame.encapsulation);
            *seen.left_out.entry(link).or_default() += 1;
            continue;
        }
        if let Some(layer) = frame.first_of(leave_out) {
            *seen.left_out.entry(layer.to_owned()).or_default() += 1;
            continue;
        }
        if let Some(tuple) = frame.tuple() {
            seen.add(tuple, frame.length);
            seen.gaps += u64::from(tuple.0 == 6 && frame.follows_gap);
            if let Some(datagram) = frame.datagram() {
                beginnings.insert(datagram, tuple);
            }
        } else if frame.fragment_offset > 0 {
            rest.push(frame);
        }
    }
    for frame in rest {
        let tuple = frame.datagram().and_then(|key| beginnings.get(&key));
        if let Some(tuple) = tuple {
            seen.add(*tuple, frame.length);
        }
    }
    seen
}

impl Witness {
    fn add(&mut self, tuple: (u8, SocketAddr, SocketAddr), length: u64) {
        let (protocol, from, to) = tuple;
        let side = usize::from(from > to);
        let key = (protocol, from.min(to), from.max(to));
        let (packets, bytes) = &mut self.flows.entry(key).or_default()[side];
        *packets += 1;
        *bytes += length;
    }
}

/// Source, destination, identification.
type Datagram = (IpAddr, IpAddr, String);

/// One line of tshark's answer.
#[derive(Debug)]
struct Frame {
    length: u64,
    encapsulation: u16,
    layers: Vec<String>,
    addresses: Option<(IpAddr, IpAddr)>,
    identification: String,
    fragment_offset: u32,
    tcp: Option<(u16, u16)>,
    udp: Option<(u16, u16)>,
    follows_gap: bool,
}

impl Frame {
    fn parse(line: &str) -> Self {
        let mut fields: Vec<&str> = line.split('\t').collect();
        fields.resize(FIELDS.len(), "");
        let layers: Vec<String> = fields[2].split(':').map(str::to_owned).collect();
        let version_6 = layers
            .iter()
            .find(|layer| is_ip(layer))
            .is_some_and(|layer| layer == "ipv6");
        // The outermost IP header decides; an inner one fills the other family's fields.
        let at = if version_6 { 7 } else { 3 };
        let pair =
            |index: usize| Some((fields[index].parse().ok()?, fields[index + 1].parse().ok()?));
        Self {
            length: fields[0].parse().expect("every frame has a length"),
            encapsulation: fields[1].parse().unwrap_or(UNKNOWN_LINK),
            addresses: fields[at].parse().ok().zip(fields[at + 1].parse().ok()),
            identification: fields[at + 2].to_owned(),
            fragment_offset: fields[at + 3].parse().unwrap_or(0),
            tcp: pair(11),
            udp: pair(13),
            follows_gap: !fields[15].is_empty() && !matches!(fields[16], "1" | "True"),
            layers,
        }
    }

    /// The first of these layers before the outermost IP header.
    fn first_of<'a>(&self, layers: &[&'a str]) -> Option<&'a str> {
        let before_ip = self.layers.iter().take_while(|layer| !is_ip(layer));
        let mut named = before_ip.filter_map(|layer| layers.iter().find(|name| *name == layer));
        named.next().copied()
    }

    /// Protocol, sender and receiver, where TCP or UDP follows the outermost IP header.
    fn tuple(&self) -> Option<(u8, SocketAddr, SocketAddr)> {
        let mut layers = self.layers.iter().skip_while(|layer| !is_ip(layer)).skip(1);
        let transport = layers.find(|layer| !layer.starts_with("ipv6."))?;
        let (protocol, (from, to)) = match transport.as_str() {
            "tcp" => (6, self.tcp?),
            "udp" => (17, self.udp?),
            _ => return None,
        };
        let (source, destination) = self.addresses?;
        Some((
            protocol,
            SocketAddr::new(source, from),
            SocketAddr::new(destination, to),
        ))
    }

    fn datagram(&self) -> Option<Datagram> {
        let (source, destination) = self.addresses?;
        let identified = !self.identification.is_empty();
        identified.then(|| (source, destination, self.identification.clone()))
    }
}

fn is_ip(layer: &str) -> bool {
    layer == "ip" || layer == "ipv6"
}
