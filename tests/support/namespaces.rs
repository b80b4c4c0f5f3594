//! Two hosts on one link, each a network namespace, in which real programs run and are captured.
//!
//! Whatever runs in a host dies with it: it has a process namespace, too, whose first process ends
//! when its standard input does. So nothing is left behind even where the test is killed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Most that anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// What [`Lab::end`] sends last, so that the capture shows its own end.
const LAST_WORDS: &str = "the end of the capture";
/// Port of what is sent last: discard.
pub const LAST_PORT: u16 = 9;

/// Address of the server's end of the link.
pub const SERVER: &str = "10.77.0.1";
/// Address of the client's end of the link.
pub const CLIENT: &str = "10.77.0.50";

/// Whether hosts can be set up here, and what they run is there; said on standard error where not.
///
/// # Panics
/// In CI, where all must be.
pub fn can_run(programs: &[impl AsRef<Path>]) -> bool {
    let Some(obstacle) = obstacle(programs) else {
        return true;
    };
    let advice = "tests/peers.sh gets the programs";
    assert!(
        std::env::var_os("CI").is_none(),
        "{obstacle} in CI; {advice}"
    );
    eprintln!("SKIPPED: {obstacle}; {advice}");
    false
}

/// `unshare … sh`, to which a command and its arguments are added: it runs in a network of its own,
/// with nothing but a loopback.
pub fn on_a_loopback() -> Command {
    let mut command = Command::new("unshare");
    let set_up = "ip link set lo up && exec \"$@\"";
    command.args(["--net", "sh", "-c", set_up, "sh"]);
    command
}

/// Why no lab can be set up here; `None` where one can.
fn obstacle(programs: &[impl AsRef<Path>]) -> Option<String> {
    let mut programs = programs.iter().map(AsRef::as_ref);
    if let Some(program) = programs.find(|program| !is_program(program)) {
        return Some(format!("{} is missing", program.display()));
    }
    let allowed = Command::new("unshare")
        .args(["--net", "--pid", "--fork", "true"])
        .stderr(Stdio::null())
        .status();
    let is_allowed = allowed.is_ok_and(|status| status.success());
    (!is_allowed).then(|| "network namespaces need root".to_owned())
}

fn is_program(program: &Path) -> bool {
    if program.is_absolute() {
        return program.exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Where servers stand, and users' paths often do not lead.
    let more = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let mut folders = std::env::split_paths(&path).chain(more);
    folders.any(|folder| folder.join(program).exists())
}

/// A network namespace, until it is dropped.
pub(super) struct Host {
    holder: Child,
    process: u32,
    /// Options of `unshare` and `nsenter`.
    namespaces: &'static [&'static str],
}

impl Host {
    pub(super) fn new() -> Self {
        Self::with(&["--net", "--pid"], "true")
    }

    /// One that sees only its own processes, and may name network namespaces: the names, and what has them,
    /// go with it.
    pub fn apart() -> Self {
        let prepare = "mount -t proc proc /proc && mount -t tmpfs none /run";
        Self::with(&["--net", "--pid", "--mount"], prepare)
    }

    /// One that sees a disk of so many KiB at that place, where there is a folder.
    fn with_disk(place: &Path, kib: u32) -> Self {
        let mount = format!("mount -t tmpfs -o size={kib}k none '{}'", place.display());
        Self::with(&["--net", "--pid", "--mount"], &mount)
    }

    fn with(namespaces: &'static [&'static str], prepare: &str) -> Self {
        // Its number as seen from outside, which also says that it is there.
        let script = format!(
            "read -r number rest < /proc/self/stat && {prepare} && echo $number && exec cat"
        );
        let mut holder = Command::new("unshare")
            .args(["--fork", "--kill-child"])
            .args(namespaces)
            .args(["sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare runs");
        let mut line = String::new();
        BufReader::new(holder.stdout.as_mut().expect("it is piped"))
            .read_line(&mut line)
            .expect("text");
        Self {
            process: line.trim().parse().expect("a process number"),
            holder,
            namespaces,
        }
    }

    /// A program in the namespaces of the host.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.process.to_string()])
            .args(self.namespaces)
            .arg("--")
            .arg(program.as_ref())
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null());
        command
    }

    /// A program in the network of the host, run in a folder. Its process is the one that is
    /// started, and does not die with the host.
    fn command_outside(&self, program: &str, folder: &Path) -> Command {
        let namespaces = self.namespaces.iter().filter(|name| **name != "--pid");
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.process.to_string()])
            .args(namespaces)
            .args(["--", "sh", "-c", "cd \"$0\" && exec \"$@\""])
            .arg(folder)
            .arg(program)
            .stdin(Stdio::null());
        command
    }

    /// Runs `ip` with the words of the line.
    pub(super) fn ip(&self, line: &str) {
        let status = self
            .command("ip")
            .args(line.split(' '))
            .status()
            .expect("ip runs");
        assert!(status.success(), "ip {line}");
    }

    /// The file that stands for its network namespace.
    pub(super) fn network(&self) -> String {
        format!("/proc/{}/ns/net", self.process)
    }

    /// Whether a UDP socket is bound to the port.
    fn listens(&self, port: u16) -> bool {
        let wanted = format!("{port:04X}");
        ["udp", "udp6"].iter().any(|table| {
            let path = format!("/proc/{}/net/{table}", self.process);
            let text = fs::read_to_string(path).unwrap_or_default();
            let locals = text
                .lines()
                .filter_map(|line| line.split_whitespace().nth(1));
            locals
                .filter_map(|local| local.split_once(':'))
                .any(|(_, port)| port == wanted)
        })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The first process reads the end of its input and ends; the kernel ends the others.
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// A client and a server, and the capture of what passes between them.
pub struct Lab {
    client: Host,
    server: Host,
    running: Vec<Child>,
    folder: PathBuf,
}

impl Lab {
    /// Sets up the link and begins to capture at the server's end of it. Everything is run in
    /// `folder`, where the capture is put, too.
    pub fn new(folder: &Path) -> Self {
        let mut lab = Self::link(folder);
        lab.capture();
        lab
    }

    /// Sets up the link alone.
    pub fn link(folder: &Path) -> Self {
        Self::between(Host::new(), folder)
    }

    /// Sets up the link, and gives the server a disk of so many KiB at a place of its own.
    pub fn with_disk(folder: &Path, place: &Path, kib: u32) -> Self {
        Self::between(Host::with_disk(place, kib), folder)
    }

    fn between(server: Host, folder: &Path) -> Self {
        let lab = Self {
            client: Host::new(),
            server,
            running: Vec::new(),
            folder: folder.to_owned(),
        };
        let peer = lab.client.network();
        lab.server.ip(&format!(
            "link add link0 type veth peer name link0 netns {peer}"
        ));
        for (host, address) in [(&lab.server, SERVER), (&lab.client, CLIENT)] {
            host.ip(&format!("address add {address}/24 dev link0"));
            host.ip("link set lo up");
            host.ip("link set link0 up");
        }
        lab
    }

    /// A program at the server's end of the link, run in the folder: its process is the one that
    /// is started, and whoever starts it ends it.
    pub fn server_command(&self, program: &str) -> Command {
        self.server.command_outside(program, &self.folder)
    }

    /// A file as the server sees it.
    pub fn server_file(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.server.process));
        root.join(path.strip_prefix("/").expect("a whole path"))
    }

    /// Runs a client until all ends. What it writes is not wanted.
    pub fn keep_running(&mut self, program: &str, arguments: &[&str]) {
        let client = self
            .client
            .command(program)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it runs");
        self.running.push(client);
    }

    /// Where the capture stands.
    pub fn path(&self) -> PathBuf {
        self.folder.join("capture.pcap")
    }

    fn capture(&mut self) {
        // A buffer that holds every frame of the longest transfer: none is dropped.
        let mut tcpdump = self
            .server
            .command("tcpdump")
            .args(["-i", "link0", "--immediate-mode", "-U", "-n", "-p"])
            .args(["-s", "256", "-B", "131072", "-w"])
            .arg(self.path())
            .stderr(Stdio::piped())
            .spawn()
            .expect("tcpdump runs");
        let mut told = BufReader::new(tcpdump.stderr.take().expect("it is piped"));
        self.running.push(tcpdump);
        let mut line = String::new();
        while !line.contains("listening on") {
            line.clear();
            let length = told.read_line(&mut line).expect("text");
            assert!(length > 0, "tcpdump ended");
        }
        // It must not block on what nobody reads.
        thread::spawn(move || std::io::copy(&mut told, &mut std::io::sink()));
    }

    /// Starts a server, and waits until it listens on UDP port 69.
    pub fn serve(&mut self, program: &Path, arguments: &[&str]) {
        let server = self
            .server
            .command(program)
            .args(arguments)
            .current_dir(&self.folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server runs");
        self.running.push(server);
        let running = self.running.len() - 1;
        wait_until("the server listens", || {
            let ended = self.running[running].try_wait().expect("a child");
            assert!(ended.is_none(), "the server ended: {ended:?}");
            self.server.listens(69)
        });
    }

    /// Runs a client to its end; its exit status, and what it wrote.
    pub fn run(&self, program: &Path, arguments: &[&str]) -> (i32, String) {
        let output = self
            .client
            .command(program)
            .args(arguments)
            .current_dir(&self.folder)
            .output()
            .expect("the client runs");
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        (output.status.code().expect("an exit status"), text)
    }

    /// Ends the capture, after everything sent so far is in it, and all that runs.
    pub fn end(self) {
        let script = format!("echo '{LAST_WORDS}' > /dev/udp/{SERVER}/{LAST_PORT}");
        let (status, text) = self.run(Path::new("bash"), &["-c", &script]);
        assert_eq!(status, 0, "{text}");
        wait_until("the capture holds everything", || {
            let bytes = fs::read(self.path()).expect("a capture");
            let tail = &bytes[bytes.len().saturating_sub(4096)..];
            let words = LAST_WORDS.as_bytes();
            tail.windows(words.len()).any(|window| window == words)
        });
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Ending the hosts ends what runs in them.
        for host in [&mut self.client, &mut self.server] {
            drop(host.holder.stdin.take());
        }
        for child in &mut self.running {
            let _ = child.wait();
        }
    }
}

/// Waits for a condition.
///
/// # Panics
/// Where it does not come true.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
