//! A real machine boots over the network, from servers that work and from such that a firewall
//! cuts off, while `portolan watch` listens: what is told of it against what was done to it. Few boots
//! run that show most; `PORTOLAN_LAB=--client cargo test lab` runs every kind, which takes some ten
//! minutes, and `PORTOLAN_LAB=--broken=stall` those whose options hold that.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::command::{portolan_in, root};
use crate::support::lab::{self, BootLab};
use crate::support::shared::shared;

/// A boot, and what must come of it.
struct Boot {
    /// Options of the lab's script.
    options: &'static str,
    outcome: Outcome,
    /// Whether it runs when not everything does.
    runs_always: bool,
}

enum Outcome {
    /// The machine got everything.
    Satisfied,
    /// Its files did not come: the cause and the diagnosis, and what both are told with.
    Failed {
        cause: &'static str,
        diagnosis: Option<&'static str>,
        words: &'static [&'static str],
    },
}

/// Nothing answers: what stops the request looks like what stops the answers.
const SILENT: Outcome = Outcome::Failed {
    cause: "tftp-unanswered",
    diagnosis: Some("tftp-no-answer"),
    words: &[
        "a firewall stops UDP 69 behind the capture point",
        "a firewall stops the answers, which leave the server from a high port",
        "Either UDP 69 is dropped behind the capture point, or the server's answers, which leave \
         from a high port, are dropped before they reach it",
    ],
};

/// The server answers, and hears nothing of it.
const DEAF: Outcome = Outcome::Failed {
    cause: "tftp-stalled",
    diagnosis: Some("tftp-high-ports-closed"),
    words: &[
        "a firewall stops what the client sends to the server's high port",
        "UDP to the high ports of",
    ],
};

/// Blocks come, and then no more, whatever the machine asks.
const STALLED: Outcome = Outcome::Failed {
    cause: "tftp-stalled",
    diagnosis: None,
    words: &[
        "it forgot the transfer, or reached a limit",
        "TFTP server stopped in the middle",
    ],
};

const BOOTS: [Boot; 18] = [
    boot("--client bios --server dhcp", Outcome::Satisfied),
    boot("--client bios --server proxy", Outcome::Satisfied),
    boot("--client bios --single-port", Outcome::Satisfied),
    boot("--client bios --port-range 20000,20010", Outcome::Satisfied),
    boot("--client uefi --server dhcp", Outcome::Satisfied),
    boot("--client uefi --server proxy", Outcome::Satisfied).always(),
    boot("--client uefi --single-port", Outcome::Satisfied),
    boot("--client uefi --port-range 20000,20010", Outcome::Satisfied),
    boot("--client bios --broken=port69", SILENT),
    boot("--client bios --broken=high-out", SILENT).always(),
    boot("--client bios --broken=high-in", DEAF),
    boot("--client bios --broken=stall", STALLED),
    boot("--client uefi --broken=port69", SILENT),
    boot("--client uefi --broken=high-out", SILENT),
    boot("--client uefi --broken=high-in", DEAF),
    boot("--client uefi --broken=stall", STALLED).always(),
    boot("--client bios --server proxy --broken=high-in", DEAF),
    boot("--client uefi --server proxy --broken=port69", SILENT),
];

const fn boot(options: &'static str, outcome: Outcome) -> Boot {
    Boot {
        options,
        outcome,
        runs_always: false,
    }
}

impl Boot {
    const fn always(mut self) -> Self {
        self.runs_always = true;
        self
    }
}

/// The lab's script, where it can be run.
///
/// # Panics
/// In CI, where it must.
fn script() -> Option<PathBuf> {
    let script = shared("lab/pxe.sh")?;
    lab::can_run().then_some(script)
}

#[test]
fn what_is_told_of_boots_is_what_was_done() {
    let Some(script) = script() else {
        return;
    };
    let wanted = std::env::var("PORTOLAN_LAB").ok();
    let runs = |boot: &&Boot| match &wanted {
        Some(options) => boot.options.contains(options),
        None => boot.runs_always,
    };
    let boots: Vec<&Boot> = BOOTS.iter().filter(runs).collect();
    assert!(!boots.is_empty(), "no boot has these options");
    // One after the other: a machine takes a core.
    for boot in boots {
        run(boot, &script);
    }
}

fn run(boot: &Boot, script: &Path) {
    let lab = BootLab::new(script);
    let (kept, report) = (lab.path("kept.pcapng"), lab.path("live.json"));
    let report_as = format!("json={}", report.display());
    let site = root().join("fixtures/lab.toml");
    let mut watch = lab.watch(&[
        "--site",
        site.to_str().expect("text"),
        "--interface=br0",
        "--until-satisfied",
        "--duration=4m",
        "--format=jsonl",
        "--report",
        &report_as,
        "--write",
        kept.to_str().expect("text"),
    ]);
    let first = watch
        .next()
        .unwrap_or_else(|| panic!("{}", lab.read("watch.txt")));
    assert_eq!(first["event"], "watch-begun");
    let options: Vec<&str> = boot.options.split(' ').collect();
    let mut machine = lab.boot(&options, "seen.pcap");
    let mut told = Told::default();
    while let Some(event) = watch.next() {
        told.hear(event);
        // A machine that can't boot tries for long; what is wrong is said by now.
        if boot.outcome.is_told(&told) && !told.is_interrupted {
            told.is_interrupted = true;
            watch.interrupt();
        }
    }
    let status = watch.wait();
    let live: Value = serde_json::from_str(&lab.read("live.json")).expect("a report");
    let what = boot.options;
    eprintln!("{what}: exit status {status}, told in {} s", told.seconds);
    assert_eq!(live["loss"]["kernel_drops"], 0, "{what}");
    check(boot, status, &live);
    check_told(boot, &told, &live);
    if matches!(boot.outcome, Outcome::Satisfied) {
        assert_eq!(machine.wait(), 0);
        let log = lab.read("boot.txt");
        assert!(log.contains("RESULT boot complete"), "{what}: {log}");
    }
    // The same from the packets that it kept, and from those that tcpdump did.
    let (status_kept, audited) = audit(&lab, "kept.pcapng");
    assert_eq!(status_kept, status, "{what}");
    assert_eq!(findings(&audited), findings(&live), "{what}");
    let (status_seen, seen) = audit(&lab, "seen.pcap");
    check(boot, status_seen, &seen);
}

/// What was told while the machine booted.
#[derive(Default)]
struct Told {
    /// The last event of each step.
    steps: BTreeMap<String, Value>,
    diagnoses: Vec<String>,
    /// How many transfers began.
    begun: usize,
    /// The last event.
    end: Value,
    seconds: f64,
    is_interrupted: bool,
}

impl Told {
    fn hear(&mut self, event: Value) {
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        self.seconds = event["elapsed"].as_f64().expect("seconds");
        match text("event").as_str() {
            "diagnosis" => self.diagnoses.push(text("code")),
            "transfer-begun" => self.begun += 1,
            "watch-ended" => self.end = event,
            step if step.starts_with("step-") => {
                self.steps.insert(text("step"), event);
            }
            _ => {}
        }
    }
}

impl Outcome {
    /// Whether all that is wrong was told; never where nothing is.
    fn is_told(&self, told: &Told) -> bool {
        let Self::Failed {
            cause, diagnosis, ..
        } = self
        else {
            return false;
        };
        let step = told.steps.get("tftp-transfer");
        let is_step_told =
            step.is_some_and(|step| step["event"] == "step-failed" && step["cause"] == *cause);
        let is_diagnosis_told =
            diagnosis.is_none_or(|code| told.diagnoses.iter().any(|told| told == code));
        is_step_told && is_diagnosis_told
    }
}

fn check_told(boot: &Boot, told: &Told, report: &Value) {
    let what = boot.options;
    let reason = match boot.outcome {
        Outcome::Satisfied => "satisfied",
        Outcome::Failed { .. } => "signal",
    };
    assert_eq!(told.end["why"], reason, "{what}: {:?}", told.end);
    assert_eq!(told.end["kernel_drops"], 0, "{what}");
    assert!(told.begun > 0, "{what}: no transfer told");
    for entry in report["requirements"].as_array().expect("a list") {
        if is_unconfirmed(boot, entry) {
            continue;
        }
        let step = entry["step"].as_str().expect("a scenario's");
        let last = told.steps.get(step).map_or("", |told| {
            assert_eq!(told["state"], entry["state"], "{what} {step}");
            told["event"].as_str().expect("text")
        });
        let wanted = match entry["state"].as_str() {
            Some("satisfied") => "step-satisfied",
            Some("failed") => "step-failed",
            _ => "",
        };
        assert_eq!(last, wanted, "{what} {step}");
    }
}

/// Exit status and report of the audit of a file of the lab.
fn audit(lab: &BootLab, capture: &str) -> (i32, Value) {
    let site = root().join("fixtures/lab.toml");
    let site = site.to_str().expect("text");
    let arguments = ["audit", "--site", site, "--format", "json", capture];
    let run = portolan_in(&lab.path(""), arguments);
    let report = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{}", run.err));
    (run.status, report)
}

/// All of a report but what says where its packets came from.
fn findings(report: &Value) -> Value {
    let mut report = report.clone();
    let entries = report.as_object_mut().expect("a report");
    entries.remove("captures");
    unname(&mut report);
    report
}

/// Takes the names of captures out of what was found.
fn unname(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            entries.remove("capture");
            entries.values_mut().for_each(unname);
        }
        Value::Array(values) => values.iter_mut().for_each(unname),
        _ => {}
    }
}

/// PXELINUX may leave for its kernel before the last acknowledgment is sent, where the machine is
/// slow: then the capture does not show that it has the file.
fn is_unconfirmed(boot: &Boot, entry: &Value) -> bool {
    let told = entry["explanation"].as_str().unwrap_or_default();
    matches!(boot.outcome, Outcome::Satisfied)
        && boot.options.contains("--client bios")
        && entry["state"] == "not-observable"
        && told.contains("the machine did not acknowledge the last block")
}

fn check(boot: &Boot, status: i32, report: &Value) {
    let what = boot.options;
    let list = |key: &str| report[key].as_array().expect("a list").clone();
    assert_eq!(list("unexpected"), [] as [Value; 0], "{what}");
    assert_eq!(list("pxe").len(), 1, "{what}: every round is of one boot");
    let is_binl_asked = what.contains("--server proxy");
    let (state, missing, found) = match &boot.outcome {
        Outcome::Satisfied => ("satisfied", Value::Null, vec![]),
        Outcome::Failed { diagnosis, .. } => {
            ("failed", "tftp-transfer".into(), diagnosis.iter().collect())
        }
    };
    assert_eq!(status, i32::from(state == "failed"), "{what}");
    assert_eq!(report["pxe"][0]["first_missing_step"], missing, "{what}");
    for entry in list("requirements") {
        if is_unconfirmed(boot, &entry) {
            continue;
        }
        let wanted = match entry["step"].as_str() {
            Some("tftp-transfer") => state,
            Some("binl") if !is_binl_asked => "not-applicable",
            _ => "satisfied",
        };
        assert_eq!(entry["state"], wanted, "{what}: {entry}");
    }
    let diagnoses = list("diagnoses");
    let codes: Vec<_> = diagnoses
        .iter()
        .map(|diagnosis| &diagnosis["code"])
        .collect();
    assert_eq!(codes, found, "{what}: {diagnoses:?}");
    if let Outcome::Failed { cause, words, .. } = &boot.outcome {
        let requirements = list("requirements");
        let last = requirements.last().expect("seven steps");
        assert_eq!(last["cause"], *cause, "{what}");
        let told = [&requirements[..], &diagnoses]
            .concat()
            .iter()
            .filter_map(|entry| entry["explanation"].as_str())
            .collect::<Vec<_>>()
            .join(" ");
        for words in *words {
            assert!(told.contains(words), "{what}: no \"{words}\" in {told}");
        }
    }
}
