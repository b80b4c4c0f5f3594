//! The report as JSON lines: one object per entry, its section named by `type`. For tools that
//! take a line at a time; the keys are those of the JSON document.

use std::io::{self, Write};

use serde::Serialize;

use super::model::{Loss, Site, Tool, Totals};
use super::{Page, Report};

/// Writes a `summary` line, then a line per entry in the order of the document.
pub fn write(report: &Report, _page: &Page, out: &mut dyn Write) -> io::Result<()> {
    let summary = Summary {
        schema: report.schema,
        tool: report.tool,
        site: &report.site,
        complete: report.complete,
        totals: &report.totals,
        loss: report.loss,
    };
    lines(out, "summary", &[summary])?;
    lines(out, "capture", &report.captures)?;
    lines(out, "limit", &report.limits)?;
    lines(out, "unexpected", &report.unexpected)?;
    lines(out, "failing", &report.failing)?;
    lines(out, "background", &report.background)?;
    lines(out, "exception", &report.exceptions)?;
    lines(out, "diagnosis", &report.diagnoses)?;
    lines(out, "requirement", &report.requirements)?;
    lines(out, "rule", &report.rules)?;
    lines(out, "tftp", &report.tftp)?;
    lines(out, "rpc", &report.rpc)?;
    lines(out, "pxe", &report.pxe)
}

/// What the document says once.
#[derive(Serialize)]
struct Summary<'a> {
    schema: &'static str,
    tool: Tool,
    site: &'a Site,
    complete: bool,
    totals: &'a Totals,
    loss: Loss,
}

#[derive(Serialize)]
struct Line<'a, T> {
    r#type: &'static str,
    #[serde(flatten)]
    entry: &'a T,
}

fn lines<T: Serialize>(out: &mut dyn Write, r#type: &'static str, entries: &[T]) -> io::Result<()> {
    for entry in entries {
        serde_json::to_writer(&mut *out, &Line { r#type, entry })?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
