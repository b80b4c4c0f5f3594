//! Sections and rows → rules: roles, notes and fallbacks resolved.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::assembled::InEdition;
use super::{Assembler, advice};
use crate::config::{Located, quoted};
use crate::policy::file::{NoteUse, RawFile, RawRow, RawSection};
use crate::policy::model::{Note, Section};
use crate::policy::{Party, Rule};

/// More rules than this are refused, all editions counted: a row with long lists of roles on
/// both sides stands for very many.
const MAX_RULES: usize = 20_000;

impl Assembler<'_> {
    /// The rules of a file.
    pub(super) fn add_rules(&mut self, file: usize) {
        let mut seen = HashSet::new();
        let services = services_by_anchor(&self.raws[file]);
        for section in &self.raws[file].sections {
            let notes = self.note_texts(file, &section.notes);
            let initiators = self.parties(file, &section.initiators);
            let responders = self.parties(file, &section.responders);
            for row in &section.rows {
                self.check_fallback(file, row, &services[section.anchor.value.as_str()]);
                let mut row_notes = notes.clone();
                row_notes.append(&mut self.note_texts(file, &row.notes));
                for initiator in &initiators {
                    for responder in &responders {
                        if self.rules.len() >= MAX_RULES {
                            let message = format!("there are more than {MAX_RULES} rules");
                            self.problems[file].error(section.anchor.span.clone(), message);
                            return;
                        }
                        let rules = self.rules_of(file, section, row, *initiator, *responder);
                        for mut rule in rules {
                            if !seen.insert(rule.clone()) {
                                let message = "this row is listed before in the same section";
                                self.problems[file].warning(row.span.clone(), message, None);
                            }
                            rule.notes.clone_from(&row_notes);
                            self.rules.push(InEdition {
                                edition: self.file_editions[file],
                                value: rule,
                            });
                        }
                    }
                }
            }
        }
    }

    /// A rule per protocol, without notes; its id is that of its row.
    fn rules_of(
        &self,
        file: usize,
        section: &RawSection,
        row: &RawRow,
        initiator: Party,
        responder: Party,
    ) -> Vec<Rule> {
        let anchor = &section.anchor.value;
        let service = &row.service.value;
        let conditions = [&section.condition, &row.condition];
        let conditions: Vec<&str> = conditions
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        let rules = row.opens.iter().map(|opening| Rule {
            id: format!("{anchor}/{service}/{}", opening.protocol.code()),
            anchor: anchor.clone(),
            edition: String::new(),
            initiator,
            responder,
            direction: row.direction.unwrap_or(section.direction),
            protocol: opening.protocol,
            ports: opening.ports.clone(),
            kind: opening.kind,
            service: service.clone(),
            alternate_port: row.alternate_port,
            alternatives: row.alternatives,
            notes: Vec::new(),
            condition: (!conditions.is_empty()).then(|| conditions.join("; ")),
            fallback: row.fallback.iter().map(|name| name.value.clone()).collect(),
            document: self.document(file),
        });
        rules.collect()
    }

    fn parties(&mut self, file: usize, names: &[Located<String>]) -> Vec<Party> {
        let mut parties = Vec::new();
        for name in names {
            let party = if name.value == "any" {
                Party::Any
            } else {
                let Some(role) = self.role(name, &self.problems[file]) else {
                    continue;
                };
                match self.file_editions[file] {
                    Some(edition) => {
                        self.role_editions.entry(role).or_default().insert(edition);
                    }
                    None => {
                        self.everywhere.insert(role);
                    }
                }
                Party::Role(role)
            };
            parties.push(party);
        }
        parties
    }

    /// A row falls back on services of its own section.
    fn check_fallback(&self, file: usize, row: &RawRow, services: &BTreeSet<&str>) {
        let problems = &self.problems[file];
        for name in &row.fallback {
            if !services.contains(name.value.as_str()) {
                let message = format!("the section has no row for {}", quoted(&name.value));
                let help = advice(problems, &name.value, "services", services.iter().copied());
                problems.error_with_help(name.span.clone(), message, help);
            }
        }
    }

    fn note_texts(&self, file: usize, notes: &[Located<NoteUse>]) -> Vec<String> {
        let texts = notes.iter().filter_map(|note| match &note.value {
            NoteUse::Text(text) => Some(text.clone()),
            NoteUse::Number(number) => {
                let known = &self.raws[file].notes;
                let found = known.iter().find(|note| note.number.value == *number);
                if found.is_none() {
                    let message = format!("the file has no [[note]] with number {number}");
                    self.problems[file].error(note.span.clone(), message);
                }
                found.map(|found| format!("note {number}: {}", found.text))
            }
        });
        texts.collect()
    }

    /// The sections of a file, also those without rules.
    pub(super) fn sections(&self, file: usize) -> Vec<InEdition<Section>> {
        let raw = &self.raws[file];
        let known = services_by_anchor(raw);
        let problems = &self.problems[file];
        let sections = raw.sections.iter().map(|section| {
            for see in &section.see {
                if !known.contains_key(see.value.as_str()) {
                    let message = format!("the file has no section {}", quoted(&see.value));
                    let help = advice(problems, &see.value, "anchors", known.keys().copied());
                    problems.error_with_help(see.span.clone(), message, help);
                }
            }
            InEdition {
                edition: self.file_editions[file],
                value: Section {
                    anchor: section.anchor.value.clone(),
                    document: self.document(file),
                    notes: self.note_texts(file, &section.notes),
                    see: section.see.iter().map(|see| see.value.clone()).collect(),
                },
            }
        });
        sections.collect()
    }

    /// The numbered notes of a file.
    pub(super) fn notes(&self, file: usize) -> Vec<InEdition<Note>> {
        let mut numbers = HashSet::new();
        let notes = self.raws[file].notes.iter().map(|note| {
            if !numbers.insert(note.number.value) {
                let message = format!("note {} is defined before", note.number.value);
                self.problems[file].error(note.number.span.clone(), message);
            }
            InEdition {
                edition: self.file_editions[file],
                value: Note {
                    number: note.number.value,
                    anchor: note.anchor.clone(),
                    text: note.text.clone(),
                    document: self.document(file),
                },
            }
        });
        notes.collect()
    }
}

/// Services of every section of a file, its parts taken together.
fn services_by_anchor(raw: &RawFile) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut services: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for section in &raw.sections {
        let names = section.rows.iter().map(|row| row.service.value.as_str());
        let anchor = section.anchor.value.as_str();
        services.entry(anchor).or_default().extend(names);
    }
    services
}
