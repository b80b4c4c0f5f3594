//! `[direction]`: note 5 of the documents, by which only the site server opens.

use super::{SiteServerInitiates, Vocabulary};
use crate::config::{Located, Problems, Table, Value, quoted};
use crate::policy::{Direction, Party, RoleId, RoleSet};

/// Between these and a site server either side always opens: the documents leave them out of
/// note 5.
const NEVER: [&str; 2] = ["site-server", "issuing-certification-authority"];

/// Reads `[direction]`.
pub(super) fn read(table: Table<'_>, names: &Vocabulary<'_>) -> SiteServerInitiates {
    let value = table.value("site-server-initiates");
    table.finish();
    value.map_or(SiteServerInitiates::No, |value| read_value(&value, names))
}

fn read_value(value: &Value<'_>, names: &Vocabulary<'_>) -> SiteServerInitiates {
    if value.is_array() {
        let roles = value.strings().unwrap_or_default();
        return SiteServerInitiates::Roles(read_roles(value.problems(), names, &roles));
    }
    if !value.is_boolean() {
        value.expected::<()>("`true`, `false` or an array of roles");
        return SiteServerInitiates::No;
    }
    match value.boolean() {
        Some(flag) if flag.value => SiteServerInitiates::All,
        _ => SiteServerInitiates::No,
    }
}

fn read_roles(problems: &Problems<'_>, names: &Vocabulary<'_>, roles: &[Located<&str>]) -> RoleSet {
    let mut set = RoleSet::EMPTY;
    for name in roles {
        let role: Option<RoleId> = names.role(problems, name);
        if NEVER.contains(&name.value) {
            let message = format!(
                "between a site server and {} either side opens, whatever stands here",
                quoted(name.value)
            );
            let help = Some("leave it out".to_owned());
            problems.warning(name.span.clone(), message, help);
        } else if let Some(role) = role {
            if names.complete && names.knows(role) && !opens_to_site_server(names, role) {
                let message = format!(
                    "no either-way rule lets {} open towards the site server",
                    quoted(name.value)
                );
                let help = Some("leave it out: it changes nothing".to_owned());
                problems.warning(name.span.clone(), message, help);
            }
            set.insert(role);
        }
    }
    set
}

/// Whether the role's hosts open towards the site server by an either-way rule: what the setting
/// takes from them.
fn opens_to_site_server(names: &Vocabulary<'_>, role: RoleId) -> bool {
    let site_server = names.roles.find("site-server").map(Party::Role);
    let role = Some(Party::Role(role));
    names.rules.iter().any(|rule| {
        let sides = (Some(rule.initiator), Some(rule.responder));
        rule.direction == Direction::Either
            && (sides == (site_server, role) || sides == (role, site_server))
    })
}
