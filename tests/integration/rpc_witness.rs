//! RPC endpoints of real captures: what tshark's dissectors show, and what the peers' own logs say.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use portolan::capture::sources;
use portolan::evidence::{Evidence, RpcBasis};
use portolan::net::Protocol;
use portolan::pipeline::{Options, observe};

use crate::support::shared::shared;
use crate::support::tshark::is_installed;

/// Who answered, and a port that it named.
type Named = BTreeSet<(IpAddr, u16)>;

const FIELDS: [&str; 6] = [
    "ip.src",
    "ipv6.src",
    "epm.proto.tcp_port",
    "epm.proto.udp_port",
    "dcom.dualstringarray.network_addr",
    "frame.number",
];

/// What answers from port 135 name, by tshark.
#[derive(Debug, Default)]
struct Witness {
    tcp: Named,
    udp: Named,
    bindings: Named,
}

fn witness(capture: &Path) -> Witness {
    let mut command = Command::new("tshark");
    command.args(["-n", "-T", "fields", "-E", "aggregator=,", "-r"]);
    command.arg(capture);
    command.args(["-Y", "tcp.srcport == 135 || udp.srcport == 135"]);
    for field in FIELDS {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark was found");
    assert!(output.status.success(), "{}", capture.display());
    let text = String::from_utf8(output.stdout).expect("tshark writes text");
    let mut seen = Witness::default();
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let server = fields[0].parse().or_else(|_| fields[1].parse());
        let server = server.expect("a frame of IP has an address");
        let ports = |field: &str| -> Vec<u16> {
            let ports = field.split(',').filter_map(|port| port.parse().ok());
            ports.filter(|port| *port != 0).collect()
        };
        // `host[port]`; pipes have a name in place of the port.
        let bound = fields[4].split(',').filter_map(|text| {
            let (_, port) = text.strip_suffix(']')?.rsplit_once('[')?;
            port.parse().ok()
        });
        seen.tcp
            .extend(ports(fields[2]).iter().map(|port| (server, *port)));
        seen.udp
            .extend(ports(fields[3]).iter().map(|port| (server, *port)));
        seen.bindings.extend(bound.map(|port: u16| (server, port)));
    }
    seen
}

fn evidence(capture: &Path) -> Evidence {
    let found = sources(&[capture.to_owned()]).expect("the capture is there");
    let observation = observe(&found, &Options::default(), &mut |_| {});
    Evidence::collect(observation.log(), &observation)
}

/// What is learned on port 135 is what tshark shows there, to the port.
fn compare(capture: &Path) -> Witness {
    let theirs = witness(capture);
    let ours = evidence(capture);
    let name = capture.display();
    for (named, protocol, basis) in [
        (&theirs.tcp, Protocol::Tcp, RpcBasis::Endpoint),
        (&theirs.udp, Protocol::Udp, RpcBasis::Endpoint),
        (&theirs.bindings, Protocol::Tcp, RpcBasis::Binding),
    ] {
        for (server, port) in named {
            let learned = ours.learned(*server, *port, protocol);
            assert!(
                learned.is_some_and(|learned| learned.basis <= basis),
                "{name}: {server} {protocol}/{port}, learned {learned:?}"
            );
        }
        let ports: BTreeSet<u16> = named.iter().map(|(_, port)| *port).collect();
        for learned in &ours.rpc {
            assert!(
                (learned.basis, learned.protocol) != (basis, protocol)
                    || ports.contains(&learned.port),
                "{name}: {learned:?}, tshark {ports:?}"
            );
        }
    }
    theirs
}

/// Captures whose features in the index hold one of these, the malformed left out.
fn indexed(features: &[&str]) -> Vec<PathBuf> {
    let Some(index) = shared("captures/INDEX.tsv") else {
        return Vec::new();
    };
    let text = std::fs::read_to_string(&index).expect("the index is text");
    let folder = index.parent().expect("it lies in a folder");
    let files = text.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        let mut own = fields.last()?.split(',');
        let is_wanted = own.any(|feature| features.contains(&feature));
        (is_wanted && !fields[0].starts_with("malformed/")).then(|| folder.join(fields[0]))
    });
    files.collect()
}

#[test]
fn learns_every_port_that_endpoint_mappers_name() {
    if !is_installed() {
        return;
    }
    let captures = indexed(&["rpc-epm", "epm-map", "epm-lookup", "epm-tcp-tower"]);
    let mut towers = 0;
    for capture in &captures {
        towers += compare(capture).tcp.len();
    }
    if !captures.is_empty() {
        assert!(
            captures.len() >= 19 && towers >= 30,
            "{} {towers}",
            captures.len()
        );
    }
}

#[test]
fn learns_every_port_that_string_bindings_name() {
    if !is_installed() {
        return;
    }
    let captures = indexed(&["dcom-remote-activation", "dcom-oxid-resolver"]);
    let mut bindings = 0;
    for capture in &captures {
        bindings += compare(capture).bindings.len();
    }
    if !captures.is_empty() {
        assert!(
            captures.len() >= 9 && bindings >= 7,
            "{} {bindings}",
            captures.len()
        );
    }
}

/// The client asked the endpoint mapper for interfaces by name, and wrote down what it was told;
/// the server's kernel counted the flows that reached it.
#[test]
fn learns_what_the_peers_of_the_lab_wrote_down() {
    let Some(index) = shared("captures/lab/INDEX-rpc.tsv") else {
        return;
    };
    let text = std::fs::read_to_string(&index).expect("the index is text");
    let mut asked = 0;
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let capture = index.with_file_name(fields[0]);
        let server: IpAddr = fields[3].parse().expect("the server's address");
        let found = evidence(&capture);
        let listeners = fields[4]
            .split(',')
            .map(|port| port.parse().expect("a port"));
        let listeners: BTreeSet<u16> = listeners.collect();
        for answer in fields[5].split("; ") {
            let (name, told) = answer.split_once('=').expect("an interface and a port");
            let Ok(port) = told.split(':').next().unwrap_or_default().parse::<u16>() else {
                continue;
            };
            asked += 1;
            let mut endpoints = found.rpc.iter();
            assert!(
                endpoints.any(|endpoint| {
                    (endpoint.server, endpoint.port, endpoint.name) == (server, port, Some(name))
                        && endpoint.basis == RpcBasis::Endpoint
                }),
                "{}: {answer}: {:?}",
                fields[0],
                found.rpc
            );
        }
        for endpoint in &found.rpc {
            assert!(listeners.contains(&endpoint.port), "{endpoint:?}");
        }
        for flow in fields[6].split(", ") {
            let port = flow.trim_start_matches("tcp/").split('x').next();
            let port: u16 = port.and_then(|port| port.parse().ok()).expect("a port");
            let learned = found.learned(server, port, Protocol::Tcp);
            assert!(port == 135 || learned.is_some(), "{}: {flow}", fields[0]);
        }
    }
    assert!(asked >= 10, "{asked}");
}
