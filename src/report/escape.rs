//! Text from packets, made safe to print. Whoever sends a packet chooses its file names: no
//! control character, no terminal escape, nothing that turns or hides text gets through.
//!
//! Every format escapes, JSON too: its strings end on terminals. Backslashes stay as they are,
//! because Windows file names are made of them.

use std::borrow::Cow;
use std::fmt::Write;

/// Bytes of a packet as printable text.
///
/// Characters that could act on a terminal become `\u{1b}`, bytes that are not UTF-8 become
/// `\x{ff}`. A backslash that would read like one of these becomes `\u{5c}`, so that two
/// different inputs never print alike.
pub fn bytes(raw: &[u8]) -> String {
    let mut out = String::with_capacity(raw.len());
    for chunk in raw.utf8_chunks() {
        let mut rest = chunk.valid();
        for character in chunk.valid().chars() {
            rest = &rest[character.len_utf8()..];
            let ambiguous = character == '\\' && (rest.starts_with("u{") || rest.starts_with("x{"));
            if ambiguous || acts(character) {
                escape(&mut out, character);
            } else {
                out.push(character);
            }
        }
        for byte in chunk.invalid() {
            write!(out, "\\x{{{byte:02x}}}").expect("writing to a String succeeds");
        }
    }
    out
}

/// A string that may hold foreign text (a path, a sentence that quotes a file name) as printable
/// text. Unlike [`bytes`] it leaves every backslash alone, so that escaping twice changes nothing.
pub fn line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if acts(character) {
            escape(&mut out, character);
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

fn escape(out: &mut String, character: char) {
    write!(out, "\\u{{{:x}}}", u32::from(character)).expect("writing to a String succeeds");
}

/// Whether a character does something other than show itself: control characters (Cc), line and
/// paragraph separators, bidirectional controls (UAX #9), and what has no shape at all.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{17b4}'
                | '\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The inverse of [`bytes`], to show that nothing is lost.
    fn unescape(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let code = rest
                .strip_prefix("\\u{")
                .or_else(|| rest.strip_prefix("\\x{"))
                .and_then(|tail| tail.split_once('}'));
            if let Some((digits, tail)) = code {
                let value = u32::from_str_radix(digits, 16).expect("hexadecimal digits");
                if rest.starts_with("\\x{") {
                    out.push(u8::try_from(value).expect("one byte"));
                } else {
                    let character = char::from_u32(value).expect("a character");
                    out.extend(character.to_string().bytes());
                }
                rest = tail;
            } else {
                out.extend(first.to_string().bytes());
                rest = &rest[first.len_utf8()..];
            }
        }
        out
    }

    #[test]
    fn keeps_what_is_harmless() {
        assert_eq!(bytes(b"boot\\x64\\wdsmgfw.efi"), "boot\\x64\\wdsmgfw.efi");
        assert_eq!(bytes("Größe ✓".as_bytes()), "Größe ✓");
        assert!(matches!(line("plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn shows_what_acts() {
        assert_eq!(bytes(b"\x1b[31mred"), "\\u{1b}[31mred");
        assert_eq!(bytes(b"a\r\nb\0"), "a\\u{d}\\u{a}b\\u{0}");
        assert_eq!(bytes("exe\u{202e}txt".as_bytes()), "exe\\u{202e}txt");
        assert_eq!(bytes(b"\xff\xfe"), "\\x{ff}\\x{fe}");
        assert_eq!(bytes("\u{9b}31m".as_bytes()), "\\u{9b}31m");
    }

    #[test]
    fn tells_a_literal_escape_from_its_own() {
        assert_eq!(bytes(b"\\u{1b}"), "\\u{5c}u{1b}");
        assert_ne!(bytes(b"\\u{1b}"), bytes(b"\x1b"));
    }

    proptest! {
        #[test]
        fn nothing_that_acts_is_left(raw in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(!bytes(&raw).chars().any(acts));
        }

        #[test]
        fn nothing_is_lost(text in "(\\PC|\\\\|u\\{|x\\{|[\u{0}-\u{ff}]|\u{202e}){0,40}", tail in proptest::collection::vec(any::<u8>(), 0..8)) {
            let raw = [text.as_bytes(), &tail].concat();
            prop_assert_eq!(unescape(&bytes(&raw)), raw);
        }

        #[test]
        fn escaping_a_line_twice_changes_nothing(text in any::<String>()) {
            let once = line(&text).into_owned();
            prop_assert!(!once.chars().any(acts));
            prop_assert_eq!(line(&once), once.as_str());
        }
    }
}
