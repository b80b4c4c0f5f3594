//! What the user named → sources in the order of their first packets.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use super::compression::{Compression, RECOGNISED_BY, ReadAhead, Unpack};
use super::folder;
use super::stream::Stream;
use super::{Batch, ReadError, Reader, SourceError, SourceErrors, SourceWarning};
use crate::net::{Position, Timestamp};

/// What stands for standard input.
const STANDARD_INPUT: &str = "-";

/// Bytes read at a time while looking for the first record of a file.
const PEEK_CAPACITY: usize = 16 << 10;

/// Suffixes by which an empty file in a folder is a lost capture rather than something else.
const CAPTURE_SUFFIXES: [&str; 3] = ["pcap", "pcapng", "cap"];

/// A capture that can be opened.
pub struct Source {
    /// As the user named it; `-` is standard input.
    pub name: String,
    /// Bytes of the file; `None` for standard input and pipes.
    pub size: Option<u64>,
    /// Time of the first packet; `None` where there is none.
    pub first: Option<Timestamp>,
    /// How it is compressed; `None` where it is not. What is compressed is read from its first
    /// byte on: it can't be cut into pieces.
    pub compression: Option<Compression>,
    place: Place,
}

enum Place {
    File(PathBuf),
    Stream(Stream),
}

/// What the user named, as far as it can be read.
#[derive(Debug)]
pub struct Sources {
    /// At least one; ordered by first packet, then name. Those without packets come last.
    pub list: Vec<Source>,
    /// What can't be read. The rest can, but what comes of it is incomplete.
    pub failed: Vec<SourceError>,
    /// What was left out for a good reason.
    pub warnings: Vec<SourceWarning>,
}

/// Finds and orders the sources that `paths` name: files, folders, pipes, `-` for standard input.
///
/// # Errors
/// Where nothing at all can be read. Otherwise see [`Sources::failed`].
pub fn sources(paths: &[PathBuf]) -> Result<Sources, SourceErrors> {
    let mut search = Search::default();
    for path in paths {
        search.add(path);
    }
    let mut found = search.found;
    if found.list.is_empty() {
        return Err(SourceErrors(found.failed));
    }
    if found.list.len() > Position::MAX_CAPTURES {
        return Err(SourceErrors(vec![SourceError::TooMany {
            limit: Position::MAX_CAPTURES,
        }]));
    }
    found.list.sort_by(|a, b| {
        let key = |source: &Source| source.first.unwrap_or(Timestamp::MAX);
        key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
    });
    Ok(found)
}

impl Source {
    /// Begins to read it. A stream can be opened once.
    pub fn open(&self) -> Result<Reader, ReadError> {
        let name = &self.name;
        let (input, packed): (Box<dyn Read + Send>, _) = match (&self.place, self.compression) {
            (Place::File(path), None) => (Box::new(open(path, name)?), None),
            (Place::File(path), Some(compression)) => {
                let unpacked = ReadAhead::new(compression, open(path, name)?)
                    .map_err(|error| ReadError::from_io(name, error))?;
                let packed = unpacked.packed();
                (Box::new(unpacked), Some(packed))
            }
            (Place::Stream(stream), _) => stream
                .take()
                .ok_or_else(|| ReadError::Spent { name: name.clone() })?,
        };
        let reader = Reader::new(input, name).map_err(|it| it.of_unpacked(self.compression))?;
        Ok(match packed {
            Some(packed) => reader.unpacking(packed),
            None => reader,
        })
    }

    /// The file; `None` for standard input and pipes.
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::File(path) => Some(path),
            Place::Stream(_) => None,
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Source")
            .field("name", &self.name)
            .field("size", &self.size)
            .field("first", &self.first)
            .finish_non_exhaustive()
    }
}

/// Time of the first packet that `reader` gives.
pub(super) fn first_time<R: Read>(mut reader: Reader<R>) -> Option<Timestamp> {
    let mut first = None;
    loop {
        let batch = reader.read_batch(|frames| {
            first = first.or(frames.first().map(|frame| frame.time));
        });
        if first.is_some() || batch == Batch::End {
            return first;
        }
    }
}

/// The first bytes of `input`, by which its compression is recognised.
pub(super) fn head(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(RECOGNISED_BY);
    input.take(RECOGNISED_BY as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn open(path: &Path, name: &str) -> Result<File, ReadError> {
    File::open(path).map_err(|error| ReadError::from_io(name, error))
}

/// Sources as they are found, in the order of the names.
struct Search {
    found: Sources,
    /// Names by what they lead to.
    names: HashMap<PathBuf, String>,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            found: Sources {
                list: Vec::new(),
                failed: Vec::new(),
                warnings: Vec::new(),
            },
            names: HashMap::new(),
        }
    }
}

impl Search {
    fn add(&mut self, path: &Path) {
        let name = path.display().to_string();
        if name == STANDARD_INPUT {
            self.add_stream(PathBuf::from(STANDARD_INPUT), name, io::stdin());
            return;
        }
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.add_folder(path, name),
            Ok(metadata) if metadata.is_file() => {
                if let Err(error) = self.add_file(path, name) {
                    self.found.failed.push(error.into());
                }
            }
            // A pipe or a device: its bytes may come only once.
            Ok(_) => match open(path, &name) {
                Ok(file) => self.add_stream(path.to_path_buf(), name, file),
                Err(error) => self.found.failed.push(error.into()),
            },
            Err(error) => {
                let error = ReadError::from_io(&name, error);
                self.found.failed.push(error.into());
            }
        }
    }

    fn add_folder(&mut self, path: &Path, name: String) {
        let listing = folder::list(path);
        let files = listing.files.len();
        let failed_before = self.found.failed.len();
        let mut captures = false;
        self.found.warnings.extend(listing.warnings);
        let failed = listing.failed.into_iter().map(SourceError::from);
        self.found.failed.extend(failed);
        for file in listing.files {
            let name = file.display().to_string();
            match self.add_file(&file, name) {
                Ok(()) => captures = true,
                Err(error) if error.is_about_content() && !is_lost_capture(&file, &error) => {
                    let warning = SourceWarning::NotACapture(error);
                    self.found.warnings.push(warning);
                }
                Err(error) => self.found.failed.push(error.into()),
            }
        }
        if !captures && self.found.failed.len() == failed_before {
            let error = SourceError::NoCaptures { name, files };
            self.found.failed.push(error);
        }
    }

    fn add_file(&mut self, path: &Path, name: String) -> Result<(), ReadError> {
        let unreadable = |error| ReadError::from_io(&name, error);
        let real = fs::canonicalize(path).map_err(unreadable)?;
        if self.is_duplicate(&real, &name) {
            return Ok(());
        }
        let mut file = open(path, &name)?;
        let size = file.metadata().map_err(unreadable)?.len();
        let head = head(&mut file).map_err(unreadable)?;
        file.rewind().map_err(unreadable)?;
        let compression = Compression::recognise(&head);
        let first = match compression {
            None => first_time(Reader::with_capacity(file, &name, PEEK_CAPACITY)?),
            Some(compression) => {
                let unpacked = Unpack::new(compression, file, PEEK_CAPACITY).map_err(unreadable)?;
                let reader = Reader::with_capacity(unpacked, &name, PEEK_CAPACITY);
                first_time(reader.map_err(|error| error.of_unpacked(Some(compression)))?)
            }
        };
        self.names.insert(real, name.clone());
        self.found.list.push(Source {
            name,
            size: Some(size),
            first,
            compression,
            place: Place::File(path.to_path_buf()),
        });
        Ok(())
    }

    fn add_stream(&mut self, path: PathBuf, name: String, input: impl Read + Send + 'static) {
        if self.is_duplicate(&path, &name) {
            return;
        }
        self.names.insert(path, name.clone());
        match Stream::peek(input, &name) {
            Ok((stream, first)) => self.found.list.push(Source {
                name,
                size: None,
                first,
                compression: stream.compression(),
                place: Place::Stream(stream),
            }),
            Err(error) => self.found.failed.push(error.into()),
        }
    }

    /// Whether `real` is among the sources already; then a warning says so.
    fn is_duplicate(&mut self, real: &Path, name: &str) -> bool {
        let Some(first) = self.names.get(real) else {
            return false;
        };
        self.found.warnings.push(SourceWarning::Duplicate {
            name: name.to_owned(),
            first: first.clone(),
        });
        true
    }
}

/// Whether a file of a folder was to be a capture, but nothing of it was written.
fn is_lost_capture(path: &Path, error: &ReadError) -> bool {
    let content = match error {
        ReadError::Unpacked { error, .. } => error,
        error => error,
    };
    let lost = matches!(
        content,
        ReadError::Empty { .. } | ReadError::Zeros { .. } | ReadError::Packed { .. }
    );
    let is_capture = |path: &Path| {
        let suffix = path.extension().and_then(|suffix| suffix.to_str());
        suffix.is_some_and(|suffix| CAPTURE_SUFFIXES.contains(&suffix))
    };
    // The suffix of the compression follows that of the capture.
    lost && (is_capture(path) || is_capture(&path.with_extension("")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::builder::Writer;

    /// A capture whose only frame has this time, or none where it is `None`.
    fn capture(seconds: Option<u32>) -> Vec<u8> {
        let mut writer = Writer::new(false);
        writer.pcap_header(0xa1b2_c3d4, (2, 4), 1);
        if let Some(seconds) = seconds {
            writer.pcap_record((seconds, 0), (1, 1), &[], &[0xaa]);
        }
        writer.bytes
    }

    /// A folder with files in it.
    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    /// Names of the sources below `root`.
    fn names(found: &Sources, root: &Path) -> Vec<String> {
        let short = |name: &str| {
            let path = Path::new(name).strip_prefix(root).unwrap();
            path.display().to_string()
        };
        found.list.iter().map(|it| short(&it.name)).collect()
    }

    fn frames(source: &Source) -> u64 {
        let mut reader = source.open().unwrap();
        reader.read(|_| {});
        reader.frames()
    }

    #[test]
    fn reads_folders_whole_in_the_order_of_time() {
        let folder = folder(&[
            ("none.pcap", &capture(None)),
            ("late.pcap", &capture(Some(9))),
            ("b", &capture(Some(5))),
            ("a/deep/c", &capture(Some(5))),
            ("a/notes.txt", b"not a capture"),
            ("packed.gz", &[0x1f, 0x8b, 8, 0]),
            (".keep", b""),
        ]);
        let found = sources(&[folder.path().to_path_buf()]).unwrap();
        let expected = ["a/deep/c", "b", "late.pcap", "none.pcap"];
        assert_eq!(names(&found, folder.path()), expected);
        assert!(found.failed.is_empty());
        let warnings: Vec<_> = found.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        assert!(warnings[0].contains(".keep: the file is empty"));
        assert!(warnings[1].contains("notes.txt: not a pcap or pcapng capture"));
        assert!(warnings[2].contains("gzip"));
        assert_eq!(found.list[0].first, Some(Timestamp(5_000_000_000)));
        assert_eq!(found.list[0].size, Some(41));
        assert_eq!(frames(&found.list[0]), 1);
        assert_eq!((found.list[3].first, frames(&found.list[3])), (None, 0));

        let named = ["b", "late.pcap", "a/deep/c"].map(|name| folder.path().join(name));
        let found = sources(&named).unwrap();
        assert_eq!(names(&found, folder.path()), expected[..3]);
    }

    #[test]
    fn reads_a_file_once_whatever_it_is_called() {
        let folder = folder(&[("x/a.pcap", &capture(Some(1)))]);
        let root = folder.path();
        let again = root.join("x/../x/a.pcap");
        let found = sources(&[root.join("x/a.pcap"), again, root.into()]).unwrap();
        assert_eq!(names(&found, root), ["x/a.pcap"]);
        assert_eq!(found.warnings.len(), 2);
        for warning in &found.warnings {
            assert!(matches!(warning, SourceWarning::Duplicate { .. }));
        }
        assert!(found.failed.is_empty());
    }

    #[test]
    fn what_cannot_be_read_does_not_keep_the_rest() {
        let folder = folder(&[
            ("good.pcap", &capture(Some(1))),
            ("empty.pcap", b""),
            ("zeros.pcap", &[0; 4096]),
            ("x.cap", b"GMBU\0\x02\0\0"),
        ]);
        let root = folder.path();
        let named = ["empty.pcap", "x.cap", "missing.pcap", "good.pcap"];
        let found = sources(&named.map(|name| root.join(name))).unwrap();
        assert_eq!(names(&found, root), ["good.pcap"]);
        let failed: Vec<_> = found.failed.iter().map(ToString::to_string).collect();
        assert_eq!(failed.len(), 3, "{failed:?}");
        assert!(failed[0].contains("empty (0 bytes)"));
        assert!(failed[1].contains("editcap -F pcapng"));
        assert!(failed[2].contains("missing.pcap: no such file"));

        // In a folder too, an empty capture is a loss and not just another file.
        let found = sources(&[root.into()]).unwrap();
        assert_eq!((found.failed.len(), found.warnings.len()), (2, 1));
    }

    #[test]
    fn nothing_to_read_is_an_error_with_every_reason() {
        let folder = folder(&[("a.txt", b"text"), ("b.txt", b"more")]);
        let root = folder.path();
        let error = sources(&[root.into(), root.join("none")]).unwrap_err();
        let text = error.to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].contains("no pcap or pcapng capture (2 files looked at)"));
        assert!(lines[1].contains("no such file or folder"));
        assert!(
            sources(&[])
                .unwrap_err()
                .to_string()
                .contains("no capture is named")
        );
    }

    #[cfg(unix)]
    #[test]
    fn links_do_not_lead_in_circles_and_sockets_are_passed() {
        use std::os::unix::fs::symlink;
        use std::os::unix::net::UnixListener;

        let folder = folder(&[("x/a.pcap", &capture(Some(1)))]);
        let root = folder.path();
        symlink(root, root.join("x/up")).unwrap();
        symlink(root.join("x/a.pcap"), root.join("link.pcap")).unwrap();
        symlink(root.join("gone"), root.join("dangling.pcap")).unwrap();
        let _socket = UnixListener::bind(root.join("socket")).unwrap();
        let found = sources(&[root.into()]).unwrap();
        assert_eq!(names(&found, root), ["link.pcap"]);
        assert_eq!((found.warnings.len(), found.failed.len()), (3, 1));
    }

    #[cfg(unix)]
    #[test]
    fn devices_are_read_as_streams() {
        let error = sources(&["/dev/null".into(), "/dev/zero".into()]).unwrap_err();
        assert!(matches!(
            error.0[..],
            [
                SourceError::Read(ReadError::Empty { .. }),
                SourceError::Read(ReadError::Zeros { .. })
            ]
        ));
    }
}
