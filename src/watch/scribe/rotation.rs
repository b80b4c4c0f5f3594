//! Files of packets that follow each other: their names, which of them go, and those that earlier
//! runs left.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc;
use nix::unistd::geteuid;

use super::PacketFile;
use super::blocks::{Block, Holds, blocks, program};
use super::service::Place;

/// Digits of a number in a name, so that names sort as they follow; more where they don't do.
const DIGITS: usize = 5;

/// Names that are tried one after the other where files are in the way.
const MAX_TRIES: u64 = 100_000;

/// Bytes in which a file says what wrote it.
const BEGINNING: u64 = 4096;

/// The files that are there, and how the next one is called.
#[derive(Debug)]
pub(super) struct Rotation {
    /// The one without a number.
    first: PathBuf,
    number: u64,
    keep: Option<usize>,
    /// What every file begins with.
    header: Vec<u8>,
    /// The oldest first. Nothing of a pipe or device.
    made: VecDeque<Made>,
}

/// A file that was made here: what stands under its name later may be another.
#[derive(Debug)]
struct Made {
    path: PathBuf,
    identity: (u64, u64),
}

impl Made {
    fn new(path: &Path, file: &File) -> io::Result<Self> {
        let found = file.metadata()?;
        Ok(Self {
            path: path.to_owned(),
            identity: (found.dev(), found.ino()),
        })
    }

    /// The file of an earlier run, of the same user, and begun by the same program; and whether it
    /// holds no packet.
    fn earlier(path: &Path, header: &[u8]) -> Option<(Self, bool)> {
        let mut options = OpenOptions::new();
        options.read(true);
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let file = options.open(path).ok()?;
        let found = file.metadata().ok()?;
        if !found.is_file() || found.uid() != geteuid().as_raw() {
            return None;
        }
        let mut beginning = Vec::new();
        let mut input = (&file).take(BEGINNING);
        input.read_to_end(&mut beginning).ok()?;
        if program(&beginning)? != program(header)? {
            return None;
        }
        let is_all = found.len() == beginning.len() as u64;
        let is_packet = |block: Block| matches!(block.holds, Holds::Packet(_));
        let is_empty = is_all && !blocks(&beginning).any(is_packet);
        Some((Self::new(path, &file).ok()?, is_empty))
    }

    fn is_there(&self) -> bool {
        fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == self.identity)
    }

    /// Removes it, and nothing else that stands under its name.
    fn remove(&self) -> io::Result<()> {
        match self.is_there() {
            true => fs::remove_file(&self.path),
            false => Ok(()),
        }
    }
}

impl Rotation {
    /// Opens the file to begin with, and begins it. Where files follow each other that is the one after
    /// those of earlier runs, which stay, and are kept or go as those of this run; where there are
    /// none it is the one that was named, unless that holds something. Else it is always that one:
    /// emptied where it is a regular one and there.
    pub(super) fn open(job: &PacketFile, place: &Place) -> io::Result<(Self, File)> {
        let first = &place.path;
        let mut rotation = Self {
            first: first.clone(),
            number: 0,
            keep: job.keep,
            header: job.header.clone(),
            made: VecDeque::new(),
        };
        let mut options = OpenOptions::new();
        options.append(true);
        if !place.is_regular {
            let mut file = options.open(first)?;
            file.write_all(&job.header)?;
            return Ok((rotation, file));
        }
        if job.rotate_bytes.is_some() {
            rotation.find_earlier();
            let is_taken = fs::symlink_metadata(first).is_ok_and(|found| found.len() > 0);
            if is_taken || !rotation.made.is_empty() {
                let file = rotation.next()?;
                return Ok((rotation, file));
            }
        }
        // Links were followed before.
        options.create(true).custom_flags(libc::O_NOFOLLOW);
        let mut file = options.open(first)?;
        file.set_len(0)?;
        file.write_all(&job.header)?;
        rotation.made.push_back(Made::new(first, &file)?);
        Ok((rotation, file))
    }

    /// Takes up the files of earlier runs, and their last number. Where the folder can't be listed
    /// there are none. Where only some are kept, the last ones go that hold no packet: runs that came
    /// to nothing don't push out what others captured.
    fn find_earlier(&mut self) {
        let entries = self.first.parent().map(fs::read_dir);
        let Some(Ok(entries)) = entries else { return };
        let found = entries.flatten().filter_map(|entry| {
            let number = number(&self.first, &entry.file_name())?;
            let (made, is_empty) = Made::earlier(&entry.path(), &self.header)?;
            Some((number, made, is_empty))
        });
        let mut found: Vec<(u64, Made, bool)> = found.collect();
        found.sort_unstable_by_key(|(number, ..)| *number);
        self.number = found.last().map_or(0, |(number, ..)| *number);
        if self.keep.is_some() {
            while let Some((_, made, _)) = found.pop_if(|(.., is_empty)| *is_empty) {
                // Where it stays, it is one more that is passed over.
                let _ = made.remove();
            }
        }
        self.made.extend(found.into_iter().map(|(_, made, _)| made));
    }

    /// Begins the next file under a name that nobody uses. The oldest go first, so that there are
    /// never more than were asked for; but what is written now stays until there is another.
    pub(super) fn next(&mut self) -> io::Result<File> {
        self.remove_beyond(self.keep.map(|keep| keep.saturating_sub(1).max(1)))?;
        for number in self.number + 1..=self.number + MAX_TRIES {
            let path = numbered(&self.first, number);
            let mut file = match OpenOptions::new().append(true).create_new(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                opened => opened?,
            };
            let begun = file.write_all(&self.header);
            if let Err(error) = begun.and_then(|()| self.add(&path, &file)) {
                // Nothing is in it; where it stays, no harm is done.
                let _ = fs::remove_file(&path);
                return Err(error);
            }
            self.number = number;
            return Ok(file);
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn add(&mut self, path: &Path, file: &File) -> io::Result<()> {
        self.made.push_back(Made::new(path, file)?);
        let removed = self.remove_beyond(self.keep);
        if removed.is_err() {
            self.made.pop_back();
        }
        removed
    }

    fn remove_beyond(&mut self, most: Option<usize>) -> io::Result<()> {
        while most.is_some_and(|most| self.made.len() > most)
            && let Some(oldest) = self.made.front()
        {
            oldest.remove()?;
            self.made.pop_front();
        }
        Ok(())
    }

    /// Whether the file opened last still stands under its name.
    pub(super) fn is_there(&self) -> bool {
        self.made.back().is_none_or(Made::is_there)
    }
}

/// `lab.pcapng` → `lab_00001.pcapng`.
fn numbered(first: &Path, number: u64) -> PathBuf {
    let mut name = OsString::from(first.file_stem().unwrap_or_default());
    name.push(format!("_{number:0DIGITS$}"));
    if let Some(extension) = first.extension() {
        name.push(".");
        name.push(extension);
    }
    first.with_file_name(name)
}

/// The number that a name holds, 0 for the first; `None` where [`numbered`] gives no such name.
fn number(first: &Path, name: &OsStr) -> Option<u64> {
    if first.file_name() == Some(name) {
        return Some(0);
    }
    let stem = first.file_stem()?.as_encoded_bytes();
    let rest = name
        .as_encoded_bytes()
        .strip_prefix(stem)?
        .strip_prefix(b"_")?;
    let digits = rest.split(|byte| !byte.is_ascii_digit()).next()?;
    let number = u64::from(str::from_utf8(digits).ok()?.parse::<u32>().ok()?);
    (numbered(first, number).file_name() == Some(name)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{Blocks, Section};
    use crate::watch::scribe::testing::packets;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        let name = |entry: io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        let mut names: Vec<String> = entries
            .map(|entry| name(entry).into_string().expect("text"))
            .collect();
        names.sort();
        names
    }

    fn header(application: &str) -> Vec<u8> {
        let mut blocks = Blocks::new();
        blocks.section(&Section {
            application: Some(application),
            ..Section::default()
        });
        blocks.into_bytes()
    }

    /// Begins to write files that follow each other.
    fn begin(path: &Path, keep: Option<usize>) -> (Rotation, File) {
        let job = PacketFile {
            path: path.to_owned(),
            rotate_bytes: Some(1000),
            keep,
            header: header("portolan 2.0"),
        };
        let place = Place {
            path: path.to_owned(),
            is_regular: true,
        };
        Rotation::open(&job, &place).expect("opens")
    }

    #[test]
    fn names_sort_as_they_follow() {
        let name = |number| numbered(Path::new("/a/lab.b.pcapng"), number);
        assert_eq!(name(1), Path::new("/a/lab.b_00001.pcapng"));
        assert_eq!(name(123_456), Path::new("/a/lab.b_123456.pcapng"));
        assert_eq!(numbered(Path::new("lab"), 7), Path::new("lab_00007"));
        assert!("lab.pcapng" < "lab_00001.pcapng");
    }

    #[test]
    fn numbers_are_read_from_names_of_this_pattern_only() {
        let first = Path::new("/a/lab.b.pcapng");
        let read = |name: &str| number(first, OsStr::new(name));
        assert_eq!(read("lab.b.pcapng"), Some(0));
        for number in [1, 99_999, 123_456] {
            let name = numbered(first, number);
            let name = name.file_name().and_then(OsStr::to_str).expect("text");
            assert_eq!(read(name), Some(number));
        }
        for other in [
            "lab.b_1.pcapng",
            "lab.b_000001.pcapng",
            "lab.b_00001.pcapng.gz",
            "lab.b_00001-old.pcapng",
            "lab.b_+0001.pcapng",
            "lab.b_99999999999.pcapng",
            "lab.b_.pcapng",
            "lab_00001.pcapng",
            "my-lab.b_00001.pcapng",
            ".lab.b_00001.pcapng",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn passes_over_the_files_of_others() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        for name in ["lab.pcapng", "lab_00002.pcapng"] {
            fs::write(path(name), "not ours").expect("writes");
        }
        let (mut rotation, first) = begin(&path("lab.pcapng"), Some(2));
        let begun = header("portolan 2.0").len() as u64;
        assert_eq!(first.metadata().expect("is open").len(), begun);
        for _ in 0..3 {
            rotation.next().expect("opens");
        }
        let theirs = ["lab.pcapng", "lab_00002.pcapng"];
        let ours = ["lab_00004.pcapng", "lab_00005.pcapng"];
        assert_eq!(names(folder.path()), [theirs, ours].concat());
        for name in theirs {
            let theirs = fs::read_to_string(path(name)).expect("is there");
            assert_eq!(theirs, "not ours");
        }
        // One of ours, replaced by somebody.
        fs::write(path("new"), "not ours").expect("writes");
        fs::rename(path("new"), path("lab_00004.pcapng")).expect("renames");
        rotation.next().expect("opens");
        assert!(path("lab_00004.pcapng").exists());
        // Nothing is lost of an empty one.
        fs::write(path("empty.pcapng"), "").expect("writes");
        begin(&path("empty.pcapng"), None);
        assert!(fs::metadata(path("empty.pcapng")).is_ok_and(|found| found.len() == begun));
    }

    #[test]
    fn runs_that_came_to_nothing_push_nothing_out() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("lab.pcapng");
        let (mut rotation, mut file) = begin(&path, Some(3));
        file.write_all(&packets(0, 0..1)).expect("writes");
        for number in 1..3 {
            file = rotation.next().expect("opens");
            file.write_all(&packets(0, number..number + 1))
                .expect("writes");
        }
        let full = ["lab.pcapng", "lab_00001.pcapng", "lab_00002.pcapng"];
        assert_eq!(names(folder.path()), full);
        for _ in 0..5 {
            begin(&path, Some(3));
        }
        assert_eq!(
            names(folder.path()),
            ["lab_00001.pcapng", "lab_00002.pcapng", "lab_00007.pcapng"]
        );
    }

    #[test]
    fn goes_on_after_what_earlier_runs_left() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        // Another program's, one that was begun by hand, no capture, no regular file.
        fs::write(path("lab_00003.pcapng"), header("dumpcap 4.4")).expect("writes");
        fs::write(path("lab_00009-old.pcapng"), header("portolan 1.0")).expect("writes");
        fs::write(path("lab_00005.pcapng"), "").expect("writes");
        fs::write(path("elsewhere"), header("portolan 1.0")).expect("writes");
        std::os::unix::fs::symlink("elsewhere", path("lab_00006.pcapng")).expect("links");
        let others = names(folder.path());
        for name in ["lab.pcapng", "lab_00001.pcapng", "lab_00002.pcapng"] {
            let full = [header("portolan 1.0"), packets(0, 0..1)].concat();
            fs::write(path(name), full).expect("writes");
        }
        let ours = |folder: &Path| {
            let mut names = names(folder);
            names.retain(|name| !others.contains(name));
            names
        };
        let (mut rotation, mut file) = begin(&path("lab.pcapng"), None);
        file.write_all(&packets(0, 0..1)).expect("writes");
        let all = [
            "lab.pcapng",
            "lab_00001.pcapng",
            "lab_00002.pcapng",
            "lab_00004.pcapng",
        ];
        assert_eq!(ours(folder.path()), all);
        let mut file = rotation.next().expect("opens");
        file.write_all(&packets(0, 1..2)).expect("writes");
        let (mut rotation, _file) = begin(&path("lab.pcapng"), Some(3));
        let kept = ["lab_00004.pcapng", "lab_00007.pcapng", "lab_00008.pcapng"];
        assert_eq!(ours(folder.path()), kept);
        rotation.next().expect("opens");
        let kept = ["lab_00007.pcapng", "lab_00008.pcapng", "lab_00009.pcapng"];
        assert_eq!(ours(folder.path()), kept);
    }

    #[test]
    fn what_is_written_stays_until_there_is_another() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("captures/lab");
        let moved = folder.path().join("moved");
        fs::create_dir(folder.path().join("captures")).expect("makes it");
        let (mut rotation, _file) = begin(&path, Some(1));
        rotation.next().expect("opens");
        assert_eq!(names(&folder.path().join("captures")), ["lab_00001"]);
        fs::rename(folder.path().join("captures"), &moved).expect("moves");
        rotation.next().expect_err("no folder");
        assert_eq!(names(&moved), ["lab_00001"]);
        assert!(!rotation.is_there());
    }

    #[test]
    fn notes_that_a_file_is_gone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("lab.pcapng");
        let (rotation, _file) = begin(&path, None);
        assert!(rotation.is_there());
        fs::remove_file(&path).expect("removes");
        assert!(!rotation.is_there());
    }
}
