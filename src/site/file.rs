//! From the path of a site file to the site and its policy. All errors of the site file and of
//! the policy files it names come at once.

use std::path::Path;

use super::parse::{self, PolicyWanted};
use super::{Site, Vocabulary};
use crate::config::{Diagnostics, Document, Problems, Source, quoted, suggestion};
use crate::policy::{Policy, Roles};

/// A site without errors, and the policy it names.
#[derive(Clone, Debug)]
pub struct LoadedSite {
    /// The site.
    pub site: Site,
    /// The policy in the edition that the site chooses, with the site's own rules.
    pub policy: Policy,
    /// What the authors of the files may not mean.
    pub warnings: Diagnostics,
}

impl Site {
    /// Reads a site file and the policy files it names; their paths are relative to its folder.
    ///
    /// # Errors
    /// Every error of every file, with the warnings.
    pub fn load(path: &Path) -> Result<LoadedSite, Diagnostics> {
        let source = Source::read(path)?;
        Self::read(&source, path.parent().unwrap_or(Path::new("")))
    }

    /// Reads the text of a site file; the policy files it names are relative to `base`.
    ///
    /// # Errors
    /// Every error of every file, with the warnings.
    pub fn read(source: &Source, base: &Path) -> Result<LoadedSite, Diagnostics> {
        let problems = Problems::new(source);
        let document = Document::parse(&problems);
        let wanted = parse::policy_wanted(&document, &problems);
        let (policy, of_policy) = load_policy(&wanted, &problems, base);

        let mut site = match &policy {
            Some(policy) => parse::site(&document, &problems, &vocabulary(policy)),
            None => parse::site(&document, &problems, &Vocabulary::unread(&Roles::default())),
        };
        site.catalogue = wanted.catalogue().to_owned();
        let mut found = problems.finish();
        found.append(of_policy);
        match policy {
            Some(policy) if !found.has_errors() => Ok(LoadedSite {
                site,
                policy,
                warnings: found,
            }),
            _ => Err(found),
        }
    }
}

/// The edition that is wanted. Where there is none of that name, the newest one, so that the
/// rest of the site can be checked.
fn load_policy(
    wanted: &PolicyWanted,
    problems: &Problems<'_>,
    base: &Path,
) -> (Option<Policy>, Diagnostics) {
    let extend: Vec<String> = wanted
        .extend
        .iter()
        .map(|file| file.value.clone())
        .collect();
    let (mut policies, warnings) = match Policy::load_all(wanted.catalogue(), &extend, base) {
        Ok(read) => read,
        Err(errors) => return (None, named_at_their_place(errors, wanted, problems, base)),
    };
    let mut place = policies.len().checked_sub(1);
    if let Some(edition) = &wanted.edition {
        match policies
            .iter()
            .position(|policy| policy.edition == edition.value)
        {
            Some(index) => place = Some(index),
            None => {
                let message = format!("unknown edition {}", quoted(&edition.value));
                let known = policies.iter().map(|policy| policy.edition.as_str());
                let help = suggestion(&edition.value, "editions", known);
                problems.error_with_help(edition.span.clone(), message, help);
            }
        }
    }
    (place.map(|index| policies.swap_remove(index)), warnings)
}

/// A policy file that can't be read has no line of its own: it is an error of the line of the
/// site file that names it.
fn named_at_their_place(
    errors: Diagnostics,
    wanted: &PolicyWanted,
    problems: &Problems<'_>,
    base: &Path,
) -> Diagnostics {
    let named = || wanted.catalogue.iter().chain(&wanted.extend);
    let (whole, mut placed): (Vec<_>, Vec<_>) = errors
        .entries
        .into_iter()
        .partition(|entry| entry.line == 0);
    for entry in whole {
        let name = named().find(|file| base.join(&file.value).display().to_string() == entry.file);
        match name {
            Some(name) => {
                let message = format!("{}: {}", quoted(&name.value), entry.message);
                problems.error_with_help(name.span.clone(), message, entry.help);
            }
            None => placed.push(entry),
        }
    }
    Diagnostics { entries: placed }
}

fn vocabulary(policy: &Policy) -> Vocabulary<'_> {
    Vocabulary {
        roles: &policy.roles,
        rules: &policy.rules,
        scenarios: policy
            .scenarios
            .iter()
            .map(|scenario| scenario.name.as_str())
            .collect(),
        edition: &policy.edition,
        complete: true,
    }
}
