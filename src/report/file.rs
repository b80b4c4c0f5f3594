//! Reports as files: written beside the wanted place and renamed, so that a reader finds a whole
//! report or the one before it.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Links that may lead to a file: as many as the kernel follows.
const MAX_LINKS: usize = 40;

/// Files of killed processes that are passed over.
const MAX_LEFT_OVER: u32 = 1000;

/// Writes a file through `write`, whole or not at all.
///
/// A path that leads to no regular file (a pipe), or to one that is open already (`/dev/stdout`),
/// is written directly.
pub fn replace(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let Some(path) = &regular(path)? else {
        return fill(&mut File::options().append(true).open(path)?, write);
    };
    let (beside, mut file) = create_beside(path)?;
    let written = fill(&mut file, write)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // The first error is the one to tell; a file that can't be removed adds nothing to it.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// The regular file that `path` leads to, or is to be made by it: in its real folder, links
/// followed. `None` where it is something else, or names a file that is open already.
pub fn regular(path: &Path) -> io::Result<Option<PathBuf>> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let name = path
            .file_name()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder.canonicalize()?,
            _ => Path::new(".").canonicalize()?,
        };
        // What /dev/stdout and /dev/fd lead to.
        if folder.starts_with("/proc") {
            return Ok(None);
        }
        let here = folder.join(name);
        match fs::symlink_metadata(&here) {
            Ok(found) if found.is_symlink() => path = folder.join(fs::read_link(&here)?),
            Ok(found) => return Ok(found.is_file().then_some(here)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(here)),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many links"))
}

fn fill(file: &mut File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    write(&mut out)?;
    out.flush()
}

/// A new file in the same folder. A process that was killed may have left one of the same number:
/// in a container every run has that.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut last = None;
    for attempt in 0..MAX_LEFT_OVER {
        let hidden = format!(".{name}.{}.{attempt}", std::process::id());
        let beside = path.with_file_name(hidden);
        match File::create_new(&beside) {
            Ok(file) => return Ok((beside, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::AlreadyExists.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_whole_files_only() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("report.json");
        replace(&path, |out| out.write_all(b"first")).expect("writes");
        replace(&path, |out| out.write_all(b"second")).expect("writes over it");
        let failed = replace(&path, |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("no more"))
        });
        assert_eq!(failed.expect_err("fails").to_string(), "no more");
        assert_eq!(fs::read(&path).expect("is there"), b"second");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn what_another_left_over_is_passed_over() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let left = format!(".report.json.{}.0", std::process::id());
        fs::write(folder.path().join(&left), "half").expect("writes");
        let path = folder.path().join("report.json");
        replace(&path, |out| out.write_all(b"whole")).expect("writes");
        assert_eq!(fs::read(&path).expect("is there"), b"whole");
        let other = fs::read(folder.path().join(left));
        assert_eq!(other.expect("is another's"), b"half");
    }

    #[cfg(unix)]
    #[test]
    fn follows_links_and_leaves_open_files_where_they_are() {
        use std::os::unix::fs::symlink;

        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("real")).expect("makes it");
        symlink("real", path("folder")).expect("links");
        symlink("folder/report.json", path("link")).expect("links");
        replace(&path("link"), |out| out.write_all(b"first")).expect("writes");
        assert_eq!(fs::read(path("real/report.json")).expect("there"), b"first");
        assert!(path("link").is_symlink());
        symlink("loop", path("loop")).expect("links");
        assert!(regular(&path("loop")).is_err());
        assert!(regular(Path::new("/dev/null")).expect("is there").is_none());
        // A file that is open, by its number.
        let open = File::create(path("open")).expect("opens");
        let number = std::os::fd::AsRawFd::as_raw_fd(&open);
        let by_number = PathBuf::from(format!("/dev/fd/{number}"));
        replace(&by_number, |out| out.write_all(b"one")).expect("writes");
        replace(&by_number, |out| out.write_all(b"two")).expect("writes");
        assert_eq!(fs::read(path("open")).expect("is there"), b"onetwo");
    }

    #[test]
    fn names_a_folder_that_is_missing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("missing/report.json");
        let failed = replace(&path, |out| out.write_all(b"x"));
        assert_eq!(failed.expect_err("fails").kind(), io::ErrorKind::NotFound);
    }
}
