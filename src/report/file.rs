//! Reports as files: written beside the wanted place and renamed, so that a reader finds a whole
//! report or the one before it.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes a file through `write`, whole or not at all.
///
/// A path that is there and is no regular file (a pipe, `/dev/stdout`) is written directly.
pub fn replace(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    if path.metadata().is_ok_and(|found| !found.is_file()) {
        return fill(&mut File::options().write(true).open(path)?, write);
    }
    let beside = beside(path)?;
    let written = File::create_new(&beside)
        .and_then(|mut file| {
            fill(&mut file, write)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // The first error is the one to tell; a file that can't be removed adds nothing to it.
        let _ = fs::remove_file(&beside);
    }
    written
}

fn fill(file: &mut File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    write(&mut out)?;
    out.flush()
}

/// A name in the same folder that no other process uses.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}", std::process::id()));
    Ok(path.with_file_name(hidden))
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
    fn names_a_folder_that_is_missing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("missing/report.json");
        let failed = replace(&path, |out| out.write_all(b"x"));
        assert_eq!(failed.expect_err("fails").kind(), io::ErrorKind::NotFound);
    }
}
