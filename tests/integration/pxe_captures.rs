//! Real network boots of the shared folder: what tshark reads in every DHCP message must be what
//! the audit says that servers answered, and the boots of the lab must stand as its log tells.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::shared::{LAB_SITE, shared};
use crate::support::tshark::is_installed;

const FIELDS: [&str; 15] = [
    "frame.number",
    "dhcp.type",
    "dhcp.option.dhcp",
    "dhcp.hw.mac_addr",
    "dhcp.ip.your",
    "dhcp.option.dhcp_server_id",
    "ip.src",
    "ip.dst",
    "udp.srcport",
    "udp.dstport",
    "dhcp.file",
    "dhcp.option.bootfile_name",
    "dhcp.option.vendor_class_id",
    "dhcp.option.tftp_server_name",
    "tftp.source_file",
];

/// What tshark says of one frame: fields in the order of [`FIELDS`], empty where there is none.
struct Frame(Vec<String>);

impl Frame {
    fn get(&self, field: &str) -> &str {
        let place = FIELDS.iter().position(|known| *known == field);
        &self.0[place.expect("it is asked for")]
    }

    /// The step of a boot that this frame shows.
    fn steps(&self) -> Vec<&'static str> {
        let is_binl = [self.get("udp.srcport"), self.get("udp.dstport")].contains(&"4011");
        let names_boot = [
            "dhcp.file",
            "dhcp.option.bootfile_name",
            "dhcp.option.tftp_server_name",
        ]
        .iter()
        .any(|field| !self.get(field).is_empty())
            || self
                .get("dhcp.option.vendor_class_id")
                .starts_with("PXEClient");
        let has_address = self.get("dhcp.ip.your") != "0.0.0.0";
        match (self.get("dhcp.type"), self.get("dhcp.option.dhcp")) {
            ("1", "1") => vec!["dhcp-discover"],
            ("2", "2" | "5") if is_binl => vec!["binl"],
            ("2", "2") => [(has_address, "dhcp-offer"), (names_boot, "boot-offer")]
                .iter()
                .filter_map(|(shown, step)| shown.then_some(*step))
                .collect(),
            ("2", "5") if has_address => vec!["dhcp-ack"],
            _ => vec![],
        }
    }

    /// Server, kind of answer, and boot file named.
    fn answer(&self) -> Option<(String, &'static str, String)> {
        let is_binl = [self.get("udp.srcport"), self.get("udp.dstport")].contains(&"4011");
        let kind = match (self.get("dhcp.type"), self.get("dhcp.option.dhcp")) {
            ("2", "2" | "5") if is_binl => "binl-ack",
            ("2", "2") if self.get("dhcp.ip.your") == "0.0.0.0" => "proxy-offer",
            ("2", "2") => "address-offer",
            ("2", "5") => "ack",
            ("2", "6") => "nak",
            _ => return None,
        };
        let first = |fields: [&str; 2]| {
            let values = fields.map(|field| self.get(field));
            let value = values.into_iter().find(|value| !value.is_empty());
            value.unwrap_or_default().to_owned()
        };
        Some((
            first(["dhcp.option.dhcp_server_id", "ip.src"]),
            kind,
            first(["dhcp.option.bootfile_name", "dhcp.file"]),
        ))
    }
}

fn frames(capture: &Path) -> Vec<Frame> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-T", "fields", "-E", "occurrence=f", "-r"]);
    command.arg(capture);
    command.args(["-Y", "dhcp or tftp.opcode == 1"]);
    for field in FIELDS {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let frames = text.lines().map(|line| {
        let mut fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
        fields.resize(FIELDS.len(), String::new());
        Frame(fields)
    });
    frames.collect()
}

/// Captures of network boots, by the features that the folder's list gives.
fn boots() -> Vec<PathBuf> {
    let Some(list) = shared("captures/INDEX.tsv") else {
        return Vec::new();
    };
    let folder = list.with_file_name("");
    let text = std::fs::read_to_string(&list).expect("a readable list");
    let named = text
        .lines()
        .filter(|line| line.contains("pxe-opt60") || line.contains("binl-4011"))
        .filter_map(|line| line.split('\t').next())
        .map(|name| folder.join(name));
    let lab = ["pxe_dhcp_bios.pcap", "pxe_broken_high_in.pcap"];
    let lab = lab.map(|name| folder.join("lab").join(name));
    named.chain(lab).collect()
}

fn audit(capture: &Path) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("site.toml");
    std::fs::write(&path, LAB_SITE).expect("a site file");
    let run = Command::new(env!("CARGO_BIN_EXE_portolan"))
        .args(["audit", "--format", "json", "--site"])
        .args([&path, capture])
        .output()
        .expect("the program runs");
    serde_json::from_slice(&run.stdout).expect("a report")
}

fn texts<'a>(entries: &'a Value, key: &'a str) -> impl Iterator<Item = &'a str> {
    let entries = entries.as_array().expect("a list");
    entries.iter().filter_map(move |entry| entry[key].as_str())
}

#[test]
fn servers_answer_what_tshark_reads() {
    if !is_installed() {
        return;
    }
    for capture in boots() {
        let name = capture.display();
        let report = audit(&capture);
        let boots = report["pxe"].as_array().expect("a list");
        assert!(!boots.is_empty(), "{name}");
        let frames = frames(&capture);
        let machines: BTreeSet<&str> = boots
            .iter()
            .filter_map(|boot| boot["client_mac"].as_str())
            .collect();
        let messages: Vec<&Frame> = frames
            .iter()
            .filter(|frame| machines.contains(frame.get("dhcp.hw.mac_addr")))
            .collect();

        let theirs: BTreeSet<_> = messages.iter().filter_map(|frame| frame.answer()).collect();
        let ours: BTreeSet<(String, &str, String)> = boots
            .iter()
            .flat_map(|boot| boot["servers"].as_array().expect("a list"))
            .map(|answer| {
                let text = |key: &str| answer[key].as_str().unwrap_or_default();
                (
                    text("server").to_owned(),
                    text("answer"),
                    text("boot_file").to_owned(),
                )
            })
            .collect();
        assert_eq!(ours, theirs, "{name}");

        // Every step at the first frame that shows it.
        for boot in boots.iter().filter(|boot| !boot["client_mac"].is_null()) {
            for step in boot["step_times"].as_array().expect("a list") {
                let code = step["step"].as_str().expect("a code");
                if code.starts_with("tftp") {
                    continue;
                }
                let first = messages.iter().find(|frame| frame.steps().contains(&code));
                let first = first.map(|frame| frame.get("frame.number"));
                let frame = step["frames"][0]["frame"].to_string();
                assert_eq!(first, Some(frame.as_str()), "{name} {code}");
            }
            let theirs: BTreeSet<_> = messages.iter().flat_map(|frame| frame.steps()).collect();
            let steps = boot["steps"].as_array().expect("a list").iter();
            let steps = steps.filter_map(Value::as_str);
            let ours: BTreeSet<_> = steps.filter(|code| !code.starts_with("tftp")).collect();
            assert_eq!(ours, theirs, "{name}");
        }
        let read = |frame: &&Frame| !frame.get("tftp.source_file").is_empty();
        let theirs: BTreeSet<_> = frames
            .iter()
            .filter(read)
            .map(|frame| frame.get("tftp.source_file"))
            .collect();
        assert_eq!(
            texts(&report["tftp"], "file").collect::<BTreeSet<_>>(),
            theirs,
            "{name}"
        );
    }
}

#[test]
fn the_lab_boots_stand_as_its_log_tells() {
    let cases = [
        ("captures/lab/pxe_dhcp_bios.pcap", "satisfied", None),
        (
            "captures/lab/pxe_broken_high_in.pcap",
            "failed",
            Some("tftp-stalled"),
        ),
    ];
    for (name, state, cause) in cases {
        let Some(capture) = shared(name) else {
            return;
        };
        let report = audit(&capture);
        let boots = report["pxe"].as_array().expect("a list");
        assert_eq!(boots.len(), 1, "iPXE's second round belongs to the boot");
        assert_eq!(boots[0]["client_mac"], "52:54:00:18:10:64");
        let entries = report["requirements"].as_array().expect("a list");
        for entry in entries {
            let wanted = match entry["step"].as_str() {
                Some("tftp-transfer") => state,
                Some("binl") => "not-applicable",
                _ => "satisfied",
            };
            assert_eq!(entry["state"], wanted, "{name} {}", entry["step"]);
        }
        let last = entries.last().expect("seven steps");
        assert_eq!(last["cause"].as_str(), cause);
        let told = last["explanation"].as_str().expect("a text");
        // What looks alike on the wire: the client's packets stopped, or the server gone.
        if cause.is_some() {
            assert!(
                told.contains("firewall stops what the client sends"),
                "{told}"
            );
            assert!(told.contains("the server or the machine stopped"), "{told}");
        }
    }
}
