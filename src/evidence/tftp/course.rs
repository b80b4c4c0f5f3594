//! What passed in an attempt, counted with its repetitions: by that a verdict tells whose packets
//! got lost.

use super::attempt::Attempt;
use super::model::{RefusedTransfer, TransferCourse, TransferEnd, TransferOperation};
use super::session::{Session, Side};
use crate::evidence::Context;
use crate::net::Timestamp;
use crate::payload::tftp::PORT;

/// Firmware repeats its ACK after a quarter of a second, and servers their block after a second, at
/// the soonest; a mirror port's copies come within milliseconds.
const WAITS_NS: u64 = 200_000_000;

impl Attempt {
    pub(super) fn course(&self, context: &impl Context) -> TransferCourse {
        let session = self.session();
        let port = session.map_or(PORT, |session| session.port);
        let refused = self.refusal(context, port).map(|(side, error)| {
            let sent_by = side.into();
            RefusedTransfer { sent_by, error }
        });
        let requests = self.requests as u64;
        let Some(session) = session else {
            return TransferCourse {
                requests,
                refused,
                ..TransferCourse::default()
            };
        };
        let (data, acknowledged) = (&session.data, &session.acknowledged);
        let of_server = match self.operation {
            TransferOperation::Read => data,
            TransferOperation::Write => acknowledged,
        };
        let once = of_server.distinct
            + u64::from(session.granted.is_some())
            + u64::from(session.error.is_some());
        TransferCourse {
            requests,
            server_packets: self.sum(|session| session.server_packets),
            server_repeats: session.server_packets.saturating_sub(once),
            client_packets: self.sum(|session| session.client_packets),
            repeated_acknowledgments: acknowledged.packets.saturating_sub(acknowledged.distinct),
            is_awaited: waited(session.last_acknowledged, acknowledged.progress),
            is_resent: waited(data.last(), data.progress),
            is_all_sent: self.is_all_sent(session),
            sent: data.highest(),
            acknowledged: acknowledged.highest(),
            sent_bytes: session.sent_bytes,
            error_from: session.error.as_ref().map(|error| error.from.into()),
            refused,
        }
    }

    fn sum(&self, of: impl Fn(&Session) -> u64) -> u64 {
        self.sessions.iter().map(of).sum()
    }
}

impl From<Side> for TransferEnd {
    fn from(side: Side) -> Self {
        match side {
            Side::Client => Self::Client,
            Side::Server => Self::Server,
        }
    }
}

/// Whether the last packet came clearly later than the last that brought something new.
fn waited(last: Option<Timestamp>, progress: Option<Timestamp>) -> bool {
    let waited = last.zip(progress).map(|(last, new)| last.since_ns(new));
    waited.is_some_and(|waited| waited >= WAITS_NS)
}

#[cfg(test)]
mod tests {
    use crate::evidence::testing::{Packets, at};
    use crate::evidence::{Evidence, Transfer, TransferEnd};

    const REQUEST: &[u8] = b"\0\x01file\0octet\0blksize\x001456\0";
    const OACK: &[u8] = b"\0\x06blksize\x001456\0";
    const ACK: &[u8] = b"\0\x04\0\0";

    fn one(mut transfers: Vec<Transfer>) -> Transfer {
        assert_eq!(transfers.len(), 1);
        transfers.remove(0)
    }

    #[test]
    fn repetitions_of_both_ends_count() {
        let (client, server) = (at(2, 2000), at(1, 50_000));
        let mut packets = Packets::default();
        packets.udp(client, at(1, 69), REQUEST);
        for _ in 0..3 {
            packets.udp(server, client, OACK).udp(client, server, ACK);
            packets.wait(1000);
        }
        packets.udp(client, server, ACK);
        let course = one(Evidence::collect(packets.log(), &packets.end()).tftp).course;
        assert_eq!((course.requests, course.refused), (1, None));
        assert_eq!((course.server_packets, course.server_repeats), (3, 2));
        assert_eq!(
            (course.client_packets, course.repeated_acknowledgments),
            (4, 3)
        );
        assert_eq!((course.sent, course.acknowledged), (None, Some(0)));
        assert!(course.is_awaited);
    }

    #[test]
    fn who_goes_on_in_vain_is_told_apart() {
        let (client, server) = (at(2, 2000), at(1, 50_000));
        for resent in [false, true] {
            let mut packets = Packets::default();
            packets.udp(client, at(1, 69), b"\0\x01file\0octet\0");
            packets.udp(server, client, &[&[0, 3, 0, 1], &[0; 512][..]].concat());
            for _ in 0..3 {
                packets.udp(client, server, b"\0\x04\0\x01").wait(1000);
                if resent {
                    packets.udp(server, client, &[&[0, 3, 0, 1], &[0; 512][..]].concat());
                }
            }
            let course = one(Evidence::collect(packets.log(), &packets.end()).tftp).course;
            assert_eq!((course.sent, course.acknowledged), (Some(1), Some(1)));
            assert_eq!((course.is_awaited, course.is_resent), (true, resent));
            assert!(!course.is_all_sent, "a whole block is not the last");
        }
    }

    #[test]
    fn the_last_block_may_go_without_an_acknowledgment() {
        let (client, server) = (at(2, 2000), at(1, 50_000));
        let mut packets = Packets::default();
        packets.udp(client, at(1, 69), REQUEST);
        packets.udp(server, client, OACK).udp(client, server, ACK);
        for _ in 0..3 {
            packets.udp(server, client, b"\0\x03\0\x01short").wait(2000);
        }
        let course = one(Evidence::collect(packets.log(), &packets.end()).tftp).course;
        assert!(course.is_all_sent && course.is_resent && !course.is_awaited);
        assert_eq!((course.sent, course.acknowledged), (Some(1), Some(0)));
    }

    #[test]
    fn copies_of_a_mirror_port_are_no_waiting() {
        let (client, server) = (at(2, 2000), at(1, 50_000));
        let mut packets = Packets::default();
        for (from, to, bytes) in [
            (client, at(1, 69), REQUEST),
            (server, client, OACK),
            (client, server, ACK),
        ] {
            packets.udp(from, to, bytes).udp(from, to, bytes);
        }
        packets.wait(10_000);
        let course = one(Evidence::collect(packets.log(), &packets.end()).tftp).course;
        assert!(!course.is_awaited && !course.is_resent);
    }

    #[test]
    fn answers_from_every_port_count_and_who_was_refused() {
        let client = at(2, 2000);
        let mut packets = Packets::default();
        for port in [50_000, 50_001] {
            packets.udp(client, at(1, 69), REQUEST);
            packets.udp(at(1, port), client, b"\0\x03\0\x01block");
        }
        let input = packets.end().unreachable(at(1, 50_000), client, 3);
        let course = one(Evidence::collect(packets.log(), &input).tftp).course;
        assert_eq!((course.requests, course.server_packets), (2, 2));
        assert_eq!((course.sent, course.sent_bytes), (Some(1), 5));
        let refused = course.refused.expect("an error quotes the first answer");
        assert_eq!(refused.sent_by, TransferEnd::Server);
    }
}
