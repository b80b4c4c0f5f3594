//! A line of the checklist: pieces of text with their colour, cut to the terminal's width.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::report::Ink;

/// What is drawn on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Canvas {
    /// Columns.
    pub width: usize,
    /// Lines.
    pub height: usize,
    /// Whether colours are understood.
    pub colour: bool,
    /// Whether more than ASCII can be shown.
    pub unicode: bool,
}

/// Pieces of text, each with its colour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line(Vec<(Ink, String)>);

impl Line {
    /// A line that begins so far in.
    pub fn indented(columns: usize) -> Self {
        Self(vec![(Ink::Plain, " ".repeat(columns))])
    }

    /// Adds a piece.
    pub fn with(mut self, ink: Ink, text: impl Into<String>) -> Self {
        self.0.push((ink, text.into()));
        self
    }

    /// Adds a piece that stands apart; an empty one is left out.
    pub fn then(self, ink: Ink, text: impl Into<String>) -> Self {
        let text = text.into();
        match text.is_empty() {
            true => self,
            false => self.with(Ink::Plain, "  ").with(ink, text),
        }
    }

    /// The line as it is written. The last column stays empty: many terminals wrap where it is
    /// filled.
    pub fn write(&self, canvas: &Canvas) -> String {
        let room = canvas.width.saturating_sub(1);
        let pieces = self.0.iter().map(|(ink, text)| (*ink, canvas.text(text)));
        let pieces: Vec<(Ink, String)> = pieces.collect();
        let whole: usize = pieces.iter().map(|(_, text)| text.width()).sum();
        let is_cut = whole > room;
        let mut left = room - usize::from(is_cut).min(room);
        let mut out = String::new();
        for (ink, text) in &pieces {
            let mut end = 0;
            for (index, character) in text.char_indices() {
                let width = character.width().unwrap_or(0);
                if width > left {
                    left = 0;
                    break;
                }
                left -= width;
                end = index + character.len_utf8();
            }
            canvas.ink(*ink, &text[..end], &mut out);
        }
        if is_cut && room > 0 {
            out.push_str(canvas.dots());
        }
        out
    }
}

impl Canvas {
    /// What stands for what is cut off, in one column.
    fn dots(&self) -> &'static str {
        if self.unicode { "…" } else { "~" }
    }

    /// As it can be shown.
    fn text(&self, text: &str) -> String {
        if self.unicode {
            return text.to_owned();
        }
        let mut ascii = String::with_capacity(text.len());
        for character in text.chars() {
            match character {
                '✓' => ascii.push('+'),
                '✗' => ascii.push('x'),
                '…' => ascii.push('.'),
                '–' => ascii.push('-'),
                '→' => ascii.push_str("->"),
                '·' => ascii.push(','),
                ' '..='~' => ascii.push(character),
                _ => ascii.push('?'),
            }
        }
        ascii
    }

    fn ink(&self, ink: Ink, text: &str, out: &mut String) {
        let style = ink.style();
        if self.colour && ink != Ink::Plain && !text.is_empty() {
            out.push_str(&format!("{style}{text}{style:#}"));
        } else {
            out.push_str(text);
        }
    }
}
