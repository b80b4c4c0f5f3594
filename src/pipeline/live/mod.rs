//! Drives the stages from interfaces to an observation that grows: a thread for each interface
//! reads frames where they lie in the ring, and what it gathered is added here.

mod gather;

use std::io::{self, PipeWriter};
use std::num::NonZeroUsize;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use self::gather::{Gatherer, Shared, Stop, Told};
use crate::capture::live::{LiveCapture, LiveCounters};
use crate::net::Timestamp;
use crate::observation::{Observation, Part, Piece, Window};

/// Takes packets as pcapng blocks, whole ones, as they were captured. It may wait: the ring holds
/// what comes meanwhile, and what it can't hold is counted.
pub type Tap = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// How often fragments of a single interface are settled, which come by the thousands where TFTP sends
/// large blocks. Of several they wait until flows are retired: the first may be another's.
const SETTLE_TIME: Duration = Duration::from_secs(10);

/// What to read.
#[derive(Clone)]
pub struct LiveInput {
    /// Flows held one by one of each interface, and of all.
    pub max_flows: usize,
    /// So many packets are read of all interfaces together.
    pub packets: Option<u64>,
    /// Who keeps the packets.
    pub tap: Option<Tap>,
}

/// How an interface stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InterfaceState {
    /// Frames can come.
    Up,
    /// None can, as long as nobody brings it up again.
    Down,
    /// No more comes.
    Ended {
        /// Why, where nobody asked for the end.
        problem: Option<String>,
        /// Whether it was down then.
        was_down: bool,
    },
}

/// An interface, and what was seen of it.
pub struct LiveInterface {
    /// Its name.
    pub name: String,
    /// Packets received and lost.
    pub counters: LiveCounters,
    /// How it stands.
    pub state: InterfaceState,
    part: Part,
    /// Whatever arrived until then is in the part.
    until: Timestamp,
    /// When its fragments were settled.
    settled: Instant,
    /// Whether something that it told was not taken yet.
    lies_there: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl LiveInterface {
    /// Packets read, and their bytes on the wire.
    pub fn seen(&self) -> (u64, u64) {
        let mut captures = self.part.captures();
        captures
            .next()
            .map_or((0, 0), |record| (record.packets, record.bytes))
    }

    fn is_running(&self) -> bool {
        !matches!(self.state, InterfaceState::Ended { .. })
    }

    /// Takes up what was told; whether it is new. `settles`: no other interface can have the rest of
    /// its fragments.
    fn take(&mut self, told: Told, settles: bool) -> bool {
        let is_new =
            told.slice.is_some() || told.counters != self.counters || told.state != self.state;
        self.until = told.until;
        if let Some(slice) = told.slice {
            self.part.append(*slice);
        }
        if settles && self.settled.elapsed() >= SETTLE_TIME {
            self.settled = Instant::now();
            self.part.settle_fragments(self.until);
        }
        self.counters = told.counters;
        self.state = told.state;
        let problem = match &self.state {
            InterfaceState::Ended { problem, .. } => problem.clone(),
            InterfaceState::Up | InterfaceState::Down => None,
        };
        self.part
            .close(self.part.packets(), Some(self.counters.lost()), problem);
        is_new
    }
}

/// Interfaces that are read.
pub struct Live {
    interfaces: Vec<LiveInterface>,
    told: Receiver<Told>,
    stop: Arc<Stop>,
    /// Packets still wanted, where that is bounded.
    budget: Option<Arc<AtomicU64>>,
    /// Closed, it wakes every thread.
    wake: Option<PipeWriter>,
}

impl Live {
    /// Starts to read `captures`. Who keeps the packets is held by its threads alone.
    ///
    /// # Errors
    /// Where the system has no pipe or thread left.
    pub fn start(captures: Vec<LiveCapture>, input: LiveInput) -> io::Result<Self> {
        let (woken, wake) = io::pipe()?;
        let (sender, told) = mpsc::channel();
        let shared = Shared {
            stop: Arc::new(Stop {
                is_wanted: AtomicBool::new(false),
                woken,
            }),
            budget: input.packets.map(AtomicU64::new).map(Arc::new),
            sender,
        };
        let mut live = Self {
            interfaces: Vec::new(),
            told,
            stop: Arc::clone(&shared.stop),
            budget: shared.budget.clone(),
            wake: Some(wake),
        };
        for (number, capture) in captures.into_iter().enumerate() {
            let name = capture.name().to_owned();
            let (part, until) = (begin(&name, input.max_flows), capture.read_until());
            let gatherer = Gatherer::new(number, capture, &input, &shared);
            let lies_there = Arc::clone(&gatherer.lies_there);
            let thread = thread::Builder::new().name(format!("capture-{number}"));
            live.interfaces.push(LiveInterface {
                name,
                counters: LiveCounters::default(),
                state: InterfaceState::Up,
                part,
                until,
                settled: Instant::now(),
                lies_there,
                thread: Some(thread.spawn(|| gatherer.run())?),
            });
        }
        Ok(live)
    }

    /// Waits at most so long for what is told, and takes it up; `false` where that is nothing new.
    ///
    /// # Panics
    /// Where a thread did.
    pub fn take_next(&mut self, most: Duration) -> bool {
        let told = match self.told.recv_timeout(most) {
            Ok(told) => told,
            Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => {
                self.join_ended();
                return false;
            }
        };
        let is_alone = self.interfaces.len() == 1;
        let interface = &mut self.interfaces[told.interface];
        interface.lies_there.store(false, Ordering::Release);
        let is_new = interface.take(told, is_alone);
        if !interface.is_running()
            && let Some(thread) = interface.thread.take()
        {
            join(thread);
        }
        if !is_new {
            self.join_ended();
        }
        is_new
    }

    /// Finds threads that ended without a word.
    fn join_ended(&mut self) {
        for interface in &mut self.interfaces {
            if let Some(thread) = interface.thread.take_if(|thread| thread.is_finished()) {
                join(thread);
            }
        }
    }

    /// The interfaces in the order in which they were given.
    pub fn interfaces(&self) -> &[LiveInterface] {
        &self.interfaces
    }

    /// Whether more can come.
    pub fn is_running(&self) -> bool {
        self.interfaces.iter().any(LiveInterface::is_running)
    }

    /// Whether as many packets were read as were wanted.
    pub fn is_full(&self) -> bool {
        let left = |budget: &Arc<AtomicU64>| budget.load(Ordering::Relaxed);
        self.budget.as_ref().is_some_and(|budget| left(budget) == 0)
    }

    /// Ends reading: what the rings hold now still comes.
    pub fn stop(&mut self) {
        self.stop.is_wanted.store(true, Ordering::Relaxed);
        self.wake = None;
    }

    /// Changes what is held of each interface.
    pub fn each_part(&mut self, mut change: impl FnMut(&mut Part)) {
        for interface in &mut self.interfaces {
            change(&mut interface.part);
        }
    }

    /// Until when all was seen that arrived: now, or as long ago as an interface was read. What
    /// is not read yet may be long, where a disk holds up who keeps the packets.
    pub fn seen_until(&self) -> Timestamp {
        let running = self.interfaces.iter().filter(|it| it.is_running());
        let read = running.map(|interface| interface.until);
        read.fold(Timestamp::now(), Timestamp::min)
    }

    /// All that was seen.
    pub fn observation(&self) -> Observation {
        let until = self.seen_until();
        let parts = self.interfaces.iter().map(|interface| {
            let mut part = interface.part.clone();
            part.watched_until(until);
            part
        });
        Part::merge_all(parts.collect(), NonZeroUsize::MIN).finish()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stop();
        for interface in &mut self.interfaces {
            // What it says no longer matters, not even that it panicked.
            let _ = interface.thread.take().map(JoinHandle::join);
        }
    }
}

/// A panic of a thread is one of whoever asks for what it saw.
fn join(thread: JoinHandle<()>) {
    if let Err(payload) = thread.join() {
        panic::resume_unwind(payload);
    }
}

/// Nothing seen yet of an interface.
fn begin(name: &str, max_flows: usize) -> Part {
    let piece = Piece {
        source: name.to_owned(),
        format: Some("live"),
        compression: None,
        first: Timestamp::MAX,
        offset: 0,
    };
    Part::new(piece, Window::default(), max_flows)
}
