//! The report for people: the summary first, then what needs action by weight, then what the
//! evidence tells. Sections without entries are left out; long ones are cut, and say so.

mod boots;
mod evidence;
mod findings;
mod pen;
mod requirements;
mod rules;
mod summary;
pub mod units;

use std::io::{self, Write};

pub use pen::{Ink, Pen, Table};

use super::model::FrameReference;
use super::{Page, Report};

/// Writes the report.
pub fn write(report: &Report, page: &Page, out: &mut dyn Write) -> io::Result<()> {
    let pen = &mut Pen::new(page, out);
    summary::write(report, pen)?;
    findings::unexpected(report, pen)?;
    requirements::unmet(report, pen)?;
    findings::failing(report, pen)?;
    findings::diagnoses(report, pen)?;
    requirements::unjudged(report, pen)?;
    boots::boots(report, pen)?;
    evidence::transfers(report, pen)?;
    evidence::endpoints(report, pen)?;
    findings::exceptions(report, pen)?;
    rules::write(report, pen)?;
    summary::background(report, pen)
}

/// Calls `each` on the entries that fit the page, then says how many did not.
fn capped<T>(
    pen: &mut Pen<'_>,
    entries: &[T],
    each: impl FnMut(&mut Pen<'_>, usize, &T) -> io::Result<()>,
) -> io::Result<()> {
    capped_of(pen, entries, 0, each)
}

/// The same of a list that the report has not whole: so many are `beyond` it.
fn capped_of<T>(
    pen: &mut Pen<'_>,
    entries: &[T],
    beyond: u64,
    mut each: impl FnMut(&mut Pen<'_>, usize, &T) -> io::Result<()>,
) -> io::Result<()> {
    let shown = entries.len().min(pen.page().entries);
    for (index, entry) in entries[..shown].iter().enumerate() {
        each(pen, index, entry)?;
    }
    rest_of(pen, entries.len() - shown, beyond)
}

/// Says how many entries were left out and where they are.
fn rest(pen: &mut Pen<'_>, left_out: usize) -> io::Result<()> {
    rest_of(pen, left_out, 0)
}

/// The same of a list that the report has not whole: so many are `beyond` it.
fn rest_of(pen: &mut Pen<'_>, left_out: usize, beyond: u64) -> io::Result<()> {
    let left_out = left_out as u64;
    if left_out + beyond == 0 {
        return Ok(());
    }
    let number = units::number(left_out + beyond);
    let text = match beyond {
        0 => format!("… and {number} more: --format json has all"),
        _ => format!(
            "… and {number} more: --format json has {} of them",
            units::number(left_out)
        ),
    };
    pen.words(2, 4, &[(Ink::Faint, &text)])
}

/// What a bound of the report left out of a list.
fn beyond(report: &Report, limit: &str) -> u64 {
    let limits = report.limits.iter();
    limits
        .filter(|one| one.limit == limit)
        .map(|one| one.reached)
        .sum()
}

/// Captures that an entry names; to look further, one of them is enough.
const NAMED_CAPTURES: usize = 3;

/// Frames as people look them up: by capture, with their numbers.
fn frames(frames: &[FrameReference]) -> String {
    let runs = frames.chunk_by(|one, next| one.capture == next.capture);
    let mut named: Vec<String> = runs
        .clone()
        .take(NAMED_CAPTURES)
        .map(|frames| {
            let numbers: Vec<String> = frames.iter().map(|frame| frame.frame.to_string()).collect();
            let noun = if frames.len() == 1 { "frame" } else { "frames" };
            format!("{} {noun} {}", frames[0].capture, numbers.join(", "))
        })
        .collect();
    let hidden: usize = runs.skip(NAMED_CAPTURES).map(<[FrameReference]>::len).sum();
    if hidden > 0 {
        named.push(format!("{hidden} more in other captures"));
    }
    named.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_name_their_capture_once() {
        let frame = |capture: &str, frame| FrameReference {
            capture: capture.into(),
            frame,
        };
        let shown = frames(&[frame("a", 1), frame("a", 5), frame("b", 2)]);
        assert_eq!(shown, "a frames 1, 5; b frame 2");
        assert_eq!(frames(&[]), "");
        let many: Vec<FrameReference> = ["a", "b", "c", "d", "e"]
            .iter()
            .map(|capture| frame(capture, 7))
            .collect();
        assert_eq!(
            frames(&many),
            "a frame 7; b frame 7; c frame 7; 2 more in other captures"
        );
    }
}
