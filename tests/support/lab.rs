//! The boot lab of the shared folder: a virtual machine that boots over the network from real
//! servers, every host a network namespace, all of them between processes that end together.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;
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

/// Whether a machine can boot here; said on standard error where none can.
///
/// # Panics
/// In CI, where one must.
pub fn can_run() -> bool {
    namespaces::can_run(&NEEDED)
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
        let up = lab.script(&["up"]).status().expect("the script runs");
        assert!(up.success(), "the lab is not set up");
        lab
    }

    /// Where a file of the lab stands.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a file of the lab says.
    pub fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.path(name)).expect(name);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Begins to boot the machine. The bridge is captured to that file, and what came of it is
    /// written to `boot.txt`.
    pub fn boot(&self, options: &[&str], capture: &str) -> Running {
        let capture = self.path(capture);
        let mut command = self.script(&["boot"]);
        command.args(options).arg(capture);
        command.stdout(self.create("boot.txt"));
        Running(command.spawn().expect("the script runs"))
    }

    /// Begins to watch the bridge; standard error goes to `watch.txt`.
    pub fn watch(&self, arguments: &[&str]) -> Watcher<'_> {
        // What hangs is killed, and the test fails by its status; in the foreground, as else it
        // would pass on every signal twice.
        let script = "echo $$ > \"$0\" && exec timeout --foreground --signal KILL 300 \"$@\"";
        let number = self.path("number");
        let mut command = self.host.command("ip");
        command
            .args(["netns", "exec", &format!("{PREFIX}-sw"), "sh", "-c", script])
            .args([&number, Path::new(env!("CARGO_BIN_EXE_portolan"))])
            .arg("watch")
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(self.create("watch.txt"));
        let mut child = command.spawn().expect("the program runs");
        let told = child.stdout.take().expect("it is piped");
        Watcher {
            lab: self,
            running: Running(child),
            told: BufReader::new(told).lines(),
            number,
        }
    }

    /// Changes something about the bridge's end, by `ip`.
    pub fn ip(&self, line: &str) {
        let mut command = self.host.command("ip");
        command.args(["-n", &format!("{PREFIX}-sw")]);
        let status = command.args(line.split(' ')).status().expect("ip runs");
        assert!(status.success(), "ip {line}");
    }

    fn create(&self, name: &str) -> File {
        File::create(self.path(name)).expect("writes")
    }

    fn script(&self, arguments: &[&str]) -> Command {
        let mut command = self.host.command(&self.script);
        command
            .args(arguments)
            .env("LAB_PREFIX", PREFIX)
            .env("LAB_STATE", self.path("state"))
            .stdout(Stdio::null());
        command
    }
}

/// Something that runs in the lab, and ends with it.
pub struct Running(Child);

impl Running {
    /// Waits for its end; the exit status.
    pub fn wait(&mut self) -> i32 {
        let status = self.0.wait().expect("a child");
        status.code().expect("nobody kills it from outside")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // What runs in the lab is ended by the lab's end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `portolan watch` while it runs: an iterator over its events.
pub struct Watcher<'a> {
    lab: &'a BootLab,
    running: Running,
    told: Lines<BufReader<ChildStdout>>,
    number: PathBuf,
}

impl Watcher<'_> {
    /// As Ctrl-C does.
    pub fn interrupt(&self) {
        let number = fs::read_to_string(&self.number).expect("its number");
        let mut kill = self.lab.host.command("kill");
        let status = kill.args(["-INT", number.trim()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits for its end; the exit status.
    pub fn wait(&mut self) -> i32 {
        // It must not block on what nobody reads.
        self.told.by_ref().for_each(drop);
        self.running.wait()
    }
}

impl Iterator for Watcher<'_> {
    type Item = Value;

    /// The next event; none at the end, after which comes the report.
    fn next(&mut self) -> Option<Value> {
        let line = self.told.next()?.expect("text");
        let value: Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        (value["type"] == "event").then_some(value)
    }
}
