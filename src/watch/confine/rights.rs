//! What to tell those who lack the right to capture: the command that gives it to them.

use std::path::{Path, PathBuf};

/// What matters for the right to capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// The file of this program; `None` where the system does not tell.
    pub program: Option<PathBuf>,
    /// Whether it runs as root.
    pub root: bool,
    /// Whether CAP_NET_RAW is there.
    pub raw: bool,
    /// Whether CAP_NET_RAW can be gained by running a program: it is in the bounding set.
    pub raw_allowed: bool,
    /// Whether running a program gains nothing (no_new_privs).
    pub nothing_gained: bool,
    /// Whether capabilities of files do not count on the program's file system.
    pub nosuid: bool,
}

/// What to do where the system does not let this process capture: a sentence or two, with a
/// command on a line of its own.
pub fn advice() -> String {
    Rights::here().advice()
}

impl Rights {
    /// Those of this process.
    pub fn here() -> Self {
        let program = std::env::current_exe().ok();
        let nosuid = program.as_deref().is_some_and(is_nosuid);
        let root = nix::unistd::geteuid().is_root();
        #[cfg(target_os = "linux")]
        let (raw, raw_allowed, nothing_gained) = {
            use caps::{CapSet, Capability::CAP_NET_RAW};

            (
                caps::has_cap(None, CapSet::Effective, CAP_NET_RAW).unwrap_or(false),
                caps::has_cap(None, CapSet::Bounding, CAP_NET_RAW).unwrap_or(true),
                nix::sys::prctl::get_no_new_privs().unwrap_or(false),
            )
        };
        #[cfg(not(target_os = "linux"))]
        let (raw, raw_allowed, nothing_gained) = (root, true, false);
        Self {
            program,
            root,
            raw,
            raw_allowed,
            nothing_gained,
            nosuid,
        }
    }

    /// What to do, given these.
    pub fn advice(&self) -> String {
        if self.raw {
            return "this process has CAP_NET_RAW, but the network may belong to somebody else, as \
                    in a container without root: start it outside, or give the container the \
                    host's network as root (--network host)"
                .to_owned();
        }
        if !self.raw_allowed {
            return "capturing needs CAP_NET_RAW, which nothing started here can have: a container \
                    gets it with --cap-add=NET_RAW, a systemd service with \
                    CapabilityBoundingSet=CAP_NET_RAW and AmbientCapabilities=CAP_NET_RAW"
                .to_owned();
        }
        if self.nothing_gained {
            return "capturing needs CAP_NET_RAW, and no program started here gains rights \
                    (no_new_privs), neither by setcap nor by sudo: start it from a shell of its own, \
                    or as a systemd service with AmbientCapabilities=CAP_NET_RAW"
                .to_owned();
        }
        if self.root {
            return "this is root without CAP_NET_RAW: start it from a shell that has it; `grep \
                    Cap /proc/self/status` shows what a shell has"
                .to_owned();
        }
        let Some(program) = &self.program else {
            return "capturing needs rights: start it with sudo; it gives them up once the \
                    interface is open"
                .to_owned();
        };
        let sudo = format!("\n  sudo {} watch …", quoted(program));
        if cfg!(not(target_os = "linux")) {
            return format!("capturing needs rights, so start it as root:{sudo}");
        }
        if self.nosuid {
            return format!(
                "capturing needs rights, and {} lies where programs gain none (a file system \
                 mounted nosuid): start it as root, which it gives up once the interface is open, \
                 or copy it elsewhere first:{sudo}\n  sudo install {} /usr/local/bin/portolan && \
                 sudo setcap cap_net_raw+ep /usr/local/bin/portolan",
                program.display(),
                quoted(program)
            );
        }
        format!(
            "let whoever may run this program capture, once and for all:\n  sudo setcap \
             cap_net_raw+ep {}\nor start it as root, which it gives up once the interface is \
             open:{sudo}",
            quoted(program)
        )
    }
}

#[cfg(target_os = "linux")]
fn is_nosuid(program: &Path) -> bool {
    use nix::sys::statvfs::{FsFlags, statvfs};

    statvfs(program).is_ok_and(|found| found.flags().contains(FsFlags::ST_NOSUID))
}

#[cfg(not(target_os = "linux"))]
fn is_nosuid(_: &Path) -> bool {
    false
}

/// The path as a word of a shell command.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |letter: char| letter.is_alphanumeric() || "/._-+".contains(letter);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn ordinary() -> Rights {
        Rights {
            program: Some(PathBuf::from("/usr/local/bin/portolan")),
            root: false,
            raw: false,
            raw_allowed: true,
            nothing_gained: false,
            nosuid: false,
        }
    }

    #[test]
    fn names_the_command_for_this_very_program() {
        assert_eq!(
            ordinary().advice(),
            "let whoever may run this program capture, once and for all:\n  sudo setcap \
             cap_net_raw+ep /usr/local/bin/portolan\nor start it as root, which it gives up once \
             the interface is open:\n  sudo /usr/local/bin/portolan watch …"
        );
        let odd = Rights {
            program: Some(PathBuf::from("/home/o'neil/my tools/portolan")),
            ..ordinary()
        };
        let command = r"sudo setcap cap_net_raw+ep '/home/o'\''neil/my tools/portolan'";
        assert!(odd.advice().contains(command), "{}", odd.advice());
    }

    #[test]
    fn never_names_a_command_that_would_not_help() {
        let nosuid = Rights {
            nosuid: true,
            ..ordinary()
        };
        assert!(nosuid.advice().contains("sudo install"));
        assert!(!nosuid.advice().contains("+ep /usr/local/bin/portolan\nor"));
        for (rights, wanted) in [
            (
                Rights {
                    raw_allowed: false,
                    root: true,
                    ..ordinary()
                },
                "--cap-add=NET_RAW",
            ),
            (
                Rights {
                    nothing_gained: true,
                    ..ordinary()
                },
                "no_new_privs",
            ),
            (
                Rights {
                    raw: true,
                    root: true,
                    ..ordinary()
                },
                "--network host",
            ),
            (
                Rights {
                    root: true,
                    ..ordinary()
                },
                "root without CAP_NET_RAW",
            ),
            (
                Rights {
                    program: None,
                    ..ordinary()
                },
                "start it with sudo",
            ),
        ] {
            let advice = rights.advice();
            assert!(advice.contains(wanted), "{advice}");
            assert!(!advice.contains("setcap cap"), "{advice}");
        }
    }

    #[test]
    fn reads_those_of_this_process() {
        let here = Rights::here();
        assert_eq!(here.root, nix::unistd::geteuid().is_root());
        assert_eq!(here.program, std::env::current_exe().ok());
        assert!(!here.raw || here.raw_allowed, "held, so allowed");
    }
}
