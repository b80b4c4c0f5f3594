//! The file of packets: whole blocks only, whatever the disk does; begun anew where it would grow
//! beyond its size. Every file stands by itself: header, packets, what the interfaces counted.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::blocks::{Holds, blocks};
use super::rotation::Rotation;
use super::service::Place;
use super::{InterfaceCounts, PacketFile};
use crate::capture::{Blocks, InterfaceStatistics};
use crate::net::Timestamp;

/// Files that may be on their way to the disk besides the one that is written: what comes faster
/// than the disk takes it waits.
const MAX_CLOSING: usize = 4;

/// Writes packets.
#[derive(Debug)]
pub(super) struct Packets {
    rotation: Rotation,
    rotate_bytes: Option<u64>,
    /// Bytes that every file begins with.
    header_bytes: u64,
    file: File,
    /// A pipe or device can't be cut back, and nothing follows it.
    is_regular: bool,
    /// Bytes of the file: whole blocks.
    length: u64,
    begin: Timestamp,
    /// Packets in the file, by interface.
    delivered: Vec<u64>,
    /// What interfaces had counted when the file began, and what they have now.
    before: Vec<InterfaceCounts>,
    counts: Vec<InterfaceCounts>,
    /// Packets that are in no file.
    lost: u64,
    /// What went wrong last, and whether it still does: it is told once.
    failure: Option<String>,
    is_failing: bool,
    /// A block is cut off, or nobody reads any more: nothing follows.
    is_closed: bool,
    /// Files that are still on their way to the disk, the oldest first, and what went wrong first with
    /// those that were.
    closing: VecDeque<JoinHandle<io::Result<()>>>,
    closed: io::Result<()>,
}

impl Packets {
    /// Opens the file to begin with at a place, links followed, and writes the header.
    pub(super) fn open(job: &PacketFile, place: &Place) -> io::Result<Self> {
        let (rotation, file) = Rotation::open(job, place)?;
        let interfaces = blocks(&job.header)
            .filter(|block| block.holds == Holds::Interface)
            .count();
        let none = vec![InterfaceCounts::default(); interfaces];
        Ok(Self {
            rotation,
            rotate_bytes: job.rotate_bytes,
            header_bytes: job.header.len() as u64,
            // What was open already may be one, too, and hold what others wrote.
            is_regular: place.is_regular,
            file,
            length: job.header.len() as u64,
            begin: Timestamp::now(),
            delivered: vec![0; interfaces],
            before: none.clone(),
            counts: none,
            lost: 0,
            failure: None,
            is_failing: false,
            is_closed: false,
            closing: VecDeque::new(),
            closed: Ok(()),
        })
    }

    /// Takes what interfaces counted since the start.
    pub(super) fn count(&mut self, counts: &[InterfaceCounts]) {
        for (mine, said) in self.counts.iter_mut().zip(counts) {
            *mine = *said;
        }
    }

    /// Writes whole blocks; what went wrong, where that is new.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Option<String> {
        if self.is_closed {
            self.lost += packets(bytes);
            return None;
        }
        if bytes.is_empty() {
            // Counts alone: that they cost nothing does not say that there is room again.
            return None;
        }
        let failed = self.write_rotating(bytes);
        let was_failing = std::mem::replace(&mut self.is_failing, failed.is_some());
        let is_new = !was_failing || failed != self.failure;
        if failed.is_some() {
            self.failure.clone_from(&failed);
        }
        failed.filter(|_| is_new)
    }

    fn write_rotating(&mut self, bytes: &[u8]) -> Option<String> {
        let mut rest = bytes;
        loop {
            let (run, later) = rest.split_at(self.fitting(rest));
            if let Err(error) = self.append(run) {
                self.lost += packets(later);
                return Some(format!("packets can't be written: {error}"));
            }
            if later.is_empty() {
                return None;
            }
            if let Err(error) = self.rotate() {
                // Rather too large a file than none.
                let _ = self.append(later);
                return Some(format!("the next file of packets can't be begun: {error}"));
            }
            rest = later;
        }
    }

    /// Ends the file and waits until all is on the disk; what is missing.
    pub(super) fn finish(mut self) -> Option<String> {
        self.append_closing();
        let synced = match self.is_regular {
            true => self.file.sync_all(),
            false => Ok(()),
        };
        self.wait_for_all_but(0);
        if self.lost > 0 {
            let why = self.failure.unwrap_or_default();
            return Some(format!("{} packets are missing: {why}", self.lost));
        }
        if let Err(error) = self.closed.and(synced) {
            return Some(format!("packets may not have reached the disk: {error}"));
        }
        (self.is_regular && !self.rotation.is_there())
            .then(|| "was taken away, or put elsewhere, while packets were written".to_owned())
    }

    /// How many of `bytes`, whole blocks, still belong into this file: at least one where it holds
    /// no packet.
    fn fitting(&self, bytes: &[u8]) -> usize {
        let limit = self.rotate_bytes.filter(|_| self.is_regular);
        let Some(limit) = limit else {
            return bytes.len();
        };
        let closing = self.closing_blocks().len() as u64;
        let room = limit.saturating_sub(self.length.saturating_add(closing));
        let mut is_empty = self.delivered.iter().all(|count| *count == 0);
        let mut fits = 0;
        for block in blocks(bytes) {
            if (fits + block.length) as u64 > room && !is_empty {
                break;
            }
            fits += block.length;
            is_empty = false;
        }
        fits
    }

    /// Begins the next file, and ends this one.
    fn rotate(&mut self) -> io::Result<()> {
        let next = self.rotation.next()?;
        self.append_closing();
        let done = std::mem::replace(&mut self.file, next);
        self.close(done);
        self.length = self.header_bytes;
        self.begin = Timestamp::now();
        self.delivered.fill(0);
        self.before.clone_from(&self.counts);
        Ok(())
    }

    /// Has a file put on the disk. Packets don't wait for that, unless it has too many to do.
    fn close(&mut self, done: File) {
        self.wait_for_all_but(MAX_CLOSING - 1);
        let done = Arc::new(done);
        let closing = Arc::clone(&done);
        match thread::Builder::new().spawn(move || closing.sync_all()) {
            Ok(closing) => self.closing.push_back(closing),
            // No thread is left: it is done here.
            Err(_) => self.note_closed(done.sync_all()),
        }
    }

    /// Waits until all but so many of the closed files are on the disk.
    fn wait_for_all_but(&mut self, most: usize) {
        let is_finished = |closing: &JoinHandle<_>| closing.is_finished();
        while self.closing.len() > most || self.closing.front().is_some_and(is_finished) {
            let Some(closing) = self.closing.pop_front() else {
                return;
            };
            let closed = closing.join();
            self.note_closed(closed.unwrap_or_else(|_| Err(io::ErrorKind::Other.into())));
        }
    }

    fn note_closed(&mut self, closed: io::Result<()>) {
        if self.closed.is_ok() {
            self.closed = closed;
        }
    }

    /// Says what was counted. A file without that is complete: where there is no room for it,
    /// that is no loss.
    fn append_closing(&mut self) {
        if !self.is_closed {
            let blocks = self.closing_blocks();
            let _ = self.append(&blocks);
        }
    }

    fn closing_blocks(&self) -> Vec<u8> {
        let mut blocks = Blocks::new();
        let counts = self.before.iter().zip(&self.counts);
        for (interface, ((before, now_counted), delivered)) in
            counts.zip(&self.delivered).enumerate()
        {
            blocks.statistics(&InterfaceStatistics {
                interface: interface as u32,
                begin: self.begin,
                end: Timestamp::now(),
                // Since the file began: those of all files add up.
                received: Some(now_counted.received.saturating_sub(before.received)),
                dropped: Some(now_counted.dropped.saturating_sub(before.dropped)),
                delivered: Some(*delivered),
            });
        }
        blocks.into_bytes()
    }

    /// Writes whole blocks to the end of the file, as many as go; packets among the others are
    /// lost.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (written, result) = write_out(&mut self.file, bytes);
        let mut end = 0;
        let mut whole = 0;
        for block in blocks(bytes) {
            end += block.length;
            let is_written = end <= written;
            if is_written {
                whole = end;
            }
            if let Holds::Packet(interface) = block.holds {
                match self.delivered.get_mut(interface as usize) {
                    Some(count) if is_written => *count += 1,
                    _ => self.lost += u64::from(!is_written),
                }
            }
        }
        self.length += whole as u64;
        if result.is_err() {
            // What is cut off goes.
            self.is_closed = !self.is_regular || self.file.set_len(self.length).is_err();
        }
        result
    }
}

/// Writes as much as goes: how many bytes, and what was in the way of the others.
fn write_out(file: &mut File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

/// How many packets are in whole blocks.
pub(super) fn packets(bytes: &[u8]) -> u64 {
    let found = blocks(bytes).filter(|block| matches!(block.holds, Holds::Packet(_)));
    found.count() as u64
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::watch::scribe::testing::{self, header, read};

    fn job(path: PathBuf, rotate_bytes: Option<u64>, keep: Option<usize>) -> PacketFile {
        PacketFile {
            path,
            rotate_bytes,
            keep,
            header: header(2),
        }
    }

    fn place(job: &PacketFile, is_regular: bool) -> Place {
        Place {
            path: job.path.clone(),
            is_regular,
        }
    }

    fn open(job: &PacketFile) -> Packets {
        Packets::open(job, &place(job, true)).expect("opens")
    }

    fn counts(received: u64, dropped: u64) -> [InterfaceCounts; 2] {
        [InterfaceCounts { received, dropped }; 2]
    }

    /// Every file of a folder, in the order of the names.
    fn files(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).expect("a folder");
        let mut files: Vec<PathBuf> = entries
            .map(|entry| entry.expect("an entry").path())
            .collect();
        files.sort();
        files
    }

    #[test]
    fn files_follow_each_other_and_each_is_whole() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let job = job(folder.path().join("lab.pcapng"), Some(1000), None);
        let mut file = open(&job);
        for number in 0..20_i64 {
            file.count(&counts(number as u64 * 3, number as u64));
            let blocks = testing::packets(number as u32 % 2, number * 3..number * 3 + 3);
            assert_eq!(file.write(&blocks), None);
        }
        assert_eq!(file.finish(), None);
        let mut numbers = Vec::new();
        let mut drops = 0;
        let files = files(folder.path());
        assert!(files.len() > 5, "{files:?}");
        for path in files {
            assert!(path.metadata().expect("is there").len() <= 1000);
            let content = read(&path);
            assert!(!content.numbers.is_empty());
            numbers.extend(content.numbers);
            drops += content.drops.expect("says so");
        }
        assert!(numbers.into_iter().eq(0..60));
        // The last count of both interfaces.
        assert_eq!(drops, 2 * 19);
    }

    #[test]
    fn a_packet_larger_than_a_file_has_one_to_itself() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut file = open(&job(folder.path().join("lab"), Some(1), None));
        assert_eq!(file.write(&testing::packets(0, 0..3)), None);
        assert_eq!(file.finish(), None);
        let files = files(folder.path());
        let numbers = |path: &PathBuf| read(path).numbers;
        let found: Vec<_> = files.iter().map(numbers).collect();
        assert_eq!(found, [[0], [1], [2]]);
    }

    #[test]
    fn only_so_many_are_kept() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut file = open(&job(folder.path().join("lab"), Some(1), Some(2)));
        assert_eq!(file.write(&testing::packets(0, 0..9)), None);
        assert_eq!(files(folder.path()).len(), 2);
        assert_eq!(file.finish(), None);
        let files = files(folder.path());
        assert_eq!(read(&files[0]).numbers, [7]);
        assert_eq!(read(&files[1]).numbers, [8]);
    }

    #[test]
    fn a_folder_that_is_gone_loses_no_packet_that_was_open() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("captures/lab");
        fs::create_dir(folder.path().join("captures")).expect("makes it");
        let mut file = open(&job(path, Some(1), None));
        assert_eq!(file.write(&testing::packets(0, 0..1)), None);
        fs::rename(folder.path().join("captures"), folder.path().join("moved")).expect("moves");
        let told = file.write(&testing::packets(0, 1..3)).expect("tells");
        assert!(told.contains("next file"), "{told}");
        assert_eq!(file.write(&testing::packets(0, 3..4)), None, "told once");
        let missing = file.finish().expect("is elsewhere");
        assert!(missing.contains("taken away"), "{missing}");
        assert_eq!(read(&folder.path().join("moved/lab")).numbers, [0, 1, 2, 3]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_once_and_losses_are_counted() {
        let mut full = job("/dev/full".into(), None, None);
        let device = place(&full, false);
        assert!(Packets::open(&full, &device).is_err());
        full.header.clear();
        let mut file = Packets::open(&full, &device).expect("opens");
        let told = file.write(&testing::packets(0, 0..3)).expect("tells");
        assert!(told.contains("No space left"), "{told}");
        assert_eq!(file.write(&testing::packets(0, 3..5)), None);
        let missing = file.finish().expect("five");
        assert!(missing.starts_with("5 packets are missing"), "{missing}");
        assert!(missing.contains("No space left"), "{missing}");
    }

    #[test]
    fn what_was_open_before_is_added_to() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("all");
        fs::write(&path, header(2)).expect("writes");
        let job = job(path.clone(), None, None);
        let mut file = Packets::open(&job, &place(&job, false)).expect("opens");
        assert_eq!(file.write(&testing::packets(0, 0..3)), None);
        fs::rename(&path, folder.path().join("elsewhere")).expect("renames");
        assert_eq!(file.finish(), None, "its name does not matter");
        let written = fs::read(folder.path().join("elsewhere")).expect("is there");
        assert!(written.starts_with(&[header(2), header(2)].concat()));
    }
}
