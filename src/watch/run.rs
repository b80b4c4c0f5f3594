//! The loop of a live run: takes up what was seen, judges it again and again, tells what changed,
//! and knows when to end.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use super::events::{Ended, Event, Interface, InterfaceState, Moment, Teller, is_satisfied};
use super::signals::{PATIENCE, Signals};
use crate::evidence::{Evidence, Frozen};
use crate::net::Timestamp;
use crate::pipeline::live::{self, Live};
use crate::site::LoadedSite;
use crate::verdict::{Audit, Strictness, audit};

/// How long to wait for something new, before the other reasons to end are looked at.
const TICK: Duration = Duration::from_millis(50);
/// How often what was seen is judged.
const JUDGE_TIME: Duration = Duration::from_millis(250);
/// How often it is judged while nothing comes: time alone makes a request unanswered.
const QUIET_TIME: Duration = Duration::from_secs(1);
/// Judging takes one part in so many of the time: reading has the rest.
const SHARE: u32 = 5;

/// How often what was silent is retired, as a part of the time that makes it idle.
const RETIRE_SHARE: u32 = 4;
/// Machines wait for minutes in the middle of a boot: what trackers read is kept so long at least.
const LEAST_KEPT: Duration = Duration::from_secs(600);

/// When to end, and how to judge.
#[derive(Clone, Debug)]
pub struct Settings {
    /// End once all that is required has held for so long.
    pub until_satisfied: Option<Duration>,
    /// End after so long.
    pub duration: Option<Duration>,
    /// How often an interim report is made.
    pub interval: Option<Duration>,
    /// Flows silent for so long are retired.
    pub idle: Duration,
    /// What link maintenance is taken for.
    pub strictness: Strictness,
    /// Threads that judge.
    pub threads: NonZeroUsize,
}

/// What is told at a time.
pub struct Look<'a> {
    /// What changed.
    pub events: &'a [Event],
    /// How all stands.
    pub audit: &'a Audit,
    /// How the interfaces stand.
    pub moment: &'a Moment,
    /// What was told so far.
    pub teller: &'a Teller,
    /// When the run ends, in a few words.
    pub ends: &'a str,
}

/// Who is told.
pub trait Audience {
    /// What changed, and how all stands; `false` where nobody listens any more.
    fn tell(&mut self, look: &Look<'_>) -> bool;
    /// Whether all that was told is on its way.
    fn is_ready(&mut self) -> bool;
    /// An interim report is due.
    fn interim(&mut self, audit: &Audit);
    /// Reading ends: nobody may hold that up for long any more.
    fn stops(&mut self);
}

/// What a live run came to.
#[derive(Debug)]
pub struct Watched {
    /// The audit of all that was seen.
    pub audit: Audit,
    /// How the interfaces stood at the end.
    pub moment: Moment,
    /// Why it ended.
    pub ended: Ended,
}

/// Watches until a reason to end comes, and audits what was seen.
pub fn run(
    mut live: Live,
    site: &LoadedSite,
    settings: &Settings,
    signals: &Signals,
    audience: &mut dyn Audience,
) -> Watched {
    let mut watch = Watch::new(site, settings);
    let ended = loop {
        let mut is_new = live.take_next(TICK);
        while is_new && live.take_next(Duration::ZERO) {}
        is_new |= watch.is_new;
        watch.is_new = is_new;
        if let Some(ended) = watch.end(&live, signals) {
            break ended;
        }
        if !watch.is_due() {
            continue;
        }
        if let Some(ended) = watch.look(&mut live, audience) {
            break ended;
        }
    };
    live.stop();
    audience.stops();
    let stopped = Instant::now();
    while live.is_running() {
        live.take_next(TICK);
        // Packets may wait for a disk that takes none.
        if stopped.elapsed() > PATIENCE {
            signals.give_way();
        }
    }
    signals.give_way();
    watch.last(&live, ended, audience)
}

/// What is known between two looks.
struct Watch<'a> {
    site: &'a LoadedSite,
    settings: &'a Settings,
    teller: Teller,
    /// What ended so long ago that its packets are held no more.
    frozen: Frozen,
    begun: Instant,
    /// Whether something came since the last look.
    is_new: bool,
    looked: Instant,
    /// How long a look took.
    took: Duration,
    satisfied: Option<Instant>,
    interim: Instant,
    retired: Instant,
}

impl<'a> Watch<'a> {
    fn new(site: &'a LoadedSite, settings: &'a Settings) -> Self {
        let now = Instant::now();
        Self {
            site,
            settings,
            teller: Teller::default(),
            frozen: Frozen::default(),
            begun: now,
            is_new: true,
            looked: now,
            took: Duration::ZERO,
            satisfied: None,
            interim: now,
            retired: now,
        }
    }

    /// Why to end now, whatever was seen.
    fn end(&self, live: &Live, signals: &Signals) -> Option<Ended> {
        let is_over = |most| self.begun.elapsed() >= most;
        if let Some(signal) = signals.came() {
            Some(Ended::Signal(signal))
        } else if self.settings.duration.is_some_and(is_over) {
            Some(Ended::Duration)
        } else if live.is_running() {
            None
        } else if live.is_full() {
            Some(Ended::Packets)
        } else {
            Some(Ended::Gone)
        }
    }

    fn is_due(&self) -> bool {
        let least = if self.is_new { JUDGE_TIME } else { QUIET_TIME };
        self.looked.elapsed() >= least.max(self.took * SHARE)
    }

    /// Judges what was seen so far, and tells.
    fn look(&mut self, live: &mut Live, audience: &mut dyn Audience) -> Option<Ended> {
        self.is_new = false;
        self.looked = Instant::now();
        if self.retired.elapsed() >= self.settings.idle / RETIRE_SHARE {
            self.retired = self.looked;
            self.retire(live);
        }
        let audit = self.audit(live, NonZeroUsize::MIN);
        let moment = self.moment(live);
        // To who reads slowly, what changed is told together once there is room for it.
        let events = match audience.is_ready() {
            true => self.teller.tell(&audit, &moment),
            false => Vec::new(),
        };
        let is_satisfied = self.holds(&audit);
        let is_heard = audience.tell(&Look {
            events: &events,
            audit: &audit,
            moment: &moment,
            teller: &self.teller,
            ends: &self.ends(),
        });
        if let Some(interval) = self.settings.interval
            && self.interim.elapsed() >= interval
        {
            self.interim = self.looked;
            audience.interim(&audit);
        }
        self.took = self.looked.elapsed();
        if !is_heard {
            return Some(Ended::Unread);
        }
        is_satisfied.then_some(Ended::Satisfied)
    }

    /// Gives up what was silent for long: flows are folded, and of what the trackers read only what
    /// they found is kept.
    fn retire(&mut self, live: &mut Live) {
        let (now, idle) = (live.seen_until(), self.settings.idle);
        let observation = live.observation();
        let kept = i64::try_from(idle.max(LEAST_KEPT).as_nanos()).unwrap_or(i64::MAX);
        let before = Timestamp(now.0.saturating_sub(kept));
        let needed = self.frozen.freeze(observation.log(), &observation, before);
        live.each_part(|part| {
            part.retire(now, idle, &|flow| needed.is_transfer(flow));
            part.retire_log(|entry| needed.holds(entry));
        });
    }

    /// Whether all that is required has held long enough to end.
    fn holds(&mut self, audit: &Audit) -> bool {
        let Some(settle) = self.settings.until_satisfied else {
            return false;
        };
        if !is_satisfied(audit).satisfied {
            self.satisfied = None;
            return false;
        }
        let since = *self.satisfied.get_or_insert(self.looked);
        since.elapsed() >= settle
    }

    /// When the run ends, in a few words.
    fn ends(&self) -> String {
        let settings = self.settings;
        let left =
            |from: Instant, most: Duration| most.saturating_sub(from.elapsed()).as_secs() + 1;
        let latest = settings.duration.map(|most| left(self.begun, most));
        match (settings.until_satisfied, self.satisfied, latest) {
            (Some(settle), Some(since), _) => {
                format!(
                    "all is seen: ends in {} s unless that changes",
                    left(since, settle)
                )
            }
            (Some(_), None, Some(latest)) => format!("ends once all is seen, or in {latest} s"),
            (Some(_), None, None) => "ends once all is seen, or on Ctrl-C".to_owned(),
            (None, _, Some(latest)) => format!("ends in {latest} s"),
            (None, _, None) => "ends on Ctrl-C".to_owned(),
        }
    }

    /// Judges all that was seen, and tells for the last time.
    fn last(mut self, live: &Live, ended: Ended, audience: &mut dyn Audience) -> Watched {
        let audit = self.audit(live, self.settings.threads);
        let moment = self.moment(live);
        let events = self.teller.tell_last(&audit, &moment, ended);
        audience.tell(&Look {
            events: &events,
            audit: &audit,
            moment: &moment,
            teller: &self.teller,
            ends: "",
        });
        Watched {
            audit,
            moment,
            ended,
        }
    }

    fn audit(&self, live: &Live, threads: NonZeroUsize) -> Audit {
        let observation = live.observation();
        let log = observation.log();
        let evidence = Evidence::collect_after(&self.frozen, log, &observation);
        let strictness = self.settings.strictness;
        audit(self.site, &observation, &evidence, strictness, threads)
    }

    fn moment(&self, live: &Live) -> Moment {
        Moment {
            now: Timestamp::now(),
            since_start: self.begun.elapsed(),
            interfaces: live.interfaces().iter().map(interface).collect(),
        }
    }
}

fn interface(interface: &live::LiveInterface) -> Interface {
    let (packets, bytes) = interface.seen();
    Interface {
        name: interface.name.clone(),
        packets,
        bytes,
        dropped: Some(interface.counters.lost()),
        state: match interface.state {
            live::InterfaceState::Ended {
                problem: Some(_), ..
            } => InterfaceState::Gone,
            live::InterfaceState::Down | live::InterfaceState::Ended { was_down: true, .. } => {
                InterfaceState::Down
            }
            live::InterfaceState::Up | live::InterfaceState::Ended { .. } => InterfaceState::Up,
        },
    }
}
