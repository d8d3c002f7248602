//! The work queue of one controller: a pure state machine, time is passed in.
//!
//! # Guarantees
//! - A key is handed out at most once at a time: not again before [`Queue::finish`] (G1).
//! - A wake while the key is out leads to another turn after it (G2); wakes while it waits collapse.
//! - A wake never delays a key, and a failed key is not run before its hold is over (G5), unless
//!   [`Queue::free`] says that what made it fail is gone.
//! - Of four keys handed out, one is from the other lane if both have keys (G6).

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::Hash;
use std::time::Instant;

use crate::backoff;

/// Why a key wants a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Something changed just now.
    Fresh,
    /// Part of a whole: the initial list, or a sweep after a new version.
    Backlog,
}

/// When a finished key wants its next turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// When something changes.
    OnChange,
    /// Then at the latest, earlier if something changes.
    At(Instant),
    /// After a failure: `at`, or `hold` at the earliest if something changes.
    Retry {
        /// When to try again if nothing changes; none is only on a change.
        at: Option<Instant>,
        /// The earliest time for another try.
        hold: Instant,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready(Lane),
    Delayed {
        at: Instant,
        hold: Option<Instant>,
    },
    /// Failed for good so far; a wake may bring it back, not before `hold`.
    Parked {
        hold: Instant,
    },
    Running {
        woken: Option<Lane>,
        /// Freed meanwhile: what the turn says about a hold is out of date.
        free: bool,
    },
}

/// The queue. `K` names an object.
#[derive(Debug)]
pub struct Queue<K> {
    states: HashMap<K, State>,
    fresh: VecDeque<K>,
    backlog: VecDeque<K>,
    delayed: BTreeSet<(Instant, K)>,
    turns: u8,
    waiting: usize,
    running: usize,
}

impl<K: Clone + Eq + Hash + Ord> Default for Queue<K> {
    fn default() -> Self {
        Self {
            states: HashMap::new(),
            fresh: VecDeque::new(),
            backlog: VecDeque::new(),
            delayed: BTreeSet::new(),
            turns: 0,
            waiting: 0,
            running: 0,
        }
    }
}

impl<K: Clone + Eq + Hash + Ord> Queue<K> {
    /// Asks for a turn for `key`.
    pub fn wake(&mut self, key: K, lane: Lane, now: Instant) {
        self.ask(key, lane, now, false);
    }

    /// Asks for a turn for `key`, and lifts its hold: the object or the plugin is another one now.
    pub fn free(&mut self, key: K, lane: Lane, now: Instant) {
        self.ask(key, lane, now, true);
    }

    fn ask(&mut self, key: K, lane: Lane, now: Instant, lift: bool) {
        match self.states.get(&key).copied() {
            None => self.ready(key, lane),
            Some(State::Running { woken, free }) => {
                let lane = if woken == Some(Lane::Fresh) { Lane::Fresh } else { lane };
                self.states.insert(key, State::Running { woken: Some(lane), free: free || lift });
            }
            Some(State::Delayed { at, hold }) => {
                self.delayed.remove(&(at, key.clone()));
                self.at_or_after(key, lane, hold.filter(|_| !lift), now);
            }
            Some(State::Parked { hold }) => {
                self.at_or_after(key, lane, Some(hold).filter(|_| !lift), now);
            }
            Some(State::Ready(Lane::Backlog)) if lane == Lane::Fresh => {
                // Its old place in the backlog is skipped when it is reached.
                self.ready(key, Lane::Fresh);
            }
            Some(State::Ready(_)) => {}
        }
    }

    /// Hands out the next key that is due, if there is one.
    pub fn take(&mut self, now: Instant) -> Option<K> {
        while let Some((at, _)) = self.delayed.first()
            && *at <= now
            && let Some((_, key)) = self.delayed.pop_first()
        {
            self.ready(key, Lane::Fresh);
        }
        self.turns = (self.turns + 1) % 4;
        let lanes = if self.turns == 0 {
            [Lane::Backlog, Lane::Fresh]
        } else {
            [Lane::Fresh, Lane::Backlog]
        };
        let key = lanes.into_iter().find_map(|lane| self.pop(lane))?;
        self.states.insert(key.clone(), State::Running { woken: None, free: false });
        self.waiting -= 1;
        self.running += 1;
        Some(key)
    }

    /// Takes back a key that was handed out.
    pub fn finish(&mut self, key: K, next: Next, now: Instant) {
        let Some(State::Running { woken, free }) = self.states.get(&key).copied() else { return };
        self.running -= 1;
        self.states.remove(&key);
        match (woken, next) {
            // What freed it may have been the guest itself: not at once, lest it runs in a circle.
            (Some(lane), Next::Retry { hold, .. }) if free => {
                self.at_or_after(key, lane, Some(hold.min(now + backoff::FIRST)), now);
            }
            (Some(lane), Next::Retry { hold, .. }) => self.at_or_after(key, lane, Some(hold), now),
            (Some(lane), _) => self.ready(key, lane),
            (None, Next::OnChange) => {}
            (None, Next::At(at)) => self.delay(key, at, None),
            (None, Next::Retry { at: Some(at), hold }) => self.delay(key, at, Some(hold)),
            (None, Next::Retry { at: None, hold }) => {
                self.states.insert(key, State::Parked { hold });
            }
        }
    }

    /// When the next delayed key is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.delayed.first().map(|(at, _)| *at)
    }

    /// How many keys wait for a turn now.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.waiting
    }

    /// How many keys are handed out.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running
    }

    fn ready(&mut self, key: K, lane: Lane) {
        let before = self.states.insert(key.clone(), State::Ready(lane));
        if !matches!(before, Some(State::Ready(_))) {
            self.waiting += 1;
        }
        match lane {
            Lane::Fresh => self.fresh.push_back(key),
            Lane::Backlog => self.backlog.push_back(key),
        }
    }

    fn at_or_after(&mut self, key: K, lane: Lane, hold: Option<Instant>, now: Instant) {
        match hold {
            Some(hold) if hold > now => self.delay(key, hold, Some(hold)),
            _ => self.ready(key, lane),
        }
    }

    fn delay(&mut self, key: K, at: Instant, hold: Option<Instant>) {
        self.states.insert(key.clone(), State::Delayed { at, hold });
        self.delayed.insert((at, key));
    }

    /// The first key of a lane that still waits in it.
    fn pop(&mut self, lane: Lane) -> Option<K> {
        let queue = match lane {
            Lane::Fresh => &mut self.fresh,
            Lane::Backlog => &mut self.backlog,
        };
        while let Some(key) = queue.pop_front() {
            if self.states.get(&key) == Some(&State::Ready(lane)) {
                return Some(key);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
