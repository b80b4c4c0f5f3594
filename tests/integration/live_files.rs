//! Files of a live run: whole whenever it ends, and however.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::namespaces::{self, CLIENT, Lab, SERVER, wait_until};
use crate::support::tshark;

const PROGRAM: &str = env!("CARGO_BIN_EXE_portolan");

/// How often each signal ends a run.
const RUNS: u64 = 10;

/// A link with traffic on it, and a folder with a site file.
struct Scene {
    lab: Lab,
    folder: TempDir,
}

impl Scene {
    /// `None`, said on standard error, where it can't be set up; `disk_kib`: the size of a disk of
    /// its own, `disk`, that what runs at the link's end sees in the folder.
    ///
    /// # Panics
    /// In CI, where it must.
    fn new(disk_kib: Option<u32>) -> Option<Self> {
        if !namespaces::can_run(&["bash", "ip", "nsenter", "unshare"]) {
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("disk")).expect("makes it");
        let site = format!(
            "version = 1\n[roles]\ndistribution-point-pxe = [\"{SERVER}\"]\nclient = [\"{CLIENT}\"]\n"
        );
        fs::write(folder.path().join("site.toml"), site).expect("writes");
        let mut lab = match disk_kib {
            Some(size) => Lab::with_disk(folder.path(), &folder.path().join("disk"), size),
            None => Lab::link(folder.path()),
        };
        // To ports of every number, so that there is always something new to be told; the server
        // refuses them.
        let script = format!("while :; do echo > /dev/udp/{SERVER}/$RANDOM; done");
        lab.keep_running("bash", &["-c", &script]);
        Some(Self { lab, folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts to watch the link, with a report in `NAME.json` and further arguments.
    fn watch(&self, name: &str, arguments: &[&str]) -> Watch {
        let mut command = self.lab.server_command(PROGRAM);
        command
            .args(["watch", "--site", "site.toml", "-i", "link0", "--quiet"])
            .args(["--report", &format!("json={name}.json")])
            .args(arguments)
            .stdout(Stdio::null())
            .current_dir(self.folder.path());
        Watch::begin(&mut command)
    }

    fn report(&self, name: &str) -> Value {
        json(&self.path(&format!("{name}.json"))).expect("there is a report")
    }
}

/// A report, where there is one: it must be whole.
fn json(path: &Path) -> Option<Value> {
    let text = fs::read_to_string(path).ok()?;
    Some(serde_json::from_str(&text).expect("a whole report"))
}

/// Packets that a report says were seen.
fn packets(report: &Value) -> u64 {
    report["totals"]["packets"].as_u64().expect("a number")
}

/// Frames of a capture, which tshark must take for whole.
fn frames(capture: &Path) -> u64 {
    let output = Command::new("tshark")
        .args(["-n", "-T", "fields", "-e", "frame.number", "-r"])
        .arg(capture)
        .output()
        .expect("tshark was found");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", capture.display());
    assert!(!errors.contains("cut short"), "{errors}");
    String::from_utf8_lossy(&output.stdout).lines().count() as u64
}

/// A run of `watch`, which is killed where it is left.
struct Watch {
    child: Child,
    /// What it wrote on standard error so far.
    errors: Arc<Mutex<String>>,
    /// Ends when the process that writes files has ended, too.
    listener: Option<JoinHandle<()>>,
}

impl Watch {
    /// Starts it, and waits until signals no longer end it at once.
    fn begin(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("it runs");
        let mut stream = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut line = String::new();
        stream.read_line(&mut line).expect("text");
        assert!(line.contains("goes on as"), "{line}");
        let errors = Arc::new(Mutex::new(line));
        let heard = Arc::clone(&errors);
        let listener = thread::spawn(move || {
            for line in stream.lines() {
                let line = line.expect("text");
                heard.lock().expect("no panic").push_str(&(line + "\n"));
            }
        });
        Self {
            child,
            errors,
            listener: Some(listener),
        }
    }

    fn errors(&self) -> String {
        self.errors.lock().expect("no panic").clone()
    }

    /// Ends it by a signal and waits for the end, also of the process that writes; how it ended, and
    /// what it wrote on standard error.
    fn end(mut self, signal: &str) -> (ExitStatus, String) {
        // Twice, as `timeout` does, and a terminal that is closed.
        let status = Command::new("sh")
            .args(["-c", "kill -s $0 $1; kill -s $0 $1 || true", signal])
            .arg(self.child.id().to_string())
            .status()
            .expect("sh runs");
        assert!(status.success(), "{signal}");
        let status = self.child.wait().expect("a child");
        let listener = self.listener.take().expect("is there");
        listener.join().expect("no panic");
        (status, self.errors())
    }
}

/// A process that stands still, and is killed in the end.
struct Stopped(String);

impl Stopped {
    /// The one that writes files.
    fn writer_of(watch: &Watch) -> Self {
        let number = watch.child.id();
        let children = fs::read_to_string(format!("/proc/{number}/task/{number}/children"));
        let children = children.expect("it runs");
        let writer = Self(children.trim().to_owned());
        assert!(writer.0.parse::<u32>().is_ok(), "one child: {children}");
        writer.signal("STOP");
        writer
    }

    fn signal(&self, name: &str) {
        let kill = Command::new("kill").args(["-s", name, &self.0]).status();
        assert!(kill.expect("kill runs").success(), "{name}");
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.signal("KILL");
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Both fail where it was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn whatever_ends_it_and_when_files_are_whole() {
    if !tshark::is_installed() {
        return;
    }
    let Some(scene) = Scene::new(None) else {
        return;
    };
    let scene = &scene;
    thread::scope(|scope| {
        for signal in ["INT", "TERM", "HUP", "QUIT", "KILL"] {
            scope.spawn(move || {
                for run in 0..RUNS {
                    end_at(scene, signal, Duration::from_millis(run * 7919 % 1009));
                }
            });
        }
    });
}

/// Lets a run end by a signal after some time.
fn end_at(scene: &Scene, signal: &str, after: Duration) {
    let name = format!("{signal}-{}", after.as_millis());
    let capture = format!("{name}.pcapng");
    let watch = scene.watch(&name, &["--write", &capture]);
    thread::sleep(after);
    let (status, errors) = watch.end(signal);
    let frames = frames(&scene.path(&capture));
    if signal == "KILL" {
        assert_eq!(status.signal(), Some(9));
        return;
    }
    assert!(
        matches!(status.code(), Some(0 | 1)),
        "{name}: {status} {errors}"
    );
    let report = scene.report(&name);
    assert_eq!(report["complete"], true, "{name}");
    assert_eq!(packets(&report), frames, "{name}");
}

#[test]
fn interim_reports_are_whole_whenever_they_are_read() {
    let Some(scene) = Scene::new(None) else {
        return;
    };
    let watch = scene.watch("now", &["--interval", "100ms", "--metrics", "now.prom"]);
    let mut seen = BTreeSet::new();
    let mut measured = BTreeSet::new();
    wait_until("reports follow each other", || {
        if let Some(report) = json(&scene.path("now.json")) {
            seen.insert(packets(&report));
        }
        if let Ok(text) = fs::read_to_string(scene.path("now.prom")) {
            assert!(
                text.ends_with('\n') && text.contains("packets_total"),
                "{text}"
            );
            measured.insert(text);
        }
        seen.len() > 4 && measured.len() > 1
    });
    let (status, errors) = watch.end("TERM");
    assert!(matches!(status.code(), Some(0 | 1)), "{errors}");
    let last = packets(&scene.report("now"));
    assert!(seen.iter().all(|seen| *seen <= last), "{seen:?} {last}");
}

#[test]
fn files_that_follow_each_other_are_the_run() {
    if !tshark::is_installed() {
        return;
    }
    let Some(scene) = Scene::new(None) else {
        return;
    };
    fs::create_dir(scene.path("captures")).expect("makes it");
    let arguments = ["--write", "captures/lab.pcapng", "--rotate", "64K"];
    let watch = scene.watch("live", &arguments);
    let files = || {
        let entries = fs::read_dir(scene.path("captures")).expect("a folder");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths.collect::<BTreeSet<_>>()
    };
    wait_until("files follow each other", || files().len() >= 5);
    let (ended, errors) = watch.end("INT");
    assert!(matches!(ended.code(), Some(0 | 1)), "{errors}");
    let live = scene.report("live");
    let files = files();
    let sizes = files
        .iter()
        .map(|path| path.metadata().expect("is there").len());
    assert!(sizes.max() <= Some(64 << 10));
    assert_eq!(
        files.iter().map(|path| frames(path)).sum::<u64>(),
        packets(&live)
    );
    let status = Command::new(PROGRAM)
        .args(["audit", "--site", "site.toml", "--quiet", "captures"])
        .args(["--report", "json=offline.json"])
        .current_dir(scene.folder.path())
        .status()
        .expect("it runs");
    assert_eq!(status.code(), ended.code());
    let offline = scene.report("offline");
    for part in ["totals", "requirements"] {
        assert_eq!(live[part], offline[part], "{part}");
    }
    let drops = |report: &Value| report["loss"]["kernel_drops"].clone();
    assert_eq!(drops(&live), drops(&offline));
    assert_eq!(findings(&live), findings(&offline));
}

/// What was unexpected, but for the files and frames that show it.
fn findings(report: &Value) -> Vec<Value> {
    let mut findings = report["unexpected"].as_array().expect("a list").clone();
    assert!(!findings.is_empty());
    for finding in &mut findings {
        finding.as_object_mut().expect("an object").remove("frames");
    }
    findings
}

#[test]
fn a_full_disk_is_told_and_what_is_on_it_is_whole() {
    if !tshark::is_installed() {
        return;
    }
    let Some(scene) = Scene::new(Some(256)) else {
        return;
    };
    let watch = scene.watch("full", &["--write", "disk/lab.pcapng"]);
    let is_told = |errors: &str| errors.contains("No space left on device");
    // While it goes on, not only at its end.
    wait_until("it is told", || is_told(&watch.errors()));
    let (status, errors) = watch.end("TERM");
    assert_eq!(status.code(), Some(2), "{errors}");
    assert!(errors.contains("packets are missing"), "{errors}");
    let frames = frames(&scene.lab.server_file(&scene.path("disk/lab.pcapng")));
    let report = scene.report("full");
    assert!(0 < frames && frames < packets(&report), "{frames}");
    assert_eq!(report["complete"], true);
}

#[test]
fn a_writer_that_stands_still_holds_up_neither_the_end_nor_the_report() {
    let Some(scene) = Scene::new(None) else {
        return;
    };
    let mut command = scene.lab.server_command(PROGRAM);
    command
        .args([
            "watch",
            "--site",
            "site.toml",
            "-i",
            "link0",
            "--duration",
            "2s",
        ])
        .args([
            "--write",
            "lab.pcapng",
            "--report",
            "json=r.json",
            "--metrics",
            "m.prom",
        ])
        .args(["--interval", "100ms", "--format", "json"])
        .stdout(fs::File::create(scene.path("out.json")).expect("writes"))
        .current_dir(scene.folder.path());
    let mut watch = Watch::begin(&mut command);
    let stopped = Stopped::writer_of(&watch);
    let status = watch.child.wait().expect("a child");
    // Standard error ends with the last process that has it.
    drop(stopped);
    let listener = watch.listener.take().expect("is there");
    listener.join().expect("no panic");
    let errors = watch.errors();
    assert_eq!(status.code(), Some(2), "{errors}");
    let report = json(&scene.path("out.json")).expect("there is a report");
    assert!(packets(&report) > 0);
    for name in ["lab.pcapng", "r.json", "m.prom"] {
        let told = format!("{name}: missing or incomplete");
        assert_eq!(errors.matches(&told).count(), 1, "{name}: {errors}");
    }
}

#[test]
fn a_second_signal_ends_a_run_whose_writer_stands_still() {
    let Some(scene) = Scene::new(None) else {
        return;
    };
    let mut watch = scene.watch("still", &["--write", "lab.pcapng"]);
    let _stopped = Stopped::writer_of(&watch);
    let number = watch.child.id().to_string();
    let mut ended = None;
    wait_until("it ends", || {
        let kill = Command::new("kill").args(["-s", "INT", &number]).status();
        assert!(kill.expect("kill runs").success());
        ended = watch.child.try_wait().expect("a child");
        ended.is_some()
    });
    assert_eq!(ended.and_then(|status| status.signal()), Some(2));
}
