//! Lines for people: words with a colour, wrapped at the width of the page.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use crate::report::Page;

/// What a piece of text means, and so how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// Ordinary text.
    Plain,
    /// Headings, and who it is about.
    Strong,
    /// Labels and details.
    Faint,
    /// Needs action.
    Bad,
    /// Deserves a look.
    Doubtful,
    /// As it should be.
    Good,
}

impl Ink {
    /// How it looks where colours are understood.
    pub fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Strong => Style::new().bold(),
            Self::Faint => Style::new().dimmed(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Doubtful => AnsiColor::Yellow.on_default(),
            Self::Good => AnsiColor::Green.on_default(),
        }
    }
}

/// Writes lines on a page.
pub struct Pen<'a> {
    out: &'a mut dyn Write,
    page: Page,
}

impl<'a> Pen<'a> {
    /// Lines narrower than this help nobody, whatever the terminal says.
    const NARROWEST: usize = 40;
    /// Prose wider than this is hard to read.
    const WIDEST: usize = 120;

    /// A pen at the top of a page.
    pub fn new(page: &Page, out: &'a mut dyn Write) -> Self {
        let page = Page {
            width: page.width.max(Self::NARROWEST),
            ..*page
        };
        Self { out, page }
    }

    /// The page written on.
    pub fn page(&self) -> &Page {
        &self.page
    }

    /// An empty line.
    pub fn gap(&mut self) -> io::Result<()> {
        self.out.write_all(b"\n")
    }

    /// A heading after an empty line, with a remark on it.
    pub fn heading(&mut self, title: &str, remark: &str) -> io::Result<()> {
        self.gap()?;
        if remark.is_empty() {
            return self.words(0, 2, &[(Ink::Strong, title)]);
        }
        let title = format!("{title}:");
        self.words(0, 2, &[(Ink::Strong, &title), (Ink::Faint, remark)])
    }

    /// A label in its column and a text beside it, wrapped within its own column.
    pub fn labelled(
        &mut self,
        indent: usize,
        column: usize,
        label: &str,
        text: &[(Ink, &str)],
    ) -> io::Result<()> {
        write!(self.out, "{:indent$}", "")?;
        self.ink(Ink::Faint, label)?;
        let used = indent + label.width();
        let column = column.max(used + 1);
        write!(self.out, "{:1$}", "", column - used)?;
        self.wrapped(column, column, self.prose_width(), text)
    }

    /// Pieces of text, wrapped at spaces; lines after the first begin at `rest`. A piece that
    /// begins with a space stands a little apart.
    pub fn words(&mut self, first: usize, rest: usize, text: &[(Ink, &str)]) -> io::Result<()> {
        write!(self.out, "{:first$}", "")?;
        self.wrapped(first, rest, self.prose_width(), text)
    }

    fn prose_width(&self) -> usize {
        self.page.width.min(Self::WIDEST)
    }

    /// Goes on at column `at`.
    fn wrapped(
        &mut self,
        at: usize,
        rest: usize,
        width: usize,
        text: &[(Ink, &str)],
    ) -> io::Result<()> {
        let mut column = at;
        let mut fresh = true;
        for (ink, text) in text {
            let mut distance = if text.starts_with(' ') { 2 } else { 1 };
            // Words of one line and one piece are coloured together.
            let mut run = String::new();
            for word in text.split(' ').filter(|word| !word.is_empty()) {
                let length = word.width();
                if !fresh && column + distance + length > width {
                    self.ink(*ink, &std::mem::take(&mut run))?;
                    write!(self.out, "\n{:rest$}", "")?;
                    column = rest;
                } else if !fresh && run.is_empty() {
                    write!(self.out, "{:distance$}", "")?;
                    column += distance;
                } else if !fresh {
                    run.push(' ');
                    column += 1;
                }
                run.push_str(word);
                column += length;
                distance = 1;
                fresh = false;
            }
            self.ink(*ink, &run)?;
        }
        self.out.write_all(b"\n")
    }

    fn ink(&mut self, ink: Ink, text: &str) -> io::Result<()> {
        let style = ink.style();
        if self.page.colour && style != Style::new() && !text.is_empty() {
            write!(self.out, "{style}{text}{style:#}")
        } else {
            self.out.write_all(text.as_bytes())
        }
    }
}

/// Columns of text under headings.
pub struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<(Ink, String)>>,
}

/// Where a cell stands in its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

impl Table {
    /// A last cell wraps in its column where that is as wide as this, else on lines of its own.
    const NARROWEST_CELL: usize = 24;
    /// Where those lines begin.
    const OWN_LINE: usize = 6;

    /// An empty table. A heading that begins with `#` is of a column of numbers.
    pub fn new(headings: &[&'static str]) -> Self {
        let column = |heading: &&'static str| match heading.strip_prefix('#') {
            Some(heading) => (heading, Align::Right),
            None => (*heading, Align::Left),
        };
        Self {
            columns: headings.iter().map(column).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, a cell per heading.
    pub fn row(&mut self, cells: Vec<(Ink, String)>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes headings and rows, indented by two. What stands in the last column wraps within it.
    pub fn write(&self, pen: &mut Pen<'_>) -> io::Result<()> {
        self.write_part(pen, true)
    }

    /// Writes the rows, under headings or as what follows them.
    pub fn write_part(&self, pen: &mut Pen<'_>, with_headings: bool) -> io::Result<()> {
        let headings: Vec<(Ink, String)> = self
            .columns
            .iter()
            .map(|(heading, _)| (Ink::Faint, (*heading).to_owned()))
            .collect();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|index| {
                let cells = self.rows.iter().map(|row| row[index].1.width());
                cells.fold(self.columns[index].0.width(), usize::max)
            })
            .collect();
        if with_headings {
            self.line(pen, &headings, &widths)?;
        }
        for row in &self.rows {
            self.line(pen, row, &widths)?;
        }
        Ok(())
    }

    fn line(&self, pen: &mut Pen<'_>, row: &[(Ink, String)], widths: &[usize]) -> io::Result<()> {
        let filled = row.iter().rposition(|(_, text)| !text.is_empty());
        let mut column = 0;
        // Written before the next text only: no line ends in blanks.
        let mut blanks = 0;
        for (index, (ink, text)) in row.iter().enumerate() {
            blanks += 2;
            let free = widths[index] - text.width().min(widths[index]);
            if self.columns[index].1 == Align::Right {
                blanks += free;
            }
            let at = column + blanks;
            if Some(index) == filled {
                return Self::last_cell(pen, at, blanks, *ink, text);
            }
            write!(pen.out, "{:blanks$}", "")?;
            pen.ink(*ink, text)?;
            column = at + text.width();
            blanks = match self.columns[index].1 {
                Align::Left => free,
                Align::Right => 0,
            };
        }
        pen.gap()
    }

    /// A cell after which the line ends, at column `at` after so many blanks.
    fn last_cell(
        pen: &mut Pen<'_>,
        at: usize,
        blanks: usize,
        ink: Ink,
        text: &str,
    ) -> io::Result<()> {
        let width = pen.page.width;
        // A column of single words is harder to read than a line of its own.
        if at + Self::NARROWEST_CELL > width && at + text.width() > width {
            let own = Self::OWN_LINE;
            write!(pen.out, "\n{:own$}", "")?;
            return pen.wrapped(own, own, width, &[(ink, text)]);
        }
        write!(pen.out, "{:blanks$}", "")?;
        pen.wrapped(at, at, width, &[(ink, text)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(width: usize, write: impl FnOnce(&mut Pen<'_>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        let page = Page {
            width,
            ..Page::default()
        };
        write(&mut Pen::new(&page, &mut out)).expect("writes to memory");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn wraps_at_the_width() {
        let text = "one two three four five six seven eight nine ten";
        let out = written(40, |pen| {
            pen.labelled(2, 10, "numbers", &[(Ink::Plain, text)])
        });
        assert_eq!(
            out,
            "  numbers one two three four five six\n          seven eight nine ten\n"
        );
        assert!(out.lines().all(|line| line.width() <= 40));
    }

    #[test]
    fn a_piece_may_stand_apart() {
        let out = written(40, |pen| {
            pen.words(2, 4, &[(Ink::Bad, "refused"), (Ink::Strong, " tcp/443")])
        });
        assert_eq!(out, "  refused  tcp/443\n");
    }

    #[test]
    fn a_word_too_long_is_kept_whole() {
        let word = "x".repeat(60);
        let out = written(40, |pen| {
            pen.words(0, 2, &[(Ink::Bad, "a"), (Ink::Bad, &word)])
        });
        assert_eq!(out, format!("a\n  {word}\n"));
    }

    #[test]
    fn a_last_cell_without_room_has_lines_of_its_own() {
        let out = written(40, |pen| {
            let mut table = Table::new(&["file", "note"]);
            let file = "a-rather-long-file-name".to_owned();
            table.row(vec![
                (Ink::Plain, file),
                (Ink::Plain, "wraps below it, not beside it in shreds".into()),
            ]);
            table.write(pen)
        });
        assert_eq!(
            out,
            "  file                     note\n  a-rather-long-file-name\n      wraps below it, not beside it in\n      shreds\n"
        );
    }

    #[test]
    fn aligns_columns() {
        let out = written(80, |pen| {
            let mut table = Table::new(&["kind", "#flows", "note"]);
            table.row(vec![
                (Ink::Plain, "arp".into()),
                (Ink::Plain, "1,234".into()),
                (Ink::Plain, String::new()),
            ]);
            table.row(vec![
                (Ink::Plain, "mdns".into()),
                (Ink::Plain, "7".into()),
                (Ink::Plain, "x".into()),
            ]);
            table.write(pen)
        });
        assert_eq!(
            out,
            "  kind  flows  note\n  arp   1,234\n  mdns      7  x\n"
        );
    }
}
