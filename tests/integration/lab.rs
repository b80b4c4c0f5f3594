//! A real machine boots over the network, from servers that work and from such that a firewall
//! cuts off: what is told of it against what was done to it. `PORTOLAN_LAB=all cargo test lab`
//! runs every kind of boot, which takes some ten minutes; without it, few run that show most.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::command::{portolan_in, root};
use crate::support::lab::{self, BootLab};
use crate::support::shared::shared;

/// A boot, and what must be told of it.
struct Boot {
    /// Options of the lab's script.
    options: &'static str,
    told: Told,
    /// Whether it runs when not everything does.
    runs_always: bool,
}

enum Told {
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
const SILENT: Told = Told::Failed {
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
const DEAF: Told = Told::Failed {
    cause: "tftp-stalled",
    diagnosis: Some("tftp-high-ports-closed"),
    words: &[
        "a firewall stops what the client sends to the server's high port",
        "UDP to the high ports of",
    ],
};

/// Blocks come, and then no more, whatever the machine asks.
const STALLED: Told = Told::Failed {
    cause: "tftp-stalled",
    diagnosis: None,
    words: &[
        "came and no more, although the machine went on acknowledging it",
        "stops what the server sends",
        "the TFTP server stopped in the middle",
    ],
};

const BOOTS: [Boot; 18] = [
    boot("--client bios --server dhcp", Told::Satisfied).always(),
    boot("--client bios --server proxy", Told::Satisfied),
    boot("--client bios --single-port", Told::Satisfied),
    boot("--client bios --port-range 20000,20010", Told::Satisfied),
    boot("--client uefi --server dhcp", Told::Satisfied),
    boot("--client uefi --server proxy", Told::Satisfied).always(),
    boot("--client uefi --single-port", Told::Satisfied),
    boot("--client uefi --port-range 20000,20010", Told::Satisfied),
    boot("--client bios --broken=port69", SILENT),
    boot("--client bios --broken=high-out", SILENT),
    boot("--client bios --broken=high-in", DEAF),
    boot("--client bios --broken=stall", STALLED),
    boot("--client uefi --broken=port69", SILENT),
    boot("--client uefi --broken=high-out", SILENT).always(),
    boot("--client uefi --broken=high-in", DEAF),
    boot("--client uefi --broken=stall", STALLED).always(),
    boot("--client bios --server proxy --broken=high-in", DEAF),
    boot("--client uefi --server proxy --broken=port69", SILENT),
];

const fn boot(options: &'static str, told: Told) -> Boot {
    Boot {
        options,
        told,
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
    let Some(obstacle) = lab::obstacle() else {
        return Some(script);
    };
    let advice = "tests/peers.sh gets the programs";
    assert!(
        std::env::var_os("CI").is_none(),
        "{obstacle} in CI; {advice}"
    );
    eprintln!("SKIPPED: {obstacle}; {advice}");
    None
}

#[test]
fn boots_stand_as_they_were_made() {
    let Some(script) = script() else {
        return;
    };
    let all = std::env::var_os("PORTOLAN_LAB").is_some();
    // One after the other: a machine takes a core.
    for boot in BOOTS.iter().filter(|boot| all || boot.runs_always) {
        run(boot, &script);
    }
}

fn run(boot: &Boot, script: &Path) {
    let lab = BootLab::new(script);
    let capture = lab.path("boot.pcap");
    let options: Vec<&str> = boot.options.split(' ').collect();
    let log = lab.boot(&options, &capture);
    let completed = log.contains("RESULT boot complete");
    assert_eq!(
        completed,
        matches!(boot.told, Told::Satisfied),
        "{} did not do as it should: {log}",
        boot.options
    );
    let site = root().join("fixtures/lab.toml");
    let site = site.to_str().expect("text");
    let audit = ["audit", "--site", site, "--format", "json", "boot.pcap"];
    let run = portolan_in(&lab.path(""), audit);
    let report = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{}", run.err));
    check(boot, run.status, &report);
}

fn check(boot: &Boot, status: i32, report: &Value) {
    let what = boot.options;
    let list = |key: &str| report[key].as_array().expect("a list").clone();
    assert_eq!(list("unexpected"), [] as [Value; 0], "{what}");
    assert_eq!(list("pxe").len(), 1, "{what}: every round is of one boot");
    let is_binl_asked = what.contains("--server proxy");
    let (state, missing, found) = match &boot.told {
        Told::Satisfied => ("satisfied", Value::Null, vec![]),
        Told::Failed { diagnosis, .. } => {
            ("failed", "tftp-transfer".into(), diagnosis.iter().collect())
        }
    };
    assert_eq!(status, i32::from(state == "failed"), "{what}");
    assert_eq!(report["pxe"][0]["first_missing_step"], missing, "{what}");
    for entry in list("requirements") {
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
    if let Told::Failed { cause, words, .. } = &boot.told {
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
