//! The checklist on a terminal: what is required ticks off as it is seen, the first step that is
//! missing is named, and beside it what is under way and what should not be. Drawn anew in place
//! with every look; nothing of it is left at the end.

mod drawing;
mod line;
mod lines;
mod rate;
mod runs;
mod screen;
#[cfg(test)]
mod tests;
mod view;

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use self::drawing::Drawing;
use self::line::Canvas;
use self::rate::Rate;
use self::screen::Screen;
use self::view::View;
use super::events::{Moment, Teller};
use crate::verdict::Audit;

/// Where nothing tells the size of a terminal.
const USUAL_SIZE: (usize, usize) = (80, 24);
/// How long a terminal has to take what was drawn, before something else is written there.
const PATIENCE: Duration = Duration::from_secs(1);

/// The checklist on standard error.
#[derive(Debug)]
pub struct Checklist {
    colour: bool,
    unicode: bool,
    rate: Rate,
    drawing: Drawing,
    screen: Screen,
}

impl Checklist {
    /// Draws nothing yet. Reads the locale from the environment.
    pub fn new(colour: bool) -> Self {
        Self::on(io::stderr(), colour)
    }

    fn on(terminal: impl AsFd + Send + 'static, colour: bool) -> Self {
        Self {
            colour,
            unicode: is_utf8(|name| std::env::var(name).ok()),
            rate: Rate::default(),
            drawing: Drawing::default(),
            screen: Screen::new(terminal),
        }
    }

    /// Whether the terminal has taken what was drawn last: one that has not may take nothing else
    /// for long.
    pub fn is_free(&mut self) -> bool {
        self.screen.is_free()
    }

    /// Draws how things stand, where the terminal has taken what was drawn before. `ends` says when
    /// the watch ends, in a few words.
    pub fn draw(&mut self, audit: &Audit, moment: &Moment, teller: &Teller, ends: &str) {
        self.rate.take(moment);
        if !self.screen.is_free() {
            return;
        }
        let view = View::new(audit, moment, teller, self.rate.current(), ends);
        let size = terminal_size::terminal_size_of(io::stderr());
        let (width, height) = size.map_or(USUAL_SIZE, |(width, height)| {
            (usize::from(width.0), usize::from(height.0))
        });
        let canvas = Canvas {
            width,
            height,
            colour: self.colour,
            unicode: self.unicode,
        };
        let lines = lines::lines(&view, &canvas);
        let mut out = Vec::new();
        self.drawing.draw(&lines, (width, height), &mut out);
        self.screen.write(out);
    }

    /// Takes the drawing off the terminal, before something else is written there; one that takes
    /// nothing is left as it is.
    pub fn clear(&mut self) {
        if !self.screen.waits(PATIENCE) {
            return;
        }
        let mut out = Vec::new();
        self.drawing.clear(&mut out);
        self.screen.write(out);
        self.screen.waits(PATIENCE);
    }
}

impl Drop for Checklist {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Whether the locale writes UTF-8 (POSIX: the first of these that is not empty holds).
fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let names = ["LC_ALL", "LC_CTYPE", "LANG"];
    let mut values = names.into_iter().filter_map(variable);
    let locale = values.find(|value| !value.is_empty()).unwrap_or_default();
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}
