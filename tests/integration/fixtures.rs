//! The captures in `fixtures/` and the seeds in `tests/fuzz/corpus/` are what their generators
//! make, to the byte. `PORTOLAN_WRITE_FIXTURES=1 cargo test fixtures` writes them anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{fixtures, seeds};

/// Set to write the files in place of comparing them.
const WRITE: &str = "PORTOLAN_WRITE_FIXTURES";

#[test]
fn captures_are_what_the_generator_makes() {
    for (name, made) in fixtures::all() {
        compare(&folder("fixtures").join(&name), &made);
    }
}

#[test]
fn fuzz_seeds_are_what_the_generator_makes() {
    let corpus = folder("tests/fuzz/corpus");
    let mut made = BTreeSet::new();
    for (target, name, seed) in seeds::all() {
        let path = corpus.join(target).join(name);
        compare(&path, &seed);
        made.insert(path);
    }
    for target in names(&corpus) {
        for name in names(&corpus.join(&target)) {
            let path = corpus.join(&target).join(name);
            assert!(made.contains(&path), "nothing makes {}", path.display());
        }
    }
}

#[test]
fn every_fuzz_target_has_seeds() {
    let seeded: BTreeSet<_> = seeds::all()
        .into_iter()
        .map(|(target, ..)| format!("{target}.rs"))
        .collect();
    let targets = names(&folder("tests/fuzz/fuzz_targets"));
    assert_eq!(seeded, targets);
    let manifest = fs::read_to_string(folder("tests/fuzz/Cargo.toml")).expect("the fuzz crate");
    for target in targets {
        assert!(
            manifest.contains(&format!("\"fuzz_targets/{target}\"")),
            "tests/fuzz/Cargo.toml does not build {target}"
        );
    }
}

#[test]
fn every_file_is_described_and_made() {
    let folder = folder("fixtures");
    let described = fs::read_to_string(folder.join("README.md")).expect("the list of fixtures");
    let made: Vec<_> = fixtures::all().into_iter().map(|(name, _)| name).collect();
    for name in names(&folder) {
        if name == "README.md" {
            continue;
        }
        assert!(
            described.contains(&format!("`{name}`")),
            "fixtures/README.md does not say what {name} shows"
        );
        let is_capture = Path::new(&name)
            .extension()
            .is_some_and(|end| end != "toml");
        assert!(!is_capture || made.contains(&name), "nothing makes {name}");
    }
}

/// Fails where the file is not what was made, or writes it.
fn compare(path: &Path, made: &[u8]) {
    if std::env::var_os(WRITE).is_some() {
        let folder = path.parent().expect("files lie in a folder");
        fs::create_dir_all(folder).expect("the checkout can be written to");
        fs::write(path, made).expect("the checkout can be written to");
    }
    let kept = fs::read(path).unwrap_or_default();
    assert!(
        kept == made,
        "{} differs from what the generator makes ({} and {} bytes); \
         run the test once with {WRITE}=1",
        path.display(),
        kept.len(),
        made.len()
    );
}

/// Names of what lies in a folder.
fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder)
        .expect("the folder is part of the checkout")
        .map(|entry| {
            let name = entry.expect("a readable entry").file_name();
            name.into_string().expect("names are ASCII")
        })
        .collect()
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
