//! tshark as an independent witness: the same frames, TCP and UDP flows, packets and bytes per
//! flow, gaps in TCP sequence numbers, for every real capture and for the fixtures.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use portolan::capture::sources;
use portolan::net::{Endpoint, Protocol, ServicePorts};
use portolan::observation::Observation;
use portolan::pipeline::{Options, observe};

use crate::support::shared::captures;
use crate::support::tshark::{Counts, Flows, is_installed, witness};

/// Layers that stand before the IP header and are not removed yet; tshark sees through them.
const NOT_REMOVED: [(&str, &str); 2] =
    [("mpls", "MPLS label stacks"), ("pppoes", "PPPoE sessions")];

/// Links that are decoded, by tshark's number.
const DECODED_LINKS: [(u16, &str); 7] = [
    (1, "Ethernet"),
    (7, "raw IP"),
    (15, "BSD loopback"),
    (25, "Linux cooked, version 1"),
    (129, "raw IPv4"),
    (130, "raw IPv6"),
    (210, "Linux cooked, version 2"),
];

/// Captures in which the two see different things: what the one line of difference says, and why
/// we keep it.
const DIFFERENT: [(&str, &str, &str); 3] = [
    (
        "ms-od__MS-WMOD_-captureALL__MS-WMOD_Example2_WS2016_X64_Win10_X64_Domain_Hagala.pcap",
        "[2008::1]:5985, [2008::65]:49760",
        "segments handed to the network card whole have the IPv6 length 0; tshark reads no TCP \
         in them, we do",
    ),
    (
        "pcapng-test-generator__basic__test018.pcapng",
        "4 frames, tshark 8",
        "tshark shows blocks that hold no packet as frames",
    ),
    (
        "pcapplusplus__PcapExamples__null_loopback.pcap",
        "10.0.0.1:58125, 10.0.0.138:53",
        "a loopback header with an EtherType in place of an address family, which tshark guesses",
    ),
];

/// Captures of which the two count other gaps: ours, tshark's, and why.
const OTHER_GAPS: [(&str, u64, u64, &str); 4] = [
    (
        "ms-od__MS-WMOD_-captureALL__MS-WMOD_Example2_WS2016_X64_Win10_X64_Domain_Hagala.pcap",
        0,
        5,
        "tshark misses the segments in which it reads no TCP",
    ),
    (
        "elcabezzonn__invoke-wmiexec.pcap",
        0,
        1,
        "tshark does not take a keep-alive for one where nothing was captured before it",
    ),
    (
        "elcabezzonn__start-service.pcap",
        0,
        1,
        "tshark does not take a keep-alive for one where nothing was captured before it",
    ),
    (
        "packetlife__packet-c.pcap",
        1,
        0,
        "ports used again, and one side's SYN is missing; tshark knows of the other side's",
    ),
];

#[test]
fn sees_the_flows_that_tshark_sees() {
    if !is_installed() {
        return;
    }
    let fixtures = [
        "boundary.pcapng",
        "clean.pcap",
        "pxe-good.pcap",
        "pxe-stalled.pcap",
    ];
    let fixtures = fixtures.map(|name| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures")
            .join(name)
    });
    let paths: Vec<PathBuf> = captures().into_iter().chain(fixtures).collect();
    let (next, differences) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    // tshark takes most of the time, a process for each capture: two at a time.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some(difference) = compare(path) {
                        let name = path.file_name().unwrap_or_default().to_string_lossy();
                        let mut differences =
                            differences.lock().unwrap_or_else(PoisonError::into_inner);
                        differences.insert(name.into_owned(), difference);
                    }
                }
            });
        }
    });
    let mut differences = differences
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    for (name, what, reason) in DIFFERENT {
        if !paths.iter().any(|path| path.ends_with(name)) {
            continue;
        }
        let difference = differences.remove(name).unwrap_or_default();
        assert!(
            difference.contains(what) && difference.lines().count() == 2,
            "{name} was to differ in \"{what}\" ({reason}) alone:\n{difference}"
        );
    }
    let report: Vec<String> = differences.into_values().collect();
    assert!(report.is_empty(), "{}", report.join("\n"));
}

/// What differs, in lines, if anything.
fn compare(path: &Path) -> Option<String> {
    let layers = NOT_REMOVED.map(|(layer, _)| layer);
    let follows = |link| DECODED_LINKS.iter().any(|(number, _)| *number == link);
    let theirs = witness(path, &layers, follows);
    let found = sources(&[path.to_owned()]).expect("the capture is there");
    let observation = observe(&found, &Options::default(), &mut |_| {});
    let ours = flows(&observation);

    let mut difference = String::new();
    let frames = observation.total().packets;
    if frames != theirs.frames {
        let _ = writeln!(difference, "  {frames} frames, tshark {}", theirs.frames);
    }
    let gaps = observation.continuity().sequence_gaps;
    let known = OTHER_GAPS.iter().any(|(name, mine, tshark, _)| {
        path.ends_with(name) && (*mine, *tshark) == (gaps, theirs.gaps)
    });
    if gaps != theirs.gaps && !known {
        let _ = writeln!(difference, "  {gaps} sequence gaps, tshark {}", theirs.gaps);
    }
    let mut keys: Vec<_> = ours.keys().chain(theirs.flows.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let (mine, tshark) = (ours.get(key), theirs.flows.get(key));
        if mine != tshark {
            let _ = writeln!(difference, "  {key:?}: {mine:?}, tshark {tshark:?}");
        }
    }
    (!difference.is_empty()).then(|| {
        let undecoded = observation.undecoded();
        let left_out = theirs.left_out;
        let name = path.display();
        format!("{name}: undecoded {undecoded:?}, left out {left_out:?}\n{difference}")
    })
}

/// TCP and UDP flows in the witness's terms.
fn flows(observation: &Observation) -> Flows {
    let socket = |end: Endpoint| SocketAddr::new(end.address, end.port);
    let mut flows = Flows::new();
    for flow in observation.flows(&ServicePorts::empty()) {
        let protocol = match flow.protocol {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::IcmpEcho | Protocol::IcmpOther | Protocol::Other(_) => continue,
        };
        let (initiator, responder) = (socket(flow.initiator), socket(flow.responder));
        let mut counts: Counts = [
            (flow.initiator_packets, flow.initiator_bytes),
            (flow.responder_packets, flow.responder_bytes),
        ];
        if initiator > responder {
            counts.reverse();
        }
        let key = (protocol, initiator.min(responder), initiator.max(responder));
        let before = flows.insert(key, counts);
        assert!(before.is_none(), "{key:?} stands twice in the flow table");
    }
    flows
}
