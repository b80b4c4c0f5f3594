//! Reading one capture, or a piece of one, into a part.

use std::io::Read;

use super::{Options, Progress};
use crate::capture::{Batch, Compression, Problem, ProblemKind, Reader};
use crate::net::Timestamp;
use crate::observation::{Part, Piece, Window};

/// Reads one capture to its end. `first` is the time of its first frame.
pub fn observe_reader<R: Read>(
    reader: &mut Reader<R>,
    name: &str,
    first: Option<Timestamp>,
    options: &Options,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Part {
    let mut part = begin(reader, name, first, options);
    read(reader, &mut part, |bytes| {
        progress(Progress {
            bytes,
            reading: &[name],
            cuts: 0,
            wrong_cuts: 0,
        });
        true
    });
    part.close(
        reader.frames(),
        reader.kernel_drops(),
        problem(reader, options),
    );
    part.went_on_until(reader.watched_until());
    part.seal();
    part
}

/// An empty part that begins where `reader` stands.
pub(super) fn begin<R: Read>(
    reader: &Reader<R>,
    name: &str,
    first: Option<Timestamp>,
    options: &Options,
) -> Part {
    let piece = Piece {
        source: name.to_owned(),
        format: Some(reader.format()),
        compression: reader.compression().map(Compression::name),
        first: first.unwrap_or(Timestamp::MAX),
        offset: reader.piece_offset(),
    };
    Part::new(piece, options.window, options.max_flows)
}

/// Reads all frames into `part`. `goes_on` is told how many bytes are read, and whether to read
/// on is its answer.
pub(super) fn read<R: Read>(
    reader: &mut Reader<R>,
    part: &mut Part,
    mut goes_on: impl FnMut(u64) -> bool,
) {
    loop {
        let batch = reader.read_batch(|frames| part.add(frames));
        let read = reader.source_bytes() - reader.piece_offset();
        if !goes_on(read) || batch == Batch::End {
            break;
        }
    }
}

/// Why the reader could not read on, and what to do.
pub(super) fn problem<R: Read>(reader: &Reader<R>, options: &Options) -> Option<String> {
    let problem: &Problem = reader.problem()?;
    match problem.kind {
        ProblemKind::Truncated if options.accept_truncated => None,
        ProblemKind::Truncated => Some(format!(
            "{problem}; what stands before was used (--accept-truncated takes it as whole)"
        )),
        ProblemKind::Damaged | ProblemKind::Unreadable => {
            Some(format!("{problem}; what stands before was used"))
        }
    }
}

/// A source that gave no frames, so that the report names it.
pub(super) fn unopened(name: &str, problem: String) -> Part {
    let piece = Piece {
        source: name.to_owned(),
        format: None,
        compression: None,
        first: Timestamp::MAX,
        offset: 0,
    };
    let mut part = Part::new(piece, Window::default(), usize::MAX);
    part.close(0, None, Some(problem));
    part.seal();
    part
}
