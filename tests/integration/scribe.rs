//! The process that writes files, started as `watch` starts it: what it was given is on the disk,
//! and what is not is told.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use portolan::capture::{Blocks, InterfaceDescription, LinkType, Reader, Section};
use portolan::net::Timestamp;
use portolan::watch::scribe::{Finished, InterfaceCounts, Job, PacketFile, Scribe, ScribeError};

use crate::support::namespaces::wait_until;
use crate::support::tshark;

const PROGRAM: &str = env!("CARGO_BIN_EXE_portolan");

/// A time that reads as one.
const BEGIN: i64 = 1_767_600_000_000_000_000;

/// Two interfaces of different kinds.
fn header() -> Vec<u8> {
    let mut blocks = Blocks::new();
    blocks.section(&Section {
        hardware: Some("a machine"),
        os: Some("a system"),
        application: Some("portolan"),
    });
    for (name, link_type) in [("br0", LinkType::ETHERNET), ("any", LinkType::LINUX_SLL)] {
        blocks.interface(&InterfaceDescription {
            link_type,
            snaplen: 262_144,
            name: Some(name),
            filter: Some("port 67"),
            os: Some("a system"),
        });
    }
    blocks.into_bytes()
}

/// The packet of that number: on one interface or the other, of any length.
fn packet(blocks: &mut Blocks, number: u32) {
    let data = vec![0; number as usize % 1400];
    let time = Timestamp(BEGIN + i64::from(number));
    blocks.packet(number % 2, time, data.len() as u32 + 4, &data);
}

fn packets(numbers: std::ops::Range<u32>) -> Vec<u8> {
    let mut blocks = Blocks::new();
    numbers.for_each(|number| packet(&mut blocks, number));
    blocks.into_bytes()
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A pipe of that name.
    fn fifo(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        let made = Command::new("mkfifo").arg(&path).status();
        assert!(made.expect("mkfifo runs").success());
        path
    }

    /// A report and packets.
    fn job(&self) -> Job {
        Job {
            targets: vec![self.path("report.json")],
            packets: Some(PacketFile {
                path: self.path("lab.pcapng"),
                rotate_bytes: None,
                keep: None,
                header: header(),
            }),
            user: None,
        }
    }

    fn report(&self) -> String {
        fs::read_to_string(self.path("report.json")).unwrap_or_default()
    }

    /// Numbers of the packets in the file, which must be whole.
    fn numbers(&self) -> Vec<i64> {
        numbers(&self.path("lab.pcapng"))
    }
}

fn numbers(path: &Path) -> Vec<i64> {
    let file = fs::File::open(path).expect("is there");
    let mut reader = Reader::new(file, "lab").expect("pcapng");
    let mut numbers = Vec::new();
    reader.read(|frame| numbers.push(frame.time.0 - BEGIN));
    assert_eq!(reader.problem(), None);
    numbers
}

fn start(job: &Job) -> Scribe {
    Scribe::start_program(Path::new(PROGRAM), job).expect("starts")
}

/// All is on disk.
fn whole() -> Finished {
    Finished {
        missing: Vec::new(),
        is_whole: true,
    }
}

fn refused(job: &Job) -> String {
    match Scribe::start_program(Path::new(PROGRAM), job) {
        Err(ScribeError::Refused(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn signal(process: u32, name: &str) {
    let status = Command::new("kill")
        .args(["-s", name, &process.to_string()])
        .status()
        .expect("kill runs");
    assert!(status.success(), "{name}");
}

fn run(program: &str, arguments: &[&str], path: &Path) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(program)
        .args(arguments)
        .arg(path)
        .output()
        .expect("is installed with tshark");
    let errors = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{program}: {errors}");
    assert!(!errors.contains("cut short"), "{errors}");
    String::from_utf8(stdout).expect("text")
}

#[test]
fn tshark_and_capinfos_read_what_was_written() {
    if !tshark::is_installed() {
        return;
    }
    let place = Place::new();
    let scribe = start(&place.job());
    for number in (0..5000).step_by(100) {
        scribe.packets(&packets(number..number + 100));
    }
    let counts = [(2600, 100), (2500, 0)];
    let counts = counts.map(|(received, dropped)| InterfaceCounts { received, dropped });
    assert_eq!(scribe.finish(&counts), whole());
    let path = place.path("lab.pcapng");
    let fields = [
        "-n",
        "-T",
        "fields",
        "-e",
        "frame.interface_name",
        "-e",
        "frame.encap_type",
        "-e",
        "frame.time_epoch",
        "-e",
        "frame.len",
        "-e",
        "frame.cap_len",
        "-r",
    ];
    let told = run("tshark", &fields, &path);
    assert_eq!(told.lines().count(), 5000);
    for (number, line) in told.lines().enumerate() {
        // Numbers of Wireshark's own for the links.
        let (name, link) = [("br0", 1), ("any", 25)][number % 2];
        let captured = number % 1400;
        let expected = format!(
            "{name}\t{link}\t1767600000.{number:09}\t{}\t{captured}",
            captured + 4
        );
        assert_eq!(line, expected);
    }
    let told = run("capinfos", &[], &path);
    for expected in [
        "Number of packets:   5000",
        "Capture hardware:    a machine",
        "Capture oper-sys:    a system",
        "Capture application: portolan",
        "Name = br0",
        "Filter string = port 67",
        "Operating system = a system",
        "Time precision = nanoseconds (9)",
        "Number of packets = 2500",
        "Number of stat entries = 1",
    ] {
        assert!(told.contains(expected), "{expected} is not in:\n{told}");
    }
    let mut reader = Reader::new(fs::File::open(&path).expect("there"), "lab").expect("pcapng");
    reader.read(|_| {});
    assert_eq!(reader.drops().total(), Some(100));
}

#[test]
fn packets_are_in_the_file_as_soon_as_they_were_given() {
    let place = Place::new();
    let scribe = start(&place.job());
    for number in 0..5 {
        scribe.packets(&packets(number..number + 1));
        wait_until("the packet is there", || {
            place.numbers().len() == number as usize + 1
        });
    }
    assert_eq!(scribe.problems(), []);
    assert_eq!(scribe.finish(&[]), whole());
}

#[test]
fn signals_do_not_end_it() {
    let place = Place::new();
    let scribe = start(&place.job());
    for (number, name) in ["INT", "TERM", "HUP", "QUIT", "XFSZ"]
        .into_iter()
        .enumerate()
    {
        signal(scribe.id(), name);
        let number = number as u32;
        scribe.packets(&packets(number..number + 1));
    }
    scribe.replace(0, b"{}");
    assert_eq!(scribe.finish(&[]), whole());
    assert!(place.numbers().into_iter().eq(0..5));
    assert_eq!(place.report(), "{}");
}

#[test]
fn its_own_end_is_told_once() {
    let place = Place::new();
    let scribe = start(&place.job());
    scribe.packets(&packets(0..1));
    signal(scribe.id(), "KILL");
    let mut told = Vec::new();
    wait_until("its end is told", || {
        told.extend(scribe.problems());
        !told.is_empty()
    });
    assert!(told[0].to_string().contains("has ended"), "{told:?}");
    scribe.packets(&packets(1..2));
    scribe.replace(0, b"{}");
    assert_eq!(scribe.problems(), []);
    // Which files that means was said, too.
    let names = ["lab.pcapng", "report.json"];
    let text = told[0].to_string();
    assert!(names.iter().all(|name| text.contains(name)), "{text}");
    let finished = scribe.finish(&[]);
    assert_eq!(finished.missing, []);
    assert!(!finished.is_whole);
}

#[test]
fn what_does_not_move_is_given_up_by_name() {
    let place = Place::new();
    let mut job = place.job();
    job.packets.as_mut().expect("packets").path = place.fifo("fifo");
    let scribe = start(&job);
    scribe.packets(&packets(0..10));
    scribe.replace(0, b"whole");
    let Finished { missing, is_whole } = scribe.finish(&[]);
    assert!(!is_whole);
    // Nobody opened the pipe; the report is where it belongs.
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert_eq!(missing[0].path, Some(place.path("fifo")));
    assert_eq!(place.report(), "whole");
}

/// More waits than it holds: it reads no further, and must find out by itself that it is alone.
#[test]
fn left_alone_with_a_pipe_that_nobody_reads_it_ends() {
    let place = Place::new();
    let mut job = place.job();
    job.packets.as_mut().expect("packets").path = place.fifo("fifo");
    let scribe = start(&job);
    scribe.hurry();
    let piece = packets(0..20_000);
    assert!(piece.len() > 8 << 20);
    for _ in 0..5 {
        scribe.packets(&piece);
    }
    let number = scribe.id();
    drop(scribe);
    wait_until("it ends", || {
        let status = fs::read_to_string(format!("/proc/{number}/stat"));
        // Nobody asks how it ended: a zombie of this process.
        status.is_ok_and(|status| status.contains(") Z "))
    });
}

/// Whoever reads the standard output of the process that watches does not wait for this one.
#[test]
fn it_holds_standard_output_only_to_write_there() {
    let place = Place::new();
    let (program, fifo) = (place.path("into-fifo"), place.fifo("fifo"));
    let script = format!(
        "#!/bin/sh\nexec '{PROGRAM}' \"$@\" > '{}'\n",
        fifo.display()
    );
    fs::write(&program, script).expect("writes");
    fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("owned");
    let read = || {
        let fifo = fifo.clone();
        thread::spawn(move || fs::read_to_string(fifo).expect("text"))
    };
    let reader = read();
    let scribe = Scribe::start_program(&program, &place.job()).expect("starts");
    wait_until("it has let go", || reader.is_finished());
    assert_eq!(scribe.finish(&[]), whole());

    let mut job = place.job();
    job.targets.push("/dev/stdout".into());
    let reader = read();
    let scribe = Scribe::start_program(&program, &job).expect("starts");
    scribe.replace(1, b"report");
    assert_eq!(scribe.finish(&[]), whole());
    assert_eq!(reader.join().expect("no panic"), "report");
}

#[test]
fn runs_that_follow_each_other_keep_so_many_files_in_all() {
    let place = Place::new();
    let mut job = place.job();
    job.targets.clear();
    let file = job.packets.as_mut().expect("packets");
    (file.rotate_bytes, file.keep) = (Some(100_000), Some(3));
    for run in 0..3 {
        let scribe = start(&job);
        scribe.packets(&packets(run * 1000..(run + 1) * 1000));
        assert_eq!(scribe.finish(&[]), whole());
    }
    let entries = fs::read_dir(place.folder.path()).expect("there");
    let mut files: Vec<PathBuf> = entries.map(|it| it.expect("an entry").path()).collect();
    files.sort();
    assert_eq!(files.len(), 3, "{files:?}");
    let kept: Vec<i64> = files.iter().flat_map(|path| numbers(path)).collect();
    let first = kept.first().copied().expect("some");
    assert!(
        first > 2000 - 1000 && kept.iter().copied().eq(first..3000),
        "{first}"
    );
}

#[test]
fn left_alone_it_writes_what_it_was_given() {
    let place = Place::new();
    let scribe = start(&place.job());
    scribe.packets(&packets(0..3000));
    scribe.replace(0, b"last words");
    drop(scribe);
    assert!(place.numbers().into_iter().eq(0..3000));
    assert_eq!(place.report(), "last words");
}

#[test]
fn what_can_not_be_written_is_said_at_once() {
    let place = Place::new();
    let mut job = place.job();
    job.targets.push(place.path("missing/report.json"));
    let text = refused(&job);
    assert!(text.contains("missing/report.json"), "{text}");
    assert!(text.contains("No such file"), "{text}");

    let mut job = place.job();
    job.packets.as_mut().expect("packets").path = place.folder.path().into();
    let text = refused(&job);
    assert!(text.contains("is a directory"), "{text}");

    let mut job = place.job();
    job.user = Some("no such user".to_owned());
    let text = refused(&job);
    assert!(text.contains("no such user"), "{text}");

    let mut job = place.job();
    let packets = job.packets.as_mut().expect("packets");
    packets.path = "/dev/null".into();
    packets.rotate_bytes = Some(1000);
    let text = refused(&job);
    assert!(text.contains("can't be rotated"), "{text}");
    // Nothing was made.
    assert_eq!(fs::read_dir(place.folder.path()).expect("there").count(), 0);
}

/// A disk that is full stops a write anywhere: so does the system's limit of a file's size.
#[test]
fn where_there_is_no_more_room_whole_packets_stay() {
    let place = Place::new();
    let program = place.path("limited");
    let script = format!("#!/bin/sh\nulimit -f 100\nexec '{PROGRAM}' \"$@\"\n");
    fs::write(&program, script).expect("writes");
    fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("owned");
    let scribe = Scribe::start_program(&program, &place.job()).expect("starts");
    scribe.packets(&packets(0..1000));
    let mut told = Vec::new();
    wait_until("it is told", || {
        told.extend(scribe.problems());
        !told.is_empty()
    });
    assert!(told[0].to_string().contains("File too large"), "{told:?}");
    scribe.replace(0, b"small enough");
    let missing = scribe.finish(&[]).missing;
    let kept = place.numbers();
    assert!(!kept.is_empty() && kept.len() < 1000, "{}", kept.len());
    assert!(kept.iter().copied().eq(0..kept.len() as i64));
    assert_eq!(missing.len(), 1, "{missing:?}");
    let lost = format!("{} packets are missing", 1000 - kept.len());
    assert!(missing[0].to_string().contains(&lost), "{missing:?}");
    assert_eq!(place.report(), "small enough");
}

#[test]
fn a_pipe_waits_for_its_reader_and_holds_up_nothing_else() {
    let place = Place::new();
    let mut job = place.job();
    for name in ["report.fifo", "packets.fifo"] {
        place.fifo(name);
    }
    job.targets.push(place.path("report.fifo"));
    let scribe = start(&job);
    scribe.replace(1, b"through the pipe");
    scribe.replace(0, b"to the file");
    wait_until("the file is there", || place.report() == "to the file");
    let reader = {
        let path = place.path("report.fifo");
        thread::spawn(move || fs::read_to_string(path).expect("text"))
    };
    assert_eq!(scribe.finish(&[]), whole());
    assert_eq!(reader.join().expect("no panic"), "through the pipe");

    let packets_job = job.packets.as_mut().expect("packets");
    packets_job.path = place.path("packets.fifo");
    let scribe = start(&job);
    scribe.packets(&packets(0..10));
    let reader = {
        let path = place.path("packets.fifo");
        thread::spawn(move || numbers(&path))
    };
    assert_eq!(scribe.finish(&[]), whole());
    assert!(reader.join().expect("no panic").into_iter().eq(0..10));
}

#[test]
fn it_is_of_no_use_by_hand() {
    assert_cmd::Command::new(PROGRAM)
        .arg("scribe")
        .write_stdin("not a job at all, whatever it is")
        .assert()
        .code(2)
        .stderr(
            "error: standard input holds no job: this command is started by `portolan watch`\n",
        );
}
