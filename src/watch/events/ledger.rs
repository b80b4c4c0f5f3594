//! What may yet change, and what of it was told. An early verdict may turn with the next packet,
//! so it is told only once it has held for a while.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use super::round::Round;

/// Things that lists of the audit no longer show because these are full are remembered up to so
/// many entries, so that they are not told anew; lists hold 10,000.
const MAX_REMEMBERED: usize = 20_000;
/// Words told of one state while it stands. What is learned of a failure comes in a few steps; a
/// machine in a boot loop may go on finding other words for as long as it runs.
const MAX_WORDS: usize = 8;

/// How things stand, by what they are. The default state needs no telling.
#[derive(Debug)]
pub(super) struct Ledger<K, S> {
    entries: HashMap<K, Entry<S>>,
    round: u64,
}

#[derive(Debug)]
struct Entry<S> {
    state: S,
    since: Duration,
    told: S,
    words: Words,
    /// The last round that showed it.
    seen: u64,
    /// When it was first not shown any more.
    absent: Option<Duration>,
}

/// What is said of a state, by a number. It may change while the state stands.
#[derive(Debug, Default)]
struct Words {
    now: u64,
    since: Duration,
    /// Told last.
    told: u64,
    /// Told of the same state before those.
    earlier: Vec<u64>,
}

impl Words {
    /// Whether a state that was told is to be told again with these. Words that take turns would be
    /// told without end, so those told before are not; but the last event on a thing agrees with
    /// the report.
    fn are_due(&self, is_last: bool) -> bool {
        let has_room = self.earlier.len() + 1 < MAX_WORDS;
        let are_new = has_room && !self.earlier.contains(&self.now);
        self.now != self.told && (is_last || are_new)
    }

    /// Notes that they are told; `again` of a state that was told with others.
    fn tell(&mut self, again: bool) {
        if again {
            self.earlier.push(self.told);
        } else {
            self.earlier = Vec::new();
        }
        self.told = self.now;
    }
}

impl<K, S> Default for Ledger<K, S> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            round: 0,
        }
    }
}

impl<K: Clone + Eq + Hash, S: Copy + Default + Eq> Ledger<K, S> {
    /// Begins a round; what is not noted until its end is gone.
    pub fn begin(&mut self) {
        self.round += 1;
    }

    /// Whether it was noted before.
    pub fn knows(&self, key: &K) -> bool {
        self.entries.contains_key(key)
    }

    /// What was told of something last.
    pub fn told(&self, key: &K) -> S {
        let entry = self.entries.get(key);
        entry.map(|entry| entry.told).unwrap_or_default()
    }

    /// Notes how something stands. Whether that is to be told now: it was not told, it has held
    /// so long, and there is room. Says so once.
    pub fn stands(&mut self, key: K, state: S, hold: Duration, round: &mut Round<'_>) -> bool {
        self.stands_with(key, (state, 0), hold, round)
    }

    /// The same of a state with what is said of it: where that state was told with other words, it
    /// is told again once these have held so long, unless they were told of it before or too many
    /// were; in the last round unless they were told last. How long a state has held is another
    /// matter, so that words which change all the time delay nothing.
    pub fn stands_with(
        &mut self,
        key: K,
        (state, words): (S, u64),
        hold: Duration,
        round: &mut Round<'_>,
    ) -> bool {
        let now = round.now;
        let entry = self.entries.entry(key).or_insert_with(|| Entry {
            state,
            since: now,
            told: S::default(),
            words: Words {
                now: words,
                since: now,
                ..Words::default()
            },
            seen: 0,
            absent: None,
        });
        // Two of one name would turn it with every look.
        if entry.seen == self.round {
            return false;
        }
        let is_back = entry.absent.take().is_some();
        if entry.state != state || is_back {
            entry.state = state;
            entry.since = now;
        }
        if entry.words.now != words || is_back {
            entry.words.now = words;
            entry.words.since = now;
        }
        entry.seen = self.round;
        let since = if entry.told != state {
            entry.since
        } else if state != S::default() && entry.words.are_due(round.is_last) {
            entry.words.since
        } else {
            return false;
        };
        let is_due = (round.is_last || now.saturating_sub(since) >= hold) && round.takes();
        if is_due {
            entry.words.tell(entry.told == state);
            entry.told = state;
        }
        is_due
    }

    /// Forgets what was not noted in this round.
    pub fn forget(&mut self) {
        self.entries.retain(|_, entry| entry.seen == self.round);
    }

    /// Forgets what was not noted in this round. What was told and stayed away so long is
    /// returned, in no particular order; where the list that it stood in `is_full`, that says
    /// nothing.
    pub fn gone(&mut self, hold: Duration, is_full: bool, round: &mut Round<'_>) -> Vec<(K, S)> {
        let (now, current) = (round.now, self.round);
        let crowded = self.entries.len() > MAX_REMEMBERED;
        let mut gone = Vec::new();
        self.entries.retain(|key, entry| {
            if entry.seen == current {
                return true;
            }
            if entry.told == S::default() {
                return false;
            }
            if is_full {
                return !crowded;
            }
            let absent = *entry.absent.get_or_insert(now);
            let is_due = (round.is_last || now.saturating_sub(absent) >= hold) && round.takes();
            if is_due {
                gone.push((key.clone(), entry.told));
            }
            !is_due
        });
        gone
    }
}
