//! One TOML value with its place. Reading it as the wrong type is a diagnostic that says what
//! was expected and what stands there.

use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::DeValue;

use super::problems::Problems;
use super::table::Table;
use super::text::{printable, quoted};

/// Something read, and the bytes it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// What was read.
    pub value: T,
    /// Byte range in the file, quotes included.
    pub span: Range<usize>,
}

/// A value that has not been given a type yet.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    value: &'a Spanned<DeValue<'a>>,
    problems: &'a Problems<'a>,
    /// What diagnostics call it: the key it stands under.
    name: &'a str,
}

impl<'a> Value<'a> {
    pub(super) fn new(
        value: &'a Spanned<DeValue<'a>>,
        problems: &'a Problems<'a>,
        name: &'a str,
    ) -> Self {
        Self {
            value,
            problems,
            name,
        }
    }

    /// Byte range in the file.
    pub fn span(&self) -> Range<usize> {
        self.value.span()
    }

    /// Where problems with it go.
    pub fn problems(&self) -> &'a Problems<'a> {
        self.problems
    }

    /// What stands there, with an article: `a string`.
    pub fn kind(&self) -> &'static str {
        match self.value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        }
    }

    /// A string, decoded.
    pub fn string(&self) -> Option<Located<&'a str>> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(self.located(text.as_ref())),
            _ => self.expected("a string"),
        }
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Option<Located<bool>> {
        match self.value.get_ref() {
            DeValue::Boolean(flag) => Some(self.located(*flag)),
            _ => self.expected("`true` or `false`"),
        }
    }

    /// An integer within the range.
    pub fn integer(&self, range: RangeInclusive<i64>) -> Option<Located<i64>> {
        let DeValue::Integer(number) = self.value.get_ref() else {
            return self.expected("an integer");
        };
        let number = i64::from_str_radix(number.as_str(), number.radix());
        match number {
            Ok(number) if range.contains(&number) => Some(self.located(number)),
            _ => {
                let (low, high) = (range.start(), range.end());
                let message = match low == high {
                    true => format!("{} must be {low}", quoted(self.name)),
                    false => format!("{} must be from {low} to {high}", quoted(self.name)),
                };
                self.problems.error(self.span(), message);
                None
            }
        }
    }

    /// A date without a time, as year, month and day.
    pub fn date(&self) -> Option<Located<(u16, u8, u8)>> {
        match self.value.get_ref() {
            DeValue::Datetime(when) if when.time.is_none() => {
                let date = when.date?;
                Some(self.located((date.year, date.month, date.day)))
            }
            DeValue::Datetime(_) => {
                let help = Some("leave out the time: 2027-01-31".to_owned());
                let message = format!("{} must be a date without a time", quoted(self.name));
                self.problems.error_with_help(self.span(), message, help);
                None
            }
            DeValue::String(_) => {
                let message = format!("{} must be a date, found a string", quoted(self.name));
                let help = Some("write it without quotes: 2027-01-31".to_owned());
                self.problems.error_with_help(self.span(), message, help);
                None
            }
            _ => self.expected("a date"),
        }
    }

    /// The elements of an array.
    pub fn array(&self) -> Option<Vec<Value<'a>>> {
        match self.value.get_ref() {
            DeValue::Array(items) => Some(
                items
                    .iter()
                    .map(|item| Value::new(item, self.problems, self.name))
                    .collect(),
            ),
            _ => self.expected("an array"),
        }
    }

    /// An array of strings; elements of another type are reported and left out.
    pub fn strings(&self) -> Option<Vec<Located<&'a str>>> {
        match self.value.get_ref() {
            DeValue::Array(_) => {
                let items = self.array()?;
                Some(items.iter().filter_map(Value::string).collect())
            }
            DeValue::String(_) => {
                let message = format!("{} must be an array of strings", quoted(self.name));
                let text = &self.problems.source().text()[self.span()];
                let help = (text.len() < 80 && !text.contains('\n'))
                    .then(|| format!("put it in brackets: [{}]", printable(text)));
                self.problems.error_with_help(self.span(), message, help);
                None
            }
            _ => self.expected("an array of strings"),
        }
    }

    /// A table.
    pub fn table(&self) -> Option<Table<'a>> {
        match self.value.get_ref() {
            DeValue::Table(entries) => {
                Some(Table::new(entries, self.span(), self.problems, self.name))
            }
            _ => self.expected("a table"),
        }
    }

    /// Whether it is a table, without a diagnostic.
    pub fn is_table(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Table(_))
    }

    /// Whether it is an integer, without a diagnostic.
    pub fn is_integer(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Integer(_))
    }

    /// Whether it is a string, without a diagnostic.
    pub fn is_string(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::String(_))
    }

    /// Whether it is a boolean, without a diagnostic.
    pub fn is_boolean(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Boolean(_))
    }

    /// Whether it is an array, without a diagnostic.
    pub fn is_array(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Array(_))
    }

    /// Reports that it should have been something else.
    pub fn expected<T>(&self, what: &str) -> Option<T> {
        let message = format!(
            "{} must be {what}, found {}",
            quoted(self.name),
            self.kind()
        );
        self.problems.error(self.span(), message);
        None
    }

    fn located<T>(&self, value: T) -> Located<T> {
        Located {
            value,
            span: self.span(),
        }
    }
}

impl Located<&str> {
    /// Byte range in the file of a byte range of the decoded text. Where the text was written
    /// with escapes, the whole of it.
    pub fn part(&self, problems: &Problems<'_>, range: Range<usize>) -> Range<usize> {
        let raw = problems.source().text().get(self.span.clone());
        let start = raw.and_then(|raw| content_start(raw, self.value));
        match start {
            Some(start) => {
                let origin = self.span.start + start;
                origin + range.start..origin + range.end
            }
            None => self.span.clone(),
        }
    }
}

/// Offset of the decoded text in the written one, where they are the same but for the quotes.
fn content_start(raw: &str, decoded: &str) -> Option<usize> {
    const DELIMITERS: [&str; 4] = ["\"\"\"", "'''", "\"", "'"];

    DELIMITERS.iter().find_map(|delimiter| {
        let inner = raw.strip_prefix(delimiter)?.strip_suffix(delimiter)?;
        // Only the line break after a multi-line delimiter may be missing from the decoded text.
        let skipped = inner.strip_suffix(decoded)?;
        matches!(skipped, "" | "\n" | "\r\n").then_some(delimiter.len() + skipped.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_text_within_its_quotes() {
        assert_eq!(content_start("\"abc\"", "abc"), Some(1));
        assert_eq!(content_start("'abc'", "abc"), Some(1));
        assert_eq!(content_start("\"\"\"\nabc\"\"\"", "abc"), Some(4));
        assert_eq!(content_start("'''abc'''", "abc"), Some(3));
        assert_eq!(content_start("\"\"", ""), Some(1));
        assert_eq!(content_start(r#""a\tb""#, "a\tb"), None);
        assert_eq!(content_start("\"", ""), None);
        assert_eq!(content_start("", "x"), None);
    }
}
