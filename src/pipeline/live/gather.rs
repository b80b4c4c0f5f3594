//! One thread: reads an interface, and hands over what it gathered. It never waits for who takes
//! that: while the last slice lies there, it goes on gathering.

use std::io::PipeReader;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use super::{InterfaceState, LiveInput, begin};
use crate::capture::live::{LiveCapture, LiveCounters, LiveProblem};
use crate::capture::{Blocks, Frame};
use crate::net::Timestamp;
use crate::observation::Part;

/// How often it is told what was seen: often enough for who looks on.
const SLICE_TIME: Duration = Duration::from_millis(200);
/// Shortest wait: a thread that has something to tell and nobody who takes it must not spin.
const SHORTEST_WAIT: Duration = Duration::from_millis(5);
/// Bytes of packets given to the tap at a time where they come fast.
const TAP_BYTES: usize = 256 << 10;

/// What a thread tells of its interface.
pub(super) struct Told {
    /// Index of the interface.
    pub(super) interface: usize,
    /// What was seen since the last time.
    pub(super) slice: Option<Box<Part>>,
    /// Packets received and lost so far.
    pub(super) counters: LiveCounters,
    /// How it stands.
    pub(super) state: InterfaceState,
    /// Whatever arrived until then was seen.
    pub(super) until: Timestamp,
}

/// How threads learn that no more is wanted: those that read by the flag, those that wait by the
/// pipe, whose other end is closed then.
pub(super) struct Stop {
    pub(super) is_wanted: AtomicBool,
    pub(super) woken: PipeReader,
}

/// What all threads share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) stop: Arc<Stop>,
    /// Packets still wanted, where that is bounded.
    pub(super) budget: Option<Arc<AtomicU64>>,
    pub(super) sender: Sender<Told>,
}

/// Reads one interface.
pub(super) struct Gatherer {
    interface: usize,
    capture: LiveCapture,
    gathered: Gathered,
    shared: Shared,
    /// Whether something that was told was not taken yet.
    pub(super) lies_there: Arc<AtomicBool>,
    told: Instant,
    told_counters: LiveCounters,
    state: InterfaceState,
}

/// What was gathered, and for whom.
struct Gathered {
    part: Part,
    /// Packets of the part that no slice holds yet.
    fresh: u64,
    budget: Option<Arc<AtomicU64>>,
    interface: u32,
    blocks: Blocks,
    tap: Option<super::Tap>,
}

impl Gathered {
    #[inline]
    fn add(&mut self, frame: &Frame<'_>) {
        if let Some(budget) = &self.budget
            && !take_one(budget)
        {
            return;
        }
        self.fresh += 1;
        self.part.add_one(frame);
        if self.tap.is_some() {
            self.keep(frame);
        }
    }

    /// Whether no more packet is wanted.
    fn is_full(&self) -> bool {
        let left = |budget: &Arc<AtomicU64>| budget.load(Ordering::Relaxed);
        self.budget.as_ref().is_some_and(|budget| left(budget) == 0)
    }

    fn keep(&mut self, frame: &Frame<'_>) {
        let blocks = &mut self.blocks;
        blocks.packet(self.interface, frame.time, frame.wire_length, frame.data);
        if blocks.as_bytes().len() >= TAP_BYTES {
            self.give();
        }
    }

    /// Gives what is to be kept to whoever keeps it.
    fn give(&mut self) {
        if let Some(tap) = &self.tap
            && !self.blocks.is_empty()
        {
            tap(self.blocks.as_bytes());
            self.blocks.clear();
        }
    }
}

/// Takes one of what is left; `false` where nothing is.
fn take_one(budget: &AtomicU64) -> bool {
    let taken = budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
        left.checked_sub(1)
    });
    taken.is_ok()
}

impl Gatherer {
    pub(super) fn new(
        interface: usize,
        capture: LiveCapture,
        input: &LiveInput,
        shared: &Shared,
    ) -> Self {
        Self {
            interface,
            gathered: Gathered {
                part: begin(capture.name(), input.max_flows),
                fresh: 0,
                budget: shared.budget.clone(),
                interface: interface as u32,
                blocks: Blocks::new(),
                tap: input.tap.clone(),
            },
            capture,
            shared: shared.clone(),
            lies_there: Arc::default(),
            told: Instant::now(),
            told_counters: LiveCounters::default(),
            state: InterfaceState::Up,
        }
    }

    /// Reads until the end, and tells what is left.
    pub(super) fn run(mut self) {
        let ended = self.read_on();
        // Of an interface that is gone, too: what arrived before counts.
        let ended = self.drain().and(ended);
        self.state = InterfaceState::Ended {
            problem: ended.err().map(|problem| problem.to_string()),
            was_down: !self
                .capture
                .is_up()
                .unwrap_or(self.state != InterfaceState::Down),
        };
        self.gathered.give();
        let counters = self.capture.counters().unwrap_or(self.told_counters);
        let last = self.tell(counters);
        // Where nobody listens any more, nothing is to be told.
        let _ = self.shared.sender.send(last);
    }

    /// Reads until no more is wanted.
    fn read_on(&mut self) -> Result<(), LiveProblem> {
        while !self.shared.stop.is_wanted.load(Ordering::Relaxed) && !self.gathered.is_full() {
            let gathered = &mut self.gathered;
            let read = self.capture.read(|frame| gathered.add(frame))?;
            // Frames alone are no sign: the ring still holds those from before.
            if self.state == InterfaceState::Down && self.capture.is_up().unwrap_or(read > 0) {
                self.state = InterfaceState::Up;
            }
            self.tell_in_time();
            if read > 0 {
                continue;
            }
            // Who reads what is kept wants to see it now.
            self.gathered.give();
            let most = SLICE_TIME.saturating_sub(self.told.elapsed());
            let woken = self.shared.stop.woken.as_fd();
            match self.capture.wait(woken, most.max(SHORTEST_WAIT)) {
                Err(LiveProblem::Down { .. }) => self.state = InterfaceState::Down,
                waited => drop(waited?),
            }
        }
        Ok(())
    }

    /// Reads what the kernel still holds back: what arrived before the end counts.
    fn drain(&mut self) -> Result<(), LiveProblem> {
        if self.gathered.is_full() {
            return Ok(());
        }
        let gathered = &mut self.gathered;
        self.capture.drain(|frame| gathered.add(frame))
    }

    /// Tells what is new, or that nothing is, if it is time and somebody has room for it.
    fn tell_in_time(&mut self) {
        if self.told.elapsed() < SLICE_TIME {
            return;
        }
        self.told = Instant::now();
        let counters = self.capture.counters().unwrap_or(self.told_counters);
        if !self.lies_there.swap(true, Ordering::Acquire) {
            let told = self.tell(counters);
            // Where nobody listens any more, the end comes soon.
            let _ = self.shared.sender.send(told);
        }
    }

    fn tell(&mut self, counters: LiveCounters) -> Told {
        self.told_counters = counters;
        let is_fresh = std::mem::take(&mut self.gathered.fresh) > 0;
        let slice = is_fresh.then(|| Box::new(self.gathered.part.take_slice()));
        Told {
            interface: self.interface,
            slice,
            counters,
            state: self.state.clone(),
            until: self.capture.read_until(),
        }
    }
}
