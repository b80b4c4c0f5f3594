//! A reader of the documents that shares nothing with the catalogue: headings with anchors,
//! arrows, tables and list items, as the translators and editors left them.

use std::path::Path;

/// A heading with an anchor, and what follows up to the next one.
#[derive(Debug)]
pub struct Section {
    /// Number of `#`.
    pub level: usize,
    /// The anchor that other documents link to.
    pub anchor: String,
    /// English slug before it, where the heading has two anchors.
    pub slug: Option<String>,
    /// Heading without markup.
    pub title: String,
    /// Rows of its tables, one after the other.
    pub rows: Vec<Row>,
    /// Number of tables.
    pub tables: usize,
    /// Lines that are no table.
    pub text: Vec<String>,
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub description: String,
    pub udp: Cell,
    pub tcp: Cell,
}

/// A cell of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// `DYNAMIC`, in any language.
    pub dynamic: bool,
    /// Ports and ranges.
    pub ports: Vec<(u16, u16)>,
    /// Whether they are a choice.
    pub alternatives: bool,
    /// Number of the note it cites.
    pub note: Option<u32>,
    /// Whether it says that another port may be used.
    pub alternate: bool,
}

impl Cell {
    pub fn is_empty(&self) -> bool {
        !self.dynamic && self.ports.is_empty()
    }
}

/// Reads a document.
pub fn read(path: &Path) -> Vec<Section> {
    let text = std::fs::read_to_string(path).expect("a document is UTF-8 text");
    parse(&text)
}

fn parse(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut in_table = false;
    for line in text.lines() {
        if let Some(section) = heading(line) {
            sections.push(section);
            in_table = false;
            continue;
        }
        let Some(section) = sections.last_mut() else {
            continue;
        };
        if !line.starts_with('|') {
            // Text right under a row ends the table, although Markdown would make it a row.
            in_table = false;
            section.text.push(plain(line));
            continue;
        }
        let cells: Vec<&str> = line.split('|').collect();
        assert!(cells.len() >= 4, "a row has three cells: {line}");
        if cells[2].trim() == "UDP" {
            section.tables += 1;
            in_table = true;
        } else if !cells[1].starts_with("---") {
            assert!(in_table, "a row stands in a table: {line}");
            section.rows.push(Row {
                description: plain(cells[1]).trim().to_owned(),
                udp: cell(cells[2]),
                tcp: cell(cells[3]),
            });
        }
    }
    sections
}

/// A heading with an anchor of its own. `####` headings by version belong to the section above.
fn heading(line: &str) -> Option<Section> {
    let level = line.chars().take_while(|c| *c == '#').count();
    if level == 0 {
        return None;
    }
    let mut anchors: Vec<String> = Vec::new();
    let mut rest = line;
    while let Some(start) = rest.find("<a name=\"") {
        rest = &rest[start + "<a name=\"".len()..];
        let end = rest.find('"')?;
        anchors.push(rest[..end].to_owned());
    }
    let anchor = anchors.pop()?;
    if anchor.starts_with("version-") {
        return None;
    }
    let title = rest.rsplit("</a>").next().unwrap_or_default();
    Some(Section {
        level,
        anchor,
        slug: anchors.pop(),
        title: plain(title).trim().to_owned(),
        rows: Vec::new(),
        tables: 0,
        text: Vec::new(),
    })
}

/// Text with entities resolved, and every kind of space and dash made plain.
fn plain(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace(['\u{a0}', '\u{2009}', '\u{202f}'], " ")
        .replace('–', "--")
        .replace('’', "'")
}

/// Ports before the notes; digits of notes and of links are no ports.
fn cell(raw: &str) -> Cell {
    let text = plain(raw);
    let cut = text.find(['(', '<', '[']).unwrap_or(text.len());
    let (ports, notes) = text.split_at(cut);
    let mut cell = Cell {
        note: notes
            .find(|c: char| c.is_ascii_digit())
            .and_then(|digit| notes[digit..].chars().next())
            .and_then(|digit| digit.to_digit(10)),
        alternate: ["lternate port", "Autre port", "lternatif", "lternativ port"]
            .iter()
            .any(|words| notes.contains(words)),
        ..Cell::default()
    };
    for word in ports.split_whitespace() {
        match word {
            "--" | "and" | "et" | "och" => {}
            "or" | "ou" | "eller" => cell.alternatives = true,
            "DYNAMIC" | "DYNAMIQUE" | "DYNAMISK" => cell.dynamic = true,
            _ => {
                let (low, high) = word.split_once('-').unwrap_or((word, word));
                let port = |digits: &str| digits.parse().expect("a word of a cell is a port");
                cell.ports.push((port(low), port(high)));
            }
        }
    }
    cell
}

/// Whether a title has an arrow, and whether it points both ways.
pub fn arrow(title: &str) -> Option<bool> {
    let tail = title.find("--").or_else(|| title.find("- >"))?;
    let after = title[tail..].trim_start_matches(['-', ' ']);
    after
        .starts_with('>')
        .then(|| title[..tail].trim_end().ends_with('<'))
}

/// The two sides of a title.
pub fn sides(title: &str) -> Option<(String, String)> {
    arrow(title)?;
    let start = title.find("--")?;
    let left = title[..start].trim_end().trim_end_matches('<').trim();
    let right = title[start..].trim_start_matches(['-', ' ', '>']).trim();
    Some((left.to_owned(), right.to_owned()))
}

/// The two sides of an English slug, such as `site-server-lt---enrollment-point`.
pub fn slug_sides(slug: &str) -> Option<(&str, &str)> {
    let (left, right) = slug
        .split_once("-lt---")
        .or_else(|| slug.split_once("----"))?;
    Some((left, right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_arrow() {
        for title in [
            "A -- > B",
            "A --> B",
            "A --&gt; B",
            "A -- &gt; B",
            "A – > B",
            "A -- >B",
        ] {
            assert_eq!(arrow(&plain(title)), Some(false), "{title}");
            let both = ("A".to_owned(), "B".to_owned());
            assert_eq!(sides(&plain(title)), Some(both), "{title}");
        }
        for title in ["A &lt; -- > B", "A &lt; --> B", "A &lt; – > B"] {
            assert_eq!(arrow(&plain(title)), Some(true), "{title}");
        }
        assert_eq!(arrow("Discovery and publishing"), None);
    }

    #[test]
    fn reads_cells_without_their_notes() {
        let noted = cell("1433\u{a0}<sup>[Note 2](#bkmk_note2) Autre port disponible</sup>");
        assert_eq!(noted.ports, [(1433, 1433)]);
        assert_eq!((noted.note, noted.alternate), (Some(2), true));
        let choice = cell("80 or 8530 (See note 3, **Windows Server Update Services**)");
        assert_eq!(choice.ports, [(80, 80), (8530, 8530)]);
        assert!(choice.alternatives && !choice.alternate);
        assert!(cell("").is_empty() && cell("--").is_empty());
        assert!(cell("DYNAMISK <sup> [anmärkning 6](#bkmk_note6)</sup>").dynamic);
        assert_eq!(cell("67 et 68").ports, [(67, 67), (68, 68)]);
        assert_eq!(cell("63000-64000").ports, [(63000, 64000)]);
    }

    #[test]
    fn ends_a_table_at_text_and_keeps_sub_headings() {
        let text = "### <a name=\"a\"></a> A --> B\n|Description|UDP|TCP|\n|---|---|---|\n|X|--|443|\nFor more\n\
                    #### <a name=\"version-1\"></a>V\n|Description|UDP|TCP|\n|---|---|---|\n|Y|--|80|<!-- c -->\n";
        let sections = parse(text);
        assert_eq!(sections.len(), 1);
        assert_eq!((sections[0].tables, sections[0].rows.len()), (2, 2));
    }
}
