//! `portolan.report.v1` as one JSON document (RFC 8259), keys in the order of the model.

use std::io::{self, Write};

use super::{Page, Report};

/// Writes the report, indented, with a line break at the end.
pub fn write(report: &Report, _page: &Page, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    out.write_all(b"\n")
}
