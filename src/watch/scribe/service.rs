//! What the scribe does once it is locked in: takes messages and hands them to the threads that
//! write, until the stream ends.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::blocks;
use super::client::{is_hung_up, lock};
use super::message::{Head, Kind, PACKET_FILE, send, unpack_counts};
use super::packet_file::{Packets, packets};
use super::queue::Queue;
use super::target::Target;
use super::{Job, PacketFile};

/// Bytes of packets that are read in one go.
const PIECE_BYTES: u64 = 256 << 10;
/// How long a pipe or device may take its time once nobody waits for it any more.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a disk may take to tell that something of a regular file has reached it.
const DISK_PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked whether somebody does.
const LOOK: Duration = Duration::from_millis(200);
/// Most problems that are told on the way: a side that does not listen must not hold up this one.
const MAX_TOLD: usize = 64;

/// Answers to the process that watches.
#[derive(Debug)]
struct Answers {
    out: Mutex<(File, usize)>,
}

impl Answers {
    fn problem(&self, number: u32, text: &str) {
        let mut out = lock(&self.out);
        if out.1 < MAX_TOLD {
            out.1 += 1;
            // Where nobody is left to be told, writing goes on.
            let _ = send(&mut out.0, Kind::Problem, number, text.as_bytes());
        }
    }

    /// Says something that belongs to the end.
    fn say(&self, kind: Kind, number: u32, text: &str) {
        // The other end may have gone; the files are written.
        let _ = send(&mut lock(&self.out).0, kind, number, text.as_bytes());
    }
}

/// What a thread that writes has done in the end.
struct Done {
    number: u32,
    missing: Option<String>,
}

/// The threads that write.
pub(super) struct Service {
    answers: Arc<Answers>,
    targets: Vec<Arc<Target>>,
    queue: Option<Arc<Queue>>,
    /// Pieces of packets that were written.
    pieces: Arc<AtomicU64>,
    done: Receiver<Done>,
    /// Those that still write, and whether they do to a regular file.
    busy: Vec<(u32, bool)>,
}

/// A place to write to: where it is, links followed, and whether it is a regular file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) is_regular: bool,
}

impl Service {
    /// Opens the file of packets and starts to write. A pipe or device is opened by its thread:
    /// that may wait for a reader. `out` is the way of the answers.
    ///
    /// # Errors
    /// Where the file of packets can't be opened, as text.
    pub(super) fn start(
        job: &Job,
        targets: Vec<Place>,
        packets: Option<Place>,
        out: File,
    ) -> Result<Self, String> {
        let answers = Arc::new(Answers {
            out: Mutex::new((out, 0)),
        });
        let (sender, done) = mpsc::channel();
        let mut busy = Vec::new();
        let mut queue = None;
        let pieces = Arc::new(AtomicU64::new(0));
        if let (Some(job), Some(place)) = (&job.packets, packets) {
            let is_regular = place.is_regular;
            let open = move |job: &PacketFile| {
                Packets::open(job, &place)
                    .map_err(|error| format!("packets can't be written: {error}"))
            };
            let packets: Opening = if is_regular {
                let opened = open(job);
                let opened = opened.map_err(|text| format!("{}: {text}", job.path.display()))?;
                Box::new(move || Ok(opened))
            } else {
                let job = job.clone();
                Box::new(move || open(&job))
            };
            busy.push((PACKET_FILE, is_regular));
            let waiting = Arc::new(Queue::default());
            queue = Some(Arc::clone(&waiting));
            let (answers, sender) = (Arc::clone(&answers), sender.clone());
            let pieces = Arc::clone(&pieces);
            thread::spawn(move || {
                let missing = write_packets(&waiting, packets, &answers, &pieces);
                // Nobody waits for it where it took too long.
                let _ = sender.send(Done {
                    number: PACKET_FILE,
                    missing,
                });
            });
        }
        let targets = (0..).zip(targets).map(|(number, place)| {
            busy.push((number, place.is_regular));
            let target = Arc::new(Target::default());
            let mine = Arc::clone(&target);
            let (answers, sender) = (Arc::clone(&answers), sender.clone());
            thread::spawn(move || {
                let missing = mine.serve(&place.path, |text| answers.problem(number, text));
                // Nobody waits for it where it took too long.
                let _ = sender.send(Done { number, missing });
            });
            target
        });
        Ok(Self {
            targets: targets.collect(),
            answers,
            queue,
            pieces,
            done,
            busy,
        })
    }

    /// Takes messages to the end of the stream, then writes what there is and says so.
    ///
    /// # Errors
    /// Where the stream holds something that nobody sends. What came before is written.
    pub(super) fn serve(mut self, input: &mut File) -> io::Result<()> {
        let taken = self.take_messages(input);
        for target in &self.targets {
            target.end();
        }
        if let Some(queue) = &self.queue {
            queue.end();
        }
        self.wait(input);
        self.answers.say(Kind::Done, 0, "");
        taken
    }

    fn take_messages(&self, input: &mut File) -> io::Result<()> {
        while let Some(head) = Head::read(input)? {
            match (head.kind, &self.queue) {
                (Kind::Packets, Some(queue)) => {
                    if !self.take_packets(head, queue, input)? {
                        return Ok(());
                    }
                }
                (Kind::Counts, Some(queue)) => match head.body(input)? {
                    Some(bytes) => queue.count(unpack_counts(&bytes)),
                    None => return Ok(()),
                },
                (Kind::Replace, _) => match head.body(input)? {
                    // Half a report is none: the one before stays.
                    None => return Ok(()),
                    Some(content) => match self.targets.get(head.number as usize) {
                        Some(target) => target.set(content),
                        None => return Err(unknown()),
                    },
                },
                (Kind::Finish, _) => return Ok(()),
                _ => return Err(unknown()),
            }
        }
        Ok(())
    }

    /// Takes packets as they come; whether the stream goes on after them. Where it does not,
    /// those blocks count that are whole. It does not, either, where nobody is left to send and no
    /// pipe or device takes them.
    fn take_packets(&self, head: Head, queue: &Queue, input: &mut File) -> io::Result<bool> {
        let is_regular = self.busy.contains(&(PACKET_FILE, true));
        let mut left = head.length;
        let mut bytes: Vec<u8> = Vec::new();
        while left > 0 {
            let piece = left.min(PIECE_BYTES);
            let before = bytes.len();
            // One call where it suffices: what is there goes on at once.
            let read = read_some(input, &mut bytes, piece as usize)?;
            debug_assert_eq!(bytes.len(), before + read);
            if read == 0 {
                return Ok(false);
            }
            left -= read as u64;
            let (whole, is_good) = match blocks::whole(&bytes) {
                Ok(whole) => (whole, true),
                Err(whole) => (whole, false),
            };
            if whole > 0 {
                let mut alone = Alone::default();
                if !queue.push(&bytes[..whole], || !is_regular && alone.for_long(input)) {
                    return Ok(false);
                }
                bytes.drain(..whole);
            }
            if !is_good {
                return Err(unknown());
            }
        }
        match bytes.is_empty() {
            true => Ok(true),
            false => Err(unknown()),
        }
    }

    /// Waits for all that write, and says what became of each. Where nobody waits for the answer,
    /// pipes and devices are given up after a while: regular files never.
    fn wait(&mut self, input: &File) {
        let mut alone = Alone::default();
        let mut moved = (self.pieces.load(Ordering::Relaxed), Instant::now());
        while !self.busy.is_empty() {
            match self.done.recv_timeout(LOOK) {
                Ok(Done { number, missing }) => {
                    self.busy.retain(|(busy, _)| *busy != number);
                    match missing {
                        Some(text) => self.answers.say(Kind::Missing, number, &text),
                        None => self.answers.say(Kind::Written, number, ""),
                    }
                }
                // A thread that panicked says nothing.
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let is_any_regular = self.busy.iter().any(|(_, is_regular)| *is_regular);
                    if alone.for_long(input) && !is_any_regular {
                        break;
                    }
                    if alone.since.is_some() {
                        continue;
                    }
                    let pieces = self.pieces.load(Ordering::Relaxed);
                    if pieces != moved.0 {
                        moved = (pieces, Instant::now());
                    }
                    let patience = if is_any_regular { DISK_PATIENCE } else { LOOK };
                    if moved.1.elapsed() < patience {
                        self.answers.say(Kind::Working, 0, "");
                    }
                }
            }
        }
        for (number, _) in self.busy.drain(..) {
            let text = "was not written to its end";
            self.answers.say(Kind::Missing, number, text);
        }
    }
}

/// Whether anybody waits for what is written.
#[derive(Default)]
struct Alone {
    /// Since when nobody does.
    since: Option<Instant>,
}

impl Alone {
    /// Whether nobody has waited for long.
    fn for_long(&mut self, input: &File) -> bool {
        is_hung_up(input) && self.since.get_or_insert_with(Instant::now).elapsed() >= PATIENCE
    }
}

/// Opens the file of packets, which may wait for a reader.
type Opening = Box<dyn FnOnce() -> Result<Packets, String> + Send>;

/// Writes packets until nothing follows, and counts the pieces; what is missing.
fn write_packets(
    queue: &Queue,
    open: Opening,
    answers: &Answers,
    pieces: &AtomicU64,
) -> Option<String> {
    let mut spare = Vec::new();
    let mut lost = 0;
    let mut wrong = None;
    let mut file = open().map_err(|text| wrong = Some(text)).ok();
    if let Some(text) = &wrong {
        answers.problem(PACKET_FILE, text);
    }
    while let Some(batch) = queue.take(spare) {
        match &mut file {
            Some(file) => {
                if let Some(counts) = &batch.counts {
                    file.count(counts);
                }
                if let Some(text) = file.write(&batch.blocks) {
                    answers.problem(PACKET_FILE, &text);
                }
            }
            None => lost += packets(&batch.blocks),
        }
        spare = batch.blocks;
        pieces.fetch_add(1, Ordering::Relaxed);
    }
    match file {
        Some(file) => file.finish(),
        None => wrong.map(|wrong| format!("{lost} packets are missing: {wrong}")),
    }
}

/// Adds up to `most` bytes, as many as are there; 0 at the end.
fn read_some(input: &mut File, bytes: &mut Vec<u8>, most: usize) -> io::Result<usize> {
    let before = bytes.len();
    bytes.resize(before + most, 0);
    let read = loop {
        match input.read(&mut bytes[before..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if super::message::is_end(&error) => break Ok(0),
            read => break read,
        }
    };
    bytes.truncate(before + read.as_ref().map_or(0, |read| *read));
    read
}

fn unknown() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a message that nobody sends")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::path::Path;

    use super::*;
    use crate::watch::scribe::testing::{header, packets, read};

    /// A scribe that writes reports to `a` and `b` and packets to `lab` in `folder`, fed with
    /// `bytes` and then left; how it ended, and what it said but for what went well.
    fn fed(folder: &Path, bytes: &[u8]) -> (io::Result<()>, Vec<(Kind, u32, String)>) {
        let job = Job {
            targets: vec![folder.join("a"), folder.join("b")],
            packets: Some(PacketFile {
                path: folder.join("lab"),
                rotate_bytes: None,
                keep: None,
                header: header(1),
            }),
            user: None,
        };
        let place = |path: PathBuf| Place {
            path,
            is_regular: true,
        };
        let (ours, theirs) = UnixStream::pair().expect("a stream");
        let [mut ours, mut theirs] = [ours, theirs].map(|it| File::from(OwnedFd::from(it)));
        let out = theirs.try_clone().expect("twice");
        let targets = job.targets.iter().cloned().map(place).collect();
        let service = Service::start(&job, targets, Some(place(folder.join("lab"))), out);
        let service = service.expect("starts");
        let served = thread::scope(|scope| {
            let served = scope.spawn(move || service.serve(&mut theirs));
            // Where it took offence it reads no further.
            let _ = io::Write::write_all(&mut ours, bytes);
            let half = UnixStream::from(OwnedFd::from(ours.try_clone().expect("twice")));
            let _ = half.shutdown(std::net::Shutdown::Write);
            served.join().expect("no panic")
        });
        let mut answers = Vec::new();
        while let Ok(Some(head)) = Head::read(&mut ours) {
            let text = head.text(&mut ours).expect("text").expect("whole");
            if !matches!(head.kind, Kind::Written | Kind::Working) {
                answers.push((head.kind, head.number, text));
            }
        }
        (served, answers)
    }

    fn message(kind: Kind, number: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        send(&mut bytes, kind, number, body).expect("memory");
        bytes
    }

    #[test]
    fn writes_what_it_was_given_however_that_ends() {
        let bytes = [
            message(Kind::Replace, 0, b"one"),
            message(Kind::Packets, PACKET_FILE, &packets(0, 0..2)),
            message(Kind::Replace, 0, b"two"),
            message(Kind::Packets, PACKET_FILE, &packets(0, 2..4)),
        ]
        .concat();
        let (packet, report) = (
            packets(0, 0..1).len(),
            message(Kind::Replace, 0, b"two").len(),
        );
        let (first, last) = (report + 16, 2 * report + 2 * 16 + 2 * packet);
        for length in (0..=bytes.len()).step_by(7).chain([bytes.len()]) {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let (served, answers) = fed(folder.path(), &bytes[..length]);
            served.expect("the end is no mistake");
            assert_eq!(answers, [(Kind::Done, 0, String::new())]);
            let in_first = length.saturating_sub(first).min(2 * packet) / packet;
            let in_last = length.saturating_sub(last).min(2 * packet) / packet;
            let content = read(&folder.path().join("lab"));
            assert!(
                content
                    .numbers
                    .into_iter()
                    .eq(0..(in_first + in_last) as i64)
            );
            assert_eq!(content.drops, Some(0));
            let report = fs::read_to_string(folder.path().join("a")).unwrap_or_default();
            let whole = match length {
                _ if length >= last - 16 => "two",
                _ if length >= first - 16 => "one",
                _ => "",
            };
            assert_eq!(report, whole, "{length}");
            assert!(!folder.path().join("b").exists());
        }
    }

    #[test]
    fn what_nobody_sends_ends_it_after_what_came_before() {
        let whole = packets(0, 0..3);
        let mut damaged = whole.clone();
        damaged[whole.len() / 3 + 4] ^= 1;
        for wrong in [
            message(Kind::Ready, 0, &[]),
            message(Kind::Replace, 2, b"there is none"),
            message(Kind::Packets, 0, &whole[..whole.len() - 4]),
            message(Kind::Packets, 0, &damaged)[16 + whole.len() / 3..].to_vec(),
            vec![255; 64],
        ] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let before = message(Kind::Packets, PACKET_FILE, &packets(0, 7..9));
            let (served, answers) = fed(folder.path(), &[before, wrong].concat());
            let error = served.expect_err("a mistake");
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert_eq!(answers.last().map(|last| last.0), Some(Kind::Done));
            let numbers = read(&folder.path().join("lab")).numbers;
            assert!(numbers.starts_with(&[7, 8]), "{numbers:?}");
        }
    }

    #[test]
    fn says_what_is_missing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("b")).expect("makes it");
        let bytes = [
            message(Kind::Replace, 1, b"report"),
            message(Kind::Finish, 0, &[]),
        ];
        let (served, answers) = fed(folder.path(), &bytes.concat());
        served.expect("no mistake");
        let kinds: Vec<(Kind, u32)> = answers.iter().map(|it| (it.0, it.1)).collect();
        assert_eq!(
            kinds,
            [(Kind::Problem, 1), (Kind::Missing, 1), (Kind::Done, 0)]
        );
        assert!(answers[1].2.contains("is a directory"), "{answers:?}");
    }
}
