//! Reports as files: written beside the wanted place and renamed, so that a reader finds a whole
//! report or the one before it.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Component, Path, PathBuf};

/// Links that may lead to a file: as many as the kernel follows.
const MAX_LINKS: usize = 40;

/// Files of killed processes that are passed over.
const MAX_LEFT_OVER: u32 = 1000;

/// Writes a file through `write`, whole or not at all. Nobody may read it who could not read the one
/// before, where that was of the same user.
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
///
/// # Errors
/// Where it leads to a folder or nowhere, or through a link that may be a trap.
pub fn regular(path: &Path) -> io::Result<Option<PathBuf>> {
    if path.file_name().is_none() {
        let text = "the path names no file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let mut here = PathBuf::new();
    if path.is_relative() {
        here = std::env::current_dir()?;
    }
    let mut rest = VecDeque::new();
    add_steps(&mut rest, path);
    let mut links = 0;
    while let Some(step) = rest.pop_front() {
        // What /dev/stdout and /dev/fd lead to.
        if rest.is_empty() && here.starts_with("/proc") {
            return Ok(None);
        }
        // `..` is a step up: here is no link.
        if step == ".." {
            here.pop();
            continue;
        }
        let next = here.join(&step);
        match fs::symlink_metadata(&next) {
            Ok(found) if found.is_symlink() => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(io::Error::other("too many links"));
                }
                check_link(&found, &here)?;
                // Absolute ones begin anew: joining does that.
                add_steps(&mut rest, &fs::read_link(&next)?);
            }
            Ok(found) if rest.is_empty() && !found.is_dir() => {
                return Ok(found.is_file().then_some(next));
            }
            Err(error) if rest.is_empty() && error.kind() == io::ErrorKind::NotFound => {
                return Ok(Some(next));
            }
            found => {
                found?;
                here = next;
            }
        }
    }
    Err(io::ErrorKind::IsADirectory.into())
}

/// Puts what a path consists of before the other steps.
fn add_steps(rest: &mut VecDeque<OsString>, path: &Path) {
    for step in path.components().rev() {
        if step != Component::CurDir {
            rest.push_front(step.as_os_str().to_owned());
        }
    }
}

/// Makes sure that a link may be followed: where everybody may make files (`/tmp`), one of another
/// user may lead this one to overwrite what is its own. The kernel has the same rule
/// (`fs.protected_symlinks`), but only for links that it follows itself.
#[cfg(unix)]
fn check_link(link: &Metadata, folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;

    /// Sticky, and writable to all.
    const SHARED: u32 = 0o1002;

    let folder = fs::metadata(folder)?;
    let is_trusted = [rustix::process::geteuid().as_raw(), folder.uid()].contains(&link.uid());
    if folder.mode() & SHARED == SHARED && !is_trusted {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it leads through a link that another user made where everybody may",
        ));
    }
    Ok(())
}

/// Links are not made by everybody elsewhere.
#[cfg(not(unix))]
fn check_link(_: &Metadata, _: &Path) -> io::Result<()> {
    Ok(())
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
        match new_like(path).open(&beside) {
            Ok(file) => return Ok((beside, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::AlreadyExists.into()))
}

/// How a new file is made that is to be put in the place of the one there.
fn new_like(path: &Path) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

        if let Ok(found) = fs::symlink_metadata(path)
            && found.uid() == rustix::process::geteuid().as_raw()
        {
            options.mode(found.mode() & 0o666);
        }
    }
    options
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
    fn a_folder_is_no_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for path in [folder.path(), &folder.path().join("..")] {
            let failed = regular(path).expect_err("a folder");
            let wanted = [io::ErrorKind::IsADirectory, io::ErrorKind::InvalidInput];
            assert!(wanted.contains(&failed.kind()), "{failed}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn finds_its_way_as_the_system_does() {
        use std::os::unix::fs::symlink;

        let folder = tempfile::tempdir().expect("a temporary folder");
        let real = folder.path().canonicalize().expect("is there");
        let path = |name: &str| real.join(name);
        fs::create_dir_all(path("a/b")).expect("makes them");
        symlink("a/b", path("relative")).expect("links");
        symlink(path("a"), path("absolute")).expect("links");
        symlink("../relative/../file", path("a/up")).expect("links");
        for (name, wanted) in [
            ("a/./b/file", "a/b/file"),
            ("relative/../file", "a/file"),
            ("absolute/b/file", "a/b/file"),
            ("absolute/up", "a/file"),
        ] {
            let found = regular(&path(name)).expect("a file could be there");
            assert_eq!(found, Some(path(wanted)), "{name}");
        }
        let missing = regular(&path("missing/../file")).expect_err("no folder");
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    /// A file that nobody else may read stays so.
    #[cfg(unix)]
    #[test]
    fn who_may_read_does_not_change() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("report.json");
        fs::write(&path, "before").expect("writes");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("owned");
        replace(&path, |out| out.write_all(b"after")).expect("writes");
        let mode = path.metadata().expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    /// Only root can set the trap.
    #[cfg(unix)]
    #[test]
    fn links_of_others_in_shared_folders_are_not_followed() {
        use std::os::unix::fs::{PermissionsExt, lchown, symlink};

        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: not root");
            return;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("own")).expect("makes it");
        fs::write(path("own/file"), "as it was").expect("writes");
        fs::create_dir(path("shared")).expect("makes it");
        let shared = fs::Permissions::from_mode(0o1777);
        fs::set_permissions(path("shared"), shared).expect("owned");
        symlink(path("own/file"), path("shared/file")).expect("links");
        symlink(path("own"), path("shared/folder")).expect("links");
        let write = |name: &str| replace(&path(name), |out| out.write_all(b"changed"));
        let names = ["shared/file", "shared/folder/file"];
        for name in names {
            write(name).expect("a link of its own");
        }
        fs::write(path("own/file"), "as it was").expect("writes");
        for link in ["shared/file", "shared/folder"] {
            lchown(path(link), Some(1), Some(1)).expect("root may");
        }
        for name in names {
            let failed = write(name).expect_err("may be a trap");
            assert_eq!(failed.kind(), io::ErrorKind::PermissionDenied, "{failed}");
        }
        assert_eq!(fs::read(path("own/file")).expect("there"), b"as it was");
        // Nobody else can make links there.
        let own = fs::Permissions::from_mode(0o755);
        fs::set_permissions(path("shared"), own).expect("owned");
        write("shared/file").expect("no trap");
    }

    #[test]
    fn names_a_folder_that_is_missing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("missing/report.json");
        let failed = replace(&path, |out| out.write_all(b"x"));
        assert_eq!(failed.expect_err("fails").kind(), io::ErrorKind::NotFound);
    }
}
