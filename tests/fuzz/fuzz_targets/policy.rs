//! A policy file: checked, with every error at a place inside it.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use portolan::policy::check;

/// A folder of this process: policy files are read from disk, with those they include.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("portolan-fuzz-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for temporary files");
    folder.join("policy.toml")
});

fuzz_target!(|data: &[u8]| {
    // Files that happen to lie on this machine are no part of the input.
    if data.windows(7).any(|window| window == b"include") {
        return;
    }
    fs::write(&*FILE, data).expect("a folder for temporary files");
    let found = check(&FILE);
    let name = FILE.display().to_string();
    for entry in found.entries.iter().filter(|entry| entry.file == name) {
        assert!(entry.span.end <= data.len());
        assert!(!entry.message.is_empty());
    }
    assert!(!found.render(false).contains('\u{1b}'));
});
