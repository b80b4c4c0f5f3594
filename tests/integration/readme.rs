//! The README keeps its promises: transcripts are what the program prints, tables are those of
//! the code, commands exist.

use std::path::Path;

use assert_cmd::Command;
use portolan::verdict::{DIAGNOSES, Reason};

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    std::fs::read_to_string(path).expect("README.md is there")
}

/// Fenced blocks of one language.
fn blocks<'a>(readme: &'a str, language: &str) -> Vec<&'a str> {
    let opening = format!("```{language}\n");
    readme
        .split(opening.as_str())
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .collect()
}

/// Runs `portolan …` or `portolan … | head -n N` in the root of the repository.
fn run(line: &str) -> String {
    let (command, lines) = match line.split_once(" | head -n ") {
        Some((command, lines)) => (command, lines.parse().expect("a number of lines")),
        None => (line, usize::MAX),
    };
    let mut words = command.split_whitespace();
    assert_eq!(words.next(), Some("portolan"), "{line}");
    let output = Command::cargo_bin("portolan")
        .expect("the program is built")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("NO_COLOR")
        .args(words)
        .output()
        .expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines()
        .take(lines)
        .map(|line| format!("{line}\n"))
        .collect()
}

/// The head of the table of diagnoses.
const DIAGNOSIS_TABLE: &str = "| diagnosis | meaning | what to do |\n|---|---|---|\n";

/// The README with the table of diagnoses that the code has.
fn with_diagnoses(readme: &str) -> String {
    let (before, after) = readme
        .split_once(DIAGNOSIS_TABLE)
        .expect("a table of diagnoses");
    let rows: String = DIAGNOSES
        .iter()
        .map(|kind| format!("| `{}` | {} | {} |\n", kind.code, kind.meaning, kind.advice))
        .collect();
    let rest: String = after
        .split_inclusive('\n')
        .skip_while(|line| line.starts_with('|'))
        .collect();
    format!("{before}{DIAGNOSIS_TABLE}{rows}{rest}")
}

/// `PORTOLAN_WRITE_README=1 cargo test readme` writes both anew.
#[test]
fn transcripts_and_diagnoses_are_those_of_the_program() {
    let readme = readme();
    let mut renewed = with_diagnoses(&readme);
    let transcripts = blocks(&readme, "console");
    assert!(!transcripts.is_empty(), "no transcript in the README");
    for transcript in transcripts {
        let command = transcript.lines().next().expect("a command");
        let output = run(command.strip_prefix("$ ").expect("a prompt"));
        renewed = renewed.replace(transcript, &format!("{command}\n{output}"));
    }
    if std::env::var_os("PORTOLAN_WRITE_README").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        std::fs::write(path, &renewed).expect("writes");
    } else {
        assert_eq!(renewed, readme);
    }
}

/// The rows of the table whose heading begins so, cell by cell.
fn table<'a>(readme: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    readme
        .lines()
        .skip_while(|line| !line.starts_with(heading))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

#[test]
fn the_table_of_reasons_is_that_of_the_code() {
    let readme = readme();
    let rows = table(&readme, "| reason | meaning |");
    let expected: Vec<[String; 2]> = Reason::ALL
        .iter()
        .map(|reason| [format!("`{}`", reason.code()), reason.meaning().to_owned()])
        .collect();
    assert_eq!(rows.len(), expected.len());
    for (row, expected) in rows.iter().zip(&expected) {
        assert_eq!(row[..2], expected[..]);
        assert!(!row[2].is_empty(), "{} without advice", row[0]);
    }
}

#[cfg(feature = "live")]
#[test]
fn the_table_of_events_is_that_of_the_code() {
    let readme = readme();
    let rows = table(&readme, "| event | meaning |");
    let events = portolan::watch::events::KINDS;
    let expected: Vec<Vec<String>> = events
        .iter()
        .map(|(code, meaning)| vec![format!("`{code}`"), (*meaning).to_owned()])
        .collect();
    assert_eq!(rows, expected);
}

#[test]
fn the_site_file_is_valid() {
    let readme = readme();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let site = blocks(&readme, "toml")[0]
        .lines()
        .filter(|line| !line.starts_with("extend"))
        .collect::<Vec<_>>()
        .join("\n");
    let path = folder.path().join("site.toml");
    std::fs::write(&path, site).expect("writes");
    Command::cargo_bin("portolan")
        .expect("the program is built")
        .args(["site", "check"])
        .arg(&path)
        .assert()
        .success();
}

#[test]
fn the_scenario_of_ones_own_is_valid() {
    let readme = readme();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("own.toml");
    std::fs::write(&path, blocks(&readme, "toml")[1]).expect("writes");
    Command::cargo_bin("portolan")
        .expect("the program is built")
        .args(["policy", "check"])
        .arg(&path)
        .assert()
        .success();
}

#[test]
fn commands_in_the_text_exist() {
    let readme = readme();
    let mut commands: Vec<&str> = readme
        .split("portolan ")
        .skip(1)
        .zip(readme.split("portolan "))
        .filter(|(_, before)| before.ends_with(['`', '\n']) || before.ends_with("$ "))
        .map(|(after, _)| after.split([' ', '`', '\n']).next().unwrap_or_default())
        .collect();
    commands.sort_unstable();
    commands.dedup();
    assert!(commands.contains(&"audit"), "{commands:?}");
    // A program built without this feature has no such command.
    commands.retain(|command| cfg!(feature = "live") || *command != "watch");
    for command in commands {
        Command::cargo_bin("portolan")
            .expect("the program is built")
            .args([command, "--help"])
            .assert()
            .success();
    }
}
