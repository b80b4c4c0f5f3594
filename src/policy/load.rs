//! Reading a policy: the built-in catalogue or one of the user's, with the rules that extend it.

use std::path::Path;

use super::assemble::{self, Assembled};
use super::catalogue::{BUILTIN, Files, Part};
use super::file::RawFile;
use super::{Edition, Policy};
use crate::config::{Diagnostic, Diagnostics, Document, Problems, Source, quoted, suggestion};

impl Policy {
    /// Reads a catalogue (`configmgr`, or the path of a policy file) and the files that extend
    /// it; paths are relative to `base`. Without an edition the newest holds.
    ///
    /// # Errors
    /// Everything that is wrong with any of the files. Warnings come with the policy.
    pub fn load(
        catalogue: &str,
        edition: Option<&str>,
        extend: &[String],
        base: &Path,
    ) -> Result<(Self, Diagnostics), Diagnostics> {
        let (assembled, warnings) = assembled(catalogue, extend, base)?;
        let policy = match edition {
            None => assembled.newest(),
            Some(edition) => assembled
                .policy(edition)
                .ok_or_else(|| no_edition(&assembled, edition))?,
        };
        Ok((policy, warnings))
    }

    /// Every edition of a catalogue, oldest first.
    ///
    /// # Errors
    /// As [`Policy::load`].
    pub fn load_all(
        catalogue: &str,
        extend: &[String],
        base: &Path,
    ) -> Result<(Vec<Self>, Diagnostics), Diagnostics> {
        let (assembled, warnings) = assembled(catalogue, extend, base)?;
        Ok((assembled.all(), warnings))
    }

    /// The built-in catalogue; the newest edition where none is named.
    ///
    /// # Errors
    /// An edition that doesn't exist.
    pub fn builtin(edition: Option<&str>) -> Result<Self, Diagnostics> {
        let (policy, _) = Self::load(BUILTIN, edition, &[], Path::new(""))?;
        Ok(policy)
    }

    /// Editions of the built-in catalogue, oldest first.
    pub fn editions() -> Vec<Edition> {
        Self::builtin(None).map_or_else(|_| Vec::new(), |policy| policy.editions)
    }
}

/// Everything wrong with a policy file. One with `name`, `edition` or `include` is a catalogue
/// of its own; any other is taken as an extension of the built-in catalogue.
pub fn check(path: &Path) -> Diagnostics {
    match Source::read(path) {
        Ok(source) => check_source(source, path),
        Err(diagnostics) => diagnostics,
    }
}

fn check_source(source: Source, path: &Path) -> Diagnostics {
    let files = if is_catalogue(&source) {
        Files::of_root(&source, path)
    } else {
        let mut files = Files::builtin();
        files.files.push((Part::Extension, source));
        files
    };
    match assemble::assemble(files) {
        Ok((_, warnings)) => warnings,
        Err(diagnostics) => diagnostics,
    }
}

fn is_catalogue(source: &Source) -> bool {
    let unreported = Problems::new(source);
    let document = Document::parse(&unreported);
    RawFile::read(document.root(&unreported)).is_catalogue()
}

fn assembled(
    catalogue: &str,
    extend: &[String],
    base: &Path,
) -> Result<(Assembled, Diagnostics), Diagnostics> {
    let mut files = Files::of(catalogue, base);
    for file in extend {
        files.add(Part::Extension, &base.join(file));
    }
    assemble::assemble(files)
}

fn no_edition(assembled: &Assembled, edition: &str) -> Diagnostics {
    let known = assembled.editions().iter().map(|known| known.id.as_str());
    let message = format!("there is no edition {} of this catalogue", quoted(edition));
    let help = suggestion(edition, "editions", known);
    Diagnostic::of_file(assembled.name(), message, help).into()
}

#[cfg(test)]
mod tests;
