//! A policy file as its author wrote it: every key read, typed and placed, nothing resolved.
//! Names of other files, roles and rules are checked where all files are known.
//!
//! ```toml
//! version = 1
//!
//! [[role]]                              # roles beside those of the catalogue
//! id = "backup-server"
//!
//! [[section]]
//! anchor = "backup"                     # rules are named backup/backup-agent/tcp …
//! initiator = "backup-server"           # a role, several, or "any"
//! responder = ["site-server", "sql-server"]
//! direction = "one-way"                 # or "either"
//! condition = "while backups run"       # optional where rules are required
//! row = [
//!     { service = "backup-agent", tcp = [10000, "10050-10059"], notes = ["ticket 4711"] },
//!     { service = "rpc-endpoint-mapper", udp = 135, tcp = 135 },
//!     { service = "rpc", tcp = "dynamic" },
//!     { service = "icmp-echo", icmp = "echo" },
//! ]
//! ```
//!
//! Scenarios stand in `[[scenario]]`; `catalogue/scenarios.toml` says what each key means.
//!
//! A catalogue of one's own has a `name`, and may spread over the files of its `include`, an
//! `[edition]` in each; the built-in one (`catalogue/`) shows all there is.

mod names;
mod ports;
mod scenario;
mod section;

use crate::config::{Located, Table};

pub(super) use scenario::RawScenario;
pub(super) use section::{NoteUse, RawRow, RawSection};

/// The only version of the format so far.
const VERSION: i64 = 1;

/// What stands in one policy file.
#[derive(Debug, Default)]
pub(super) struct RawFile {
    /// Name of the catalogue.
    pub name: Option<Located<String>>,
    /// Files that belong to the catalogue, beside this one.
    pub include: Vec<Located<String>>,
    /// The edition that its sections belong to; every edition where there is none.
    pub edition: Option<RawEdition>,
    /// The document that it stands beside, where it is not an edition's.
    pub document: Option<String>,
    pub roles: Vec<RawRole>,
    pub notes: Vec<RawNote>,
    pub sections: Vec<RawSection>,
    pub scenarios: Vec<RawScenario>,
}

#[derive(Debug)]
pub(super) struct RawEdition {
    pub id: Located<String>,
    pub title: Option<String>,
    pub document: Option<String>,
}

#[derive(Debug)]
pub(super) struct RawRole {
    pub id: Located<String>,
    pub name: Option<String>,
    pub also: Vec<Located<String>>,
    pub external: bool,
}

/// A numbered note of the document.
#[derive(Debug)]
pub(super) struct RawNote {
    pub number: Located<i64>,
    pub anchor: Option<String>,
    pub text: String,
}

impl RawFile {
    /// Reads the whole file; what is wrong with it is reported to the table's problems.
    pub fn read(root: Table<'_>) -> Self {
        read_version(&root);
        let file = Self {
            name: root.string("name").map(owned),
            include: root.strings("include").into_iter().map(owned).collect(),
            edition: root.table("edition").and_then(RawEdition::read),
            document: root.string("document").map(text),
            roles: read_all(&root, "role", RawRole::read),
            notes: read_all(&root, "note", RawNote::read),
            sections: read_all(&root, "section", RawSection::read),
            scenarios: read_all(&root, "scenario", RawScenario::read),
        };
        root.finish();
        file
    }

    /// Whether it describes a catalogue of its own, rather than more rules for the built-in one.
    pub fn is_catalogue(&self) -> bool {
        self.name.is_some() || self.edition.is_some() || !self.include.is_empty()
    }
}

impl RawEdition {
    fn read(table: Table<'_>) -> Option<Self> {
        let id = table.required_string("id");
        let title = table.string("title").map(text);
        let document = table.string("document").map(text);
        let problems = table.problems();
        table.finish();
        Some(Self {
            id: names::word(id?, problems, "an edition")?,
            title,
            document,
        })
    }
}

impl RawRole {
    fn read(table: Table<'_>) -> Option<Self> {
        let id = table.required_string("id");
        let name = table.string("name").map(text);
        let also = table.strings("also").into_iter().map(owned).collect();
        let external = table.boolean("external").is_some_and(|flag| flag.value);
        let problems = table.problems();
        table.finish();
        let id = names::kebab_case(id?, problems, "a role")?;
        if id.value == "any" {
            problems.error(id.span, "`any` is every role and can't be defined");
            return None;
        }
        Some(Self {
            id,
            name,
            also,
            external,
        })
    }
}

impl RawNote {
    fn read(table: Table<'_>) -> Option<Self> {
        let number = table.required("number");
        let number = number.and_then(|value| value.integer(1..=i64::from(u16::MAX)));
        let words = table.required_string("text");
        let anchor = table.string("anchor").map(text);
        table.finish();
        Some(Self {
            number: number?,
            anchor,
            text: text(words?),
        })
    }
}

fn read_version(root: &Table<'_>) {
    let Some(value) = root.required("version") else {
        return;
    };
    if let Some(version) = value.integer(i64::MIN..=i64::MAX)
        && version.value != VERSION
    {
        let message = format!("version {} of policy files is not known", version.value);
        let help = Some(format!("this program reads version {VERSION}"));
        root.problems().error_with_help(version.span, message, help);
    }
}

/// Every table under `key` that can be read; the others are reported.
fn read_all<'a, T>(
    parent: &Table<'a>,
    key: &'static str,
    read: impl Fn(Table<'a>) -> Option<T>,
) -> Vec<T> {
    parent.tables(key).into_iter().filter_map(read).collect()
}

fn owned(located: Located<&str>) -> Located<String> {
    Located {
        value: located.value.to_owned(),
        span: located.span,
    }
}

fn text(located: Located<&str>) -> String {
    located.value.to_owned()
}
