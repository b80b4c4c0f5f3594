//! Body of the fuzz target for part files.

use std::io;

use super::container::repaired;
use super::{Merging, PartFile, PartFileError};
use crate::observation::{Part, Window};

/// Reads `data` as a part file, as it is and with its checksums made right.
///
/// # Panics
/// Where what was read is not the same once written and read again.
pub fn fuzz_part(data: &[u8]) {
    for data in [data, &repaired(data)] {
        let Ok(part) = read(data) else { continue };
        let written = write(part.clone());
        let again = read(&written).expect("what was written can be read");
        assert!(written == write(again), "two writings differ");
        let observation = part.finish();
        let packets: u64 = observation.captures().iter().map(|it| it.packets).sum();
        assert!(observation.total().packets <= packets);
    }
}

fn read(data: &[u8]) -> Result<Part, PartFileError> {
    let file = PartFile::open(data, "fuzz")?;
    let mut merging = Merging::new(vec![file.head().clone()], usize::MAX)?;
    merging.add(0, file, &mut |_| {})?;
    Ok(merging.finish())
}

fn write(part: Part) -> Vec<u8> {
    let mut out = Vec::new();
    let written: io::Result<()> = part.write(Window::default(), &mut out);
    written.expect("a vector takes every byte");
    out
}
