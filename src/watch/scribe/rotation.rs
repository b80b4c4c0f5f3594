//! Names of rotated files, and which of them go.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Digits of a number in a name, so that names sort as they follow; more where they don't do.
const DIGITS: usize = 5;

/// Names that are tried one after the other where files are in the way.
const MAX_TRIES: u64 = 100_000;

/// The files made so far, and how the next one is called.
#[derive(Debug)]
pub(super) struct Rotation {
    /// The first of them.
    first: PathBuf,
    number: u64,
    keep: Option<usize>,
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

    fn is_there(&self) -> bool {
        fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == self.identity)
    }
}

impl Rotation {
    /// Opens the first file, which is emptied where it is there and is a regular one.
    pub(super) fn open(first: &Path, keep: Option<usize>) -> io::Result<(Self, File)> {
        let file = OpenOptions::new().append(true).create(true).open(first)?;
        if file.metadata()?.is_file() {
            file.set_len(0)?;
        }
        let rotation = Self {
            first: first.to_owned(),
            number: 0,
            keep,
            made: VecDeque::from([Made::new(first, &file)?]),
        };
        Ok((rotation, file))
    }

    /// Opens the next file under a name that nobody uses. The oldest go first, so that there are
    /// never more than were asked for.
    pub(super) fn next(&mut self) -> io::Result<File> {
        while self.keep.is_some_and(|keep| self.made.len() >= keep)
            && let Some(oldest) = self.made.pop_front()
        {
            if oldest.is_there() {
                fs::remove_file(&oldest.path)?;
            }
        }
        for number in self.number + 1..=self.number + MAX_TRIES {
            let path = numbered(&self.first, number);
            let file = match OpenOptions::new().append(true).create_new(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                opened => opened?,
            };
            self.number = number;
            self.made.push_back(Made::new(&path, &file)?);
            return Ok(file);
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Takes the file that was opened last away again.
    pub(super) fn take_back(&mut self) {
        if let Some(last) = self.made.pop_back() {
            // Nothing is in it; where it stays, no harm is done.
            let _ = fs::remove_file(last.path);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        let name = |entry: io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        let mut names: Vec<String> = entries
            .map(|entry| name(entry).into_string().expect("text"))
            .collect();
        names.sort();
        names
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
    fn passes_over_the_files_of_others() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("lab.pcapng"), "before").expect("writes");
        fs::write(path("lab_00002.pcapng"), "not ours").expect("writes");
        let (mut rotation, first) = Rotation::open(&path("lab.pcapng"), Some(2)).expect("opens");
        assert_eq!(first.metadata().expect("is open").len(), 0);
        for _ in 0..3 {
            rotation.next().expect("opens");
        }
        assert_eq!(
            names(folder.path()),
            ["lab_00002.pcapng", "lab_00003.pcapng", "lab_00004.pcapng"]
        );
        let theirs = fs::read_to_string(path("lab_00002.pcapng")).expect("is there");
        assert_eq!(theirs, "not ours");
        // One of ours, replaced by somebody.
        fs::write(path("new"), "not ours").expect("writes");
        fs::rename(path("new"), path("lab_00003.pcapng")).expect("renames");
        rotation.next().expect("opens");
        assert!(path("lab_00003.pcapng").exists());
        rotation.take_back();
        assert!(!path("lab_00005.pcapng").exists());
    }

    #[test]
    fn notes_that_a_file_is_gone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("lab.pcapng");
        let (rotation, _file) = Rotation::open(&path, None).expect("opens");
        assert!(rotation.is_there());
        fs::remove_file(&path).expect("removes");
        assert!(!rotation.is_there());
    }
}
