//! What `portolan watch` may do once it runs: the kernel's word for every process and thread, the system
//! calls they make, and what those are told who lack the right to capture.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::namespaces::{self, wait_until};

/// Somebody without rights: daemon, on every Debian.
const ORDINARY: &str = "1";
/// The user who owns nothing.
const NOBODY: &str = "65534";
const SITE: &str = "version = 1\nname = \"loopback\"\n[roles]\nclient = [\"127.0.0.1\"]\n";

/// Whether this can run here; said on standard error where it can't.
///
/// # Panics
/// In CI, where it must.
fn can_run() -> bool {
    namespaces::can_run(&["bash", "ip", "nsenter", "setcap", "setpriv", "strace"])
}

/// A copy of the program and a site, in a folder where everybody may read.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let readable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), readable).expect("owned");
        let built = assert_cmd::cargo::cargo_bin("portolan");
        fs::copy(built, folder.path().join("portolan")).expect("copies");
        fs::write(folder.path().join("site.toml"), SITE).expect("writes");
        fs::create_dir(folder.path().join("out")).expect("makes");
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Lets whoever runs the copy capture.
    fn set_capability(&self) {
        let mut command = Command::new("setcap");
        command.arg("cap_net_raw+ep").arg(self.path("portolan"));
        assert!(command.status().expect("setcap runs").success());
    }

    /// Gives the folder for what is written to somebody.
    fn give_out(&self, user: u32) {
        std::os::unix::fs::chown(self.path("out"), Some(user), Some(user)).expect("owned");
    }

    /// `wrap portolan watch …` in a network of its own, with nothing but a loopback.
    fn watch(&self, wrap: &[&str], arguments: &[&str]) -> Command {
        let mut command = namespaces::on_a_loopback();
        command
            .args(wrap)
            .arg(self.path("portolan"))
            .args(["watch", "--interface", "lo", "--format", "json", "--site"])
            .arg(self.path("site.toml"))
            .args(arguments)
            .current_dir("/")
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null());
        command
    }

    fn start(&self, wrap: &[&str], arguments: &[&str]) -> Watch {
        let out = File::create(self.path("report.json")).expect("makes");
        let mut child = self
            .watch(wrap, arguments)
            .stdout(out)
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut told = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut line = String::new();
        while !line.contains("goes on as") {
            line.clear();
            let length = told.read_line(&mut line).expect("text");
            assert!(length > 0, "it ended before it was locked in");
        }
        Watch {
            child,
            told,
            held: line,
        }
    }
}

/// A run that is locked in.
struct Watch {
    child: Child,
    told: BufReader<ChildStderr>,
    /// What it says of that.
    held: String,
}

/// A process of the run, by its number.
struct Process(u32);

impl Process {
    fn is_program(&self) -> bool {
        fs::read_to_string(format!("/proc/{}/comm", self.0)).is_ok_and(|name| name == "portolan\n")
    }

    /// What the kernel says of every thread.
    fn threads(&self) -> Vec<String> {
        let entries = fs::read_dir(format!("/proc/{}/task", self.0)).expect("it runs");
        let paths = entries.map(|entry| entry.expect("an entry").path().join("status"));
        paths
            .filter_map(|path| fs::read_to_string(path).ok())
            .collect()
    }

    /// What its descriptors are.
    fn open(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(format!("/proc/{}/fd", self.0)).expect("it runs");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths.filter_map(|path| fs::read_link(path).ok()).collect()
    }

    fn and_below(self) -> Vec<Self> {
        let path = format!("/proc/{0}/task/{0}/children", self.0);
        let children = fs::read_to_string(path).unwrap_or_default();
        let children = children
            .split_whitespace()
            .map(|number| number.parse().expect("a number"));
        let below: Vec<Self> = children.flat_map(|child| Self(child).and_below()).collect();
        std::iter::once(self).chain(below).collect()
    }
}

impl Watch {
    /// The process that watches, and the one that writes where there is one.
    fn processes(&self) -> Vec<Process> {
        let all = Process(self.child.id()).and_below();
        all.into_iter().filter(Process::is_program).collect()
    }

    /// Waits until it reads, and makes sure that no thread has any right left.
    fn has_no_rights(&self, uids: &[&str], bounding_too: bool) {
        wait_until("it captures", || self.processes()[0].threads().len() > 1);
        let found = self.processes();
        assert_eq!(found.len(), uids.len());
        let threads = |(process, uid): (&Process, &&str)| {
            let uid = (*uid).to_owned();
            let threads = process.threads().into_iter();
            threads.map(move |status| (status, uid.clone()))
        };
        for (status, uid) in found.iter().zip(uids).flat_map(threads) {
            let mut wanted = vec![
                "CapInh:\t0000000000000000".to_owned(),
                "CapPrm:\t0000000000000000".to_owned(),
                "CapEff:\t0000000000000000".to_owned(),
                "CapAmb:\t0000000000000000".to_owned(),
                "NoNewPrivs:\t1".to_owned(),
                "Seccomp:\t2".to_owned(),
                format!("Uid:{}", format!("\t{uid}").repeat(4)),
            ];
            if bounding_too {
                wanted.push("CapBnd:\t0000000000000000".to_owned());
            }
            for line in wanted {
                assert!(
                    status.lines().any(|found| found == line),
                    "{line} not in\n{status}"
                );
            }
        }
    }

    /// Lets it see a flow, and ends it; the report.
    fn end(mut self, place: &Place) -> Value {
        let watching = self.processes()[0].0;
        let sent = Command::new("nsenter")
            .args(["--target", &watching.to_string(), "--net"])
            .args(["bash", "-c", "echo hello > /dev/udp/127.0.0.1/7777"])
            .status();
        assert!(sent.expect("nsenter runs").success());
        let watching = i32::try_from(watching).expect("a process number");
        kill(Pid::from_raw(watching), Signal::SIGTERM).expect("it runs");
        let mut rest = String::new();
        self.told.read_to_string(&mut rest).expect("text");
        let status = self.child.wait().expect("a child");
        assert_eq!(status.code(), Some(1), "{rest}");
        report(&place.path("report.json"))
    }
}

/// A report that holds the flow, which no rule explains.
fn report(path: &Path) -> Value {
    let bytes = fs::read(path).expect("a report");
    let report: Value = serde_json::from_slice(&bytes).expect("JSON");
    let ports: Vec<&Value> = report["unexpected"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| &entry["responder"]["port"])
        .collect();
    assert!(ports.contains(&&Value::from(7777)), "{ports:?}");
    report
}

#[test]
fn root_gives_up_everything() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let watch = place.start(&[], &[]);
    assert!(
        watch.held.contains("goes on as nobody (uid 65534)") && watch.held.contains("can't send"),
        "{}",
        watch.held
    );
    watch.has_no_rights(&[NOBODY], true);
    watch.end(&place);
}

#[test]
fn nothing_that_was_open_before_stays_open() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let secret = place.path("secret");
    fs::write(&secret, "of another").expect("writes");
    let script = "secret=$1; shift; exec 7<>\"$secret\" 0<\"$secret\"; exec \"$@\"";
    let secret_text = place.text("secret");
    let wrap = ["sh", "-c", script, "sh", &secret_text];
    let metrics = place.text("out/now.prom");
    let watch = place.start(&wrap, &["--metrics", &metrics]);
    let processes = watch.processes();
    assert_eq!(processes.len(), 2);
    for process in &processes {
        let open = process.open();
        assert!(open.len() > 3, "{open:?}");
        assert!(!open.contains(&secret), "{open:?}");
    }
    let input = fs::read_link(format!("/proc/{}/fd/0", processes[0].0));
    assert_eq!(input.expect("it is open"), Path::new("/dev/null"));
    watch.end(&place);
}

#[test]
fn a_named_user_writes_the_files() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    place.give_out(1);
    let report_too = format!("json={}", place.text("out/now.json"));
    let watch = place.start(&[], &["--user", "daemon", "--report", &report_too]);
    watch.has_no_rights(&[ORDINARY, ORDINARY], true);
    watch.end(&place);
    report(&place.path("out/now.json"));
}

#[test]
fn a_capability_of_the_file_suffices() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    place.set_capability();
    place.give_out(1);
    let ordinary = [
        "setpriv",
        "--reuid",
        ORDINARY,
        "--regid",
        ORDINARY,
        "--clear-groups",
    ];
    let report_too = format!("json={}", place.text("out/now.json"));
    let packets = place.text("out/packets.pcapng");
    let watch = place.start(&ordinary, &["--report", &report_too, "--write", &packets]);
    watch.has_no_rights(&[ORDINARY, ORDINARY], false);
    watch.end(&place);
    report(&place.path("out/now.json"));
}

/// What the unit in `contrib` gives the program, but for what [`Place::watch`] does; its folders are
/// `out` here.
fn arguments_of_the_unit(out: &str) -> Vec<String> {
    let unit = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/contrib/portolan-watch@.service"
    );
    let unit = fs::read_to_string(unit).expect("the unit");
    let line = |beginning: &str| unit.lines().find_map(|line| line.strip_prefix(beginning));
    let mut command = line("ExecStart=/usr/local/bin/portolan watch ")
        .expect("a command")
        .to_owned();
    // Every folder is one that the service gets, for this interface alone.
    for (option, root) in [("StateDirectory", "/var/lib"), ("RuntimeDirectory", "/run")] {
        let folder = line(&format!("{option}=")).expect("a folder");
        assert!(folder.ends_with("/%I"), "{option}");
        command = command.replace(&format!("{root}/{folder}/"), &format!("{out}/"));
    }
    let words: Vec<&str> = command.split(' ').collect();
    let mut arguments = Vec::new();
    for option in words.chunks(2) {
        if !["--site", "--interface", "--format"].contains(&option[0]) {
            arguments.extend(option.iter().map(|word| (*word).to_owned()));
        }
    }
    assert!(
        !arguments.iter().any(|word| word.contains("%I")),
        "{arguments:?}"
    );
    arguments
}

/// As the unit in `contrib` starts it.
#[test]
fn a_service_needs_no_root() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    place.give_out(1);
    let service = [
        "setpriv",
        "--reuid",
        ORDINARY,
        "--regid",
        ORDINARY,
        "--clear-groups",
        "--inh-caps=-all,+net_raw",
        "--ambient-caps=-all,+net_raw",
        "--bounding-set=-all,+net_raw",
        "--no-new-privs",
    ];
    let arguments = arguments_of_the_unit(&place.text("out"));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let watch = place.start(&service, &arguments);
    watch.has_no_rights(&[ORDINARY, ORDINARY], false);
    watch.end(&place);
    report(&place.path("out/report.json"));
    let metrics = fs::read_to_string(place.path("out/watch.prom")).expect("metrics");
    assert!(metrics.contains("portolan"), "{metrics}");
}

#[test]
fn without_rights_the_command_that_gives_them_is_named() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let ordinary = [
        "setpriv",
        "--reuid",
        ORDINARY,
        "--regid",
        ORDINARY,
        "--clear-groups",
    ];
    let barred = ["setpriv", "--bounding-set=-net_raw"];
    let setcap = format!("sudo setcap cap_net_raw+ep {}", place.text("portolan"));
    for (wrap, wanted) in [
        (&ordinary[..], setcap.as_str()),
        (&barred, "--cap-add=NET_RAW"),
    ] {
        let output = place.watch(wrap, &[]).output().expect("it runs");
        let told = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(wanted), "{told}");
        assert!(output.stdout.is_empty());
    }
    place.set_capability();
    let mut wrap = ordinary.to_vec();
    let user = place
        .watch(&wrap, &["--user", "nobody"])
        .output()
        .expect("it runs");
    let told = String::from_utf8(user.stderr).expect("text");
    assert_eq!(user.status.code(), Some(2), "{told}");
    assert!(told.contains("only root can go on as nobody"), "{told}");
    // And where the file has the right, but gains nothing: rights go first, then the way to new ones.
    wrap.extend(["setpriv", "--no-new-privs"]);
    let output = place.watch(&wrap, &[]).output().expect("it runs");
    let told = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("no_new_privs"), "{told}");
}

/// System calls that make something reachable. Others are in the trace, too.
const REACHING: &[&str] = &[
    "open",
    "openat",
    "openat2",
    "creat",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "mkdir",
    "mkdirat",
    "mknod",
    "mknodat",
    "truncate",
    "chmod",
    "fchmodat",
    "chown",
    "fchownat",
    "memfd_create",
    "socket",
    "socketpair",
    "connect",
    "bind",
    "listen",
    "accept",
    "accept4",
    "execve",
    "execveat",
    "fork",
    "vfork",
    "clone",
    "clone3",
    "ptrace",
    "io_uring_setup",
];

/// A system call of a trace that succeeded.
struct Call {
    /// The thread.
    thread: u32,
    name: String,
    text: String,
}

/// The calls of a trace of `strace -f -o` that succeeded, put together where others came between.
fn calls(trace: &str) -> Vec<Call> {
    let mut begun: HashMap<u32, String> = HashMap::new();
    let mut found = Vec::new();
    for line in trace.lines() {
        let (thread, text) = line.split_once(' ').expect("a thread number");
        let thread = thread.parse().expect("a thread number");
        let text = text.trim_start();
        if let Some(beginning) = text.strip_suffix("<unfinished ...>") {
            begun.insert(thread, beginning.to_owned());
            continue;
        }
        let text = match text.split_once("resumed>") {
            Some((_, rest)) => begun.remove(&thread).unwrap_or_default() + rest,
            None => text.to_owned(),
        };
        let Some((name, rest)) = text.split_once('(') else {
            continue;
        };
        let result = rest.rsplit_once(" = ").map_or("", |(_, result)| result);
        if result.starts_with(|digit: char| digit.is_ascii_digit()) {
            found.push(Call {
                thread,
                name: name.to_owned(),
                text,
            });
        }
    }
    found
}

#[test]
fn once_locked_in_no_file_and_no_socket_is_opened() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let out = place.text("out");
    let [trace, report_too, packets, metrics] = [
        place.text("trace"),
        format!("json={out}/now.json"),
        format!("{out}/packets.pcapng"),
        format!("{out}/now.prom"),
    ];
    let strace = [
        "strace",
        "-f",
        "-qq",
        "-s",
        "500",
        "-o",
        &trace,
        "-e",
        "trace=%file,%network,%process,seccomp,memfd_create,io_uring_setup,ptrace",
    ];
    let arguments = [
        "--report",
        &report_too,
        "--write",
        &packets,
        "--metrics",
        &metrics,
        "--interval",
        "1s",
    ];
    let watch = place.start(&strace, &arguments);
    watch.has_no_rights(&[NOBODY, "0"], true);
    watch.end(&place);
    report(&place.path("out/now.json"));

    let text = fs::read_to_string(&trace).expect("a trace");
    let calls = calls(&text);
    let watching = calls.first().expect("a call").thread;
    let mut own = HashSet::from([watching]);
    let mut filters: HashMap<u32, usize> = HashMap::new();
    let (mut threads, mut written) = (0, 0);
    for call in &calls {
        let is_own = own.contains(&call.thread);
        if call.name.starts_with("clone") && call.text.contains("CLONE_THREAD") {
            let started = call
                .text
                .rsplit(' ')
                .next()
                .expect("a number")
                .parse()
                .expect("a number");
            if is_own {
                own.insert(started);
            }
            // It begins with the locks of the thread that started it.
            let locks = filters.get(&call.thread).copied().unwrap_or_default();
            filters.insert(started, locks);
            threads += usize::from(is_own && locks >= 2);
            continue;
        }
        if call.name == "seccomp" && call.text.contains("SECCOMP_SET_MODE_FILTER") {
            *filters.entry(call.thread).or_default() += 1;
        }
        let locks = filters.get(&call.thread).copied().unwrap_or_default();
        if locks < 2 || !REACHING.contains(&call.name.as_str()) {
            continue;
        }
        assert!(!is_own, "the process that watches: {}", call.text);
        // The scribe, in its folder alone.
        let paths: Vec<&str> = call.text.split('"').skip(1).step_by(2).collect();
        let is_inside = |path: &&str| *path == out || path.starts_with(&format!("{out}/"));
        assert!(
            !paths.is_empty() && paths.iter().all(is_inside),
            "the scribe: {}",
            call.text
        );
        written += 1;
    }
    assert!(threads > 0, "no thread was started in the lock:\n{text}");
    assert!(written > 0, "nothing was written:\n{text}");
}
