//! A site file: read whole or refused with every error at a place inside it.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use portolan::config::Source;
use portolan::site::Site;
use portolan::verdict::{Judge, Proofs, Strictness};

const NAME: &str = "site.toml";

fuzz_target!(|data: &[u8]| {
    let Ok(source) = Source::from_bytes(NAME, data.to_vec()) else {
        return;
    };
    // Files that happen to lie on this machine are no part of the input.
    if source.text().contains("extend") || source.text().contains("catalogue") {
        return;
    }
    match Site::read(&source, Path::new("")) {
        Ok(loaded) => {
            assert!(!loaded.warnings.has_errors());
            let (policy, site) = (&loaded.policy, &loaded.site);
            Judge::new(policy, site, Proofs::default(), Strictness::Normal);
        }
        Err(found) => {
            assert!(found.has_errors());
            for entry in found.entries.iter().filter(|entry| entry.file == NAME) {
                assert!(entry.span.end <= source.text().len());
                assert!(!entry.message.is_empty());
            }
            assert!(!found.render(false).contains('\u{1b}'));
        }
    }
});
