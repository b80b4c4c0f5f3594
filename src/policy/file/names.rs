//! The shape of the names that a policy file may invent.

use super::owned;
use crate::config::{Located, Problems, quoted};

/// A role, service, scenario or step: lower-case letters, digits and hyphens.
pub(super) fn kebab_case(
    name: Located<&str>,
    problems: &Problems<'_>,
    what: &str,
) -> Option<Located<String>> {
    if is_kebab_case(name.value) {
        return Some(owned(name));
    }
    let message = format!("{} can't name {what}", quoted(name.value));
    let help = "use lower-case letters and digits, with hyphens between words".to_owned();
    problems.error_with_help(name.span, message, Some(help));
    None
}

/// An anchor or an edition: what may stand in an anchor of the documents and keeps rule ids
/// (`anchor/service/protocol`) unambiguous.
pub(super) fn word(
    name: Located<&str>,
    problems: &Problems<'_>,
    what: &str,
) -> Option<Located<String>> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !name.value.is_empty() && name.value.bytes().all(fits) {
        return Some(owned(name));
    }
    let message = format!("{} can't name {what}", quoted(name.value));
    let help = "use letters, digits, `-`, `_` and `.`".to_owned();
    problems.error_with_help(name.span, message, Some(help));
    None
}

fn is_kebab_case(name: &str) -> bool {
    name.split('-').all(|word| {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        !word.is_empty() && word.bytes().all(fits)
    })
}

#[cfg(test)]
mod tests {
    use super::is_kebab_case;

    #[test]
    fn tells_kebab_case() {
        for name in ["client", "sql-server", "x2", "802-1x"] {
            assert!(is_kebab_case(name), "{name}");
        }
        for name in [
            "", "-client", "client-", "a--b", "Client", "a_b", "ä", "a b",
        ] {
            assert!(!is_kebab_case(name), "{name}");
        }
    }
}
