//! A link between two network namespaces: tcpreplay at the far end of it, `portolan watch` at the
//! near one.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use tempfile::TempDir;

use super::namespaces::{self, Host, wait_until};

/// The interface at either end.
pub const LINK: &str = "link0";

/// What is run here.
const NEEDED: [&str; 7] = [
    "bash",
    "ip",
    "nsenter",
    "setpriv",
    "sh",
    "tcpreplay",
    "unshare",
];

/// Whether links can be made here; said on standard error where they can't.
///
/// # Panics
/// In CI, where they must.
pub fn can_run() -> bool {
    namespaces::can_run(&NEEDED)
}

/// The link, on which nobody says anything unasked.
pub struct Wire {
    near: Host,
    far: Host,
    folder: TempDir,
}

impl Wire {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // Some of what runs here does so as nobody.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("owned");
        let wire = Self {
            near: Host::new(),
            far: Host::new(),
            folder,
        };
        for host in [&wire.near, &wire.far] {
            let quiet = "echo 1 | tee /proc/sys/net/ipv6/conf/*/disable_ipv6";
            let set = host.command("sh").args(["-c", quiet]).output();
            assert!(set.is_ok_and(|set| set.status.success()), "{quiet}");
        }
        wire.connect();
        wire
    }

    /// Makes the link, and sets it up.
    pub fn connect(&self) {
        let peer = self.far.network();
        self.ip(&format!(
            "link add {LINK} type veth peer name {LINK} netns {peer}"
        ));
        for host in [&self.near, &self.far] {
            host.ip(&format!("link set {LINK} up"));
        }
    }

    /// Runs `ip` at the near end.
    pub fn ip(&self, line: &str) {
        self.near.ip(line);
    }

    /// A program at the near end.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = self.near.command(program);
        command.current_dir(self.folder.path());
        command
    }

    /// Where a file stands.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sends the frames of a capture from the far end; how many.
    pub fn replay(&self, capture: &Path, options: &[&str]) -> u64 {
        let output = self
            .far
            .command("tcpreplay")
            .args(options)
            .args(["--intf1", LINK])
            .arg(capture)
            .output()
            .expect("tcpreplay runs");
        let text = String::from_utf8_lossy(&output.stdout);
        let sent = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("Successful packets:"));
        let sent = sent.and_then(|number| number.trim().parse().ok());
        sent.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Begins to watch the near end; returns once it does.
    pub fn watch(&self, program: &Path, arguments: &[&str]) -> Watch {
        // The shell knows its number, and a line from here ends it by a signal.
        let script = "exec 3<&0; \"$@\" & child=$!; \
                      { read -r _ <&3 && kill -TERM $child; } & wait $child";
        let mut child = self
            .command("sh")
            .args(["-c", script, "sh"])
            .arg(program)
            .args(["watch", "--format", "json"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("sh runs");
        let mut out = child.stdout.take().expect("it is piped");
        let out = thread::spawn(move || {
            let mut text = String::new();
            out.read_to_string(&mut text).expect("text");
            text
        });
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped"));
        // What is said first is said when the interfaces are open.
        let mut line = String::new();
        lines.read_line(&mut line).expect("text");
        let told = Arc::new(Mutex::new(line));
        let err = thread::spawn({
            let told = Arc::clone(&told);
            move || {
                let lines = lines.lines().map_while(Result::ok);
                lines.for_each(|line| {
                    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                    told.push_str(&line);
                    told.push('\n');
                });
            }
        });
        Watch {
            child,
            out,
            err,
            told,
        }
    }
}

/// `portolan watch`, running.
pub struct Watch {
    child: Child,
    out: JoinHandle<String>,
    err: JoinHandle<()>,
    told: Arc<Mutex<String>>,
}

/// What it left behind.
pub struct Watched {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Watch {
    /// What it has said so far.
    pub fn told(&self) -> String {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.clone()
    }

    /// Waits until it has said that.
    pub fn wait_for(&self, words: &str) {
        wait_until(words, || self.told().contains(words));
    }

    /// Asks it to end, by a signal.
    pub fn end(mut self) -> Watched {
        let input = self.child.stdin.as_mut().expect("it is piped");
        input.write_all(b"\n").expect("somebody reads");
        self.wait()
    }

    /// Waits until it ends.
    pub fn wait(mut self) -> Watched {
        wait_until("the program ends", || {
            self.child.try_wait().expect("a child").is_some()
        });
        // Who waits for a line ends, too, and with it what is written.
        drop(self.child.stdin.take());
        let status = self.child.wait().expect("a child");
        let out = self.out.join().expect("text");
        self.err.join().expect("text");
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        Watched {
            status: status.code().expect("an exit status"),
            out,
            err: told.clone(),
        }
    }
}
