//! A process that locks itself in, and then tries everything that it must not do. Locks can't be undone
//! and must come before any thread, which a test harness starts: so this program is its own, and
//! runs itself once for each case.

#[path = "support/namespaces.rs"]
#[allow(dead_code, reason = "only a part of it is needed here")]
mod namespaces;

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek};
use std::net::{TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::fcntl::{self, FcntlArg, OFlag};
use nix::sys::ptrace;
use nix::sys::signal::{self, Signal};
use nix::unistd::{self, Pid, geteuid};
use portolan::capture::live::{LiveCapture, LiveOptions, Ready};
use portolan::watch::confine::{Confinement, Files, Plan, User, lock_in};
use tempfile::TempDir;

/// What the process is to do: `none`, or `folders` with the folder behind a space.
const CASE: &str = "PORTOLAN_LOCKED_IN";
/// A folder in which it could do anything, with a file `there`.
const OUTSIDE: &str = "PORTOLAN_LOCKED_OUT_OF";
/// Who it goes on as.
const USER: &str = "PORTOLAN_LOCKED_IN_AS";

const CASES: [(&str, fn()); 4] = [
    (
        "without_files_nothing_is_left",
        without_files_nothing_is_left,
    ),
    (
        "with_folders_only_they_are_left",
        with_folders_only_they_are_left,
    ),
    (
        "goes_on_as_the_user_that_was_named",
        goes_on_as_the_user_that_was_named,
    ),
    (
        "says_before_it_begins_what_can_not_be_written",
        says_before_it_begins_what_can_not_be_written,
    ),
];

/// Takes parts of the names of cases, as other test programs do.
fn main() {
    if let Ok(case) = std::env::var(CASE) {
        return a_process_that_is_locked_in(&case);
    }
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    for (name, case) in CASES {
        if wanted.is_empty() || wanted.iter().any(|word| name.contains(word)) {
            case();
            println!("{name} ... ok");
        }
    }
}

/// Runs a process that locks itself in, and tries. It is in a network of its own where root runs it.
fn try_all(case: &str, user: Option<&str>) -> String {
    let program = std::env::current_exe().expect("this program");
    let mut command = if geteuid().is_root() {
        let mut command = Command::new("unshare");
        // As in a service with `ProcSubset=pid`, where /proc tells nothing of the network.
        let script = "ip link set lo up && mount -t proc -o subset=pid proc /proc && exec \"$0\"";
        let namespaces = ["--net", "--mount", "sh", "-c", script];
        command.args(namespaces).arg(program);
        command
    } else {
        Command::new(program)
    };
    let outside = tempfile::tempdir().expect("a temporary folder");
    fs::write(outside.path().join("there"), b"as it was").expect("writes");
    for path in [outside.path(), &outside.path().join("there")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("owned");
    }
    command
        .env(CASE, case)
        .env(OUTSIDE, outside.path())
        .env("RUST_BACKTRACE", "1");
    if let Some(user) = user {
        command.env(USER, user);
    }
    let output = command.output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{case}, {user:?}:\n{text}\n{told}");
    assert!(text.ends_with("tried all\n"), "{text}");
    assert_eq!(names(outside.path()), ["there"]);
    let there = fs::read(outside.path().join("there")).expect("reads");
    assert_eq!(there, b"as it was");
    text
}

/// Whether root runs this; said on standard error where not.
///
/// # Panics
/// In CI, where it must be.
fn is_root() -> bool {
    namespaces::can_run(&["ip"])
}

/// A folder of that user.
fn folder_of(user: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let user = User::named(user).expect("is there");
    std::os::unix::fs::chown(folder.path(), Some(user.uid), Some(user.gid)).expect("owned");
    folder
}

fn without_files_nothing_is_left() {
    let text = try_all("none", None);
    if geteuid().is_root() {
        assert!(text.contains("goes on as nobody (uid "), "{text}");
    }
}

fn with_folders_only_they_are_left() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = try_all(&format!("folders {}", folder.path().display()), None);
    // Root stays root, whose files these are.
    let owner = folder.path().metadata().expect("is there").uid();
    assert!(text.contains(&format!("(uid {owner}) without")), "{text}");
    assert_eq!(names(folder.path()), ["renamed"]);
}

fn goes_on_as_the_user_that_was_named() {
    if !is_root() {
        return;
    }
    let folder = folder_of("daemon");
    let case = format!("folders {}", folder.path().display());
    let text = try_all(&case, Some("daemon"));
    assert!(text.contains("goes on as daemon (uid "), "{text}");
    let written = folder.path().join("renamed").metadata().expect("written");
    let daemon = User::named("daemon").expect("is there");
    assert_eq!((written.uid(), written.gid()), (daemon.uid, daemon.gid));
}

fn says_before_it_begins_what_can_not_be_written() {
    if !is_root() {
        return;
    }
    let folder = folder_of("daemon");
    let case = format!("refused {}", folder.path().display());
    let text = try_all(&case, None);
    assert!(text.contains("root may not write there"), "{text}");
    assert!(text.contains("as with --user daemon"), "{text}");
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("text")
        })
        .collect()
}

/// What the cases start. It is not root any more when it ends.
fn a_process_that_is_locked_in(case: &str) {
    let (kind, folder) = case.split_once(' ').unwrap_or((case, ""));
    let folders = [PathBuf::from(folder)];
    let files = match kind {
        "none" => Files::None,
        _ => Files::Folders(&folders),
    };
    let named = std::env::var(USER).ok();
    let writes = kind != "none";
    let plan = Plan {
        user: User::to_go_on_as(named.as_deref(), writes).expect("may"),
        files,
        captures: &[],
    };
    if kind == "refused" {
        println!("{}\ntried all", lock_in(&plan).expect_err("may not"));
        return;
    }
    let before = Before::new(geteuid().is_root());
    let captures: Vec<_> = before.capture.iter().map(AsFd::as_fd).collect();
    let captures = &captures[..];
    let held = lock_in(&Plan { captures, ..plan }).expect("locks in");
    assert_eq!(held.receive_only, captures.len());
    println!("{held}");
    before.tries(&held, writes.then_some(folder).map(Path::new));
    println!("tried all");
}

/// What was opened before.
struct Before {
    was_root: bool,
    status: File,
    /// A folder in which the user could do anything, and the file in it.
    outside: PathBuf,
    open: File,
    socket: UdpSocket,
    capture: Option<LiveCapture>,
    pair: (UnixStream, UnixStream),
}

impl Before {
    fn new(is_root: bool) -> Self {
        let options = LiveOptions {
            filter: Some("udp".to_owned()),
            ..LiveOptions::default()
        };
        let capture = is_root.then(|| LiveCapture::open("lo", &options).expect("opens"));
        let outside = PathBuf::from(std::env::var_os(OUTSIDE).expect("set beside the case"));
        let open = File::open(outside.join("there")).expect("is there");
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let own = socket.local_addr().expect("its address");
        socket.send_to(b"before", own).expect("sends");
        Self {
            was_root: is_root,
            status: File::open("/proc/self/status").expect("is there"),
            outside,
            open,
            socket,
            capture,
            pair: UnixStream::pair().expect("a pair"),
        }
    }

    /// Panics where something is allowed that must not be, or the other way round.
    fn tries(mut self, held: &Confinement, folder: Option<&Path>) {
        assert!(held.capabilities_gone);
        assert_eq!(
            held.seccomp,
            cfg!(any(target_arch = "x86_64", target_arch = "aarch64"))
        );
        self.reads_its_status(held);
        refused("reading a file", File::open("/etc/passwd"));
        let there = self.outside.join("there");
        let new = self.outside.join("new");
        refused("reading a file", File::open(&there));
        refused("making a file", File::create(&new));
        refused("a folder", fs::create_dir(&new));
        refused("a link", symlink(&there, &new));
        refused("removing", fs::remove_file(&there));
        refused("renaming", fs::rename(&there, &new));
        let open = fs::Permissions::from_mode(0o777);
        refused("opening to all", self.open.set_permissions(open.clone()));
        refused("opening to all", fs::set_permissions(&there, open));
        refused("UDP", UdpSocket::bind("127.0.0.1:0"));
        refused("TCP", TcpStream::connect("127.0.0.1:9"));
        refused("a socket pair", UnixStream::pair());
        let own = self.socket.local_addr().expect("its address");
        refused("sending", self.socket.send_to(b"x", own));
        if let Some(capture) = &self.capture {
            refused(
                "a frame",
                unistd::write(capture, &[0; 60]).map_err(io::Error::from),
            );
            refused("a copy", capture.as_fd().try_clone_to_owned());
        }
        let owned = fcntl::fcntl(&self.pair.0, FcntlArg::F_SETFL(OFlag::O_ASYNC));
        refused("signals of the kernel", owned.map_err(io::Error::from));
        refused("a program", Command::new("/bin/true").status());
        let parent = Pid::parent();
        refused(
            "a signal",
            signal::kill(parent, Signal::SIGCONT).map_err(io::Error::from),
        );
        refused("tracing", ptrace::attach(parent).map_err(io::Error::from));
        self.threads_are_locked_in_too();
        if let Some(folder) = folder {
            writes_in(folder, &self.outside);
        }
        self.goes_on_capturing();
        // A signal to itself arrives, and the byte that wakes who waits for it.
        signal::kill(Pid::this(), Signal::SIGCONT).expect("its own");
        nix::sys::signal::raise(Signal::SIGCONT).expect("its own");
        io::Write::write_all(&mut self.pair.0, b"x").expect("writes");
        assert_eq!(self.pair.1.read(&mut [0; 2]).expect("reads"), 1);
    }

    fn reads_its_status(&mut self, held: &Confinement) {
        let mut text = String::new();
        self.status.rewind().expect("from the beginning");
        self.status.read_to_string(&mut text).expect("reads");
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key));
            line.expect(key)
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let mut sets = vec!["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"];
        assert_eq!(held.bounding_set_empty, self.was_root);
        if self.was_root {
            sets.push("CapBnd:");
        }
        for set in sets {
            assert_eq!(value(set), ["0000000000000000"], "{set}");
        }
        assert_eq!(value("NoNewPrivs:"), ["1"]);
        assert_eq!(value("Uid:"), vec![held.user.uid.to_string(); 4]);
        assert_eq!(value("Gid:"), vec![held.user.gid.to_string(); 4]);
        let groups: Vec<String> = held.user.groups.iter().map(u32::to_string).collect();
        assert_eq!(value("Groups:"), groups);
        assert_eq!(value("Seccomp:"), ["2"]);
    }

    fn threads_are_locked_in_too(&self) {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                thread::spawn(|| {
                    refused("a file in a thread", File::open("/etc/passwd"));
                    refused("a socket in a thread", UdpSocket::bind("127.0.0.1:0"));
                    vec![1_u8; 1 << 20].len()
                })
            })
            .collect();
        for thread in threads {
            assert_eq!(thread.join().expect("it ends well"), 1 << 20);
        }
    }

    fn goes_on_capturing(&mut self) {
        let Some(capture) = &mut self.capture else {
            return;
        };
        // Sent before, and still in the ring.
        let wake = self.pair.0.as_fd();
        while capture
            .wait(wake, Duration::from_secs(60))
            .expect("it is there")
            != Ready::Frames
        {}
        let mut found = Vec::new();
        capture
            .drain(|frame| found.push(frame.data.ends_with(b"before")))
            .expect("reads");
        assert!(
            !found.is_empty() && found.iter().all(|found| *found),
            "{found:?}"
        );
        assert!(capture.counters().expect("counts").received > 0);
    }
}

/// All that a writer of reports needs, in that folder alone.
fn writes_in(folder: &Path, outside: &Path) {
    let (made, renamed) = (folder.join("made"), folder.join("renamed"));
    fs::write(&made, b"first").expect("writes");
    fs::write(&made, b"over").expect("over it");
    fs::rename(&made, &renamed).expect("renames");
    assert_eq!(fs::read(&renamed).expect("reads"), b"over");
    fs::write(&made, b"gone").expect("writes");
    fs::remove_file(&made).expect("removes");
    refused("moving it out", fs::rename(&renamed, outside.join("new")));
    refused("a folder in it", fs::create_dir(folder.join("folder")));
    refused("a link in it", symlink("/etc/passwd", folder.join("link")));
    refused(
        "a second name",
        fs::hard_link(&renamed, folder.join("link")),
    );
    refused(
        "its folder",
        File::create(
            folder
                .join("..")
                .join(outside.file_name().expect("a name"))
                .join("new"),
        ),
    );
}

/// Fails for want of a right, and nothing else.
fn refused<T>(what: &str, result: io::Result<T>) {
    match result {
        Ok(_) => panic!("{what} is allowed"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{what}: {error}"),
    }
}
