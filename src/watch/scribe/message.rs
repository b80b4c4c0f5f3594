//! What both processes tell each other: a head of 16 bytes (kind, number, length of what follows),
//! then that. Lengths are bounded, and never trusted to size anything before it has arrived.

use std::ffi::OsString;
use std::io::{self, IoSlice, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{InterfaceCounts, Job, PacketFile};

/// Most of a job: paths and a header.
const MAX_JOB_BYTES: u64 = 16 << 20;
/// Most of a text, or of the counts of all interfaces.
const MAX_SHORT_BYTES: u64 = 1 << 20;
/// Most of a file that is replaced.
pub(super) const MAX_CONTENT_BYTES: u64 = 4 << 30;
const HEAD_BYTES: usize = 16;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Kind {
    /// To the scribe: its job.
    Job = 1,
    /// The content of a target, by number.
    Replace,
    /// Blocks of packets.
    Packets,
    /// What interfaces counted.
    Counts,
    /// Nothing follows.
    Finish,
    /// From the scribe: everything is open.
    Ready,
    /// It can't do its job, as the text says.
    Refused,
    /// A file can't be written just now: the text says why, the number which.
    Problem,
    /// Said at the end: what is missing of a file.
    Missing,
    /// Said at the end: a file is on disk.
    Written,
    /// Said at the end, while something still moves.
    Working,
    /// Everything is on disk that could be put there.
    Done,
}

impl Kind {
    const ALL: [Self; 12] = [
        Self::Job,
        Self::Replace,
        Self::Packets,
        Self::Counts,
        Self::Finish,
        Self::Ready,
        Self::Refused,
        Self::Problem,
        Self::Missing,
        Self::Written,
        Self::Working,
        Self::Done,
    ];

    /// Most that may follow the head.
    fn bound(self) -> u64 {
        match self {
            Self::Job => MAX_JOB_BYTES,
            Self::Replace => MAX_CONTENT_BYTES,
            // Read in pieces.
            Self::Packets => u64::MAX,
            Self::Counts | Self::Refused | Self::Problem | Self::Missing => MAX_SHORT_BYTES,
            Self::Finish | Self::Ready | Self::Written | Self::Working | Self::Done => 0,
        }
    }
}

/// The head of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    /// Which target; [`PACKET_FILE`] for the packets.
    pub(super) number: u32,
    /// Bytes that follow.
    pub(super) length: u64,
}

/// The number that stands for the packet file.
pub(super) const PACKET_FILE: u32 = u32::MAX;

impl Head {
    /// Reads one; `None` where the other process has ended.
    ///
    /// # Errors
    /// Where it is none, or the stream can't be read.
    pub(super) fn read(input: &mut impl Read) -> io::Result<Option<Self>> {
        let mut bytes = [0; HEAD_BYTES];
        match input.read_exact(&mut bytes) {
            Ok(()) => {}
            Err(error) if is_end(&error) => return Ok(None),
            Err(error) => return Err(error),
        }
        let [a, b, c, d, e, f, g, h, length @ ..] = bytes;
        let kind = u32::from_le_bytes([a, b, c, d]);
        let length = u64::from_le_bytes(length);
        let kind = Kind::ALL.into_iter().find(|known| *known as u32 == kind);
        match kind {
            Some(kind) if length <= kind.bound() => Ok(Some(Self {
                kind,
                number: u32::from_le_bytes([e, f, g, h]),
                length,
            })),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a message that nobody sends",
            )),
        }
    }

    /// Reads what follows; `None` where the other process ended in the middle of it.
    pub(super) fn body(self, input: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        let read = input.by_ref().take(self.length).read_to_end(&mut bytes);
        match read {
            Ok(length) => Ok((length as u64 == self.length).then_some(bytes)),
            Err(error) if is_end(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads what follows as text.
    pub(super) fn text(self, input: &mut impl Read) -> io::Result<Option<String>> {
        let bytes = self.body(input)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// Whether there is nobody at the other end.
pub(super) fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}

/// Sends a message.
pub(super) fn send(out: &mut impl Write, kind: Kind, number: u32, body: &[u8]) -> io::Result<()> {
    let mut head = [0; HEAD_BYTES];
    head[..4].copy_from_slice(&(kind as u32).to_le_bytes());
    head[4..8].copy_from_slice(&number.to_le_bytes());
    head[8..].copy_from_slice(&(body.len() as u64).to_le_bytes());
    // In one go where it fits: many messages are small.
    let mut slices = &mut [IoSlice::new(&head), IoSlice::new(body)][..];
    while slices.iter().any(|slice| !slice.is_empty()) {
        match out.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Paths are bytes, which no text need be.
#[derive(Serialize, Deserialize)]
struct JobRecord {
    targets: Vec<Vec<u8>>,
    packets: Option<PacketRecord>,
    user: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct PacketRecord {
    path: Vec<u8>,
    rotate_bytes: Option<u64>,
    keep: Option<u64>,
    header: Vec<u8>,
}

/// A job as bytes.
pub(super) fn pack_job(job: &Job) -> io::Result<Vec<u8>> {
    let path = |path: &PathBuf| path.clone().into_os_string().into_vec();
    let record = JobRecord {
        targets: job.targets.iter().map(path).collect(),
        packets: job.packets.as_ref().map(|packets| PacketRecord {
            path: path(&packets.path),
            rotate_bytes: packets.rotate_bytes,
            keep: packets.keep.map(|keep| keep as u64),
            header: packets.header.clone(),
        }),
        user: job.user.clone(),
    };
    let bytes = postcard::to_stdvec(&record).map_err(io::Error::other)?;
    if bytes.len() as u64 > MAX_JOB_BYTES {
        return Err(io::Error::other("the names of the files are too long"));
    }
    Ok(bytes)
}

/// The job that bytes say; `None` where they are none.
pub(super) fn unpack_job(bytes: &[u8]) -> Option<Job> {
    let record: JobRecord = postcard::from_bytes(bytes).ok()?;
    let path = |bytes| PathBuf::from(OsString::from_vec(bytes));
    Some(Job {
        targets: record.targets.into_iter().map(path).collect(),
        packets: record.packets.map(|packets| PacketFile {
            path: path(packets.path),
            rotate_bytes: packets.rotate_bytes,
            keep: packets
                .keep
                .map(|keep| usize::try_from(keep).unwrap_or(usize::MAX)),
            header: packets.header,
        }),
        user: record.user,
    })
}

/// Counts as bytes: received and dropped of each interface.
pub(super) fn pack_counts(counts: &[InterfaceCounts]) -> Vec<u8> {
    let pair = |it: &InterfaceCounts| [it.received.to_le_bytes(), it.dropped.to_le_bytes()];
    counts.iter().flat_map(pair).flatten().collect()
}

/// The counts that bytes say.
pub(super) fn unpack_counts(bytes: &[u8]) -> Vec<InterfaceCounts> {
    let (pairs, _) = bytes.as_chunks::<16>();
    let number = |bytes: &[u8]| {
        let bytes = bytes.try_into().expect("half of 16 bytes");
        u64::from_le_bytes(bytes)
    };
    pairs
        .iter()
        .map(|pair| InterfaceCounts {
            received: number(&pair[..8]),
            dropped: number(&pair[8..]),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn messages_come_as_they_went() {
        let mut bytes = Vec::new();
        send(&mut bytes, Kind::Replace, 3, b"report").expect("memory");
        send(&mut bytes, Kind::Finish, 0, &[]).expect("memory");
        let mut input = &bytes[..];
        let head = Head::read(&mut input).expect("one").expect("one");
        assert_eq!((head.kind, head.number), (Kind::Replace, 3));
        assert_eq!(head.text(&mut input).expect("it"), Some("report".into()));
        let head = Head::read(&mut input).expect("one").expect("one");
        assert_eq!(head.kind, Kind::Finish);
        assert_eq!(Head::read(&mut input).expect("the end"), None);
    }

    #[test]
    fn an_end_in_the_middle_is_no_message() {
        let mut bytes = Vec::new();
        send(&mut bytes, Kind::Replace, 3, b"report").expect("memory");
        for length in 0..bytes.len() {
            let mut input = &bytes[..length];
            let head = Head::read(&mut input).expect("no error");
            assert_eq!(head.is_some(), length >= HEAD_BYTES);
            if let Some(head) = head {
                assert_eq!(head.body(&mut input).expect("no error"), None);
            }
        }
    }

    #[test]
    fn heads_that_nobody_sends_are_refused() {
        let mut bytes = Vec::new();
        send(&mut bytes, Kind::Done, 0, &[]).expect("memory");
        for (at, value) in [(0, 77), (8, 1), (15, 255)] {
            let mut wrong = bytes.clone();
            wrong[at] = value;
            assert!(Head::read(&mut &wrong[..]).is_err(), "{at}");
        }
    }

    #[test]
    fn jobs_and_counts_come_as_they_went() {
        let odd = PathBuf::from(OsStr::from_bytes(b"no\xfftext"));
        let job = Job {
            targets: vec![odd.clone(), "b".into()],
            packets: Some(PacketFile {
                path: odd,
                rotate_bytes: Some(9),
                keep: Some(usize::MAX),
                header: vec![1, 2, 3],
            }),
            user: Some("nobody".into()),
        };
        let bytes = pack_job(&job).expect("short");
        assert_eq!(unpack_job(&bytes), Some(job));
        assert_eq!(unpack_job(&bytes[1..]), None);
        let counts = [(1, 2), (u64::MAX, 0)]
            .map(|(received, dropped)| InterfaceCounts { received, dropped });
        assert_eq!(unpack_counts(&pack_counts(&counts)), counts);
    }
}
