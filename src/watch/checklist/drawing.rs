//! Lines that are drawn again and again in one place of a terminal. What stands there is written
//! over, not erased first: so nothing flickers.
//!
//! ECMA-48: `ESC [ n A` (CUU) goes up so many lines, `ESC [ K` (EL) and `ESC [ J` (ED) erase the
//! rest of the line and of the screen.

/// What was drawn.
#[derive(Debug, Default)]
pub(super) struct Drawing {
    /// Lines that stand there; the cursor is at the end of the last.
    drawn: usize,
    /// Width and height when they were drawn.
    size: (usize, usize),
}

impl Drawing {
    /// Draws lines in place of those before. None is wider, and they are no more, than the
    /// terminal has room for.
    pub fn draw(&mut self, lines: &[String], size: (usize, usize), out: &mut Vec<u8>) {
        // A terminal that got smaller may have broken the old lines, and how it did so can't be
        // known: only an empty screen is sure to hold nothing of them.
        if self.drawn > 0 && (size.0 < self.size.0 || size.1 < self.size.1) {
            out.extend_from_slice(b"\x1b[H\x1b[2J");
            self.drawn = 0;
        }
        self.to_top(out);
        for (index, line) in lines.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(b"\r\n");
            }
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(b"\x1b[K");
        }
        out.extend_from_slice(b"\x1b[J");
        self.drawn = lines.len();
        self.size = size;
    }

    /// Takes them away.
    pub fn clear(&mut self, out: &mut Vec<u8>) {
        if self.drawn > 0 {
            self.to_top(out);
            out.extend_from_slice(b"\x1b[J");
            self.drawn = 0;
        }
    }

    fn to_top(&self, out: &mut Vec<u8>) {
        out.push(b'\r');
        if self.drawn > 1 {
            out.extend_from_slice(format!("\x1b[{}A", self.drawn - 1).as_bytes());
        }
    }
}
