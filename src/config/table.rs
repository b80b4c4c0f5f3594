//! A cursor over a TOML table: what is read is remembered, what is left is unknown.

use std::cell::RefCell;
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::nearest::suggestion;
use super::problems::Problems;
use super::text::quoted;
use super::value::{Located, Value};

/// A parsed file. Syntax errors are reported, and the rest of the file is there.
#[derive(Debug)]
pub struct Document<'s> {
    root: Spanned<DeTable<'s>>,
}

impl<'s> Document<'s> {
    /// Parses the source of `problems`, with every syntax error reported there.
    pub fn parse(problems: &Problems<'s>) -> Self {
        let (root, errors) = DeTable::parse_recoverable(problems.source().text());
        for error in errors {
            let (message, help) = syntax_error(error.message());
            problems.syntax(error.span().unwrap_or(0..0), message, help);
        }
        Self { root }
    }

    /// The table that is the whole file.
    pub fn root<'a>(&'a self, problems: &'a Problems<'a>) -> Table<'a> {
        Table::new(self.root.get_ref(), 0..0, problems, "")
    }
}

/// The parser's words, and what to do about the most common mistake: an address without quotes
/// begins like a number.
fn syntax_error(message: &str) -> (String, Option<String>) {
    let number = ["invalid float", "invalid integer"];
    let number = number.iter().any(|start| message.starts_with(start));
    let help = number.then(|| "put addresses and names in quotes".to_owned());
    let message = message
        .strip_suffix(", expected nothing")
        .unwrap_or(message);
    (format!("not valid TOML: {message}"), help)
}

/// A table that is being read. [`Table::finish`] reports the keys nobody asked for.
#[derive(Debug)]
pub struct Table<'a> {
    entries: &'a DeTable<'a>,
    span: Range<usize>,
    problems: &'a Problems<'a>,
    name: &'a str,
    asked: RefCell<Vec<&'static str>>,
}

/// A key with its value, where keys are names that the file chooses.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// The key as written.
    pub key: Located<&'a str>,
    /// What stands under it.
    pub value: Value<'a>,
}

impl<'a> Table<'a> {
    pub(super) fn new(
        entries: &'a DeTable<'a>,
        span: Range<usize>,
        problems: &'a Problems<'a>,
        name: &'a str,
    ) -> Self {
        Self {
            entries,
            span,
            problems,
            name,
            asked: RefCell::default(),
        }
    }

    /// Byte range of its header, or of the inline table.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The key it stands under; empty for the whole file.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Where problems with it go.
    pub fn problems(&self) -> &'a Problems<'a> {
        self.problems
    }

    /// The value of a key, of any type.
    pub fn value(&self, key: &'static str) -> Option<Value<'a>> {
        self.asked.borrow_mut().push(key);
        let value = self.entries.get(key)?;
        Some(Value::new(value, self.problems, key))
    }

    /// The value of a key that must be there.
    pub fn required(&self, key: &'static str) -> Option<Value<'a>> {
        let value = self.value(key);
        if value.is_none() {
            let message = match self.name {
                "" => format!("`{key}` is missing"),
                name => format!("`{key}` is missing in {}", quoted(name)),
            };
            self.problems.missing(self.span(), message, None);
        }
        value
    }

    /// A string.
    pub fn string(&self, key: &'static str) -> Option<Located<&'a str>> {
        self.value(key)?.string()
    }

    /// A string that must be there.
    pub fn required_string(&self, key: &'static str) -> Option<Located<&'a str>> {
        self.required(key)?.string()
    }

    /// `true` or `false`.
    pub fn boolean(&self, key: &'static str) -> Option<Located<bool>> {
        self.value(key)?.boolean()
    }

    /// An integer within the range.
    pub fn integer(&self, key: &'static str, range: RangeInclusive<i64>) -> Option<Located<i64>> {
        self.value(key)?.integer(range)
    }

    /// A date without a time, as year, month and day.
    pub fn date(&self, key: &'static str) -> Option<Located<(u16, u8, u8)>> {
        self.value(key)?.date()
    }

    /// An array of strings; empty where the key is not there.
    pub fn strings(&self, key: &'static str) -> Vec<Located<&'a str>> {
        let strings = self.value(key).and_then(|value| value.strings());
        strings.unwrap_or_default()
    }

    /// A table.
    pub fn table(&self, key: &'static str) -> Option<Table<'a>> {
        self.value(key)?.table()
    }

    /// An array of tables (`[[key]]`); empty where the key is not there.
    pub fn tables(&self, key: &'static str) -> Vec<Table<'a>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        if value.is_table() {
            let message = format!("`{key}` must be an array of tables");
            let help = Some(format!("write [[{key}]]"));
            self.problems.error_with_help(value.span(), message, help);
            return Vec::new();
        }
        let items = value.array().unwrap_or_default();
        items.iter().filter_map(Value::table).collect()
    }

    /// Every key with its value, in the order of the file, for tables whose keys the file
    /// chooses. Those asked for by name before are left out; none of them is unknown.
    pub fn entries(&self) -> Vec<Entry<'a>> {
        let asked = self.asked.borrow();
        let mut entries: Vec<Entry<'a>> = self
            .entries
            .iter()
            .filter(|(key, _)| !asked.contains(&key.get_ref().as_ref()))
            .map(|(key, value)| entry(key, value, self.problems))
            .collect();
        entries.sort_by_key(|entry| entry.key.span.start);
        entries
    }

    /// Reports every key that was not asked for, with the nearest one that was.
    pub fn finish(self) {
        for unknown in self.entries() {
            let asked = self.asked.borrow();
            let message = match self.name {
                "" => format!("unknown key {}", quoted(unknown.key.value)),
                name => format!(
                    "unknown key {} in {}",
                    quoted(unknown.key.value),
                    quoted(name)
                ),
            };
            let help = suggestion(unknown.key.value, "keys", asked.iter().copied());
            self.problems
                .error_with_help(unknown.key.span, message, help);
        }
    }
}

fn entry<'a>(
    key: &'a Spanned<std::borrow::Cow<'a, str>>,
    value: &'a Spanned<DeValue<'a>>,
    problems: &'a Problems<'a>,
) -> Entry<'a> {
    let name = key.get_ref().as_ref();
    Entry {
        key: Located {
            value: name,
            span: key.span(),
        },
        value: Value::new(value, problems, name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Source;

    /// What reading `text` reports.
    fn problems_of(text: &str, read: impl FnOnce(Table<'_>)) -> String {
        let source = Source::new("s", text);
        let problems = Problems::new(&source);
        {
            let document = Document::parse(&problems);
            read(document.root(&problems));
        }
        problems.finish().to_string()
    }

    #[test]
    fn names_unknown_keys_with_the_nearest_known_one() {
        let found = problems_of("version = 1\nnmae = 'x'\n[rpc]\nzzz = 1\n", |root| {
            root.integer("version", 1..=1);
            root.string("name");
            if let Some(rpc) = root.table("rpc") {
                rpc.string("minimum");
                rpc.finish();
            }
            root.finish();
        });
        assert_eq!(
            found,
            "s:2:1: error: unknown key `nmae`; did you mean `name`?\n\
             s:4:1: error: unknown key `zzz` in `rpc`; valid keys: `minimum`"
        );
    }

    #[test]
    fn says_what_it_expected_and_what_it_found() {
        let found = problems_of(
            "a = 1\nb = 'x'\nc = 1.5\nd = 'x'\ne = [1, 'y']\nf = []\ng = '2027-01-31'\nh = 70000\ni = 2027-01-31T00:00:00Z\n[j]\n",
            |root| {
                root.string("a");
                root.boolean("b");
                root.integer("c", 0..=9);
                root.strings("d");
                assert_eq!(root.strings("e").len(), 1);
                root.table("f");
                root.date("g");
                root.integer("h", 1..=65535);
                root.date("i");
                root.tables("j");
                root.required("k");
                root.finish();
            },
        );
        assert_eq!(
            found,
            "s:1:1: error: `k` is missing\n\
             s:1:5: error: `a` must be a string, found an integer\n\
             s:2:5: error: `b` must be `true` or `false`, found a string\n\
             s:3:5: error: `c` must be an integer, found a number with a fraction\n\
             s:4:5: error: `d` must be an array of strings; put it in brackets: ['x']\n\
             s:5:6: error: `e` must be a string, found an integer\n\
             s:6:5: error: `f` must be a table, found an array\n\
             s:7:5: error: `g` must be a date, found a string; write it without quotes: 2027-01-31\n\
             s:8:5: error: `h` must be from 1 to 65535\n\
             s:9:5: error: `i` must be a date without a time; leave out the time: 2027-01-31\n\
             s:10:1: error: `j` must be an array of tables; write [[j]]"
        );
    }

    #[test]
    fn gives_free_keys_in_the_order_of_the_file() {
        let found = problems_of("z = 1\na = 2\nm = 3\n", |root| {
            root.integer("m", 0..=9);
            let entries = root.entries();
            let keys: Vec<&str> = entries.iter().map(|entry| entry.key.value).collect();
            assert_eq!(keys, ["z", "a"]);
        });
        assert_eq!(found, "");
    }

    #[test]
    fn reports_every_syntax_error_and_reads_the_rest() {
        let found = problems_of("a = = 1\nb = 2\nb = 3\nc = 'x'\n", |root| {
            root.value("a");
            root.value("b");
            root.integer("c", 0..=9);
            root.required("d");
            root.finish();
        });
        let lines: Vec<&str> = found.lines().collect();
        assert_eq!(lines.len(), 3, "{found}");
        assert!(
            lines[0].starts_with("s:1:5: error: not valid TOML: "),
            "{found}"
        );
        assert!(
            lines[1].starts_with("s:3:1: error: not valid TOML: duplicate key"),
            "{found}"
        );
        assert_eq!(
            lines[2],
            "s:4:5: error: `c` must be an integer, found a string"
        );
    }

    #[test]
    fn knows_an_address_without_quotes() {
        assert_eq!(
            problems_of("a = [10.1.0.0/16]\n", |root| assert!(
                root.value("a").is_some()
            )),
            "s:1:10: error: not valid TOML: invalid float; put addresses and names in quotes"
        );
    }

    #[test]
    fn survives_hostile_files() {
        let deep = "[".repeat(1 << 20);
        let nested = format!("a = {}{}", "[".repeat(10_000), "]".repeat(10_000));
        let inline = format!("a = {}", "{a=".repeat(10_000));
        let dotted = format!("{}a = 1", "a.".repeat(10_000));
        let header = format!("[{}a]", "a.".repeat(10_000));
        let lines = "]\n".repeat(100_000);
        for text in [&deep, &nested, &inline, &dotted, &header, &lines] {
            let found = problems_of(text, |root| root.finish());
            assert!(
                found.contains("not valid TOML"),
                "{:.20}: {found:.200}",
                text
            );
        }
        let escapes = problems_of("a = \"\u{1b}[2J\u{0}\"\n", |root| root.finish());
        assert!(!escapes.contains(['\u{1b}', '\u{0}']), "{escapes:?}");
    }
}
