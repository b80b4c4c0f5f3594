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

    /// Takes note of an event.
    pub fn update(&self, event: pipeline::Progress<'_>) {
        match event {
            pipeline::Progress::Capture { source } => self.reading(source),
            pipeline::Progress::Read { bytes } => self.advance(bytes),
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
    fn counts_bytes_with_and_without_a_total() {
        for total in [Some(100), None] {
            let line = ProgressLine::new(total, false);
            line.update(pipeline::Progress::Capture {
                source: "a\u{1b}[2J.pcap",
            });
            line.update(pipeline::Progress::Read { bytes: 60 });
            line.update(pipeline::Progress::Read { bytes: 40 });
            assert_eq!(line.bar.position(), 100);
            assert_eq!(line.bar.message(), "a\\u{1b}[2J.pcap");
        }
    }
}
