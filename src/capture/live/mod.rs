//! Frames of a network interface, as they arrive, through libpcap: handed over one by one as they
//! lie in the ring that the kernel writes. Never waits but where it is asked to.
//!
//! Clock: the system's, in nanoseconds. An adapter's own clock would have to be set to the
//! system's by somebody, or frames of two interfaces could not be put in order.

mod counters;
mod error;
mod interface;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{LinkAddr, getsockname, getsockopt, sockopt};
use pcap::{Active, Capture, Linktype, Precision};

use super::{Frame, LinkType};
use crate::net::Timestamp;
use counters::Wrapping;

pub use counters::LiveCounters;
pub use error::{LiveProblem, OpenError};
pub use interface::{Interface, interfaces};

/// The interface that stands for all others.
pub const ANY: &str = "any";

/// Longest that the kernel fills a block of the ring before it hands it over.
const BLOCK_TIME: Duration = Duration::from_millis(100);
/// Most frames that one read hands over: some milliseconds' work.
const BATCH: usize = 1024;
/// Longest that what was captured before a stop is read after it. Only a clock that was set back
/// while frames pour in takes so long.
const LONGEST_DRAIN: Duration = Duration::from_secs(5);

/// How an interface is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveOptions {
    /// Most bytes of a frame that are captured.
    pub snaplen: u32,
    /// Whether frames for other stations are captured, too.
    pub promiscuous: bool,
    /// Size of the kernel's ring, in bytes.
    pub buffer_bytes: usize,
    /// Frames to capture, in the language of libpcap (pcap-filter(7)).
    pub filter: Option<String>,
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self {
            // libpcap's largest, four times what segmentation offload makes.
            snaplen: 262_144,
            promiscuous: true,
            buffer_bytes: 32 << 20,
            filter: None,
        }
    }
}

/// Why [`LiveCapture::wait`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// There are frames to read.
    Frames,
    /// The other descriptor is readable.
    Woken,
    /// The time is over, or a signal arrived.
    Time,
}

/// One open interface.
pub struct LiveCapture {
    name: String,
    capture: Capture<Active>,
    link_type: LinkType,
    snaplen: u32,
    is_nanosecond: bool,
    /// Frames handed over.
    frames: u64,
    received: Wrapping,
    dropped: Wrapping,
}

impl LiveCapture {
    /// Opens an interface.
    ///
    /// # Errors
    /// Where it isn't there or is down, may not be captured, or the filter isn't understood.
    pub fn open(interface: &str, options: &LiveOptions) -> Result<Self, OpenError> {
        let is_any = interface == ANY;
        // Elsewhere libpcap gives microseconds, and doesn't say so.
        let is_nanosecond = cfg!(target_os = "linux");
        let clock = if is_nanosecond {
            Precision::Nano
        } else {
            Precision::Micro
        };
        let refused = |error: pcap::Error| OpenError::new(interface, &error);
        let mut capture = Capture::from_device(interface)
            .map_err(refused)?
            // Refused for `any`, which has no such mode.
            .promisc(options.promiscuous && !is_any)
            .snaplen(options.snaplen.try_into().unwrap_or(i32::MAX))
            .buffer_size(options.buffer_bytes.try_into().unwrap_or(i32::MAX))
            .timeout(BLOCK_TIME.as_millis() as i32)
            .precision(clock)
            .open()
            .map_err(refused)?
            .setnonblock()
            .map_err(refused)?;
        if let Some(filter) = &options.filter {
            capture
                .filter(filter, true)
                .map_err(|error| OpenError::filter(filter, &error))?;
        }
        Ok(Self {
            name: interface.to_owned(),
            link_type: link_type(capture.get_datalink()),
            snaplen: options.snaplen,
            capture,
            is_nanosecond,
            frames: 0,
            received: Wrapping::default(),
            dropped: Wrapping::default(),
        })
    }

    /// The interface, as it was named.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its frames begin with.
    pub fn link_type(&self) -> LinkType {
        self.link_type
    }

    /// Most bytes of a frame that are captured.
    pub fn snaplen(&self) -> u32 {
        self.snaplen
    }

    /// Whether its times are exact to the nanosecond, or else to the microsecond.
    pub fn is_nanosecond(&self) -> bool {
        self.is_nanosecond
    }

    /// Frames handed over so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Hands over the frames that there are now, numbered from 1, but no more than a thousand or
    /// so: there are more where it returns other than 0. Never waits.
    ///
    /// # Errors
    /// Where the interface is gone. Where it is only down, frames go on when it comes back.
    pub fn read(&mut self, mut visit: impl FnMut(&Frame<'_>)) -> Result<usize, LiveProblem> {
        let number = &mut self.frames;
        let link_type = self.link_type;
        let fraction = if self.is_nanosecond { 1 } else { 1000 };
        let read = self.capture.dispatch(Some(BATCH), |packet| {
            *number += 1;
            let time = packet.header.ts;
            visit(&Frame {
                number: *number,
                time: Timestamp(time.tv_sec * 1_000_000_000 + time.tv_usec * fraction),
                link_type,
                wire_length: packet.header.len,
                data: packet.data,
            });
        });
        match read {
            Ok(0) if self.is_gone() => Err(self.gone()),
            Ok(read) => Ok(read),
            Err(error) => Err(self.problem(error.to_string())),
        }
    }

    /// Waits until there are frames, `wake` is readable, or the time is over.
    ///
    /// # Errors
    /// Where the interface is gone, or went down (told once each time).
    pub fn wait(&self, wake: BorrowedFd<'_>, most: Duration) -> Result<Ready, LiveProblem> {
        let mut fds = [
            PollFd::new(self.capture.as_fd(), PollFlags::POLLIN),
            PollFd::new(wake, PollFlags::POLLIN),
        ];
        self.poll(&mut fds, most)?;
        let [frames, wake] = fds.map(|fd| fd.any().unwrap_or(false));
        Ok(match (wake, frames) {
            (true, _) => Ready::Woken,
            (false, true) => Ready::Frames,
            (false, false) => Ready::Time,
        })
    }

    /// Hands over the rest of what was captured up to now, which may take [`Self::flush_time`],
    /// and leaves what arrives meanwhile.
    ///
    /// # Errors
    /// As [`Self::read`]; what had been captured was handed over before.
    pub fn drain(&mut self, mut visit: impl FnMut(&Frame<'_>)) -> Result<(), LiveProblem> {
        let begin = Instant::now();
        let now = now();
        let counters = self.counters()?;
        let due = counters.received - counters.dropped;
        let mut last = Timestamp::UNKNOWN;
        loop {
            let read = self.read(|frame| {
                last = frame.time;
                visit(frame);
            })?;
            let elapsed = begin.elapsed();
            // On loopbacks more is counted than handed over.
            let is_flushed = elapsed >= self.flush_time() && (read == 0 || last > now);
            if self.frames >= due || is_flushed || elapsed > LONGEST_DRAIN {
                return Ok(());
            }
            if read == 0 {
                let mut fds = [PollFd::new(self.capture.as_fd(), PollFlags::POLLIN)];
                let rest = self.flush_time().saturating_sub(elapsed);
                match self.poll(&mut fds, rest) {
                    // What it has is handed over all the same.
                    Ok(()) | Err(LiveProblem::Down { .. }) => {}
                    Err(problem) => return Err(problem),
                }
            }
        }
    }

    /// What the kernel counted since the interface was opened. To be asked for at least every few
    /// minutes, because the counts behind it wrap.
    ///
    /// # Errors
    /// Where the system doesn't say.
    pub fn counters(&mut self) -> Result<LiveCounters, LiveProblem> {
        let counted = self.capture.stats();
        let counted = counted.map_err(|error| self.problem(error.to_string()))?;
        Ok(LiveCounters {
            received: self.received.add(counted.received),
            dropped: self.dropped.add(counted.dropped),
        })
    }

    /// How long the kernel may hold back a frame that it has captured.
    pub fn flush_time(&self) -> Duration {
        2 * BLOCK_TIME
    }

    /// Waits, and looks whether the interface went away.
    fn poll(&self, fds: &mut [PollFd<'_>], most: Duration) -> Result<(), LiveProblem> {
        // Rounded up: a wait of no time at all would be asked for again and again.
        let milliseconds = most.as_nanos().div_ceil(1_000_000);
        let timeout = i32::try_from(milliseconds).unwrap_or(i32::MAX);
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        match poll(fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(self.problem(error.to_string())),
        }
        let failed = PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL;
        let events = fds[0].revents().unwrap_or(PollFlags::empty());
        if !events.intersects(failed) {
            return Ok(());
        }
        if self.is_gone() {
            return Err(self.gone());
        }
        // Asking takes the error off the socket, so that it is told once.
        match getsockopt(&self.capture, sockopt::SocketError) {
            Ok(0) => Ok(()),
            Ok(error) if Errno::from_raw(error) == Errno::ENETDOWN => Err(LiveProblem::Down {
                name: self.name.clone(),
            }),
            Ok(error) => Err(self.problem(Errno::from_raw(error).to_string())),
            Err(error) => Err(self.problem(error.to_string())),
        }
    }

    /// Whether the interface was removed: the kernel unbinds its socket for good then, also where
    /// one of the same name comes after it.
    fn is_gone(&self) -> bool {
        #[cfg(target_os = "linux")]
        let gone = self.name != ANY
            && getsockname::<LinkAddr>(self.capture.as_raw_fd())
                .is_ok_and(|address| address.ifindex() as i32 == -1);
        #[cfg(not(target_os = "linux"))]
        let gone = false;
        gone
    }

    fn gone(&self) -> LiveProblem {
        LiveProblem::Gone {
            name: self.name.clone(),
        }
    }

    fn problem(&self, message: String) -> LiveProblem {
        if self.is_gone() {
            return self.gone();
        }
        LiveProblem::Other {
            name: self.name.clone(),
            message,
        }
    }
}

/// Now, by the clock of the frames.
fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// The number that stands in files for libpcap's: they differ where systems disagree.
fn link_type(number: Linktype) -> LinkType {
    match u16::try_from(number.0) {
        Ok(11) => LinkType(100),
        Ok(12 | 14) => LinkType::RAW,
        Ok(number) => LinkType(number),
        Err(_) => LinkType(u16::MAX),
    }
}
