//! Folders, read whole: every file below, by name. What the files hold is not asked here.

use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use super::{ReadError, SourceWarning};

/// Files below a folder, and entries that are none.
#[derive(Default)]
pub(super) struct Listing {
    pub(super) files: Vec<PathBuf>,
    pub(super) warnings: Vec<SourceWarning>,
    /// Folders and entries that can't be looked at.
    pub(super) failed: Vec<ReadError>,
}

/// Lists the files of `folder` and its sub-folders, sorted by path. Links to files are followed,
/// links to folders are not: they may lead in circles.
pub(super) fn list(folder: &Path) -> Listing {
    let mut listing = Listing::default();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        if let Err(error) = list_one(&folder, &mut listing, &mut folders) {
            let name = folder.display().to_string();
            listing.failed.push(ReadError::from_io(&name, error));
        }
    }
    listing.files.sort();
    listing
}

fn list_one(folder: &Path, listing: &mut Listing, folders: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries: Vec<DirEntry> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    // Warnings too come in an order that doesn't depend on the file system.
    entries.sort_by_key(DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let kind = entry.file_type()?;
        if kind.is_dir() {
            folders.push(path);
            continue;
        }
        match fs::metadata(&path) {
            Ok(target) if target.is_file() => listing.files.push(path),
            // Opening a pipe in a folder would wait for whoever writes to it.
            Ok(_) => listing.warnings.push(SourceWarning::NotAFile {
                name: path.display().to_string(),
            }),
            Err(error) => {
                let name = path.display().to_string();
                listing.failed.push(ReadError::from_io(&name, error));
            }
        }
    }
    Ok(())
}
