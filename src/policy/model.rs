//! A policy ready for use: one edition of a catalogue, with the site's own rules.

use super::assemble;
use super::{RoleId, Roles, Rule, Scenario};

/// One edition of a catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Name of the catalogue.
    pub name: String,
    /// Edition in force.
    pub edition: String,
    /// Every edition of the catalogue, oldest first.
    pub editions: Vec<Edition>,
    /// Every role that any edition knows.
    pub roles: Roles,
    /// Rules of the edition, in the order of the documents.
    pub rules: Vec<Rule>,
    /// Sections of the edition, also those without rules.
    pub sections: Vec<Section>,
    /// Numbered notes of the edition's documents.
    pub notes: Vec<Note>,
    /// Scenarios.
    pub scenarios: Vec<Scenario>,
}

/// A state of the documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edition {
    /// Id in site files, a date in the built-in catalogue.
    pub id: String,
    /// What it is, in words.
    pub title: String,
    /// File name of its document.
    pub document: String,
}

/// A section of a document, or a part of one: sections with several tables have several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Anchor, as spelt in the document.
    pub anchor: String,
    /// File name of the document.
    pub document: String,
    /// Notes that bear on the whole section.
    pub notes: Vec<String>,
    /// Anchors of the sections that it lists.
    pub see: Vec<String>,
}

/// A numbered note of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Number.
    pub number: i64,
    /// Anchor of the section where it stands, where it has one.
    pub anchor: Option<String>,
    /// What it says, in short.
    pub text: String,
    /// File name of the document.
    pub document: String,
}

impl Policy {
    /// Rules by name, in policy order: an anchor means all rules of the section, `anchor/service`
    /// and `anchor/service/protocol` those of the service, a whole id the one.
    pub fn find_rules(&self, name: &str) -> Vec<usize> {
        let found = self.rules.iter().enumerate();
        found
            .filter(|(_, rule)| assemble::answers_to(&rule.id, name))
            .map(|(index, _)| index)
            .collect()
    }

    /// Names that [`Policy::find_rules`] knows, sections before services, in policy order.
    pub fn rule_names(&self) -> Vec<String> {
        let mut anchors: Vec<String> = self.rules.iter().map(|rule| rule.anchor.clone()).collect();
        anchors.dedup();
        let services = self.rules.iter();
        let mut services: Vec<String> = services
            .map(|rule| format!("{}/{}", rule.anchor, rule.service))
            .collect();
        services.dedup();
        anchors.append(&mut services);
        anchors
    }

    /// The scenario of that name.
    pub fn scenario(&self, name: &str) -> Option<&Scenario> {
        self.scenarios.iter().find(|scenario| scenario.name == name)
    }

    /// Whether the edition in force knows the role.
    pub fn knows(&self, role: RoleId) -> bool {
        let editions = &self.roles.role(role).editions;
        editions.is_empty() || editions.contains(&self.edition)
    }
}
