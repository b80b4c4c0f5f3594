//! A site file, section by section, into a [`Site`]. Every section is read, whatever is wrong
//! with the others.

use std::path::Path;

use super::{Site, Vocabulary};
use super::{accept, direction, hosts, ports, require, roles, rpc, scope};
use crate::config::{Document, Located, Problems, Table};
use crate::policy::BUILTIN;

/// The one version of the format.
const VERSION: i64 = 1;

/// `[policy]`: what the rest of the file is read against.
#[derive(Debug)]
pub(super) struct PolicyWanted {
    /// `None` means the built-in one.
    pub catalogue: Option<Located<String>>,
    pub edition: Option<Located<String>>,
    pub extend: Vec<Located<String>>,
}

impl PolicyWanted {
    /// The policy by the name that the site gives it.
    pub fn catalogue(&self) -> &str {
        let named = self.catalogue.as_ref();
        named.map_or(BUILTIN, |catalogue| &catalogue.value)
    }
}

/// Reads `[policy]` alone, and reports what is wrong with it.
pub(super) fn policy_wanted(document: &Document<'_>, problems: &Problems<'_>) -> PolicyWanted {
    let root = document.root(problems);
    let Some(table) = root.table("policy") else {
        return PolicyWanted {
            catalogue: None,
            edition: None,
            extend: Vec::new(),
        };
    };
    let catalogue = table.string("catalogue");
    let edition = table.string("edition");
    let extend = table.strings("extend");
    table.finish();
    PolicyWanted {
        catalogue: catalogue.map(owned),
        edition: edition.map(owned),
        extend: extend.into_iter().map(owned).collect(),
    }
}

fn owned(text: Located<&str>) -> Located<String> {
    Located {
        value: text.value.to_owned(),
        span: text.span,
    }
}

/// Reads everything but `[policy]`. The site is of use where nothing was reported as an error.
pub(super) fn site(
    document: &Document<'_>,
    problems: &Problems<'_>,
    names: &Vocabulary<'_>,
) -> Site {
    let root = document.root(problems);
    if let Some(version) = root.required("version") {
        version.integer(VERSION..=VERSION);
    }
    let name = root.string("name");
    // Its content is read apart, before the rest.
    root.value("policy");
    let (ports, role_ports) = section(&root, "ports", |table| ports::read(&table, names));
    let (roles, written_roles) = match root.required("roles").and_then(|value| value.table()) {
        Some(table) => {
            ports::warn_of_proxy_without_ports(&table, &role_ports, names);
            roles::read(&table, names)
        }
        None => Default::default(),
    };
    let site = Site {
        name: match name {
            Some(name) => name.value.to_owned(),
            None => file_stem(problems.source().name()),
        },
        roles,
        written_roles,
        hosts: section(&root, "hosts", |table| hosts::read(&table)),
        scope: section(&root, "scope", |table| scope::read_scope(table, names)),
        ports,
        role_ports,
        rpc: section(&root, "rpc", |table| rpc::read(table, names)),
        site_server_initiates: section(&root, "direction", |table| direction::read(table, names)),
        vantage_inside: section(&root, "vantage", |table| scope::read_vantage(table, names)),
        require: section(&root, "require", |table| require::read(table, names)),
        accept: accept::read(root.tables("accept"), names),
        ..Site::default()
    };
    root.finish();
    site
}

fn section<'a, T: Default>(
    root: &Table<'a>,
    key: &'static str,
    read: impl FnOnce(Table<'a>) -> T,
) -> T {
    root.table(key).map(read).unwrap_or_default()
}

fn file_stem(name: &str) -> String {
    let stem = Path::new(name).file_stem();
    stem.map_or_else(
        || name.to_owned(),
        |stem| stem.to_string_lossy().into_owned(),
    )
}
