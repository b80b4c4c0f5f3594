//! TFTP transfers of real peers against what their own logs, exit statuses and files say.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::command::portolan_in;
use crate::support::shared::shared;

const SITE: &str = "version = 1\n[roles]\nclient = [\"198.18.0.0/16\"]\n";

/// The rows of a table with a line of headings, by heading.
struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// Real captures, and what their peers tell of them.
struct Lab {
    folder: PathBuf,
    table: Table,
}

impl Lab {
    /// `None` where they are not there.
    fn open(table: &str) -> Option<Self> {
        let folder = shared("captures/lab")?;
        let table = Table::read(&folder.join(table));
        Some(Self { folder, table })
    }
}

impl Table {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("a readable table");
        let mut lines = text
            .lines()
            .map(|line| line.split('\t').map(str::to_owned).collect());
        Self {
            headings: lines.next().expect("headings"),
            rows: lines.collect(),
        }
    }

    fn cell<'a>(&self, row: &'a [String], heading: &str) -> &'a str {
        let column = self.headings.iter().position(|name| name == heading);
        &row[column.unwrap_or_else(|| panic!("no column {heading}"))]
    }
}

/// The `tftp` section of the report of one capture.
fn transfers(folder: &Path, capture: &str) -> Vec<Value> {
    let site = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(site.path(), SITE).expect("writes");
    let site = site.path().to_str().expect("text");
    let run = portolan_in(
        folder,
        ["audit", "--site", site, "--format", "json", capture],
    );
    let report: Value =
        serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {}", run.err));
    report["tftp"].as_array().expect("a list").clone()
}

fn end(transfer: &Value, side: &str) -> String {
    let end = &transfer[side];
    format!("{}:{}", end["address"].as_str().expect("text"), end["port"])
}

fn ends(transfers: &[Value], side: &str) -> BTreeSet<String> {
    transfers
        .iter()
        .map(|transfer| end(transfer, side))
        .collect()
}

fn set(cell: &str) -> BTreeSet<String> {
    cell.split(',').map(str::to_owned).collect()
}

fn sum(transfers: &[Value], key: &str) -> u64 {
    let numbers = transfers.iter();
    numbers
        .map(|transfer| transfer[key].as_u64().expect("a number"))
        .sum()
}

/// The report's word for an outcome of the table.
fn outcome(told: &str) -> &str {
    let known = [
        ("complete", "complete"),
        ("error", "error"),
        ("stalled", "stalled"),
        ("no answer: port unreachable", "unreachable"),
    ];
    let found = known.iter().find(|(words, _)| told.starts_with(words));
    found.unwrap_or_else(|| panic!("what is {told}?")).1
}

#[test]
fn transfers_are_as_their_peers_tell() {
    let Some(lab) = Lab::open("INDEX.tsv") else {
        return;
    };
    for row in &lab.table.rows {
        let cell = |heading| lab.table.cell(row, heading);
        let capture = cell("file");
        let found = transfers(&lab.folder, capture);
        // A short snap length cuts file names and options.
        let is_cut = capture.contains("wrap");
        let mut told: Vec<_> = cell("tftp_file")
            .split(',')
            .zip(cell("outcome").split(", ").map(outcome))
            .collect();
        let mut seen: Vec<_> = found
            .iter()
            .map(|transfer| {
                let file = transfer["file"].as_str().expect("a name");
                (file, transfer["outcome"].as_str().expect("a word"))
            })
            .collect();
        if is_cut {
            assert!(told[0].0.starts_with(seen[0].0), "{capture}");
            seen[0].0 = told[0].0;
        }
        told.sort_unstable();
        seen.sort_unstable();
        assert_eq!(seen, told, "{capture}");

        assert_eq!(ends(&found, "client"), set(cell("client")), "{capture}");
        let mut servers = set(cell("server"));
        if servers.len() > 1 {
            // The requests' port.
            servers.retain(|server| !server.ends_with(":69"));
        }
        assert_eq!(ends(&found, "server"), servers, "{capture}");
        let bytes: u64 = cell("bytes").parse().expect("a number");
        assert_eq!(sum(&found, "bytes"), bytes, "{capture}");
        for transfer in &found {
            let operation = match cell("direction") {
                "get" => "read",
                _ => "write",
            };
            assert_eq!(transfer["operation"], operation, "{capture}");
            for (option, default) in [("blksize", "512"), ("windowsize", "-")] {
                let granted = transfer["options"][option].as_str().unwrap_or(default);
                let agreed = cell(option);
                let is_told = agreed != "-" && !is_cut && transfer["outcome"] == "complete";
                assert!(!is_told || granted == agreed, "{capture}: {option}");
            }
        }
        if let Ok(blocks) = cell("expected_blocks").parse::<u64>()
            && told.iter().all(|(_, outcome)| *outcome == "complete")
        {
            assert_eq!(sum(&found, "blocks"), blocks, "{capture}");
        }
    }
    assert!(
        lab.table.rows.len() >= 18,
        "{} captures",
        lab.table.rows.len()
    );
}

#[test]
fn boots_fetch_what_their_server_says_it_sent() {
    let Some(lab) = Lab::open("INDEX-pxe.tsv") else {
        return;
    };
    for row in &lab.table.rows {
        let cell = |heading| lab.table.cell(row, heading);
        let capture = cell("file");
        let found = transfers(&lab.folder, capture);
        assert_eq!(
            ends(&found, "client"),
            set(cell("tftp_clients")),
            "{capture}"
        );
        let servers = set(cell("tftp_server_answer_ports"));
        assert_eq!(ends(&found, "server"), servers, "{capture}");
        let of = |outcome: &str| -> Vec<&Value> {
            let all = found.iter();
            all.filter(|transfer| transfer["outcome"] == outcome)
                .collect()
        };
        let complete: Vec<String> = of("complete")
            .iter()
            .map(|transfer| {
                let file = transfer["file"].as_str().expect("a name");
                format!("{file} {}", transfer["bytes"])
            })
            .collect();
        if cell("boot") == "not complete" {
            assert!(complete.is_empty(), "{capture}");
            assert_eq!(of("stalled").len(), found.len(), "{capture}");
            continue;
        }
        let sent: Vec<_> = cell("files_the_server_says_it_sent_with_size")
            .split("; ")
            .collect();
        assert_eq!(complete, sent, "{capture}");
        let missing = of("error");
        assert!(
            missing
                .iter()
                .all(|transfer| transfer["error"]["code"] == 1)
        );
        assert_eq!(
            missing.len().to_string(),
            cell("files_not_found"),
            "{capture}"
        );
    }
    assert!(!lab.table.rows.is_empty());
}
