//! The text of one configuration file, and where a byte of it stands.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use super::diagnostic::{Diagnostic, Diagnostics, Excerpt};
use super::text::printable_char;

/// A configuration file as text.
#[derive(Clone, Debug)]
pub struct Source {
    name: String,
    text: String,
    /// Byte offset of each line's first character.
    lines: Vec<usize>,
    /// Characters before each multiple of [`STRIDE`] bytes, so that a column of a line of many
    /// megabytes costs no more than one of a short line.
    chars: Vec<usize>,
}

/// Bytes between two places where characters are counted ahead.
const STRIDE: usize = 4096;

impl Source {
    /// Larger files are refused: a site of ten thousand prefixes takes less than one MiB, and
    /// the parser holds several times the text.
    pub const MAX_BYTES: usize = 8 << 20;

    /// Characters of a line that a diagnostic shows before and after its first one.
    const EXCERPT_BEFORE: usize = 80;
    const EXCERPT_AFTER: usize = 160;

    /// Text that is not read from a file. `name` stands in diagnostics.
    ///
    /// A byte order mark at its beginning is left out: editors neither show nor count it.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let mut text: String = text.into();
        if text.starts_with('\u{feff}') {
            text.remove(0);
        }
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0)
            .chain(breaks.map(|(offset, _)| offset + 1))
            .collect();
        let whole_chunks = text.as_bytes().chunks_exact(STRIDE);
        let counted = whole_chunks.scan(0, |before, chunk| {
            *before += count_chars(chunk);
            Some(*before)
        });
        let chars = std::iter::once(0).chain(counted).collect();
        Self {
            name: name.into(),
            text,
            lines,
            chars,
        }
    }

    /// Reads a file; what keeps it from being text is a diagnostic.
    pub fn read(path: &Path) -> Result<Self, Diagnostics> {
        let name = path.display().to_string();
        let mut bytes = Vec::new();
        let limit = Self::MAX_BYTES as u64 + 1;
        let outcome = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
        if let Err(error) = outcome {
            let message = format!("the file can't be read: {error}");
            return Err(Diagnostic::of_file(&name, message, None).into());
        }
        Self::from_bytes(name, bytes)
    }

    /// Checks size and encoding.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Result<Self, Diagnostics> {
        let name = name.into();
        if bytes.len() > Self::MAX_BYTES {
            let message = format!("the file is larger than {} MiB", Self::MAX_BYTES >> 20);
            return Err(Diagnostic::of_file(&name, message, None).into());
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(name, text)),
            Err(error) => Err(not_utf_8(name, &error).into()),
        }
    }

    /// Name of the file as the user gave it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column, in characters, both from 1. Offsets past the end or within a
    /// character count as the nearest place before.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let offset = self.char_boundary(offset);
        let line = self.line_index(offset);
        let column = self.chars_before(offset) - self.chars_before(self.lines[line]);
        (line + 1, column + 1)
    }

    /// Line of an offset, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.line_index(self.char_boundary(offset)) + 1
    }

    /// The part of the first line of `span` around its start.
    pub(super) fn excerpt(&self, span: &Range<usize>) -> Excerpt {
        let start = self.char_boundary(span.start);
        let line = self.line_index(start);
        let line_end = self
            .lines
            .get(line + 1)
            .map_or(self.text.len(), |next| next - 1);
        // An offset on the line's end itself, where something is missing.
        let start = start.min(line_end);
        let end = self.char_boundary(span.end).clamp(start, line_end);

        let before = &self.text[self.lines[line]..start];
        let skipped = before
            .char_indices()
            .rev()
            .nth(Self::EXCERPT_BEFORE)
            .map_or(0, |(offset, character)| offset + character.len_utf8());
        let mut text = shown(&before[skipped..], usize::MAX);
        let from = text.len();
        text.push_str(&shown(&self.text[start..end], Self::EXCERPT_AFTER));
        let to = text.len();
        let left = Self::EXCERPT_AFTER.saturating_sub(text[from..].chars().count());
        text.push_str(&shown(&self.text[end..line_end], left));
        Excerpt {
            text,
            span: from..to,
            cut: skipped > 0,
        }
    }

    fn chars_before(&self, offset: usize) -> usize {
        let chunk = offset / STRIDE;
        self.chars[chunk] + count_chars(&self.text.as_bytes()[chunk * STRIDE..offset])
    }

    fn line_index(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset) - 1
    }

    fn char_boundary(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

/// Characters that begin among the bytes.
fn count_chars(bytes: &[u8]) -> usize {
    let begins = |byte: &&u8| **byte & 0b1100_0000 != 0b1000_0000;
    bytes.iter().filter(begins).count()
}

/// At most `limit` characters, safe to print; tabs take one column as they do in positions.
fn shown(text: &str, limit: usize) -> String {
    text.trim_end_matches('\r')
        .chars()
        .take(limit)
        .map(|character| match character {
            '\t' => ' ',
            other => printable_char(other),
        })
        .collect()
}

fn not_utf_8(name: String, error: &std::string::FromUtf8Error) -> Diagnostic {
    let offset = error.utf8_error().valid_up_to();
    let bytes = error.as_bytes();
    let before = String::from_utf8_lossy(&bytes[..offset]).into_owned();
    let byte = bytes[offset];
    let source = Source::new(name, before);
    let (line, column) = source.position(offset);
    Diagnostic {
        line,
        column,
        span: offset..offset + 1,
        excerpt: Some(source.excerpt(&(offset..offset))),
        ..Diagnostic::of_file(
            source.name(),
            format!("byte 0x{byte:02x} is not UTF-8"),
            Some("save the file as UTF-8".to_owned()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_characters_from_one() {
        let source = Source::new("s", "a\nbü x\r\n\n");
        assert_eq!(source.position(0), (1, 1));
        assert_eq!(source.position(1), (1, 2));
        assert_eq!(source.position(2), (2, 1));
        assert_eq!(source.position(5), (2, 3));
        assert_eq!(source.position(4), (2, 2), "within a character");
        assert_eq!(source.position(9), (3, 1));
        assert_eq!(source.position(99), (4, 1));
        assert_eq!(Source::new("s", "").position(0), (1, 1));
    }

    #[test]
    fn counts_columns_across_chunks() {
        for length in [STRIDE - 1, STRIDE, STRIDE + 1, 3 * STRIDE] {
            let text = format!("x\n{}", "ü".repeat(length));
            let source = Source::new("s", text.as_str());
            for (index, (offset, _)) in text[2..].char_indices().enumerate() {
                assert_eq!(source.position(2 + offset), (2, index + 1));
            }
            assert_eq!(source.position(text.len()), (2, length + 1));
        }
    }

    #[test]
    fn leaves_a_byte_order_mark_out() {
        let source = Source::new("s", "\u{feff}ab");
        assert_eq!((source.text(), source.position(1)), ("ab", (1, 2)));
    }

    #[test]
    fn cuts_the_excerpt_out_of_a_long_line() {
        let text = format!("{}BAD{}", "ü".repeat(500), "y".repeat(500));
        let source = Source::new("s", text);
        let excerpt = source.excerpt(&(1000..1003));
        assert_eq!(&excerpt.text[excerpt.span.clone()], "BAD");
        assert_eq!(excerpt.text.chars().count(), 80 + 160);
        let long = source.excerpt(&(0..2000));
        assert_eq!(long.text.chars().count(), 160);
    }

    #[test]
    fn keeps_control_characters_out_of_the_excerpt() {
        let source = Source::new("s", "x\u{1b}[2J\ty\r\nz");
        let excerpt = source.excerpt(&(1..2));
        assert_eq!(excerpt.text, "x\u{fffd}[2J y");
        assert_eq!(&excerpt.text[excerpt.span], "\u{fffd}");
    }

    #[test]
    fn names_the_byte_that_is_not_utf_8() {
        let error = Source::from_bytes("s.toml", b"a = 1\nb\xff = 2".to_vec()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "s.toml:2:2: error: byte 0xff is not UTF-8; save the file as UTF-8"
        );
    }

    #[test]
    fn refuses_large_and_unreadable_files() {
        let large = Source::from_bytes("s.toml", vec![b' '; Source::MAX_BYTES + 1]).unwrap_err();
        assert_eq!(
            large.to_string(),
            "s.toml: error: the file is larger than 8 MiB"
        );
        let missing = Source::read(Path::new("no/such/site.toml")).unwrap_err();
        assert!(
            missing
                .to_string()
                .starts_with("no/such/site.toml: error: the file can't be read: "),
            "{missing}"
        );
    }
}
