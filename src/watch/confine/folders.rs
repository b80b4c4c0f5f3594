//! Landlock: the folders that are left. What the kernel does not know of it is left out.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, AddRuleError, AddRulesError, BitFlags, LandlockStatus,
    PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError,
    RulesetStatus, Scope, make_bitflags,
};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{self, AccessFlags, Uid};

use super::{ConfineError, Files, User};

/// The newest version that this was tested with.
const NEWEST: ABI = ABI::V9;

/// Makes sure that everything can be written to without capabilities, while there is still time
/// to say so.
pub(super) fn check(paths: &[PathBuf], user: &User) -> Result<(), ConfineError> {
    for path in paths {
        let mut wanted = AccessFlags::W_OK;
        if path.is_dir() {
            wanted |= AccessFlags::X_OK;
        }
        let checked = unistd::faccessat(AT_FDCWD, path, wanted, AtFlags::AT_EACCESS);
        checked.map_err(|errno| ConfineError::NotWritable {
            path: path.clone(),
            user: user.name.clone(),
            source: errno.into(),
            advice: advice(path, user),
        })?;
    }
    Ok(())
}

fn advice(path: &Path, user: &User) -> String {
    let owner = path.metadata().ok().map(|found| found.uid());
    let owner = owner.filter(|owner| *owner != user.uid).and_then(|owner| {
        let found = unistd::User::from_uid(Uid::from_raw(owner));
        found.ok().flatten()
    });
    match owner {
        Some(owner) if user.uid == 0 => format!(
            "root has no capabilities here: name a user who may, as with --user {}, or another \
             folder",
            owner.name
        ),
        Some(owner) => format!(
            "it belongs to {}: name a folder that {} may write to",
            owner.name, user.name
        ),
        None => "check that it is there, and name another folder where it can't be written".into(),
    }
}

/// Closes the file system but for these folders, TCP, and processes outside; the version of
/// Landlock that holds, `None` where the kernel has none.
pub(super) fn close_all_but(files: Files<'_>) -> Result<Option<u32>, ConfineError> {
    let mut ruleset = ruleset().map_err(refused)?;
    if let Files::Folders(paths) = files {
        for path in paths {
            allow(&mut ruleset, path)?;
        }
    }
    let status = ruleset.restrict_self().map_err(refused)?;
    let LandlockStatus::Available { effective_abi, .. } = status.landlock else {
        return Ok(None);
    };
    Ok((status.ruleset != RulesetStatus::NotEnforced).then_some(effective_abi as u32))
}

/// Everything that Landlock can deny, and no rule.
fn ruleset() -> Result<RulesetCreated, RulesetError> {
    Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()
}

/// What a rule leaves: to folders, files as a report is made (beside the place, then renamed);
/// to anything else, writing.
fn left(path: &Path) -> BitFlags<AccessFs> {
    if path.is_dir() {
        make_bitflags!(AccessFs::{
            WriteFile | ReadFile | ReadDir | MakeReg | RemoveFile | Truncate
        })
    } else {
        make_bitflags!(AccessFs::{WriteFile | Truncate})
    }
}

fn allow(ruleset: &mut RulesetCreated, path: &Path) -> Result<(), ConfineError> {
    let opened = PathFd::new(path).map_err(refused)?;
    match ruleset.add_rule(PathBeneath::new(opened, left(path))) {
        Ok(_) => Ok(()),
        // Nothing stands in the way of pipes without a name (/dev/stdout): there is no rule for them.
        Err(RulesetError::AddRules(AddRulesError::Fs(AddRuleError::AddRuleCall {
            source,
            ..
        }))) if is(&source, Errno::EBADFD) => Ok(()),
        Err(error) => Err(refused(error)),
    }
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno as i32)
}

fn refused(error: impl ToString) -> ConfineError {
    ConfineError::Lock {
        lock: "Landlock",
        reason: error.to_string(),
    }
}
