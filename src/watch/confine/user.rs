//! Who the process is, and who it goes on as. Looked up before it is locked in: after that no file
//! that says so can be read.

use std::ffi::CString;
use std::fmt;

use nix::unistd::{self, Gid, Uid};

use super::ConfineError;

/// Who owns nothing.
const NOBODY: &str = "nobody";

/// A user of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name; the number in decimal where it has none.
    pub name: String,
    /// The user number.
    pub uid: u32,
    /// The number of the main group.
    pub gid: u32,
    /// The numbers of all groups, in the system's order.
    pub groups: Vec<u32>,
}

impl User {
    /// The user of that name, or of that number where no name is so.
    ///
    /// # Errors
    /// Where there is none, or it can't be looked up.
    pub fn named(name: &str) -> Result<Self, ConfineError> {
        let lookup = |errno: nix::Error| ConfineError::Lookup {
            name: name.to_owned(),
            source: errno.into(),
        };
        let mut found = unistd::User::from_name(name).map_err(lookup)?;
        if let (None, Ok(number)) = (&found, name.parse()) {
            found = unistd::User::from_uid(Uid::from_raw(number)).map_err(lookup)?;
        }
        let found = found.ok_or_else(|| ConfineError::UnknownUser {
            name: name.to_owned(),
        })?;
        let groups = groups_of(&found).map_err(lookup)?;
        Ok(Self {
            name: found.name,
            uid: found.uid.as_raw(),
            gid: found.gid.as_raw(),
            groups,
        })
    }

    /// The user `nobody`.
    ///
    /// # Errors
    /// As [`named`](Self::named).
    pub fn nobody() -> Result<Self, ConfineError> {
        Self::named(NOBODY)
    }

    /// Who the process is now.
    pub fn current() -> Self {
        let uid = unistd::geteuid();
        let known = unistd::User::from_uid(uid).ok().flatten();
        Self {
            name: known.map_or_else(|| uid.to_string(), |known| known.name),
            uid: uid.as_raw(),
            gid: unistd::getegid().as_raw(),
            groups: own_groups(),
        }
    }

    /// Who the process should go on as; `None`: who it is.
    ///
    /// That is the user who was named. Where none was, root goes on as `nobody` unless files are to be
    /// written, which are its own: then, and where this system can't have it so (a container without
    /// SETUID, a user namespace without that user), it stays root without capabilities.
    ///
    /// # Errors
    /// Where the one who was named is unknown, or only root could become that.
    pub fn to_go_on_as(
        named: Option<&str>,
        writes_files: bool,
    ) -> Result<Option<Self>, ConfineError> {
        let current = unistd::geteuid();
        if let Some(name) = named {
            let user = Self::named(name)?;
            if user.uid == current.as_raw() {
                return Ok(None);
            }
            if !current.is_root() {
                return Err(ConfineError::NotRoot {
                    name: user.name,
                    current: Self::current().name,
                });
            }
            return Ok(Some(user));
        }
        if !current.is_root() || writes_files {
            return Ok(None);
        }
        Ok(Self::nobody().ok().filter(can_become))
    }
}

impl fmt::Display for User {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} (uid {})", self.name, self.uid)
    }
}

#[cfg(not(target_vendor = "apple"))]
fn groups_of(user: &unistd::User) -> nix::Result<Vec<u32>> {
    let name = CString::new(user.name.as_str()).map_err(|_| nix::Error::EINVAL)?;
    let groups = unistd::getgrouplist(&name, user.gid)?;
    Ok(groups.into_iter().map(Gid::as_raw).collect())
}

#[cfg(target_vendor = "apple")]
fn groups_of(user: &unistd::User) -> nix::Result<Vec<u32>> {
    Ok(vec![user.gid.as_raw()])
}

#[cfg(not(target_vendor = "apple"))]
fn own_groups() -> Vec<u32> {
    let groups = unistd::getgroups().unwrap_or_default();
    groups.into_iter().map(Gid::as_raw).collect()
}

#[cfg(target_vendor = "apple")]
fn own_groups() -> Vec<u32> {
    vec![unistd::getegid().as_raw()]
}

/// Whether root may become that user here, as far as can be told without trying.
#[cfg(target_os = "linux")]
fn can_become(user: &User) -> bool {
    use caps::{CapSet, Capability};

    let holds = |capability| caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false);
    let read = |name| std::fs::read_to_string(format!("/proc/self/{name}"));
    holds(Capability::CAP_SETUID)
        && holds(Capability::CAP_SETGID)
        // Without /proc nothing is known against it.
        && read("setgroups").map_or(true, |said| said.trim() != "deny")
        && read("uid_map").map_or(true, |map| maps(&map, user.uid))
        && read("gid_map").map_or(true, |map| maps(&map, user.gid))
}

#[cfg(not(target_os = "linux"))]
fn can_become(_: &User) -> bool {
    false
}

/// Whether a map of a user namespace (`first outside count`, a line each) holds a number.
#[cfg(target_os = "linux")]
fn maps(map: &str, number: u32) -> bool {
    map.lines().any(|line| {
        let mut fields = line.split_whitespace().map(str::parse::<u64>);
        match (fields.next(), fields.nth(1)) {
            (Some(Ok(first)), Some(Ok(count))) => u64::from(number)
                .checked_sub(first)
                .is_some_and(|at| at < count),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_users_by_name_and_number() {
        let root = User::named("root").expect("root is everywhere");
        assert_eq!((root.uid, root.gid), (0, 0));
        assert!(root.groups.contains(&0));
        assert_eq!(User::named("0").expect("by number"), root);
        assert_eq!(root.to_string(), "root (uid 0)");
        for name in ["no such user", "4294967294", "", "a\0b"] {
            let failed = User::named(name).expect_err("there is none");
            assert!(
                matches!(&failed, ConfineError::UnknownUser { name: told } if told == name),
                "{failed}"
            );
        }
    }

    #[test]
    fn the_current_user_is_no_change() {
        let current = User::current();
        let told = User::to_go_on_as(Some(&current.uid.to_string()), false);
        assert_eq!(told.expect("no error"), None);
    }

    #[test]
    fn others_than_root_stay_who_they_are() {
        if unistd::geteuid().is_root() {
            let other = User::to_go_on_as(Some(NOBODY), true).expect("may");
            assert_eq!(other, Some(User::nobody().expect("is there")));
            assert_eq!(User::to_go_on_as(None, true).expect("may"), None);
        } else {
            assert_eq!(User::to_go_on_as(None, false).expect("may"), None);
            let failed = User::to_go_on_as(Some("root"), false).expect_err("may not");
            assert!(matches!(failed, ConfineError::NotRoot { .. }), "{failed}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn reads_maps_of_user_namespaces() {
        assert!(maps("         0          0 4294967295\n", 65_534));
        assert!(!maps("0 1000 1\n", 65_534));
        assert!(maps("0 1000 1\n1 100000 65536\n", 65_534));
        assert!(!maps("1 100000 65536\n", 0));
        assert!(!maps("nonsense\n", 0));
    }
}
