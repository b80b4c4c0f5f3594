//! Real TFTP servers and clients: what is reported of their transfers against the files they sent.

use std::fs;
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::command::{portolan_in, root};
use crate::support::namespaces::{self, CLIENT, LAST_PORT, Lab, SERVER};

const ANY_HIGH: RangeInclusive<u64> = 1024..=65_535;

/// Servers, as `tests/peers.sh` unpacks them.
fn tftpd_hpa() -> PathBuf {
    root().join("target/peers/tftpd-hpa/usr/sbin/in.tftpd")
}

fn atftpd() -> PathBuf {
    root().join("target/peers/atftpd/usr/sbin/atftpd")
}

const DNSMASQ: &str = "dnsmasq";
const TFTP_HPA: &str = "tftp";
const ATFTP: &str = "atftp";
const CURL: &str = "curl";

/// Whether peers can be run here; said on standard error where they can't.
///
/// # Panics
/// In CI, where they must.
fn can_run() -> bool {
    let servers = [tftpd_hpa(), atftpd()];
    let mut programs: Vec<&Path> = servers.iter().map(PathBuf::as_path).collect();
    let others = [
        DNSMASQ, TFTP_HPA, ATFTP, CURL, "tcpdump", "ip", "unshare", "nsenter", "bash",
    ];
    programs.extend(others.map(Path::new));
    namespaces::can_run(&programs)
}

/// A server with a folder of files, and clients beside it.
struct Peers {
    lab: Lab,
    folder: TempDir,
}

impl Peers {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, mode) in [("", 0o755), ("served", 0o777), ("got", 0o755)] {
            let path = folder.path().join(name);
            fs::create_dir_all(&path).expect("a folder");
            // Servers run as nobody.
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("owned");
        }
        Self {
            lab: Lab::new(folder.path()),
            folder,
        }
    }

    /// tftpd-hpa with further options.
    fn tftpd_hpa(mut self, options: &[&str]) -> Self {
        let served = self.path("served");
        let mut arguments = vec!["--listen", "--foreground", "--secure", "--permissive"];
        arguments.extend(["--address", "10.77.0.1:69"]);
        arguments.extend(options);
        arguments.push(&served);
        self.lab.serve(&tftpd_hpa(), &arguments);
        self
    }

    fn atftpd(mut self) -> Self {
        let served = self.path("served");
        let arguments = [
            "--daemon",
            "--no-fork",
            "--bind-address",
            SERVER,
            "--logfile",
            "-",
            &served,
        ];
        self.lab.serve(&atftpd(), &arguments);
        self
    }

    /// dnsmasq with further options, as a TFTP server only.
    fn dnsmasq(mut self, options: &[&str]) -> Self {
        let root = format!("--tftp-root={}", self.path("served"));
        let mut arguments = vec!["--keep-in-foreground", "--conf-file=/dev/null", "--port=0"];
        arguments.extend(["--user=root", "--pid-file", "--log-facility=-"]);
        arguments.extend(["--enable-tftp", &root]);
        arguments.extend(options);
        self.lab.serve(Path::new(DNSMASQ), &arguments);
        self
    }

    fn path(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        path.to_str().expect("text").to_owned()
    }

    /// Puts a file of that size into a folder.
    fn file(&self, name: &str, size: usize) {
        // No two blocks alike.
        let bytes: Vec<u8> = (0..size).map(|at| (at ^ (at >> 8)) as u8).collect();
        fs::write(self.folder.path().join(name), bytes).expect("writes");
    }

    /// The exit status of a client.
    fn run(&self, program: &str, arguments: &[&str]) -> i32 {
        let (status, text) = self.lab.run(Path::new(program), arguments);
        eprintln!("{program} {arguments:?} ended with {status}: {text}");
        status
    }

    /// Reads a file with tftp-hpa.
    fn get(&self, name: &str, options: &[&str]) -> i32 {
        let got = format!("got/{name}");
        let get = ["-m", "binary", SERVER, "-c", "get", name, &got];
        self.run(TFTP_HPA, &[options, &get].concat())
    }

    /// Reads a file with curl.
    fn fetch(&self, name: &str, options: &[&str]) -> i32 {
        let (got, url) = (format!("got/{name}"), format!("tftp://{SERVER}/{name}"));
        let fetch = ["-sS", "-o", &got, &url];
        self.run(CURL, &[options, &fetch].concat())
    }

    /// Waits until the server has written what a client sent: it acknowledges before it does.
    fn has_written(&self, sent: &str, written: &str) {
        namespaces::wait_until("the server has the file", || self.same(sent, written));
    }

    /// Whether what a client read is what was served.
    fn got(&self, name: &str) -> bool {
        self.same(&format!("served/{name}"), &format!("got/{name}"))
    }

    fn same(&self, one: &str, other: &str) -> bool {
        let read = |name| fs::read(self.folder.path().join(name));
        match (read(one), read(other)) {
            (Ok(one), Ok(other)) => one == other,
            _ => false,
        }
    }

    /// The report's transfers. What else it says must be nothing but the end of the capture.
    fn transfers(self) -> Vec<Transfer> {
        let Self { lab, folder } = self;
        lab.end();
        let site = format!(
            "version = 1\n[roles]\nclient = [\"{CLIENT}\"]\n\
             distribution-point-pxe = [\"{SERVER}\"]\n"
        );
        fs::write(folder.path().join("site.toml"), site).expect("writes");
        let run = portolan_in(
            folder.path(),
            [
                "audit",
                "--site",
                "site.toml",
                "--format",
                "json",
                "capture.pcap",
            ],
        );
        let report: Value =
            serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {}", run.err));
        assert_eq!(report["complete"], true, "{}", run.err);
        let unexpected = report["unexpected"].as_array().expect("a list");
        let ports: Vec<_> = unexpected
            .iter()
            .map(|entry| &entry["responder"]["port"])
            .collect();
        assert_eq!(ports, [LAST_PORT], "{unexpected:?}");
        let transfers = report["tftp"].as_array().expect("a list");
        transfers.iter().map(Transfer::new).collect()
    }

    /// The one transfer of the report.
    fn transfer(self) -> Transfer {
        let mut transfers = self.transfers();
        assert_eq!(transfers.len(), 1, "{transfers:?}");
        transfers.remove(0)
    }
}

#[derive(Debug)]
struct Transfer(Value);

impl Transfer {
    fn new(value: &Value) -> Self {
        assert_eq!(value["client"]["address"], CLIENT);
        assert_eq!(value["server"]["address"], SERVER);
        Self(value.clone())
    }

    fn number(&self, key: &str) -> u64 {
        self.0[key].as_u64().expect("a number")
    }

    fn port(&self, side: &str) -> u64 {
        self.0[side]["port"].as_u64().expect("a port")
    }

    /// Operation and file, outcome, payload bytes and blocks.
    fn is(&self, what: &str, outcome: &str, bytes: u64, blocks: u64) -> &Self {
        let (operation, file) = what.split_once(' ').expect("two words");
        assert_eq!(self.0["operation"], operation, "{:?}", self.0);
        let named = self.0["file"].as_str().expect("a name");
        assert!(named.ends_with(file), "{named}");
        assert_eq!(self.0["outcome"], outcome, "{:?}", self.0);
        assert_eq!(
            (self.number("bytes"), self.number("blocks")),
            (bytes, blocks)
        );
        assert_eq!(self.0["mode"], "octet");
        self
    }

    fn granted(&self, option: &str, value: &str) -> &Self {
        assert_eq!(self.0["options"][option], value, "{:?}", self.0);
        self
    }

    fn between(&self, client: RangeInclusive<u64>, server: RangeInclusive<u64>) -> &Self {
        assert!(client.contains(&self.port("client")), "{:?}", self.0);
        assert!(server.contains(&self.port("server")), "{:?}", self.0);
        self
    }
}

/// Block count of a file.
fn blocks(bytes: u64, size: u64) -> u64 {
    bytes / size + 1
}

#[test]
fn files_of_all_sizes_are_read_without_options() {
    if !can_run() {
        return;
    }
    // The last: a multiple of the block size.
    for size in [300_001, 0, 51_200] {
        let peers = Peers::new().tftpd_hpa(&[]);
        peers.file("served/a.bin", size);
        assert_eq!(peers.get("a.bin", &[]), 0);
        assert!(peers.got("a.bin"));
        let size = size as u64;
        peers
            .transfer()
            .is("read a.bin", "complete", size, blocks(size, 512))
            .between(ANY_HIGH, ANY_HIGH);
    }
}

#[test]
fn files_are_written() {
    if !can_run() {
        return;
    }
    let peers = Peers::new().tftpd_hpa(&["--create", "--umask", "000"]);
    peers.file("own.bin", 300_001);
    let put = ["-m", "binary", SERVER, "-c", "put", "own.bin", "up.bin"];
    assert_eq!(peers.run(TFTP_HPA, &put), 0);
    peers.has_written("own.bin", "served/up.bin");
    peers
        .transfer()
        .is("write up.bin", "complete", 300_001, blocks(300_001, 512))
        .between(ANY_HIGH, ANY_HIGH);

    let peers = Peers::new().atftpd();
    peers.file("own.bin", 300_001);
    let files = [
        "--put",
        "--local-file",
        "own.bin",
        "--remote-file",
        "up.bin",
    ];
    let options = [
        "--option",
        "blksize 1024",
        "--option",
        "windowsize 4",
        SERVER,
    ];
    assert_eq!(peers.run(ATFTP, &[files, options].concat()), 0);
    peers.has_written("own.bin", "served/up.bin");
    peers
        .transfer()
        .is("write up.bin", "complete", 300_001, blocks(300_001, 1024))
        .granted("blksize", "1024")
        .granted("windowsize", "4");
}

#[test]
fn block_sizes_are_agreed() {
    if !can_run() {
        return;
    }
    // As asked; less than asked; more than a frame holds, so that blocks come in fragments.
    for (asked, most, granted) in [
        ("1428", "65464", 1428),
        ("1428", "1000", 1000),
        ("8192", "65464", 8192),
    ] {
        let peers = Peers::new().tftpd_hpa(&["--blocksize", most]);
        // A multiple of none of them, and then of one.
        for (name, size) in [("a.bin", 300_001), ("b.bin", 10 * granted)] {
            peers.file(&format!("served/{name}"), size);
            assert_eq!(peers.fetch(name, &["--tftp-blksize", asked]), 0);
            assert!(peers.got(name));
        }
        let granted = granted as u64;
        let [one, two] = &peers.transfers()[..] else {
            panic!("two transfers")
        };
        one.is("read a.bin", "complete", 300_001, blocks(300_001, granted))
            .granted("blksize", &granted.to_string());
        two.is("read b.bin", "complete", 10 * granted, 11)
            .granted("blksize", &granted.to_string());
    }
}

#[test]
fn windows_are_acknowledged_at_once() {
    if !can_run() {
        return;
    }
    let peers = Peers::new().atftpd();
    peers.file("served/a.bin", 300_001);
    let files = [
        "--get",
        "--local-file",
        "got/a.bin",
        "--remote-file",
        "a.bin",
    ];
    let options = [
        "--option",
        "blksize 1024",
        "--option",
        "windowsize 8",
        SERVER,
    ];
    assert_eq!(peers.run(ATFTP, &[files, options].concat()), 0);
    assert!(peers.got("a.bin"));
    peers
        .transfer()
        .is("read a.bin", "complete", 300_001, blocks(300_001, 1024))
        .granted("blksize", "1024")
        .granted("windowsize", "8");
}

#[test]
fn servers_answer_from_the_ports_that_they_are_given() {
    if !can_run() {
        return;
    }
    let range = 40_000..=40_009;
    for (peers, ports) in [
        (Peers::new().dnsmasq(&["--tftp-single-port"]), 69..=69),
        (
            Peers::new().dnsmasq(&["--tftp-port-range=40000,40009"]),
            range.clone(),
        ),
        (
            Peers::new().tftpd_hpa(&["--port-range", "40000:40009"]),
            range,
        ),
    ] {
        for (name, size) in [("a.bin", 300_001), ("b.bin", 1234)] {
            peers.file(&format!("served/{name}"), size);
            assert_eq!(peers.fetch(name, &["--tftp-blksize", "1428"]), 0);
            assert!(peers.got(name));
        }
        let [one, two] = &peers.transfers()[..] else {
            panic!("two transfers")
        };
        one.is("read a.bin", "complete", 300_001, blocks(300_001, 1428))
            .between(ANY_HIGH, ports.clone());
        two.is("read b.bin", "complete", 1234, 1)
            .between(ANY_HIGH, ports);
    }
}

#[test]
fn one_client_port_asks_for_one_file_after_another() {
    if !can_run() {
        return;
    }
    let peers = Peers::new().tftpd_hpa(&[]);
    let port = ["-R", "2000:2000"];
    for (name, size) in [("a.bin", 1234), ("b.bin", 30_001)] {
        peers.file(&format!("served/{name}"), size);
        assert_eq!(peers.get(name, &port), 0);
        assert!(peers.got(name));
    }
    // The first again, and one that is not there.
    assert_eq!(peers.get("a.bin", &port), 0);
    peers.get("none.bin", &port);
    assert!(!peers.got("none.bin"));
    let [one, two, again, missing] = &peers.transfers()[..] else {
        panic!("four transfers")
    };
    one.is("read a.bin", "complete", 1234, 3);
    two.is("read b.bin", "complete", 30_001, 59);
    again.is("read a.bin", "complete", 1234, 3);
    missing.is("read none.bin", "error", 0, 0);
    for transfer in [one, two, again, missing] {
        transfer.between(2000..=2000, ANY_HIGH);
    }
}

#[test]
fn a_missing_file_is_an_error() {
    if !can_run() {
        return;
    }
    // curl's status for "file not found".
    const NOT_FOUND: i32 = 68;
    for peers in [Peers::new().tftpd_hpa(&[]), Peers::new().dnsmasq(&[])] {
        assert_eq!(peers.fetch("none.bin", &[]), NOT_FOUND);
        let missing = peers.transfer();
        missing.is("read none.bin", "error", 0, 0);
        assert_eq!(missing.0["error"]["code"], 1);
    }
}

#[test]
fn nobody_listens() {
    if !can_run() {
        return;
    }
    let peers = Peers::new();
    assert_ne!(peers.fetch("a.bin", &["--max-time", "1"]), 0);
    peers.transfer().is("read a.bin", "unreachable", 0, 0);
}

#[test]
fn block_numbers_wrap() {
    if !can_run() {
        return;
    }
    let peers = Peers::new().dnsmasq(&[]);
    let size = 16 * 70_000 + 5;
    peers.file("served/a.bin", size);
    assert_eq!(peers.fetch("a.bin", &["--tftp-blksize", "16"]), 0);
    assert!(peers.got("a.bin"));
    let transfer = peers.transfer();
    transfer
        .is("read a.bin", "complete", size as u64, 70_001)
        .granted("blksize", "16");
    assert!(transfer.number("bytes_per_second") > 0);
}
