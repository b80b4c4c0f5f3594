//! What holds whatever is lost, repeated, delayed, cut or made up.

use proptest::prelude::*;

use super::*;
use crate::evidence::testing::{Sent, address};
use crate::evidence::{TransferOperation, TransferOutcome};
use crate::payload::tftp::Tftp;

/// A transfer as it really went.
#[derive(Clone, Debug)]
struct Truth {
    client: Endpoint,
    server: Endpoint,
    operation: TransferOperation,
    /// Block size asked for, and granted: none where the server leaves it at 512.
    asked: Option<usize>,
    granted: Option<usize>,
    window: usize,
    bytes: usize,
    /// Blocks after which an end stopped for good; more than there are where none did.
    stops_after: usize,
}

impl Truth {
    fn size(&self) -> usize {
        self.granted.unwrap_or(512)
    }

    fn blocks(&self) -> usize {
        self.bytes / self.size() + 1
    }

    fn is_whole(&self) -> bool {
        self.stops_after >= self.blocks()
    }

    /// Every packet as it was sent.
    fn packets(&self) -> Vec<Sent> {
        let mut sent: Vec<Sent> = Vec::new();
        let (client, server) = (self.client, self.server);
        let mut send = |from: Endpoint, to: Endpoint, bytes: Vec<u8>| {
            let length = bytes.len() as u32;
            sent.push((from, to, bytes, length));
        };
        let (opcode, sender, receiver) = match self.operation {
            TransferOperation::Read => (1, server, client),
            TransferOperation::Write => (2, client, server),
        };
        let options = |size: Option<usize>| {
            let size = size.map(|size| format!("blksize\0{size}\0"));
            let window = (self.window > 1).then(|| format!("windowsize\0{}\0", self.window));
            [size, window].into_iter().flatten().collect::<String>()
        };
        let file = format!("{}\0octet\0", server.port);
        let mut request = [&[0, opcode], file.as_bytes()].concat();
        request.extend(options(self.asked).bytes());
        send(client, Endpoint::new(server.address, 69), request);
        let granted = options(self.granted);
        if !granted.is_empty() {
            send(server, client, [&[0, 6], granted.as_bytes()].concat());
        }
        match self.operation {
            TransferOperation::Read if !granted.is_empty() => send(client, server, ack(0)),
            TransferOperation::Write if granted.is_empty() => send(server, client, ack(0)),
            _ => {}
        }
        let blocks = self.blocks();
        for block in 1..=blocks.min(self.stops_after) {
            let length = match block == blocks {
                true => self.bytes % self.size(),
                false => self.size(),
            };
            send(sender, receiver, data(block as u16, length));
            if block % self.window == 0 || block == blocks {
                send(receiver, sender, ack(block as u16));
            }
        }
        sent
    }

    /// Whether the last block and its acknowledgment are among packets between its ends.
    fn shows_its_end(&self, packets: &[Sent]) -> bool {
        let last = self.blocks() as u16;
        let ends = [self.client, self.server];
        let has = |wanted: fn(&Tftp<'_>, u16) -> bool| {
            packets.iter().any(|(from, to, bytes, length)| {
                ends.contains(from)
                    && ends.contains(to)
                    && Tftp::parse(bytes, *length).is_ok_and(|packet| wanted(&packet, last))
            })
        };
        has(|packet, last| matches!(packet, Tftp::Data { block, .. } if *block == last))
            && has(
                |packet, last| matches!(packet, Tftp::Acknowledgment { block, .. } if *block == last),
            )
    }
}

fn truth() -> impl Strategy<Value = Truth> {
    let sizes = prop::sample::select(vec![
        (None, None),
        (Some(16), Some(16)),
        (Some(16), None),
        (Some(600), Some(600)),
        (Some(600), Some(520)),
        (Some(1428), None),
    ]);
    let client = prop::sample::select(vec![2000, 2001]);
    let whole = (0_usize..12, 0_usize..700);
    let stops = prop_oneof![2 => Just(usize::MAX), 1 => 0_usize..12];
    let all = (any::<bool>(), client, sizes, 1_usize..5, whole, stops);
    all.prop_map(
        |(reads, client, (asked, granted), window, (whole, rest), stops_after)| {
            let size = granted.unwrap_or(512);
            Truth {
                client: at(CLIENT, client),
                server: at(SERVER, 69),
                operation: match reads {
                    true => TransferOperation::Read,
                    false => TransferOperation::Write,
                },
                asked,
                granted,
                window,
                bytes: whole * size + rest % size,
                stops_after,
            }
        },
    )
}

/// Several, between ports that no two of them share. The first may be answered from port 69.
fn truths() -> impl Strategy<Value = Vec<Truth>> {
    prop::collection::vec(truth(), 1..4).prop_map(|mut truths| {
        for (n, truth) in (0..).zip(&mut truths) {
            if n > 0 || truth.window > 1 {
                truth.server.port = 40_000 + n;
            }
        }
        truths
    })
}

/// What a bad capture makes of packets: of each, whether it is lost, shown twice, moved, cut.
fn spoil(mut packets: Vec<Sent>, faults: &[u8]) -> Vec<Sent> {
    for (index, fault) in faults.iter().enumerate().rev() {
        if index >= packets.len() {
            continue;
        }
        match fault {
            0..=2 => drop(packets.remove(index)),
            3 => packets.insert(index, packets[index].clone()),
            4 | 5 => {
                let moved = packets.remove(index);
                packets.insert((index + usize::from(*fault)).min(packets.len()), moved);
            }
            6 => packets[index].2.truncate(5),
            7 => packets[index].2.truncate(20),
            8 => packets.truncate(index + 1),
            _ => {}
        }
    }
    packets
}

proptest! {
    #[test]
    fn a_good_capture_tells_the_truth(truths in truths()) {
        let mut packets = Packets::default();
        for truth in &truths {
            for (from, to, bytes, _) in truth.packets() {
                packets.udp(from, to, &bytes);
            }
        }
        packets.wait(60_000);
        let transfers = collect(&packets, &packets.end());
        prop_assert_eq!(transfers.len(), truths.len());
        for (transfer, truth) in transfers.iter().zip(&truths) {
            prop_assert_eq!(transfer.client, truth.client);
            prop_assert_eq!(transfer.operation, truth.operation);
            prop_assert_eq!(transfer.missing_blocks, 0);
            // One block without an answer to the size asked for: it may be a short one of that size.
            let is_unclear = truth.operation == TransferOperation::Read
                && truth.window == 1
                && truth.granted.is_none()
                && truth.asked.is_some()
                && truth.blocks().min(truth.stops_after) == 1;
            if is_unclear && transfer.outcome == TransferOutcome::Open {
                continue;
            }
            let ended = [TransferOutcome::Stalled, TransferOutcome::Unanswered];
            if !truth.is_whole() {
                prop_assert!(ended.contains(&transfer.outcome), "{:?}", transfer);
                continue;
            }
            prop_assert_eq!(transfer.outcome, TransferOutcome::Complete);
            prop_assert_eq!(transfer.server, truth.server);
            let counted = (transfer.bytes, transfer.blocks, transfer.retransmitted_blocks);
            prop_assert_eq!(counted, (truth.bytes as u64, truth.blocks() as u64, 0));
        }
    }

    #[test]
    fn a_bad_capture_never_makes_a_transfer_complete(
        truths in truths(),
        faults in prop::collection::vec(prop::collection::vec(0_u8..40, 0..40), 3),
        cuts in prop::collection::vec(1_u64..100, 0..6),
    ) {
        let mut packets = Packets::cut_before(cuts);
        for (truth, faults) in truths.iter().zip(&faults) {
            for (from, to, bytes, length) in spoil(truth.packets(), faults) {
                packets.udp_cut(from, to, &bytes, length);
            }
        }
        packets.wait(60_000);
        let evidence = Evidence::collect(packets.log(), &packets.end());
        let requested = evidence.tftp.iter().map(|transfer| {
            let ends = (transfer.client, transfer.server);
            (ends, transfer.outcome, transfer.bytes, transfer.blocks)
        });
        let joined = evidence.tftp_joined.iter().map(|transfer| {
            let ends = (transfer.client, transfer.server);
            (ends, transfer.outcome, transfer.bytes, transfer.blocks)
        });
        for ((client, server), outcome, bytes, blocks) in requested.chain(joined) {
            let between = |truth: &&Truth| {
                let ends = [truth.client, truth.server];
                ends.contains(&client) && ends.contains(&server)
            };
            let Some(truth) = truths.iter().find(between) else {
                // A request alone.
                prop_assert!((server.port, blocks) == (69, 0));
                continue;
            };
            prop_assert!(bytes <= truth.bytes as u64);
            prop_assert!(blocks <= truth.blocks() as u64);
            if outcome == TransferOutcome::Complete {
                prop_assert!(truth.is_whole());
                prop_assert!(truth.shows_its_end(packets.sent()));
            }
        }
    }

    /// Loss, repetition and delay after the request: the outcome never depends on where runs are
    /// split, and a file that did not arrive whole is never complete.
    #[test]
    fn splitting_runs_changes_nothing(
        blocks in 1_usize..40,
        tail in 0_usize..16,
        window in 1_usize..5,
        faults in prop::collection::vec(0_u8..20, 0..120),
        cuts in prop::collection::vec(1_u64..160, 0..12),
    ) {
        let mut wire = Packets::default();
        Peers::new(&mut wire, 40001)
            .request(b"\0\x01wrap.bin\0octet\0blksize\x0016\0")
            .server_sends(b"\0\x06blksize\x0016\0")
            .client_sends(&ack(0))
            .read(16 * (blocks - 1) + tail, 16, window);
        let mut packets = wire.sent().to_vec();
        for (index, fault) in faults.iter().enumerate().rev() {
            if index == 0 || index >= packets.len() {
                continue;
            }
            match fault {
                0 => drop(packets.remove(index)),
                1 => packets.insert(index, packets[index].clone()),
                2 if index > 1 => packets.swap(index - 1, index),
                3 => packets.push(packets[0].clone()),
                _ => {}
            }
        }
        let mut whole = Packets::default();
        let mut split = Packets::cut_before(cuts);
        for (source, destination, payload, length) in &packets {
            whole.udp_cut(*source, *destination, payload, *length);
            split.udp_cut(*source, *destination, payload, *length);
        }
        let strip = |packets: &Packets| {
            let mut transfers = collect(packets, &packets.end());
            for transfer in &mut transfers {
                transfer.frames.clear();
            }
            transfers
        };
        let transfers = strip(&whole);
        prop_assert_eq!(&transfers, &strip(&split));
        let last = (blocks as u16).to_be_bytes();
        let acknowledged = packets.iter().any(|(source, _, payload, _)| {
            source.address == address(CLIENT) && payload[1] == 4 && payload[2..4] == last
        });
        for transfer in &transfers {
            if transfer.outcome == TransferOutcome::Complete {
                prop_assert!(acknowledged);
            }
        }
    }

    #[test]
    fn no_bytes_panic(
        payloads in prop::collection::vec(
            (any::<bool>(), 0_u16..3, 0_u8..8, prop::collection::vec(any::<u8>(), 0..24), 0_u32..600),
            0..60,
        ),
    ) {
        let mut packets = Packets::default();
        packets.udp(at(CLIENT, 2000), at(SERVER, 69), PLAIN);
        for (client, port, opcode, rest, length) in payloads {
            let mut payload = vec![0, opcode];
            payload.extend(rest);
            let (client_end, server_end) = (at(CLIENT, 2000), at(SERVER, 69 + port));
            let length = length.max(payload.len() as u32);
            if client {
                packets.udp_cut(client_end, server_end, &payload, length);
            } else {
                packets.udp_cut(server_end, client_end, &payload, length);
            }
        }
        for transfer in collect(&packets, &packets.end()) {
            prop_assert!(transfer.first.time <= transfer.last);
            prop_assert!(transfer.blocks > 0 || transfer.bytes == 0);
        }
    }
}
