//! The boot lab of the shared folder: a virtual machine that boots over the network from real
//! servers, every host a network namespace, all of them between processes that end together.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::namespaces::{self, Host};

/// Start of the names of the namespaces.
const PREFIX: &str = "boot";

/// What the lab runs, and files that it hands out.
const NEEDED: [&str; 17] = [
    "bash",
    "dnsmasq",
    "ethtool",
    "ip",
    "nft",
    "nsenter",
    "python3",
    "qemu-system-x86_64",
    "sysctl",
    "tcpdump",
    "unshare",
    "/dev/net/tun",
    "/usr/lib/PXELINUX/pxelinux.0",
    "/usr/lib/ipxe/ipxe.efi",
    "/usr/lib/ipxe/qemu",
    "/usr/lib/syslinux/modules/bios/ldlinux.c32",
    "/usr/share/ovmf/OVMF.fd",
];

/// Why no machine can boot here; `None` where one can.
pub fn obstacle() -> Option<String> {
    namespaces::obstacle(&NEEDED.map(Path::new))
}

/// Two servers, a machine that is off, and the bridge between them.
pub struct BootLab {
    host: Host,
    folder: TempDir,
    script: PathBuf,
}

impl BootLab {
    /// Sets it up by the script of the shared folder.
    pub fn new(script: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // Some of what runs here does so as nobody.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("owned");
        let lab = Self {
            host: Host::apart(),
            folder,
            script: script.canonicalize().expect("it is there"),
        };
        lab.run(&["up"]);
        lab
    }

    /// Where a file of the lab stands.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Boots the machine, captures the bridge to that file, and says what came of it.
    pub fn boot(&self, options: &[&str], capture: &Path) -> String {
        let capture = capture.to_str().expect("text");
        self.run(&[&["boot"], options, &[capture]].concat())
    }

    /// Runs the script to its end; what it wrote.
    fn run(&self, arguments: &[&str]) -> String {
        let output = self.script(arguments).output().expect("the script runs");
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {text}{errors}");
        text.into_owned()
    }

    fn script(&self, arguments: &[&str]) -> Command {
        let mut command = self.host.command(&self.script);
        command
            .args(arguments)
            .env("LAB_PREFIX", PREFIX)
            .env("LAB_STATE", self.path("state"));
        command
    }
}
