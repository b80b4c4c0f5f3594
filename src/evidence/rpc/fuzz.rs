//! What must hold of any packets.

use super::model::RpcBasis;
use super::{Found, Tracker};
use crate::decode::TcpFlags;
use crate::evidence::fuzz::Script;
use crate::net::Protocol;
use crate::observation::{LogEntry, LogKind};

/// Reads packets that any bytes describe, and panics where what is found contradicts itself or
/// names what no packet held.
pub(in crate::evidence) fn fuzz(data: &[u8]) {
    let script = Script::new(data);
    let log: Vec<LogEntry<'_>> = script.log().collect();
    let found = read(log.iter());
    bounded(&found, &log);
    named(&found, &log);

    // What came twice says no more than what came once.
    let twice = read(log.iter().flat_map(|entry| [entry, entry]));
    assert_eq!(twice.endpoints, found.endpoints);

    // Which end was heard first does not matter, where the same ports are not used again.
    let log: Vec<LogEntry<'_>> = log.into_iter().map(unopened).collect();
    let (up, down): (Vec<&LogEntry<'_>>, Vec<_>) = log
        .iter()
        .partition(|entry| entry.five_tuple.source.port >= entry.five_tuple.destination.port);
    let heard = read(log.iter());
    let client_first = read(up.iter().chain(&down).copied());
    let server_first = read(down.iter().chain(&up).copied());
    assert_eq!(heard.endpoints, client_first.endpoints);
    assert_eq!(heard.endpoints, server_first.endpoints);

    // Without room nothing is made up.
    let mut narrow = Tracker::with_room(1000);
    log.iter().for_each(|entry| narrow.observe(entry));
    named(&narrow.finish(), &log);
}

fn read<'a: 'e, 'e>(log: impl Iterator<Item = &'e LogEntry<'a>>) -> Found {
    let mut tracker = Tracker::default();
    for entry in log {
        tracker.observe(entry);
    }
    tracker.finish()
}

/// Each endpoint took bytes to name, and is found by its address and port.
fn bounded(found: &Found, log: &[LogEntry<'_>]) {
    let bytes: usize = log.iter().map(|entry| payload(entry).len()).sum();
    assert!(found.endpoints.len() * 12 <= 2 * bytes);
    assert!(found.limits.is_empty());
    assert!(found.endpoints.is_sorted_by_key(|endpoint| endpoint.first));
    for endpoint in &found.endpoints {
        let key = (endpoint.server, endpoint.port, endpoint.protocol);
        let strongest = &found.endpoints[found.ports[&key]];
        assert!(strongest.basis <= endpoint.basis);
        assert!(log.iter().any(|entry| entry.at == endpoint.first));
    }
}

/// A port stands in what the server sent, or is the one that was called.
fn named(found: &Found, log: &[LogEntry<'_>]) {
    let sent = |holds: &dyn Fn(u8) -> bool| {
        let mut answers = log
            .iter()
            .filter(|entry| entry.five_tuple.source.port == 135);
        answers.any(|entry| payload(entry).iter().any(|&byte| holds(byte)))
    };
    for endpoint in &found.endpoints {
        assert_ne!(endpoint.port, 0);
        match endpoint.basis {
            RpcBasis::Endpoint => {
                for part in endpoint.port.to_be_bytes() {
                    assert!(sent(&|byte| byte == part), "{endpoint:?}");
                }
            }
            RpcBasis::Binding => {
                for digit in endpoint.port.to_string().bytes() {
                    assert!(sent(&|byte| byte == digit), "{endpoint:?}");
                }
            }
            RpcBasis::Interface => {
                assert!(log.iter().any(|entry| {
                    entry.at == endpoint.first
                        && entry.five_tuple.destination.port == endpoint.port
                        && entry.five_tuple.protocol == endpoint.protocol
                }));
            }
        }
        assert!(matches!(endpoint.protocol, Protocol::Tcp | Protocol::Udp));
    }
}

fn payload<'a>(entry: &LogEntry<'a>) -> &'a [u8] {
    match entry.kind {
        LogKind::Datagram { payload, .. } | LogKind::Segment { payload, .. } => payload,
        LogKind::TftpRun(_) => &[],
    }
}

/// The same packet without SYN.
fn unopened(mut entry: LogEntry<'_>) -> LogEntry<'_> {
    if let LogKind::Segment { flags, .. } = &mut entry.kind {
        *flags = TcpFlags(TcpFlags::ACK);
    }
    entry
}
