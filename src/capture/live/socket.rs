//! The socket behind a capture: waits for frames, and knows what became of the interface.

#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
#[cfg(target_os = "linux")]
use nix::sys::socket::{LinkAddr, getsockname};
use pcap::{Active, Capture};
#[cfg(target_os = "linux")]
use rustix::net::netdevice;
use rustix::net::sockopt::socket_error;

use super::{ANY, LiveProblem};

/// Why [`LiveCapture::wait`](super::LiveCapture::wait) came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// There are frames to read.
    Frames,
    /// The other descriptor is readable; there may be frames, too.
    Woken,
    /// The time is over, or a signal arrived.
    Time,
}

/// The socket, and what it was bound to.
///
/// Everything is asked of this very socket: when a capture runs, no other may be opened any more.
pub(super) struct Socket<'a> {
    pub(super) capture: &'a Capture<Active>,
    /// The interface, as it was named.
    pub(super) name: &'a str,
    /// The kernel's number of the interface.
    pub(super) index: Option<u32>,
}

/// The number of an interface, which no other gets; `None` where the system has none, as for `any`.
#[cfg(target_os = "linux")]
pub(super) fn index(capture: &Capture<Active>, name: &str) -> Option<u32> {
    let index = netdevice::name_to_index(capture, name).ok();
    index.filter(|_| name != ANY)
}

/// The number of an interface, which no other gets; `None` where the system has none.
#[cfg(not(target_os = "linux"))]
pub(super) fn index(_: &Capture<Active>, _: &str) -> Option<u32> {
    None
}

/// The address of the interface at its link, where that is one of Ethernet's.
#[cfg(target_os = "linux")]
pub(super) fn address(capture: &Capture<Active>) -> Option<[u8; 6]> {
    let link: LinkAddr = getsockname(capture.as_fd().as_raw_fd()).ok()?;
    link.addr().filter(|_| link.halen() == 6)
}

/// The address of the interface at its link; only asked where it has a number.
#[cfg(not(target_os = "linux"))]
pub(super) fn address(_: &Capture<Active>) -> Option<[u8; 6]> {
    None
}

impl Socket<'_> {
    /// Waits until there are frames, `wake` is readable, or the time is over.
    pub(super) fn wait(
        &self,
        wake: Option<BorrowedFd<'_>>,
        most: Duration,
    ) -> Result<Ready, LiveProblem> {
        let frames = self.capture.as_fd();
        let mut fds = [frames, wake.unwrap_or(frames)].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        // Rounded up: a wait of no time at all would be asked for again and again.
        let milliseconds = most.as_nanos().div_ceil(1_000_000);
        let timeout = PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, timeout) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(Ready::Time),
            Err(error) => return Err(self.failed(&error)),
        }
        let [frames, woken] = fds.map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
        let is_failed = frames.intersects(PollFlags::all() - PollFlags::POLLIN);
        if is_failed && self.went_down()? {
            return Err(if self.is_gone() {
                self.gone()
            } else {
                self.down()
            });
        }
        Ok(if wake.is_some() && !woken.is_empty() {
            Ready::Woken
        } else if !frames.is_empty() {
            Ready::Frames
        } else {
            Ready::Time
        })
    }

    /// Whether the interface went down, or was removed, since this was asked last: asking takes the
    /// error off the socket.
    pub(super) fn went_down(&self) -> Result<bool, LiveProblem> {
        match socket_error(self.capture) {
            Ok(Ok(())) => Ok(false),
            Ok(Err(rustix::io::Errno::NETDOWN)) => Ok(true),
            Ok(Err(error)) | Err(error) => Err(self.failed(&error)),
        }
    }

    /// Whether the interface was removed. One of the same name that comes after it is another: the
    /// socket is not bound to that.
    #[cfg(target_os = "linux")]
    pub(super) fn is_gone(&self) -> bool {
        self.index
            .is_some_and(|index| netdevice::index_to_name_inlined(self.capture, index).is_err())
    }

    /// Left to libpcap's words.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn is_gone(&self) -> bool {
        false
    }

    pub(super) fn gone(&self) -> LiveProblem {
        LiveProblem::Gone {
            name: self.name.to_owned(),
        }
    }

    pub(super) fn down(&self) -> LiveProblem {
        LiveProblem::Down {
            name: self.name.to_owned(),
        }
    }

    fn failed(&self, error: &impl std::fmt::Display) -> LiveProblem {
        LiveProblem::Other {
            name: self.name.to_owned(),
            message: error.to_string(),
        }
    }
}
