//! `[scope]` and `[vantage]`: what is judged, and what the capture can show.

use super::address::{looks_like_address, read_range};
use super::{AddressRange, Vocabulary};
use crate::config::{Table, quoted};
use crate::policy::RoleSet;

/// Reads `[scope]`.
pub(super) fn read_scope(
    table: Table<'_>,
    names: &Vocabulary<'_>,
) -> Option<(RoleSet, Vec<AddressRange>)> {
    let problems = table.problems();
    let value = table.required("touching");
    table.finish();
    let value = value?;
    let texts = value.strings()?;
    if texts.is_empty() {
        let help = Some("leave `[scope]` out to judge everything".to_owned());
        problems.error_with_help(value.span(), "no flow touches an empty list", help);
    }
    let mut roles = RoleSet::EMPTY;
    let mut ranges = Vec::new();
    for text in &texts {
        if looks_like_address(text.value) {
            ranges.extend(read_range(problems, text));
        } else if let Some(role) = names.role(problems, text) {
            roles.insert(role);
        }
    }
    Some((roles, ranges))
}

/// Reads `[vantage]`.
pub(super) fn read_vantage(table: Table<'_>, names: &Vocabulary<'_>) -> Vec<AddressRange> {
    let problems = table.problems();
    let texts = table.strings("inside");
    table.finish();
    let mut ranges = Vec::new();
    for text in &texts {
        if names
            .roles
            .find(text.value.trim_start_matches('@'))
            .is_some()
        {
            let message = format!("{} is a role", quoted(text.value));
            let help = Some("the capture's border is drawn by addresses: list prefixes".to_owned());
            problems.error_with_help(text.span.clone(), message, help);
        } else {
            ranges.extend(read_range(problems, text));
        }
    }
    ranges
}
