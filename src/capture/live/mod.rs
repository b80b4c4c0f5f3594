//! Frames of a network interface, as they arrive, through libpcap: handed over one by one as they
//! lie in the ring that the kernel writes. Never waits but where it is asked to.
//!
//! Clock: the system's, in nanoseconds. An adapter's own clock would have to be set to the
//! system's by somebody, or frames of two interfaces could not be put in order.

mod counters;
mod drops;
mod error;
mod interface;
mod socket;
mod state;

use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use pcap::{Active, Capture, Linktype, Precision};

use super::{Frame, LinkType};
use crate::net::Timestamp;
use counters::Wrapping;
use drops::InterfaceDrops;
use error::words;
use interface::is_interface;
use socket::Socket;
use state::SocketList;

pub use counters::LiveCounters;
pub use error::{LiveProblem, OpenError};
pub use interface::{Interface, interfaces};
pub use socket::Ready;

/// The interface that stands for all others.
pub const ANY: &str = "any";

/// Longest that the kernel fills a block of the ring before it hands it over.
///
/// Blocks (TPACKET_V3), because without them (libpcap's immediate mode) every frame takes the room
/// of the longest that can be: of a hundred thousand frames a second that were read with pauses of
/// 30 ms, 62 % were lost with a ring of 16 MiB, and 26 % with 64 MiB; in blocks none. Not shorter,
/// because a block that is handed over is taken until it is read, were there one frame in it: of
/// 80 frames a second with a pause of 3 s, blocks of 10 ms lost 59 %, these none.
const BLOCK_TIME: Duration = Duration::from_millis(100);
/// How long the kernel may hold back a frame that it has captured.
const FLUSH_TIME: Duration = BLOCK_TIME.saturating_mul(2);
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
            // libpcap's largest, four times what segmentation offload makes. In blocks a frame takes
            // the room that it needs, so this costs nothing.
            snaplen: 262_144,
            promiscuous: true,
            // Of a hundred thousand frames a second (0.5 Gbit/s) read with pauses of 300 ms, 2 MiB
            // lost 25 %, 16 MiB 10 %, this none.
            buffer_bytes: 32 << 20,
            filter: None,
        }
    }
}

/// One open interface.
pub struct LiveCapture {
    name: String,
    capture: Capture<Active>,
    link_type: LinkType,
    snaplen: u32,
    is_nanosecond: bool,
    /// The kernel's number of the interface, which no other gets; `None` for `any`.
    index: Option<u32>,
    /// Whether it went down and nobody was told.
    is_down_untold: Cell<bool>,
    /// Frames handed over.
    frames: u64,
    read_until: Timestamp,
    received: Wrapping,
    dropped: Wrapping,
    interface_dropped: InterfaceDrops,
    sockets: Option<SocketList>,
}

impl LiveCapture {
    /// Opens an interface.
    ///
    /// # Errors
    /// Where it isn't there or is down, may not be captured, or the filter isn't understood.
    pub fn open(interface: &str, options: &LiveOptions) -> Result<Self, OpenError> {
        if !is_interface(interface) {
            return Err(OpenError::no_such(interface));
        }
        let is_any = interface == ANY;
        let begun = Timestamp::now();
        // Elsewhere libpcap gives microseconds, and doesn't say so.
        let is_nanosecond = cfg!(target_os = "linux");
        let clock = if is_nanosecond {
            Precision::Nano
        } else {
            Precision::Micro
        };
        let refused = |error: pcap::Error| OpenError::new(interface, &error);
        // `any`: version 1 of the cooked header. libpcap (1.10) puts VLAN tags that the kernel took
        // off back into it, into version 2 not, and that has nothing else that is used here.
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
                .map_err(|error| OpenError::filter(interface, filter, &error))?;
        }
        let index = socket::index(&capture, interface);
        let interface_dropped = index.map(|index| {
            let folder = Path::new("/sys/class/net").join(interface);
            InterfaceDrops::open(&folder, index, socket::address(&capture))
        });
        Ok(Self {
            name: interface.to_owned(),
            link_type: link_type(capture.get_datalink()),
            snaplen: options.snaplen,
            index,
            sockets: SocketList::open(&capture),
            capture,
            is_nanosecond,
            is_down_untold: Cell::default(),
            frames: 0,
            read_until: begun,
            received: Wrapping::default(),
            dropped: Wrapping::default(),
            interface_dropped: interface_dropped.unwrap_or_default(),
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

    /// Whatever arrived until then was handed over.
    pub fn read_until(&self) -> Timestamp {
        self.read_until
    }

    /// Hands over the frames that there are now, numbered from 1, but no more than a thousand or
    /// so: there may be more where it returns other than 0. Never waits.
    ///
    /// # Errors
    /// Where there are none because the interface is gone; [`Self::drain`] still gives what the
    /// kernel holds back of it.
    pub fn read(&mut self, visit: impl FnMut(&Frame<'_>)) -> Result<usize, LiveProblem> {
        // Before libpcap meets it, which gives nothing more of an interface that is gone.
        if self.socket().went_down()? {
            self.is_down_untold.set(true);
        }
        let now = Timestamp::now();
        let read = self.dispatch(visit)?;
        if read == 0 {
            if self.socket().is_gone() {
                return Err(self.socket().gone());
            }
            self.read_until = Timestamp(now.0.saturating_sub(FLUSH_TIME.as_nanos() as i64));
        }
        Ok(read)
    }

    /// Waits until there are frames, `wake` is readable, or the time is over.
    ///
    /// # Errors
    /// Where the interface is gone, or went down (told once each time): frames go on when it is up
    /// again.
    pub fn wait(&self, wake: BorrowedFd<'_>, most: Duration) -> Result<Ready, LiveProblem> {
        if self.is_down_untold.take() {
            return Err(self.socket().down());
        }
        self.socket().wait(Some(wake), most)
    }

    /// Whether the interface is up, so that frames can come; `None` where the system doesn't say.
    pub fn is_up(&self) -> Option<bool> {
        self.sockets.as_ref()?.is_up()
    }

    /// Hands over the rest of what was captured up to now, which may take some tenths of a second,
    /// and leaves what arrives meanwhile. Also where the interface is down or gone.
    ///
    /// # Errors
    /// Where the system can't go on.
    pub fn drain(&mut self, mut visit: impl FnMut(&Frame<'_>)) -> Result<(), LiveProblem> {
        let begin = Instant::now();
        let now = Timestamp::now();
        let counters = self.counters()?;
        let due = counters.received.saturating_sub(counters.dropped);
        let mut last = Timestamp::UNKNOWN;
        while self.frames < due {
            self.socket().went_down()?;
            let read = match self.dispatch(|frame| {
                last = frame.time;
                visit(frame);
            }) {
                Err(LiveProblem::Gone { .. }) => return Ok(()),
                read => read?,
            };
            let elapsed = begin.elapsed();
            // Where more is counted than handed over, as on loopbacks.
            let is_flushed = elapsed >= FLUSH_TIME && (read == 0 || last > now);
            if is_flushed || elapsed > LONGEST_DRAIN {
                break;
            }
            if read == 0 {
                let rest = FLUSH_TIME.saturating_sub(elapsed);
                let waited = self.socket().wait(None, rest);
                if let Err(problem @ LiveProblem::Other { .. }) = waited {
                    return Err(problem);
                }
            }
        }
        Ok(())
    }

    /// What was counted since the interface was opened. To be asked for at least every few
    /// minutes, because the counts behind it wrap.
    ///
    /// # Errors
    /// Where the system doesn't say.
    pub fn counters(&mut self) -> Result<LiveCounters, LiveProblem> {
        let counted = self.capture.stats();
        let counted = counted.map_err(|error| self.problem(&error))?;
        Ok(LiveCounters {
            received: self.received.add(counted.received),
            dropped: self.dropped.add(counted.dropped),
            interface_dropped: self.interface_dropped.total(),
        })
    }

    /// What libpcap has, numbered and in our terms.
    fn dispatch(&mut self, mut visit: impl FnMut(&Frame<'_>)) -> Result<usize, LiveProblem> {
        let (number, last) = (&mut self.frames, &mut self.read_until);
        let link_type = self.link_type;
        let fraction = if self.is_nanosecond { 1 } else { 1000 };
        let read = self.capture.dispatch(Some(BATCH), |packet| {
            *number += 1;
            let time = packet.header.ts;
            *last = Timestamp(time.tv_sec * 1_000_000_000 + time.tv_usec * fraction);
            visit(&Frame {
                number: *number,
                time: *last,
                link_type,
                wire_length: packet.header.len,
                data: packet.data,
            });
        });
        read.map_err(|error| self.problem(&error))
    }

    fn socket(&self) -> Socket<'_> {
        Socket {
            capture: &self.capture,
            name: &self.name,
            index: self.index,
        }
    }

    fn problem(&self, error: &pcap::Error) -> LiveProblem {
        let socket = self.socket();
        if socket.is_gone() {
            return socket.gone();
        }
        LiveProblem::Other {
            name: self.name.clone(),
            message: words(error),
        }
    }
}

/// The socket that it receives from.
impl AsFd for LiveCapture {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.capture.as_fd()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// libpcap opens some of them.
    #[test]
    fn refuses_what_is_no_interface() {
        for name in ["nflog", "nfqueue", "dbus-system", "", "\u{1b}[2J"] {
            let opened = LiveCapture::open(name, &LiveOptions::default());
            let refused = opened.err().expect("it is none");
            let OpenError::NoSuchInterface { existing, .. } = &refused else {
                panic!("{name}: {refused}");
            };
            assert!(!existing.iter().any(|existing| existing == name));
        }
    }
}
