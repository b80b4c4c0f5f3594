//! Files that a command will write: found out before hours of reading, not after them, that one
//! has no folder to go to, or would replace what it is made from.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::errors::Failure;
use crate::report::file;

/// Checks that no two of the files to be written are the same.
///
/// # Errors
/// Where two are.
pub fn check_distinct<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<(), Failure> {
    let mut seen = HashSet::new();
    for path in paths {
        // Pipes and devices may be written by turns.
        if let Ok(Some(real)) = file::regular(path)
            && !seen.insert(real)
        {
            return Err(Failure::with_help(
                format!("{}: two files would be written there", path.display()),
                "give each a path of its own",
            ));
        }
    }
    Ok(())
}

/// Checks that `what` can be written to `path`, which is none of the `inputs`.
///
/// # Errors
/// Where its folder is missing, or it is one, or an input, or a link to it may be a trap.
pub fn check<'a>(
    path: &Path,
    what: &str,
    inputs: impl IntoIterator<Item = &'a PathBuf>,
) -> Result<(), Failure> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(Failure::with_help(
            format!("{}: the {what} can't be written", path.display()),
            format!("make the folder {} first", folder.display()),
        ));
    }
    if let Err(error) = file::regular(path) {
        return Err(Failure::with_help(
            format!("{}: the {what} can't be written: {error}", path.display()),
            "name the file itself, no folder and no link",
        ));
    }
    let Ok(real) = path.canonicalize() else {
        return Ok(());
    };
    let is_real = |input: &PathBuf| input.canonicalize().is_ok_and(|input| input == real);
    if inputs.into_iter().any(is_real) {
        return Err(Failure::with_help(
            format!("{}: the {what} would replace an input", path.display()),
            "give it a path of its own",
        ));
    }
    Ok(())
}
