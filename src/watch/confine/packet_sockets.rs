//! Which descriptors of this process are packet sockets, so that nothing can be sent through them.

use std::collections::HashSet;
use std::fs;
use std::os::fd::RawFd;

/// The packet sockets that this process has open; none where /proc does not tell.
pub(super) fn open_here() -> Vec<RawFd> {
    let table = fs::read_to_string("/proc/net/packet").unwrap_or_default();
    let inodes = inodes(&table);
    let Ok(descriptors) = fs::read_dir("/proc/self/fd") else {
        return Vec::new();
    };
    let mut found: Vec<RawFd> = descriptors
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let target = fs::read_link(entry.path()).ok()?;
            let inode = target
                .to_str()?
                .strip_prefix("socket:[")?
                .strip_suffix(']')?;
            inodes.contains(inode).then_some(())?;
            entry.file_name().to_str()?.parse().ok()
        })
        .collect();
    found.sort_unstable();
    found
}

/// The inode numbers of the table, the last of nine columns under a headline.
fn inodes(table: &str) -> HashSet<&str> {
    let rows = table.lines().skip(1);
    rows.filter_map(|row| row.split_whitespace().nth(8))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_table_of_packet_sockets() {
        let table = "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n\
                     ffff8880047cd000 3      3    0003   0     1 0      0      5123 \n\
                     ffff8880047cd800 3      3    0003   12    1 0      65534  77\n\
                     broken\n";
        assert_eq!(inodes(table), HashSet::from(["5123", "77"]));
        assert!(inodes("").is_empty());
    }
}
