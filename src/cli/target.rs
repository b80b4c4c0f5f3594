//! Files that a command will write: found out before hours of reading, not after them, that one
//! has no folder to go to, or would replace what it is made from.

use std::path::{Path, PathBuf};

use super::errors::Failure;

/// Checks that `what` can be written to `path`, which is none of the `inputs`.
///
/// # Errors
/// Where its folder is missing, or it is an input.
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
