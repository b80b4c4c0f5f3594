//! Policy files → catalogue: names resolved over all files, every contradiction reported at its
//! place. Rules stay as written; nothing is compiled for look-up here.

mod assembled;
mod rules;
mod scenarios;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::catalogue::{Files, Part};
use super::file::RawFile;
use super::model::Edition;
use super::{Role, RoleId, Roles, Rule};
use crate::config::{Diagnostics, Document, Located, Problems, Source, quoted, suggestion};

use assembled::InEdition;
pub(super) use assembled::{Assembled, answers_to};

/// Resolves the files into a catalogue, or says everything that is wrong with them.
pub(super) fn assemble(files: Files) -> Result<(Assembled, Diagnostics), Diagnostics> {
    let Files { files, unreadable } = files;
    let (parts, sources): (Vec<Part>, Vec<Source>) = files.into_iter().unzip();
    let problems: Vec<Problems<'_>> = sources.iter().map(Problems::new).collect();
    let read = |problems| {
        let document = Document::parse(problems);
        RawFile::read(document.root(problems))
    };
    let raws: Vec<RawFile> = problems.iter().map(read).collect();
    let assembled = Assembler::new(&parts, &raws, &problems).assemble();

    let mut diagnostics = unreadable;
    for problems in problems {
        diagnostics.append(problems.finish());
    }
    if diagnostics.has_errors() {
        return Err(diagnostics);
    }
    Ok((assembled, diagnostics))
}

/// Edition of a catalogue that names none.
const ONLY_EDITION: &str = "current";

/// All files at once, while names are resolved.
struct Assembler<'r> {
    parts: &'r [Part],
    raws: &'r [RawFile],
    problems: &'r [Problems<'r>],
    /// Edition of each file, by index.
    file_editions: Vec<Option<usize>>,
    editions: Vec<Edition>,
    /// Role names in the order of their ids.
    role_names: Vec<&'r str>,
    /// Editions whose own files use each role.
    role_editions: BTreeMap<RoleId, BTreeSet<usize>>,
    /// Roles used in files that hold in every edition.
    everywhere: BTreeSet<RoleId>,
    rules: Vec<InEdition<Rule>>,
}

impl<'r> Assembler<'r> {
    fn new(parts: &'r [Part], raws: &'r [RawFile], problems: &'r [Problems<'r>]) -> Self {
        Self {
            parts,
            raws,
            problems,
            file_editions: Vec::new(),
            editions: Vec::new(),
            role_names: Vec::new(),
            role_editions: BTreeMap::new(),
            everywhere: BTreeSet::new(),
            rules: Vec::new(),
        }
    }

    fn assemble(mut self) -> Assembled {
        self.find_editions();
        self.find_roles();
        self.check_anchors();
        let mut sections = Vec::new();
        let mut notes = Vec::new();
        for file in 0..self.raws.len() {
            self.add_rules(file);
            sections.append(&mut self.sections(file));
            notes.append(&mut self.notes(file));
        }
        let scenarios = self.scenarios();
        Assembled {
            name: self.name(),
            roles: self.roles(),
            editions: self.editions,
            rules: self.rules,
            sections,
            notes,
            scenarios,
        }
    }

    fn name(&self) -> String {
        let named = self.raws.iter().find_map(|raw| raw.name.as_ref());
        match (named, self.problems.first()) {
            (Some(name), _) => name.value.clone(),
            (None, Some(root)) => root.source().name().to_owned(),
            (None, None) => String::new(),
        }
    }

    fn find_editions(&mut self) {
        for (file, raw) in self.raws.iter().enumerate() {
            let problems = &self.problems[file];
            if self.parts[file] != Part::Root {
                for include in &raw.include {
                    let message = "only the first file of a catalogue includes others";
                    problems.error(include.span.clone(), message);
                }
            }
            let Some(edition) = &raw.edition else {
                self.file_editions.push(None);
                continue;
            };
            let id = &edition.id;
            if self.parts[file] == Part::Extension {
                let message = "rules that extend a catalogue hold in all of its editions";
                let help = Some("leave out [edition]".to_owned());
                problems.error_with_help(id.span.clone(), message, help);
            }
            if self.editions.iter().any(|known| known.id == id.value) {
                let message = format!("edition {} is defined before", quoted(&id.value));
                problems.error(id.span.clone(), message);
            }
            self.file_editions.push(Some(self.editions.len()));
            self.editions.push(Edition {
                id: id.value.clone(),
                title: edition.title.clone().unwrap_or_else(|| id.value.clone()),
                document: self.document(file),
            });
        }
        if self.editions.is_empty() {
            self.editions.push(Edition {
                id: ONLY_EDITION.to_owned(),
                title: self.name(),
                document: self.name(),
            });
        }
    }

    /// The document that a file stands beside; itself where it names none.
    fn document(&self, file: usize) -> String {
        let raw = &self.raws[file];
        let edition = raw.edition.as_ref();
        let named = edition.and_then(|edition| edition.document.as_ref());
        match named.or(raw.document.as_ref()) {
            Some(document) => document.clone(),
            None => self.problems[file].source().name().to_owned(),
        }
    }

    fn find_roles(&mut self) {
        for (file, raw) in self.raws.iter().enumerate() {
            for role in &raw.roles {
                let id = role.id.value.as_str();
                let span = role.id.span.clone();
                if self.role_names.contains(&id) {
                    let message = format!("role {} is defined before", quoted(id));
                    self.problems[file].error(span, message);
                } else if self.role_names.len() == Roles::MAX {
                    let message = format!("there are more than {} roles", Roles::MAX);
                    self.problems[file].error(span, message);
                    return;
                } else {
                    self.role_names.push(id);
                }
            }
        }
    }

    fn role(&self, name: &Located<String>, problems: &Problems<'_>) -> Option<RoleId> {
        let found = self
            .role_names
            .iter()
            .position(|known| *known == name.value);
        if found.is_none() {
            let message = format!("unknown role {}", quoted(&name.value));
            let help = advice(
                problems,
                &name.value,
                "roles",
                self.role_names.iter().copied(),
            );
            problems.error_with_help(name.span.clone(), message, help);
        }
        found.and_then(|index| u8::try_from(index).ok()).map(RoleId)
    }

    fn roles(&self) -> Roles {
        let mut roles = Roles::default();
        for (file, raw) in self.raws.iter().enumerate() {
            for role in &raw.roles {
                let also = role.also.iter();
                let also = also.filter_map(|also| self.role(also, &self.problems[file]));
                let role = Role {
                    also: also.collect(),
                    id: role.id.value.clone(),
                    name: role.name.clone().unwrap_or_else(|| role.id.value.clone()),
                    external: role.external,
                    editions: self.editions_of(roles.iter().count()),
                };
                if roles.find(&role.id).is_none() {
                    roles.add(role);
                }
            }
        }
        roles
    }

    /// Ids of the editions that know a role; none where all do.
    fn editions_of(&self, role: usize) -> Vec<String> {
        let Some(role) = u8::try_from(role).ok().map(RoleId) else {
            return Vec::new();
        };
        match self.role_editions.get(&role) {
            Some(used) if !self.everywhere.contains(&role) && used.len() < self.editions.len() => {
                let ids = used
                    .iter()
                    .map(|edition| self.editions[*edition].id.clone());
                ids.collect()
            }
            _ => Vec::new(),
        }
    }

    /// One anchor, one file: rules of two files under the same name could not be told apart.
    fn check_anchors(&self) {
        let mut owners: HashMap<&str, Vec<usize>> = HashMap::new();
        for (file, raw) in self.raws.iter().enumerate() {
            for section in &raw.sections {
                let anchor = &section.anchor;
                let owners = owners.entry(&anchor.value).or_default();
                if owners.contains(&file) {
                    continue;
                }
                let meets = |other: &&usize| {
                    let (own, other) = (self.file_editions[file], self.file_editions[**other]);
                    own.is_none() || other.is_none() || own == other
                };
                if let Some(other) = owners.iter().find(meets) {
                    let message = format!(
                        "anchor {} is used in {}",
                        quoted(&anchor.value),
                        quoted(self.problems[*other].source().name())
                    );
                    let help = Some("give this section an anchor of its own".to_owned());
                    self.problems[file].error_with_help(anchor.span.clone(), message, help);
                }
                owners.push(file);
            }
        }
    }
}

/// The nearest valid name, or a list of the valid ones. Not looked for where nobody would see
/// it: it costs a comparison with every valid name.
fn advice<'n>(
    problems: &Problems<'_>,
    name: &str,
    kind: &str,
    valid: impl IntoIterator<Item = &'n str>,
) -> Option<String> {
    if problems.is_full() {
        return None;
    }
    suggestion(name, kind, valid)
}
