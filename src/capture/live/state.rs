//! Whether a capture's socket is at work, by the kernel's own list of such sockets.
//!
//! No other sign is as good: an interface that comes up again says nothing to the socket, and the
//! ioctl that tells its flags has no safe call here. The list is of the socket's own network
//! namespace.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use nix::sys::stat::fstat;

/// The list.
const PATH: &str = "/proc/net/packet";
/// Most of it that is read: ten thousand sockets.
const LONGEST: usize = 1 << 20;

/// The list, opened while files may be.
pub(super) struct SocketList {
    file: File,
    /// The number of the socket.
    inode: u64,
}

impl SocketList {
    /// `None` where the system has no such list.
    pub(super) fn open(socket: impl AsFd) -> Option<Self> {
        let inode = fstat(socket).ok()?.st_ino;
        let file = File::open(PATH).ok()?;
        Some(Self { file, inode })
    }

    /// Whether frames can come: the interface is up. `None` where that is not said.
    pub(super) fn is_up(&self) -> Option<bool> {
        let mut text = Vec::new();
        let mut some = [0; 4096];
        while text.len() < LONGEST {
            match self.file.read_at(&mut some, text.len() as u64).ok()? {
                0 => break,
                read => text.extend_from_slice(&some[..read]),
            }
        }
        is_running(std::str::from_utf8(&text).ok()?, self.inode)
    }
}

/// Lines are `sk RefCnt Type Proto Iface R Rmem User Inode`; `R` is 1 where the socket gets frames.
fn is_running(list: &str, inode: u64) -> Option<bool> {
    list.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, _, _, _, _, running, _, _, number] = fields[..] else {
            return None;
        };
        (number.parse() == Ok(inode)).then_some(running == "1")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
sk               RefCnt Type Proto  Iface R Rmem   User   Inode
0000000000000000 3      3    0003   2     1 0      0      31055 
0000000000000000 3      3    0003   7     0 4096   65534  31056 
";

    #[test]
    fn finds_the_socket() {
        assert_eq!(is_running(LIST, 31055), Some(true));
        assert_eq!(is_running(LIST, 31056), Some(false));
        assert_eq!(is_running(LIST, 3105), None);
        assert_eq!(is_running(&LIST[..LIST.len() - 4], 31056), None);
        assert_eq!(is_running("", 0), None);
    }
}
