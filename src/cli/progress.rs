//! How far reading has come, on standard error: bytes, rate, time left. Drawn on a terminal only.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::pipeline;
use crate::report::escape;

/// Redraws a second; more flickers, and costs time that reading needs.
const REDRAWS_PER_SECOND: u8 = 10;

/// A line that is gone when it is dropped.
pub struct ProgressLine {
    bar: ProgressBar,
}

impl ProgressLine {
    /// A line for so many bytes, as far as that is known.
    pub fn new(total_bytes: Option<u64>, shown: bool) -> Self {
        let target = if shown {
            ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND)
        } else {
            ProgressDrawTarget::hidden()
        };
        let template = match total_bytes {
            Some(_) => {
                "{bar:24} {percent:>3}%  {decimal_bytes} of {decimal_total_bytes}  \
                 {decimal_bytes_per_sec}  {eta} left  {wide_msg}"
            }
            None => "{spinner} {decimal_bytes}  {decimal_bytes_per_sec}  {wide_msg}",
        };
        let style = ProgressStyle::with_template(template)
            .expect("the template is well formed")
            .progress_chars("━━ ");
        let bar = ProgressBar::with_draw_target(total_bytes, target).with_style(style);
        Self { bar }
    }

    /// Shows how far reading has come.
    pub fn update(&self, progress: pipeline::Progress<'_>) {
        self.bar.set_position(progress.bytes);
        if let [first, others @ ..] = progress.reading {
            let mut message = escape::line(first).into_owned();
            if !others.is_empty() {
                message += &format!(" and {} more", others.len());
            }
            self.bar.set_message(message);
        }
    }

    /// Says what is read now.
    pub fn reading(&self, name: &str) {
        self.bar.set_message(escape::line(name).into_owned());
    }

    /// Counts bytes.
    pub fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_bytes_and_what_is_read() {
        for total in [Some(100), None] {
            let line = ProgressLine::new(total, false);
            let at = |bytes, reading: &[&str]| {
                line.update(pipeline::Progress {
                    bytes,
                    reading,
                    cuts: 0,
                    wrong_cuts: 0,
                });
                (line.bar.position(), line.bar.message())
            };
            let escaped = "a\\u{1b}[2J.pcap";
            assert_eq!(at(60, &["a\u{1b}[2J.pcap"]), (60, escaped.into()));
            let several = format!("{escaped} and 2 more");
            assert_eq!(
                at(90, &["a\u{1b}[2J.pcap", "b", "c"]),
                (90, several.clone())
            );
            assert_eq!(at(100, &[]), (100, several));
        }
    }
}
