//! The shape of the crate: stages import only what stands before them, every file says what it
//! is for, and none grows past what is read in one sitting.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest source file, in lines. Data belongs into files that are not code.
const MAX_LINES: usize = 600;

/// Stages in the order of `lib.rs`, each with the stages that it may import.
const STAGES: [(&str, &[&str]); 15] = [
    ("net", &[]),
    ("capture", &["net"]),
    ("decode", &["net", "capture"]),
    ("flow", &["net", "decode"]),
    ("payload", &["net"]),
    (
        "observation",
        &["net", "capture", "decode", "flow", "payload"],
    ),
    (
        "evidence",
        &["net", "decode", "flow", "payload", "observation"],
    ),
    (
        "pipeline",
        &["net", "capture", "decode", "flow", "observation"],
    ),
    ("config", &["net"]),
    ("policy", &["net", "config"]),
    ("site", &["net", "config", "policy"]),
    (
        "verdict",
        // Of `decode` only what is counted, of `payload` only text that evidence holds.
        &[
            "net",
            "decode",
            "flow",
            "payload",
            "observation",
            "evidence",
            "config",
            "policy",
            "site",
        ],
    ),
    (
        "report",
        // Of `payload` only text, which it escapes; of `decode` only those reasons.
        &[
            "net",
            "decode",
            "flow",
            "payload",
            "observation",
            "evidence",
            "verdict",
        ],
    ),
    (
        "watch",
        &[
            "net",
            "capture",
            "decode",
            "flow",
            "payload",
            "observation",
            "evidence",
            "pipeline",
            "config",
            "policy",
            "site",
            "verdict",
            "report",
        ],
    ),
    (
        "cli",
        &[
            "net",
            "capture",
            "decode",
            "flow",
            "payload",
            "observation",
            "evidence",
            "pipeline",
            "config",
            "policy",
            "site",
            "verdict",
            "report",
            "watch",
        ],
    ),
];

/// What a stage may take of a stage that it sees only through a word or two.
const NARROW: [(&str, &str, &[&str]); 4] = [
    ("verdict", "decode", &["Undecoded", "LinkProtocol"]),
    ("verdict", "payload", &["Text"]),
    ("report", "decode", &["Undecoded"]),
    ("report", "payload", &["Text"]),
];

#[test]
fn stages_import_only_earlier_ones() {
    let allowed: BTreeMap<_, _> = STAGES.into_iter().collect();
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let stage = stage_of(&path);
        let Some(allowed) = allowed.get(stage.as_str()) else {
            assert!(
                matches!(stage.as_str(), "lib.rs" | "main.rs"),
                "{} belongs to no stage",
                path.display()
            );
            continue;
        };
        for (target, names) in imports(&text) {
            let narrow = NARROW
                .iter()
                .find(|(from, to, _)| *from == stage && *to == target);
            let fits = target == stage
                || allowed.contains(&target.as_str())
                    && narrow.is_none_or(|(_, _, words)| {
                        names.iter().all(|name| words.contains(&name.as_str()))
                    });
            if !fits {
                wrong.push(format!(
                    "{}: crate::{target}::{{{}}}",
                    path.display(),
                    names.join(", ")
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "imports down the list:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn stages_stand_in_the_order_of_the_library() {
    let library = fs::read_to_string(source_folder().join("lib.rs")).expect("the library");
    let declared: Vec<_> = library
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    let listed: Vec<_> = STAGES.iter().map(|(stage, _)| *stage).collect();
    assert_eq!(declared, listed);
    for (index, (stage, allowed)) in STAGES.iter().enumerate() {
        for target in *allowed {
            let place = listed.iter().position(|stage| stage == target);
            assert!(
                place.is_some_and(|place| place < index),
                "{stage} may import {target}, which does not stand before it"
            );
        }
    }
}

#[test]
fn every_file_says_what_it_is_for_and_is_short() {
    for (path, text) in sources() {
        let opening = text.lines().next().unwrap_or_default();
        assert!(
            opening.len() > "//! ".len() && opening.starts_with("//! "),
            "{} opens with no line of documentation",
            path.display()
        );
        let lines = text.lines().count();
        assert!(
            lines <= MAX_LINES,
            "{} has {lines} lines, more than {MAX_LINES}",
            path.display()
        );
    }
}

#[test]
fn reads_every_form_of_import() {
    let text = "use crate::net::{Endpoint, Position};\nuse crate::payload::Text;\n\
                use crate::{\n    decode::{self, Packet},\n    flow,\n};\n\
                    pub(crate) use crate::site::model::Site;\nfn f() -> crate::flow::State {}\n";
    let found: Vec<_> = imports(text)
        .into_iter()
        .map(|(target, names)| format!("{target} {}", names.join(" ")))
        .collect();
    assert_eq!(
        found,
        [
            "net Endpoint Position",
            "payload Text",
            "decode self Packet",
            "flow flow",
            "site Site",
            "flow State",
        ]
    );
}

/// Every path that begins with `crate::`, as its stage and the names taken from it.
fn imports(text: &str) -> Vec<(String, Vec<String>)> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut found = Vec::new();
    for (at, marker) in code.match_indices("crate::") {
        let path = tree(&code[at + marker.len()..]);
        let branches = match path.strip_prefix('{') {
            Some(inner) => split(inner.trim_end_matches('}')),
            None => vec![path],
        };
        for branch in branches {
            let (stage, rest) = branch.split_once("::").unwrap_or((branch, branch));
            let names = match rest.split_once('{') {
                Some((_, inner)) => split(inner.trim_end_matches('}')),
                None => vec![rest.rsplit("::").next().unwrap_or(rest)],
            };
            let names = names.into_iter().map(str::to_owned).collect();
            found.push((stage.trim().to_owned(), names));
        }
    }
    found
}

/// The path or brace group at the beginning of `code`.
fn tree(code: &str) -> &str {
    let mut depth = 0_usize;
    let end = code.find(|letter: char| {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => return true,
            '}' => depth -= 1,
            _ => {}
        }
        depth == 0 && letter != '}' && !letter.is_alphanumeric() && !matches!(letter, '_' | ':')
    });
    code[..end.unwrap_or(code.len())].trim_end_matches(':')
}

/// Parts between the commas outside braces.
fn split(list: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    list.split(|letter| {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && letter == ','
    })
    .map(str::trim)
    .filter(|part| !part.is_empty())
    .collect()
}

fn stage_of(path: &Path) -> String {
    let inner = path.strip_prefix(source_folder()).expect("under src");
    let first = inner.components().next().expect("a file name");
    first.as_os_str().to_string_lossy().into_owned()
}

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file with its text, in the order of their paths.
fn sources() -> Vec<(PathBuf, String)> {
    let mut folders = vec![source_folder()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path).expect("sources are text");
                files.push((path, text));
            }
        }
    }
    files.sort();
    files
}
