//! Frames that an interface dropped before the kernel saw them.
//!
//! libpcap opens the files that say so each time it is asked, which a process that is locked in may
//! not. Here they are opened with the interface, and read from then on.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What libpcap adds up, too: no buffer was left, or the adapter's own queue was full.
const COUNTS: [&str; 2] = ["rx_missed_errors", "rx_fifo_errors"];

/// Counts of one interface, those that there are.
#[derive(Default)]
pub(super) struct InterfaceDrops(Vec<Count>);

impl InterfaceDrops {
    /// Those of the interface whose folder this is (`/sys/class/net/NAME`), where it is the one
    /// with that number and address: where a network namespace was entered and `/sys` left as it
    /// was, the folder is that of another interface.
    pub(super) fn open(folder: &Path, index: u32, address: Option<[u8; 6]>) -> Self {
        let says = |file: &str, expected: &str| {
            fs::read_to_string(folder.join(file)).is_ok_and(|text| text.trim() == expected)
        };
        let is_same = says("ifindex", &index.to_string())
            && address.is_none_or(|address| {
                says(
                    "address",
                    &address.map(|byte| format!("{byte:02x}")).join(":"),
                )
            });
        if !is_same {
            return Self::default();
        }
        let statistics = folder.join("statistics");
        let counts = COUNTS.map(|name| Count::open(&statistics.join(name)));
        Self(counts.into_iter().flatten().collect())
    }

    /// Frames dropped since the files were opened.
    pub(super) fn total(&mut self) -> u64 {
        let totals = self.0.iter_mut().map(Count::total);
        totals.fold(0, u64::saturating_add)
    }
}

/// A count that was not 0 when it was opened.
struct Count {
    file: File,
    last: u64,
    total: u64,
}

impl Count {
    fn open(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        let last = number(&file)?;
        Some(Self {
            file,
            last,
            total: 0,
        })
    }

    /// What came since it was opened. Where a driver set it back, what came before that stays, and
    /// it is counted on from there; where it can't be read, nothing came.
    fn total(&mut self) -> u64 {
        if let Some(now) = number(&self.file) {
            self.total = self.total.saturating_add(now.saturating_sub(self.last));
            self.last = now;
        }
        self.total
    }
}

fn number(file: &File) -> Option<u64> {
    let mut text = [0; 32];
    let read = file.read_at(&mut text, 0).ok()?;
    let text = std::str::from_utf8(&text[..read]).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: [u8; 6] = [2, 0, 0xab, 0, 0, 9];

    fn interface() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("statistics")).expect("room");
        fs::write(folder.path().join("ifindex"), "7\n").expect("room");
        fs::write(folder.path().join("address"), "02:00:ab:00:00:09\n").expect("room");
        count(&folder, COUNTS[0], "100\n");
        count(&folder, COUNTS[1], "5\n");
        folder
    }

    /// In place, as the kernel's files change.
    fn count(folder: &tempfile::TempDir, name: &str, text: &str) {
        fs::write(folder.path().join("statistics").join(name), text).expect("room");
    }

    #[test]
    fn counts_from_the_start_and_never_back() {
        let folder = interface();
        let mut drops = InterfaceDrops::open(folder.path(), 7, Some(ADDRESS));
        assert_eq!(drops.total(), 0);
        count(&folder, COUNTS[0], "103\n");
        assert_eq!(drops.total(), 3);
        count(&folder, COUNTS[1], "6\n");
        assert_eq!(drops.total(), 4);
        for nonsense in ["", "-1\n", "many\n", "99999999999999999999999\n"] {
            count(&folder, COUNTS[0], nonsense);
            assert_eq!(drops.total(), 4, "{nonsense:?}");
        }
        count(&folder, COUNTS[0], "0\n");
        assert_eq!(drops.total(), 4);
        count(&folder, COUNTS[0], "2\n");
        assert_eq!(drops.total(), 6);
    }

    #[test]
    fn counts_what_there_is() {
        let folder = interface();
        fs::remove_file(folder.path().join("statistics").join(COUNTS[0])).expect("it is there");
        let mut drops = InterfaceDrops::open(folder.path(), 7, None);
        count(&folder, COUNTS[1], "8\n");
        assert_eq!(drops.total(), 3);
        let nowhere = folder.path().join("nowhere");
        assert_eq!(InterfaceDrops::open(&nowhere, 7, None).total(), 0);
    }

    #[test]
    fn leaves_out_another_interface() {
        let folder = interface();
        let other = [2, 0, 0xab, 0, 0, 8];
        for (index, address) in [(8, None), (8, Some(ADDRESS)), (7, Some(other))] {
            let mut drops = InterfaceDrops::open(folder.path(), index, address);
            count(&folder, COUNTS[0], "200\n");
            assert_eq!(drops.total(), 0, "{index} {address:?}");
            count(&folder, COUNTS[0], "100\n");
        }
    }
}
