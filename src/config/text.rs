//! Text of files made safe to print. A site file may come from anywhere; its bytes must not
//! reach a terminal as escapes or turn the reading direction of a message.

use std::borrow::Cow;

/// Longer names are cut in messages; the excerpt shows them in place.
const MAX_QUOTED_CHARS: usize = 60;

/// The text with every character that steers a terminal replaced by U+FFFD.
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_printable) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(printable_char).collect())
}

/// The character, or U+FFFD where it steers a terminal.
pub(super) fn printable_char(character: char) -> char {
    if is_printable(character) {
        character
    } else {
        char::REPLACEMENT_CHARACTER
    }
}

/// A name in backticks, cut and made safe to print.
pub fn quoted(text: &str) -> String {
    let mut name: String = text
        .chars()
        .take(MAX_QUOTED_CHARS)
        .map(printable_char)
        .collect();
    if text.chars().nth(MAX_QUOTED_CHARS).is_some() {
        name.push('…');
    }
    format!("`{name}`")
}

/// Control characters (C0, DEL, C1) and the marks that override the direction of text
/// (Unicode Standard Annex 9) or break lines are not printable.
fn is_printable(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\u{061c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_what_steers_a_terminal() {
        assert_eq!(
            printable("site \u{1b}[31m\u{9b}2J"),
            "site \u{fffd}[31m\u{fffd}2J"
        );
        assert_eq!(printable("a\u{202e}b"), "a\u{fffd}b");
        assert!(matches!(printable("Zürich ü"), Cow::Borrowed(_)));
    }

    #[test]
    fn cuts_long_names() {
        assert_eq!(quoted("client"), "`client`");
        let long = quoted(&"x".repeat(100));
        assert_eq!(long.chars().count(), MAX_QUOTED_CHARS + 3);
        assert!(long.ends_with("…`"));
    }
}
